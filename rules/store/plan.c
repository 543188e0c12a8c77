#include "rules/store/plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "rules/store/plan_impl.h"

enum er_code er_plan_new(struct er_store *store, const struct er_plan_policy *policy, struct er_plan **out, struct er_err *err)
{
    struct er_plan *plan = calloc(1, sizeof *plan);

    *out = NULL;
    if (plan == NULL || (plan->arena = er_arena_new(0)) == NULL) {
        free(plan);
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    plan->store = store;
    plan->policy = policy;
    *out = plan;
    return ER_OK;
}

void er_plan_free(struct er_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    for (struct er_plan_rule *entry = plan->rules_by_id; entry != NULL; entry = entry->hh.next) {
        er_rule_unref(entry->rule);
    }
    for (struct er_plan_subscriber *entry = plan->subscribers_by_id; entry != NULL; entry = entry->hh.next) {
        er_subscriber_unref(entry->live);
    }
    HASH_CLEAR(hh, plan->rules_by_id);
    HASH_CLEAR(by_topic, plan->subscribers_by_topic);
    HASH_CLEAR(hh, plan->subscribers_by_id);
    for (size_t i = 0; i < ER_PLAN_OPS; i++) {
        free(plan->ids[i].items);
    }
    free(plan->destinations);
    er_buf_free(&plan->text);
    er_arena_free(plan->arena);
    free(plan);
}

enum er_code er_plan_refuse(struct er_plan *plan, const struct er_err *why, struct er_str pointer, struct er_problems *problems,
                            struct er_err *err)
{
    plan->failed = true;
    if (problems != NULL) {
        er_problems_add(problems, why->code, pointer, why->offset, NULL, "%s", why->text);
    }
    if (err != NULL) {
        *err = *why;
    }
    return why->code;
}

enum er_code er_plan_grow(void **items, size_t n, size_t *capacity, size_t size, struct er_err *err)
{
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *grown;

    if (n < *capacity) {
        return ER_OK;
    }
    grown = realloc(*items, wanted * size);
    if (grown == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    *items = grown;
    *capacity = wanted;
    return ER_OK;
}

enum er_code er_plan_add_rule(struct er_plan *plan, const struct er_plan_rule *entry, struct er_err *err)
{
    struct er_plan_ids *ids = &plan->ids[entry->op];
    struct er_plan_rule *added = er_arena_alloc(plan->arena, sizeof *added);
    void *items = ids->items;
    enum er_code code = er_plan_grow(&items, ids->n, &ids->capacity, sizeof *ids->items, err);

    ids->items = items;
    if (code != ER_OK) {
        return code;
    }
    if (added != NULL) {
        *added = *entry;
        HASH_ADD_KEYPTR(hh, plan->rules_by_id, added->id.p, added->id.n, added);
    }
    if (added == NULL || added->hh.tbl == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    if (added->rule != NULL) {
        (void)er_rule_ref(added->rule);
    }
    ids->items[ids->n++] = added->id;
    plan->changes = plan->changes || added->op != ER_PLAN_KEEP;
    return ER_OK;
}

enum er_code er_plan_precondition(const struct er_precondition *condition, bool exists, uint64_t revision, struct er_err *err)
{
    if (condition == NULL) {
        return ER_OK;
    }
    if (condition->if_match) {
        bool holds = exists && condition->if_match_any;

        for (size_t i = 0; exists && i < condition->n_match; i++) {
            holds = holds || condition->match[i] == revision;
        }
        if (!holds && !exists) {
            return er_err_set(err, ER_E_PRECONDITION, "If-Match does not hold: the document does not exist; read it again");
        }
        if (!holds) {
            return er_err_set(err, ER_E_PRECONDITION,
                              "If-Match does not hold: the document is at \"rev-%" PRIu64 "\" now; read it "
                              "again and repeat the change",
                              revision);
        }
    }
    if (condition->if_none_match_any && exists) {
        return er_err_set(err, ER_E_PRECONDITION, "If-None-Match does not hold: the document exists, at \"rev-%" PRIu64 "\"",
                          revision);
    }
    return ER_OK;
}

enum er_code er_plan_check_put(const struct er_plan_put *put, const char *what, struct er_str id, const uint64_t *revision,
                               struct er_err *err)
{
    if (put->mode == ER_PUT_EXISTING && revision == NULL) {
        return er_err_set(err, ER_E_NOT_FOUND, "%s %.*s does not exist", what, ER_STR_ARG(id));
    }
    if (put->mode == ER_PUT_CREATE && revision != NULL) {
        return er_err_set(err, ER_E_EXISTS, "%s %.*s exists already; change it with PUT, or choose another id", what,
                          ER_STR_ARG(id));
    }
    return er_plan_precondition(put->precondition, revision != NULL, revision == NULL ? 0 : *revision, err);
}

static int by_id(const void *a, const void *b)
{
    return er_str_cmp(*(const struct er_str *)a, *(const struct er_str *)b);
}

static const struct er_str *sorted(const struct er_plan *plan, enum er_plan_op op, size_t *n)
{
    const struct er_plan_ids *ids = &plan->ids[op];

    *n = ids->n;
    if (ids->n > 1) {
        qsort(ids->items, ids->n, sizeof *ids->items, by_id);
    }
    return ids->items;
}

void er_plan_summary(const struct er_plan *plan, struct er_plan_summary *out)
{
    out->created = sorted(plan, ER_PLAN_CREATE, &out->n_created);
    out->updated = sorted(plan, ER_PLAN_UPDATE, &out->n_updated);
    out->unchanged = sorted(plan, ER_PLAN_KEEP, &out->n_unchanged);
    out->deleted = sorted(plan, ER_PLAN_DELETE, &out->n_deleted);
    out->changes = plan->changes;
}

const struct er_destination *er_plan_destinations(const struct er_plan *plan, size_t *n)
{
    *n = plan->n_destinations;
    return plan->destinations;
}
