/* What a pattern's entry says about one value: the truth that the engine, explain and the tests share. No state, no allocation beyond
 * what a regex search may take; any thread. */
#ifndef ER_RULES_LANGUAGE_OPERATOR_H
#define ER_RULES_LANGUAGE_OPERATOR_H

#include "rules/language/pattern.h"

/* A value of an event: a scalar, an object, or (only where an array as a whole is asked about) an array. */
struct er_value {
    enum er_json_type type;
    struct er_str text; /* string: decoded characters, valid UTF-8; number: literal */
};

/* value NULL: the field is absent. An array as a whole is present, but no value test holds on it, not even anything-but: those
 * are asked about its elements. ER_UNDECIDED only where the answer depends on a regex that went over a limit; scratch may be NULL
 * when the entry has no regex. */
enum er_truth er_entry_accepts(const struct er_entry *entry, const struct er_value *value, struct er_regex_scratch *scratch);

/* One operand of an entry with that operator, without `but`; any value but an array. */
enum er_truth er_operand_accepts(enum er_operator op, const struct er_operand *operand, const struct er_value *value,
                                 struct er_regex_scratch *scratch);

/* Does a regex accept a text? Looks for the literals of every match first, as routing does: without them the answer is no, however hard
 * the search would be. */
enum er_truth er_regex_accepts(struct er_regex *regex, struct er_regex_scratch *scratch, struct er_str text);

/* Does a number lie in the range? */
bool er_numeric_accepts(const struct er_numeric *numeric, struct er_str literal);

/* As patterns spell it: "prefix", "equals-ignore-case", ...; "equals" for plain values; a nested ignore-case is
 * "prefix equals-ignore-case". Static storage. */
const char *er_operator_name(enum er_operator op);

#endif
