#include "rules/base/when.h"
#include "tests/unit/test.h"

static void moments(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-11-21T09:05:40.123Z", INT64_C(1795251940123) },
        { "2026-11-21T09:05:40.1239999Z", INT64_C(1795251940123) },
        { "2026-11-21t10:05:40+01:00", INT64_C(1795251940000) },
        { "2026-11-21 03:35:40-05:30", INT64_C(1795251940000) },
        { "2024-02-29T00:00:00Z", INT64_C(1709164800000) },
        { "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
        { "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
        { "2023-02-29T00:00:00Z", -1 },
        { "1900-02-29T00:00:00Z", -1 },
        { "2026-13-01T00:00:00Z", -1 },
        { "2026-00-01T00:00:00Z", -1 },
        { "2026-01-32T00:00:00Z", -1 },
        { "2026-01-01T24:00:00Z", -1 },
        { "2026-01-01T00:60:00Z", -1 },
        { "2026-01-01T00:00:00", -1 },
        { "2026-01-01T00:00:00.Z", -1 },
        { "2026-01-01T00:00:00+0100", -1 },
        { "2026-01-01T00:00:00Zx", -1 },
        { "2026-01-01", -1 },
        { "026-01-01T00:00:00Z", -1 },
        { "90s", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = -7;
        bool right = er_when_parse(er_str_of(rows[i].text), &ms);

        if (right != (rows[i].ms >= 0) || ms != (right ? rows[i].ms : -7)) {
            fail_msg("%s: %d %lld", rows[i].text, right, (long long)ms);
        }
    }
}

static void how_long_ago(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* before now; -1: none */
    } rows[] = {
        { "90s", 90000 },      { "15m", 900000 }, { "2h", 7200000 },
        { "7d", 604800000 },   { "0s", 0 },       { "999999999s", 999999999000 },
        { "s", -1 },           { "1", -1 },       { "-1s", -1 },
        { "1w", -1 },          { "", -1 },        { "1.5h", -1 },
        { "1000000000s", -1 },
    };
    const int64_t now = INT64_C(1795251940123);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = now - 1;
        bool right = er_when_parse_or_ago(er_str_of(rows[i].text), now, &ms);

        if (right != (rows[i].ms >= 0) || (right && ms != now - rows[i].ms)) {
            fail_msg("%s: %d %lld", rows[i].text, right, (long long)ms);
        }
    }
    {
        int64_t ms = 0;

        assert_true(er_when_parse_or_ago(ER_STR("1970-01-01T00:00:01Z"), now, &ms));
        assert_int_equal(ms, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(how_long_ago),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
