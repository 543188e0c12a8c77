#include <unistd.h>

#include "rules/store/plan_impl.h"

#define ID_SUBSCRIBER_BYTES 90 /* of a made id: leaves room for "-" and the random part within 100 */
#define ID_RANDOM_BYTES 8
#define ID_TRIES 16

/* What the store has under an id. */
struct stored {
    struct er_str text; /* to compare with; in */
    bool found;
    bool same;
    uint64_t revision;
};

static bool compare_row(void *ctx, const struct er_store_subscription *row)
{
    struct stored *stored = ctx;

    stored->found = true;
    stored->same = er_str_eq(row->document, stored->text);
    stored->revision = row->revision;
    return true;
}

static enum er_code look_up(struct er_plan *plan, struct er_str id, struct er_str text, struct stored *stored, struct er_err *err)
{
    enum er_code code;

    *stored = (struct stored){ .text = text };
    code = er_store_get_subscription(plan->store, id, compare_row, stored, err);
    return code == ER_E_NOT_FOUND ? ER_OK : code;
}

static bool named(const struct er_plan *plan, struct er_str id)
{
    struct er_plan_rule *entry;

    HASH_FIND(hh, plan->rules_by_id, id.p, id.n, entry);
    return entry != NULL;
}

/* "sales-FR" -> "sales-fr-k3x9t2mq". */
static enum er_code make_id(struct er_plan *plan, struct er_str subscriber, struct er_str *out, struct er_err *err)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    size_t n = subscriber.n < ID_SUBSCRIBER_BYTES ? subscriber.n : ID_SUBSCRIBER_BYTES;
    char id[ID_SUBSCRIBER_BYTES + 1 + ID_RANDOM_BYTES];

    for (size_t i = 0; i < n; i++) {
        char c = subscriber.p[i];

        id[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    id[n++] = '-';
    for (int tries = 0; tries < ID_TRIES; tries++) {
        struct er_str made = { id, n + ID_RANDOM_BYTES };
        unsigned char random[ID_RANDOM_BYTES];
        struct stored stored;
        enum er_code code;

        if (getentropy(random, sizeof random) != 0) {
            return er_err_set(err, ER_E_SYSTEM, "no random bytes for an id; give the document an \"id\"");
        }
        for (size_t i = 0; i < ID_RANDOM_BYTES; i++) {
            id[n + i] = alphabet[random[i] % (sizeof alphabet - 1)];
        }
        code = look_up(plan, made, ER_STR(""), &stored, err);
        if (code != ER_OK) {
            return code;
        }
        if (!stored.found && !named(plan, made)) {
            *out = er_arena_dup(plan->arena, made);
            return out->p == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory while planning a change") : ER_OK;
        }
    }
    return er_err_set(err, ER_E_INTERNAL, "found no free id; give the document an \"id\"");
}

/* The canonical document, valid until the next use of the plan's buffer. */
static enum er_code write_text(struct er_plan *plan, const struct er_rule *rule, struct er_err *err)
{
    struct er_json_writer w;

    er_buf_clear(&plan->text);
    er_jw_init(&w, &plan->text);
    er_jw_object(&w);
    er_rule_write_members(rule, &w);
    er_jw_end(&w);
    return plan->text.failed ? er_err_set(err, ER_E_NOMEM, "out of memory while planning a change") : ER_OK;
}

/* The rule's subscriber is there or comes into being with it, and has a destination that the rule may use. */
static enum er_code provide_subscriber(struct er_plan *plan, const struct er_rule *rule, struct er_err *err)
{
    struct er_plan_subscriber *subscriber;
    enum er_code code = er_plan_find_subscriber(plan, rule->subscriber, &subscriber, err);

    if (code != ER_OK) {
        return code;
    }
    if (subscriber != NULL && subscriber->op == ER_PLAN_DELETE) {
        return er_err_set(err, ER_E_NOT_FOUND, "subscriber %.*s is deleted by the same change", ER_STR_ARG(rule->subscriber));
    }
    if (subscriber != NULL) {
        return rule->enabled ? er_plan_need_destination(plan, subscriber, err) : ER_OK;
    }
    code = er_plan_new_subscriber(plan, rule->subscriber, &subscriber, err);
    return code == ER_OK ? er_plan_write_subscriber(plan, subscriber, ER_PLAN_CREATE, err) : code;
}

/* Everything after the id is known. */
static enum er_code enter(struct er_plan *plan, struct er_rule *rule, const struct er_plan_put *put, struct er_plan_rule *entry,
                          struct er_err *err)
{
    struct stored stored;
    enum er_code code;

    if (named(plan, rule->id)) {
        return er_err_set(err, ER_E_RULE_DUPLICATE_ID, "id \"%.*s\" stands in two documents; every id may be used once",
                          ER_STR_ARG(rule->id));
    }
    code = write_text(plan, rule, err);
    if (code == ER_OK) {
        code = look_up(plan, rule->id, er_buf_str(&plan->text), &stored, err);
    }
    if (code == ER_OK) {
        code = er_plan_check_put(put, "subscription", rule->id, stored.found ? &stored.revision : NULL, err);
    }
    if (code != ER_OK) {
        return code;
    }
    entry->op = !stored.found ? ER_PLAN_CREATE : stored.same ? ER_PLAN_KEEP : ER_PLAN_UPDATE;
    entry->rule = rule;
    entry->id = er_arena_dup(plan->arena, rule->id);
    entry->text = entry->op == ER_PLAN_KEEP ? ER_STR("") : er_arena_dup(plan->arena, er_buf_str(&plan->text));
    if (entry->id.p == NULL || entry->text.p == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    if (entry->op != ER_PLAN_KEEP) {
        code = provide_subscriber(plan, rule, err);
    }
    /* Also with a refused subscriber: a second document of that id is then reported as what it is. */
    if (code == ER_OK || (code != ER_E_NOMEM && code != ER_E_INTERNAL)) {
        enum er_code added = er_plan_add_rule(plan, entry, code == ER_OK ? err : NULL);

        code = code == ER_OK ? added : code;
    }
    return code;
}

/* Which member of the document a refusal is about. */
static struct er_str blame(struct er_plan *plan, enum er_code code, struct er_str pointer)
{
    if (code == ER_E_SUBSCRIBER_TOPIC || code == ER_E_SUBSCRIBER_TOPIC_TAKEN) {
        return er_pointer_push(plan->arena, pointer, ER_STR("subscriber"));
    }
    if (code == ER_E_RULE_DUPLICATE_ID || code == ER_E_EXISTS) {
        return er_pointer_push(plan->arena, pointer, ER_STR("id"));
    }
    return pointer;
}

enum er_code er_plan_put_subscription(struct er_plan *plan, struct er_rule *rule, struct er_plan_put *put, struct er_err *err)
{
    static const enum er_put_result results[ER_PLAN_OPS] = {
        [ER_PLAN_CREATE] = ER_PUT_CREATED, [ER_PLAN_UPDATE] = ER_PUT_UPDATED, [ER_PLAN_KEEP] = ER_PUT_UNCHANGED
    };
    struct er_rule *with_id = NULL;
    struct er_plan_rule entry = { .op = ER_PLAN_CREATE };
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    enum er_code code = ER_OK;

    if (rule->id.n == 0) {
        struct er_str made;

        code = make_id(plan, rule->subscriber, &made, &why);
        if (code == ER_OK && (with_id = er_rule_with_id(rule, made)) == NULL) {
            code = er_err_set(&why, ER_E_NOMEM, "out of memory while planning a change");
        }
    }
    if (code == ER_OK) {
        code = enter(plan, with_id != NULL ? with_id : rule, put, &entry, &why);
    }
    er_rule_unref(with_id); /* the plan has its own reference */
    if (code != ER_OK) {
        return er_plan_refuse(plan, &why, blame(plan, code, put->pointer), put->problems, err);
    }
    put->result = results[entry.op];
    put->id = entry.id;
    return ER_OK;
}

enum er_code er_plan_drop_subscription(struct er_plan *plan, struct er_str id, struct er_err *err)
{
    struct er_plan_rule entry = { .op = ER_PLAN_DELETE };

    if (named(plan, id)) {
        return ER_OK;
    }
    entry.id = er_arena_dup(plan->arena, id);
    entry.text = ER_STR("");
    return entry.id.p == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory while planning a change")
                              : er_plan_add_rule(plan, &entry, err);
}

enum er_code er_plan_drop_listed(struct er_plan *plan, enum er_sql_id list, struct er_str subscriber, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = er_sql_use(plan->store->sql, list, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    if (subscriber.p != NULL) {
        er_sql_bind_text(stmt, 1, subscriber);
    }
    while ((code = er_sql_step(stmt, &row, err)) == ER_OK && row) {
        code = er_plan_drop_subscription(plan, er_sql_text(stmt, 0), err);
        if (code != ER_OK) {
            break;
        }
    }
    er_sql_end(stmt);
    return code;
}

static enum er_code delete_one(struct er_plan *plan, struct er_str id, const struct er_precondition *precondition,
                               struct er_err *err)
{
    struct stored stored;
    enum er_code code;

    if (named(plan, id)) {
        return er_err_set(err, ER_E_RULE_DUPLICATE_ID, "subscription %.*s is named twice in one change", ER_STR_ARG(id));
    }
    code = look_up(plan, id, ER_STR(""), &stored, err);
    if (code == ER_OK && !stored.found) {
        code = er_err_set(err, ER_E_NOT_FOUND, "subscription %.*s does not exist", ER_STR_ARG(id));
    }
    if (code == ER_OK) {
        code = er_plan_precondition(precondition, true, stored.revision, err);
    }
    return code == ER_OK ? er_plan_drop_subscription(plan, id, err) : code;
}

enum er_code er_plan_delete_subscription(struct er_plan *plan, struct er_str id, const struct er_precondition *precondition,
                                         struct er_err *err)
{
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    enum er_code code = delete_one(plan, id, precondition, &why);

    return code == ER_OK ? ER_OK : er_plan_refuse(plan, &why, ER_STR(""), NULL, err);
}

enum er_code er_plan_prune(struct er_plan *plan, struct er_err *err)
{
    struct er_err why = { .code = ER_OK, .offset = ER_NO_OFFSET };
    enum er_code code = er_plan_drop_listed(plan, ER_SQL_SUBSCRIPTION_IDS, (struct er_str){ NULL, 0 }, &why);

    return code == ER_OK ? ER_OK : er_plan_refuse(plan, &why, ER_STR(""), NULL, err);
}
