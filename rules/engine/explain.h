/* Why a rule accepts an event or not: the answer of routing, condition by condition, in the rule's own order.
 *
 * DESIGN  no index: one rule is evaluated on the event's tree by recursion, with the functions that decide single values in routing too
 * (rules/language/operator.h). The conditions of a rule are one array in pre-order; a condition's subtree follows it.
 *
 *     {"types":["order.*"],"regex":{"a.b":"x"},"pattern":{"items":{"sku":["A"],"qty":[2]}}}
 *
 *     0 types   1 regex a.b   2 ALL(size 5)   3 WITHIN items(4)   4 ALL(3)   5 LEAF sku   6 LEAF qty
 *
 * Every condition that is ANDed is evaluated, so that all that is wrong shows; alternatives after one that holds are not reached. Where
 * an array offers several elements, the conditions show the one that decides, or comes nearest. One rule has the time of one event.
 */
#ifndef ER_RULES_ENGINE_EXPLAIN_H
#define ER_RULES_ENGINE_EXPLAIN_H

#include "rules/engine/record.h"
#include "rules/engine/ruleset.h"

struct er_explainer;

enum er_outcome {
    ER_OUTCOME_FAILED,
    ER_OUTCOME_OK,
    ER_OUTCOME_UNDECIDED,
    ER_OUTCOME_NOT_REACHED
}; /* the first three as er_truth */

enum er_condition_kind { ER_CONDITION_TYPES, ER_CONDITION_REGEX, ER_CONDITION_PATTERN };

#define ER_NO_ELEMENT ((size_t)-1)

struct er_condition {
    enum er_condition_kind kind;
    enum er_outcome outcome;
    const struct er_rule_regex *regex; /* ER_CONDITION_REGEX */
    const struct er_pattern *node;     /* ER_CONDITION_PATTERN */
    const struct er_json *actual;      /* what stands there; NULL: absent, or the condition is about no single value */
    const char *reason;                /* static; of an undecided one */
    size_t size;                       /* this condition and all below it */
    size_t element;                    /* which element of an array (flattened, from 0) decides, or ER_NO_ELEMENT */
    size_t elements;                   /* how many were there */
    size_t values;                     /* values that were tested */
    uint64_t ns;                       /* CPU time of its regexes */
    struct er_condition *spare;        /* the explainer's own */
};

struct er_explanation {
    const struct er_rule *rule;
    enum er_truth truth;
    size_t failed; /* conditions of types, regex and fields that would have to hold too; 0 unless truth is ER_FALSE */
    const char *reason;
    const struct er_condition *conditions;
    size_t n;
};

/* options as for the rule set. One thread at a time. Errors: ER_E_NOMEM. */
enum er_code er_explainer_new(const struct er_ruleset_options *options, struct er_explainer **out,
                              struct er_err *err) ER_MUST_CHECK;
void er_explainer_free(struct er_explainer *explainer);

/* The event to explain. Errors as er_matcher_match. Borrows the record until the next one. */
enum er_code er_explainer_read(struct er_explainer *explainer, const struct er_record *record, struct er_err *err) ER_MUST_CHECK;

/* The event's type, p = NULL when it has none. Valid until the next event. */
struct er_str er_explainer_type(const struct er_explainer *explainer);

/* After an event was read. Whether the rule is enabled does not count. *out is valid until the next rule or event. ER_E_NOMEM. */
enum er_code er_explainer_run(struct er_explainer *explainer, const struct er_rule *rule, struct er_explanation *out,
                              struct er_err *err) ER_MUST_CHECK;

/* "matched", "failed" (on so many conditions) or "undecided"; of a condition "ok", "failed", "undecided", "not reached". Static. */
const char *er_truth_name(enum er_truth truth);
const char *er_outcome_name(enum er_outcome outcome);

/* Members of one explanation in an object that the caller has open: outcome ("disabled" for a rule that is not enabled, with would_be),
 * failed, reason, conditions. Long values are cut. */
void er_explanation_write(struct er_explainer *explainer, const struct er_explanation *explanation, struct er_json_writer *w);

/* The same as lines for people, two blanks more at each level. */
void er_explanation_print(struct er_explainer *explainer, const struct er_explanation *explanation, struct er_buf *out);

#endif
