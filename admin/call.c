#include "admin/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "admin/etag.h"
#include "admin/routes.h"

/* A page ends early when its text is this long, whatever limit says. */
enum { PAGE_BYTES = 8 << 20, DEFAULT_LIMIT = 100, MAX_LIMIT = 1000, MAX_DEPTH = 1000, MAX_WARNINGS = 8 };

/* ---- Lives */

struct er_api *er_api_new(const struct er_admin_env *env, size_t bulk_bytes)
{
    struct er_api *api = calloc(1, sizeof *api);

    if (api != NULL) {
        api->env = env;
        api->bulk_bytes = bulk_bytes;
        api->references = 1;
    }
    return api;
}

static void unref_api(struct er_api *api)
{
    if (--api->references == 0) {
        free(api);
    }
}

void er_api_close(struct er_api *api)
{
    while (api != NULL && api->jobs != NULL) {
        struct er_call *call = api->jobs;

        api->jobs = call->next_job;
        er_reply_free(&call->reply);
        er_call_fail(call, ER_E_UNAVAILABLE, "the router is shutting down", NULL);
    }
    if (api != NULL) {
        api->closed = true;
        api->env = NULL;
        unref_api(api);
    }
}

struct er_call *er_call_new(struct er_api *api, const struct er_http_request *request, er_call_done_cb *done, void *ctx)
{
    struct er_call *call = calloc(1, sizeof *call);

    if (call == NULL || (call->arena = er_arena_new(0)) == NULL) {
        free(call);
        return NULL;
    }
    call->api = api;
    api->references++;
    call->request = request;
    call->done = done;
    call->done_ctx = ctx;
    er_problems_init(&call->problems, call->arena);
    er_problems_init(&call->warnings, call->arena);
    return call;
}

void er_call_finish(struct er_call *call)
{
    call->done(call->done_ctx, &call->reply);
    er_reply_free(&call->reply);
    for (size_t i = 0; i < call->n_rules; i++) {
        er_rule_unref(call->rules[i]);
    }
    if (call->work_free != NULL) {
        call->work_free(call->work);
    }
    er_arena_free(call->arena);
    unref_api(call->api);
    free(call);
}

/* ---- Parameters */

static const struct er_uri_param *param(const struct er_call *call, const char *name)
{
    for (size_t i = 0; i < ER_CALL_MAX_PARAMS && call->route->query[i] != NULL; i++) {
        if (strcmp(call->route->query[i], name) == 0) {
            return &call->params[i];
        }
    }
    return NULL;
}

struct er_str er_call_text(const struct er_call *call, const char *name)
{
    const struct er_uri_param *found = param(call, name);

    return found == NULL || found->value.n == 0 ? (struct er_str){ NULL, 0 } : found->value;
}

bool er_call_flag(struct er_call *call, const char *name, bool *out)
{
    const struct er_uri_param *found = param(call, name);
    struct er_err err;

    *out = found != NULL && found->given;
    if (!*out || found->value.p == NULL || er_str_eq(found->value, ER_STR("true")) || er_str_eq(found->value, ER_STR("1"))) {
        return true;
    }
    *out = false;
    if (er_str_eq(found->value, ER_STR("false")) || er_str_eq(found->value, ER_STR("0"))) {
        return true;
    }
    (void)er_err_set(&err, ER_E_REQUEST, "query parameter \"%s\" must be true or false", name);
    er_call_refuse(call, err.code, &err);
    return false;
}

/* ---- Failure */

static void retry_later(struct er_call *call)
{
    if (call->reply.status == 503 || call->reply.status == 429) {
        er_reply_header(&call->reply, "Retry-After", "1");
    }
}

void er_call_fail(struct er_call *call, enum er_code code, const char *detail, const char *hint)
{
    er_reply_error(&call->reply, &(struct er_reply_error){ 0, code, ER_NO_OFFSET, detail, hint });
    retry_later(call);
    er_call_finish(call);
}

void er_call_refuse(struct er_call *call, enum er_code code, const struct er_err *err)
{
    if (call->problems.n > 0) {
        er_reply_problems(&call->reply, code, &call->problems);
    } else {
        er_reply_error(&call->reply, &(struct er_reply_error){ 0, code, err->offset, err->text, NULL });
    }
    retry_later(call);
    er_call_finish(call);
}

/* ---- Body and preconditions */

bool er_call_read_body(struct er_call *call, size_t levels)
{
    struct er_err err;
    struct er_json *body;
    size_t depth = call->api->env->policy->limits.max_depth;
    enum er_code code;

    depth = (depth < MAX_DEPTH ? depth : MAX_DEPTH) + levels;
    code = er_json_parse(call->arena, call->request->body, depth, &body, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return false;
    }
    call->body = body;
    return true;
}

bool er_call_read_precondition(struct er_call *call)
{
    struct er_err err;
    enum er_code code = er_etag_precondition(call->arena, call->request, &call->precondition, &err);

    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

bool er_call_no_precondition(struct er_call *call)
{
    if (er_http_field_value(call->request, ER_STR("If-Match")).p == NULL &&
        er_http_field_value(call->request, ER_STR("If-None-Match")).p == NULL) {
        return true;
    }
    er_call_fail(call, ER_E_REQUEST, "If-Match and If-None-Match mean nothing here: only single documents have an ETag", NULL);
    return false;
}

/* ---- Changes */

static enum er_code build_change(void *arg, struct er_plan *plan, struct er_err *err)
{
    struct er_call *call = arg;

    if (call->api->closed) {
        return er_err_set(err, ER_E_UNAVAILABLE, "the router is shutting down");
    }
    return call->build(call, plan, err);
}

/* What was ignored or is odd about an accepted document must not go unnoticed. */
static void warn(struct er_call *call)
{
    size_t n = 0;

    for (const struct er_problem *problem = call->warnings.first; problem != NULL && n < MAX_WARNINGS;
         problem = problem->next, n++) {
        er_reply_header(&call->reply, "Eventrouter-Warning", "%s %.*s%s%.*s", er_code_name(problem->code),
                        ER_STR_ARG(problem->pointer), problem->pointer.n > 0 ? ": " : "", ER_STR_ARG(problem->detail));
    }
}

static void change_done(void *arg, const struct er_change_result *result)
{
    struct er_call *call = arg;

    if (call->api->closed) {
        er_call_fail(call, ER_E_UNAVAILABLE, "the router is shutting down", NULL);
        return;
    }
    if (result->code != ER_OK) {
        er_call_refuse(call, result->code, result->err);
        return;
    }
    er_reply_header(&call->reply, "Eventrouter-Revision", "%" PRIu64, result->revision);
    warn(call);
    call->answer(call, result);
    er_call_finish(call);
}

static struct er_str describe(struct er_call *call)
{
    struct er_str path = call->request->path;

    path.n = path.n < 300 ? path.n : 300;
    return er_arena_printf(call->arena, "%.*s %.*s", ER_STR_ARG(call->request->method), ER_STR_ARG(path));
}

void er_call_submit(struct er_call *call, er_call_build *build, er_call_answer *answer)
{
    const struct er_admin_env *env = call->api->env;
    bool dry_run;

    if (!er_call_flag(call, "dry_run", &dry_run)) {
        return;
    }
    call->build = build;
    call->answer = answer;
    call->change = (struct er_change_request){ .build = build_change, .done = change_done, .arg = call, .dry_run = dry_run };
    call->change.actor.uid = call->request->uid;
    call->change.actor.what = describe(call);
    if (call->change.actor.what.p == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return;
    }
    env->submit(env->ctx, &call->change);
}

/* ---- Work in pieces */

static void queue_job(struct er_api *api, struct er_call *call)
{
    struct er_call **end = &api->jobs;

    while (*end != NULL) {
        end = &(*end)->next_job;
    }
    call->next_job = NULL;
    *end = call;
    api->wake(api->wake_ctx);
}

void er_call_run(struct er_call *call, er_call_step *step)
{
    struct er_api *api = call->api;

    call->step = step;
    while (!step(call)) {
        if (api->wake != NULL) {
            queue_job(api, call);
            return;
        }
    }
}

void er_api_step(struct er_api *api)
{
    struct er_call *call = api->jobs;

    if (call != NULL) {
        api->jobs = call->next_job;
        if (!call->step(call)) {
            queue_job(api, call);
        }
    }
    if (api->jobs != NULL) {
        api->wake(api->wake_ctx);
    }
}

void er_call_etag(struct er_call *call, uint64_t revision)
{
    er_reply_header(&call->reply, "ETag", "\"rev-%" PRIu64 "\"", revision);
}

/* ---- Pages */

static bool read_limit(struct er_call *call, size_t *out)
{
    struct er_str text = er_call_text(call, "limit");
    size_t n = 0;
    bool fine = text.n <= 4;

    *out = DEFAULT_LIMIT;
    if (text.p == NULL) {
        return true;
    }
    for (size_t i = 0; i < text.n && fine; i++) {
        fine = text.p[i] >= '0' && text.p[i] <= '9';
        n = n * 10 + (size_t)(text.p[i] - '0');
    }
    *out = n;
    return fine && n >= 1 && n <= MAX_LIMIT;
}

bool er_call_page(struct er_call *call, char collection, struct er_page *page)
{
    struct er_str token = er_call_text(call, "page_token");
    enum er_code code = ER_OK;
    struct er_err err;

    *page = (struct er_page){ .limit = DEFAULT_LIMIT };
    if (!read_limit(call, &page->limit)) {
        code = er_err_set(&err, ER_E_REQUEST, "limit must be a number from 1 to %d", MAX_LIMIT);
    } else if (token.p != NULL) {
        code = er_page_read(call->arena, collection, token, &page->after_id, &err);
    }
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

void er_page_begin(struct er_call *call, const struct er_page *page, struct er_page_writer *out)
{
    *out = (struct er_page_writer){ .page = *page };
    er_reply_json(&call->reply, 200, &out->w);
    er_jw_object(&out->w);
    er_jw_key(&out->w, ER_STR("items"));
    er_jw_array(&out->w);
}

bool er_page_wants(struct er_call *call, struct er_page_writer *out, struct er_str id)
{
    out->total++;
    if (out->page.after_id.p != NULL && er_str_cmp(id, out->page.after_id) <= 0) {
        return false;
    }
    if (out->more || out->written == out->page.limit || call->reply.body.n > PAGE_BYTES) {
        out->more = true;
        return false;
    }
    out->written++;
    out->last_id = er_arena_dup(call->arena, id);
    out->no_memory = out->no_memory || out->last_id.p == NULL;
    return true;
}

void er_page_end(struct er_call *call, struct er_page_writer *out, char collection)
{
    struct er_str token = { NULL, 0 };

    er_jw_end(&out->w);
    er_jw_key(&out->w, ER_STR("next_page_token"));
    if (out->more && !out->no_memory) {
        token = er_page_token(call->arena, collection, out->last_id);
        out->no_memory = token.p == NULL;
    }
    if (token.p != NULL) {
        er_jw_string(&out->w, token);
    } else {
        er_jw_null(&out->w);
    }
    er_jw_member_uint(&out->w, "total", out->total);
    er_jw_end(&out->w);
    if (out->no_memory) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
    } else {
        er_call_finish(call);
    }
}
