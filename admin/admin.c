#include "admin/admin.h"

#include <stdlib.h>
#include "admin/http.h"
#include "admin/listener.h"
#include "admin/loop.h"
#include "admin/routes.h"

enum { DEFAULT_BULK_BYTES = 16 << 20, MIN_BUFFERED = 4 };

struct er_admin {
    const struct er_admin_env *env;
    struct er_api *api;
    struct er_loop_task *task; /* pieces of the work of calls */
    struct er_listener unix_listener, tcp_listener;
    struct er_http_server *unix_server, *tcp_server;
};

/* ---- Between HTTP and the routes */

static size_t body_limit(void *ctx, const struct er_http_request *request)
{
    const struct er_admin *admin = ctx;

    return er_routes_body_limit(admin->api, request);
}

static void send_reply(void *ctx, struct er_reply *reply)
{
    er_http_reply(ctx, reply);
}

static void handle(void *ctx, struct er_http_exchange *exchange, const struct er_http_request *request)
{
    const struct er_admin *admin = ctx;

    er_routes_handle(admin->api, request, send_reply, exchange);
}

/* What a client sent, made fit for a log line. */
static void printable(struct er_str text, char *out, size_t size)
{
    size_t n = 0;

    for (; n < text.n && n + 1 < size; n++) {
        out[n] = text.p[n] > ' ' && text.p[n] <= '~' && text.p[n] != '"' && text.p[n] != '\\' ? text.p[n] : '?';
    }
    out[n] = '\0';
}

/* A probe that succeeds says nothing new, every few seconds. */
static bool is_quiet(const struct er_http_outcome *outcome)
{
    return outcome->request != NULL && outcome->request->read_only && outcome->status == 200;
}

static void log_outcome(void *ctx, const struct er_http_outcome *outcome)
{
    const struct er_admin *admin = ctx;
    char method[16] = "-", path[200] = "-";
    struct er_admin_access access = { .method = method, .path = path };

    if (is_quiet(outcome)) {
        return;
    }
    if (outcome->request != NULL) {
        printable(outcome->request->method, method, sizeof method);
        printable(outcome->request->path, path, sizeof path);
    }
    access.status = outcome->status;
    access.bytes = outcome->bytes;
    access.duration_us = outcome->duration_us;
    access.uid = outcome->uid;
    admin->env->log(admin->env->ctx, &access);
}

/* ---- Work in pieces */

static void wake(void *ctx)
{
    er_loop_task_start(((struct er_admin *)ctx)->task);
}

static void do_piece(void *ctx)
{
    er_api_step(((struct er_admin *)ctx)->api);
}

/* ---- Start and stop */

static enum er_code serve(struct er_admin *admin, struct er_loop *loop, struct er_listener *listener,
                          const struct er_http_options *options, struct er_http_server **out, struct er_err *err)
{
    struct er_http_ops ops = { .ctx = admin, .body_limit = body_limit, .handle = handle, .outcome = log_outcome };
    int fd = listener->fd;

    listener->fd = -1; /* the server takes it */
    return er_http_server_new(er_loop_base(loop), fd, &ops, options, out, err);
}

static enum er_code start(struct er_admin *admin, struct er_loop *loop, const struct er_admin_options *options, struct er_err *err)
{
    struct er_http_options http = er_http_default_options();
    enum er_code code = er_listener_unix(options->socket, options->mode, &admin->unix_listener, err);

    if (http.buffered_bytes < MIN_BUFFERED * admin->api->bulk_bytes) {
        http.buffered_bytes = MIN_BUFFERED * admin->api->bulk_bytes;
    }
    if (code == ER_OK) {
        code = serve(admin, loop, &admin->unix_listener, &http, &admin->unix_server, err);
    }
    if (code == ER_OK && options->http_listen != NULL && options->http_listen[0] != '\0') {
        code = er_listener_tcp(options->http_listen, &admin->tcp_listener, err);
        http.read_only = true;
        if (code == ER_OK) {
            code = serve(admin, loop, &admin->tcp_listener, &http, &admin->tcp_server, err);
        }
    }
    return code;
}

enum er_code er_admin_start(struct er_loop *loop, const struct er_admin_env *env, const struct er_admin_options *options,
                            struct er_admin **out, struct er_err *err)
{
    struct er_admin *admin = calloc(1, sizeof *admin);
    enum er_code code;

    *out = NULL;
    if (admin == NULL) {
        return er_err_set(err, ER_E_NOMEM, "no memory for the admin server");
    }
    admin->env = env;
    admin->unix_listener.fd = -1;
    admin->tcp_listener.fd = -1;
    admin->api = er_api_new(env, options->bulk_bytes > 0 ? options->bulk_bytes : DEFAULT_BULK_BYTES);
    admin->task = er_loop_task_new(loop, do_piece, admin);
    code = admin->api == NULL || admin->task == NULL ? er_err_set(err, ER_E_NOMEM, "no memory for the admin server")
                                                     : start(admin, loop, options, err);
    if (code != ER_OK) {
        er_admin_free(admin);
        return code;
    }
    admin->api->wake = wake;
    admin->api->wake_ctx = admin;
    *out = admin;
    return ER_OK;
}

const char *er_admin_http_address(const struct er_admin *admin)
{
    return admin->tcp_listener.address;
}

void er_admin_free(struct er_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    er_http_server_free(admin->unix_server);
    er_http_server_free(admin->tcp_server);
    er_listener_close(&admin->unix_listener);
    er_listener_close(&admin->tcp_listener);
    er_api_close(admin->api);
    er_loop_task_free(admin->task);
    free(admin);
}
