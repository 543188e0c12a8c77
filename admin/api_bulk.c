/* PUT /v1/subscriptions: many documents, one revision, all or nothing. */
#include "admin/bulk.h"
#include "admin/document.h"
#include "admin/routes.h"

/* Puts every readable document; goes on after a refused one, so that all problems are found. Returns the first refusal. */
static enum er_code put_all(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    enum er_code first = ER_OK;

    for (size_t i = 0; i < call->n_rules; i++) {
        struct er_plan_put put = { .mode = ER_PUT_ANY,
                                   .pointer = er_pointer_push_index(call->arena, ER_STR(""), i),
                                   .problems = &call->problems };
        struct er_err one;
        enum er_code code = ER_OK;

        if (call->rules[i] != NULL) {
            code = er_plan_put_subscription(plan, call->rules[i], &put, &one);
        }
        if (code != ER_OK && first == ER_OK) {
            first = code;
            *err = one;
        }
        if (er_code_http_status(code) >= 500) { /* not the document's fault: the next one would meet it again */
            break;
        }
    }
    return first;
}

enum er_code er_bulk_find_conflicts(struct er_call *call, struct er_err *err)
{
    const struct er_admin_env *env = call->api->env;
    struct er_plan *plan;
    enum er_code code = er_plan_new(env->store, env->policy, &plan, err);

    if (code == ER_OK) {
        code = put_all(call, plan, err);
        er_plan_free(plan);
    }
    return code;
}

static enum er_code build_bulk(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    enum er_code code = put_all(call, plan, err);

    return code == ER_OK && call->flag ? er_plan_prune(plan, err) : code;
}

static void answer_bulk(struct er_call *call, const struct er_change_result *result)
{
    struct er_plan_summary summary = { 0 };
    struct er_json_writer w;

    if (result->plan != NULL) {
        er_plan_summary(result->plan, &summary);
    }
    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_strings(&w, "created", summary.created, summary.n_created);
    er_jw_member_strings(&w, "updated", summary.updated, summary.n_updated);
    er_jw_member_strings(&w, "unchanged", summary.unchanged, summary.n_unchanged);
    er_jw_member_strings(&w, "deleted", summary.deleted, summary.n_deleted);
    er_jw_end(&w);
}

/* Bad documents are refused at once, without waiting for a turn, and together with the conflicts of the good ones. */
static bool all_fine(struct er_call *call)
{
    struct er_err err = { .offset = ER_NO_OFFSET };
    enum er_code code = er_document_read_all(call, call->body, &err);

    if (code == ER_OK && call->problems.n > 0) {
        code = er_bulk_find_conflicts(call, &err);
        code = er_code_http_status(code) >= 500 ? code : call->problems.first->code;
    }
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

void er_api_bulk_subscriptions(struct er_call *call)
{
    if (!er_call_no_precondition(call) || !er_call_flag(call, "prune", &call->flag) || !er_call_read_body(call, 1)) {
        return;
    }
    if (call->body->type != ER_JSON_ARRAY) {
        er_call_fail(call, ER_E_RULE_TYPE, "the body must be an array of subscription documents",
                     "put [ and ] around a single document, or send it to /v1/subscriptions/{id}");
        return;
    }
    if (all_fine(call)) {
        er_call_submit(call, build_bulk, answer_bulk);
    }
}
