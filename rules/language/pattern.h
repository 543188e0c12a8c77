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
#include "rules/language/path.h"
#include "rules/language/regex.h"

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
    enum er_json_type type;    /* of the value; EQUALS may have string, number, true, false, null; the others have strings */
    struct er_str text;        /* characters of a string, literal of a number */
    struct er_regex *regex;    /* ER_OPERATOR_REGEX; one reference held by the rule */
    struct er_cidr cidr;       /* ER_OPERATOR_CIDR */
    struct er_numeric numeric; /* ER_OPERATOR_NUMERIC */
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
    struct er_str pointer;  /* JSON Pointer of the node inside the document, "/pattern/user/country" */
    const struct er_pattern *children;
    size_t n_children;
    const struct er_entry *entries; /* LEAF */
    size_t n_entries;
};

#endif
