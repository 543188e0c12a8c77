#include "admin/merge_patch.h"
#include "rules/base/json_write.h"
#include "tests/unit/test.h"

static int setup(void **state)
{
    *state = er_arena_new(0);
    return *state == NULL;
}

static int teardown(void **state)
{
    er_arena_free(*state);
    return 0;
}

static const struct er_json *parse(struct er_arena *arena, const char *text)
{
    struct er_json *tree;
    struct er_err err;

    assert_int_equal(er_json_parse(arena, er_str_of(text), 64, &tree, &err), ER_OK);
    return tree;
}

static char *merge(struct er_arena *arena, const char *target, const char *patch)
{
    const struct er_json *merged = er_merge_patch(arena, parse(arena, target), parse(arena, patch));
    struct er_buf buf = { 0 };
    struct er_json_writer w;

    assert_non_null(merged);
    er_jw_init(&w, &buf);
    er_jw_json(&w, merged);
    assert_int_equal(buf.n, er_merge_patch_bytes(merged));
    return er_buf_take(&buf);
}

/* The examples of RFC 7396, appendix A, and what documents need beyond them. */
static void merges(void **state)
{
    static const char *const rows[][3] = {
        { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
        { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
        { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
        { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
        { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
        { "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
        { "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
        { "{\"a\":\"foo\"}", "null", "null" },
        { "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
        { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
        { "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
        { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
        { "{\"n\":1.50,\"m\":1}", "{\"m\":2.500e+0}", "{\"n\":1.50,\"m\":2.500e+0}" },
        { "{\"a\":1,\"a\":2}", "{\"b\":false}", "{\"a\":2,\"b\":false}" },
        { "{\"a\":{\"x\":1}}", "{\"a\":{\"y\":[null,{}]}}", "{\"a\":{\"x\":1,\"y\":[null,{}]}}" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *merged = merge(*state, rows[i][0], rows[i][1]);

        assert_string_equal(merged, rows[i][2]);
        free(merged);
    }
}

static void a_patch_with_a_key_twice_stays_visible(void **state)
{
    static const char *const rows[] = { "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":null}", "{\"a\":null,\"a\":1}" };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct er_json *merged = er_merge_patch(*state, parse(*state, "{\"a\":0}"), parse(*state, rows[i]));
        bool seen = false;

        assert_non_null(merged);
        for (const struct er_json *member = merged->first; member != NULL; member = member->next) {
            seen = seen || member->duplicate;
        }
        assert_true(seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(merges, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_with_a_key_twice_stays_visible, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
