#include "tests/unit/engine_test.h"
#include "rules/engine/explain.h"

/* ---- random rules and events: few keys and values, so that they meet ---- */

static uint64_t seed = 20261128;

static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

static const char *pick(const char *const *from, unsigned n)
{
    return from[below(n)];
}
#define PICK(array) pick(array, sizeof(array) / sizeof *(array))

static const char *const keys[] = { "a", "b", "c" };
static const char *const scalars[] = { "\"x\"",   "\"ab\"",  "\"aab\"", "\"K\"",   "\"\\u212a\"",   "\"\"",  "1",
                                       "1.0",     "3",       "-2e1",    "true",    "false",         "null",  "\"10.1.2.3\"",
                                       "\"::1\"", "\"a*b\"", "100",     "\"a.b\"", "\"a\\u0000b\"", "1e400", "\"12\"" };
static const char *const entries[] = { "\"x\"",
                                       "1",
                                       "true",
                                       "null",
                                       "{\"prefix\":\"a\"}",
                                       "{\"suffix\":\"b\"}",
                                       "{\"prefix\":\"\"}",
                                       "{\"equals-ignore-case\":\"k\"}",
                                       "{\"prefix\":{\"equals-ignore-case\":\"A\"}}",
                                       "{\"suffix\":{\"equals-ignore-case\":\"B\"}}",
                                       "{\"wildcard\":\"a*b\"}",
                                       "{\"regex\":\"^a+b$\"}",
                                       "{\"regex\":\"1\"}",
                                       "{\"numeric\":[\">\",0,\"<=\",3]}",
                                       "{\"numeric\":[\"!=\",1]}",
                                       "{\"exists\":true}",
                                       "{\"exists\":false}",
                                       "{\"cidr\":\"10.0.0.0/8\"}",
                                       "{\"cidr\":\"::/64\"}",
                                       "{\"anything-but\":\"x\"}",
                                       "{\"anything-but\":[1,\"ab\",null]}",
                                       "{\"anything-but\":{\"prefix\":[\"a\",\"1\"]}}",
                                       "{\"anything-but\":{\"regex\":\"b\"}}",
                                       "{\"anything-but\":{\"cidr\":\"10.0.0.0/8\"}}" };
static const char *const regexes[] = { "^a", "b$", "^x$", "1", "true|K", "a.b", "", "(?i)k", "^[0-9]+$" };
static const char *const types[] = { "x", "ab", "a*", "*b", "*", "k" };
static const char *const paths[] = { "a", "b", "a.b", "a.b.c", "b.a", "$kafka.topic", "$kafka.headers.h", "/c/a" };

static void add_value(struct er_buf *out, unsigned depth)
{
    unsigned kind = depth == 0 ? 0 : below(5);

    if (kind < 2) {
        er_buf_add(out, er_str_of(PICK(scalars)));
        return;
    }
    er_buf_addc(out, kind == 2 ? '{' : '[');
    for (unsigned i = 0, n = below(4); i < n; i++) {
        er_buf_add(out, i > 0 ? ER_STR(",") : ER_STR(""));
        if (kind == 2) {
            er_buf_printf(out, "\"%s\":", PICK(keys));
        }
        add_value(out, depth - 1);
    }
    er_buf_addc(out, kind == 2 ? '}' : ']');
}

static void add_event(struct er_buf *out)
{
    er_buf_printf(out, "{\"type\":%s", PICK(scalars));
    for (unsigned i = 0; i < 3; i++) {
        er_buf_printf(out, ",\"%s\":", PICK(keys));
        add_value(out, 3);
    }
    er_buf_addc(out, '}');
}

static void add_pattern(struct er_buf *out, unsigned depth);

static void add_leaf(struct er_buf *out)
{
    er_buf_addc(out, '[');
    for (unsigned i = 0, n = 1 + below(2); i < n; i++) {
        er_buf_printf(out, "%s%s", i > 0 ? "," : "", PICK(entries));
    }
    er_buf_addc(out, ']');
}

static void add_member(struct er_buf *out, const char *key, unsigned depth)
{
    er_buf_printf(out, "\"%s\":", key);
    if (depth == 0 || below(2) == 0) {
        add_leaf(out);
    } else {
        add_pattern(out, depth - 1);
    }
}

static void add_logic(struct er_buf *out, const char *name, unsigned n, unsigned depth)
{
    er_buf_printf(out, "\"%s\":%s", name, n > 0 ? "[" : "");
    for (unsigned i = 0; i < (n > 0 ? n : 1); i++) {
        er_buf_add(out, i > 0 ? ER_STR(",") : ER_STR(""));
        add_pattern(out, depth);
    }
    er_buf_add(out, n > 0 ? ER_STR("]") : ER_STR(""));
}

static void add_pattern(struct er_buf *out, unsigned depth)
{
    unsigned first = below(3), n = 1 + below(2);

    er_buf_addc(out, '{');
    for (unsigned i = 0; i < n; i++) {
        er_buf_add(out, i > 0 ? ER_STR(",") : ER_STR(""));
        add_member(out, keys[(first + i) % 3], depth);
    }
    if (depth > 0 && below(3) == 0) {
        static const char *const names[] = { "$or", "$and", "$not" };
        unsigned kind = below(3);

        er_buf_addc(out, ',');
        add_logic(out, names[kind], kind == 0 ? 2 : kind == 1 ? 1 + below(2) : 0, depth - 1);
    }
    er_buf_addc(out, '}');
}

static void add_rule(struct er_buf *out)
{
    er_buf_add(out, ER_STR("{\"id\":\"r\""));
    if (below(3) == 0) {
        er_buf_printf(out, ",\"types\":[\"%s\",\"%s\"]", PICK(types), PICK(types));
    }
    if (below(3) == 0) {
        er_buf_printf(out, ",\"regex\":{\"%s\":\"%s\"}", PICK(paths), PICK(regexes));
    }
    if (below(4) != 0) {
        er_buf_add(out, ER_STR(",\"pattern\":"));
        add_pattern(out, 2);
    }
    er_buf_addc(out, '}');
}

/* ---- the same answer as routing ---- */

struct fixture {
    struct er_ruleset *ruleset;
    struct er_matcher *matcher;
    struct er_explainer *explainer;
};

static struct fixture fixture_of(const char *rule)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    const char *documents[] = { rule, NULL };
    struct fixture f;
    struct er_err err;

    f.ruleset = ruleset_new();
    change(f.ruleset, 1, documents, NULL);
    f.matcher = matcher_new(f.ruleset);
    assert_int_equal(er_explainer_new(&options, &f.explainer, &err), ER_OK);
    return f;
}

static void fixture_free(struct fixture *f)
{
    er_explainer_free(f->explainer);
    er_matcher_free(f->matcher);
    er_ruleset_free(f->ruleset);
}

static void check_sums(const struct er_explanation *explanation)
{
    size_t failed = 0;

    for (size_t i = 0; i < explanation->n; i += explanation->conditions[i].size) {
        failed += explanation->conditions[i].outcome == ER_OUTCOME_FAILED;
        assert_int_not_equal(explanation->conditions[i].outcome, ER_OUTCOME_NOT_REACHED);
    }
    assert_true(explanation->failed >= failed);
    assert_int_equal(explanation->failed > 0, explanation->truth == ER_FALSE);
}

/* Both as "s=r", "" or "E101@7". */
static void check_same(struct fixture *f, const struct er_rule *rule, const struct er_record *record, const char *event)
{
    const char *routed = match_record(f->matcher, record);
    struct er_explanation explanation;
    struct er_buf text = { 0 };
    struct er_json_writer w;
    struct er_err err;
    char explained[64];

    if (er_explainer_read(f->explainer, record, &err) != ER_OK) {
        snprintf(explained, sizeof explained, "%s@%zd", er_code_name(err.code), (ssize_t)err.offset);
    } else {
        assert_int_equal(er_explainer_run(f->explainer, rule, &explanation, &err), ER_OK);
        snprintf(explained, sizeof explained, "%s",
                 explanation.truth == ER_TRUE    ? "s=r"
                 : explanation.truth == ER_FALSE ? ""
                                                 : " ?s=r");
        check_sums(&explanation);
        er_jw_init(&w, &text);
        er_jw_object(&w);
        er_explanation_write(f->explainer, &explanation, &w);
        er_jw_end(&w);
        assert_false(text.failed);
        er_buf_free(&text);
    }
    if (strcmp(explained, routed) != 0) {
        struct er_buf document = { 0 };
        struct er_json_writer dw;

        er_jw_init(&dw, &document);
        er_jw_object(&dw);
        er_rule_write_members(rule, &dw);
        er_jw_end(&dw);
        fail_msg("%.*s ~ %s: explained \"%s\", routed \"%s\"", ER_STR_ARG(er_buf_str(&document)), event, explained, routed);
    }
}

static void random_rules_have_the_answers_of_routing(void **state)
{
    const struct er_header headers[] = { { ER_STR("ce_specversion"), ER_STR("1.0"), false },
                                         { ER_STR("ce_type"), ER_STR("ab"), false },
                                         { ER_STR("ce_a"), ER_STR("x"), false },
                                         { ER_STR("h"), ER_STR("K"), false },
                                         { ER_STR("ce_a"), ER_STR("\xff"), false } };
    size_t matches = 0, events = 0;

    (void)state;
    for (int i = 0; i < 1500; i++) {
        struct er_buf document = { 0 };
        struct fixture f;
        struct er_rule *rule;

        add_rule(&document);
        er_buf_addc(&document, '\0');
        rule = rule_of(document.p);
        f = fixture_of(document.p);
        for (int k = 0; k < 12; k++) {
            struct er_buf event = { 0 };
            struct er_record record;

            add_event(&event);
            er_buf_addc(&event, '\0');
            record = record_of(below(20) == 0 ? NULL : event.p);
            record.topic = below(2) == 0 ? ER_STR("ab") : ER_STR("");
            record.headers = headers;
            record.n_headers = below(4) == 0 ? 1 + below(5) : 0;
            check_same(&f, rule, &record, event.p);
            matches += match_record(f.matcher, &record)[0] == 's';
            events++;
            er_buf_free(&event);
        }
        er_rule_unref(rule);
        fixture_free(&f);
        er_buf_free(&document);
    }
    assert_in_range(matches, events / 10, events - events / 10);
}

static void bad_events_have_the_errors_of_routing(void **state)
{
    static const char *const events[] = {
        "",     "5",   "[{}]",           "{\"a\":007}",         "{\"a\":1,}",       "{} x",
        "{\"a", "nul", "\xEF\xBB\xBF{}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}"
    };
    struct fixture f = fixture_of("{\"id\":\"r\"}");
    struct er_rule *rule = rule_of("{\"id\":\"r\"}");

    (void)state;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct er_record record = record_of(events[i]);

        check_same(&f, rule, &record, events[i]);
    }
    er_rule_unref(rule);
    fixture_free(&f);
}

static void limits_of_events_are_those_of_routing(void **state)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_explainer *explainer;
    struct er_record record = record_of("{\"a\":{\"b\":1},\"a\":2}");
    struct er_err err;

    (void)state;
    options.reject_duplicate_keys = true;
    assert_int_equal(er_explainer_new(&options, &explainer, &err), ER_OK);
    assert_int_equal(er_explainer_read(explainer, &record, &err), ER_E_EVENT_DUPLICATE_KEY);
    assert_int_equal(err.offset, 13);
    er_explainer_free(explainer);
    options.max_depth = 1;
    assert_int_equal(er_explainer_new(&options, &explainer, &err), ER_OK);
    assert_int_equal(er_explainer_read(explainer, &record, &err), ER_E_JSON_DEPTH);
    er_explainer_free(explainer);
    options.max_bytes = 18;
    assert_int_equal(er_explainer_new(&options, &explainer, &err), ER_OK);
    assert_int_equal(er_explainer_read(explainer, &record, &err), ER_E_EVENT_TOO_LARGE);
    assert_int_equal(err.offset, 18);
    er_explainer_free(explainer);
}

/* ---- what is shown ---- */

struct row {
    const char *rule, *event, *text;
};

static void check_text(const struct row *row)
{
    struct fixture f = fixture_of(row->rule);
    struct er_rule *rule = rule_of(row->rule);
    struct er_record record = record_of(row->event);
    struct er_explanation explanation;
    struct er_buf text = { 0 };
    struct er_err err;

    assert_int_equal(er_explainer_read(f.explainer, &record, &err), ER_OK);
    assert_int_equal(er_explainer_run(f.explainer, rule, &explanation, &err), ER_OK);
    er_buf_printf(&text, "%s %zu\n", er_truth_name(explanation.truth), explanation.failed);
    er_explanation_print(f.explainer, &explanation, &text);
    er_buf_addc(&text, '\0');
    assert_string_equal(text.p, row->text);
    er_buf_free(&text);
    er_rule_unref(rule);
    fixture_free(&f);
}

static void conditions_say_what_they_wanted_and_found(void **state)
{
    static const struct row rows[] = {
        { "{\"types\":[\"order.*\"],\"regex\":{\"user.email\":\"@x\\\\.org$\"}}",
          "{\"type\":\"order.new\",\"user\":{\"email\":\"a@y.org\"}}",
          "failed 1\n"
          "  ok          type [\"order.*\"], found \"order.new\"\n"
          "  failed      user.email regex \"@x\\\\.org$\", found \"a@y.org\"\n" },
        { "{\"types\":[\"a\"],\"pattern\":{\"b\":[1,{\"prefix\":\"x\"}],\"c\":{\"d\":[{\"exists\":true}]}}}", "{\"b\":2,\"c\":5}",
          "failed 3\n"
          "  failed      type [\"a\"], found nothing\n"
          "  failed      all of\n"
          "    failed      b one of [1,{\"prefix\":\"x\"}], found 2\n"
          "    failed      c within, found no object\n"
          "      failed      c.d exists [{\"exists\":true}], found nothing\n" },
        { "{\"pattern\":{\"items\":{\"sku\":[\"A\"],\"qty\":[{\"numeric\":[\">\",1]}]}}}",
          "{\"items\":[{\"sku\":\"B\"},{\"sku\":\"A\",\"qty\":1},{\"qty\":2}]}",
          "failed 1\n"
          "  failed      items within (element 1)\n"
          "    failed      items all of\n"
          "      ok          items.sku equals [\"A\"], found \"A\"\n"
          "      failed      items.qty numeric [{\"numeric\":[\">\",1]}], found 1\n" },
        { "{\"pattern\":{\"$or\":[{\"a\":[1]},{\"a.b\":[2]}],\"$not\":{\"c\":[3]}}}", "{\"a\":1,\"c\":4}",
          "matched 0\n"
          "  ok          all of\n"
          "    ok          any of\n"
          "      ok          a equals [1], found 1\n"
          "      not reached \"a.b\" equals [2]\n"
          "    ok          not\n"
          "      failed      c equals [3], found 4\n" },
        { "{\"pattern\":{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}],\"$kafka\":{\"headers\":{\"h.i\":[\"y\"]}}}}",
          "{\"a\":[\"x\",\"z\"]}",
          "failed 1\n"
          "  failed      all of\n"
          "    ok          a anything-but [{\"anything-but\":{\"prefix\":\"x\"}}], found [\"x\",\"z\"] (element 1)\n"
          "    failed      $kafka.headers.\"h.i\" equals [\"y\"], found nothing\n" },
        { "{}", "{}", "matched 0\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_text(&rows[i]);
    }
}

static void json_has_pointers_and_costs(void **state)
{
    const char *document = "{\"regex\":{\"a.\\\"b/c\\\"\":\"x\"},\"pattern\":{\"k\":[1]}}";
    struct fixture f = fixture_of(document);
    struct er_rule *rule = rule_of(document);
    struct er_record record = record_of("{\"a\":[{\"b/c\":\"y\"},{\"b/c\":\"xx\"}]}");
    struct er_explanation explanation;
    struct er_buf text = { 0 };
    struct er_json_writer w;
    struct er_err err;

    (void)state;
    assert_int_equal(er_explainer_read(f.explainer, &record, &err), ER_OK);
    assert_int_equal(er_explainer_run(f.explainer, rule, &explanation, &err), ER_OK);
    er_jw_init(&w, &text);
    er_jw_object(&w);
    er_explanation_write(f.explainer, &explanation, &w);
    er_jw_end(&w);
    er_buf_addc(&text, '\0');
    assert_non_null(strstr(text.p, "{\"outcome\":\"failed\",\"failed\":1,\"conditions\":[{\"pointer\":\"/regex/a.\\\"b~1c\\\"\","
                                   "\"path\":\"a.\\\"b/c\\\"\",\"operator\":\"regex\",\"outcome\":\"ok\",\"expected\":\"x\","
                                   "\"actual\":\"xx\",\"cost\":{\"values\":2,\"ns\":"));
    assert_non_null(strstr(text.p, "{\"pointer\":\"/pattern/k\",\"path\":\"k\",\"operator\":\"equals\",\"outcome\":\"failed\","
                                   "\"expected\":[1],\"absent\":true,\"cost\":{\"values\":0}}"));
    er_buf_free(&text);
    er_rule_unref(rule);
    fixture_free(&f);
}

/* U+00E9 has two bytes, so the 256 bytes that are shown end inside of one when the text begins with an odd number. */
static void long_values_are_cut_between_characters(void **state)
{
    const char *document = "{\"regex\":{\"a\":\"zz\"}}";
    struct fixture f = fixture_of(document);
    struct er_rule *rule = rule_of(document);
    struct er_buf event = { 0 }, text = { 0 };
    struct er_record record;
    struct er_explanation explanation;
    struct er_err err;

    (void)state;
    er_buf_add(&event, ER_STR("{\"a\":\"q"));
    for (int i = 0; i < 1000; i++) {
        er_buf_add(&event, ER_STR("\xC3\xA9"));
    }
    er_buf_add(&event, ER_STR("\"}"));
    er_buf_addc(&event, '\0');
    record = record_of(event.p);
    assert_int_equal(er_explainer_read(f.explainer, &record, &err), ER_OK);
    assert_int_equal(er_explainer_run(f.explainer, rule, &explanation, &err), ER_OK);
    er_explanation_print(f.explainer, &explanation, &text);
    er_buf_addc(&text, '\0');
    assert_non_null(strstr(text.p, "\xC3\xA9\"...\n"));
    assert_in_range(text.n, 256, 320);
    er_buf_free(&text);
    er_buf_free(&event);
    er_rule_unref(rule);
    fixture_free(&f);
}

static void what_goes_over_its_limits_is_undecided(void **state)
{
    const char *document = "{\"regex\":{\"a\":\"(?:a{0,60}){3}[bc]\"},\"pattern\":{\"x\":[1]}}";
    struct fixture f = fixture_of(document);
    struct er_rule *rule = rule_of(document);
    struct er_buf event = { 0 };
    struct er_record record;
    struct er_explanation explanation;
    struct er_err err;

    (void)state;
    for (int x = 1; x <= 2; x++) {
        er_buf_clear(&event);
        er_buf_add(&event, ER_STR("{\"a\":\""));
        for (int i = 0; i < 16384; i++) {
            er_buf_addc(&event, 'a');
        }
        er_buf_printf(&event, "\",\"x\":%d}", x);
        er_buf_addc(&event, '\0');
        record = record_of(event.p);
        assert_int_equal(er_explainer_read(f.explainer, &record, &err), ER_OK);
        assert_int_equal(er_explainer_run(f.explainer, rule, &explanation, &err), ER_OK);
        assert_int_equal(explanation.conditions[0].outcome, ER_OUTCOME_UNDECIDED);
        assert_non_null(explanation.conditions[0].reason);
        assert_int_equal(explanation.truth, x == 1 ? ER_UNDECIDED : ER_FALSE);
        assert_string_equal(match_value(f.matcher, event.p), x == 1 ? " ?s=r" : "");
    }
    er_buf_free(&event);
    er_rule_unref(rule);
    fixture_free(&f);
}

static void very_many_elements_end_in_time(void **state)
{
    const char *document = "{\"pattern\":{\"x\":{\"y\":{\"a\":[1],\"b\":[2]}}}}";
    struct fixture f = fixture_of(document);
    struct er_rule *rule = rule_of(document);
    struct er_buf event = { 0 };
    struct er_record record;
    struct er_explanation explanation;
    struct er_err err;

    (void)state;
    er_buf_add(&event, ER_STR("{\"x\":["));
    for (int i = 0; i < 60000; i++) {
        er_buf_printf(&event, "%s{\"y\":[{\"a\":1}]}", i > 0 ? "," : "");
    }
    er_buf_add(&event, ER_STR("]}"));
    er_buf_addc(&event, '\0');
    record = record_of(event.p);
    assert_int_equal(er_explainer_read(f.explainer, &record, &err), ER_OK);
    assert_int_equal(er_explainer_run(f.explainer, rule, &explanation, &err), ER_OK);
    assert_int_not_equal(explanation.truth, ER_TRUE);
    er_buf_free(&event);
    er_rule_unref(rule);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rules_have_the_answers_of_routing),
        cmocka_unit_test(bad_events_have_the_errors_of_routing),
        cmocka_unit_test(limits_of_events_are_those_of_routing),
        cmocka_unit_test(conditions_say_what_they_wanted_and_found),
        cmocka_unit_test(json_has_pointers_and_costs),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(what_goes_over_its_limits_is_undecided),
        cmocka_unit_test(very_many_elements_end_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
