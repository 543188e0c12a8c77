/* Advice about rules that are legal but odd. Codes are rows of rules/base/errors.def (E230 and up), stable like those of errors.
 *
 * Nothing is said that is not certain: a rule is called "contained in another" only when every condition of the other one stands in it
 * word by word (order, spelling of numbers and $and aside).
 */
#ifndef ER_RULES_LANGUAGE_LINT_H
#define ER_RULES_LANGUAGE_LINT_H

#include "rules/language/rule.h"

/* Types and fields of some events. */
struct er_lint_seen;
struct er_lint_seen *er_lint_seen_new(void); /* returns owned, or NULL without memory */
void er_lint_seen_free(struct er_lint_seen *seen);
/* type.p NULL: none; root: the object with the event's keys, or NULL. Copies. False without memory. */
bool er_lint_seen_add(struct er_lint_seen *seen, struct er_str type, const struct er_json *root);

/* One rule by itself. seen may be NULL, and says nothing before its first event. pointer stands in front of all pointers ("" or "/3"). */
void er_lint_rule(const struct er_rule *rule, const struct er_lint_seen *seen, struct er_str pointer, struct er_problems *out);

/* For a rule that the engine calls unindexed. */
void er_lint_unindexed(const struct er_rule *rule, struct er_str pointer, struct er_problems *out);

/* Rules beside each other: for each enabled rule at most one call, when another enabled one of its subscriber has the same conditions
 * (ER_E_LINT_SAME, for all but the first) or accepts all that it accepts (ER_E_LINT_CONTAINED). ER_OK or ER_E_NOMEM. */
typedef void er_lint_pair_cb(void *ctx, enum er_code code, size_t rule, size_t other);
enum er_code er_lint_pairs(struct er_rule *const *rules, size_t n, er_lint_pair_cb *cb, void *ctx) ER_MUST_CHECK;

/* Adds such a finding as a problem. */
void er_lint_pair_problem(enum er_code code, const struct er_rule *other, struct er_str pointer, struct er_problems *out);

#endif
