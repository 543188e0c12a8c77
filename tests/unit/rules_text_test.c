/* The small text modules: err, buf, json_write, utf8, suggest. */
#include "tests/unit/test.h"

#include "rules/base/err.h"
#include "rules/base/json_write.h"
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"

static void errors_have_text_and_position(void **state)
{
    struct er_err err;

    (void)state;
    assert_int_equal(er_err_set(&err, ER_E_NOT_FOUND, "no %s here", "cat"), ER_E_NOT_FOUND);
    assert_int_equal(err.code, ER_E_NOT_FOUND);
    assert_int_equal(err.offset, ER_NO_OFFSET);
    assert_string_equal(err.text, "no cat here");
    assert_int_equal(er_err_at(&err, ER_E_JSON_SYNTAX, 7, "x"), ER_E_JSON_SYNTAX);
    assert_int_equal(err.offset, 7);
    assert_int_equal(er_err_set(NULL, ER_E_NOMEM, "x"), ER_E_NOMEM);
    assert_string_equal(er_code_name(ER_OK), "OK");
    assert_string_equal(er_code_name(ER_E_REGEX_COMPILE), "E301");
    assert_string_equal(er_code_title(ER_E_REGEX_COMPILE), "regex does not compile");
    assert_int_equal(er_code_http_status(ER_E_REGEX_COMPILE), 422);
    assert_string_equal(er_code_name((enum er_code)10000), "E901");
}

static void a_long_error_is_cut_between_characters(void **state)
{
    /* 250 to 259 bytes of ASCII in front of characters of 1 to 4 bytes: the cut falls on every place inside them. */
    static const char *const characters[] = { "x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (int ascii = 240; ascii < 260; ascii++) {
            struct er_err err;

            (void)er_err_set(&err, ER_E_INTERNAL, "%*s%s%s%s%s%s%s", ascii, "", characters[c], characters[c], characters[c],
                             characters[c], characters[c], characters[c]);
            assert_int_equal(er_utf8_check(er_str_of(err.text)), strlen(err.text));
            assert_true(strlen(err.text) <= 255);
            assert_true(strlen(err.text) >= 252 || strlen(err.text) >= (size_t)ascii);
        }
    }
}

static void buffers_grow(void **state)
{
    struct er_buf buf = { 0 };
    char *text;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        er_buf_add(&buf, ER_STR("abc"));
        er_buf_addc(&buf, ',');
        er_buf_printf(&buf, "%d", i % 10);
    }
    er_buf_add(&buf, (struct er_str){ NULL, 0 });
    assert_int_equal(buf.n, 5000);
    assert_true(er_str_eq((struct er_str){ buf.p + 4995, 5 }, ER_STR("abc,9")));
    er_buf_clear(&buf);
    assert_int_equal(buf.n, 0);
    er_buf_addc(&buf, 'x');
    text = er_buf_take(&buf);
    assert_string_equal(text, "x");
    free(text);
    assert_null(buf.p);
    text = er_buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
}

static void a_failed_buffer_stays_failed(void **state)
{
    struct er_buf buf = { 0 };

    (void)state;
    er_buf_addc(&buf, 'x');
    er_buf_add(&buf, (struct er_str){ "x", SIZE_MAX / 2 });
    assert_true(buf.failed);
    er_buf_addc(&buf, 'y');
    assert_int_equal(buf.n, 1);
    assert_null(er_buf_take(&buf));
    assert_false(buf.failed);
    assert_null(buf.p);
}

static void writer_does_commas_and_quotes(void **state)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;
    char *text;

    (void)state;
    er_jw_init(&w, &buf);
    er_jw_object(&w);
    er_jw_member_string(&w, "s", ER_STR("a\"\\/\b\f\n\r\t\x01\x7F\xC3\xA4"));
    er_jw_member_string(&w, "bad", ER_STR("x\xFFy\xE2\x82"));
    er_jw_member_uint(&w, "u", UINT64_MAX);
    er_jw_member_bool(&w, "b", true);
    er_jw_key(&w, ER_STR("a"));
    er_jw_array(&w);
    er_jw_int(&w, INT64_MIN);
    er_jw_double(&w, 0.1);
    er_jw_double(&w, 1e300 * 1e300);
    er_jw_null(&w);
    er_jw_raw(&w, ER_STR("{\"r\":1}"));
    er_jw_object(&w);
    er_jw_end(&w);
    er_jw_array(&w);
    er_jw_end(&w);
    er_jw_end(&w);
    er_jw_key(&w, ER_STR(""));
    er_jw_string(&w, (struct er_str){ NULL, 0 });
    er_jw_end(&w);
    text = er_buf_take(&buf);
    assert_string_equal(
        text, "{\"s\":\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7F\xC3\xA4\",\"bad\":\"x\xEF\xBF\xBDy\xEF\xBF\xBD\xEF\xBF\xBD\","
              "\"u\":18446744073709551615,\"b\":true,\"a\":[-9223372036854775808,0.1,null,null,{\"r\":1},{},[]],\"\":\"\"}");
    free(text);
}

static void times(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "{\"t\":\"1970-01-01T00:00:00.000Z\"}" },
        { 1795251940123, "{\"t\":\"2026-11-21T09:05:40.123Z\"}" },
        { -1, "{\"t\":\"1969-12-31T23:59:59.999Z\"}" },
        { -62167219200000, "{\"t\":\"0000-01-01T00:00:00.000Z\"}" },
        { -62167219200001, "{\"t\":null}" },
        { 253402300799999, "{\"t\":\"9999-12-31T23:59:59.999Z\"}" },
        { 253402300800000, "{\"t\":null}" },
        { INT64_MAX, "{\"t\":null}" },
        { INT64_MIN, "{\"t\":null}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_buf buf = { 0 };
        struct er_json_writer w;
        char *text;

        er_jw_init(&w, &buf);
        er_jw_object(&w);
        er_jw_member_time(&w, "t", rows[i].ms);
        er_jw_end(&w);
        text = er_buf_take(&buf);
        assert_string_equal(text, rows[i].text);
        free(text);
    }
}

static void utf8_check_finds_the_first_bad_byte(void **state)
{
    const struct {
        struct er_str text;
        size_t good;
    } rows[] = {
        { { "", 0 }, 0 },
        { ER_STR("plain ASCII text of some length"), 31 },
        { ER_STR("\xC2\x80\xDF\xBF"), 4 },
        { ER_STR("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), 12 },
        { ER_STR("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), 8 },
        { ER_STR("12345678\x80"), 8 },
        { ER_STR("a\xC0\x80"), 1 },
        { ER_STR("a\xC1\xBF"), 1 },
        { ER_STR("a\xE0\x9F\xBF"), 1 },
        { ER_STR("a\xED\xA0\x80"), 1 },
        { ER_STR("a\xF0\x8F\xBF\xBF"), 1 },
        { ER_STR("a\xF4\x90\x80\x80"), 1 },
        { ER_STR("a\xF5\x80\x80\x80"), 1 },
        { ER_STR("a\xFE"), 1 },
        { ER_STR("a\xC3"), 1 },
        { ER_STR("a\xE2\x82"), 1 },
        { ER_STR("a\xF0\x9F\x98"), 1 },
        { ER_STR("a\xE2\x28\xA1"), 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (er_utf8_check(rows[i].text) != rows[i].good) {
            fail_msg("row %zu: %zu", i, er_utf8_check(rows[i].text));
        }
    }
}

static void every_character_survives_encoding(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c = c == 0xD7FF ? 0xE000 : c + 1) {
        char bytes[4];
        size_t n = er_utf8_encode(c, bytes);

        if (er_utf8_sequence(bytes, bytes + n) != n || er_utf8_check((struct er_str){ bytes, n }) != n) {
            fail_msg("U+%04X", (unsigned)c);
        }
    }
}

static void cut_at_a_character(void **state)
{
    struct er_str s = ER_STR("a\xE2\x82\xAC"
                             "b");

    (void)state;
    assert_int_equal(er_utf8_cut(s, 9).n, 5);
    assert_int_equal(er_utf8_cut(s, 5).n, 5);
    assert_int_equal(er_utf8_cut(s, 4).n, 4);
    assert_int_equal(er_utf8_cut(s, 3).n, 1);
    assert_int_equal(er_utf8_cut(s, 2).n, 1);
    assert_int_equal(er_utf8_cut(s, 0).n, 0);
}

static void did_you_mean(void **state)
{
    static const char *const names[] = { "types", "regex", "pattern", "labels", "enabled", "id", "subscriber" };
    static const struct {
        const char *word;
        const char *near;
    } rows[] = {
        { "type", "types" },    { "tpyes", "types" },           { "TYPES", "types" }, { "regexp", "regex" },
        { "lables", "labels" }, { "enable", "enabled" },        { "ID", "id" },       { "subscribers", "subscriber" },
        { "ids", "id" },        { "subcsriber", "subscriber" }, { "filter", NULL },   { "x", NULL },
        { "", NULL },
    };
    char longest[200];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *near = er_suggest(er_str_of(rows[i].word), names, sizeof names / sizeof names[0]);

        if ((near == NULL) != (rows[i].near == NULL) || (near != NULL && strcmp(near, rows[i].near) != 0)) {
            fail_msg("%s: %s", rows[i].word, near == NULL ? "nothing" : near);
        }
    }
    memset(longest, 'a', sizeof longest);
    assert_null(er_suggest((struct er_str){ longest, sizeof longest }, names, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_text_and_position),
        cmocka_unit_test(a_long_error_is_cut_between_characters),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(a_failed_buffer_stays_failed),
        cmocka_unit_test(writer_does_commas_and_quotes),
        cmocka_unit_test(times),
        cmocka_unit_test(utf8_check_finds_the_first_bad_byte),
        cmocka_unit_test(every_character_survives_encoding),
        cmocka_unit_test(cut_at_a_character),
        cmocka_unit_test(did_you_mean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
