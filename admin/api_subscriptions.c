/* /v1/subscriptions and /v1/subscriptions/{id}, except the bulk PUT. */
#include <stdlib.h>
#include "admin/document.h"
#include "admin/merge_patch.h"
#include "admin/one.h"
#include "admin/routes.h"

enum { COLLECTION = 'r', STORED_DEPTH = 1024 };

/* ---- List */

struct list {
    struct er_call *call;
    struct er_page_writer page;
};

static bool list_row(void *ctx, const struct er_store_subscription *row)
{
    struct list *list = ctx;

    if (er_page_wants(list->call, &list->page, row->id)) {
        er_document_write_subscription(&list->page.w, row, list->call->api->env->ruleset);
    }
    return !list->page.no_memory;
}

/* label=team, label=team=sales or label=team:sales. */
static void split_label(struct er_str label, struct er_store_filter *filter)
{
    for (size_t i = 0; i < label.n; i++) {
        if (label.p[i] == '=' || label.p[i] == ':') {
            filter->label_key = (struct er_str){ label.p, i };
            filter->label_value = (struct er_str){ label.p + i + 1, label.n - i - 1 };
            return;
        }
    }
    filter->label_key = label;
}

void er_api_list_subscriptions(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_store_filter filter = { .subscriber = er_call_text(call, "subscriber"),
                                      .type = er_call_text(call, "type"),
                                      .q = er_call_text(call, "q") };
    struct list list = { .call = call };
    struct er_page page;
    struct er_err err;
    enum er_code code;

    if (!er_call_page(call, COLLECTION, &page)) {
        return;
    }
    split_label(er_call_text(call, "label"), &filter);
    er_page_begin(call, &page, &list.page);
    code = er_store_each_subscription(env->store, &filter, list_row, &list, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_page_end(call, &list.page, COLLECTION);
}

/* ---- One */

static bool write_one(void *ctx, const struct er_store_subscription *row)
{
    struct er_one *one = ctx;
    struct er_json_writer w;

    if (er_one_wants(one, row->revision, &w)) {
        er_document_write_subscription(&w, row, one->call->api->env->ruleset);
    }
    return false;
}

void er_api_get_subscription(struct er_call *call)
{
    struct er_one one;
    struct er_err err;
    enum er_code code;

    if (!er_one_read(call, &one)) {
        return;
    }
    code = er_store_get_subscription(call->api->env->store, call->id, write_one, &one, &err);
    er_one_finish(&one, code, &err);
}

/* ---- POST, PUT, PATCH */

static enum er_code build_put(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    struct er_plan_put put = {
        .mode = call->mode, .precondition = &call->precondition, .pointer = ER_STR(""), .problems = &call->problems
    };
    enum er_code code = er_plan_put_subscription(plan, call->rules[0], &put, err);

    if (code != ER_OK) {
        return code;
    }
    call->result = put.result;
    call->result_id = er_arena_dup(call->arena, put.id);
    return call->result_id.p == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory") : ER_OK;
}

/* A dry run shows the document as it would be stored, without the members that only storing gives. */
static void answer_dry_run(struct er_call *call, int status)
{
    struct er_json_writer w;

    er_reply_json(&call->reply, status, &w);
    er_document_write_rule(&w, call->rules[0], call->result_id);
}

static void answer_put(struct er_call *call, const struct er_change_result *result)
{
    struct er_one one = { .call = call, .status = call->result == ER_PUT_CREATED ? 201 : 200 };
    struct er_err err;
    enum er_code code;

    (void)result;
    if (call->change.dry_run) {
        answer_dry_run(call, one.status);
        return;
    }
    if (call->result == ER_PUT_CREATED) {
        er_reply_header(&call->reply, "Location", "/v1/subscriptions/%.*s", ER_STR_ARG(call->result_id));
    }
    code = er_store_get_subscription(call->api->env->store, call->result_id, write_one, &one, &err);
    er_one_check(&one, code, &err);
}

void er_api_post_subscription(struct er_call *call)
{
    if (!er_call_no_precondition(call) || !er_call_read_body(call, 0) ||
        !er_document_read(call, call->body, (struct er_str){ NULL, 0 })) {
        return;
    }
    call->mode = ER_PUT_CREATE;
    er_call_submit(call, build_put, answer_put);
}

void er_api_put_subscription(struct er_call *call)
{
    if (!er_call_read_precondition(call) || !er_call_read_body(call, 0) || !er_document_read(call, call->body, call->id)) {
        return;
    }
    call->mode = ER_PUT_ANY;
    er_call_submit(call, build_put, answer_put);
}

static bool copy_document(void *ctx, const struct er_store_subscription *row)
{
    struct er_call *call = ctx;

    call->result_id = er_arena_dup(call->arena, row->document);
    return false;
}

/* The patch applies to the document as it is when its turn has come. */
static enum er_code build_patch(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    struct er_json *stored;
    const struct er_json *merged;
    enum er_code code = er_store_get_subscription(call->api->env->store, call->id, copy_document, call, err);

    if (code == ER_E_NOT_FOUND && call->precondition.if_match) {
        return er_err_set(err, ER_E_PRECONDITION, "If-Match does not hold: the document does not exist");
    }
    if (code != ER_OK) {
        return code;
    }
    if (call->result_id.p == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    code = er_json_parse(call->arena, call->result_id, STORED_DEPTH, &stored, err);
    if (code != ER_OK) {
        return code == ER_E_NOMEM ? code
                                  : er_err_set(err, ER_E_STORE_CORRUPT, "stored document %.*s is not JSON", ER_STR_ARG(call->id));
    }
    merged = er_merge_patch(call->arena, stored, call->body);
    if (merged == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    code = er_document_read_rule(call, merged, er_merge_patch_bytes(merged), call->id, err);
    return code == ER_OK ? build_put(call, plan, err) : code;
}

void er_api_patch_subscription(struct er_call *call)
{
    if (!er_call_read_precondition(call) || !er_call_read_body(call, 0)) {
        return;
    }
    /* merging takes time for each pair of members: nothing of that size could be stored anyway */
    if (call->body->end - call->body->offset > call->api->env->policy->limits.document_bytes) {
        er_call_fail(call, ER_E_RULE_TOO_LARGE, "the patch is larger than a subscription document may be, 64 KiB", NULL);
        return;
    }
    call->mode = ER_PUT_EXISTING;
    er_call_submit(call, build_patch, answer_put);
}

/* ---- DELETE */

static enum er_code build_delete(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    return er_plan_delete_subscription(plan, call->id, &call->precondition, err);
}

static void answer_delete(struct er_call *call, const struct er_change_result *result)
{
    (void)result;
    call->reply.status = 204;
}

void er_api_delete_subscription(struct er_call *call)
{
    if (er_call_read_precondition(call)) {
        er_call_submit(call, build_delete, answer_delete);
    }
}
