#include "rules/engine/explain.h"

#include <stdlib.h>
#include <time.h>
#include "rules/engine/explain_impl.h"
#include "rules/engine/grow.h"
#include "rules/language/operator.h"

static const char event_time[] = "time limit of one event reached";

/* What one condition, or all below it, comes to. */
struct verdict {
    enum er_truth truth;
    size_t failed;
    const char *reason;
};

enum er_code er_explainer_new(const struct er_ruleset_options *options, struct er_explainer **out, struct er_err *err)
{
    struct er_explainer *explainer = calloc(1, sizeof *explainer);

    *out = NULL;
    if (explainer != NULL) {
        explainer->tree = er_tree_new(options);
        explainer->scratch = er_regex_scratch_new(&options->regex);
        explainer->arena = er_arena_new(0);
    }
    if (explainer == NULL || explainer->tree == NULL || explainer->scratch == NULL || explainer->arena == NULL) {
        er_explainer_free(explainer);
        return er_err_set(err, ER_E_NOMEM, "out of memory for explanations");
    }
    *out = explainer;
    return ER_OK;
}

void er_explainer_free(struct er_explainer *explainer)
{
    if (explainer != NULL) {
        er_tree_free(explainer->tree);
        er_regex_scratch_free(explainer->scratch);
        er_arena_free(explainer->arena);
        free(explainer->conditions);
        free(explainer);
    }
}

enum er_code er_explainer_read(struct er_explainer *explainer, const struct er_record *record, struct er_err *err)
{
    return er_tree_read(explainer->tree, record, err);
}

struct er_str er_explainer_type(const struct er_explainer *explainer)
{
    const struct er_json *type = er_tree_type(explainer->tree);

    return type == NULL ? (struct er_str){ NULL, 0 } : type->text;
}

/* ---- the conditions of a rule ---- */

static struct er_condition *add_condition(struct er_explainer *explainer, enum er_condition_kind kind)
{
    struct er_condition *condition;

    if (!er_grow(&explainer->conditions, &explainer->capacity, sizeof *explainer->conditions, explainer->n)) {
        explainer->no_memory = true;
        return NULL;
    }
    condition = &explainer->conditions[explainer->n++];
    *condition = (struct er_condition){ .kind = kind, .outcome = ER_OUTCOME_NOT_REACHED, .size = 1, .element = ER_NO_ELEMENT };
    return condition;
}

/* Depth is bounded by the limits of rules. */
static void add_pattern(struct er_explainer *explainer, const struct er_pattern *node)
{
    uint32_t at = explainer->n;
    struct er_condition *condition = add_condition(explainer, ER_CONDITION_PATTERN);

    if (condition == NULL) {
        return;
    }
    condition->node = node;
    for (size_t i = 0; i < node->n_children && !explainer->no_memory; i++) {
        add_pattern(explainer, &node->children[i]);
    }
    explainer->conditions[at].size = explainer->n - at;
}

static bool add_conditions(struct er_explainer *explainer, const struct er_rule *rule)
{
    explainer->n = 0;
    explainer->no_memory = false;
    if (rule->has_types) {
        (void)add_condition(explainer, ER_CONDITION_TYPES);
    }
    for (size_t i = 0; i < rule->n_regexes; i++) {
        struct er_condition *condition = add_condition(explainer, ER_CONDITION_REGEX);

        if (condition != NULL) {
            condition->regex = &rule->regexes[i];
        }
    }
    if (rule->pattern != NULL) {
        add_pattern(explainer, rule->pattern);
    }
    return !explainer->no_memory;
}

/* ---- truth ---- */

static struct verdict verdict_of(enum er_truth truth, const char *reason)
{
    return (struct verdict){ truth, truth == ER_FALSE ? 1 : 0, truth == ER_UNDECIDED ? reason : NULL };
}

static void either(struct verdict *any, const struct verdict *one)
{
    if (any->truth != ER_TRUE && (one->truth == ER_TRUE || (one->truth == ER_UNDECIDED && any->truth == ER_FALSE))) {
        *any = *one;
    } else if (any->truth == ER_FALSE && one->truth == ER_FALSE && one->failed < any->failed) {
        any->failed = one->failed;
    }
}

static void both(struct verdict *all, const struct verdict *one)
{
    if (one->truth == ER_FALSE) {
        *all = (struct verdict){ ER_FALSE, all->failed + one->failed, NULL };
    } else if (one->truth == ER_UNDECIDED && all->truth == ER_TRUE) {
        *all = *one;
    }
}

static struct verdict settle(struct er_condition *condition, struct verdict verdict)
{
    condition->outcome = (enum er_outcome)verdict.truth;
    condition->reason = verdict.reason;
    return verdict;
}

/* ---- values ---- */

/* Calls back for every element of a value: itself, or what an array holds when arrays in it are flattened. False stops. */
typedef bool element_cb(void *ctx, const struct er_json *element);

static bool each_element(const struct er_json *value, element_cb *cb, void *ctx)
{
    if (value->type != ER_JSON_ARRAY) {
        return cb(ctx, value);
    }
    for (const struct er_json *element = value->first; element != NULL; element = element->next) {
        if (!each_element(element, cb, ctx)) {
            return false;
        }
    }
    return true;
}

static uint64_t thread_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* True when the time of the event is over: what is left is undecided. */
static bool spent(struct er_explainer *explainer, size_t bytes)
{
    return er_regex_scratch_charge(explainer->scratch, bytes);
}

/* One condition asks the values that it is about. */
struct asking {
    struct er_explainer *explainer;
    struct er_condition *condition;
    struct verdict any;
    size_t index; /* of the next element */
    /* For regex. */
    const struct er_path *path;
    size_t depth; /* keys taken */
};

static bool go_on(struct asking *asking, enum er_truth truth, const char *reason)
{
    struct verdict one = verdict_of(truth, reason);

    asking->condition->values++;
    either(&asking->any, &one);
    return truth != ER_TRUE;
}

/* ---- types ---- */

static struct verdict check_types(struct er_explainer *explainer, const struct er_rule *rule, struct er_condition *condition)
{
    const struct er_json *type = er_tree_type(explainer->tree);
    enum er_truth truth = ER_FALSE;

    condition->actual = type;
    for (size_t i = 0; type != NULL && i < rule->n_types && truth == ER_FALSE; i++) {
        truth = er_type_glob_match(rule->types[i], type->text) ? ER_TRUE : ER_FALSE;
        condition->values = 1;
    }
    return settle(condition, verdict_of(truth, NULL));
}

/* ---- regex ---- */

static enum er_truth search(struct asking *asking, struct er_regex *regex, struct er_str text, const char **reason)
{
    uint64_t start = thread_ns();
    enum er_truth truth = er_regex_accepts(regex, asking->explainer->scratch, text);

    asking->condition->ns += thread_ns() - start;
    *reason = truth == ER_UNDECIDED ? er_regex_scratch_reason(asking->explainer->scratch) : NULL;
    return truth;
}

static bool ask_regex(void *ctx, const struct er_json *element)
{
    struct asking *asking = ctx;
    const struct er_rule_regex *entry = asking->condition->regex;
    const char *reason = NULL;
    enum er_truth truth = ER_FALSE;

    if (asking->condition->actual == NULL) {
        asking->condition->actual = element;
    }
    if (element->type == ER_JSON_STRING || element->type == ER_JSON_NUMBER) {
        truth = search(asking, entry->regex, element->text, &reason);
    } else if (element->type == ER_JSON_TRUE || element->type == ER_JSON_FALSE) {
        truth = search(asking, entry->regex, element->type == ER_JSON_TRUE ? ER_STR("true") : ER_STR("false"), &reason);
    }
    if (truth == ER_TRUE || (truth == ER_UNDECIDED && asking->any.truth == ER_FALSE)) {
        asking->condition->actual = element;
    }
    return go_on(asking, truth, reason);
}

static bool walk(void *ctx, const struct er_json *element);

static bool take_key(struct asking *asking, const struct er_json *object)
{
    const struct er_json *value = er_tree_member(asking->explainer->tree, object, asking->path->keys[asking->depth]);
    bool more = true;

    if (value != NULL) {
        asking->depth++;
        more = each_element(value, walk, asking);
        asking->depth--;
    }
    return more;
}

/* An element on the way to the path's values, or one of them. */
static bool walk(void *ctx, const struct er_json *element)
{
    struct asking *asking = ctx;

    if (spent(asking->explainer, 32)) {
        (void)go_on(asking, ER_UNDECIDED, event_time);
        return false;
    }
    return asking->depth == asking->path->n ? ask_regex(asking, element) : take_key(asking, element);
}

static struct verdict check_regex(struct er_explainer *explainer, struct er_condition *condition)
{
    const struct er_path *path = &condition->regex->path;
    struct asking asking = { .explainer = explainer, .condition = condition, .any = { ER_FALSE, 1, NULL }, .path = path };

    if (path->root == ER_PATH_EVENT) {
        (void)take_key(&asking, er_tree_root(explainer->tree));
    } else {
        const struct er_json *value = er_tree_envelope(explainer->tree, path->root, path->n > 0 ? path->keys[0] : ER_STR(""));

        if (value != NULL) {
            (void)ask_regex(&asking, value);
        }
    }
    return settle(condition, asking.any);
}

/* ---- a field of a pattern ---- */

static bool has_regex(const struct er_pattern *leaf)
{
    for (size_t i = 0; i < leaf->n_entries; i++) {
        if (leaf->entries[i].op == ER_OPERATOR_REGEX) {
            return true;
        }
    }
    return false;
}

/* All entries on one value (NULL: absent). */
static struct verdict check_entries(struct asking *asking, const struct er_value *value)
{
    const struct er_pattern *leaf = asking->condition->node;
    struct er_regex_scratch *scratch = asking->explainer->scratch;
    struct verdict any = { ER_FALSE, 1, NULL };
    uint64_t start = has_regex(leaf) ? thread_ns() : 0;

    for (size_t i = 0; i < leaf->n_entries && any.truth != ER_TRUE; i++) {
        enum er_truth truth = er_entry_accepts(&leaf->entries[i], value, scratch);
        struct verdict one = verdict_of(truth, truth == ER_UNDECIDED ? er_regex_scratch_reason(scratch) : NULL);

        either(&any, &one);
    }
    asking->condition->ns += start > 0 ? thread_ns() - start : 0;
    return any;
}

static bool ask_leaf(void *ctx, const struct er_json *element)
{
    struct asking *asking = ctx;
    struct er_value value = { element->type, element->text };
    struct verdict one;

    if (spent(asking->explainer, element->text.n + 32)) {
        return go_on(asking, ER_UNDECIDED, event_time) && false;
    }
    one = check_entries(asking, &value);
    if (one.truth == ER_TRUE) {
        asking->condition->element = asking->index;
    }
    asking->index++;
    return go_on(asking, one.truth, one.reason);
}

static struct verdict check_leaf(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    const struct er_pattern *leaf = condition->node;
    struct asking asking = { .explainer = explainer, .condition = condition, .any = { ER_FALSE, 1, NULL } };
    const struct er_json *value = leaf->root == ER_PATH_EVENT ? er_tree_member(explainer->tree, object, leaf->key)
                                                              : er_tree_envelope(explainer->tree, leaf->root, leaf->key);

    condition->actual = value;
    if (value == NULL) {
        return settle(condition, check_entries(&asking, NULL));
    }
    if (value->type == ER_JSON_ARRAY) {
        /* Only {"exists": ...} says something about an array as a whole. */
        struct er_value whole = { ER_JSON_ARRAY, { NULL, 0 } };
        struct verdict one = check_entries(&asking, &whole);

        either(&asking.any, &one);
        if (one.truth == ER_TRUE) {
            return settle(condition, asking.any);
        }
    }
    (void)each_element(value, ask_leaf, &asking);
    if (value->type == ER_JSON_ARRAY) {
        condition->elements = asking.index;
    } else {
        condition->element = ER_NO_ELEMENT;
    }
    return settle(condition, asking.any);
}

/* ---- logic ---- */

static struct verdict check(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object);

static struct verdict check_all(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    struct verdict all = { ER_TRUE, 0, NULL };

    for (size_t i = 1; i < condition->size; i += condition[i].size) {
        struct verdict one = check(explainer, &condition[i], object);

        both(&all, &one);
    }
    return settle(condition, all);
}

static struct verdict check_any(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    struct verdict any = { ER_FALSE, (size_t)-1, NULL };

    for (size_t i = 1; i < condition->size && any.truth != ER_TRUE; i += condition[i].size) {
        struct verdict one = check(explainer, &condition[i], object);

        either(&any, &one);
    }
    return settle(condition, any);
}

static struct verdict check_not(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    struct verdict one = check(explainer, &condition[1], object);
    enum er_truth truth = one.truth == ER_UNDECIDED ? ER_UNDECIDED : one.truth == ER_TRUE ? ER_FALSE : ER_TRUE;

    return settle(condition, verdict_of(truth, one.reason));
}

/* The elements at a key, one after the other on the same conditions; those of the best one are kept aside when another one comes. */
struct within {
    struct er_explainer *explainer;
    struct er_condition *condition;
    struct verdict verdict;
    size_t index;
    bool aside; /* the best ones are in condition->spare, not in place */
};

static void forget(struct er_condition *conditions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct er_condition *condition = &conditions[i];

        condition->outcome = ER_OUTCOME_NOT_REACHED;
        condition->actual = NULL;
        condition->reason = NULL;
        condition->element = ER_NO_ELEMENT;
        condition->elements = 0;
    }
}

static bool is_better(const struct verdict *one, const struct verdict *best)
{
    if (best->truth == ER_TRUE || one->truth == ER_FALSE) {
        return best->truth == ER_FALSE && one->failed < best->failed;
    }
    return one->truth == ER_TRUE || best->truth == ER_FALSE;
}

static bool put_aside(struct within *within)
{
    struct er_condition *condition = within->condition;
    size_t n = condition->size - 1;

    if (condition->spare == NULL) {
        condition->spare = er_arena_calloc(within->explainer->arena, n, sizeof *condition);
    }
    if (condition->spare == NULL) {
        within->explainer->no_memory = true;
        return false;
    }
    memcpy(condition->spare, condition + 1, n * sizeof *condition);
    within->aside = true;
    return true;
}

/* Costs are those of all elements, whichever is shown. */
static void take_back(struct within *within)
{
    struct er_condition *below = within->condition + 1;

    for (size_t i = 0; i + 1 < within->condition->size; i++) {
        struct er_condition shown = within->condition->spare[i];

        shown.values = below[i].values;
        shown.ns = below[i].ns;
        shown.spare = below[i].spare;
        below[i] = shown;
    }
}

static bool check_element(void *ctx, const struct er_json *element)
{
    struct within *within = ctx;
    struct er_condition *below = within->condition + 1;
    struct verdict one;

    if (spent(within->explainer, 32)) {
        one = (struct verdict){ ER_UNDECIDED, 0, event_time };
        either(&within->verdict, &one);
        return false;
    }
    if (within->index > 0) {
        if (!within->aside && !put_aside(within)) {
            return false;
        }
        forget(below, within->condition->size - 1);
    }
    one = check(within->explainer, below, element->type == ER_JSON_OBJECT ? element : NULL);
    if (within->index == 0 || is_better(&one, &within->verdict)) {
        within->verdict = one;
        within->condition->element = within->index;
        within->aside = false;
    }
    within->index++;
    return one.truth != ER_TRUE;
}

/* What is absent, and an array without elements, counts as one object without fields. */
static struct verdict check_within(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    const struct er_json *value = er_tree_member(explainer->tree, object, condition->node->key);
    struct within within = { .explainer = explainer, .condition = condition, .verdict = { ER_FALSE, (size_t)-1, NULL } };
    static const struct er_json nothing = { .type = ER_JSON_NULL };

    condition->actual = value;
    (void)each_element(value == NULL ? &nothing : value, check_element, &within);
    if (within.index == 0 && within.verdict.truth == ER_FALSE && !explainer->no_memory) {
        (void)check_element(&within, &nothing);
    }
    if (value == NULL || value->type != ER_JSON_ARRAY) {
        condition->element = ER_NO_ELEMENT;
    } else {
        condition->elements = within.index;
    }
    if (within.aside) {
        take_back(&within);
    }
    return settle(condition, within.verdict);
}

static struct verdict check(struct er_explainer *explainer, struct er_condition *condition, const struct er_json *object)
{
    switch (condition->node->kind) {
    case ER_PATTERN_ALL:
        return check_all(explainer, condition, object);
    case ER_PATTERN_ANY:
        return check_any(explainer, condition, object);
    case ER_PATTERN_NOT:
        return check_not(explainer, condition, object);
    case ER_PATTERN_WITHIN:
        return check_within(explainer, condition, object);
    case ER_PATTERN_LEAF:
    default:
        return check_leaf(explainer, condition, object);
    }
}

enum er_code er_explainer_run(struct er_explainer *explainer, const struct er_rule *rule, struct er_explanation *out,
                              struct er_err *err)
{
    struct verdict all = { ER_TRUE, 0, NULL };

    er_arena_reset(explainer->arena);
    er_regex_scratch_begin_event(explainer->scratch);
    if (add_conditions(explainer, rule)) {
        for (size_t i = 0; i < explainer->n; i += explainer->conditions[i].size) {
            struct er_condition *condition = &explainer->conditions[i];
            struct verdict one = condition->kind == ER_CONDITION_TYPES ? check_types(explainer, rule, condition)
                                 : condition->kind == ER_CONDITION_REGEX
                                     ? check_regex(explainer, condition)
                                     : check(explainer, condition, er_tree_root(explainer->tree));

            both(&all, &one);
        }
    }
    if (explainer->no_memory || er_tree_no_memory(explainer->tree)) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for an explanation");
    }
    *out = (struct er_explanation){ .rule = rule,
                                    .truth = all.truth,
                                    .failed = all.failed,
                                    .reason = all.reason,
                                    .conditions = explainer->conditions,
                                    .n = explainer->n };
    return ER_OK;
}
