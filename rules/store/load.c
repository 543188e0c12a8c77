/* The whole store as one change for a fresh rule set, a part at a time: documents are needed no longer than that. */
#include <stdlib.h>

#include "rules/base/json.h"
#include "rules/store/plan_impl.h"

#define PART 1000u /* rules or subscribers */

struct load {
    struct er_store *store;
    struct er_rule_limits limits; /* the policy's, but for what was checked when the document came */
    struct er_arena *arena;       /* of one document */
    er_store_load_cb *apply;
    void *ctx;
    struct er_rule *rules[PART];
    size_t n_rules;
    struct er_subscriber *subscribers[PART];
    size_t n_subscribers;
};

static void forget_part(struct load *load)
{
    for (size_t i = 0; i < load->n_rules; i++) {
        er_rule_unref(load->rules[i]);
    }
    for (size_t i = 0; i < load->n_subscribers; i++) {
        er_subscriber_unref(load->subscribers[i]);
    }
    load->n_rules = load->n_subscribers = 0;
}

static enum er_code apply_part(struct load *load, bool last, struct er_err *err)
{
    const struct er_ruleset_change part = { .revision = load->store->revision,
                                            .put = load->rules,
                                            .n_put = load->n_rules,
                                            .put_subscribers = load->subscribers,
                                            .n_put_subscribers = load->n_subscribers };
    enum er_code code = load->apply(load->ctx, &part, last, err);

    forget_part(load);
    return code;
}

static enum er_code refuse(struct er_str id, const char *why, struct er_err *err)
{
    return er_err_set(err, ER_E_STORE, "stored subscription %.*s cannot be used by this version: %s", ER_STR_ARG(id), why);
}

static enum er_code read_rule(struct load *load, struct er_str id, struct er_str text, struct er_rule **out, struct er_err *err)
{
    /* document_bytes 0: the size as sent was checked when it came */
    struct er_rule_source source = { .pointer = ER_STR(""), .for_matching = true };
    struct er_problems problems;
    struct er_json *document;
    struct er_err why;
    enum er_code code;

    er_arena_reset(load->arena);
    er_problems_init(&problems, load->arena);
    code = er_json_parse(load->arena, text, ER_STORE_MAX_DEPTH, &document, &why);
    if (code != ER_OK) {
        return code == ER_E_NOMEM ? er_err_set(err, code, "%s", why.text) : refuse(id, why.text, err);
    }
    source.document = document;
    code = er_rule_read(&source, &load->limits, out, &problems, NULL);
    if (code == ER_E_NOMEM) {
        return er_err_set(err, code, "out of memory while loading the rules");
    }
    if (code != ER_OK) {
        return refuse(id, problems.first == NULL ? er_code_title(code) : problems.first->detail.p, err);
    }
    if (!er_str_eq((*out)->id, id)) {
        er_rule_unref(*out);
        *out = NULL;
        return refuse(id, "its document has another id", err);
    }
    return ER_OK;
}

static enum er_code add_rule(struct load *load, const struct er_sql_stmt *stmt, struct er_err *err)
{
    struct er_str id = er_sql_text(stmt, 0), text = er_sql_text(stmt, 1);
    enum er_code code;

    if (id.p == NULL || text.p == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while loading the rules");
    }
    code = read_rule(load, id, text, &load->rules[load->n_rules], err);
    if (code == ER_OK && ++load->n_rules == PART) {
        code = apply_part(load, false, err);
    }
    return code;
}

static enum er_code add_subscriber(struct load *load, const struct er_sql_stmt *stmt, struct er_err *err)
{
    struct er_subscriber *subscriber = er_subscriber_new(er_sql_text(stmt, 0), er_sql_text(stmt, 1));

    if (subscriber == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while loading the subscribers");
    }
    subscriber->paused = er_store_state_of(er_sql_text(stmt, 2)) == ER_SUBSCRIBER_PAUSED;
    load->subscribers[load->n_subscribers++] = subscriber;
    return load->n_subscribers == PART ? apply_part(load, false, err) : ER_OK;
}

static enum er_code each(struct load *load, enum er_sql_id list,
                         enum er_code (*add)(struct load *, const struct er_sql_stmt *, struct er_err *), struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = er_sql_use(load->store->sql, list, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    while ((code = er_sql_step(stmt, &row, err)) == ER_OK && row) {
        code = add(load, stmt, err);
        if (code != ER_OK) {
            break;
        }
    }
    er_sql_end(stmt);
    return code;
}

enum er_code er_store_load(struct er_store *store, const struct er_rule_limits *limits, er_store_load_cb *apply, void *ctx,
                           struct er_err *err)
{
    struct load *load = calloc(1, sizeof *load);
    enum er_code code;

    if (load == NULL || (load->arena = er_arena_new(0)) == NULL) {
        free(load);
        return er_err_set(err, ER_E_NOMEM, "out of memory while loading the rules");
    }
    load->store = store;
    load->apply = apply;
    load->ctx = ctx;
    load->limits = *limits;
    /* A rule that is deeper than events may be now matches none, which is no reason to refuse all. */
    er_rule_limits_set_event_depth(&load->limits, ER_STORE_MAX_DEPTH);
    code = each(load, ER_SQL_SUBSCRIBER_LOAD, add_subscriber, err);
    if (code == ER_OK) {
        code = each(load, ER_SQL_SUBSCRIPTION_LOAD, add_rule, err);
    }
    if (code == ER_OK) {
        code = apply_part(load, true, err);
    }
    forget_part(load);
    er_arena_free(load->arena);
    free(load);
    return code;
}
