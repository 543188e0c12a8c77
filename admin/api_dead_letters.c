/* /v1/dead-letters, /v1/dead-letters/{ref} and /v1/dead-letters/{ref}/retry. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "admin/etag.h"
#include "admin/letter.h"
#include "admin/routes.h"
#include "rules/base/when.h"

enum { COLLECTION = 'd' };

/* What a call about dead letters keeps while the router works; in the call's arena. */
struct work {
    struct er_letters_request read;
    struct er_letters_request send;
    struct er_store_letter key;
    struct er_store_retry before; /* what the store knew of the letter */
    bool again;
};

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct work *new_work(struct er_call *call)
{
    struct work *work = er_arena_calloc(call->arena, 1, sizeof *work);

    if (work == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return NULL;
    }
    work->read.arena = work->send.arena = call->arena;
    work->read.arg = work->send.arg = call;
    call->work = work;
    return work;
}

static void submit(struct er_call *call, struct er_letters_request *request)
{
    const struct er_admin_env *env = call->api->env;

    env->letters(env->ctx, request);
}

/* Ends the call unless there is a good answer. */
static bool has_answer(struct er_call *call, const struct er_letters_request *request)
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

    if (!has_answer(call, request)) {
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
    struct work *work;
    struct er_page page;

    if (!er_call_page(call, COLLECTION, &page) || (work = new_work(call)) == NULL) {
        return;
    }
    work->read.op = ER_LETTERS_LIST;
    work->read.limit = page.limit;
    work->read.done = list_done;
    if (!er_call_flag(call, "brief", &work->read.brief) || !read_filter(call, &work->read.filter) ||
        !read_place(call, page.after_id, &work->read)) {
        return;
    }
    submit(call, &work->read);
}

/* ---- One */

static void get_done(void *arg, struct er_letters_request *request)
{
    struct er_call *call = arg;
    struct er_store_retry retry;
    struct er_json_writer w;
    struct er_err err;
    enum er_code code;

    if (!has_answer(call, request)) {
        return;
    }
    code = retry_of(call, request->letters, &retry, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    er_letter_write(&w, request->letters, &retry, false);
    er_call_finish(call);
}

/* Asks for the letter of the path. */
static void read_one(struct er_call *call, struct work *work, void (*done)(void *arg, struct er_letters_request *request))
{
    work->read.op = ER_LETTERS_READ;
    work->read.done = done;
    if (!er_letter_ref_read(call->id, &work->read.place)) {
        er_call_fail(call, ER_E_NOT_FOUND, "there is no such dead letter",
                     "a ref is PARTITION-OFFSET, as GET /v1/dead-letters shows it");
        return;
    }
    submit(call, &work->read);
}

void er_api_get_dead_letter(struct er_call *call)
{
    struct work *work = new_work(call);

    if (work != NULL) {
        read_one(call, work, get_done);
    }
}

/* ---- Retry
 *
 *   read the letter -> is there somebody to send it to? -> the store: begun -> send -> the store: sent, or as before
 *
 * Where the outcome is not known, the store goes on saying so: nothing is sent twice unless that is asked for. */

struct receiver {
    struct er_call *call;
    struct work *work;
    bool paused;
    bool no_memory;
};

static bool find_receiver(void *ctx, const struct er_store_subscriber *row)
{
    struct receiver *receiver = ctx;

    receiver->paused = row->state == ER_SUBSCRIBER_PAUSED;
    receiver->work->send.topic = er_arena_dup(receiver->call->arena, row->topic);
    receiver->no_memory = receiver->work->send.topic.p == NULL;
    return false;
}

/* Whom the letter is for, and whether it may go there. */
static enum er_code check_receiver(struct er_call *call, struct work *work, const struct er_letter *letter, struct er_err *err)
{
    struct receiver receiver = { .call = call, .work = work };
    enum er_code code;

    if (letter->truncated >= 0) {
        return er_err_set(err, ER_E_LETTER_TRUNCATED,
                          "%" PRId64 " bytes of the event are not in the dead letter; its source record is %.*s", letter->truncated,
                          ER_STR_ARG(letter->source));
    }
    if (letter->subscriber.n == 0) {
        return er_err_set(err, ER_E_LETTER_NO_SUBSCRIBER,
                          "the dead letter is about the event itself, not about the copy of a subscriber; correct the event and "
                          "publish it to its source topic (%.*s)",
                          ER_STR_ARG(letter->source));
    }
    code = er_store_get_subscriber(call->api->env->store, letter->subscriber, find_receiver, &receiver, err);
    if (code == ER_E_NOT_FOUND) {
        return er_err_set(err, ER_E_LETTER_NO_SUBSCRIBER, "subscriber %.*s does not exist any more; create it again to send this",
                          ER_STR_ARG(letter->subscriber));
    }
    if (code == ER_OK && receiver.paused) {
        return er_err_set(err, ER_E_SUBSCRIBER_PAUSED, "subscriber %.*s is paused; resume it first",
                          ER_STR_ARG(letter->subscriber));
    }
    return code == ER_OK && receiver.no_memory ? er_err_set(err, ER_E_NOMEM, "out of memory") : code;
}

static enum er_code begin(struct er_call *call, struct work *work, const struct er_letter *letter, struct er_err *err)
{
    const struct er_store_retry begun = { ER_RETRY_UNKNOWN, now_ms() };
    struct er_store *store = call->api->env->store;
    enum er_code code;

    work->key = er_letter_key(letter);
    code = er_store_retry_get(store, &work->key, &work->before, err);
    if (code == ER_OK && work->before.state != ER_RETRY_NONE && !work->again) {
        return er_err_set(
            err, ER_E_LETTER_RETRIED,
            work->before.state == ER_RETRY_SENT
                ? "the dead letter was sent again already; again=true sends it once more"
                : "a retry of the dead letter was begun and perhaps written; again=true sends it, perhaps a second time");
    }
    return code == ER_OK ? er_store_retry_set(store, &work->key, &begun, err) : code;
}

static void answer_sent(struct er_call *call, const struct work *work)
{
    const struct er_letter *letter = work->send.letter;
    char ref[ER_LETTER_REF_MAX];
    struct er_json_writer w;

    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_string(&w, "ref", er_letter_ref_write(letter->place, ref));
    er_jw_member_string(&w, "subscriber", letter->subscriber);
    er_jw_member_string(&w, "topic", work->send.topic);
    er_jw_member_uint(&w, "partition", (uint64_t)work->send.sent.partition);
    er_jw_member_uint(&w, "offset", (uint64_t)work->send.sent.offset);
    er_jw_member_uint(&w, "attempts", letter->attempts < 0 ? 1 : (uint64_t)letter->attempts + 1);
    er_jw_end(&w);
    er_call_finish(call);
}

/* The record is there, or not: what the store says cannot change that any more. */
static void remember(struct er_call *call, const struct work *work)
{
    const struct er_store_retry sent = { ER_RETRY_SENT, now_ms() };
    const struct er_admin_env *env = call->api->env;
    struct er_err err;

    if (!work->send.unknown &&
        er_store_retry_set(env->store, &work->key, work->send.code == ER_OK ? &sent : &work->before, &err) != ER_OK) {
        env->warn(env->ctx, &err);
    }
}

static void send_done(void *arg, struct er_letters_request *request)
{
    struct er_call *call = arg;
    struct work *work = call->work;

    if (!call->api->closed) {
        remember(call, work);
    }
    if (has_answer(call, request)) {
        answer_sent(call, work);
    }
}

static void retry_read(void *arg, struct er_letters_request *request)
{
    struct er_call *call = arg;
    struct work *work = call->work;
    struct er_err err;
    enum er_code code;

    if (!has_answer(call, request)) {
        return;
    }
    code = check_receiver(call, work, request->letters, &err);
    if (code == ER_OK) {
        code = begin(call, work, request->letters, &err);
    }
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    work->send.op = ER_LETTERS_SEND;
    work->send.letter = request->letters;
    work->send.done = send_done;
    submit(call, &work->send);
}

void er_api_retry_dead_letter(struct er_call *call)
{
    struct work *work = new_work(call);

    if (work != NULL && er_call_flag(call, "again", &work->again)) {
        read_one(call, work, retry_read);
    }
}
