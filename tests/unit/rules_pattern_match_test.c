/* Patterns in the engine: the table of edge cases, then random rules and events against an evaluation that has no index, no tests and no
 * memory: it walks the pattern and the document side by side. */
#include "tests/unit/engine_test.h"
#include "rules/language/operator.h"

/* One pattern against one event. */
struct row {
    const char *pattern;
    const char *event;
    bool accepts;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char document[4096];
        struct er_ruleset *ruleset = ruleset_new();
        struct er_matcher *matcher = matcher_new(ruleset);
        const char *got;

        snprintf(document, sizeof document, "{\"pattern\":%s}", rows[i].pattern);
        change(ruleset, 1, (const char *[]){ document, NULL }, NULL);
        got = match_value(matcher, rows[i].event);
        if (strcmp(got, rows[i].accepts ? "s=r" : "") != 0) {
            fail_msg("%s ~ %s gives \"%s\"", rows[i].pattern, rows[i].event, got);
        }
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void values_are_equal_by_type_and_value(void **state)
{
    static const struct row rows[] = {
        { "{\"a\":[300]}", "{\"a\":3e2}", true },
        { "{\"a\":[300]}", "{\"a\":300.0}", true },
        { "{\"a\":[300]}", "{\"a\":3.0E+02}", true },
        { "{\"a\":[300]}", "{\"a\":\"300\"}", false },
        { "{\"a\":[\"300\"]}", "{\"a\":300}", false },
        { "{\"a\":[9007199254740992]}", "{\"a\":9007199254740993}", false },
        { "{\"a\":[1e400]}", "{\"a\":1e401}", false },
        { "{\"a\":[1e400]}", "{\"a\":10e399}", true },
        { "{\"a\":[0]}", "{\"a\":-0}", true },
        { "{\"a\":[0]}", "{\"a\":0.0}", true },
        { "{\"a\":[0]}", "{\"a\":0e5}", true },
        { "{\"a\":[1e-400]}", "{\"a\":0}", false },
        { "{\"a\":[true]}", "{\"a\":true}", true },
        { "{\"a\":[true]}", "{\"a\":\"true\"}", false },
        { "{\"a\":[\"true\"]}", "{\"a\":true}", false },
        { "{\"a\":[true]}", "{\"a\":false}", false },
        { "{\"a\":[null]}", "{\"a\":null}", true },
        { "{\"a\":[null]}", "{}", false },
        { "{\"a\":[null]}", "{\"a\":\"null\"}", false },
        { "{\"a\":[\"null\"]}", "{\"a\":null}", false },
        { "{\"a\":[\"x\",5,null]}", "{\"a\":5.0}", true },
        { "{\"a\":[\"x\",5,null]}", "{\"a\":null}", true },
        { "{\"a\":[\"x\",5,null]}", "{\"a\":{}}", false },
        { "{\"a\":[\"x\"]}", "{\"a\":1,\"a\":\"x\"}", true },
        { "{\"a\":[1]}", "{\"a\":1,\"a\":\"x\"}", false },
        { "{\"a\":{\"b\":[1]}}", "{\"a.b\":1}", false },
        { "{\"a.b\":[1]}", "{\"a\":{\"b\":1}}", false },
        { "{\"a.b\":[1]}", "{\"a.b\":1}", true },
        { "{\"a\":[\"\\u00e9\"]}", "{\"a\":\"e\\u0301\"}", false },
        { "{\"a\":[\"\\u0000\"]}", "{\"a\":\"\\u0000\"}", true },
        { "{\"a\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",10,true,null]}", "{\"a\":\"7\"}", true },
        { "{\"a\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",10,true,null]}", "{\"a\":1e1}", true },
        { "{\"a\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",10,true,null]}", "{\"a\":7}", false },
        { "{\"a\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",10,true,null]}", "{\"a\":\"true\"}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void operators_hold_on_their_own_type(void **state)
{
    static const struct row rows[] = {
        { "{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"abc\"}", true },
        { "{\"a\":[{\"prefix\":\"1\"}]}", "{\"a\":12}", false },
        { "{\"a\":[{\"prefix\":\"\"}]}", "{\"a\":\"\"}", true },
        { "{\"a\":[{\"prefix\":\"\"}]}", "{\"a\":1}", false },
        { "{\"a\":[{\"suffix\":\"bc\"}]}", "{\"a\":\"abc\"}", true },
        { "{\"a\":[{\"suffix\":\"ab\"}]}", "{\"a\":\"abc\"}", false },
        { "{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"k\"}}]}", "{\"a\":\"\\u212Aelvin\"}", true },
        { "{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"\\u03c3\"}}]}", "{\"a\":\"x\\u03c2\"}", true },
        { "{\"a\":[{\"equals-ignore-case\":\"KELVIN\"}]}", "{\"a\":\"\\u212Aelvin\"}", true },
        { "{\"a\":[{\"equals-ignore-case\":\"ss\"}]}", "{\"a\":\"\\u00df\"}", false },
        { "{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"ab\"}", true },
        { "{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"a\\nxb\"}", true },
        { "{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"abc\"}", false },
        { "{\"a\":[{\"wildcard\":\"*a*b*a*\"}]}", "{\"a\":\"xaxbxax\"}", true },
        { "{\"a\":[{\"wildcard\":\"*a*b*a*\"}]}", "{\"a\":\"xabx\"}", false },
        { "{\"a\":[{\"wildcard\":\"a*a\"}]}", "{\"a\":\"a\"}", false },
        { "{\"a\":[{\"wildcard\":\"a\\\\*b\"}]}", "{\"a\":\"a*b\"}", true },
        { "{\"a\":[{\"wildcard\":\"a\\\\*b\"}]}", "{\"a\":\"axb\"}", false },
        { "{\"a\":[{\"wildcard\":\"*\"}]}", "{\"a\":\"\"}", true },
        { "{\"a\":[{\"wildcard\":\"*\"}]}", "{\"a\":5}", false },
        { "{\"a\":[{\"regex\":\"^1\"}]}", "{\"a\":\"12\"}", true },
        { "{\"a\":[{\"regex\":\"^1\"}]}", "{\"a\":12}", false },
        { "{\"a\":[{\"regexp\":\"^A-\\\\d+$\"}]}", "{\"a\":\"A-17\"}", true },
        { "{\"a\":[{\"regex\":\"t[r]ue\"}]}", "{\"a\":true}", false },
        { "{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":5.0}", true },
        { "{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":-0}", false },
        { "{\"a\":[{\"numeric\":[\">\",1]}]}", "{\"a\":1.00000000000000000001}", true },
        { "{\"a\":[{\"numeric\":[\"<\",1]}]}", "{\"a\":0.99999999999999999999}", true },
        { "{\"a\":[{\"numeric\":[\">\",1]}]}", "{\"a\":\"2\"}", false },
        { "{\"a\":[{\"numeric\":[\"=\",5]}]}", "{\"a\":5e0}", true },
        { "{\"a\":[{\"numeric\":[\">=\",5,\"<=\",5.0]}]}", "{\"a\":50e-1}", true },
        { "{\"a\":[{\"numeric\":[\"!=\",5]}]}", "{\"a\":5.0}", false },
        { "{\"a\":[{\"numeric\":[\"!=\",5]}]}", "{\"a\":6}", true },
        { "{\"a\":[{\"numeric\":[\"!=\",5]}]}", "{\"a\":\"6\"}", false },
        { "{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"10.20.30.40\"}", true },
        { "{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"11.20.30.40\"}", false },
        { "{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}", "{\"a\":\"::1\"}", false },
        { "{\"a\":[{\"cidr\":\"::/0\"}]}", "{\"a\":\"::ffff:10.0.0.1\"}", true },
        { "{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}", "{\"a\":\"1.2.3\"}", false },
        { "{\"a\":[{\"cidr\":\"2001:db8::/33\"}]}", "{\"a\":\"2001:db8:7fff::1\"}", true },
        { "{\"a\":[{\"cidr\":\"2001:db8::/33\"}]}", "{\"a\":\"2001:db8:8000::1\"}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void presence_absence_and_anything_but(void **state)
{
    static const struct row rows[] = {
        { "{\"a\":[{\"exists\":true}]}", "{\"a\":null}", true },
        { "{\"a\":[{\"exists\":true}]}", "{\"a\":[]}", true },
        { "{\"a\":[{\"exists\":true}]}", "{\"a\":{}}", true },
        { "{\"a\":[{\"exists\":true}]}", "{}", false },
        { "{\"a\":[{\"exists\":false}]}", "{\"a\":null}", false },
        { "{\"a\":[{\"exists\":false}]}", "{\"b\":1}", true },
        { "{\"a\":[{\"exists\":false}],\"b\":[{\"exists\":false}]}", "{\"c\":1}", true },
        { "{\"a\":[{\"exists\":false}],\"b\":[{\"exists\":false}]}", "{\"b\":1}", false },
        { "{\"a\":[{\"exists\":false},\"x\"]}", "{}", true },
        { "{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"x\"}", true },
        { "{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"y\"}", false },
        { "{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":[]}", false },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":5}", true },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":null}", true },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":true}", true },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":{}}", true },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":[\"x\",\"y\"]}", true },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{}", false },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":[]}", false },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":\"x\"}", false },
        { "{\"a\":[{\"anything-but\":[\"x\"]}]}", "{\"a\":[[\"x\"],\"x\"]}", false },
        { "{\"a\":[{\"anything-but\":[5]}]}", "{\"a\":5.0}", false },
        { "{\"a\":[{\"anything-but\":[5]}]}", "{\"a\":\"5\"}", true },
        { "{\"a\":[{\"anything-but\":{\"prefix\":[\"x\",\"y\"]}}]}", "{\"a\":\"yz\"}", false },
        { "{\"a\":[{\"anything-but\":{\"prefix\":[\"x\",\"y\"]}}]}", "{\"a\":\"z\"}", true },
        { "{\"a\":[{\"anything-but\":{\"prefix\":\"\"}}]}", "{\"a\":\"z\"}", false },
        { "{\"a\":[{\"anything-but\":{\"prefix\":\"\"}}]}", "{\"a\":5}", true },
        { "{\"a\":[{\"anything-but\":{\"regex\":\"^x+$\"}}]}", "{\"a\":\"xx\"}", false },
        { "{\"a\":[{\"anything-but\":{\"cidr\":[\"10.0.0.0/8\",\"::/0\"]}}]}", "{\"a\":\"::1\"}", false },
        { "{\"a\":[{\"anything-but\":{\"cidr\":[\"10.0.0.0/8\",\"::/0\"]}}]}", "{\"a\":\"11.0.0.1\"}", true },
        { "{\"a\":[{\"anything-but\":{\"numeric\":[5,6]}}]}", "{\"a\":6.0}", false },
        { "{\"a\":[{\"anything-but\":{\"equals-ignore-case\":\"ABC\"}}]}", "{\"a\":\"abC\"}", false },
        { "{\"a\":[{\"anything-but\":[1,2,3,4,5,6,7,8,9,10,\"x\",null,true]}]}", "{\"a\":1e1}", false },
        { "{\"a\":[{\"anything-but\":[1,2,3,4,5,6,7,8,9,10,\"x\",null,true]}]}", "{\"a\":null}", false },
        { "{\"a\":[{\"anything-but\":[1,2,3,4,5,6,7,8,9,10,\"x\",null,true]}]}", "{\"a\":false}", true },
        { "{\"a\":[{\"anything-but\":[1,2,3,4,5,6,7,8,9,10,\"x\",null,true]}]}", "{\"a\":{\"x\":1}}", true },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void arrays_and_the_same_element(void **state)
{
    static const struct row rows[] = {
        { "{\"tags\":[\"b\"]}", "{\"tags\":[\"a\",[[\"b\"]]]}", true },
        { "{\"i\":{\"s\":[\"A\"],\"q\":[{\"numeric\":[\">\",1]}]}}", "{\"i\":[{\"s\":\"A\",\"q\":1},{\"s\":\"B\",\"q\":2}]}",
          false },
        { "{\"i\":{\"s\":[\"A\"],\"q\":[{\"numeric\":[\">\",1]}]}}", "{\"i\":[{\"s\":\"A\",\"q\":1},[{\"s\":\"A\",\"q\":2}]]}",
          true },
        { "{\"i\":{\"s\":[\"A\"],\"q\":[{\"numeric\":[\">\",1]}]}}", "{\"i\":{\"q\":[1,2],\"s\":[\"B\",\"A\"]}}", true },
        { "{\"$and\":[{\"i\":{\"s\":[\"A\"]}},{\"i\":{\"q\":[2]}}]}", "{\"i\":[{\"s\":\"A\",\"q\":1},{\"s\":\"B\",\"q\":2}]}",
          true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":5}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[]}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[[],[[]]]}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[{\"a\":1},{\"b\":1}]}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[{\"b\":1},{\"b\":null}]}", false },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":{\"b\":1}}", false },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[[],{\"b\":1}]}", false },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[5,{\"b\":1}]}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]}}", "{\"d\":[null,{\"b\":1}]}", true },
        { "{\"d\":{\"a\":[{\"exists\":true}],\"b\":[{\"exists\":false}]}}", "{\"d\":[{\"a\":1},{\"b\":1}]}", true },
        { "{\"d\":{\"z\":[{\"exists\":true}],\"b\":[{\"exists\":false}]}}", "{\"d\":[{\"b\":1},{\"z\":1}]}", true },
        { "{\"d\":{\"a\":[{\"exists\":true}],\"b\":[{\"exists\":false}]}}", "{\"d\":[{\"a\":1,\"b\":1}]}", false },
        { "{\"d\":{\"$not\":{\"a\":[1]}}}", "{\"d\":[{\"a\":1},{\"a\":2}]}", true },
        { "{\"$not\":{\"d\":{\"a\":[1]}}}", "{\"d\":[{\"a\":1},{\"a\":2}]}", false },
        { "{\"d\":{\"$not\":{\"a\":[1]}}}", "{\"d\":[{\"a\":1}]}", false },
        { "{\"d\":{\"$not\":{\"a\":[1]}}}", "{\"d\":[{\"a\":1},7]}", true },
        { "{\"d\":{\"$not\":{\"a\":[1]}}}", "{}", true },
        { "{\"d\":{\"e\":{\"a\":[1],\"b\":[2]}}}", "{\"d\":[{\"e\":[{\"a\":1},{\"b\":2}]},{\"e\":{\"a\":1,\"b\":2}}]}", true },
        { "{\"d\":{\"e\":{\"a\":[1]},\"f\":[1]}}", "{\"d\":[{\"e\":[{\"a\":1}]},{\"e\":{\"a\":2},\"f\":1}]}", false },
        { "{\"a\":{\"x\":[1]},\"b\":{\"x\":[2]}}", "{\"a\":[{\"x\":1}],\"b\":[{\"x\":3},{\"x\":2}]}", true },
        { "{\"d\":[{\"anything-but\":\"x\"}]}", "{\"d\":[[]]}", false },
        { "{\"d\":{\"a\":[{\"anything-but\":\"x\"}]}}", "{\"d\":[{\"a\":\"x\"},{\"a\":[\"x\",\"y\"]}]}", true },
        { "{\"d\":{\"a\":[{\"anything-but\":\"x\"}],\"b\":[1]}}", "{\"d\":[{\"a\":\"y\"},{\"a\":\"x\",\"b\":1}]}", false },
        { "{\"d\":{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"c\":[3]}}", "{\"d\":[{\"a\":1},{\"b\":2,\"c\":3}]}", true },
        { "{\"d\":{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"c\":[3]}}", "{\"d\":[{\"a\":1},{\"c\":3}]}", false },
        { "{\"d\":{\"$and\":[{\"e\":{\"x\":[1]}},{\"e\":{\"y\":[2]}}]}}",
          "{\"d\":[{\"e\":[{\"x\":1}]},{\"e\":[{\"y\":2},{\"x\":1}]},{\"e\":[]}]}", true },
        { "{\"d\":{\"b\":[{\"exists\":false}]},\"t\":[1]}", "{\"t\":1,\"d\":[{\"b\":1},{\"c\":1}]}", true },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void logic_in_flat_events(void **state)
{
    static const struct row rows[] = {
        { "{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2}", true },
        { "{\"$or\":[{\"a\":[1],\"c\":[3]},{\"b\":[2]}]}", "{\"a\":1,\"c\":4}", false },
        { "{\"$or\":[{\"a\":[1],\"c\":[3]},{\"b\":[2]}],\"d\":[4]}", "{\"a\":1,\"c\":3,\"d\":4}", true },
        { "{\"$not\":{\"a\":[1]}}", "{\"a\":2}", true },
        { "{\"$not\":{\"a\":[1]}}", "{}", true },
        { "{\"$not\":{\"a\":[1],\"b\":[2]}}", "{\"a\":1,\"b\":3}", true },
        { "{\"$not\":{\"a\":[1],\"b\":[2]}}", "{\"a\":1,\"b\":2}", false },
        { "{\"$not\":{\"$not\":{\"a\":[1]}}}", "{\"a\":1}", true },
        { "{\"$not\":{\"$or\":[{\"$not\":{\"a\":[1]}},{\"$not\":{\"b\":[2]}}]}}", "{\"a\":1,\"b\":2}", true },
        { "{\"$not\":{\"$or\":[{\"$not\":{\"a\":[1]}},{\"$not\":{\"b\":[2]}}]}}", "{\"a\":1,\"b\":3}", false },
        { "{\"$not\":{\"a\":[{\"exists\":true}]}}", "{}", true },
        { "{\"$and\":[{\"a\":[{\"prefix\":\"x\"}]},{\"a\":[{\"suffix\":\"z\"}]}]}", "{\"a\":\"xyz\"}", true },
        { "{\"$and\":[{\"a\":[{\"prefix\":\"x\"}]},{\"a\":[{\"suffix\":\"z\"}]}]}", "{\"a\":\"xy\"}", false },
        { "{\"u\":{\"$or\":[{\"c\":[\"FR\"]},{\"v\":[true]}]}}", "{\"u\":{\"v\":true}}", true },
        { "{\"u\":{\"$or\":[{\"c\":[\"FR\"]},{\"v\":[true]}]}}", "{\"v\":true}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* ---- random rules and events, against walking both trees ---- */

static enum er_truth negated(enum er_truth truth)
{
    return truth == ER_UNDECIDED ? truth : truth == ER_TRUE ? ER_FALSE : ER_TRUE;
}

static enum er_truth either(enum er_truth a, enum er_truth b)
{
    return a == ER_TRUE || b == ER_TRUE ? ER_TRUE : a == ER_UNDECIDED || b == ER_UNDECIDED ? ER_UNDECIDED : ER_FALSE;
}

static enum er_truth walk(const struct er_pattern *pattern, const struct er_json *object, struct er_regex_scratch *scratch);

/* One of the elements, nested arrays opened; *any: there is one. */
static enum er_truth walk_elements(const struct er_entry *entry, const struct er_json *value, struct er_regex_scratch *scratch)
{
    enum er_truth truth = ER_FALSE;

    if (value->type != ER_JSON_ARRAY) {
        return er_entry_accepts(entry, &(struct er_value){ value->type, value->text }, scratch);
    }
    for (const struct er_json *element = value->first; element != NULL; element = element->next) {
        truth = either(truth, walk_elements(entry, element, scratch));
    }
    return truth;
}

static enum er_truth walk_leaf(const struct er_pattern *pattern, const struct er_json *object, struct er_regex_scratch *scratch)
{
    const struct er_json *value = er_json_member(object, pattern->key);
    enum er_truth truth = ER_FALSE;

    for (size_t i = 0; i < pattern->n_entries; i++) {
        const struct er_entry *entry = &pattern->entries[i];

        if (entry->op == ER_OPERATOR_EXISTS) {
            truth = either(truth, (value != NULL) == entry->exists ? ER_TRUE : ER_FALSE);
        } else if (value != NULL) {
            truth = either(truth, walk_elements(entry, value, scratch));
        }
    }
    return truth;
}

static enum er_truth walk_objects(const struct er_pattern *child, const struct er_json *value, bool *empty, bool *any,
                                  struct er_regex_scratch *scratch)
{
    enum er_truth truth = ER_FALSE;

    if (value->type == ER_JSON_OBJECT) {
        *any = true;
        return walk(child, value, scratch);
    }
    if (value->type != ER_JSON_ARRAY) {
        *any = true;
        *empty = true;
        return ER_FALSE;
    }
    for (const struct er_json *element = value->first; element != NULL; element = element->next) {
        truth = either(truth, walk_objects(child, element, empty, any, scratch));
    }
    return truth;
}

static enum er_truth walk_within(const struct er_pattern *pattern, const struct er_json *object, struct er_regex_scratch *scratch)
{
    const struct er_json *value = er_json_member(object, pattern->key);
    bool empty = false, any = false;
    enum er_truth truth = value != NULL ? walk_objects(pattern->children, value, &empty, &any, scratch) : ER_FALSE;

    return empty || !any ? either(truth, walk(pattern->children, NULL, scratch)) : truth;
}

static enum er_truth walk(const struct er_pattern *pattern, const struct er_json *object, struct er_regex_scratch *scratch)
{
    enum er_truth truth = ER_FALSE;

    switch (pattern->kind) {
    case ER_PATTERN_LEAF:
        return walk_leaf(pattern, object, scratch);
    case ER_PATTERN_WITHIN:
        return walk_within(pattern, object, scratch);
    case ER_PATTERN_NOT:
        return negated(walk(pattern->children, object, scratch));
    case ER_PATTERN_ANY:
        for (size_t i = 0; i < pattern->n_children; i++) {
            truth = either(truth, walk(&pattern->children[i], object, scratch));
        }
        return truth;
    case ER_PATTERN_ALL:
    default:
        for (size_t i = 0; i < pattern->n_children; i++) {
            truth = either(truth, negated(walk(&pattern->children[i], object, scratch)));
        }
        return negated(truth);
    }
}

static unsigned roll(unsigned *seed, unsigned n)
{
    return (unsigned)rand_r(seed) % n;
}

static const char *const scalars[] = { "\"x\"", "\"y\"", "\"xy\"", "\"Xyz\"",      "1",   "1.0", "2", "-1e0",
                                       "true",  "false", "null",   "\"10.1.2.3\"", "\"\"" };
#define SCALARS (sizeof scalars / sizeof scalars[0])

static const char *const entries[] = {
    "{\"prefix\":\"x\"}",
    "{\"suffix\":\"y\"}",
    "{\"prefix\":{\"equals-ignore-case\":\"xY\"}}",
    "{\"equals-ignore-case\":\"XY\"}",
    "{\"suffix\":{\"equals-ignore-case\":\"Z\"}}",
    "{\"wildcard\":\"*y*\"}",
    "{\"wildcard\":\"x*y*\"}",
    "{\"regex\":\"^[xX]y\"}",
    "{\"regex\":\"y$\"}",
    "{\"numeric\":[\">\",0]}",
    "{\"numeric\":[\"!=\",1]}",
    "{\"numeric\":[\">\",-2,\"<\",2]}",
    "{\"exists\":true}",
    "{\"exists\":false}",
    "{\"cidr\":\"10.0.0.0/8\"}",
    "{\"anything-but\":\"x\"}",
    "{\"anything-but\":[1,\"xy\",null]}",
    "{\"anything-but\":[1,2,3,4,5,6,7,8,\"x\",\"y\",null]}",
    "{\"anything-but\":{\"prefix\":[\"x\",\"1\"]}}",
    "{\"anything-but\":{\"regex\":[\"x\",\"[yY]$\"]}}",
    "1,2,3,4,5,6,7,8,9,\"y\"",
};
#define ENTRIES (sizeof entries / sizeof entries[0])

static void random_pattern(struct er_buf *out, unsigned depth, unsigned *seed);

static void random_leaf(struct er_buf *out, unsigned *seed)
{
    unsigned n = 1 + roll(seed, 3) / 2;

    er_buf_addc(out, '[');
    for (unsigned i = 0; i < n; i++) {
        er_buf_printf(out, "%s%s", i > 0 ? "," : "",
                      roll(seed, 2) == 0 ? scalars[roll(seed, SCALARS)] : entries[roll(seed, ENTRIES)]);
    }
    er_buf_addc(out, ']');
}

static void random_logic(struct er_buf *out, unsigned depth, unsigned *seed)
{
    unsigned kind = roll(seed, 3);

    if (kind == 0) {
        er_buf_printf(out, "\"$not\":");
        random_pattern(out, depth, seed);
        return;
    }
    er_buf_printf(out, kind == 1 ? "\"$or\":[" : "\"$and\":[");
    for (unsigned i = 0; i < 2; i++) {
        er_buf_printf(out, i > 0 ? "," : "");
        random_pattern(out, depth, seed);
    }
    er_buf_addc(out, ']');
}

/* Two of the keys, below some of them more, and sometimes logic. */
static void random_pattern(struct er_buf *out, unsigned depth, unsigned *seed)
{
    unsigned keys = 1 + roll(seed, 7), n = 0;

    er_buf_addc(out, '{');
    for (unsigned k = 0; k < 3; k++) {
        if ((keys >> k & 1) == 0 || (n > 0 && roll(seed, 2) == 0)) {
            continue;
        }
        er_buf_printf(out, "%s\"%c\":", n++ > 0 ? "," : "", "abc"[k]);
        if (depth > 0 && roll(seed, 2) == 0) {
            random_pattern(out, depth - 1, seed);
        } else {
            random_leaf(out, seed);
        }
    }
    if (depth > 0 && (n == 0 || roll(seed, 3) == 0)) {
        er_buf_printf(out, n > 0 ? "," : "");
        random_logic(out, depth - 1, seed);
    } else if (n == 0) {
        er_buf_printf(out, "\"a\":[1]");
    }
    er_buf_addc(out, '}');
}

static void random_object(struct er_buf *out, unsigned depth, unsigned *seed);

static void random_json(struct er_buf *out, unsigned depth, bool arrays, unsigned *seed)
{
    unsigned kind = depth == 0 ? 0 : roll(seed, arrays ? 8 : 5);

    if (kind >= 5) {
        unsigned n = roll(seed, 4);

        er_buf_addc(out, '[');
        for (unsigned i = 0; i < n; i++) {
            er_buf_printf(out, i > 0 ? "," : "");
            random_json(out, depth - 1, arrays, seed);
        }
        er_buf_addc(out, ']');
    } else if (kind >= 2) {
        random_object(out, depth - 1, seed);
    } else {
        er_buf_printf(out, "%s", scalars[roll(seed, SCALARS)]);
    }
}

static void random_object(struct er_buf *out, unsigned depth, unsigned *seed)
{
    bool arrays = roll(seed, 3) > 0;
    unsigned keys = roll(seed, 16), n = 0;

    er_buf_addc(out, '{');
    for (unsigned k = 0; k < 4; k++) {
        if ((keys >> k & 1) != 0) {
            er_buf_printf(out, "%s\"%c\":", n++ > 0 ? "," : "", "abcb"[k]); /* b may come twice */
            random_json(out, depth, arrays, seed);
        }
    }
    er_buf_addc(out, '}');
}

#define RULES_AT_ONCE 24
#define EVENTS_EACH 60

static void compare(struct er_matcher *matcher, struct er_rule *const *rules, struct er_regex_scratch *scratch, struct er_str event)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_record record = record_of("");
    const struct er_str *ids;
    struct er_match match;
    struct er_json *tree;
    struct er_err err;
    size_t n, k = 0;

    record.value = event;
    er_regex_scratch_begin_event(scratch);
    assert_int_equal(er_json_parse(arena, event, 64, &tree, &err), ER_OK);
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    ids = er_matcher_matched_ids(matcher, &n);
    for (unsigned i = 0; i < RULES_AT_ONCE; i++) {
        bool expected = walk(rules[i]->pattern, tree, scratch) == ER_TRUE;
        bool got = k < n && er_str_eq(ids[k], rules[i]->id);

        k += got;
        if (got != expected) {
            fail_msg("%.*s ~ %.*s gives %d", ER_STR_ARG(rules[i]->pattern_text), ER_STR_ARG(event), got);
        }
    }
    assert_int_equal(k, n);
    er_matcher_unpin(matcher);
    er_arena_free(arena);
}

/* The rules of one round live together, so they share tests, terms and postings, and their pivots differ from when each is alone. */
static void random_rules_as_by_walking(void **state)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_buf buf = { 0 };
    unsigned seed = 20261128;

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        struct er_rule *rules[RULES_AT_ONCE];
        struct er_subscriber *subscriber = er_subscriber_new(ER_STR("s"), ER_STR("s"));
        struct er_ruleset_change change = {
            .revision = round, .put = rules, .n_put = RULES_AT_ONCE, .put_subscribers = &subscriber, .n_put_subscribers = 1
        };
        struct er_err err;

        for (unsigned i = 0; i < RULES_AT_ONCE; i++) {
            buf.n = 0;
            er_buf_printf(&buf, "{\"id\":\"r%02u\",\"pattern\":", i);
            random_pattern(&buf, 3, &seed);
            er_buf_printf(&buf, "}%c", '\0');
            rules[i] = rule_of(buf.p);
        }
        assert_int_equal(er_ruleset_prepare(ruleset, &change, &err), ER_OK);
        er_ruleset_publish(ruleset);
        for (unsigned i = 0; i < EVENTS_EACH; i++) {
            buf.n = 0;
            random_object(&buf, 4, &seed);
            compare(matcher, rules, scratch, er_buf_str(&buf));
        }
        for (unsigned i = 0; i < RULES_AT_ONCE; i++) {
            er_rule_unref(rules[i]);
        }
        er_subscriber_unref(subscriber);
    }
    free(er_buf_take(&buf));
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
    er_regex_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_equal_by_type_and_value),
        cmocka_unit_test(operators_hold_on_their_own_type),
        cmocka_unit_test(presence_absence_and_anything_but),
        cmocka_unit_test(arrays_and_the_same_element),
        cmocka_unit_test(logic_in_flat_events),
        cmocka_unit_test(random_rules_as_by_walking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
