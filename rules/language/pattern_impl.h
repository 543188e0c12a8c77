/* Reading a pattern: what pattern.c (the tree), entry.c (the entries of a leaf) and op_*.c (one family of operators each) share. */
#ifndef ER_RULES_LANGUAGE_PATTERN_IMPL_H
#define ER_RULES_LANGUAGE_PATTERN_IMPL_H

#include "rules/language/pattern.h"

struct er_pattern_reader {
    const struct er_pattern_source *source;
    struct er_pattern_result *result;
    size_t regex_room; /* in result->regexes */
    bool no_memory;
};

/* Reads one value of an operator into *out (and *entry where the operator says more than its operands); false when it said what is
 * wrong with it. */
typedef bool er_operand_read(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                             struct er_entry *entry, struct er_operand *out);

er_operand_read er_read_string, er_read_wildcard;    /* op_text.c */
er_operand_read er_read_regex;                       /* op_regex.c */
er_operand_read er_read_cidr;                        /* op_cidr.c */
er_operand_read er_read_numeric, er_read_number;     /* op_numeric.c */
er_operand_read er_read_exists, er_read_plain_value; /* entry.c */

struct er_operator_row {
    const char *name;
    enum er_operator op;
    er_operand_read *read;     /* of one value; NULL: anything-but */
    er_operand_read *read_but; /* inside anything-but; NULL: cannot stand there */
};

/* An object with its one operator. entry->but: it stands inside anything-but. */
void er_read_operator(struct er_pattern_reader *reader, const struct er_json *object, const struct er_place *place,
                      struct er_entry *entry);

/* The value of anything-but. */
void er_read_but(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                 struct er_entry *entry); /* op_but.c */

/* The list of a leaf: fills node's entries. */
void er_read_leaf(struct er_pattern_reader *reader, const struct er_json *list, const struct er_place *place,
                  struct er_pattern *node);

/* ---- helpers (pattern.c) */

/* Is value of that type? Otherwise says so; hint may be NULL. */
bool er_pattern_expect(struct er_pattern_reader *reader, const struct er_json *value, enum er_json_type type,
                       const struct er_place *place, const char *what, const char *hint);

/* Is there something in the array or object? */
bool er_pattern_not_empty(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                          const char *detail, const char *hint);

/* In the rule's arena; a failure sets no_memory. */
struct er_str er_pattern_keep(struct er_pattern_reader *reader, struct er_str s);
void *er_pattern_array(struct er_pattern_reader *reader, size_t count, size_t size);

/* A value as the user knows it: "the boolean true", "null", "object". Static storage. */
const char *er_json_kind(const struct er_json *value);

static inline bool er_json_is_scalar(const struct er_json *value)
{
    return value->type != ER_JSON_ARRAY && value->type != ER_JSON_OBJECT;
}

/* Compiles a regex of a rule and says what is wrong with it: NULL after a problem, with *no_memory set where that was it. */
struct er_regex *er_rule_regex(struct er_problems *problems, const struct er_rule_limits *limits, struct er_str text,
                               const struct er_place *place, bool *no_memory);

#endif
