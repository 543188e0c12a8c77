/* GET /v1/dead-letters and /v1/dead-letters/{ref}. */
#include "admin/api_dead_letters.h"

#include <stdio.h>
#include <time.h>
#include "admin/etag.h"
#include "admin/letter.h"
#include "admin/routes.h"
#include "rules/base/when.h"

enum { COLLECTION = 'd' };

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct er_letters_request *er_letters_request_new(struct er_call *call, enum er_letters_op op, er_letters_done *done)
{
    struct er_letters_request *request = er_arena_calloc(call->arena, 1, sizeof *request);

    if (request == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return NULL;
    }
    request->op = op;
    request->arena = call->arena;
    request->done = done;
    request->arg = call;
    return request;
}

void er_letters_submit(struct er_call *call, struct er_letters_request *request)
{
    const struct er_admin_env *env = call->api->env;

    env->letters(env->ctx, request);
}

bool er_letters_answered(struct er_call *call, const struct er_letters_request *request)
{
    if (call->api->closed) {
        er_call_fail(call, ER_E_UNAVAILABLE, "the router is shutting down", NULL);
        return false;
    }
    if (request->code != ER_OK) {
        er_call_refuse(call, request->code, &request->err);
        return false;
    }
    return true;
}

bool er_letters_read_one(struct er_call *call, struct er_letters_request *request)
{
    request->items = er_arena_calloc(call->arena, 1, sizeof *request->items);
    request->n_items = 1;
    if (request->items == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return false;
    }
    if (!er_letter_ref_read(call->id, &request->items->place)) {
        er_call_fail(call, ER_E_NOT_FOUND, "there is no such dead letter",
                     "a ref is PARTITION-OFFSET, as GET /v1/dead-letters shows it");
        return false;
    }
    return true;
}

static enum er_code retry_of(struct er_call *call, const struct er_letter *letter, struct er_store_retry *out, struct er_err *err)
{
    const struct er_store_letter key = er_letter_key(letter);

    return er_store_retry_get(call->api->env->store, &key, out, err);
}

/* ---- Lists */

static bool refuse_param(struct er_call *call, const char *detail, const char *hint)
{
    er_call_fail(call, ER_E_REQUEST, detail, hint);
    return false;
}

static bool read_time(struct er_call *call, const char *name, int64_t *out)
{
    struct er_str text = er_call_text(call, name);
    char detail[64];

    *out = ER_LETTER_NO_TIME;
    if (text.p == NULL || er_when_parse_or_ago(text, now_ms(), out)) {
        return true;
    }
    (void)snprintf(detail, sizeof detail, "query parameter \"%s\" is no time", name);
    return refuse_param(call, detail, "write 2026-11-21T09:05:40Z, or how long ago: 90s, 15m, 2h, 7d");
}

static bool read_filter(struct er_call *call, struct er_letters_filter *filter)
{
    filter->code = er_call_text(call, "reason");
    filter->stage = er_call_text(call, "stage");
    filter->subscriber = er_call_text(call, "subscriber");
    if (filter->code.n > 0 && (filter->code.n != 4 || filter->code.p[0] != 'E')) {
        return refuse_param(call, "query parameter \"reason\" is no error code", "write for example reason=E604");
    }
    if (filter->stage.n > 0 && !er_str_eq(filter->stage, ER_STR("parse")) && !er_str_eq(filter->stage, ER_STR("match")) &&
        !er_str_eq(filter->stage, ER_STR("produce"))) {
        return refuse_param(call, "query parameter \"stage\" must be parse, match or produce", NULL);
    }
    return read_time(call, "since", &filter->since_ms) && read_time(call, "until", &filter->until_ms);
}

static bool read_place(struct er_call *call, struct er_str token, struct er_letters_request *request)
{
    struct er_letter_refs refs = { NULL, 0 };
    enum er_code code = token.p == NULL ? ER_OK : er_letter_refs_read(call->arena, token, &refs);

    if (code != ER_OK) {
        er_call_fail(call, code, "page_token is not one that this server gave out for this list", NULL);
    }
    request->before = refs.places;
    request->n_before = refs.n;
    return code == ER_OK;
}

static void write_next(struct er_call *call, struct er_json_writer *w, const struct er_letters_request *request)
{
    struct er_str token = { NULL, 0 };

    er_jw_key(w, ER_STR("next_page_token"));
    if (request->n_next > 0) {
        token = er_letter_refs_write(call->arena, request->next, request->n_next);
        token = token.p == NULL ? token : er_page_token(call->arena, COLLECTION, token);
        w->buf->failed = w->buf->failed || token.p == NULL;
    }
    if (token.p == NULL) {
        er_jw_null(w);
    } else {
        er_jw_string(w, token);
    }
}

/* Retention has taken letters: what was remembered of them goes too. It is tried again with the next list. */
static void prune(struct er_call *call, const struct er_letters_request *request)
{
    const struct er_admin_env *env = call->api->env;
    struct er_err err;

    for (size_t i = 0; i < request->n_oldest; i++) {
        const struct er_letter_place *oldest = &request->oldest[i];

        if (oldest->offset > 0 &&
            er_store_retry_prune(env->store, er_str_of(env->dead_letter_topic), oldest->partition, oldest->offset, &err) != ER_OK) {
            env->warn(env->ctx, &err);
            return;
        }
    }
}

static void list_done(void *arg, struct er_letters_request *request)
{
    struct er_call *call = arg;
    struct er_json_writer w;
    enum er_code code = ER_OK;
    struct er_err err;

    if (!er_letters_answered(call, request)) {
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_key(&w, ER_STR("items"));
    er_jw_array(&w);
    for (size_t i = 0; i < request->n_letters && code == ER_OK; i++) {
        struct er_store_retry retry;

        code = retry_of(call, &request->letters[i], &retry, &err);
        if (code == ER_OK) {
            er_letter_write(&w, &request->letters[i], &retry, request->brief);
        }
    }
    if (code != ER_OK) {
        er_reply_free(&call->reply);
        er_call_refuse(call, code, &err);
        return;
    }
    er_jw_end(&w);
    write_next(call, &w, request);
    er_jw_member_uint(&w, "scanned", request->scanned);
    er_jw_end(&w);
    prune(call, request);
    er_call_finish(call);
}

void er_api_list_dead_letters(struct er_call *call)
{
    struct er_letters_request *request;
    struct er_page page;

    if (!er_call_page(call, COLLECTION, &page) || (request = er_letters_request_new(call, ER_LETTERS_LIST, list_done)) == NULL) {
        return;
    }
    request->limit = page.limit;
    if (er_call_flag(call, "brief", &request->brief) && read_filter(call, &request->filter) &&
        read_place(call, page.after_id, request)) {
        er_letters_submit(call, request);
    }
}

/* ---- One */

static void get_done(void *arg, struct er_letters_request *request)
{
    const struct er_letter_item *item = request->items;
    struct er_call *call = arg;
    struct er_store_retry retry;
    struct er_json_writer w;
    struct er_err err;
    enum er_code code;

    if (!er_letters_answered(call, request)) {
        return;
    }
    if (item->code != ER_OK) {
        er_call_refuse(call, item->code, &item->err);
        return;
    }
    code = retry_of(call, item->letter, &retry, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    er_letter_write(&w, item->letter, &retry, false);
    er_call_finish(call);
}

void er_api_get_dead_letter(struct er_call *call)
{
    struct er_letters_request *request = er_letters_request_new(call, ER_LETTERS_READ, get_done);

    if (request != NULL && er_letters_read_one(call, request)) {
        er_letters_submit(call, request);
    }
}
