#include "tests/unit/engine_test.h"
#include "rules/language/lint.h"
#include "tests/unit/fault.h"

struct row {
    const char *rule; /* members of the document */
    const char *found;
};

/* "E236 /regex/a; E237@5 /regex/a" */
static const char *findings(const struct er_problems *problems)
{
    static char text[2048];
    size_t n = 0;

    text[0] = '\0';
    for (const struct er_problem *p = problems->first; p != NULL; p = p->next) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? "; " : "", er_code_name(p->code));
        if (p->offset != ER_NO_OFFSET) {
            n += (size_t)snprintf(text + n, sizeof text - n, "@%zu", p->offset);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", p->pointer.n > 0 ? " " : "", ER_STR_ARG(p->pointer));
        assert_true(p->detail.n > 0 && p->hint.n > 0);
    }
    return text;
}

static void check_row(const struct row *row, const struct er_lint_seen *seen)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_problems problems;
    struct er_buf document = { 0 };
    struct er_rule *rule;

    er_buf_printf(&document, "{%s}", row->rule);
    er_buf_addc(&document, '\0');
    rule = rule_of(document.p);
    er_problems_init(&problems, arena);
    er_lint_rule(rule, seen, ER_STR(""), &problems);
    if (strcmp(findings(&problems), row->found) != 0) {
        fail_msg("%s gives \"%s\", not \"%s\"", row->rule, findings(&problems), row->found);
    }
    er_rule_unref(rule);
    er_buf_free(&document);
    er_arena_free(arena);
}

#define CHECK_ROWS(rows, seen)                                                                                                     \
    for (size_t row = 0; row < sizeof(rows) / sizeof *(rows); row++) {                                                             \
        check_row(&(rows)[row], seen);                                                                                             \
    }

static void regexes_are_read_for_what_is_odd(void **state)
{
    static const struct row rows[] = {
        { "\"regex\":{\"a\":\"^u123$\"}", "E236 /regex/a" },
        { "\"regex\":{\"a\":\"^u1\"}", "E236 /regex/a" },
        { "\"regex\":{\"a\":\"\\\\.de$\"}", "E236 /regex/a" },
        { "\"regex\":{\"a\":\"u1\"}", "" },
        { "\"regex\":{\"a\":\"^u[0-9]$\"}", "" },
        { "\"regex\":{\"a\":\"^u\\\\d\"}", "" },
        { "\"regex\":{\"a\":\"\"}", "E230 /regex/a" },
        { "\"regex\":{\"a\":\".*\"}", "E230 /regex/a" },
        { "\"regex\":{\"a\":\"^.*$\"}", "" },
        { "\"regex\":{\"a\":\"@example.com$\"}", "E237@8 /regex/a" },
        { "\"regex\":{\"a\":\"@example\\\\.com$\"}", "E236 /regex/a" },
        { "\"regex\":{\"a\":\"@(mail.example.org|x)$\"}", "E237@6 /regex/a" },
        { "\"regex\":{\"a\":\"^shop.de/\"}", "E237@5 /regex/a" },
        { "\"regex\":{\"a\":\"order.new\"}", "" },
        { "\"regex\":{\"a\":\"[a.de]\"}", "" },
        { "\"regex\":{\"a\":\"x.*com$\"}", "" },
        { "\"regex\":{\"a\":\".*foo\"}", "E238@0 /regex/a" },
        { "\"regex\":{\"a\":\"^.*?foo\"}", "E238@0 /regex/a" },
        { "\"regex\":{\"a\":\"a.*foo\"}", "" },
        { "\"regex\":{\"a\":\"^(a+)+$\"}", "E239@5 /regex/a" },
        { "\"regex\":{\"a\":\"(a*b*)*c\"}", "E239@6 /regex/a" },
        { "\"regex\":{\"a\":\"(x|[a-z]{2,})+c\"}", "E239@13 /regex/a" },
        { "\"regex\":{\"a\":\"((a+))*c\"}", "E239@6 /regex/a" },
        { "\"regex\":{\"a\":\"([a-z]+\\\\.)+\"}", "" },
        { "\"regex\":{\"a\":\"(?>a+)+b\"}", "" },
        { "\"regex\":{\"a\":\"(a++)+b\"}", "" },
        { "\"regex\":{\"a\":\"(?:a+)?b\"}", "" },
        { "\"regex\":{\"a\":\"\\\\(a+\\\\)+b\"}", "" },
        { "\"pattern\":{\"a\":{\"b\":[1,{\"regex\":\"^x\"}]}}", "E236 /pattern/a/b" },
        { "\"pattern\":{\"a\":[{\"anything-but\":{\"regex\":\"x@host.com\"}}]}", "E237@6 /pattern/a" },
    };

    (void)state;
    CHECK_ROWS(rows, NULL);
}

static void operands_are_looked_at(void **state)
{
    static const struct row rows[] = {
        { "\"pattern\":{\"a\":[{\"prefix\":\"\"}]}", "E230 /pattern/a" },
        { "\"pattern\":{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"\"}}]}", "E230 /pattern/a" },
        { "\"pattern\":{\"a\":[{\"prefix\":\"x\"}]}", "" },
        { "\"pattern\":{\"a\":[{\"cidr\":\"10.1.0.0/8\"}]}", "E231 /pattern/a" },
        { "\"pattern\":{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "" },
    };

    (void)state;
    CHECK_ROWS(rows, NULL);
}

static void what_holds_always_or_never_is_found(void **state)
{
    static const struct row rows[] = {
        { "\"description\":\"all\"", "E232" },
        { "\"types\":[\"*\"]", "" },
        { "\"pattern\":{\"a\":[{\"exists\":true},{\"exists\":false}]}", "E232 /pattern" },
        { "\"pattern\":{\"a\":[{\"exists\":true},{\"exists\":false}],\"b\":[1]}", "E232 /pattern/a" },
        { "\"pattern\":{\"$not\":{\"a\":[{\"exists\":true},{\"exists\":false}]}}", "E233 /pattern" },
        { "\"pattern\":{\"a\":[1],\"$and\":[{\"a\":[{\"exists\":false}]}]}", "E233 /pattern" },
        { "\"pattern\":{\"a\":[1],\"$and\":[{\"a\":[{\"exists\":false},2]}]}", "" },
        { "\"pattern\":{\"a\":[1],\"$and\":[{\"a\":[2]}]}", "" },
        { "\"pattern\":{\"a\":[1],\"$not\":{\"a\":[1.0]}}", "E233 /pattern" },
        { "\"pattern\":{\"a\":[1],\"$not\":{\"a\":[2]}}", "" },
        { "\"pattern\":{\"$or\":[{\"a\":[1]},{\"$not\":{\"a\":[1]}}]}", "E232 /pattern" },
        { "\"pattern\":{\"$or\":[{\"b\":[5]},{\"a\":[1],\"$and\":[{\"a\":[{\"exists\":false}]}]}]}", "E233 /pattern/$or/1" },
        { "\"pattern\":{\"d\":{\"a\":[1],\"$not\":{\"a\":[1]}}}", "E233 /pattern" },
        { "\"pattern\":{\"d\":{\"a\":[1]},\"$not\":{\"a\":[1]}}", "" },
    };

    (void)state;
    CHECK_ROWS(rows, NULL);
}

static void add_event(struct er_lint_seen *seen, const char *type, const char *text)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_json *root;
    struct er_err err;

    assert_int_equal(er_json_parse(arena, er_str_of(text), 32, &root, &err), ER_OK);
    assert_true(er_lint_seen_add(seen, type == NULL ? (struct er_str){ NULL, 0 } : er_str_of(type), root));
    er_arena_free(arena);
}

static void types_and_fields_are_compared_with_events(void **state)
{
    static const struct row rows[] = {
        { "\"types\":[\"order.new\",\"order.*\",\"*\"]", "" },
        { "\"types\":[\"order.new\",\"ordre.*\"]", "E241 /types/1" },
        { "\"regex\":{\"items.sku\":\"x\",\"item.sku\":\"x\",\"$kafka.topic\":\"y\"}", "E242 /regex/item.sku" },
        { "\"pattern\":{\"items\":{\"sku\":[\"A\"],\"qyt\":[1]}}", "E242 /pattern/items/qyt" },
        { "\"pattern\":{\"deleted\":[{\"exists\":false}]}", "" },
        { "\"regex\":{\"/a~1b\":\"x\"}", "" },
    };
    struct er_lint_seen *seen = er_lint_seen_new();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row without = { rows[i].rule, "" };

        check_row(&without, seen); /* nothing is known before the first event */
    }
    add_event(seen, "order.new", "{\"items\":[[{\"sku\":\"A\"}],{\"qty\":1}],\"a/b\":1}");
    add_event(seen, NULL, "{}");
    CHECK_ROWS(rows, seen);
    er_lint_seen_free(seen);
}

static void many_fields_are_remembered(void **state)
{
    struct er_lint_seen *seen = er_lint_seen_new();
    struct row last = { "\"regex\":{\"k999\":\"x\",\"k1000\":\"x\"}", "E242 /regex/k1000" };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char text[64], type[16];

        snprintf(text, sizeof text, "{\"k%d\":{}}", i);
        snprintf(type, sizeof type, "t%d", i);
        add_event(seen, type, text);
    }
    check_row(&last, seen);
    er_lint_seen_free(seen);
}

/* ---- pairs ---- */

static void add_pair(void *ctx, enum er_code code, size_t rule, size_t other)
{
    char *text = ctx;

    sprintf(text + strlen(text), "%s%zu%s%zu", *text == '\0' ? "" : " ", rule, code == ER_E_LINT_SAME ? "=" : "<", other);
}

static void check_pairs(const char *const *documents, const char *expected)
{
    struct er_rule *rules[16] = { NULL };
    char text[512] = "";
    size_t n = 0;

    for (; documents[n] != NULL; n++) {
        char whole[1024];

        snprintf(whole, sizeof whole, "{%s}", documents[n]);
        rules[n] = rule_of(whole);
    }
    assert_int_equal(er_lint_pairs(rules, n, add_pair, text), ER_OK);
    assert_string_equal(text, expected);
    for (size_t i = 0; i < n; i++) {
        er_rule_unref(rules[i]);
    }
}

static void rules_are_compared_within_a_subscriber(void **state)
{
    (void)state;
    check_pairs((const char *const[]){ "\"types\":[\"a\",\"b\"]", "\"types\":[\"b\",\"a\"]",
                                       "\"types\":[\"a\"],\"subscriber\":\"t\"", NULL },
                "1=0");
    check_pairs((const char *const[]){ "\"types\":[\"order.new\"]", "\"types\":[\"order.*\"]", "\"types\":[\"*new\"]", NULL },
                "0<1");
    check_pairs((const char *const[]){ "\"types\":[\"a\"],\"enabled\":false", "\"types\":[\"a\"]", NULL }, "");
    check_pairs((const char *const[]){ "\"pattern\":{\"a\":[1,\"x\"],\"b\":[2]}", "\"pattern\":{\"b\":[2.0],\"a\":[\"x\",1]}",
                                       "\"pattern\":{\"$and\":[{\"b\":[2]},{\"a\":[1,\"x\"]}]}", NULL },
                "1=0 2=0");
    check_pairs((const char *const[]){ "\"pattern\":{\"a\":[1],\"b\":[2]}", "\"pattern\":{\"b\":[2]}",
                                       "\"pattern\":{\"b\":[2]},\"regex\":{\"c\":\"x\"}", NULL },
                "0<1 2<1");
    check_pairs((const char *const[]){ "\"regex\":{\"a.b\":\"x\",\"c\":\"y\"}", "\"regex\":{\"/a/b\":\"x\"}",
                                       "\"regex\":{\"a.b\":\"X\"}", NULL },
                "0<1");
    /* One element of items has both, or two have one each: not the same. */
    check_pairs(
        (const char *const[]){ "\"pattern\":{\"items\":{\"a\":[1],\"b\":[2]}}", "\"pattern\":{\"items\":{\"a\":[1]}}", NULL }, "");
    check_pairs((const char *const[]){ "\"types\":[\"a\"]", "\"description\":\"everything\"", NULL }, "0<1");
    check_pairs((const char *const[]){ "\"description\":\"everything\"", "\"types\":[\"*\"]", NULL }, "1<0");
    check_pairs((const char *const[]){ "\"types\":[\"a*\",\"ab\"]", "\"types\":[\"a*\"]", NULL }, "1=0");
    check_pairs((const char *const[]){ "\"pattern\":{\"a\":[{\"anything-but\":[1]}]}", "\"pattern\":{\"a\":[1]}",
                                       "\"pattern\":{\"a\":[\"1\"]}", "\"pattern\":{\"a\":[{\"prefix\":\"1\"}]}", NULL },
                "");
}

static void a_glob_is_covered_only_by_a_wider_one(void **state)
{
    (void)state;
    check_pairs((const char *const[]){ "\"types\":[\"a*c\"]", "\"types\":[\"a*b*c\"]", NULL }, "1<0");
    check_pairs((const char *const[]){ "\"types\":[\"a*\"]", "\"types\":[\"ab*\",\"b\"]", NULL }, "");
}

/* ---- without memory ---- */

static void nothing_pair(void *ctx, enum er_code code, size_t rule, size_t other)
{
    (void)ctx;
    (void)code;
    (void)rule;
    (void)other;
}

/* What was seen of an event with many fields; false when it cannot all be kept. */
static bool see_all(const struct er_json *root)
{
    struct er_lint_seen *seen = er_lint_seen_new();
    bool all = seen != NULL && er_lint_seen_add(seen, ER_STR("order.new"), root);

    er_lint_seen_free(seen);
    return all;
}

static void events_need_memory(void **state)
{
    struct er_arena *arena = er_arena_new(0);
    char text[4096] = "{";
    struct er_json *root;
    struct er_err err;
    bool failed = true;

    (void)state;
    skip_unless_allocations_can_fail();
    for (int i = 0; i < 200; i++) {
        snprintf(text + strlen(text), 20, "%s\"key%d\":[{}]", i == 0 ? "" : ",", i);
    }
    strcat(text, "}");
    assert_int_equal(er_json_parse(arena, er_str_of(text), 32, &root, &err), ER_OK);
    for (unsigned long n = 1; failed; n++) {
        bool all;

        fail_one_allocation(n);
        all = see_all(root);
        failed = allocation_failed();
        fail_one_allocation(0);
        assert_int_equal(all, !failed);
    }
    er_arena_free(arena);
}

static void comparing_needs_memory(void **state)
{
    struct er_rule *rules[] = {
        rule_of("{\"id\":\"a\",\"pattern\":{\"a\":[1,{\"prefix\":\"x\"}],\"$not\":{\"b\":[2]}}}"),
        rule_of("{\"id\":\"b\",\"pattern\":{\"a\":[1],\"$or\":[{\"b\":[3]},{\"c\":[\"x\"]}]},\"regex\":{\"d\":\"x\"}}")
    };
    bool failed = true;

    (void)state;
    skip_unless_allocations_can_fail();
    for (unsigned long n = 1; failed; n++) {
        enum er_code code;

        fail_one_allocation(n);
        code = er_lint_pairs(rules, 2, nothing_pair, NULL);
        failed = allocation_failed();
        fail_one_allocation(0);
        assert_int_equal(code, failed ? ER_E_NOMEM : ER_OK);
    }
    er_rule_unref(rules[0]);
    er_rule_unref(rules[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regexes_are_read_for_what_is_odd),
        cmocka_unit_test(operands_are_looked_at),
        cmocka_unit_test(what_holds_always_or_never_is_found),
        cmocka_unit_test(types_and_fields_are_compared_with_events),
        cmocka_unit_test(many_fields_are_remembered),
        cmocka_unit_test(rules_are_compared_within_a_subscriber),
        cmocka_unit_test(a_glob_is_covered_only_by_a_wider_one),
        cmocka_unit_test(events_need_memory),
        cmocka_unit_test(comparing_needs_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
