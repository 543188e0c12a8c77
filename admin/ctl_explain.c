/* eventrouterctl explain: what the running router does with one event, and why. */
#include <stdio.h>

#include "admin/ctl_call.h"
#include "admin/ctl_events.h"
#include "admin/ctl_explained.h"
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"
#include "rules/base/utf8.h"
#include "rules/engine/ruleset.h"

enum { MAX_LIMIT = 1000, EVENT_DEPTH = 1000 };

/* ---- request */

/* JSON goes as it is; other text in a string, so that the daemon says what is wrong with it. Bytes that are no text at all cannot be sent. */
static enum er_ctl_exit add_event(struct er_json_writer *w, struct er_str text)
{
    struct er_arena *arena = er_arena_new(0);
    size_t good = er_utf8_check(text);
    struct er_json *event;
    struct er_err err;
    enum er_code code = arena == NULL ? ER_E_NOMEM : ER_OK;

    if (good < text.n) {
        er_ctl_error(ER_E_JSON_UTF8, "the event is not UTF-8 at byte %zu: it would be a dead letter", good);
        er_arena_free(arena);
        return ER_CTL_NEGATIVE;
    }
    if (code == ER_OK) {
        code = er_json_parse(arena, text, EVENT_DEPTH, &event, &err);
    }
    if (code == ER_OK) {
        er_jw_key(w, ER_STR("event"));
        er_jw_raw(w, (struct er_str){ text.p + event->offset, event->end - event->offset });
    } else {
        er_jw_member_string(w, "value", text);
    }
    er_arena_free(arena);
    return ER_CTL_OK;
}

static void add_headers(struct er_json_writer *w, const struct er_record *envelope)
{
    er_jw_key(w, ER_STR("headers"));
    er_jw_array(w);
    for (size_t i = 0; i < envelope->n_headers; i++) {
        er_jw_object(w);
        er_jw_member_string(w, "name", envelope->headers[i].name);
        er_jw_member_string(w, "value", envelope->headers[i].value);
        er_jw_end(w);
    }
    er_jw_end(w);
}

static bool add_options(struct er_json_writer *w, const struct er_ctl_args *args)
{
    static const char *const texts[] = { "topic", "key", "subscription" };
    const char *limit = er_ctl_value(args, "limit");
    struct er_record envelope;
    size_t n = limit == NULL ? 0 : er_ctl_number("limit", limit, MAX_LIMIT);

    if ((limit != NULL && n == 0) || !er_ctl_envelope(args, &envelope)) {
        return false;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (er_ctl_has(args, texts[i])) {
            er_jw_member_string(w, texts[i], er_str_of(er_ctl_value(args, texts[i])));
        }
    }
    if (n > 0) {
        er_jw_member_uint(w, "limit", n);
    }
    if (envelope.n_headers > 0) {
        add_headers(w, &envelope);
    }
    er_ctl_envelope_free(&envelope);
    return true;
}

static enum er_ctl_exit make_request(const struct er_ctl_args *args, struct er_buf *body)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;
    struct er_err err;
    enum er_code code = er_ctl_read_file(er_ctl_operand(args, 0), &text, &err);
    enum er_ctl_exit result = ER_CTL_USAGE;

    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        return ER_CTL_USAGE;
    }
    er_jw_init(&w, body);
    er_jw_object(&w);
    if (add_options(&w, args)) {
        result = add_event(&w, er_buf_str(&text));
    }
    if (result == ER_CTL_OK) {
        er_jw_end(&w);
    }
    if (body->failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        result = ER_CTL_NEGATIVE;
    }
    er_buf_free(&text);
    return result;
}

/* ---- answer */

static void print_text(const struct er_json *answer)
{
    const struct er_json *totals = er_json_member(answer, ER_STR("totals")), *items = er_json_member(answer, ER_STR("items"));
    const struct er_json *truncated = er_json_member(answer, ER_STR("truncated")), *error = er_json_member(answer, ER_STR("error"));
    struct er_buf out = { 0 };

    if (error != NULL && error->type == ER_JSON_OBJECT) {
        er_ctl_error(ER_E_REQUEST, "the event would be a dead letter: %.*s: %.*s", ER_STR_ARG(er_ctl_explained_text(error, "code")),
                     ER_STR_ARG(er_ctl_explained_text(error, "detail")));
        return;
    }
    er_buf_printf(&out, "%.*s of %.*s subscriptions match (revision %.*s)\n", ER_STR_ARG(er_ctl_explained_text(totals, "matched")),
                  ER_STR_ARG(er_ctl_explained_text(totals, "subscriptions")),
                  ER_STR_ARG(er_ctl_explained_text(answer, "revision")));
    for (const struct er_json *item = items == NULL ? NULL : items->first; item != NULL; item = item->next) {
        er_buf_printf(&out, "%-9.*s %.*s (subscriber %.*s)", ER_STR_ARG(er_ctl_explained_text(item, "outcome")),
                      ER_STR_ARG(er_ctl_explained_text(item, "subscription")),
                      ER_STR_ARG(er_ctl_explained_text(item, "subscriber")));
        er_ctl_explained_summary(&out, item);
        er_buf_addc(&out, '\n');
        er_ctl_explained_conditions(&out, item);
    }
    if (truncated != NULL && truncated->type == ER_JSON_TRUE) {
        er_buf_add(&out, ER_STR("... and more; --limit or --subscription shows them\n"));
    }
    if (out.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    } else {
        er_ctl_put(er_buf_str(&out));
    }
    er_buf_free(&out);
}

/* Of the subscription that was asked for, or of any. */
static bool has_match(const struct er_json *answer)
{
    const struct er_json *items = er_json_member(answer, ER_STR("items"));

    return items != NULL && items->first != NULL && er_str_eq(er_ctl_explained_text(items->first, "outcome"), ER_STR("matched"));
}

static enum er_ctl_exit ask(const struct er_ctl *ctl, struct er_ctl_session *session, const struct er_buf *body)
{
    const struct er_ctl_request request = { .method = "POST", .target = "/v1/explain", .body = er_buf_str(body) };
    const struct er_json *answer = NULL;
    enum er_ctl_exit result = er_ctl_call(session, &request, NULL, &answer);

    if (result != ER_CTL_OK) {
        return result;
    }
    if (ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL) {
        er_ctl_print_document(ctl, answer);
    } else {
        print_text(answer);
    }
    return has_match(answer) ? ER_CTL_OK : ER_CTL_NEGATIVE;
}

static enum er_ctl_exit run(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_session session;
    struct er_buf body = { 0 };
    enum er_ctl_exit result = make_request(args, &body);

    if (result == ER_CTL_OK) {
        result = er_ctl_session_open(ctl, args, &session);
        if (result == ER_CTL_OK) {
            result = ask(ctl, &session, &body);
        }
        er_ctl_session_close(&session);
    }
    er_buf_free(&body);
    return result;
}

static const struct er_ctl_flag flags[] = {
    { "subscription", 0, ER_CTL_VALUE, "ID", "only this one" },
    { "limit", 0, ER_CTL_VALUE, "N", "shows so many subscriptions (default 100, at most 1000)" },
    { "topic", 0, ER_CTL_VALUE, "T", "$kafka.topic of the event" },
    { "key", 0, ER_CTL_VALUE, "K", "$kafka.key of the event" },
    { "header", 0, ER_CTL_VALUES, "NAME=VALUE", "a header of the event" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_command commands[] = {
    { NULL, "EVENT.json", "says which subscriptions would get an event, and which conditions of the others fail", flags, 1, 1,
      run },
    { 0 },
};

const struct er_ctl_noun er_ctl_explain = { "explain", NULL, "why a subscription gets an event, or does not", commands };
