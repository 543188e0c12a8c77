/* /v1/subscribers and /v1/subscribers/{id}. */
#include "admin/document.h"
#include "admin/one.h"
#include "admin/routes.h"

enum { COLLECTION = 's' };

/* ---- List */

struct list {
    struct er_call *call;
    struct er_page_writer page;
};

static bool list_row(void *ctx, const struct er_store_subscriber *row)
{
    struct list *list = ctx;

    if (er_page_wants(list->call, &list->page, row->id)) {
        er_document_write_subscriber(list->call->api->env, &list->page.w, row);
    }
    return !list->page.no_memory;
}

void er_api_list_subscribers(struct er_call *call)
{
    struct list list = { .call = call };
    struct er_page page;
    struct er_err err;
    enum er_code code;

    if (!er_call_page(call, COLLECTION, &page)) {
        return;
    }
    er_page_begin(call, &page, &list.page);
    code = er_store_each_subscriber(call->api->env->store, (struct er_str){ NULL, 0 }, list_row, &list, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_page_end(call, &list.page, COLLECTION);
}

/* ---- One */

static bool write_one(void *ctx, const struct er_store_subscriber *row)
{
    struct er_one *one = ctx;
    struct er_json_writer w;

    if (er_one_wants(one, row->revision, &w)) {
        er_document_write_subscriber(one->call->api->env, &w, row);
    }
    return false;
}

void er_api_get_subscriber(struct er_call *call)
{
    struct er_one one;
    struct er_err err;
    enum er_code code;

    if (!er_one_read(call, &one)) {
        return;
    }
    code = er_store_get_subscriber(call->api->env->store, call->id, write_one, &one, &err);
    er_one_finish(&one, code, &err);
}

/* ---- PUT */

static enum er_code build_put(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    struct er_plan_put put = {
        .mode = ER_PUT_ANY, .precondition = &call->precondition, .pointer = ER_STR(""), .problems = &call->problems
    };
    enum er_code code = er_plan_put_subscriber(plan, call->id, call->body, &put, err);

    call->result = put.result;
    return code;
}

/* The document as it would be stored, without the members that only storing gives. */
static void answer_dry_run(struct er_call *call, const struct er_plan *plan, int status)
{
    struct er_store_subscriber row = { .id = call->id };
    struct er_json_writer w;

    if (!er_plan_subscriber(plan, call->id, &row)) {
        er_reply_error(&call->reply,
                       &(struct er_reply_error){ 500, ER_E_INTERNAL, ER_NO_OFFSET, "the plan lost the subscriber", NULL });
        return;
    }
    er_reply_json(&call->reply, status, &w);
    er_document_write_planned_subscriber(&w, &row);
}

static void answer_put(struct er_call *call, const struct er_change_result *result)
{
    struct er_one one = { .call = call, .status = call->result == ER_PUT_CREATED ? 201 : 200 };
    struct er_err err;
    enum er_code code;

    if (call->change.dry_run) {
        answer_dry_run(call, result->plan, one.status);
        return;
    }
    if (call->result == ER_PUT_CREATED) {
        er_reply_header(&call->reply, "Location", "/v1/subscribers/%.*s", ER_STR_ARG(call->id));
    }
    code = er_store_get_subscriber(call->api->env->store, call->id, write_one, &one, &err);
    er_one_check(&one, code, &err);
}

void er_api_put_subscriber(struct er_call *call)
{
    if (!er_call_read_precondition(call) || !er_call_read_body(call, 0)) {
        return;
    }
    if (call->body->end - call->body->offset > call->api->env->policy->limits.document_bytes) {
        er_call_fail(call, ER_E_RULE_TOO_LARGE, "the subscriber document is larger than 64 KiB", NULL);
        return;
    }
    if (!er_subscriber_id_valid(call->id)) {
        er_call_fail(call, ER_E_RULE_ID, "the subscriber id of the path is illegal",
                     "use 1 to 100 of A-Z a-z 0-9 . _ -, a letter or digit first");
        return;
    }
    er_call_submit(call, build_put, answer_put);
}

/* ---- PUT .../pause and .../resume */

static enum er_code build_state(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    call->result = ER_PUT_UPDATED;
    return er_plan_set_state(plan, call->id, call->flag ? ER_SUBSCRIBER_PAUSED : ER_SUBSCRIBER_ACTIVE, &call->precondition, err);
}

static void submit_state(struct er_call *call, bool paused)
{
    call->flag = paused;
    if (er_call_read_precondition(call)) {
        er_call_submit(call, build_state, answer_put);
    }
}

void er_api_pause_subscriber(struct er_call *call)
{
    submit_state(call, true);
}

void er_api_resume_subscriber(struct er_call *call)
{
    submit_state(call, false);
}

/* ---- DELETE */

static enum er_code build_delete(struct er_call *call, struct er_plan *plan, struct er_err *err)
{
    return er_plan_delete_subscriber(plan, call->id, call->flag, &call->precondition, err);
}

static void answer_delete(struct er_call *call, const struct er_change_result *result)
{
    (void)result;
    call->reply.status = 204;
}

void er_api_delete_subscriber(struct er_call *call)
{
    struct er_str topic = er_call_text(call, "topic");

    if (er_str_eq(topic, ER_STR("delete"))) {
        er_call_fail(call, ER_E_REQUEST, "topic=delete comes in a later version; the topic is kept",
                     "leave it out, and delete the topic with Kafka's own tools");
        return;
    }
    if (topic.p != NULL && !er_str_eq(topic, ER_STR("keep"))) {
        er_call_fail(call, ER_E_REQUEST, "query parameter \"topic\" must be keep", NULL);
        return;
    }
    if (er_call_flag(call, "cascade", &call->flag) && er_call_read_precondition(call)) {
        er_call_submit(call, build_delete, answer_delete);
    }
}
