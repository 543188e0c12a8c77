/* What each operator says about one value: leaf (as a pattern has it), value of the event, answer. */
#include "rules/language/operator.h"

#include "tests/unit/test.h"

struct row {
    const char *leaf;  /* with ' for " */
    const char *value; /* JSON with ' for "; "" for an absent field */
    enum er_truth answer;
};

static const struct row plain_values[] = {
    { "['x']", "'x'", ER_TRUE },
    { "['x']", "'X'", ER_FALSE },
    { "['x']", "'x '", ER_FALSE },
    { "['']", "''", ER_TRUE },
    { "['x']", "", ER_FALSE },
    { "['x','y']", "'y'", ER_TRUE },
    { "['\\u00e4']", "'\xC3\xA4'", ER_TRUE },
    { "['\\u00e4']", "'a\xCC\x88'", ER_FALSE },
    { "['\\u0000']", "'\\u0000'", ER_TRUE },
    { "['\\u0000']", "''", ER_FALSE },
    { "[300]", "3e2", ER_TRUE },
    { "[300]", "300.0", ER_TRUE },
    { "[300]", "'300'", ER_FALSE },
    { "['300']", "300", ER_FALSE },
    { "[9007199254740992]", "9007199254740993", ER_FALSE },
    { "[1e400]", "1e401", ER_FALSE },
    { "[1e400]", "10e399", ER_TRUE },
    { "[0]", "-0", ER_TRUE },
    { "[0]", "0.0", ER_TRUE },
    { "[0]", "0e5", ER_TRUE },
    { "[1e-400]", "0", ER_FALSE },
    { "[true]", "true", ER_TRUE },
    { "[true]", "false", ER_FALSE },
    { "[true]", "'true'", ER_FALSE },
    { "[true]", "1", ER_FALSE },
    { "[null]", "null", ER_TRUE },
    { "[null]", "", ER_FALSE },
    { "[null]", "'null'", ER_FALSE },
    { "[null]", "{}", ER_FALSE },
    { "[null]", "[]", ER_FALSE },
    { "['x',1,null]", "{}", ER_FALSE },
    { "[{'exists':false},'x']", "", ER_TRUE },
    { "[{'exists':false},'x']", "'x'", ER_TRUE },
    { "[{'exists':false},'x']", "'y'", ER_FALSE },
};

static const struct row strings[] = {
    { "[{'prefix':'ab'}]", "'abc'", ER_TRUE },
    { "[{'prefix':'ab'}]", "'ab'", ER_TRUE },
    { "[{'prefix':'ab'}]", "'a'", ER_FALSE },
    { "[{'prefix':'ab'}]", "'Abc'", ER_FALSE },
    { "[{'prefix':'1'}]", "12", ER_FALSE },
    { "[{'prefix':''}]", "''", ER_TRUE },
    { "[{'prefix':''}]", "null", ER_FALSE },
    { "[{'prefix':''}]", "", ER_FALSE },
    { "[{'prefix':''}]", "{}", ER_FALSE },
    { "[{'suffix':'bc'}]", "'abc'", ER_TRUE },
    { "[{'suffix':'bc'}]", "'abcd'", ER_FALSE },
    { "[{'suffix':''}]", "'x'", ER_TRUE },
    { "[{'suffix':'e'}]", "true", ER_FALSE },
    { "[{'equals-ignore-case':'Abc'}]", "'aBC'", ER_TRUE },
    { "[{'equals-ignore-case':'Abc'}]", "'abcd'", ER_FALSE },
    { "[{'equals-ignore-case':'k'}]", "'\xE2\x84\xAA'", ER_TRUE },
    { "[{'equals-ignore-case':'\xCF\x82'}]", "'\xCF\x83'", ER_TRUE },
    { "[{'equals-ignore-case':'ss'}]", "'\xC3\x9F'", ER_FALSE },
    { "[{'equals-ignore-case':'5'}]", "5", ER_FALSE },
    { "[{'prefix':{'equals-ignore-case':'AB'}}]", "'abc'", ER_TRUE },
    { "[{'prefix':{'equals-ignore-case':'AB'}}]", "'cab'", ER_FALSE },
    { "[{'suffix':{'equals-ignore-case':'BC'}}]", "'abc'", ER_TRUE },
    { "[{'suffix':{'equals-ignore-case':'BC'}}]", "'abcd'", ER_FALSE },
    { "[{'wildcard':'a*c'}]", "'abc'", ER_TRUE },
    { "[{'wildcard':'a*c'}]", "'a\\nc'", ER_TRUE },
    { "[{'wildcard':'a*c'}]", "'abcd'", ER_FALSE },
    { "[{'wildcard':'*'}]", "''", ER_TRUE },
    { "[{'wildcard':'*'}]", "5", ER_FALSE },
    { "[{'wildcard':'a\\\\*'}]", "'a*'", ER_TRUE },
    { "[{'wildcard':'a\\\\*'}]", "'ab'", ER_FALSE },
    { "[{'regex':'^A-\\\\d+$'}]", "'A-17'", ER_TRUE },
    { "[{'regex':'^A-\\\\d+$'}]", "'A-17\\n'", ER_FALSE },
    { "[{'regexp':'(?i)b'}]", "'abc'", ER_TRUE },
    { "[{'regex':'^1'}]", "12", ER_FALSE },
    { "[{'regex':'t'}]", "true", ER_FALSE },
    { "[{'regex':''}]", "null", ER_FALSE },
    { "[{'cidr':'10.0.0.0/8'}]", "'10.1.2.3'", ER_TRUE },
    { "[{'cidr':'10.0.0.0/8'}]", "'11.1.2.3'", ER_FALSE },
    { "[{'cidr':'10.0.0.0/8'}]", "'10.1.2.3/8'", ER_FALSE },
    { "[{'cidr':'0.0.0.0/0'}]", "'::1'", ER_FALSE },
    { "[{'cidr':'::/0'}]", "'10.0.0.1'", ER_FALSE },
    { "[{'cidr':'2001:db8::/32'}]", "'2001:db8::1'", ER_TRUE },
    { "[{'cidr':'10.0.0.0/8'}]", "10", ER_FALSE },
};

static const struct row numbers[] = {
    { "[{'numeric':['>',1]}]", "1.00000000000000000001", ER_TRUE },
    { "[{'numeric':['>',1]}]", "1.0", ER_FALSE },
    { "[{'numeric':['>=',1]}]", "1.0", ER_TRUE },
    { "[{'numeric':['<',1]}]", "0.99999999999999999999", ER_TRUE },
    { "[{'numeric':['<',1]}]", "1", ER_FALSE },
    { "[{'numeric':['<=',1]}]", "10e-1", ER_TRUE },
    { "[{'numeric':['>',0,'<=',5]}]", "5", ER_TRUE },
    { "[{'numeric':['>',0,'<=',5]}]", "5.000000000000000000000001", ER_FALSE },
    { "[{'numeric':['>',0,'<=',5]}]", "0", ER_FALSE },
    { "[{'numeric':['>',0,'<=',5]}]", "-1", ER_FALSE },
    { "[{'numeric':['<=',5,'>',0]}]", "3", ER_TRUE },
    { "[{'numeric':['=',300]}]", "3e2", ER_TRUE },
    { "[{'numeric':['=',300]}]", "'300'", ER_FALSE },
    { "[{'numeric':['!=',300]}]", "300.0", ER_FALSE },
    { "[{'numeric':['!=',300]}]", "301", ER_TRUE },
    { "[{'numeric':['!=',300]}]", "'x'", ER_FALSE },
    { "[{'numeric':['!=',300]}]", "", ER_FALSE },
    { "[{'numeric':['!=',300]}]", "null", ER_FALSE },
    { "[{'numeric':['>=',5,'<=',5]}]", "5.0", ER_TRUE },
    { "[{'numeric':['>',-1e400]}]", "-1e399", ER_TRUE },
    { "[{'numeric':['>',0]}]", "'1'", ER_FALSE },
};

static const struct row presence[] = {
    { "[{'exists':true}]", "", ER_FALSE },      { "[{'exists':true}]", "null", ER_TRUE }, { "[{'exists':true}]", "{}", ER_TRUE },
    { "[{'exists':true}]", "[]", ER_TRUE },     { "[{'exists':true}]", "''", ER_TRUE },   { "[{'exists':false}]", "", ER_TRUE },
    { "[{'exists':false}]", "null", ER_FALSE }, { "[{'exists':false}]", "[]", ER_FALSE },
};

static const struct row anything_but[] = {
    { "[{'anything-but':['x']}]", "5", ER_TRUE },
    { "[{'anything-but':['x']}]", "null", ER_TRUE },
    { "[{'anything-but':['x']}]", "true", ER_TRUE },
    { "[{'anything-but':['x']}]", "{}", ER_TRUE },
    { "[{'anything-but':['x']}]", "'X'", ER_TRUE },
    { "[{'anything-but':['x']}]", "'x'", ER_FALSE },
    { "[{'anything-but':['x']}]", "", ER_FALSE },
    { "[{'anything-but':['x']}]", "[]", ER_FALSE },
    { "[{'anything-but':[5]}]", "5.0", ER_FALSE },
    { "[{'anything-but':[5]}]", "'5'", ER_TRUE },
    { "[{'anything-but':'x'}]", "'x'", ER_FALSE },
    { "[{'anything-but':null}]", "null", ER_FALSE },
    { "[{'anything-but':null}]", "0", ER_TRUE },
    { "[{'anything-but':null}]", "", ER_FALSE },
    { "[{'anything-but':true}]", "true", ER_FALSE },
    { "[{'anything-but':true}]", "false", ER_TRUE },
    { "[{'anything-but':['x',5,null]}]", "null", ER_FALSE },
    { "[{'anything-but':['x',5,null]}]", "6", ER_TRUE },
    { "[{'anything-but':{'prefix':'x'}}]", "'xy'", ER_FALSE },
    { "[{'anything-but':{'prefix':'x'}}]", "'yx'", ER_TRUE },
    { "[{'anything-but':{'prefix':'x'}}]", "5", ER_TRUE },
    { "[{'anything-but':{'prefix':['x','y']}}]", "'yx'", ER_FALSE },
    { "[{'anything-but':{'prefix':['x','y']}}]", "'z'", ER_TRUE },
    { "[{'anything-but':{'prefix':''}}]", "'z'", ER_FALSE },
    { "[{'anything-but':{'prefix':''}}]", "{}", ER_TRUE },
    { "[{'anything-but':{'suffix':['x','y']}}]", "'ay'", ER_FALSE },
    { "[{'anything-but':{'prefix':{'equals-ignore-case':['X','y']}}}]", "'Ya'", ER_FALSE },
    { "[{'anything-but':{'suffix':{'equals-ignore-case':'X'}}}]", "'ax'", ER_FALSE },
    { "[{'anything-but':{'equals-ignore-case':['x','y']}}]", "'Y'", ER_FALSE },
    { "[{'anything-but':{'equals-ignore-case':['x','y']}}]", "'z'", ER_TRUE },
    { "[{'anything-but':{'wildcard':['x*','*y']}}]", "'zy'", ER_FALSE },
    { "[{'anything-but':{'wildcard':['x*','*y']}}]", "'yx'", ER_TRUE },
    { "[{'anything-but':{'regex':['^x','y$']}}]", "'zy'", ER_FALSE },
    { "[{'anything-but':{'regex':['^x','y$']}}]", "'yx'", ER_TRUE },
    { "[{'anything-but':{'regex':'^1'}}]", "1", ER_TRUE },
    { "[{'anything-but':{'cidr':['10.0.0.0/8','::/0']}}]", "'::1'", ER_FALSE },
    { "[{'anything-but':{'cidr':['10.0.0.0/8','::/0']}}]", "'11.0.0.1'", ER_TRUE },
    { "[{'anything-but':{'cidr':['10.0.0.0/8','::/0']}}]", "'no address'", ER_TRUE },
    { "[{'anything-but':{'numeric':5}}]", "5.0", ER_FALSE },
    { "[{'anything-but':{'numeric':[1,2]}}]", "2", ER_FALSE },
    { "[{'anything-but':{'numeric':[1,2]}}]", "'2'", ER_TRUE },
};

/* SLOW is a text on which the regex (a+)+$ needs more steps than it may have. */
static const struct row undecided[] = {
    { "[{'regex':'(a+)+$'}]", "'SLOW'", ER_UNDECIDED },
    { "[{'anything-but':{'regex':'(a+)+$'}}]", "'SLOW'", ER_UNDECIDED },
    { "[{'anything-but':{'regex':['(a+)+$','x']}}]", "'SLOW'", ER_FALSE }, /* the other one decides */
    { "[{'anything-but':{'regex':['x','(a+)+$']}}]", "'SLOW'", ER_FALSE },
    { "[{'anything-but':{'regex':['y','(a+)+$']}}]", "'SLOW'", ER_UNDECIDED },
    { "[{'anything-but':{'regex':['(a+)+$','y']}}]", "'SLOW'", ER_UNDECIDED },
    { "[{'regex':'(a+)+$'},{'suffix':'x'}]", "'SLOW'", ER_TRUE },
    { "[{'regex':'(a+)+$'},'y']", "'SLOW'", ER_UNDECIDED },
};

static char *with_quotes(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *p = copy; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return copy;
}

static const struct er_json *parse(struct er_arena *arena, const char *text)
{
    char *json = with_quotes(text);
    struct er_json *tree;
    struct er_err err;

    if (er_json_parse(arena, er_arena_dup(arena, er_str_of(json)), 100, &tree, &err) != ER_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    free(json);
    return tree;
}

/* A field holds if one of its entries does. */
static enum er_truth ask(const struct er_pattern *leaf, const struct er_value *value, struct er_regex_scratch *scratch)
{
    enum er_truth any = ER_FALSE;

    for (size_t i = 0; i < leaf->n_entries; i++) {
        enum er_truth one = er_entry_accepts(&leaf->entries[i], value, scratch);

        any = any == ER_TRUE || one == ER_FALSE ? any : one;
    }
    return any;
}

static void check(struct er_arena *arena, const struct row *row, struct er_regex_scratch *scratch)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_problems problems;
    struct er_place place = er_place_of(ER_STR("/pattern"));
    struct er_pattern_source source = { .place = &place, .limits = &limits, .arena = arena, .problems = &problems };
    struct er_pattern_result result;
    struct er_value value = { 0 };
    char slow[5000];
    enum er_truth answer;

    er_problems_init(&problems, arena);
    source.value = parse(arena, er_arena_printf(arena, "{'f':%s}", row->leaf).p);
    if (er_pattern_read(&source, &result) != ER_OK) {
        fail_msg("%s: %.*s", row->leaf, ER_STR_ARG(problems.first->detail));
    }
    if (row->value[0] != '\0') {
        const struct er_json *tree = parse(arena, row->value);

        value = (struct er_value){ tree->type, tree->text };
        if (er_str_eq(tree->text, ER_STR("SLOW"))) {
            memset(slow, 'a', sizeof slow - 1);
            slow[sizeof slow - 1] = 'x';
            value.text = (struct er_str){ slow, sizeof slow };
        }
    }
    answer = ask(&result.pattern->children[0], row->value[0] == '\0' ? NULL : &value, scratch);
    if (answer != row->answer) {
        fail_msg("%s ~ %s: %d", row->leaf, row->value, (int)answer);
    }
    for (size_t i = 0; i < result.n_regexes; i++) {
        er_regex_unref(result.regexes[i]);
    }
}

static void answers(void **state)
{
    static const struct {
        const struct row *rows;
        size_t n;
    } tables[] = {
#define TABLE(name) { name, sizeof name / sizeof name[0] }
        TABLE(plain_values), TABLE(strings), TABLE(numbers), TABLE(presence), TABLE(anything_but), TABLE(undecided),
    };
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    struct er_arena *arena = er_arena_new(0);

    (void)state;
    assert_non_null(scratch);
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (size_t i = 0; i < tables[t].n; i++) {
            er_regex_scratch_begin_event(scratch);
            check(arena, &tables[t].rows[i], scratch);
        }
    }
    er_arena_free(arena);
    er_regex_scratch_free(scratch);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(er_operator_name(ER_OPERATOR_EQUALS), "equals");
    assert_string_equal(er_operator_name(ER_OPERATOR_SUFFIX_IGNORE_CASE), "suffix equals-ignore-case");
    assert_string_equal(er_operator_name(ER_OPERATOR_EXISTS), "exists");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers), cmocka_unit_test(names) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
