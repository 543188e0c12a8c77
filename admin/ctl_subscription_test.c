/* eventrouterctl subscription test: a subscription, stored or in a file, against events. */
#include "admin/ctl_subscription.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "admin/ctl_documents.h"
#include "admin/ctl_explained.h"
#include "admin/ctl_print.h"

enum { EVENT_DEPTH = 1000 };

static bool is_file(const char *name)
{
    size_t n = strlen(name);

    return strcmp(name, "-") == 0 || (n > 5 && strcmp(name + n - 5, ".json") == 0) || strchr(name, '/') != NULL;
}

static bool add_subscription(struct er_json_writer *w, const char *name)
{
    struct er_ctl_documents documents;
    bool fine = true;

    er_jw_key(w, ER_STR("subscription"));
    if (!is_file(name)) {
        er_jw_string(w, er_str_of(name));
        return true;
    }
    if (!er_ctl_documents_new(&documents)) {
        return false;
    }
    er_ctl_documents_read(&documents, name);
    if (documents.errors == 0 && documents.n != 1) {
        er_ctl_error(ER_E_USAGE, "%s: expected one document, found %zu", name, documents.n);
    }
    fine = documents.errors == 0 && documents.n == 1;
    if (fine) {
        er_jw_raw(w, documents.items[0].text);
    }
    er_ctl_documents_free(&documents);
    return fine;
}

static bool add_event(struct er_json_writer *w, const char *name)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_buf text = { 0 };
    struct er_json *event;
    struct er_err err;
    enum er_code code = arena == NULL ? er_err_set(&err, ER_E_NOMEM, "out of memory") : er_ctl_read_file(name, &text, &err);

    if (code == ER_OK) {
        code = er_json_parse(arena, er_buf_str(&text), EVENT_DEPTH, &event, &err);
    }
    if (code == ER_OK) {
        er_jw_raw(w, (struct er_str){ text.p + event->offset, event->end - event->offset });
    } else {
        er_ctl_error(code, "%s: %s", name, err.text);
    }
    er_buf_free(&text);
    er_arena_free(arena);
    return code == ER_OK;
}

static bool make_request(const struct er_ctl_args *args, struct er_buf *body)
{
    struct er_json_writer w;

    er_jw_init(&w, body);
    er_jw_object(&w);
    if (!add_subscription(&w, er_ctl_operand(args, 0))) {
        return false;
    }
    er_jw_key(&w, ER_STR("events"));
    er_jw_array(&w);
    for (size_t i = 1; i < er_ctl_operands(args); i++) {
        if (!add_event(&w, er_ctl_operand(args, i))) {
            return false;
        }
    }
    er_jw_end(&w);
    er_jw_end(&w);
    if (body->failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    }
    return !body->failed;
}

static bool print_item(struct er_buf *out, const struct er_json *item, const char *name)
{
    const struct er_json *matched = er_json_member(item, ER_STR("matched")), *error = er_json_member(item, ER_STR("error"));

    er_buf_printf(out, "%s: ", name);
    if (error != NULL && error->type == ER_JSON_OBJECT) {
        er_buf_printf(out, "error[%.*s]: %.*s\n", ER_STR_ARG(er_ctl_explained_text(error, "code")),
                      ER_STR_ARG(er_ctl_explained_text(error, "detail")));
        return false;
    }
    er_buf_add(out, er_ctl_explained_text(item, "outcome"));
    er_ctl_explained_summary(out, item);
    er_buf_addc(out, '\n');
    er_ctl_explained_conditions(out, item);
    return matched != NULL && matched->type == ER_JSON_TRUE;
}

static enum er_ctl_exit print(const struct er_ctl *ctl, const struct er_ctl_args *args, const struct er_json *answer)
{
    const struct er_json *items = er_json_member(answer, ER_STR("items"));
    bool json = ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL, all = true;
    struct er_buf out = { 0 };
    size_t n = 1;

    for (const struct er_json *item = items == NULL ? NULL : items->first; item != NULL && n < er_ctl_operands(args);
         item = item->next) {
        all = print_item(&out, item, er_ctl_operand(args, n++)) && all;
    }
    if (json) {
        er_ctl_print_document(ctl, answer);
    } else if (!out.failed) {
        er_ctl_put(er_buf_str(&out));
    }
    er_buf_free(&out);
    return all && n == er_ctl_operands(args) ? ER_CTL_OK : ER_CTL_NEGATIVE;
}

enum er_ctl_exit er_ctl_run_subscription_test(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_request request = { .method = "POST", .target = "/v1/test" };
    struct er_ctl_session session = { NULL, NULL };
    struct er_buf body = { 0 };
    const struct er_json *answer = NULL;
    enum er_ctl_exit result = make_request(args, &body) ? er_ctl_session_open(ctl, args, &session) : ER_CTL_USAGE;

    if (result == ER_CTL_OK) {
        request.body = er_buf_str(&body);
        result = er_ctl_call(&session, &request, NULL, &answer);
    }
    if (result == ER_CTL_OK) {
        result = print(ctl, args, answer);
    }
    er_ctl_session_close(&session);
    er_buf_free(&body);
    return result;
}
