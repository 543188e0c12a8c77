#include "rules/language/path.h"

#include "tests/unit/test.h"

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

static const struct {
    const char *text;
    enum er_path_root root;
    const char *keys[4];
} good[] = {
    { "a", ER_PATH_EVENT, { "a" } },
    { "user.email", ER_PATH_EVENT, { "user", "email" } },
    { "a.b.c", ER_PATH_EVENT, { "a", "b", "c" } },
    { "a.\"b.c\"", ER_PATH_EVENT, { "a", "b.c" } },
    { "\"a\".b", ER_PATH_EVENT, { "a", "b" } },
    { "\"\"", ER_PATH_EVENT, { "" } },
    { "a.\"\"", ER_PATH_EVENT, { "a", "" } },
    { "\"q\\\"\\u00e4\\ud83d\\ude00\"", ER_PATH_EVENT, { "q\"\xC3\xA4\xF0\x9F\x98\x80" } },
    { " a b ", ER_PATH_EVENT, { " a b " } },
    { "a/b", ER_PATH_EVENT, { "a/b" } },
    { "a~b", ER_PATH_EVENT, { "a~b" } },
    { "0.1", ER_PATH_EVENT, { "0", "1" } },
    { "$", ER_PATH_EVENT, { "$" } },
    { "$schema", ER_PATH_EVENT, { "$schema" } },
    { "$orders", ER_PATH_EVENT, { "$orders" } },
    { "a.$or", ER_PATH_EVENT, { "a", "$or" } },
    { "a.$kafka", ER_PATH_EVENT, { "a", "$kafka" } },
    { "\"$or\"", ER_PATH_EVENT, { "$or" } },
    { "\"$kafka\".topic", ER_PATH_EVENT, { "$kafka", "topic" } },
    { "/a", ER_PATH_EVENT, { "a" } },
    { "/a/b", ER_PATH_EVENT, { "a", "b" } },
    { "/", ER_PATH_EVENT, { "" } },
    { "/a/", ER_PATH_EVENT, { "a", "" } },
    { "//a", ER_PATH_EVENT, { "", "a" } },
    { "/a.b/0", ER_PATH_EVENT, { "a.b", "0" } },
    { "/~0~1~01/\"", ER_PATH_EVENT, { "~/~1", "\"" } },
    { "/$kafka/topic", ER_PATH_EVENT, { "$kafka", "topic" } },
    { "/$or", ER_PATH_EVENT, { "$or" } },
    { "$kafka.topic", ER_PATH_KAFKA_TOPIC, { NULL } },
    { "$kafka.partition", ER_PATH_KAFKA_PARTITION, { NULL } },
    { "$kafka.key", ER_PATH_KAFKA_KEY, { NULL } },
    { "$kafka.timestamp", ER_PATH_KAFKA_TIMESTAMP, { NULL } },
    { "$kafka.\"topic\"", ER_PATH_KAFKA_TOPIC, { NULL } },
    { "$kafka.headers.trace", ER_PATH_KAFKA_HEADER, { "trace" } },
    { "$kafka.headers.\"a.b\"", ER_PATH_KAFKA_HEADER, { "a.b" } },
};

static void parses(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct er_path path, again;
        struct er_err err;
        size_t n = 0;

        if (er_path_parse(*state, er_str_of(good[i].text), &path, &err) != ER_OK) {
            fail_msg("%s: %s", good[i].text, err.text);
        }
        assert_int_equal(path.root, good[i].root);
        for (; n < 4 && good[i].keys[n] != NULL; n++) {
            if (n >= path.n || !er_str_eq(path.keys[n], er_str_of(good[i].keys[n]))) {
                fail_msg("%s: key %zu", good[i].text, n);
            }
        }
        assert_int_equal(path.n, n);
        assert_int_equal(er_path_parse(*state, er_str_of(good[i].text), &again, &err), ER_OK);
        assert_true(er_path_eq(&path, &again));
    }
}

static const struct {
    const char *text;
    enum er_code code;
    size_t offset;
} bad[] = {
    { "", ER_E_PATH_SYNTAX, 0 },
    { ".", ER_E_PATH_SYNTAX, 0 },
    { ".a", ER_E_PATH_SYNTAX, 0 },
    { "a.", ER_E_PATH_SYNTAX, 2 },
    { "a..b", ER_E_PATH_SYNTAX, 2 },
    { "a\"b\"", ER_E_PATH_SYNTAX, 1 },
    { "\"a\"b", ER_E_PATH_SYNTAX, 3 },
    { "\"a", ER_E_PATH_SYNTAX, 2 },
    { "a.\"", ER_E_PATH_SYNTAX, 3 },
    { "\"\\x\"", ER_E_PATH_SYNTAX, 1 },
    { "\"\\ud800\"", ER_E_PATH_SYNTAX, 1 },
    { "\"a\tb\"", ER_E_PATH_SYNTAX, 2 },
    { "/~", ER_E_PATH_SYNTAX, 1 },
    { "/a~2", ER_E_PATH_SYNTAX, 2 },
    { "/~/a", ER_E_PATH_SYNTAX, 1 },
    { "$or", ER_E_PATH_RESERVED, 0 },
    { "$or.a", ER_E_PATH_RESERVED, 0 },
    { "$and", ER_E_PATH_RESERVED, 0 },
    { "$not.a", ER_E_PATH_RESERVED, 0 },
    { "$kafka", ER_E_PATH_RESERVED, 0 },
    { "$kafka.headers", ER_E_PATH_RESERVED, 0 },
    { "$kafka.headers.a.b", ER_E_PATH_RESERVED, 17 },
    { "$kafka.offset", ER_E_PATH_RESERVED, 7 },
    { "$kafka.topics", ER_E_PATH_RESERVED, 7 },
    { "$kafka.topic.x", ER_E_PATH_RESERVED, 13 },
};

static void refuses(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct er_path path;
        struct er_err err = { 0 };
        enum er_code code = er_path_parse(*state, er_str_of(bad[i].text), &path, &err);

        if (code != bad[i].code || err.offset != bad[i].offset) {
            fail_msg("%s: %s at %zu: %s", bad[i].text, er_code_name(code), err.offset, err.text);
        }
    }
}

static void suggests_an_envelope_field(void **state)
{
    struct er_path path;
    struct er_err err;

    assert_int_equal(er_path_parse(*state, ER_STR("$kafka.topics"), &path, &err), ER_E_PATH_RESERVED);
    assert_non_null(strstr(err.text, "did you mean \"$kafka.topic\"?"));
}

static void equality_is_of_keys(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        { "a.b", "/a/b", true },
        { "a.b", "\"a\".\"b\"", true },
        { "a.b", "\"a.b\"", false },
        { "a", "a.b", false },
        { "$kafka.topic", "/$kafka/topic", false },
        { "$kafka.headers.a", "$kafka.headers.b", false },
        { "$kafka.headers.a", "a", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_path a, b;
        struct er_err err;

        assert_int_equal(er_path_parse(*state, er_str_of(rows[i].a), &a, &err), ER_OK);
        assert_int_equal(er_path_parse(*state, er_str_of(rows[i].b), &b, &err), ER_OK);
        assert_int_equal(er_path_eq(&a, &b), rows[i].equal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parses, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(suggests_an_envelope_field, setup, teardown),
        cmocka_unit_test_setup_teardown(equality_is_of_keys, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
