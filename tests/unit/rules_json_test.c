#include "rules/base/json.h"

#include "tests/unit/test.h"
#include "rules/base/json_write.h"

static int setup(void **state)
{
    *state = er_arena_new(0);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    er_arena_free(*state);
    return 0;
}

static enum er_code parse(struct er_arena *arena, struct er_str text, struct er_json **out, struct er_err *err)
{
    /* A copy of exact size: a byte read too far is a sanitizer error. */
    char *copy = malloc(text.n == 0 ? 1 : text.n);
    struct er_json *tree;
    enum er_code code;

    assert_non_null(copy);
    memcpy(copy, text.p, text.n);
    code = er_json_parse(arena, (struct er_str){ copy, text.n }, 128, &tree, err);
    free(copy);
    if (out != NULL) {
        assert_int_equal(er_json_parse(arena, text, 128, out, err), code);
    }
    return code;
}

static void check_written(void **state, const char *text, const char *expected)
{
    struct er_json *tree;
    struct er_err err;
    struct er_buf buf = { 0 };
    struct er_json_writer w;
    char *written;

    assert_int_equal(parse(*state, er_str_of(text), &tree, &err), ER_OK);
    er_jw_init(&w, &buf);
    er_jw_json(&w, tree);
    written = er_buf_take(&buf);
    assert_string_equal(written, expected);
    free(written);
}

static void reads_and_writes_back(void **state)
{
    check_written(state,
                  " {\"a\" : [1, 2.50 ,-0e+1,\"x\\u0041\\/\"], \"b\":{ } ,\t\"c\":[\n],\"d\":null,\"e\":true,\"f\":false} \r\n",
                  "{\"a\":[1,2.50,-0e+1,\"xA/\"],\"b\":{},\"c\":[],\"d\":null,\"e\":true,\"f\":false}");
    check_written(state, "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\\"");
    check_written(state, "\"\\ud83d\\ude00 \\u00e9 \\u20ac\"", "\"\xF0\x9F\x98\x80 \xC3\xA9 \xE2\x82\xAC\"");
    check_written(state, "0", "0");
    check_written(state, "\"\xF4\x8F\xBF\xBF\"", "\"\xF4\x8F\xBF\xBF\"");
}

static const struct {
    const char *text;
    enum er_code code;
    size_t offset;
} bad[] = {
    { "", ER_E_JSON_TRUNCATED, 0 },
    { "  ", ER_E_JSON_TRUNCATED, 2 },
    { "{", ER_E_JSON_TRUNCATED, 1 },
    { "{\"a\"", ER_E_JSON_TRUNCATED, 4 },
    { "{\"a\":", ER_E_JSON_TRUNCATED, 5 },
    { "{\"a\":1", ER_E_JSON_TRUNCATED, 6 },
    { "{\"a\":1,", ER_E_JSON_TRUNCATED, 7 },
    { "[1", ER_E_JSON_TRUNCATED, 2 },
    { "\"abc", ER_E_JSON_TRUNCATED, 4 },
    { "\"abc\\", ER_E_JSON_TRUNCATED, 5 },
    { "\"abc\\u12", ER_E_JSON_TRUNCATED, 8 },
    { "tru", ER_E_JSON_TRUNCATED, 3 },
    { "trux", ER_E_JSON_SYNTAX, 3 },
    { "nul1", ER_E_JSON_SYNTAX, 3 },
    { "{a:1}", ER_E_JSON_SYNTAX, 1 },
    { "{\"a\":1,}", ER_E_JSON_SYNTAX, 7 },
    { "{,}", ER_E_JSON_SYNTAX, 1 },
    { "[1,]", ER_E_JSON_SYNTAX, 3 },
    { "[1 2]", ER_E_JSON_SYNTAX, 3 },
    { "[1}", ER_E_JSON_SYNTAX, 2 },
    { "{\"a\" 1}", ER_E_JSON_SYNTAX, 5 },
    { "{\"a\":1 \"b\":2}", ER_E_JSON_SYNTAX, 7 },
    { "'a'", ER_E_JSON_SYNTAX, 0 },
    { "/**/1", ER_E_JSON_SYNTAX, 0 },
    { "NaN", ER_E_JSON_SYNTAX, 0 },
    { "Infinity", ER_E_JSON_SYNTAX, 0 },
    { "\v1", ER_E_JSON_SYNTAX, 0 },
    { "\xC2\xA0"
      "1",
      ER_E_JSON_SYNTAX, 0 },
    { "007", ER_E_JSON_NUMBER, 1 },
    { "-01", ER_E_JSON_NUMBER, 2 },
    { "1.", ER_E_JSON_NUMBER, 2 },
    { "[1.,2]", ER_E_JSON_NUMBER, 3 },
    { "-", ER_E_JSON_NUMBER, 1 },
    { "-a", ER_E_JSON_NUMBER, 1 },
    { ".5", ER_E_JSON_NUMBER, 0 },
    { "+1", ER_E_JSON_NUMBER, 0 },
    { "1e", ER_E_JSON_NUMBER, 2 },
    { "1e+", ER_E_JSON_NUMBER, 3 },
    { "1.e5", ER_E_JSON_NUMBER, 2 },
    { "1 2", ER_E_JSON_TRAILING, 2 },
    { "{} x", ER_E_JSON_TRAILING, 3 },
    { "1.2.3", ER_E_JSON_TRAILING, 3 },
    { "{}}", ER_E_JSON_TRAILING, 2 },
    { "\"\\x\"", ER_E_JSON_ESCAPE, 1 },
    { "\"\\u12g4\"", ER_E_JSON_ESCAPE, 1 },
    { "\"\\ud800\"", ER_E_JSON_ESCAPE, 1 },
    { "\"ab\\udc00\"", ER_E_JSON_ESCAPE, 3 },
    { "\"\\ud800\\u0041\"", ER_E_JSON_ESCAPE, 1 },
    { "\"\\ud800\\ud800\"", ER_E_JSON_ESCAPE, 1 },
    { "\"\\ud800x\"", ER_E_JSON_ESCAPE, 1 },
    { "\"a\nb\"", ER_E_JSON_CONTROL, 2 },
    { "\"0123456789abcdef\x1F\"", ER_E_JSON_CONTROL, 17 },
    { "{\"\t\":1}", ER_E_JSON_CONTROL, 2 },
    { "\"\xC0\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"\xC1\xBF\"", ER_E_JSON_UTF8, 1 },
    { "\"\xE0\x80\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"\xF0\x80\x80\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"\xED\xA0\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"\xF4\x90\x80\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"\xF5\x80\x80\x80\"", ER_E_JSON_UTF8, 1 },
    { "\"0123456789abcdefg\x80\"", ER_E_JSON_UTF8, 18 },
    { "\"\xE2\x82\"", ER_E_JSON_UTF8, 1 },
    { "\"\xE2\x82", ER_E_JSON_UTF8, 1 },
    { "{\xFF}", ER_E_JSON_UTF8, 1 },
    { "\xEF\xBB\xBF{}", ER_E_JSON_BOM, 0 },
    { "\xFF\xFE{", ER_E_JSON_BOM, 0 },
};

static void refuses_with_code_and_offset(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct er_err err = { 0 };
        enum er_code code = parse(*state, er_str_of(bad[i].text), NULL, &err);

        if (code != bad[i].code || err.offset != bad[i].offset || err.code != code) {
            fail_msg("%s: got %s at %zu, expected %s at %zu", bad[i].text, er_code_name(code), err.offset,
                     er_code_name(bad[i].code), bad[i].offset);
        }
    }
}

static void a_raw_nul_is_refused(void **state)
{
    struct er_err err;

    assert_int_equal(parse(*state, (struct er_str){ "\"a\0b\"", 5 }, NULL, &err), ER_E_JSON_CONTROL);
    assert_int_equal(err.offset, 2);
    assert_int_equal(parse(*state, (struct er_str){ "{}\0", 3 }, NULL, &err), ER_E_JSON_TRAILING);
}

static void every_cut_of_a_document_is_an_error(void **state)
{
    static const char text[] =
        "{\"key\": [1, -2.5e3, true, false, null, \"a\\u00e9\\ud83d\\ude00 longer than a block\"], \"\": {\"x\": {}}}";
    struct er_err err;

    assert_int_equal(parse(*state, ER_STR(text), NULL, &err), ER_OK);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_not_equal(parse(*state, (struct er_str){ text, n }, NULL, &err), ER_OK);
    }
}

static struct er_str nested(struct er_arena *arena, size_t depth)
{
    char *p = er_arena_alloc(arena, 2 * depth);

    assert_non_null(p);
    memset(p, '[', depth);
    memset(p + depth, ']', depth);
    return (struct er_str){ p, 2 * depth };
}

static void depth_is_bounded(void **state)
{
    struct er_err err;

    assert_int_equal(parse(*state, nested(*state, 128), NULL, &err), ER_OK);
    assert_int_equal(parse(*state, nested(*state, 129), NULL, &err), ER_E_JSON_DEPTH);
    assert_int_equal(err.offset, 128);
    assert_int_equal(parse(*state, nested(*state, 100000), NULL, &err), ER_E_JSON_DEPTH);
}

static void the_tree_has_positions(void **state)
{
    struct er_str text = ER_STR("{\"a\": [1,\n \"x\"], \"b\\n\": {}}");
    struct er_json *tree;
    struct er_err err;
    size_t line, column;

    assert_int_equal(er_json_parse(*state, text, 8, &tree, &err), ER_OK);
    assert_int_equal(tree->n, 2);
    assert_int_equal(tree->end, text.n);
    assert_int_equal(tree->first->key_offset, 1);
    assert_int_equal(tree->first->offset, 6);
    assert_int_equal(tree->first->end, 15);
    assert_int_equal(tree->first->first->next->offset, 11);
    assert_int_equal(tree->first->first->next->end, 14);
    assert_true(er_str_eq(tree->first->next->key, ER_STR("b\n")));
    er_json_position(text, tree->first->first->next->offset, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 2);
}

static void duplicates_are_marked(void **state)
{
    struct er_json *tree;
    struct er_err err;
    struct er_buf buf = { 0 };
    size_t marked = 0;

    assert_int_equal(parse(*state, ER_STR("{\"a\":1,\"\\u0061\":2,\"b\":3,\"a\":4}"), &tree, &err), ER_OK);
    assert_false(tree->first->duplicate);
    assert_true(tree->first->next->duplicate);
    assert_false(tree->first->next->next->duplicate);
    assert_true(tree->first->next->next->next->duplicate);
    assert_true(er_str_eq(er_json_member(tree, ER_STR("a"))->text, ER_STR("4")));
    assert_null(er_json_member(tree, ER_STR("c")));
    assert_null(er_json_member(tree->first, ER_STR("c")));

    /* Many members take the other way. */
    for (int i = 0; i < 200; i++) {
        er_buf_printf(&buf, "%s\"k%d\":%d", i == 0 ? "{" : ",", i % 150, i);
    }
    er_buf_addc(&buf, '}');
    assert_int_equal(er_json_parse(*state, er_buf_str(&buf), 8, &tree, &err), ER_OK);
    for (struct er_json *member = tree->first; member != NULL; member = member->next) {
        marked += member->duplicate;
        assert_int_equal(member->duplicate, strtol(member->text.p, NULL, 10) >= 150);
    }
    assert_int_equal(marked, 50);
    er_buf_free(&buf);
}

static void equality(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        { "{\"a\":1,\"b\":[true,null]}", "{ \"b\":[true,null], \"a\":1 }", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
        { "{\"a\":1,\"a\":2}", "{\"a\":2}", true },
        { "{\"a\":1,\"a\":2}", "{\"a\":1}", false },
        { "[1,2]", "[2,1]", false },
        { "[1]", "[1,1]", false },
        { "1", "1.0", false },
        { "\"1\"", "1", false },
        { "\"\\u0041\"", "\"A\"", true },
        { "null", "false", false },
        { "{}", "[]", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_json *a, *b;
        struct er_err err;

        assert_int_equal(parse(*state, er_str_of(rows[i].a), &a, &err), ER_OK);
        assert_int_equal(parse(*state, er_str_of(rows[i].b), &b, &err), ER_OK);
        assert_int_equal(er_json_equal(a, b), rows[i].equal);
        assert_int_equal(er_json_equal(b, a), rows[i].equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_and_writes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_with_code_and_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(a_raw_nul_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_of_a_document_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tree_has_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(duplicates_are_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(equality, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
