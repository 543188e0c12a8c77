#include "admin/ctl_call.h"

#include <stdlib.h>
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"

enum { DEFAULT_TIMEOUT_S = 60, MAX_TIMEOUT_S = 86400, PAGE = 1000, ANSWER_DEPTH = 2000 };

size_t er_ctl_number(const char *flag, const char *text, size_t max)
{
    size_t n = 0;

    for (const char *p = text; *p != '\0' && n <= max; p++) {
        n = *p >= '0' && *p <= '9' ? n * 10 + (size_t)(*p - '0') : max + 1;
    }
    if (n < 1 || n > max) {
        er_ctl_error(ER_E_USAGE, "--%s %s is not a number from 1 to %zu", flag, text, max);
        return 0;
    }
    return n;
}

enum er_ctl_exit er_ctl_session_open(const struct er_ctl *ctl, const struct er_ctl_args *args, struct er_ctl_session *out)
{
    const char *timeout = er_ctl_value(args, "timeout");
    size_t seconds = timeout == NULL ? DEFAULT_TIMEOUT_S : er_ctl_number("timeout", timeout, MAX_TIMEOUT_S);
    struct er_err err;
    enum er_code code;

    *out = (struct er_ctl_session){ 0 };
    if (seconds == 0) {
        return ER_CTL_USAGE;
    }
    out->arena = er_arena_new(1 << 16);
    code = out->arena == NULL ? er_err_set(&err, ER_E_NOMEM, "out of memory")
                              : er_ctl_client_new(ctl->socket, (unsigned)seconds * 1000, &out->client, &err);
    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        return ER_CTL_NEGATIVE;
    }
    return ER_CTL_OK;
}

void er_ctl_session_close(struct er_ctl_session *session)
{
    er_ctl_client_free(session->client);
    er_arena_free(session->arena);
    *session = (struct er_ctl_session){ 0 };
}

/* ---- Refusals */

static struct er_str text_of(const struct er_json *object, const char *name)
{
    const struct er_json *member = er_json_member(object, er_str_of(name));

    return member != NULL && (member->type == ER_JSON_STRING || member->type == ER_JSON_NUMBER) ? member->text : ER_STR("");
}

/* The same form as er_ctl_problems; the code is the server's, which may know more codes than this program. */
static void print_problem(const struct er_json *problem, const struct er_ctl_request_options *options)
{
    struct er_str code = text_of(problem, "code"), detail = text_of(problem, "detail"), hint = text_of(problem, "hint");
    struct er_str pointer = text_of(problem, "pointer"), offset = text_of(problem, "offset");
    const char *where = options != NULL && options->place != NULL ? options->place(options->place_ctx, &pointer) : "";

    (void)fprintf(stderr, "error[%.*s]: %s%s", ER_STR_ARG(code), where, *where == '\0' ? "" : ": ");
    (void)fprintf(stderr, "%.*s%s%.*s", ER_STR_ARG(pointer), pointer.n > 0 ? ": " : "", ER_STR_ARG(detail));
    if (offset.n > 0) {
        er_ctl_put_offset(detail, offset);
    }
    if (hint.n > 0) {
        (void)fprintf(stderr, "; %.*s", ER_STR_ARG(hint));
    }
    (void)fputc('\n', stderr);
}

static enum er_ctl_exit refuse(const struct er_ctl_reply *reply, const struct er_json *answer,
                               const struct er_ctl_request_options *options)
{
    const struct er_json *errors = er_json_member(answer, ER_STR("errors"));
    struct er_str detail = text_of(answer, "detail");

    if (errors != NULL && errors->type == ER_JSON_ARRAY && errors->n > 0) {
        for (const struct er_json *problem = errors->first; problem != NULL; problem = problem->next) {
            print_problem(problem, options);
        }
    } else {
        er_ctl_error(ER_E_REQUEST, "the daemon answered with HTTP status %ld%s%.*s", reply->status, detail.n > 0 ? ": " : "",
                     ER_STR_ARG(detail));
    }
    return reply->status == 504 ? ER_CTL_TIMEOUT : ER_CTL_REFUSED;
}

/* ---- Calls */

static void print_warnings(const struct er_buf *warnings)
{
    struct er_str rest = er_buf_str(warnings);

    while (rest.n > 0) {
        size_t n = 0;

        while (n < rest.n && rest.p[n] != '\n') {
            n++;
        }
        (void)fprintf(stderr, "warning: %.*s\n", (int)n, rest.p);
        rest.p += n + 1;
        rest.n -= n + 1;
    }
}

/* The body as a tree in the session's arena; NULL when there is none or it is no JSON. */
static const struct er_json *parse_body(struct er_ctl_session *session, const struct er_ctl_reply *reply)
{
    struct er_str text = reply->body.n > 0 ? er_arena_dup(session->arena, er_buf_str(&reply->body)) : ER_STR("");
    struct er_json *json = NULL;
    struct er_err err;

    if (text.n == 0 || text.p == NULL || er_json_parse(session->arena, text, ANSWER_DEPTH, &json, &err) != ER_OK) {
        return NULL;
    }
    return json;
}

static enum er_ctl_exit judge(struct er_ctl_session *session, const struct er_ctl_reply *reply,
                              const struct er_ctl_request_options *options, const struct er_json **answer)
{
    bool good = reply->status >= 200 && reply->status < 300;

    *answer = parse_body(session, reply);
    if (options != NULL && reply->status == options->accept) {
        good = true;
    }
    if (good && *answer == NULL && reply->body.n > 0) {
        er_ctl_error(ER_E_INTERNAL, "the answer of the daemon is not JSON; is the socket that of eventrouterd?");
        return ER_CTL_REFUSED;
    }
    return good ? ER_CTL_OK : refuse(reply, *answer, options);
}

enum er_ctl_exit er_ctl_call(struct er_ctl_session *session, const struct er_ctl_request *request,
                             const struct er_ctl_request_options *options, const struct er_json **answer)
{
    struct er_ctl_reply reply;
    enum er_ctl_exit result;
    struct er_err err;
    enum er_code code;

    er_arena_reset(session->arena);
    *answer = NULL;
    code = er_ctl_client_call(session->client, request, &reply, &err);
    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        return code == ER_E_TIMEOUT ? ER_CTL_TIMEOUT : code == ER_E_UNREACHABLE ? ER_CTL_UNREACHABLE : ER_CTL_NEGATIVE;
    }
    print_warnings(&reply.warnings);
    if (options != NULL && options->revision != NULL) {
        *options->revision = reply.revision;
    }
    if (options != NULL && options->status != NULL) {
        *options->status = reply.status;
    }
    result = judge(session, &reply, options, answer);
    er_ctl_reply_free(&reply);
    return result;
}

enum er_ctl_exit er_ctl_call_target(struct er_ctl_session *session, const char *method, struct er_buf *target,
                                    const struct er_json **answer)
{
    struct er_ctl_request request = { .method = method };
    enum er_ctl_exit result = ER_CTL_NEGATIVE;

    er_buf_addc(target, '\0');
    if (target->failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    } else {
        request.target = target->p;
        result = er_ctl_call(session, &request, NULL, answer);
    }
    er_buf_free(target);
    return result;
}

enum er_ctl_exit er_ctl_call_once(const struct er_ctl *ctl, const struct er_ctl_args *args, const struct er_ctl_request *request,
                                  er_ctl_answer_cb *cb)
{
    struct er_ctl_session session;
    const struct er_json *answer = NULL;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    if (result == ER_CTL_OK) {
        result = er_ctl_call(&session, request, NULL, &answer);
    }
    if (result == ER_CTL_OK) {
        if (cb == NULL) {
            er_ctl_print_document(ctl, answer);
        } else {
            result = cb(ctl, answer);
        }
    }
    er_ctl_session_close(&session);
    return result;
}

/* ---- Lists */

static enum er_ctl_exit get_page(struct er_ctl_session *session, struct er_str target, size_t limit, const struct er_buf *token,
                                 const struct er_json **page)
{
    struct er_ctl_request request = { .method = "GET" };
    struct er_buf text = { 0 };
    char number[24];
    enum er_ctl_exit result;

    (void)snprintf(number, sizeof number, "%zu", limit);
    er_buf_add(&text, target);
    er_ctl_target_query(&text, "limit", er_str_of(number));
    if (token->n > 0) {
        er_ctl_target_query(&text, "page_token", er_buf_str(token));
    }
    er_buf_addc(&text, '\0');
    if (text.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return ER_CTL_NEGATIVE;
    }
    request.target = text.p;
    result = er_ctl_call(session, &request, NULL, page);
    er_buf_free(&text);
    return result;
}

enum er_ctl_exit er_ctl_each(struct er_ctl_session *session, struct er_str target, size_t limit, er_ctl_item_cb *cb, void *ctx)
{
    struct er_buf token = { 0 };
    size_t left = limit == 0 ? SIZE_MAX : limit;
    enum er_ctl_exit result = ER_CTL_OK;
    bool moved = true;

    do {
        const struct er_json *page = NULL, *items;

        result = get_page(session, target, left < PAGE ? left : PAGE, &token, &page);
        items = er_json_member(page, ER_STR("items"));
        moved = !er_str_eq(er_buf_str(&token), text_of(page, "next_page_token"));
        er_buf_clear(&token);
        er_buf_add(&token, text_of(page, "next_page_token"));
        for (const struct er_json *item = items == NULL ? NULL : items->first; item != NULL && result == ER_CTL_OK && left > 0;
             item = item->next) {
            result = cb(ctx, item) ? ER_CTL_OK : ER_CTL_NEGATIVE;
            left--;
        }
        /* a page may be empty and have a next one; a server that stays where it is would be asked for ever */
    } while (result == ER_CTL_OK && token.n > 0 && moved && left > 0);
    er_buf_free(&token);
    return result;
}
