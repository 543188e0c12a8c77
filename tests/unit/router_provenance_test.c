#include "tests/unit/test.h"
#include "router/provenance.h"

static struct er_header header(const char *name, const char *value)
{
    return (struct er_header){ er_str_of(name), { value, value == NULL ? 0 : strlen(value) }, value == NULL };
}

static void test_hops(void **state)
{
    static const struct {
        const char *hops; /* "-" = no header, NULL = null value */
        enum er_code code;
        unsigned next;
    } rows[] = {
        { "-", ER_OK, 2 },
        { "1", ER_OK, 2 },
        { "2", ER_OK, 3 },
        { "7", ER_OK, 8 },
        { "007", ER_OK, 8 },
        { "8", ER_E_EVENT_LOOP, 0 },
        { "9", ER_E_EVENT_LOOP, 0 },
        { "18446744073709551617", ER_E_EVENT_LOOP, 0 },
        { "99999999999999999999999999999999999999999999", ER_E_EVENT_LOOP, 0 },
        { "0", ER_OK, 2 },
        { "", ER_OK, 2 },
        { NULL, ER_OK, 2 },
        { "-1", ER_OK, 2 },
        { "abc", ER_OK, 2 },
        { "3x", ER_OK, 2 },
        { " 9", ER_OK, 2 },
        { "1e9", ER_OK, 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool has = rows[i].hops == NULL || strcmp(rows[i].hops, "-") != 0;
        struct er_header headers[2] = { header("eventrouter-source", "a/0/1"), header("eventrouter-hops", rows[i].hops) };
        struct er_record record = { .headers = headers, .n_headers = has ? 2 : 1 };
        struct er_err err;
        unsigned next = 99;

        assert_int_equal(er_hops_next(&record, &next, &err), rows[i].code);
        assert_int_equal(next, rows[i].next);
        if (rows[i].code != ER_OK) {
            assert_string_equal(er_code_name(err.code), "E123");
        }
    }
}

/* Only an event that passed a router takes part; and of repeated headers the last counts. */
static void test_hops_need_a_source(void **state)
{
    struct er_header headers[3] = { header("eventrouter-hops", "9"), header("eventrouter-source", "a/0/1"),
                                    header("eventrouter-hops", "3") };
    struct er_record record = { .headers = headers, .n_headers = 1 };
    unsigned next = 99;

    (void)state;
    assert_int_equal(er_hops_next(&record, &next, NULL), ER_OK);
    assert_int_equal(next, 0);
    record.n_headers = 3;
    assert_int_equal(er_hops_next(&record, &next, NULL), ER_OK);
    assert_int_equal(next, 4);
}

static void check_headers(const struct er_headers *got, const char *expected)
{
    char text[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < got->n; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s=%.*s;", ER_STR_ARG(got->items[i].name),
                              ER_STR_ARG(got->items[i].value));
    }
    assert_string_equal(text, expected);
}

static void test_headers(void **state)
{
    struct er_header arriving[] = { header("a", "1"),
                                    header("eventrouter-source", "x/1/2"),
                                    header("eventrouter-revision", "3"),
                                    header("a", "2"),
                                    header("eventrouter-hops", "4"),
                                    header("eventrouter-source", "y/1/2"),
                                    header("eventrouter-subscriptions", "old") };
    struct er_record record = { .headers = arriving, .n_headers = 7 };
    struct er_provenance_marks marks = {
        .level = ER_PROVENANCE_SOURCE, .source = ER_STR("raw/0/5"), .revision = 12, .hops = 5, .subscriptions = ER_STR("r1,r2")
    };
    struct er_headers headers = { 0 };

    (void)state;
    assert_true(er_provenance_headers(&headers, &record, &marks));
    check_headers(&headers,
                  "a=1;eventrouter-revision=3;a=2;eventrouter-subscriptions=old;eventrouter-source=raw/0/5;eventrouter-hops=5;");
    marks.level = ER_PROVENANCE_FULL;
    assert_true(er_provenance_headers(&headers, &record, &marks));
    check_headers(&headers,
                  "a=1;a=2;eventrouter-source=raw/0/5;eventrouter-hops=5;eventrouter-subscriptions=r1,r2;eventrouter-revision=12;");
    marks.level = ER_PROVENANCE_OFF;
    assert_true(er_provenance_headers(&headers, &record, &marks));
    check_headers(&headers, "a=1;eventrouter-source=x/1/2;eventrouter-revision=3;a=2;eventrouter-source=y/1/2;"
                            "eventrouter-subscriptions=old;eventrouter-hops=5;");
    record.n_headers = 0;
    marks.hops = 0;
    marks.level = ER_PROVENANCE_SOURCE;
    assert_true(er_provenance_headers(&headers, &record, &marks));
    check_headers(&headers, "eventrouter-source=raw/0/5;");
    er_headers_free(&headers);
}

static void test_decimal(void **state)
{
    char text[20];

    (void)state;
    assert_int_equal(er_decimal(text, 0), 1);
    assert_memory_equal(text, "0", 1);
    assert_int_equal(er_decimal(text, UINT64_MAX), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_hops_need_a_source),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
