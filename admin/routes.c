#include "admin/routes.h"

#include <stdio.h>
#include "rules/base/suggest.h"

enum { BODY_BYTES = 1 << 20, MAX_SEGMENTS = 4 };

static const struct er_route table[] = {
    { "GET", "/v1/subscriptions", er_api_list_subscriptions, 0, { "subscriber", "type", "label", "q", "limit", "page_token" } },
    { "POST", "/v1/subscriptions", er_api_post_subscription, ER_ROUTE_CHANGE | ER_ROUTE_BODY, { "dry_run" } },
    { "PUT",
      "/v1/subscriptions",
      er_api_bulk_subscriptions,
      ER_ROUTE_CHANGE | ER_ROUTE_BODY | ER_ROUTE_BULK,
      { "prune", "dry_run" } },
    { "GET", "/v1/subscriptions/{id}", er_api_get_subscription, 0, { NULL } },
    { "PUT", "/v1/subscriptions/{id}", er_api_put_subscription, ER_ROUTE_CHANGE | ER_ROUTE_BODY, { "dry_run" } },
    { "PATCH",
      "/v1/subscriptions/{id}",
      er_api_patch_subscription,
      ER_ROUTE_CHANGE | ER_ROUTE_BODY | ER_ROUTE_PATCH,
      { "dry_run" } },
    { "DELETE", "/v1/subscriptions/{id}", er_api_delete_subscription, ER_ROUTE_CHANGE, { "dry_run" } },
    { "GET", "/v1/subscribers", er_api_list_subscribers, 0, { "limit", "page_token" } },
    { "GET", "/v1/subscribers/{id}", er_api_get_subscriber, 0, { NULL } },
    { "PUT", "/v1/subscribers/{id}", er_api_put_subscriber, ER_ROUTE_CHANGE | ER_ROUTE_BODY, { "dry_run" } },
    { "DELETE", "/v1/subscribers/{id}", er_api_delete_subscriber, ER_ROUTE_CHANGE, { "cascade", "topic", "dry_run" } },
    { "PUT", "/v1/subscribers/{id}/pause", er_api_pause_subscriber, ER_ROUTE_CHANGE, { "dry_run" } },
    { "PUT", "/v1/subscribers/{id}/resume", er_api_resume_subscriber, ER_ROUTE_CHANGE, { "dry_run" } },
    { "POST", "/v1/validate", er_api_validate, ER_ROUTE_BODY, { NULL } },
    { "POST", "/v1/test", er_api_test, ER_ROUTE_BODY, { NULL } },
    { "POST", "/v1/explain", er_api_explain, ER_ROUTE_BODY, { NULL } },
    { "GET",
      "/v1/dead-letters",
      er_api_list_dead_letters,
      0,
      { "reason", "stage", "subscriber", "since", "until", "brief", "limit", "page_token" } },
    { "GET", "/v1/dead-letters/{ref}", er_api_get_dead_letter, 0, { NULL } },
    { "POST", "/v1/dead-letters/retry", er_api_retry_dead_letters, ER_ROUTE_CHANGE | ER_ROUTE_BODY, { "again" } },
    { "POST", "/v1/dead-letters/{ref}/retry", er_api_retry_dead_letter, ER_ROUTE_CHANGE, { "again" } },
    { "GET", "/v1/status", er_api_status, 0, { NULL } },
    { "GET", "/v1/config", er_api_config, 0, { NULL } },
    { "PUT", "/v1/log-level", er_api_put_log_level, ER_ROUTE_BODY, { NULL } },
    { "POST", "/v1/reload", er_api_reload, 0, { "dry_run" } },
    { "POST", "/v1/drain", er_api_drain, 0, { NULL } },
    { "GET", "/livez", er_api_livez, ER_ROUTE_PUBLIC, { "verbose" } },
    { "GET", "/readyz", er_api_readyz, ER_ROUTE_PUBLIC, { "verbose" } },
    { "GET", "/metrics", er_api_metrics, ER_ROUTE_PUBLIC, { NULL } },
    { "GET", "/version", er_api_version, ER_ROUTE_PUBLIC, { NULL } },
    { "GET", "/openapi.json", er_api_openapi, ER_ROUTE_PUBLIC, { NULL } },
};
enum { ROUTES = sizeof table / sizeof *table };

const struct er_route *er_routes(size_t *n)
{
    *n = ROUTES;
    return table;
}

/* ---- Finding the row */

/* The next segment of a path that starts with '/'. */
static struct er_str take_segment(struct er_str *path)
{
    const char *start = path->p + 1;
    const char *end = path->n < 2 ? NULL : memchr(start, '/', path->n - 1);
    struct er_str segment = { start, end == NULL ? path->n - 1 : (size_t)(end - start) };

    path->p = segment.p + segment.n;
    path->n -= segment.n + 1;
    return segment;
}

struct target {
    struct er_str segments[MAX_SEGMENTS]; /* decoded */
    size_t n;                             /* MAX_SEGMENTS + 1: more than any route has */
};

static enum er_code read_target(struct er_arena *arena, struct er_str path, struct target *out, struct er_err *err)
{
    enum er_code code = ER_OK;

    out->n = 0;
    if (path.n == 0 || path.p[0] != '/') {
        return ER_OK;
    }
    while (path.n > 0 && code == ER_OK) {
        struct er_str segment = take_segment(&path), decoded;

        code = er_uri_decode(arena, segment, false, &decoded, err);
        if (out->n < MAX_SEGMENTS) {
            out->segments[out->n] = decoded;
        }
        out->n += out->n <= MAX_SEGMENTS;
    }
    return code;
}

static bool path_fits(const struct er_route *route, const struct target *target, struct er_str *id)
{
    struct er_str path = er_str_of(route->path);
    size_t i = 0;

    for (; path.n > 0 && i < target->n && i < MAX_SEGMENTS; i++) {
        struct er_str segment = take_segment(&path);

        if (segment.n > 0 && segment.p[0] == '{') {
            *id = target->segments[i];
            if (id->n == 0) {
                return false;
            }
        } else if (!er_str_eq(segment, target->segments[i])) {
            return false;
        }
    }
    return path.n == 0 && i == target->n;
}

static bool method_fits(const struct er_route *route, struct er_str method)
{
    return er_str_eq(er_str_of(route->method), method) || (strcmp(route->method, "GET") == 0 && er_str_eq(method, ER_STR("HEAD")));
}

/* *allow: the methods of all rows with that path. */
static const struct er_route *find_route(const struct er_http_request *request, const struct target *target, struct er_str *id,
                                         struct er_buf *allow)
{
    const struct er_route *found = NULL;

    for (size_t i = 0; i < ROUTES; i++) {
        const struct er_route *route = &table[i];
        struct er_str route_id = { NULL, 0 };

        if ((request->read_only && (route->flags & ER_ROUTE_PUBLIC) == 0) || !path_fits(route, target, &route_id)) {
            continue;
        }
        er_buf_printf(allow, "%s%s%s", allow->n > 0 ? ", " : "", route->method, strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
        if (method_fits(route, request->method)) {
            found = route;
            *id = route_id;
        }
    }
    return found;
}

/* Only the length of segments counts here: a path that cannot be decoded gets its 400 later. */
size_t er_routes_body_limit(const struct er_api *api, const struct er_http_request *request)
{
    for (size_t i = 0; i < ROUTES; i++) {
        if ((table[i].flags & ER_ROUTE_BULK) != 0 && er_str_eq(request->path, er_str_of(table[i].path)) &&
            method_fits(&table[i], request->method) && !request->read_only) {
            return api->bulk_bytes;
        }
    }
    return BODY_BYTES;
}

/* ---- Checks that the row asks for */

/* "type/subtype" of a Content-Type, and whether its charset (if any) is UTF-8. */
static struct er_str media_type(struct er_str value, bool *utf8)
{
    const char *semicolon = value.n == 0 ? NULL : memchr(value.p, ';', value.n);
    struct er_str type = { value.p, semicolon == NULL ? value.n : (size_t)(semicolon - value.p) };
    struct er_str rest = { value.p + type.n, value.n - type.n };

    while (type.n > 0 && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t')) {
        type.n--;
    }
    *utf8 = true;
    while (rest.n > 0) {
        while (rest.n > 0 && (rest.p[0] == ';' || rest.p[0] == ' ' || rest.p[0] == '\t')) {
            rest.p++;
            rest.n--;
        }
        if (rest.n >= 8 && er_http_same((struct er_str){ rest.p, 8 }, ER_STR("charset="))) {
            rest.p += 8;
            rest.n -= 8;
            *utf8 = (rest.n >= 5 && er_http_same((struct er_str){ rest.p, 5 }, ER_STR("utf-8"))) ||
                    (rest.n >= 7 && er_http_same((struct er_str){ rest.p, 7 }, ER_STR("\"utf-8\"")));
        }
        while (rest.n > 0 && rest.p[0] != ';') {
            rest.p++;
            rest.n--;
        }
    }
    return type;
}

static bool is_json(const struct er_route *route, struct er_str type)
{
    static const struct er_str prefix = { "application/", 12 }, suffix = { "+json", 5 };

    if (er_http_same(type, ER_STR("application/json"))) {
        return true;
    }
    if ((route->flags & ER_ROUTE_PATCH) != 0 || er_http_same(type, ER_STR("application/merge-patch+json")) ||
        er_http_same(type, ER_STR("application/json-patch+json"))) {
        return (route->flags & ER_ROUTE_PATCH) != 0 && er_http_same(type, ER_STR("application/merge-patch+json"));
    }
    return type.n > prefix.n + suffix.n && er_http_same((struct er_str){ type.p, prefix.n }, prefix) &&
           er_http_same((struct er_str){ type.p + type.n - suffix.n, suffix.n }, suffix);
}

static bool check_media_type(struct er_call *call)
{
    const char *wanted = (call->route->flags & ER_ROUTE_PATCH) != 0 ? "application/merge-patch+json" : "application/json";
    struct er_str coding = er_http_field_value(call->request, ER_STR("Content-Encoding"));
    struct er_str value = er_http_field_value(call->request, ER_STR("Content-Type"));
    struct er_err err;
    struct er_str type;
    bool utf8;

    if (coding.n > 0 && !er_http_same(coding, ER_STR("identity"))) {
        (void)er_err_set(&err, ER_E_MEDIA_TYPE, "a body with Content-Encoding is not read here; send it plain");
    } else if (value.p == NULL) {
        (void)er_err_set(&err, ER_E_MEDIA_TYPE, "the request has no Content-Type; send Content-Type: %s", wanted);
    } else if (type = media_type(value, &utf8), is_json(call->route, type) && utf8) {
        return true;
    } else {
        (void)er_err_set(&err, ER_E_MEDIA_TYPE, "Content-Type \"%.*s\" is not JSON; send Content-Type: %s",
                         value.n < 80 ? (int)value.n : 80, value.p, wanted);
    }
    if ((call->route->flags & ER_ROUTE_PATCH) != 0) {
        er_reply_header(&call->reply, "Accept-Patch", "application/merge-patch+json, application/json");
    }
    er_call_refuse(call, err.code, &err);
    return false;
}

static bool check_query(struct er_call *call)
{
    struct er_err err;
    size_t n = 0;
    enum er_code code;

    while (call->route->query[n] != NULL) {
        n++;
    }
    code = er_uri_query(call->arena, call->request->query, call->route->query, n, call->params, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
    }
    return code == ER_OK;
}

static void not_found(struct er_call *call)
{
    static const struct er_str api = { "/v1/", 4 };
    const struct er_http_request *request = call->request;
    const char *paths[ROUTES], *near;
    char hint[96] = "GET /openapi.json lists the paths";
    size_t n = 0;

    for (size_t i = 0; i < ROUTES; i++) {
        if (!request->read_only || (table[i].flags & ER_ROUTE_PUBLIC) != 0) {
            paths[n++] = table[i].path;
        }
    }
    near = er_suggest(request->path, paths, n);
    if (request->read_only && request->path.n >= api.n && memcmp(request->path.p, api.p, api.n) == 0) {
        (void)snprintf(hint, sizeof hint, "the admin socket has /v1, this address only reads");
    } else if (near != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean %s?", near);
    }
    er_call_fail(call, ER_E_NOT_FOUND, "there is no such path", hint);
}

static void run(struct er_call *call)
{
    struct er_buf allow = { 0 };
    struct target target;
    struct er_err err;
    enum er_code code = read_target(call->arena, call->request->path, &target, &err);
    const struct er_admin_env *env = call->api->env;

    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    call->route = find_route(call->request, &target, &call->id, &allow);
    if (call->route == NULL && allow.n == 0) {
        not_found(call);
    } else if (call->route == NULL) {
        er_reply_header(&call->reply, "Allow", "%.*s", ER_STR_ARG(er_buf_str(&allow)));
        (void)er_err_set(&err, ER_E_METHOD, "%.*s is not possible here; possible: %.*s",
                         call->request->method.n < 20 ? (int)call->request->method.n : 20, call->request->method.p,
                         ER_STR_ARG(er_buf_str(&allow)));
        er_call_refuse(call, err.code, &err);
    } else if (!check_query(call) || ((call->route->flags & ER_ROUTE_BODY) != 0 && !check_media_type(call))) {
        /* answered */
    } else if ((call->route->flags & ER_ROUTE_CHANGE) != 0 && env->draining(env->ctx)) {
        er_call_fail(call, ER_E_UNAVAILABLE, "the router is shutting down and takes no changes",
                     "ask another router, or this one after its start");
    } else {
        call->route->handle(call);
    }
    er_buf_free(&allow);
}

void er_routes_handle(struct er_api *api, const struct er_http_request *request, er_call_done_cb *done, void *ctx)
{
    struct er_call *call = er_call_new(api, request, done, ctx);
    struct er_reply reply = { 0 };

    if (call == NULL) {
        er_reply_error(&reply, &(struct er_reply_error){ 0, ER_E_NOMEM, ER_NO_OFFSET, "out of memory", NULL });
        done(ctx, &reply);
        er_reply_free(&reply);
        return;
    }
    run(call);
}
