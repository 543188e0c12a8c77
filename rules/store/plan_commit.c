#include "rules/base/utf8.h"
#include "rules/store/plan_impl.h"

#define WHAT_BYTES 1024 /* of the request kept in an audit row */

/* --- for the rule set --- */

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
}

static size_t room(size_t n)
{
    return n == 0 ? 1 : n;
}

static enum er_code list_rules(struct er_plan *plan, struct er_ruleset_change *out, struct er_err *err)
{
    size_t n_put = plan->ids[ER_PLAN_CREATE].n + plan->ids[ER_PLAN_UPDATE].n;
    struct er_rule **put = er_arena_calloc(plan->arena, room(n_put), sizeof *put);

    if (put == NULL) {
        return no_memory(err);
    }
    out->put = put;
    for (struct er_plan_rule *entry = plan->rules_by_id; entry != NULL; entry = entry->hh.next) {
        if (entry->op == ER_PLAN_CREATE || entry->op == ER_PLAN_UPDATE) {
            put[out->n_put++] = entry->rule;
        }
    }
    out->remove = plan->ids[ER_PLAN_DELETE].items;
    out->n_remove = plan->ids[ER_PLAN_DELETE].n;
    return ER_OK;
}

static bool written(const struct er_plan_subscriber *subscriber)
{
    return subscriber->op == ER_PLAN_CREATE || subscriber->op == ER_PLAN_UPDATE;
}

static enum er_code list_subscribers(struct er_plan *plan, struct er_ruleset_change *out, struct er_err *err)
{
    size_t n = room(HASH_COUNT(plan->subscribers_by_id));
    struct er_subscriber **put = er_arena_calloc(plan->arena, n, sizeof *put);
    struct er_str *gone = er_arena_calloc(plan->arena, n, sizeof *gone);

    if (put == NULL || gone == NULL) {
        return no_memory(err);
    }
    out->put_subscribers = put;
    out->remove_subscribers = gone;
    for (struct er_plan_subscriber *entry = plan->subscribers_by_id; entry != NULL; entry = entry->hh.next) {
        if (entry->op == ER_PLAN_DELETE) {
            gone[out->n_remove_subscribers++] = entry->id;
        }
        if (written(entry) && (entry->moved || entry->restated)) {
            if (entry->live == NULL && (entry->live = er_subscriber_new(entry->id, entry->topic)) == NULL) {
                return no_memory(err);
            }
            entry->live->paused = entry->state == ER_SUBSCRIBER_PAUSED;
            put[out->n_put_subscribers++] = entry->live;
        }
    }
    return ER_OK;
}

enum er_code er_plan_ruleset_change(struct er_plan *plan, struct er_ruleset_change *out, struct er_err *err)
{
    enum er_code code;

    *out = (struct er_ruleset_change){ .revision = er_store_revision(plan->store) + (plan->changes ? 1 : 0) };
    code = list_rules(plan, out, err);
    return code == ER_OK ? list_subscribers(plan, out, err) : code;
}

/* --- for the disk --- */

/* What all rows of one commit share. */
struct commit {
    struct er_plan *plan;
    struct er_sql *sql;
    const struct er_actor *actor;
    int64_t now_ms;
    int64_t revision;
};

struct audited {
    const char *op;
    const char *kind;
    struct er_str id;
    struct er_str document; /* p = NULL for a delete */
};

static enum er_code audit(const struct commit *commit, const struct audited *row, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    struct er_str what = commit->actor->what.p == NULL ? ER_STR("") : commit->actor->what;
    enum er_code code = er_sql_use(commit->sql, ER_SQL_AUDIT_ADD, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    if (what.n > WHAT_BYTES) {
        what.n = WHAT_BYTES;
    }
    what.n = er_utf8_check(what);
    er_sql_bind_int(stmt, 1, commit->revision);
    er_sql_bind_int(stmt, 2, commit->now_ms);
    er_sql_bind_int(stmt, 3, commit->actor->uid);
    er_sql_bind_text(stmt, 4, what);
    er_sql_bind_text(stmt, 5, er_str_of(row->op));
    er_sql_bind_text(stmt, 6, er_str_of(row->kind));
    er_sql_bind_text(stmt, 7, row->id);
    er_sql_bind_text(stmt, 8, row->document);
    return er_sql_run(stmt, NULL, err);
}

static enum er_code delete_row(const struct commit *commit, enum er_sql_id statement, const struct audited *row, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    enum er_code code = er_sql_use(commit->sql, statement, &stmt, err);

    if (code == ER_OK) {
        er_sql_bind_text(stmt, 1, row->id);
        code = er_sql_run(stmt, NULL, err);
    }
    return code == ER_OK ? audit(commit, row, err) : code;
}

static const char *op_name(enum er_plan_op op)
{
    return op == ER_PLAN_CREATE ? "create" : "update";
}

static enum er_code put_rule(const struct commit *commit, const struct er_plan_rule *entry, struct er_err *err)
{
    const struct audited row = { op_name(entry->op), "subscription", entry->id, entry->text };
    struct er_sql_stmt *stmt;
    enum er_code code = er_sql_use(commit->sql, ER_SQL_SUBSCRIPTION_PUT, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_text(stmt, 1, entry->id);
    er_sql_bind_text(stmt, 2, entry->rule->subscriber);
    er_sql_bind_text(stmt, 3, entry->text);
    er_sql_bind_int(stmt, 4, entry->rule->enabled ? 1 : 0);
    er_sql_bind_int(stmt, 5, commit->revision);
    er_sql_bind_int(stmt, 6, commit->now_ms);
    code = er_sql_run(stmt, NULL, err);
    return code == ER_OK ? audit(commit, &row, err) : code;
}

static const char *state_name(enum er_subscriber_state state)
{
    return state == ER_SUBSCRIBER_PAUSED ? "paused" : "active";
}

/* The subscriber's document for its audit row, in the plan's buffer. */
static enum er_code write_subscriber_text(struct er_plan *plan, const struct er_plan_subscriber *entry, struct er_err *err)
{
    struct er_json_writer w;

    er_buf_clear(&plan->text);
    er_jw_init(&w, &plan->text);
    er_jw_object(&w);
    er_jw_member_string(&w, "id", entry->id);
    er_jw_member_string(&w, "topic", entry->topic);
    er_jw_member_uint(&w, "partitions", (uint64_t)entry->partitions);
    er_jw_member_string(&w, "state", er_str_of(state_name(entry->state)));
    if (entry->has_description) {
        er_jw_member_string(&w, "description", entry->description);
    }
    if (entry->labels.n > 0) {
        er_jw_key(&w, ER_STR("labels"));
        er_jw_raw(&w, entry->labels);
    }
    er_jw_end(&w);
    return plan->text.failed ? no_memory(err) : ER_OK;
}

static enum er_code put_subscriber(const struct commit *commit, const struct er_plan_subscriber *entry, struct er_err *err)
{
    struct audited row = { op_name(entry->op), "subscriber", entry->id, { NULL, 0 } };
    static const struct er_str none = { NULL, 0 };
    struct er_sql_stmt *stmt;
    enum er_code code = er_sql_use(commit->sql, ER_SQL_SUBSCRIBER_PUT, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_text(stmt, 1, entry->id);
    er_sql_bind_text(stmt, 2, entry->topic);
    er_sql_bind_int(stmt, 3, entry->partitions);
    er_sql_bind_text(stmt, 4, er_str_of(state_name(entry->state)));
    er_sql_bind_text(stmt, 5, entry->has_description ? entry->description : none);
    er_sql_bind_text(stmt, 6, entry->labels.n > 0 ? entry->labels : none);
    er_sql_bind_int(stmt, 7, commit->revision);
    er_sql_bind_int(stmt, 8, commit->now_ms);
    code = er_sql_run(stmt, NULL, err);
    if (code == ER_OK) {
        code = write_subscriber_text(commit->plan, entry, err);
    }
    row.document = er_buf_str(&commit->plan->text);
    return code == ER_OK ? audit(commit, &row, err) : code;
}

/* The counter moves only from the state that this plan was made for. */
static enum er_code next_revision(const struct commit *commit, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    int changed = 0;
    enum er_code code = er_sql_use(commit->sql, ER_SQL_REVISION_NEXT, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_int(stmt, 1, commit->revision - 1);
    code = er_sql_run(stmt, &changed, err);
    if (code == ER_OK && changed != 1) {
        code = er_err_set(err, ER_E_STORE, "store %s was changed by another program; restart the router so that it reads it anew",
                          commit->plan->store->path);
    }
    return code;
}

static enum er_code write_deletes(const struct commit *commit, struct er_err *err)
{
    const struct er_plan_ids *ids = &commit->plan->ids[ER_PLAN_DELETE];
    enum er_code code = ER_OK;

    for (size_t i = 0; i < ids->n && code == ER_OK; i++) {
        const struct audited row = { "delete", "subscription", ids->items[i], { NULL, 0 } };

        code = delete_row(commit, ER_SQL_SUBSCRIPTION_DELETE, &row, err);
    }
    for (struct er_plan_subscriber *entry = commit->plan->subscribers_by_id; entry != NULL && code == ER_OK;
         entry = entry->hh.next) {
        const struct audited row = { "delete", "subscriber", entry->id, { NULL, 0 } };

        if (entry->op == ER_PLAN_DELETE) {
            code = delete_row(commit, ER_SQL_SUBSCRIBER_DELETE, &row, err);
        }
    }
    return code;
}

/* Subscribers first: subscriptions refer to them. */
static enum er_code write_puts(const struct commit *commit, struct er_err *err)
{
    enum er_code code = ER_OK;

    for (struct er_plan_subscriber *entry = commit->plan->subscribers_by_id; entry != NULL && code == ER_OK;
         entry = entry->hh.next) {
        if (written(entry)) {
            code = put_subscriber(commit, entry, err);
        }
    }
    for (struct er_plan_rule *entry = commit->plan->rules_by_id; entry != NULL && code == ER_OK; entry = entry->hh.next) {
        if (entry->op == ER_PLAN_CREATE || entry->op == ER_PLAN_UPDATE) {
            code = put_rule(commit, entry, err);
        }
    }
    return code;
}

enum er_code er_plan_commit(struct er_plan *plan, const struct er_actor *actor, int64_t now_ms, uint64_t *revision,
                            struct er_err *err)
{
    struct er_store *store = plan->store;
    const struct commit commit = { plan, store->sql, actor, now_ms, (int64_t)store->revision + 1 };
    enum er_code code;

    if (plan->failed || !plan->changes) {
        return er_err_set(err, ER_E_INTERNAL, "a change that was refused or changes nothing cannot be stored");
    }
    code = er_sql_begin(store->sql, err);
    if (code == ER_OK) {
        code = next_revision(&commit, err);
    }
    if (code == ER_OK) {
        code = write_deletes(&commit, err);
    }
    if (code == ER_OK) {
        code = write_puts(&commit, err);
    }
    if (code == ER_OK) {
        code = er_sql_commit(store->sql, err);
    }
    if (code != ER_OK) {
        er_sql_rollback(store->sql);
        return code;
    }
    store->revision = (uint64_t)commit.revision;
    *revision = store->revision;
    return ER_OK;
}
