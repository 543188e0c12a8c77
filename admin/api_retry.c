/* POST /v1/dead-letters/{ref}/retry and /v1/dead-letters/retry.
 *
 *   read the letters -> is there somebody to send each to? -> the store: begun -> send -> the store: sent, or as before
 *
 * Where the outcome is not known, the store goes on saying so: nothing is sent twice unless that is asked for. */
#include <inttypes.h>
#include <time.h>
#include "admin/api_dead_letters.h"
#include "admin/letter.h"
#include "admin/routes.h"

enum { MOST_REFS = 200 };

/* What becomes of one letter. */
struct retry {
    struct er_letter_item *read, *send; /* send: NULL when it is refused */
    enum er_code code;
    struct er_err err;
};

/* What a call keeps while the router works; in the call's arena, as is what it points to. */
struct work {
    struct retry *retries;
    size_t n;
    struct er_letters_request *read, *send;
    struct er_store_letter *keys;  /* of what is sent, */
    struct er_store_retry *before; /* and what the store knew of it */
    bool again;
    bool single; /* the answer is about one letter */
};

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Answers */

static void write_sent(struct er_json_writer *w, const struct retry *retry)
{
    const struct er_letter *letter = retry->send->letter;

    er_jw_member_string(w, "subscriber", letter->subscriber);
    er_jw_member_string(w, "topic", retry->send->topic);
    er_jw_member_uint(w, "partition", (uint64_t)retry->send->sent.partition);
    er_jw_member_uint(w, "offset", (uint64_t)retry->send->sent.offset);
    er_jw_member_uint(w, "attempts", letter->attempts < 0 ? 1 : (uint64_t)letter->attempts + 1);
}

static void write_item(struct er_json_writer *w, const struct retry *retry)
{
    char ref[ER_LETTER_REF_MAX];

    er_jw_object(w);
    er_jw_member_string(w, "ref", er_letter_ref_write(retry->read->place, ref));
    if (retry->code == ER_OK) {
        write_sent(w, retry);
    } else {
        er_jw_member_string(w, "code", er_str_of(er_code_name(retry->code)));
        er_jw_member_string(w, "detail", er_str_of(retry->err.text));
    }
    er_jw_end(w);
}

static void answer(struct er_call *call, const struct work *work)
{
    struct er_json_writer w;

    if (work->single && work->retries->code != ER_OK) {
        er_call_refuse(call, work->retries->code, &work->retries->err);
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    if (work->single) {
        write_item(&w, work->retries);
    } else {
        er_jw_object(&w);
        er_jw_key(&w, ER_STR("items"));
        er_jw_array(&w);
        for (size_t i = 0; i < work->n; i++) {
            write_item(&w, &work->retries[i]);
        }
        er_jw_end(&w);
        er_jw_end(&w);
    }
    er_call_finish(call);
}

/* ---- Sent */

/* A record is there, or not: what the store says cannot change that any more. */
static void remember(struct er_call *call, const struct work *work)
{
    const struct er_admin_env *env = call->api->env;
    const struct er_store_retry sent = { ER_RETRY_SENT, now_ms() };
    bool none = work->send->code != ER_OK;
    struct er_err err;
    size_t n = 0;

    for (size_t i = 0; i < work->send->n_items; i++) {
        const struct er_letter_item *item = &work->send->items[i];

        if (none || !item->unknown) {
            work->keys[n] = work->keys[i];
            work->before[n++] = !none && item->code == ER_OK ? sent : work->before[i];
        }
    }
    if (er_store_retry_set(env->store, work->keys, work->before, n, &err) != ER_OK) {
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
    if (!er_letters_answered(call, request)) {
        return;
    }
    for (size_t i = 0; i < work->n; i++) {
        struct retry *retry = &work->retries[i];

        if (retry->send != NULL && retry->send->code != ER_OK) {
            retry->code = retry->send->code;
            retry->err = retry->send->err;
        }
    }
    answer(call, work);
}

/* ---- Read */

struct receiver {
    struct er_call *call;
    struct er_str topic;
    bool paused;
};

static bool find_receiver(void *ctx, const struct er_store_subscriber *row)
{
    struct receiver *receiver = ctx;

    receiver->paused = row->state == ER_SUBSCRIBER_PAUSED;
    receiver->topic = er_arena_dup(receiver->call->arena, row->topic);
    return false;
}

/* Whom the letter is for, and whether it may go there. */
static enum er_code check_receiver(struct er_call *call, const struct er_letter *letter, struct er_str *topic, struct er_err *err)
{
    struct receiver receiver = { .call = call };
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
    *topic = receiver.topic;
    return code == ER_OK && topic->p == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory") : code;
}

static bool is_named_before(const struct work *work, size_t i)
{
    const struct er_letter_place *place = &work->retries[i].read->place;

    for (size_t j = 0; j < i; j++) {
        const struct er_letter_place *other = &work->retries[j].read->place;

        if (other->partition == place->partition && other->offset == place->offset) {
            return true;
        }
    }
    return false;
}

static enum er_code check_memory(struct er_call *call, struct work *work, size_t i, struct er_err *err)
{
    size_t at = work->send->n_items;
    enum er_code code;

    if (is_named_before(work, i)) {
        return er_err_set(err, ER_E_LETTER_RETRIED, "the request names the dead letter twice");
    }
    work->keys[at] = er_letter_key(work->retries[i].read->letter);
    code = er_store_retry_get(call->api->env->store, &work->keys[at], &work->before[at], err);
    if (code != ER_OK || work->before[at].state == ER_RETRY_NONE || work->again) {
        return code;
    }
    return er_err_set(err, ER_E_LETTER_RETRIED,
                      work->before[at].state == ER_RETRY_SENT
                          ? "the dead letter was sent again already; again=true sends it once more"
                          : "a retry of the dead letter was begun and perhaps written; again=true sends it, perhaps a second time");
}

/* Decides about one letter; it joins those that are sent. */
static void decide(struct er_call *call, struct work *work, size_t i)
{
    struct retry *retry = &work->retries[i];
    struct er_letter_item *item = &work->send->items[work->send->n_items];

    retry->code = retry->read->code;
    retry->err = retry->read->err;
    if (retry->code == ER_OK) {
        retry->code = check_receiver(call, retry->read->letter, &item->topic, &retry->err);
    }
    if (retry->code == ER_OK) {
        retry->code = check_memory(call, work, i, &retry->err);
    }
    if (retry->code == ER_OK) {
        item->letter = retry->read->letter;
        retry->send = item;
        work->send->n_items++;
    }
}

/* Before anything is sent it is on disk that it may have been. */
static enum er_code begin(struct er_call *call, const struct work *work, struct er_err *err)
{
    struct er_store_retry *begun = er_arena_calloc(call->arena, work->n + 1, sizeof *begun);

    if (begun == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < work->send->n_items; i++) {
        begun[i] = (struct er_store_retry){ ER_RETRY_UNKNOWN, now_ms() };
    }
    return er_store_retry_set(call->api->env->store, work->keys, begun, work->send->n_items, err);
}

static void read_done(void *arg, struct er_letters_request *request)
{
    struct er_call *call = arg;
    struct work *work = call->work;
    struct er_err err;
    enum er_code code;

    if (!er_letters_answered(call, request)) {
        return;
    }
    for (size_t i = 0; i < work->n; i++) {
        work->retries[i].read = &request->items[i];
        decide(call, work, i);
    }
    if (work->send->n_items == 0) {
        answer(call, work);
        return;
    }
    code = begin(call, work, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_letters_submit(call, work->send);
}

/* ---- Requests */

/* Everything that is needed for n letters. NULL: the call has ended. */
static struct work *new_work(struct er_call *call, size_t n)
{
    struct work *work = er_arena_calloc(call->arena, 1, sizeof *work);

    if (work != NULL) {
        work->n = n;
        work->retries = er_arena_calloc(call->arena, n + 1, sizeof *work->retries);
        work->keys = er_arena_calloc(call->arena, n + 1, sizeof *work->keys);
        work->before = er_arena_calloc(call->arena, n + 1, sizeof *work->before);
    }
    if (work == NULL || work->retries == NULL || work->keys == NULL || work->before == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return NULL;
    }
    work->read = er_letters_request_new(call, ER_LETTERS_READ, read_done);
    work->send = work->read == NULL ? NULL : er_letters_request_new(call, ER_LETTERS_SEND, send_done);
    if (work->send == NULL) {
        return NULL;
    }
    work->send->items = er_arena_calloc(call->arena, n + 1, sizeof *work->send->items);
    if (work->send->items == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return NULL;
    }
    call->work = work;
    return work;
}

void er_api_retry_dead_letter(struct er_call *call)
{
    struct work *work = new_work(call, 1);

    if (work == NULL || !er_call_flag(call, "again", &work->again) || !er_letters_read_one(call, work->read)) {
        return;
    }
    work->single = true;
    er_letters_submit(call, work->read);
}

/* The body {"refs":[...]}. NULL: problems were noted. */
static const struct er_json *read_refs(struct er_call *call)
{
    const struct er_json *refs = NULL;

    if (call->body->type != ER_JSON_OBJECT) {
        er_problems_add(&call->problems, ER_E_RULE_TYPE, ER_STR(""), ER_NO_OFFSET, NULL, "expected an object, found %s",
                        er_json_type_name(call->body->type));
        return NULL;
    }
    for (const struct er_json *member = call->body->first; member != NULL; member = member->next) {
        if (er_str_eq(member->key, ER_STR("refs"))) {
            refs = member;
        } else {
            er_problems_add(&call->problems, ER_E_RULE_UNKNOWN_MEMBER, er_pointer_push(call->arena, ER_STR(""), member->key),
                            ER_NO_OFFSET, "leave it out", "the body has only the member \"refs\"");
        }
    }
    if (refs == NULL || refs->type != ER_JSON_ARRAY || refs->n == 0 || refs->n > MOST_REFS) {
        er_problems_add(&call->problems, refs == NULL ? ER_E_RULE_REQUIRED : ER_E_RULE_LIMIT, ER_STR("/refs"), ER_NO_OFFSET, NULL,
                        "\"refs\" must be an array of 1 to %d dead letters", MOST_REFS);
        return NULL;
    }
    return refs;
}

static bool read_places(struct er_call *call, const struct er_json *refs, struct er_letters_request *request)
{
    size_t i = 0;

    request->items = er_arena_calloc(call->arena, refs->n, sizeof *request->items);
    request->n_items = refs->n;
    if (request->items == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return false;
    }
    for (const struct er_json *ref = refs->first; ref != NULL; ref = ref->next, i++) {
        if (ref->type != ER_JSON_STRING || !er_letter_ref_read(ref->text, &request->items[i].place)) {
            er_problems_add(&call->problems, ER_E_RULE_TYPE, er_pointer_push_index(call->arena, ER_STR("/refs"), i), ER_NO_OFFSET,
                            "GET /v1/dead-letters shows them", "expected PARTITION-OFFSET in a string");
        }
    }
    if (call->problems.n > 0) {
        er_call_refuse(call, call->problems.first->code, NULL);
        return false;
    }
    return true;
}

void er_api_retry_dead_letters(struct er_call *call)
{
    const struct er_json *refs;
    struct work *work;

    if (!er_call_read_body(call, 0)) {
        return;
    }
    refs = read_refs(call);
    if (call->problems.n > 0) {
        er_call_refuse(call, call->problems.first->code, NULL);
        return;
    }
    work = new_work(call, refs->n);
    if (work != NULL && er_call_flag(call, "again", &work->again) && read_places(call, refs, work->read)) {
        er_letters_submit(call, work->read);
    }
}
