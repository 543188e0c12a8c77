/* POST /v1/validate: what would be wrong with these documents? Nothing is stored. */
#include "admin/advice.h"
#include "admin/bulk.h"
#include "admin/document.h"
#include "admin/routes.h"

static void write_lists(struct er_call *call, const struct er_problems *lint, struct er_json_writer *w)
{
    er_jw_key(w, ER_STR("errors"));
    er_problems_write(&call->problems, w);
    er_jw_key(w, ER_STR("warnings"));
    er_problems_write(&call->warnings, w);
    er_jw_key(w, ER_STR("lint"));
    er_problems_write(lint, w);
    er_jw_end(w);
}

static enum er_code check(struct er_call *call, struct er_err *err)
{
    enum er_code code;

    if (call->body->type == ER_JSON_ARRAY) {
        code = er_document_read_all(call, call->body, err);
    } else {
        code = er_document_read_rule(call, call->body, call->body->end - call->body->offset, (struct er_str){ NULL, 0 }, err);
    }
    if (code != ER_E_NOMEM) {
        code = er_bulk_find_conflicts(call, err);
    }
    return code;
}

void er_api_validate(struct er_call *call)
{
    struct er_problems lint;
    struct er_json_writer w;
    struct er_err err;
    enum er_code code;

    if (!er_call_read_body(call, 1)) {
        return;
    }
    code = check(call, &err);
    if (code != ER_OK && (call->problems.n == 0 || er_code_http_status(code) >= 500)) { /* not the documents' fault */
        er_call_refuse(call, code, &err);
        return;
    }
    er_problems_init(&lint, call->arena);
    code = er_advice(call, &lint, &err);
    if (code != ER_OK) {
        call->problems.n = 0;
        er_call_refuse(call, code, &err);
        return;
    }
    if (call->problems.n > 0) {
        struct er_str summary = er_problems_summary(&call->problems);

        er_reply_problem(&call->reply, 422, call->problems.first->code, summary.p == NULL ? "" : summary.p, &w);
    } else {
        er_reply_json(&call->reply, 200, &w);
        er_jw_object(&w);
    }
    write_lists(call, &lint, &w);
    er_call_finish(call);
}
