#include "admin/one.h"

bool er_one_read(struct er_call *call, struct er_one *out)
{
    struct er_err err;
    enum er_code code;

    *out = (struct er_one){ .call = call, .status = 200 };
    code = er_etag_read(call->arena, call->request, "If-Match", &out->match, &err);
    if (code == ER_OK) {
        code = er_etag_read(call->arena, call->request, "If-None-Match", &out->none_match, &err);
    }
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

bool er_one_wants(struct er_one *one, uint64_t revision, struct er_json_writer *w)
{
    struct er_reply *reply = &one->call->reply;

    one->failed = one->match.given && !er_etag_matches(&one->match, revision, false);
    if (one->failed) {
        return false;
    }
    er_call_etag(one->call, revision);
    if (one->none_match.given && er_etag_matches(&one->none_match, revision, true)) {
        reply->status = 304;
        return false;
    }
    er_reply_json(reply, one->status, w);
    return true;
}

void er_one_finish(struct er_one *one, enum er_code code, struct er_err *err)
{
    if (code == ER_OK && one->failed) {
        code = er_err_set(err, ER_E_PRECONDITION, "If-Match does not hold: the document is another revision");
    }
    if (code == ER_OK) {
        er_call_finish(one->call);
    } else {
        er_call_refuse(one->call, code, err);
    }
}

void er_one_check(struct er_one *one, enum er_code code, const struct er_err *err)
{
    if (code != ER_OK) {
        er_reply_error(&one->call->reply, &(struct er_reply_error){ 500, code, err->offset, err->text, NULL });
    }
}
