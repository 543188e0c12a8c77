#include "rules/base/base64.h"
#include "tests/unit/test.h"

static void base64(void **state)
{
    static const struct {
        struct er_str plain;
        const char *text;
    } rows[] = { /* RFC 4648 section 10 */
                 { { "", 0 }, "" },
                 { { "f", 1 }, "Zg==" },
                 { { "fo", 2 }, "Zm8=" },
                 { { "foo", 3 }, "Zm9v" },
                 { { "foob", 4 }, "Zm9vYg==" },
                 { { "fooba", 5 }, "Zm9vYmE=" },
                 { { "foobar", 6 }, "Zm9vYmFy" },
                 { { "\xff\xfe\x00\xfb", 4 }, "//4A+w==" }
    };
    static const char *const bad[] = { "Z",    "Zg",   "Zg=",  "Zg==Zg==", "Z===",   "====",
                                       "Zg=v", "Zh==", "Zm9=", "Zm 9",     "Zm9v\n", "Zm-_" };
    struct er_buf buf = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        er_buf_clear(&buf);
        er_base64_add(&buf, rows[i].plain);
        assert_true(er_str_eq(er_buf_str(&buf), er_str_of(rows[i].text)));
        er_buf_clear(&buf);
        assert_true(er_base64_decode(&buf, er_str_of(rows[i].text)));
        assert_true(er_str_eq(er_buf_str(&buf), rows[i].plain));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        er_buf_clear(&buf);
        if (er_base64_decode(&buf, er_str_of(bad[i]))) {
            fail_msg("%s was decoded", bad[i]);
        }
    }
    er_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
