#include "tests/unit/test.h"
#include "router/dead_letter.h"

static void check_headers(const struct er_record *got, const char *expected)
{
    char text[1024] = "";
    size_t n = 0;

    for (size_t i = 0; i < got->n_headers; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s=%.*s;", ER_STR_ARG(got->headers[i].name),
                              ER_STR_ARG(got->headers[i].value));
    }
    assert_string_equal(text, expected);
}

static const struct er_header arriving[] = {
    { { "h", 1 }, { "v", 1 }, false },
    { { "eventrouter-source", 18 }, { "old/0/1", 7 }, false },
    { { "eventrouter-error-offset", 24 }, { "3", 1 }, false }, /* of an earlier life */
    { { "eventrouter-hops", 16 }, { "8", 1 }, false },
};

static struct er_record event(void)
{
    return (struct er_record){ .topic = ER_STR("raw"),
                               .partition = 1,
                               .offset = 7,
                               .timestamp_ms = 1234,
                               .key = ER_STR("key"),
                               .has_key = true,
                               .value = ER_STR("{bad"),
                               .has_value = true,
                               .headers = arriving,
                               .n_headers = 4 };
}

static struct er_dead_letter letter(void)
{
    return (struct er_dead_letter){ .code = ER_E_JSON_TRUNCATED,
                                    .stage = ER_STAGE_PARSE,
                                    .message = ER_STR("too short"),
                                    .source = ER_STR("raw/1/7"),
                                    .attempts = 1,
                                    .first_failed_ms = INT64_C(1795251940123),
                                    .error_offset = ER_NO_OFFSET,
                                    .now_ms = 99 };
}

static void test_parse_error(void **state)
{
    struct er_dead_letter_scratch scratch = { 0 };
    struct er_record from = event(), out;
    struct er_dead_letter l = letter();

    (void)state;
    l.error_offset = 4;
    assert_true(er_dead_letter_build(&scratch, &from, &l, &out));
    check_headers(&out, "h=v;eventrouter-hops=8;eventrouter-error-code=E108;eventrouter-error-stage=parse;"
                        "eventrouter-error-message=too short;eventrouter-source=raw/1/7;eventrouter-attempts=1;"
                        "eventrouter-first-failed-at=2026-11-21T09:05:40.123Z;eventrouter-error-offset=4;");
    assert_true(er_str_eq(out.key, ER_STR("key")) && out.has_key);
    assert_true(er_str_eq(out.value, ER_STR("{bad")) && out.has_value);
    assert_int_equal(out.timestamp_ms, 1234);
    er_dead_letter_scratch_free(&scratch);
}

static void test_about_a_copy(void **state)
{
    struct er_dead_letter_scratch scratch = { 0 };
    struct er_record from = event(), out;
    struct er_dead_letter l = letter();

    (void)state;
    from.n_headers = 0;
    l.code = ER_E_REGEX_UNDECIDED;
    l.stage = ER_STAGE_MATCH;
    l.subscriber = ER_STR("s");
    l.subscription = ER_STR("s-1");
    assert_true(er_dead_letter_build(&scratch, &from, &l, &out));
    check_headers(&out, "eventrouter-error-code=E304;eventrouter-error-stage=match;eventrouter-error-message=too short;"
                        "eventrouter-source=raw/1/7;eventrouter-attempts=1;eventrouter-first-failed-at=2026-11-21T09:05:40.123Z;"
                        "eventrouter-subscriber=s;eventrouter-subscription=s-1;");
    er_dead_letter_scratch_free(&scratch);
}

/* A topic that refuses the size gets less and less of the event; one that refuses the time stamp gets another one. */
static void test_made_to_fit(void **state)
{
    static const struct {
        enum er_dead_letter_cut cut;
        bool has_key;
        const char *headers;
        const char *lost;
    } rows[] = {
        { ER_CUT_VALUE, true, "h=v;eventrouter-hops=8;", "4" },
        { ER_CUT_HEADERS, true, "", "23" },
        { ER_CUT_KEY, false, "", "26" },
    };
    struct er_dead_letter_scratch scratch = { 0 };
    struct er_record from = event(), out;
    struct er_dead_letter l = letter();
    char expected[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        l.cut = rows[i].cut;
        assert_true(er_dead_letter_build(&scratch, &from, &l, &out));
        snprintf(expected, sizeof expected,
                 "%seventrouter-error-code=E108;eventrouter-error-stage=parse;eventrouter-error-message=too short;"
                 "eventrouter-source=raw/1/7;eventrouter-attempts=1;eventrouter-first-failed-at=2026-11-21T09:05:40.123Z;"
                 "eventrouter-error-truncated=%s;",
                 rows[i].headers, rows[i].lost);
        check_headers(&out, expected);
        assert_false(out.has_value);
        assert_int_equal(out.has_key, rows[i].has_key);
        assert_int_equal(out.timestamp_ms, 1234);
    }
    l.cut = ER_CUT_NOTHING;
    l.retimed = true;
    from.timestamp_ms = -5;
    assert_true(er_dead_letter_build(&scratch, &from, &l, &out));
    assert_int_equal(out.timestamp_ms, 99);
    assert_true(out.has_value);
    assert_true(er_str_eq(out.headers[out.n_headers - 1].name, ER_STR("eventrouter-original-timestamp")));
    assert_true(er_str_eq(out.headers[out.n_headers - 1].value, ER_STR("-5")));
    er_dead_letter_scratch_free(&scratch);
}

/* What was built is read back, and sent again as the event was. */
static void test_read_and_sent_again(void **state)
{
    struct er_dead_letter_scratch scratch = { 0 }, again = { 0 };
    struct er_record from = event(), dead, out;
    struct er_dead_letter l = letter();
    struct er_header room[20];
    struct er_letter got;

    (void)state;
    l.code = ER_E_RECORD_TOO_LARGE;
    l.stage = ER_STAGE_PRODUCE;
    l.error_offset = 4;
    l.subscriber = ER_STR("s");
    l.subscription = ER_STR("s-1");
    l.retimed = true;
    l.attempts = 3;
    from.timestamp_ms = -5;
    assert_true(er_dead_letter_build(&scratch, &from, &l, &dead));
    dead.partition = 2;
    dead.offset = 70;
    er_dead_letter_read(&dead, room, &got);
    assert_int_equal(got.place.partition, 2);
    assert_int_equal(got.place.offset, 70);
    assert_true(er_str_eq(got.code, ER_STR("E604")) && er_str_eq(got.stage, ER_STR("produce")));
    assert_true(er_str_eq(got.message, ER_STR("too short")) && er_str_eq(got.source, ER_STR("raw/1/7")));
    assert_true(er_str_eq(got.subscriber, ER_STR("s")) && er_str_eq(got.subscription, ER_STR("s-1")));
    assert_int_equal(got.attempts, 3);
    assert_int_equal(got.error_offset, 4);
    assert_int_equal(got.truncated, -1);
    assert_int_equal(got.first_failed_ms, INT64_C(1795251940123));
    assert_int_equal(got.event.timestamp_ms, -5);
    check_headers(&got.event, "h=v;eventrouter-hops=8;");

    assert_true(er_dead_letter_again(&again, &got, &out));
    check_headers(&out, "h=v;eventrouter-hops=8;eventrouter-source=raw/1/7;eventrouter-attempts=4;");
    assert_true(out.has_key && er_str_eq(out.key, from.key) && out.has_value && er_str_eq(out.value, from.value));
    assert_int_equal(out.timestamp_ms, -5);

    l.cut = ER_CUT_VALUE;
    l.retimed = false;
    assert_true(er_dead_letter_build(&scratch, &from, &l, &dead));
    er_dead_letter_read(&dead, room, &got);
    assert_int_equal(got.truncated, 4);
    er_dead_letter_scratch_free(&scratch);
    er_dead_letter_scratch_free(&again);
}

/* Anybody may write to the topic. */
static void test_foreign_records(void **state)
{
    static const struct er_header headers[] = {
        { { "eventrouter-attempts", 20 }, { "-1", 2 }, false },
        { { "eventrouter-error-offset", 24 }, { "1234567890123456789", 19 }, false },
        { { "eventrouter-first-failed-at", 27 }, { "yesterday", 9 }, false },
        { { "eventrouter-original-timestamp", 30 }, { "-", 1 }, false },
        { { "eventrouter-error-code", 22 }, { NULL, 0 }, true },
        { { "eventrouter-error-truncated", 27 }, { "", 0 }, false },
        { { "mine", 4 }, { NULL, 0 }, true },
    };
    struct er_record from = { .timestamp_ms = 77, .headers = headers, .n_headers = 7 }, out;
    struct er_dead_letter_scratch scratch = { 0 };
    struct er_header room[7];
    struct er_letter got;

    (void)state;
    er_dead_letter_read(&from, room, &got);
    assert_int_equal(got.code.n, 0);
    assert_int_equal(got.subscriber.n, 0);
    assert_int_equal(got.attempts, -1);
    assert_int_equal(got.error_offset, -1);
    assert_int_equal(got.truncated, -1);
    assert_true(got.first_failed_ms == ER_LETTER_NO_TIME);
    assert_int_equal(got.event.timestamp_ms, 77);
    assert_int_equal(got.event.n_headers, 1);
    assert_true(got.event.headers[0].null_value);
    assert_true(er_dead_letter_again(&scratch, &got, &out));
    check_headers(&out, "mine=;eventrouter-attempts=1;");
    er_dead_letter_scratch_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_error),         cmocka_unit_test(test_about_a_copy),    cmocka_unit_test(test_made_to_fit),
        cmocka_unit_test(test_read_and_sent_again), cmocka_unit_test(test_foreign_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
