#include "rules/language/cidr.h"

#include "tests/unit/test.h"

static void addresses(void **state)
{
    static const struct {
        const char *text;
        size_t n; /* 0: up to the NUL */
        bool good, v6;
    } rows[] = {
        { "0.0.0.0", 0, true, false },
        { "255.255.255.255", 0, true, false },
        { "10.1.2.3", 0, true, false },
        { "::", 0, true, true },
        { "2001:db8::1", 0, true, true },
        { "2001:DB8:0:0:0:0:0:1", 0, true, true },
        { "::ffff:10.0.0.1", 0, true, true },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 0, true, true }, /* the longest */
        { "", 0, false, false },
        { "10.1.2", 0, false, false },
        { "10.1.2.3.4", 0, false, false },
        { "256.1.1.1", 0, false, false },
        { "010.1.1.1", 0, false, false },
        { "0x7f.1.1.1", 0, false, false },
        { "1", 0, false, false },
        { " 10.1.2.3", 0, false, false },
        { "10.1.2.3 ", 0, false, false },
        { "10.1.2.3/8", 0, false, false },
        { "-1.1.1.1", 0, false, false },
        { "1:2:3:4:5:6:7", 0, false, false },
        { "1::2::3", 0, false, false },
        { "12345::", 0, false, false },
        { "::1%lo", 0, false, false },
        { "[::1]", 0, false, false },
        { "10.1.2.3\0", 9, false, false },
        { "::1\0", 4, false, false },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255 ", 0, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_str text = { rows[i].text, rows[i].n > 0 ? rows[i].n : strlen(rows[i].text) };
        struct er_address address;
        bool good = er_address_parse(text, &address);

        if (good != rows[i].good || (good && address.v6 != rows[i].v6)) {
            fail_msg("\"%s\": %d", rows[i].text, good);
        }
    }
}

static void malformed_blocks(void **state)
{
    static const char *const rows[] = { "",
                                        "10.0.0.0",
                                        "10.0.0.0/",
                                        "/8",
                                        "10.0.0.0/33",
                                        "10.0.0.0/08",
                                        "10.0.0.0/00",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/+8",
                                        "10.0.0.0/ 8",
                                        "10.0.0.0/8 ",
                                        "10.0.0.0/8/8",
                                        "10.0.0.0/255.0.0.0",
                                        "10.0.0.0/4294967304",
                                        "::/129",
                                        "::/012",
                                        "::/1000",
                                        "10.0/8",
                                        "x/8" };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_cidr cidr;
        bool host_bits;

        if (er_cidr_parse(er_str_of(rows[i]), &cidr, &host_bits)) {
            fail_msg("\"%s\" is read", rows[i]);
        }
    }
}

static void blocks(void **state)
{
    static const struct {
        const char *block, *address;
        bool inside, host_bits;
    } rows[] = {
        { "10.0.0.0/8", "10.255.255.255", true, false },
        { "10.0.0.0/8", "11.0.0.0", false, false },
        { "10.0.0.0/8", "9.255.255.255", false, false },
        { "10.1.2.3/8", "10.200.0.1", true, true },
        { "0.0.0.0/0", "255.255.255.255", true, false },
        { "0.0.0.1/0", "8.8.8.8", true, true },
        { "0.0.0.0/0", "::", false, false },
        { "::/0", "0.0.0.0", false, false },
        { "::/0", "ffff::", true, false },
        { "192.0.2.7/32", "192.0.2.7", true, false },
        { "192.0.2.7/32", "192.0.2.6", false, false },
        { "192.0.2.6/31", "192.0.2.7", true, false },
        { "192.0.2.7/31", "192.0.2.6", true, true },
        { "192.0.2.128/25", "192.0.2.127", false, false },
        { "192.0.2.128/25", "192.0.2.255", true, false },
        { "172.16.0.0/12", "172.31.255.255", true, false },
        { "172.16.0.0/12", "172.32.0.0", false, false },
        { "2001:db8::/32", "2001:db8:ffff::1", true, false },
        { "2001:db8::/32", "2001:db9::", false, false },
        { "2001:db8::/33", "2001:db8:8000::", false, false },
        { "::1/128", "0:0:0:0:0:0:0:1", true, false },
        { "::1/128", "::2", false, false },
        { "::1/127", "::", true, true },
        { "::ffff:0:0/96", "::ffff:10.0.0.1", true, false },
        { "::ffff:0:0/96", "10.0.0.1", false, false },
        { "10.0.0.0/8", "::ffff:10.0.0.1", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_address address;
        struct er_cidr cidr;
        bool host_bits;

        assert_true(er_cidr_parse(er_str_of(rows[i].block), &cidr, &host_bits));
        assert_true(er_address_parse(er_str_of(rows[i].address), &address));
        if (er_cidr_contains(&cidr, &address) != rows[i].inside || host_bits != rows[i].host_bits) {
            fail_msg("%s ~ %s, host bits %d", rows[i].block, rows[i].address, host_bits);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(malformed_blocks),
        cmocka_unit_test(blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
