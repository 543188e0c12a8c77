/* Reading patterns: the tree, what counts, limits. The errors of documents are in tests/golden/rules, the answers of operators in
 * rules_operator_test.c. */
#include "rules/language/pattern.h"

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
    struct er_pattern_source source = { .pointer = ER_STR("/pattern"), .limits = &f->limits, .arena = f->arena };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trees, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
