/* /v1/subscribers and /v1/subscribers/{id}. */
#include "admin/document.h"
#include "admin/etag.h"
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
        er_document_write_subscriber(&list->page.w, row);
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

struct one {
    struct er_call *call;
    const struct er_etag_list *match, *none_match; /* NULL: the answer to a change */
    int status;
};

static bool write_one(void *ctx, const struct er_store_subscriber *row)
{
    struct one *one = ctx;
    struct er_json_writer w;

    if (one->match != NULL && one->match->given && !er_etag_matches(one->match, row->revision, false)) {
        one->status = 412;
        return false;
    }
    er_call_etag(one->call, row->revision);
    if (one->none_match != NULL && one->none_match->given && er_etag_matches(one->none_match, row->revision, true)) {
        one->call->reply.status = 304;
        return false;
    }
    er_reply_json(&one->call->reply, one->status, &w);
    er_document_write_subscriber(&w, row);
    return false;
}

void er_api_get_subscriber(struct er_call *call)
{
    struct er_etag_list match, none_match;
    struct one one = { .call = call, .match = &match, .none_match = &none_match, .status = 200 };
    struct er_err err;
    enum er_code code = er_etag_read(call->arena, call->request, "If-Match", &match, &err);

    if (code == ER_OK) {
        code = er_etag_read(call->arena, call->request, "If-None-Match", &none_match, &err);
    }
    if (code == ER_OK) {
        code = er_store_get_subscriber(call->api->env->store, call->id, write_one, &one, &err);
    }
    if (code == ER_OK && one.status == 412) {
        code = er_err_set(&err, ER_E_PRECONDITION, "If-Match does not hold: the document is another revision");
    }
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_call_finish(call);
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

static void answer_put(struct er_call *call, const struct er_change_result *result)
{
    struct one one = { .call = call, .status = call->result == ER_PUT_CREATED ? 201 : 200 };
    struct er_json_writer w;
    struct er_err err;
    enum er_code code;

    (void)result;
    if (call->change.dry_run) {
        er_reply_json(&call->reply, one.status, &w);
        er_jw_object(&w);
        er_jw_member_string(&w, "id", call->id);
        er_jw_end(&w);
        return;
    }
    if (call->result == ER_PUT_CREATED) {
        er_reply_header(&call->reply, "Location", "/v1/subscribers/%.*s", ER_STR_ARG(call->id));
    }
    code = er_store_get_subscriber(call->api->env->store, call->id, write_one, &one, &err);
    if (code != ER_OK) {
        er_reply_error(&call->reply, &(struct er_reply_error){ 500, code, err.offset, err.text, NULL });
    }
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
