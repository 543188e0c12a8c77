/* A checked `pattern`: the tree of conditions in the rule's own order. Immutable; lives in the rule's arena.
 *
 * DESIGN  keys nest as in the event, so every node is decided on one object of the event (see rules.md "Arrays"):
 *
 *     {"user": {"country": ["FR"]}, "$or": [{"a": [1]}, {"b": [{"exists": false}]}]}
 *
 *     ALL -+- WITHIN user -- ALL -- LEAF country: FR
 *          +- ANY -+- ALL -- LEAF a: 1
 *                  +- ALL -- LEAF b: exists false
 */
#ifndef ER_RULES_LANGUAGE_PATTERN_H
#define ER_RULES_LANGUAGE_PATTERN_H

#include "rules/base/json.h"
#include "rules/language/cidr.h"
#include "rules/language/limits.h"
#include "rules/language/path.h"
#include "rules/language/problem.h"
#include "rules/language/regex.h"
#include "rules/language/wildcard.h"

/* What a leaf's entry asks of one value. Every one of them holds only on values of its own JSON type. */
enum er_operator {
    ER_OPERATOR_EQUALS, /* operands: plain values, any of them */
    ER_OPERATOR_PREFIX,
    ER_OPERATOR_SUFFIX,
    ER_OPERATOR_EQUALS_IGNORE_CASE,
    ER_OPERATOR_PREFIX_IGNORE_CASE,
    ER_OPERATOR_SUFFIX_IGNORE_CASE,
    ER_OPERATOR_WILDCARD,
    ER_OPERATOR_REGEX,
    ER_OPERATOR_NUMERIC,
    ER_OPERATOR_CIDR,
    ER_OPERATOR_EXISTS /* no operand, see er_entry.exists */
};

/* Bounds of {"numeric": [...]}, as literals; {"numeric": ["=", x]} is EQUALS, {"numeric": ["!=", x]} has `different`. */
struct er_numeric {
    struct er_str low, high; /* literals; n = 0: no such bound */
    bool low_included, high_included;
    bool different; /* every number but `low` */
};

struct er_operand {
    enum er_json_type
        type;           /* of the value; EQUALS may have string, number, true, false, null; the others have strings or numbers */
    struct er_str text; /* as written: characters of a string, literal of a number; NUMERIC and EXISTS: empty */
    union {             /* by er_entry.op */
        struct er_regex *regex;      /* ER_OPERATOR_REGEX; one reference held by the rule */
        struct er_cidr cidr;         /* ER_OPERATOR_CIDR */
        struct er_numeric numeric;   /* ER_OPERATOR_NUMERIC */
        struct er_wildcard wildcard; /* ER_OPERATOR_WILDCARD: text, taken apart at its stars */
    };
};

/* One entry of a leaf; all plain values of a leaf are one entry. */
struct er_entry {
    enum er_operator op;
    bool but;    /* anything-but: the value is there and none of the operands accepts it (objects too) */
    bool exists; /* ER_OPERATOR_EXISTS */
    const struct er_operand *operands;
    size_t n; /* more than 1 only for EQUALS and inside anything-but */
};

enum er_pattern_kind {
    ER_PATTERN_ALL,    /* every child holds: the object of a pattern, $and */
    ER_PATTERN_ANY,    /* $or: one child holds */
    ER_PATTERN_NOT,    /* $not: its one child does not hold */
    ER_PATTERN_WITHIN, /* key: one object there makes its one child hold */
    ER_PATTERN_LEAF    /* key: one entry accepts */
};

struct er_pattern {
    enum er_pattern_kind kind;
    enum er_path_root root; /* LEAF: ER_PATH_EVENT (a key of the object at hand) or a field of the envelope */
    struct er_str key;      /* WITHIN, LEAF: decoded; the name of a header for ER_PATH_KAFKA_HEADER; else n = 0 */
    struct er_str step;     /* what this node adds to its parent's JSON Pointer: "/pattern", "/user", "/$or", "/0"; may be "" */
    const struct er_pattern *parent; /* NULL: the root */
    const struct er_pattern *children;
    size_t n_children;
    const struct er_entry *entries; /* LEAF */
    size_t n_entries;
};

/* JSON Pointer of the node inside the document, "/pattern/user/country", in arena; p is NULL without memory. */
struct er_str er_pattern_pointer(const struct er_pattern *node, struct er_arena *arena);

/* Reads the member `pattern` of a document. */
struct er_pattern_source {
    const struct er_json *value;
    const struct er_place *place; /* of value, for the pointers of problems */
    const struct er_rule_limits *limits;
    struct er_arena *arena; /* what is read lands here */
    struct er_problems *problems;
    struct er_problems *warnings; /* may be NULL */
    bool without_text;            /* result.text is not asked for */
};

struct er_pattern_result {
    const struct er_pattern *pattern; /* NULL when there was a problem */
    struct er_str text;               /* the same as compact JSON, in the order and with the numbers as written */
    size_t tests;                     /* not compared with limits->tests: the rule's `regex` counts too */
    struct er_regex **regexes;        /* references, which are now the caller's, also after an error */
    size_t n_regexes;
};

/* All errors go to problems (duplicate keys do not: the caller has looked for them, and only the first of them counts here), empty
 * affixes and host bits of blocks to warnings. Returns ER_OK, the code of the first problem, or ER_E_NOMEM. */
enum er_code er_pattern_read(const struct er_pattern_source *source, struct er_pattern_result *out) ER_MUST_CHECK;

#endif
