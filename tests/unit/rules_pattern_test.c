/* Reading patterns: the tree, what counts, limits. The errors of documents are in tests/golden/rules, the answers of operators in
 * rules_operator_test.c. */
#include "rules/language/pattern.h"

#include "tests/unit/fault.h"
#include "tests/unit/test.h"

struct fixture {
    struct er_arena *arena;
    struct er_rule_limits limits;
    struct er_problems problems, warnings;
    struct er_pattern_result result;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return -1;
    }
    f->arena = er_arena_new(0);
    f->limits = er_rule_default_limits();
    *state = f;
    return 0;
}

static void drop_regexes(struct fixture *f)
{
    for (size_t i = 0; i < f->result.n_regexes; i++) {
        er_regex_unref(f->result.regexes[i]);
    }
    f->result.n_regexes = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    drop_regexes(f);
    er_arena_free(f->arena);
    free(f);
    return 0;
}

static enum er_code read_text(struct fixture *f, struct er_str text)
{
    struct er_place place = er_place_of(ER_STR("/pattern"));
    struct er_pattern_source source = { .place = &place, .limits = &f->limits, .arena = f->arena };
    struct er_json *tree;
    struct er_err err;

    drop_regexes(f);
    if (er_json_parse(f->arena, text, f->limits.max_depth, &tree, &err) != ER_OK) {
        fail_msg("%.*s: %s", ER_STR_ARG(text), err.text);
    }
    er_problems_init(&f->problems, f->arena);
    er_problems_init(&f->warnings, f->arena);
    source.value = tree;
    source.problems = &f->problems;
    source.warnings = &f->warnings;
    return er_pattern_read(&source, &f->result);
}

static const struct er_pattern *read_good(struct fixture *f, const char *text)
{
    if (read_text(f, er_str_of(text)) != ER_OK) {
        fail_msg("%s: %.*s %.*s", text, ER_STR_ARG(f->problems.first->pointer), ER_STR_ARG(f->problems.first->detail));
    }
    assert_non_null(f->result.pattern);
    return f->result.pattern;
}

/* ---- the tree as text */

static void add_operand(struct er_buf *out, enum er_operator op, const struct er_operand *operand)
{
    const struct er_numeric *numeric = &operand->numeric;

    if (op == ER_OPERATOR_NUMERIC) {
        er_buf_printf(out, " %s%.*s..%.*s%s%s", numeric->low_included ? "[" : "(", ER_STR_ARG(numeric->low),
                      ER_STR_ARG(numeric->high), numeric->high_included ? "]" : ")", numeric->different ? "!" : "");
        return;
    }
    er_buf_printf(out, " %s'%.*s'", operand->type == ER_JSON_STRING ? "" : er_json_type_name(operand->type),
                  ER_STR_ARG(operand->text));
}

static void add_entries(struct er_buf *out, const struct er_pattern *node)
{
    static const char *const names[] = { "=",        "prefix", "suffix",  "i",    "prefix-i", "suffix-i",
                                         "wildcard", "regex",  "numeric", "cidr", "exists" };

    for (size_t i = 0; i < node->n_entries; i++) {
        const struct er_entry *entry = &node->entries[i];

        er_buf_printf(out, "%s%s%s", i == 0 ? " " : " | ", entry->but ? "not " : "", names[entry->op]);
        if (entry->op == ER_OPERATOR_EXISTS) {
            er_buf_printf(out, " %d", entry->exists);
            assert_int_equal(entry->n, 0);
        }
        for (size_t k = 0; k < entry->n; k++) {
            add_operand(out, entry->op, &entry->operands[k]);
        }
    }
}

static void add_node(struct er_buf *out, const struct er_pattern *node)
{
    static const char *const kinds[] = { "all", "any", "not", "within", "leaf" };
    static const char *const roots[] = { "", "topic", "partition", "key", "timestamp", "header" };

    er_buf_printf(out, "(%s", kinds[node->kind]);
    if (node->root != ER_PATH_EVENT) {
        er_buf_printf(out, " $%s", roots[node->root]);
    }
    if (node->kind == ER_PATTERN_LEAF || node->kind == ER_PATTERN_WITHIN) {
        er_buf_printf(out, " <%.*s>", ER_STR_ARG(node->key));
    }
    add_entries(out, node);
    for (size_t i = 0; i < node->n_children; i++) {
        assert_ptr_equal(node->children[i].parent, node);
        er_buf_addc(out, ' ');
        add_node(out, &node->children[i]);
    }
    er_buf_addc(out, ')');
}

static void check_tree(struct fixture *f, const char *text, const char *expected)
{
    struct er_buf out = { 0 };
    char *tree;

    add_node(&out, read_good(f, text));
    tree = er_buf_take(&out);
    if (strcmp(tree, expected) != 0) {
        fail_msg("%s:\nexpected %s\ngot      %s", text, expected, tree);
    }
    free(tree);
}

static void trees(void **state)
{
    static const struct {
        const char *text, *tree;
    } rows[] = {
        { "{\"a\":[1]}", "(all (leaf <a> = number'1'))" },
        { "{\"a\":{\"b\":[\"x\"]},\"c\":[null]}", "(all (within <a> (all (leaf <b> = 'x'))) (leaf <c> = null''))" },
        { "{\"\":[true,false]}", "(all (leaf <> = true'' false''))" },
        { "{\"a.b\":[1.50]}", "(all (leaf <a.b> = number'1.50'))" },
        /* All plain values are one entry, where the first of them stands. */
        { "{\"a\":[{\"prefix\":\"p\"},\"x\",{\"exists\":false},3,null]}",
          "(all (leaf <a> prefix 'p' | = 'x' number'3' null'' | exists 0))" },
        { "{\"a\":[{\"suffix\":\"s\"},{\"equals-ignore-case\":\"S\"},{\"wildcard\":\"a*\"},{\"regex\":\"^r\"},{\"regexp\":\"r$\"}]"
          "}",
          "(all (leaf <a> suffix 's' | i 'S' | wildcard 'a*' | regex '^r' | regex 'r$'))" },
        { "{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"p\"}},{\"suffix\":{\"equals-ignore-case\":\"s\"}}]}",
          "(all (leaf <a> prefix-i 'p' | suffix-i 's'))" },
        { "{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "(all (leaf <a> numeric (0..5]))" },
        { "{\"a\":[{\"numeric\":[\"<\",5,\">=\",-1e3]}]}", "(all (leaf <a> numeric [-1e3..5)))" },
        { "{\"a\":[{\"numeric\":[\"=\",5.0]},{\"numeric\":[\"!=\",5]}]}", "(all (leaf <a> = number'5.0' | numeric [5..)!))" },
        { "{\"a\":[{\"numeric\":[\">=\",5,\"<=\",5.0]}]}", "(all (leaf <a> numeric [5..5.0]))" },
        { "{\"a\":[{\"numeric\":[\">\",1]},{\"numeric\":[\"<\",1]}]}", "(all (leaf <a> numeric (1..) | numeric (..1)))" },
        { "{\"a\":[{\"cidr\":\"10.0.0.0/8\"},{\"exists\":true}]}", "(all (leaf <a> cidr '10.0.0.0/8' | exists 1))" },
        { "{\"a\":[{\"anything-but\":\"x\"}]}", "(all (leaf <a> not = 'x'))" },
        { "{\"a\":[{\"anything-but\":null}]}", "(all (leaf <a> not = null''))" },
        { "{\"a\":[{\"anything-but\":false}]}", "(all (leaf <a> not = false''))" },
        { "{\"a\":[{\"anything-but\":[\"x\",5,null,true]}]}", "(all (leaf <a> not = 'x' number'5' null'' true''))" },
        { "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}]}", "(all (leaf <a> not prefix 'x'))" },
        { "{\"a\":[{\"anything-but\":{\"prefix\":[\"x\",\"y\"]}}]}", "(all (leaf <a> not prefix 'x' 'y'))" },
        { "{\"a\":[{\"anything-but\":{\"suffix\":[\"x\"]}},{\"anything-but\":{\"wildcard\":[\"*x\",\"y*\"]}}]}",
          "(all (leaf <a> not suffix 'x' | not wildcard '*x' 'y*'))" },
        { "{\"a\":[{\"anything-but\":{\"equals-ignore-case\":[\"x\",\"y\"]}},{\"anything-but\":{\"regexp\":[\"x\",\"y\"]}}]}",
          "(all (leaf <a> not i 'x' 'y' | not regex 'x' 'y'))" },
        { "{\"a\":[{\"anything-but\":{\"cidr\":[\"::/0\",\"0.0.0.0/0\"]}}]}", "(all (leaf <a> not cidr '::/0' '0.0.0.0/0'))" },
        { "{\"a\":[{\"anything-but\":{\"numeric\":5}},{\"anything-but\":{\"numeric\":[1,2.0]}}]}",
          "(all (leaf <a> not = number'5' | not = number'1' number'2.0'))" },
        { "{\"a\":[{\"anything-but\":{\"prefix\":{\"equals-ignore-case\":\"x\"}}}]}", "(all (leaf <a> not prefix-i 'x'))" },
        { "{\"a\":[{\"anything-but\":{\"suffix\":{\"equals-ignore-case\":[\"x\",\"y\"]}}}]}",
          "(all (leaf <a> not suffix-i 'x' 'y'))" },
        { "{\"$or\":[{\"a\":[1]},{\"b\":[2],\"c\":[3]}],\"d\":[4]}",
          "(all (any (all (leaf <a> = number'1')) (all (leaf <b> = number'2') (leaf <c> = number'3'))) (leaf <d> = number'4'))" },
        { "{\"a\":{\"$not\":{\"b\":[1]}}}", "(all (within <a> (all (not (all (leaf <b> = number'1'))))))" },
        { "{\"$and\":[{\"a\":[1]}]}", "(all (all (all (leaf <a> = number'1'))))" },
        { "{\"$kafka\":{\"topic\":[\"t\"],\"partition\":[3],\"key\":[{\"exists\":false}],\"timestamp\":[{\"numeric\":[\">\",5]}]}}",
          "(all (all (leaf $topic <> = 't') (leaf $partition <> = number'3') (leaf $key <> exists 0) (leaf $timestamp <> numeric "
          "(5..))))" },
        { "{\"$kafka\":{\"headers\":{\"a.b\":[\"x\"],\"$kafka\":[\"y\"]}}}",
          "(all (all (all (leaf $header <a.b> = 'x') (leaf $header <$kafka> = 'y'))))" },
        { "{\"$kafka\":{\"$or\":[{\"topic\":[\"t\"]},{\"headers\":{\"$not\":{\"h\":[\"x\"]}}}]}}",
          "(all (all (any (all (leaf $topic <> = 't')) (all (all (not (all (leaf $header <h> = 'x'))))))))" },
        { "{\"$or\":[{\"$kafka\":{\"key\":[\"k\"]}},{\"$not\":{\"$kafka\":{\"topic\":[\"t\"]}}}]}",
          "(all (any (all (all (leaf $key <> = 'k'))) (all (not (all (all (leaf $topic <> = 't')))))))" },
        /* Other keys with a dollar are keys, and so is $kafka anywhere but first. */
        { "{\"$a\":[1],\"a\":{\"$kafka\":[1],\"$kafka.topic\":[2]},\"$OR\":[3]}",
          "(all (leaf <$a> = number'1') (within <a> (all (leaf <$kafka> = number'1') (leaf <$kafka.topic> = number'2'))) (leaf "
          "<$OR> = number'3'))" },
        { "{\"a/b~c\":[1],\"prefix\":[2],\"k\\u00e4\":[\"\\ud83d\\ude00\"]}",
          "(all (leaf <a/b~c> = number'1') (leaf <prefix> = number'2') (leaf <k\xC3\xA4> = '\xF0\x9F\x98\x80'))" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_tree(*state, rows[i].text, rows[i].tree);
    }
}

/* ---- the text */

static void the_text_keeps_order_and_numbers(void **state)
{
    struct fixture *f = *state;
    static const char canonical[] =
        "{\"b\":[1.50,{\"numeric\":[\">\",1E+2]}],\"a\":{\"\xC3\xA4/\":[\"x\",{\"regexp\":\"\\\\d\"},null]}}";

    (void)read_good(f, "{ \"b\" : [ 1.50 , {\"numeric\": [\">\", 1E+2]} ],\n\"a\": {\"\\u00e4\\/\":[\"\\u0078\", "
                       "{\"regexp\":\"\\\\d\"}, null]} }");
    assert_true(er_str_eq(f->result.text, ER_STR(canonical)));
    (void)read_good(f, canonical);
    assert_true(er_str_eq(f->result.text, ER_STR(canonical)));
    assert_int_equal(read_text(f, ER_STR("{\"a\":{}}")), ER_E_RULE_EMPTY);
    assert_null(f->result.pattern);
}

static void nodes_know_their_place(void **state)
{
    struct fixture *f = *state;
    const struct er_pattern *root =
        read_good(f, "{\"a\":{\"b/c\":[1]},\"$or\":[{\"x\":[1]},{\"$not\":{\"y\":[2]}}],\"$kafka\":{\"headers\":"
                     "{\"h~\":[\"v\"]}}}");
    const struct {
        const struct er_pattern *node;
        const char *pointer;
    } rows[] = {
        { root, "/pattern" },
        { &root->children[0], "/pattern/a" },
        { &root->children[0].children[0], "/pattern/a" },
        { &root->children[0].children[0].children[0], "/pattern/a/b~1c" },
        { &root->children[1], "/pattern/$or" },
        { &root->children[1].children[1], "/pattern/$or/1" },
        { &root->children[1].children[1].children[0].children[0].children[0], "/pattern/$or/1/$not/y" },
        { &root->children[2].children[0].children[0], "/pattern/$kafka/headers/h~0" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_str pointer = er_pattern_pointer(rows[i].node, f->arena);

        assert_string_equal(pointer.p, rows[i].pointer);
        assert_int_equal(pointer.n, strlen(rows[i].pointer));
    }
}

/* ---- limits */

static void add_times(struct er_buf *buf, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        er_buf_add(buf, er_str_of(text));
    }
}

/* prefix, then n times `before`, then middle, then n times `after`, then the end. */
static struct er_str nested(struct er_arena *arena, size_t n, const char *before, const char *middle, const char *after)
{
    struct er_buf buf = { 0 };
    struct er_str text;

    add_times(&buf, n, before);
    er_buf_add(&buf, er_str_of(middle));
    add_times(&buf, n, after);
    text = er_arena_dup(arena, er_buf_str(&buf));
    er_buf_free(&buf);
    return text;
}

static void check_limit(struct fixture *f, struct er_str text, size_t pointer_bytes, const char *words)
{
    assert_int_equal(read_text(f, text), ER_E_RULE_LIMIT);
    assert_int_equal(f->problems.total, 1);
    assert_int_equal(f->problems.first->pointer.n, pointer_bytes);
    if (strstr(f->problems.first->detail.p, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", f->problems.first->detail.p, words);
    }
}

static void depth_is_that_of_the_event(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, nested(f->arena, 128, "{\"a\":", "[1]", "}")), ER_OK);
    check_limit(f, nested(f->arena, 129, "{\"a\":", "[1]", "}"), 8 + 128 * 2, "at most 128");
    /* Logic adds none, nor does an operator: this is as deep as a pattern can be in every way. */
    assert_int_equal(read_text(f, nested(f->arena, 64, "{\"a\":{\"$or\":[{\"b\":",
                                         "[{\"anything-but\":{\"prefix\":{\"equals-ignore-case\":[\"x\"]}}}]", "},{\"c\":[1]}]}}")),
                     ER_OK);
    /* The envelope is no part of the event. */
    er_rule_limits_set_event_depth(&f->limits, 1);
    assert_int_equal(read_text(f, ER_STR("{\"a\":[1],\"$kafka\":{\"headers\":{\"h\":[\"x\"]}}}")), ER_OK);
    check_limit(f, ER_STR("{\"a\":{\"b\":[1]}}"), 10, "too deep");
}

static void nesting_of_logic(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, nested(f->arena, 64, "{\"$not\":", "{\"a\":[1]}", "}")), ER_OK);
    check_limit(f, nested(f->arena, 65, "{\"$not\":", "{\"a\":[1]}", "}"), 8 + 65 * 5, "$or, $and and $not are nested too deep");
    assert_int_equal(read_text(f, nested(f->arena, 64, "{\"$and\":[", "{\"a\":[1]}", "]}")), ER_OK);
    check_limit(f, nested(f->arena, 65, "{\"$and\":[", "{\"a\":[1]}", "]}"), 8 + 64 * 7 + 5, "at most 64");
    assert_int_equal(read_text(f, nested(f->arena, 64, "{\"$or\":[{\"b\":[1]},", "{\"a\":[1]}", "]}")), ER_OK);
    check_limit(f, nested(f->arena, 65, "{\"$or\":[{\"b\":[1]},", "{\"a\":[1]}", "]}"), 8 + 64 * 6 + 4, "at most 64");
}

/* n fields with two conditions each, joined by $or inside: 2 to the n branches, or 2 n of them under $not. */
static struct er_str product(struct er_arena *arena, size_t n, const char *begin, const char *part, const char *end)
{
    struct er_buf buf = { 0 };
    struct er_str text;

    er_buf_add(&buf, er_str_of(begin));
    for (size_t i = 0; i < n; i++) {
        er_buf_printf(&buf, "%s%s", i == 0 ? "" : ",", part);
    }
    er_buf_add(&buf, er_str_of(end));
    text = er_arena_dup(arena, er_buf_str(&buf));
    er_buf_free(&buf);
    return text;
}

static void branches_by_de_morgan(void **state)
{
    static const char pair[] = "{\"$or\":[{\"a\":[1]},{\"b\":[1]}]}";
    static const char both[] = "{\"a\":[1],\"b\":[2]}";
    struct fixture *f = *state;

    f->limits.tests = 10000;
    assert_int_equal(read_text(f, product(f->arena, 10, "{\"$and\":[", pair, "]}")), ER_OK);
    check_limit(f, product(f->arena, 11, "{\"$and\":[", pair, "]}"), 8, "2048 branches, at most 1024");
    /* Siblings multiply too, here 1024 times 2. */
    check_limit(f, product(f->arena, 10, "{\"$or\":[{\"x\":[1]},{\"y\":[1]}],\"$and\":[", pair, "]}"), 8, "2048 branches");
    assert_int_equal(read_text(f, product(f->arena, 1024, "{\"$or\":[", "{\"a\":[1]}", "]}")), ER_OK);
    check_limit(f, product(f->arena, 1025, "{\"$or\":[", "{\"a\":[1]}", "]}"), 8, "1025 branches");
    /* Under $not $or multiplies and siblings add. */
    assert_int_equal(read_text(f, product(f->arena, 1025, "{\"$not\":{\"$or\":[", "{\"a\":[1]}", "]}}")), ER_OK);
    assert_int_equal(read_text(f, product(f->arena, 11, "{\"$not\":{\"$and\":[", pair, "]}}")), ER_OK);
    assert_int_equal(read_text(f, product(f->arena, 10, "{\"$not\":{\"$or\":[", both, "]}}")), ER_OK);
    check_limit(f, product(f->arena, 11, "{\"$not\":{\"$or\":[", both, "]}}"), 8, "2048 branches");
    check_limit(f, product(f->arena, 1025, "{\"$not\":{\"$and\":[", "{\"a\":[1]}", "]}}"), 8, "1025 branches");
    /* Twice turned over. */
    check_limit(f, product(f->arena, 11, "{\"$not\":{\"$not\":{\"$and\":[", pair, "]}}}"), 8, "2048 branches");
    assert_int_equal(read_text(f, product(f->arena, 11, "{\"$not\":{\"$not\":{\"$or\":[", both, "]}}}")), ER_OK);
    /* Values of one list are no branches, whatever they are; objects on the way are none either. */
    assert_int_equal(read_text(f, product(f->arena, 2000, "{\"a\":{\"b\":[", "{\"prefix\":\"x\"}", "]}}")), ER_OK);
    /* Counting stops somewhere instead of running over. */
    check_limit(f, product(f->arena, 200, "{\"$and\":[", pair, "]}"), 8, "more than 1073741824 branches");
    check_limit(f, product(f->arena, 64, "{\"$and\":[", pair, "]}"), 8, "more than");
}

static void check_tests(struct fixture *f, const char *text, size_t tests)
{
    (void)read_good(f, text);
    assert_int_equal(f->result.tests, tests);
}

static void what_is_a_test(void **state)
{
    struct fixture *f = *state;

    check_tests(f, "{\"a\":[1,2,3,\"x\",null]}", 1);
    check_tests(f, "{\"a\":[1,{\"prefix\":\"x\"},2]}", 2);
    check_tests(f, "{\"a\":[{\"exists\":false},{\"exists\":true}]}", 2);
    check_tests(f, "{\"a\":[{\"anything-but\":[1,2,3]}]}", 1);
    check_tests(f, "{\"a\":[{\"anything-but\":{\"regex\":[\"a\",\"b\",\"c\"]}}]}", 1);
    check_tests(f, "{\"a\":[{\"numeric\":[\">\",1,\"<\",5]}],\"b\":[1]}", 2);
    check_tests(f, "{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"$not\":{\"c\":[{\"suffix\":\"x\"}]},\"$kafka\":{\"topic\":[\"t\"]}}", 4);
    assert_int_equal(read_text(f, product(f->arena, 256, "{\"a\":[", "{\"prefix\":\"x\"}", "]}")), ER_OK);
    assert_int_equal(f->result.tests, 256);
    assert_int_equal(read_text(f, product(f->arena, 255, "{\"a\":[1,", "{\"prefix\":\"x\"}", ",2]}")), ER_OK);
    check_limit(f, product(f->arena, 256, "{\"a\":[1,", "{\"prefix\":\"x\"}", ",2]}"), 8, "257 tests, at most 256");
    /* No more regexes are compiled than a rule may have. */
    check_limit(f, product(f->arena, 4000, "{\"a\":[", "{\"regex\":\"x\"}", "]}"), 8, "4000 tests");
    assert_int_equal(f->result.n_regexes, 256);
    assert_int_equal(read_text(f, product(f->arena, 5000, "{\"a\":[", "12345", "]}")), ER_OK);
    assert_int_equal(f->result.pattern->children[0].entries[0].n, 5000);
}

/* ---- hostile documents */

/* Problems far below a long key, thousands of them: their pointers are made for those that are kept only. */
static void many_problems_cost_little(void **state)
{
    struct fixture *f = *state;
    struct er_buf buf = { 0 };
    size_t before;

    er_buf_printf(&buf, "{\"");
    add_times(&buf, 30000, "~");
    er_buf_printf(&buf, "\":[[]");
    add_times(&buf, 11000, ",[]");
    er_buf_printf(&buf, "]}");
    before = er_arena_bytes(f->arena);
    assert_int_equal(read_text(f, er_buf_str(&buf)), ER_E_RULE_TYPE);
    assert_int_equal(f->problems.total, 11001);
    assert_int_equal(f->problems.n, ER_PROBLEMS_MAX);
    assert_true(er_arena_bytes(f->arena) - before < 20u << 20);
    er_buf_free(&buf);
}

/* What a rule keeps grows with its document, not with its square. */
static void trees_are_of_the_size_of_the_text(void **state)
{
    struct fixture *f = *state;
    struct er_buf buf = { 0 };
    size_t before;

    f->limits.tests = 10000;
    er_buf_printf(&buf, "{\"");
    add_times(&buf, 30000, "k");
    er_buf_printf(&buf, "\":{\"k\":[1]");
    for (unsigned i = 0; i < 3000; i++) {
        er_buf_printf(&buf, ",\"%u\":[1]", i);
    }
    er_buf_printf(&buf, "}}");
    before = er_arena_bytes(f->arena);
    assert_int_equal(read_text(f, er_buf_str(&buf)), ER_OK);
    assert_true(er_arena_bytes(f->arena) - before < 4u << 20);
    er_buf_free(&buf);
}

/* ---- warnings */

static void oddities(void **state)
{
    static const struct {
        const char *text, *pointer;
        enum er_code code;
    } rows[] = {
        { "{\"a\":[{\"prefix\":\"\"}]}", "/pattern/a/0/prefix", ER_E_LINT_ALWAYS },
        { "{\"a\":[\"x\",{\"suffix\":{\"equals-ignore-case\":\"\"}}]}", "/pattern/a/1/suffix/equals-ignore-case",
          ER_E_LINT_ALWAYS },
        { "{\"a\":[{\"anything-but\":{\"prefix\":[\"x\",\"\"]}}]}", "/pattern/a/0/anything-but/prefix/1", ER_E_LINT_ALWAYS },
        { "{\"a\":[{\"cidr\":\"10.0.0.1/8\"}]}", "/pattern/a/0/cidr", ER_E_LINT_HOST_BITS },
        { "{\"a\":[{\"equals-ignore-case\":\"\"},{\"wildcard\":\"\"},{\"regex\":\"\"},{\"cidr\":\"::1/128\"}]}", NULL, ER_OK },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)read_good(f, rows[i].text);
        assert_int_equal(f->warnings.n, rows[i].pointer != NULL);
        if (rows[i].pointer != NULL) {
            assert_int_equal(f->warnings.first->code, rows[i].code);
            assert_string_equal(f->warnings.first->pointer.p, rows[i].pointer);
        }
    }
}

/* ---- memory */

static const char *const documents[] = {
    "{\"a\":[1,\"x\",null,{\"prefix\":\"p\"},{\"regex\":\"^r\"},{\"regex\":\"s\"},{\"regex\":\"t\"},{\"regex\":\"u\"},{\"regex\":"
    "\"[v-z]+\"}],"
    "\"b/\":{\"c\":[{\"wildcard\":\"a*b\\\\*\"},{\"cidr\":\"10.0.0.1/"
    "8\"},{\"suffix\":\"\"}]},\"$or\":[{\"d\":[{\"numeric\":[\">\",1,\"<\",2]}]},"
    "{\"$not\":{\"e\":[{\"exists\":true}]}}],\"$and\":[{\"f\":[{\"anything-but\":{\"prefix\":{\"equals-ignore-case\":[\"x\",\"y\"]}"
    "}}]},"
    "{\"g\":[{\"anything-but\":[1,null]}]}],\"$kafka\":{\"headers\":{\"h\":[\"v\"]},\"partition\":[{\"numeric\":[\"=\",5]}]}}",
    "{\"a\":5,\"b\":[],\"c\":[[],{},{\"prefx\":1},{\"prefix\":1,\"suffix\":2},{\"numeric\":[\">\",5,\"<\",5]},{\"cidr\":\"x\"},{"
    "\"wildcard\":\"**\"},"
    "{\"regex\":\"(\"},{\"regex\":\"\\\\C\"}],\"$or\":[{}],\"$kafka\":{\"tpic\":[1]},\"d\":null}",
};

/* Memory runs out at the n-th allocation, for every n: the answer is that, or the same as ever. */
static void no_memory(void **state, void (*arrange)(unsigned long n))
{
    struct fixture *f = *state;

    for (size_t d = 0; d < sizeof documents / sizeof documents[0]; d++) {
        enum er_code expected = read_text(f, er_str_of(documents[d]));
        size_t total = f->problems.total;
        bool failed = true;

        for (unsigned long n = 1; failed; n++) {
            struct er_arena *arena = er_arena_new(64), *messages = er_arena_new(64);
            struct er_place place = er_place_of(ER_STR("/pattern"));
            struct er_pattern_source source = {
                .place = &place, .limits = &f->limits, .arena = arena, .problems = &f->problems, .warnings = &f->warnings
            };
            struct er_json *tree;
            struct er_err err;
            enum er_code code;

            drop_regexes(f);
            er_arena_reset(f->arena);
            assert_int_equal(er_json_parse(f->arena, er_str_of(documents[d]), f->limits.max_depth, &tree, &err), ER_OK);
            source.value = tree;
            er_problems_init(&f->problems, messages);
            er_problems_init(&f->warnings, messages);
            arrange(n);
            code = er_pattern_read(&source, &f->result);
            failed = allocation_failed();
            fail_from_allocation(0);
            /* A warning that could not be said does not count. */
            if (code != ER_E_NOMEM) {
                assert_int_equal(code, expected);
                assert_int_equal(f->problems.total, total);
                assert_int_equal(f->problems.n, total);
                for (const struct er_problem *problem = f->problems.first; problem != NULL; problem = problem->next) {
                    assert_true(problem->pointer.n > 8);
                }
            } else {
                assert_true(failed);
                assert_null(f->result.pattern);
            }
            drop_regexes(f);
            er_arena_free(arena);
            er_arena_free(messages);
        }
    }
}

static void memory_runs_out(void **state)
{
    skip_unless_allocations_can_fail();
    no_memory(state, fail_from_allocation);
}

static void one_allocation_fails(void **state)
{
    skip_unless_allocations_can_fail();
    no_memory(state, fail_one_allocation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trees, setup, teardown),
        cmocka_unit_test_setup_teardown(the_text_keeps_order_and_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_know_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_that_of_the_event, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_of_logic, setup, teardown),
        cmocka_unit_test_setup_teardown(branches_by_de_morgan, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_a_test, setup, teardown),
        cmocka_unit_test_setup_teardown(many_problems_cost_little, setup, teardown),
        cmocka_unit_test_setup_teardown(trees_are_of_the_size_of_the_text, setup, teardown),
        cmocka_unit_test_setup_teardown(oddities, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(one_allocation_fails, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
