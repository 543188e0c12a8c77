#include "admin/document.h"

/* ---- Writing */

/* The members that the server adds, as the end of an object whose members are there already. */
static void write_with_members(struct er_json_writer *w, struct er_str document, const struct er_buf *server)
{
    struct er_buf all = { 0 };
    bool empty = document.n <= 2; /* "{}" */

    er_buf_add(&all, (struct er_str){ document.p, document.n - 1 });
    if (!empty) {
        er_buf_addc(&all, ',');
    }
    er_buf_add(&all, (struct er_str){ server->p + 1, server->n - 1 });
    w->buf->failed = w->buf->failed || all.failed;
    if (!all.failed) {
        er_jw_raw(w, er_buf_str(&all));
    }
    er_buf_free(&all);
}

static void write_activity(struct er_json_writer *w, const struct er_ruleset_activity *activity)
{
    if (activity->quarantined) {
        er_jw_member_string(w, "detail",
                            ER_STR("a regex went over its limits again and again and is run no more: events that depend on it are "
                                   "dead-lettered for this subscriber as undecided, until the rule is changed"));
    }
    er_jw_member_bool(w, "indexed", !activity->unindexed);
    er_jw_key(w, ER_STR("activity"));
    er_jw_object(w);
    er_jw_member_uint(w, "candidates", activity->candidates);
    er_jw_member_uint(w, "hits", activity->hits);
    er_jw_member_uint(w, "regex_runs", activity->confirms);
    er_jw_member_uint(w, "regex_ns", activity->time_ns);
    er_jw_end(w);
}

static void write_status(struct er_json_writer *w, const struct er_store_subscription *row, const struct er_ruleset *ruleset)
{
    struct er_ruleset_activity activity;
    bool known = row->enabled && er_ruleset_activity(ruleset, row->id, &activity);

    er_jw_key(w, ER_STR("status"));
    er_jw_object(w);
    er_jw_member_string(w, "state",
                        !row->enabled                   ? ER_STR("disabled")
                        : known && activity.quarantined ? ER_STR("quarantined")
                                                        : ER_STR("active"));
    if (known) {
        write_activity(w, &activity);
    }
    er_jw_end(w);
}

void er_document_write_subscription(struct er_json_writer *w, const struct er_store_subscription *row,
                                    const struct er_ruleset *ruleset)
{
    struct er_buf server = { 0 };
    struct er_json_writer members;

    er_jw_init(&members, &server);
    er_jw_object(&members);
    er_jw_member_uint(&members, "revision", row->revision);
    er_jw_member_time(&members, "created_at", row->created_ms);
    er_jw_member_time(&members, "updated_at", row->updated_ms);
    write_status(&members, row, ruleset);
    er_jw_end(&members);
    if (server.failed) {
        w->buf->failed = true;
    } else {
        write_with_members(w, row->document, &server);
    }
    er_buf_free(&server);
}

static struct er_str state_of(const struct er_store_subscriber *row)
{
    return row->state == ER_SUBSCRIBER_PAUSED ? ER_STR("paused") : ER_STR("active");
}

static void write_subscriber_members(struct er_json_writer *w, const struct er_store_subscriber *row)
{
    er_jw_member_string(w, "id", row->id);
    er_jw_member_string(w, "topic", row->topic);
    er_jw_member_uint(w, "partitions", (uint64_t)row->partitions);
    er_jw_member_string(w, "state", state_of(row));
    if (row->has_description) {
        er_jw_member_string(w, "description", row->description);
    }
    if (row->labels.n > 0) {
        er_jw_key(w, ER_STR("labels"));
        er_jw_raw(w, row->labels);
    }
}

static void write_destination(const struct er_admin_env *env, struct er_json_writer *w, const struct er_store_subscriber *row)
{
    struct er_admin_destination state;

    env->destination(env->ctx, row->id, row->topic, &state);
    er_jw_key(w, ER_STR("destination"));
    er_jw_object(w);
    er_jw_member_string(w, "breaker", er_str_of(state.breaker));
    if (state.code != ER_OK) {
        er_jw_member_string(w, "code", er_str_of(er_code_name(state.code)));
        er_jw_member_string(w, "reason", er_str_of(state.reason));
        er_jw_member_time(w, "since", state.since_ms);
        er_jw_member_time(w, "next_probe_at", state.probe_ms == 0 ? INT64_MIN : state.probe_ms);
    }
    er_jw_member_uint(w, "waiting", state.waiting);
    er_jw_member_bool(w, "topic_ready", state.ready);
    er_jw_end(w);
}

void er_document_write_subscriber(const struct er_admin_env *env, struct er_json_writer *w, const struct er_store_subscriber *row)
{
    er_jw_object(w);
    write_subscriber_members(w, row);
    er_jw_member_uint(w, "revision", row->revision);
    er_jw_member_time(w, "created_at", row->created_ms);
    er_jw_member_time(w, "updated_at", row->updated_ms);
    er_jw_key(w, ER_STR("status"));
    er_jw_object(w);
    er_jw_member_string(w, "state", state_of(row));
    er_jw_member_uint(w, "subscriptions", row->subscriptions);
    er_jw_member_bool(w, "topic_created", row->topic_created);
    write_destination(env, w, row);
    er_jw_end(w);
    er_jw_end(w);
}

void er_document_write_planned_subscriber(struct er_json_writer *w, const struct er_store_subscriber *row)
{
    er_jw_object(w);
    write_subscriber_members(w, row);
    er_jw_key(w, ER_STR("status"));
    er_jw_object(w);
    er_jw_member_string(w, "state", state_of(row));
    er_jw_member_uint(w, "subscriptions", row->subscriptions);
    er_jw_end(w);
    er_jw_end(w);
}

void er_document_write_rule(struct er_json_writer *w, const struct er_rule *rule, struct er_str id)
{
    struct er_rule *named = rule->id.n == 0 ? er_rule_with_id(rule, id) : NULL;

    if (rule->id.n == 0 && named == NULL) {
        w->buf->failed = true;
        return;
    }
    er_jw_object(w);
    er_rule_write_members(named != NULL ? named : rule, w);
    er_jw_key(w, ER_STR("status"));
    er_jw_object(w);
    er_jw_member_string(w, "state", rule->enabled ? ER_STR("active") : ER_STR("disabled"));
    er_jw_end(w);
    er_jw_end(w);
    er_rule_unref(named);
}

/* ---- Reading */

/* The path's id must be legal, and the document's own the same. */
static void check_id(struct er_call *call, const struct er_json *document, struct er_str id)
{
    const struct er_json *own = er_json_member(document, ER_STR("id"));

    if (!er_rule_id_valid(id)) {
        er_problems_add(&call->problems, ER_E_RULE_ID, ER_STR("/id"), ER_NO_OFFSET,
                        "use 1 to 100 of a-z 0-9 . _ -, a letter or digit first", "the id of the path is illegal");
    } else if (own != NULL && own->type == ER_JSON_STRING && !er_str_eq(own->text, id)) {
        er_problems_add(&call->problems, ER_E_RULE_ID_MISMATCH, ER_STR("/id"), ER_NO_OFFSET,
                        "leave id out, or send the document to the path of that id",
                        "the document's id is \"%.*s\" and the path's is \"%.*s\"", own->text.n < 100 ? (int)own->text.n : 100,
                        own->text.p, id.n < 100 ? (int)id.n : 100, id.p);
    }
}

enum er_code er_document_read_rule(struct er_call *call, const struct er_json *document, size_t bytes, struct er_str id,
                                   struct er_err *err)
{
    struct er_rule_source source = { .document = document, .document_bytes = bytes, .pointer = ER_STR(""), .default_id = id };
    struct er_rule *rule = NULL;
    enum er_code code;

    call->rules = er_arena_calloc(call->arena, 1, sizeof *call->rules);
    if (call->rules == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    if (id.n > 0) {
        check_id(call, document, id);
    }
    code = er_rule_read(&source, &call->api->env->policy->limits, &rule, &call->problems, &call->warnings);
    call->rules[0] = rule;
    call->n_rules = 1;
    if (code == ER_OK && call->problems.n > 0) {
        code = call->problems.first->code;
    }
    return code == ER_OK ? ER_OK : er_err_set(err, code, "the document cannot be read");
}

bool er_document_read(struct er_call *call, const struct er_json *document, struct er_str id)
{
    struct er_err err;
    enum er_code code = er_document_read_rule(call, document, document->end - document->offset, id, &err);

    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

enum er_code er_document_read_all(struct er_call *call, const struct er_json *array, struct er_err *err)
{
    struct er_rule_source source = { .pointer = ER_STR("") };

    call->rules = er_arena_calloc(call->arena, array->n > 0 ? array->n : 1, sizeof *call->rules);
    if (call->rules == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    for (const struct er_json *document = array->first; document != NULL; document = document->next) {
        source.document = document;
        source.document_bytes = document->end - document->offset;
        source.pointer = er_pointer_push_index(call->arena, ER_STR(""), call->n_rules);
        if (er_rule_read(&source, &call->api->env->policy->limits, &call->rules[call->n_rules], &call->problems, &call->warnings) ==
            ER_E_NOMEM) {
            return er_err_set(err, ER_E_NOMEM, "out of memory");
        }
        call->n_rules++;
    }
    return ER_OK;
}
