#include "rules/language/rule.h"

#include "tests/unit/fault.h"
#include "tests/unit/test.h"

/* The errors of documents are in tests/golden/rules. */

struct fixture {
    struct er_arena *arena;
    struct er_problems problems, warnings;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (fixture == NULL) {
        return -1;
    }
    fixture->arena = er_arena_new(0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    er_arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static enum er_code read_with(struct fixture *fixture, const char *text, struct er_rule_source source, struct er_rule **out)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_json *document;
    struct er_err err;

    er_problems_init(&fixture->problems, fixture->arena);
    er_problems_init(&fixture->warnings, fixture->arena);
    assert_int_equal(er_json_parse(fixture->arena, er_str_of(text), limits.max_depth, &document, &err), ER_OK);
    source.document = document;
    source.document_bytes = source.document_bytes == 0 ? strlen(text) : source.document_bytes;
    return er_rule_read(&source, &limits, out, &fixture->problems, &fixture->warnings);
}

static struct er_rule *read_good(struct fixture *fixture, const char *text)
{
    struct er_rule *rule = NULL;

    if (read_with(fixture, text, (struct er_rule_source){ 0 }, &rule) != ER_OK) {
        fail_msg("%s: %.*s", text, ER_STR_ARG(fixture->problems.first->detail));
    }
    return rule;
}

static void check_canonical(const struct er_rule *rule, const char *expected)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;
    char *text;

    er_jw_init(&w, &buf);
    er_jw_object(&w);
    er_rule_write_members(rule, &w);
    er_jw_end(&w);
    text = er_buf_take(&buf);
    assert_string_equal(text, expected);
    free(text);
}

static void reads_everything_and_writes_it_canonically(void **state)
{
    static const char canonical[] =
        "{\"id\":\"fr-1\",\"subscriber\":\"Sales_fr\",\"description\":\"\",\"types\":[\"order.*\",\"\",\"a\"],"
        "\"regex\":{\"/x/y\":\"\",\"a.b\":\"^1\",\"user.email\":\"@example\\\\.(com|org)$\"},"
        "\"labels\":{\"a\":\"\",\"team\":\"sales\"},\"enabled\":false}";
    struct er_rule *rule =
        read_good(*state, "{\"enabled\":false,\"labels\":{\"team\":\"sales\",\"a\":\"\"},\"regex\":{\"user.email\":"
                          "\"@example\\\\.(com|org)$\",\"a.b\":\"\\u005e1\",\"/x/y\":\"\"},\"types\":[\"order.*\",\"\",\"a\"],"
                          "\"description\":\"\",\"subscriber\":\"Sales_fr\",\"id\":\"fr-1\"}");
    struct er_rule *again;

    check_canonical(rule, canonical);
    assert_int_equal(rule->n_regexes, 3);
    assert_int_equal(rule->regexes[1].path.n, 2);
    assert_true(er_str_eq(er_regex_literal(rule->regexes[2].regex), ER_STR("@example.")));
    again = read_good(*state, canonical);
    check_canonical(again, canonical);
    er_rule_unref(again);
    er_rule_unref(rule);
}

static void defaults(void **state)
{
    struct er_rule *rule = read_good(*state, "{\"subscriber\":\"s\"}");

    assert_int_equal(rule->id.n, 0);
    assert_true(rule->enabled);
    assert_false(rule->has_types);
    assert_false(rule->has_description);
    assert_int_equal(rule->n_regexes, 0);
    er_rule_unref(rule);
    rule = read_good(*state, "{\"id\":\"i\",\"subscriber\":\"s\",\"labels\":{}}");
    check_canonical(rule, "{\"id\":\"i\",\"subscriber\":\"s\",\"enabled\":true}");
    er_rule_unref(rule);
}

static void defaults_of_the_caller(void **state)
{
    struct er_rule_source source = { .default_id = ER_STR("made-1"), .default_subscriber = ER_STR("Someone") };
    struct er_rule *rule;

    assert_int_equal(read_with(*state, "{}", source, &rule), ER_OK);
    assert_true(er_str_eq(rule->id, ER_STR("made-1")));
    assert_true(er_str_eq(rule->subscriber, ER_STR("Someone")));
    er_rule_unref(rule);
    assert_int_equal(read_with(*state, "{\"id\":\"i\",\"subscriber\":\"s\"}", source, &rule), ER_OK);
    assert_true(er_str_eq(rule->id, ER_STR("i")));
    assert_true(er_str_eq(rule->subscriber, ER_STR("s")));
    er_rule_unref(rule);
    assert_int_equal(read_with(*state, "{\"id\":\"I\",\"subscriber\":5}", source, &rule), ER_E_RULE_ID);
    assert_null(rule);
    assert_int_equal(((struct fixture *)*state)->problems.n, 2);
}

static void a_rule_outlives_its_text_and_shares_its_content(void **state)
{
    struct er_rule *rule = read_good(*state, "{\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"t\"],\"regex\":{\"a\":\"b\"}}");
    struct er_rule *other, *held = er_rule_ref(rule);

    er_arena_reset(((struct fixture *)*state)->arena);
    memset(er_arena_alloc(((struct fixture *)*state)->arena, 3000), 0xEE, 3000);
    other = er_rule_with_id(rule, ER_STR("b"));
    er_rule_unref(rule);
    check_canonical(held, "{\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"t\"],\"regex\":{\"a\":\"b\"},\"enabled\":true}");
    er_rule_unref(held);
    check_canonical(other, "{\"id\":\"b\",\"subscriber\":\"s\",\"types\":[\"t\"],\"regex\":{\"a\":\"b\"},\"enabled\":true}");
    er_rule_unref(other);
    er_rule_unref(NULL);
}

static void a_rule_with_a_pattern(void **state)
{
    static const char text[] =
        "{\"id\":\"a\",\"subscriber\":\"s\",\"pattern\":{\"b\":[1.0,{\"regex\":\"x\"}],\"a\":[{\"anything-but\":{\"regex\":[\"y\","
        "\"z\"]}}]},\"enabled\":true}";
    struct er_rule *rule = read_good(*state, text);
    struct er_rule *other = er_rule_with_id(rule, ER_STR("b"));

    check_canonical(rule, text);
    er_rule_unref(rule);
    er_arena_reset(((struct fixture *)*state)->arena);
    assert_int_equal(other->pattern->kind, ER_PATTERN_ALL);
    assert_int_equal(other->pattern->n_children, 2);
    assert_true(er_str_eq(er_regex_text(other->pattern->children[0].entries[1].operands[0].regex), ER_STR("x")));
    assert_true(er_str_eq(er_regex_text(other->pattern->children[1].entries[0].operands[1].regex), ER_STR("z")));
    er_rule_unref(other);
    rule = read_good(*state, "{\"subscriber\":\"s\"}");
    assert_null(rule->pattern);
    er_rule_unref(rule);
}

/* Memory runs out at the n-th allocation: the answer is that, or the same as ever, and nothing is lost. */
static void memory_runs_out(void **state)
{
    static const char *const documents[] = {
        "{\"id\":\"a\",\"subscriber\":\"s\",\"description\":\"d\",\"types\":[\"t\",\"u\"],\"regex\":{\"a.b\":\"x\",\"c\":\"y\"},"
        "\"pattern\":{\"p\":["
        "{\"regex\":\"z\"},1]},\"labels\":{\"k\":\"v\"},\"revision\":1}",
        "{\"id\":\"A\",\"types\":[1],\"regex\":{\"a..b\":\"(\"},\"pattern\":{\"p\":[]},\"labels\":{\"k\":1,\"k\":2},\"x\":0}",
    };
    struct fixture *fixture = *state;
    struct er_rule_limits limits = er_rule_default_limits();

    for (size_t d = 0; d < 2 * sizeof documents / sizeof documents[0]; d++) {
        bool failed = true;

        for (unsigned long n = 1; failed; n++) {
            struct er_rule_source source = { .document_bytes = 1, .pointer = ER_STR("") };
            struct er_arena *messages = er_arena_new(64);
            struct er_json *document;
            struct er_rule *rule;
            struct er_err err;
            enum er_code code;

            er_arena_reset(fixture->arena);
            assert_int_equal(er_json_parse(fixture->arena, er_str_of(documents[d / 2]), limits.max_depth, &document, &err), ER_OK);
            source.document = document;
            er_problems_init(&fixture->problems, messages);
            er_problems_init(&fixture->warnings, messages);
            if (d % 2 == 0) {
                fail_from_allocation(n);
            } else {
                fail_one_allocation(n);
            }
            code = er_rule_read(&source, &limits, &rule, &fixture->problems, &fixture->warnings);
            failed = allocation_failed();
            fail_from_allocation(0);
            assert_int_equal(code == ER_OK, rule != NULL);
            if (code != ER_E_NOMEM) {
                assert_int_equal(code, d / 2 == 0 ? ER_OK : ER_E_RULE_ID);
                assert_int_equal(fixture->problems.n, d / 2 == 0 ? 0 : 9);
            } else {
                assert_true(failed);
            }
            er_rule_unref(rule);
            er_arena_free(messages);
        }
    }
}

static void members_of_the_server_are_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct er_rule *rule =
        read_good(fixture, "{\"subscriber\":\"s\",\"revision\":null,\"created_at\":[1],\"updated_at\":\"x\",\"status\":{\"a\":1,"
                           "\"a\":2}}");

    assert_int_equal(fixture->warnings.n, 4);
    assert_int_equal(fixture->warnings.first->code, ER_E_RULE_READ_ONLY);
    assert_true(er_str_eq(fixture->warnings.first->pointer, ER_STR("/revision")));
    er_rule_unref(rule);
}

static void limits_are_exact(void **state)
{
    struct fixture *fixture = *state;
    struct er_rule_source source = { .document_bytes = 65536 };
    struct er_rule *rule;

    assert_int_equal(read_with(fixture, "{\"subscriber\":\"s\"}", source, &rule), ER_OK);
    er_rule_unref(rule);
    source.document_bytes++;
    assert_int_equal(read_with(fixture, "{\"subscriber\":\"s\"}", source, &rule), ER_E_RULE_TOO_LARGE);
    for (int n = 256; n <= 257; n++) {
        struct er_buf buf = { 0 };
        char *text;

        er_buf_printf(&buf, "{\"subscriber\":\"s\",\"regex\":{");
        for (int i = 0; i < n; i++) {
            er_buf_printf(&buf, "%s\"k%d\":\"x\"", i == 0 ? "" : ",", i);
        }
        er_buf_printf(&buf, "}}");
        text = er_buf_take(&buf);
        assert_int_equal(read_with(fixture, text, (struct er_rule_source){ 0 }, &rule), n == 256 ? ER_OK : ER_E_RULE_LIMIT);
        er_rule_unref(rule);
        free(text);
    }
}

static void problems_have_a_limit_too(void **state)
{
    struct fixture *fixture = *state;
    struct er_buf buf = { 0 };
    struct er_rule *rule;
    char *text;

    er_buf_printf(&buf, "{\"subscriber\":\"s\"");
    for (int i = 0; i < 500; i++) {
        er_buf_printf(&buf, ",\"x%d\":1", i);
    }
    er_buf_addc(&buf, '}');
    text = er_buf_take(&buf);
    assert_int_equal(read_with(fixture, text, (struct er_rule_source){ 0 }, &rule), ER_E_RULE_UNKNOWN_MEMBER);
    assert_int_equal(fixture->problems.n, ER_PROBLEMS_MAX);
    assert_int_equal(fixture->problems.total, 500);
    free(text);
}

static void names(void **state)
{
    char longest[102];

    (void)state;
    memset(longest, 'a', 101);
    longest[101] = '\0';
    assert_true(er_rule_id_valid(ER_STR("0a._-z")));
    assert_true(er_rule_id_valid((struct er_str){ longest, 100 }));
    assert_false(er_rule_id_valid((struct er_str){ longest, 101 }));
    assert_false(er_rule_id_valid(ER_STR("")));
    assert_false(er_rule_id_valid(ER_STR("A")));
    assert_false(er_rule_id_valid(ER_STR("-a")));
    assert_false(er_rule_id_valid(ER_STR("a b")));
    assert_false(er_rule_id_valid(ER_STR("a\xC3\xA4")));
    assert_false(er_rule_id_valid((struct er_str){ "a\0", 2 }));
    assert_true(er_subscriber_id_valid(ER_STR("Sales.FR_1-x")));
    assert_false(er_subscriber_id_valid(ER_STR(".x")));
    assert_false(er_subscriber_id_valid(ER_STR("a/b")));
}

static void globs(void **state)
{
    static const struct {
        const char *glob;
        const char *type;
        bool match;
    } rows[] = {
        { "order", "order", true },
        { "order", "orders", false },
        { "order", "Order", false },
        { "", "", true },
        { "", "x", false },
        { "*", "", true },
        { "*", "x\ny", true },
        { "**", "x", true },
        { "**", "", true },
        { "order.*", "order.", true },
        { "order.*", "order.a.b", true },
        { "order.*", "order", false },
        { "*.created", ".created", true },
        { "*.created", "a.created", true },
        { "*.created", "a.created.x", false },
        { "a*b", "ab", true },
        { "a*b", "aXbXb", true },
        { "a*b", "aXbX", false },
        { "a*a", "a", false },
        { "a*b*c", "abc", true },
        { "a*b*c", "a-b-b-c", true },
        { "a*b*c", "acb", false },
        { "*a*", "xax", true },
        { "*a*", "x", false },
        { "*ab*ab*", "abab", true },
        { "*ab*ab*", "ab", false },
        { "a**c", "abc", true },
        { "*ba", "baba", true },
        { "a?c", "abc", false },
        { "a\\*c", "a\\xc", true },
        { "\xC3\xA4*", "\xC3\xA4x", true },
        { "x*", "", false },
        { "*x", "", false },
    };
    char *many = malloc(200001);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (er_type_glob_match(er_str_of(rows[i].glob), er_str_of(rows[i].type)) != rows[i].match) {
            fail_msg("%s ~ %s", rows[i].glob, rows[i].type);
        }
    }
    assert_false(er_type_glob_match(ER_STR("*"), (struct er_str){ NULL, 0 }) != true);
    assert_false(er_type_glob_match(ER_STR("a*"), (struct er_str){ NULL, 0 }));
    /* A glob cannot be made slow. */
    assert_non_null(many);
    memset(many, 'a', 200001);
    many[0] = '*';
    many[100000] = 'b';
    assert_false(er_type_glob_match((struct er_str){ many, 100001 }, (struct er_str){ many + 100001, 100000 }));
    free(many);
}

static void pointers_are_escaped(void **state)
{
    struct er_arena *arena = ((struct fixture *)*state)->arena;
    struct er_str pointer = er_pointer_push(arena, (struct er_str){ "", 0 }, ER_STR("a/b~c"));

    pointer = er_pointer_push_index(arena, pointer, 12);
    pointer = er_pointer_push(arena, pointer, ER_STR(""));
    assert_string_equal(pointer.p, "/a~1b~0c/12/");
}

static void problems_are_written(void **state)
{
    struct fixture *fixture = *state;
    struct er_buf buf = { 0 };
    struct er_json_writer w;
    char *text;

    er_problems_init(&fixture->problems, fixture->arena);
    er_problems_add(&fixture->problems, ER_E_REGEX_COMPILE, ER_STR("/regex/a"), 3, "fix it", "bad %d", 1);
    er_problems_add(&fixture->problems, ER_E_RULE_TYPE, (struct er_str){ "", 0 }, ER_NO_OFFSET, NULL, "x");
    er_jw_init(&w, &buf);
    er_problems_write(&fixture->problems, &w);
    text = er_buf_take(&buf);
    assert_string_equal(text, "[{\"code\":\"E301\",\"pointer\":\"/regex/a\",\"detail\":\"bad 1\",\"offset\":3,\"hint\":\"fix it\"},"
                              "{\"code\":\"E203\",\"pointer\":\"\",\"detail\":\"x\"}]");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_everything_and_writes_it_canonically, setup, teardown),
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(defaults_of_the_caller, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rule_outlives_its_text_and_shares_its_content, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rule_with_a_pattern, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(members_of_the_server_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(problems_have_a_limit_too, setup, teardown),
        cmocka_unit_test(names),
        cmocka_unit_test(globs),
        cmocka_unit_test_setup_teardown(pointers_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(problems_are_written, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
