#include "admin/advice.h"

#include <stdlib.h>
#include "admin/stored_rule.h"
#include "rules/engine/ruleset.h"
#include "rules/language/lint.h"

enum { STORED_MAX = 256 };

struct advice {
    struct er_call *call;
    struct er_problems *out;
    struct er_rule *rules[1 + STORED_MAX]; /* a single document and the stored rules beside it */
    size_t n;
    enum er_code code;
    struct er_err *err;
};

static struct er_str place(const struct advice *advice, size_t rule)
{
    return advice->call->body->type == ER_JSON_ARRAY ? er_pointer_push_index(advice->call->arena, ER_STR(""), rule) : ER_STR("");
}

/* ---- beside others */

static void found_pair(void *ctx, enum er_code code, size_t rule, size_t other)
{
    const struct advice *advice = ctx;

    er_lint_pair_problem(code, advice->call->rules[other], place(advice, rule), advice->out);
}

/* Only what is said about the document, which is the last one: a stored rule that it contains is not its fault. */
static void found_stored(void *ctx, enum er_code code, size_t rule, size_t other)
{
    const struct advice *advice = ctx;

    if (rule + 1 == advice->n) {
        er_lint_pair_problem(code, advice->rules[other], ER_STR(""), advice->out);
    }
}

static bool add_stored(void *ctx, const struct er_store_subscription *row)
{
    struct advice *advice = ctx;
    const struct er_rule *own = advice->call->rules[0];
    struct er_str id;

    if (!row->enabled || er_str_eq(row->id, own->id)) {
        return true;
    }
    id = er_arena_dup(advice->call->arena, row->id);
    if (id.p == NULL) {
        advice->code = er_err_set(advice->err, ER_E_NOMEM, "out of memory");
        return false;
    }
    advice->rules[advice->n] = er_rule_with_id(own, id); /* the name, until the row is read */
    advice->n += advice->rules[advice->n] != NULL;
    return advice->n < STORED_MAX;
}

/* The list is over before the rows are read: both would use the store at once. */
static void read_stored(struct advice *advice)
{
    for (size_t i = 0; i < advice->n && advice->code == ER_OK; i++) {
        struct er_rule *named = advice->rules[i];

        advice->rules[i] = NULL;
        advice->code =
            er_stored_rule(advice->call->api->env->store, named->id, advice->call->arena, &advice->rules[i], advice->err);
        er_rule_unref(named);
    }
}

static void beside_stored(struct advice *advice)
{
    const struct er_store_filter filter = { .subscriber = advice->call->rules[0]->subscriber };

    advice->code = er_store_each_subscription(advice->call->api->env->store, &filter, add_stored, advice, advice->err);
    if (advice->code == ER_OK) {
        read_stored(advice);
    }
    if (advice->code == ER_OK) {
        advice->rules[advice->n++] = er_rule_ref(advice->call->rules[0]);
        advice->code = er_lint_pairs(advice->rules, advice->n, found_stored, advice);
    }
    for (size_t i = 0; i < advice->n; i++) {
        er_rule_unref(advice->rules[i]);
    }
}

static enum er_code beside(struct er_call *call, struct er_problems *out, struct er_err *err)
{
    struct advice *advice = calloc(1, sizeof *advice);
    enum er_code code = advice == NULL ? ER_E_NOMEM : ER_OK;

    if (advice != NULL) {
        *advice = (struct advice){ .call = call, .out = out, .err = err };
        if (call->body->type == ER_JSON_ARRAY) {
            code = er_lint_pairs(call->rules, call->n_rules, found_pair, advice);
        } else if (call->rules[0] != NULL && call->rules[0]->enabled) {
            beside_stored(advice);
            code = advice->code;
        }
    }
    free(advice);
    return code == ER_E_NOMEM ? er_err_set(err, code, "out of memory") : code;
}

/* ---- by itself */

/* Copies of the rules that have ids, all different: documents may have none yet, or the same. */
static size_t name_rules(struct er_call *call, struct er_rule **out)
{
    size_t n = 0;

    for (size_t i = 0; i < call->n_rules; i++) {
        struct er_str id = er_arena_printf(call->arena, "r%zu", i);

        if (call->rules[i] != NULL && id.p != NULL) {
            out[n] = er_rule_with_id(call->rules[i], id);
            n += out[n] != NULL;
        }
    }
    return n;
}

static enum er_code put_rules(struct er_ruleset *ruleset, struct er_rule *const *rules, size_t n, struct er_err *err)
{
    struct er_subscriber **subscribers = calloc(n + 1, sizeof(struct er_subscriber *));
    struct er_ruleset_change change = { .revision = 1, .put = rules, .n_put = n, .put_subscribers = subscribers };
    enum er_code code = subscribers == NULL ? ER_E_NOMEM : ER_OK;

    for (size_t i = 0; i < n && code == ER_OK; i++) {
        subscribers[i] = er_subscriber_new(rules[i]->subscriber, rules[i]->subscriber);
        change.n_put_subscribers += subscribers[i] != NULL;
        code = subscribers[i] == NULL ? ER_E_NOMEM : ER_OK;
    }
    code = code == ER_OK ? er_ruleset_prepare(ruleset, &change, err) : er_err_set(err, code, "out of memory");
    if (code == ER_OK) {
        er_ruleset_publish(ruleset);
    }
    for (size_t i = 0; i < change.n_put_subscribers; i++) {
        er_subscriber_unref(subscribers[i]);
    }
    free(subscribers);
    return code;
}

/* Asks the engine which of the rules no index can serve: a rule set of these rules alone. */
static enum er_code check_index(struct er_call *call, struct er_problems *out, struct er_err *err)
{
    const struct advice as = { .call = call };
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_rule **rules = calloc(call->n_rules + 1, sizeof(struct er_rule *));
    size_t n = rules == NULL ? 0 : name_rules(call, rules);
    struct er_ruleset *ruleset = NULL;
    enum er_code code = rules == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory") : ER_OK;

    options.unindexed_rules = (size_t)-1;
    if (code == ER_OK) {
        code = er_ruleset_new(&options, &ruleset, err);
    }
    if (code == ER_OK) {
        code = put_rules(ruleset, rules, n, err);
    }
    for (size_t i = 0; i < n; i++) {
        struct er_ruleset_activity activity;
        size_t index = (size_t)strtoul(rules[i]->id.p + 1, NULL, 10);

        if (code == ER_OK && er_ruleset_activity(ruleset, rules[i]->id, &activity) && activity.unindexed) {
            er_lint_unindexed(rules[i], place(&as, index), out);
        }
        er_rule_unref(rules[i]);
    }
    er_ruleset_free(ruleset);
    free(rules);
    return code;
}

static bool is_said(const struct er_problems *warnings, const struct er_problem *problem)
{
    for (const struct er_problem *warning = warnings->first; warning != NULL; warning = warning->next) {
        if (warning->code == problem->code && warning->pointer.n >= problem->pointer.n &&
            er_str_eq((struct er_str){ warning->pointer.p, problem->pointer.n }, problem->pointer)) {
            return true;
        }
    }
    return false;
}

static void add_new(struct er_call *call, const struct er_problems *found, struct er_problems *out)
{
    for (const struct er_problem *p = found->first; p != NULL; p = p->next) {
        if (!is_said(&call->warnings, p)) {
            er_problems_add(out, p->code, p->pointer, p->offset, p->hint.p, "%.*s", ER_STR_ARG(p->detail));
        }
    }
}

enum er_code er_advice(struct er_call *call, struct er_problems *out, struct er_err *err)
{
    const struct advice as = { .call = call };
    enum er_code code;

    if (call->n_rules == 0) {
        return ER_OK;
    }
    for (size_t i = 0; i < call->n_rules; i++) {
        struct er_problems found;

        er_problems_init(&found, call->arena);
        if (call->rules[i] != NULL) {
            er_lint_rule(call->rules[i], NULL, place(&as, i), &found);
            add_new(call, &found, out);
        }
    }
    code = check_index(call, out, err);
    return code == ER_OK ? beside(call, out, err) : code;
}
