/* eventrouterd: builds the objects in order, wires them, runs the loop, returns the exit code. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/admin.h"
#include "admin/loop.h"
#include "router/clock.h"
#include "router/command_line.h"
#include "router/config.h"
#include "router/demo.h"
#include "router/kafka_check.h"
#include "router/log.h"
#include "router/notify.h"
#include "router/reload.h"
#include "router/router.h"

/* sysexits.h; the numbers are part of the contract. */
enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_INTERNAL = 70, EXIT_STORE = 74, EXIT_CONFIG = 78 };

#define TICK_MS 100

struct daemon {
    struct er_command_line line;
    struct er_config_input input; /* what the configuration was read from */
    struct er_config *config;
    struct er_log *log;
    struct er_loop *loop;
    struct er_store *store;
    struct er_str *reserved;
    struct er_plan_policy policy;
    struct er_demo *demo; /* NULL without --demo */
    struct er_router *router;
    struct er_admin_env env;
    struct er_admin *admin;
    bool stopping;
    int exit_code;
};

static int exit_code_of(enum er_code code)
{
    switch ((int)code) {
    case ER_OK:
        return 0;
    case ER_E_USAGE:
        return EXIT_USAGE;
    case ER_E_KAFKA:
    case ER_E_KAFKA_TIMEOUT:
        return EXIT_UNAVAILABLE;
    case ER_E_STORE:
    case ER_E_STORE_FULL:
    case ER_E_STORE_CORRUPT:
    case ER_E_STORE_NEWER:
    case ER_E_STORE_LOCKED:
        return EXIT_STORE;
    case ER_E_CONFIG:
    case ER_E_CONFIG_UNKNOWN_KEY:
    case ER_E_CONFIG_VALUE:
    case ER_E_CONFIG_REFUSED:
        return EXIT_CONFIG;
    default:
        return EXIT_INTERNAL;
    }
}

static int fail(const struct er_err *err)
{
    (void)fprintf(stderr, "error[%s]: %s\n", er_code_name(err->code), err->text);
    return exit_code_of(err->code);
}

static void flush(struct er_buf *text, FILE *to)
{
    if (text->n > 0)
        (void)fwrite(text->p, 1, text->n, to);
    (void)fflush(to);
    er_buf_free(text);
}

/* ---- what the admin side may ask ---- */

static void env_submit(void *ctx, struct er_change_request *request)
{
    er_router_submit(((struct daemon *)ctx)->router, request);
}

static void env_letters(void *ctx, struct er_letters_request *request)
{
    er_router_letters(((struct daemon *)ctx)->router, request);
}

static void env_destination(void *ctx, struct er_str subscriber, struct er_str topic, struct er_admin_destination *out)
{
    struct er_destination_state state;

    er_router_destination(((struct daemon *)ctx)->router, subscriber, topic, &state);
    *out = (struct er_admin_destination){ .breaker = er_breaker_state_name(state.breaker),
                                          .code = state.code,
                                          .since_ms = state.since_ms,
                                          .probe_ms = state.probe_ms,
                                          .waiting = state.waiting,
                                          .ready = state.ready };
    (void)snprintf(out->reason, sizeof out->reason, "%s", state.reason);
}

static void env_status(void *ctx, struct er_json_writer *w)
{
    er_router_status(((struct daemon *)ctx)->router, w);
}

static bool env_ready(void *ctx, struct er_json_writer *w)
{
    return er_router_ready(((struct daemon *)ctx)->router, w);
}

static void env_metrics(void *ctx, struct er_buf *out)
{
    er_router_metrics(((struct daemon *)ctx)->router, out);
}

static bool env_draining(void *ctx)
{
    const struct daemon *d = ctx;

    return d->stopping || er_router_draining(d->router);
}

static void env_log(void *ctx, const struct er_admin_access *access)
{
    er_log_write(((struct daemon *)ctx)->log, access->status >= 500 ? ER_LOG_WARN : ER_LOG_INFO, ER_LM("admin request"),
                 ER_LF("method", access->method), ER_LF("path", access->path), ER_LFI("status", access->status),
                 ER_LFI("bytes", access->bytes), ER_LFI("us", access->duration_us), ER_LFI("uid", access->uid));
}

static void env_warn(void *ctx, const struct er_err *err)
{
    er_log_write(((struct daemon *)ctx)->log, ER_LOG_WARN, ER_LM("admin failure"), ER_LF("code", er_code_name(err->code)),
                 ER_LF("error", err->text));
}

static void env_config(void *ctx, struct er_json_writer *w)
{
    const struct daemon *d = ctx;

    er_config_write(d->config, d->log, w);
}

static bool env_log_level(void *ctx, struct er_str level, const char **was)
{
    const struct daemon *d = ctx;
    enum er_log_level wanted;

    *was = er_log_level_name(er_log_level(d->log));
    if (!er_log_level_read(level, &wanted))
        return false;
    er_log_set_level(d->log, wanted);
    return true;
}

static enum er_code env_reload(void *ctx, bool dry_run, struct er_json_writer *w, struct er_buf *errors)
{
    const struct daemon *d = ctx;
    const struct er_reload reload = { &d->input, d->config, d->log, dry_run };

    return er_reload(&reload, w, errors);
}

static void end(struct daemon *d, const char *why);

static void env_drain(void *ctx)
{
    end(ctx, "drain");
}

/* ---- loop ---- */

static void stop(struct daemon *d, const char *why)
{
    if (d->stopping)
        return;
    d->stopping = true;
    er_log_write(d->log, ER_LOG_INFO, ER_LM("stopping"), ER_LF("reason", why));
    er_notify("STOPPING=1");
    er_router_stop(d->router);
}

static void on_tick(void *ctx)
{
    struct daemon *d = ctx;
    struct er_err err;

    er_router_dispatch(d->router);
    if (!d->stopping && er_router_failed(d->router, &err)) {
        er_log_write(d->log, ER_LOG_ERROR, ER_LM("the router cannot go on"), ER_LF("code", er_code_name(err.code)),
                     ER_LF("error", err.text));
        d->exit_code = EXIT_INTERNAL;
        if (d->demo != NULL)
            er_demo_end(d->demo);
        stop(d, "failure");
    }
    if (d->demo != NULL && er_demo_tick(d->demo) && !d->stopping)
        stop(d, "end of the demo");
    if (er_router_stopped(d->router))
        er_loop_stop(d->loop);
}

/* What the first signal does. */
static void end(struct daemon *d, const char *why)
{
    if (d->demo != NULL && er_demo_flowing(d->demo))
        er_demo_end(d->demo);
    else
        stop(d, why);
}

/* The first signal stops gracefully. The second one ends at once: nothing is lost by that, but the last copies come twice. */
static void on_signal(struct daemon *d, int number)
{
    bool flowing = d->demo != NULL && er_demo_flowing(d->demo);

    if (d->stopping || (d->demo != NULL && !flowing)) {
        er_admin_free(d->admin);
        er_demo_free(d->demo);
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
    end(d, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_term(void *ctx)
{
    on_signal(ctx, SIGTERM);
}

static void on_interrupt(void *ctx)
{
    on_signal(ctx, SIGINT);
}

static void on_hangup(void *ctx)
{
    struct daemon *d = ctx;
    struct er_buf answer = { 0 }, errors = { 0 };
    struct er_json_writer w;
    enum er_code code;

    er_jw_init(&w, &answer);
    er_jw_object(&w);
    code = env_reload(d, false, &w, &errors);
    if (code == ER_OK) {
        er_jw_end(&w);
        er_log_write(d->log, ER_LOG_INFO, ER_LM("configuration read again"), ER_LFS("result", er_buf_str(&answer)));
    } else {
        er_log_write(d->log, ER_LOG_ERROR, ER_LM("the configuration is bad; nothing was changed"),
                     ER_LFS("errors", er_buf_str(&errors)));
    }
    er_buf_free(&answer);
    er_buf_free(&errors);
}

static enum er_code register_events(struct daemon *d, struct er_err *err)
{
    enum er_code code = er_loop_on_readable(d->loop, er_router_wakeup_fd(d->router), on_tick, d);

    if (code == ER_OK)
        code = er_loop_every(d->loop, TICK_MS, on_tick, d);
    if (code == ER_OK)
        code = er_loop_on_signal(d->loop, SIGTERM, on_term, d);
    if (code == ER_OK)
        code = er_loop_on_signal(d->loop, SIGINT, on_interrupt, d);
    if (code == ER_OK)
        code = er_loop_on_signal(d->loop, SIGHUP, on_hangup, d);
    return code == ER_OK ? ER_OK : er_err_set(err, code, "the event loop cannot be set up");
}

/* ---- start ---- */

/* Makes the last directory of a file's path. What cannot be made is reported when the file is opened. */
static void make_parent(const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL || slash == path ? NULL : strndup(path, (size_t)(slash - path));

    if (parent != NULL && mkdir(parent, mode) == 0)
        (void)chmod(parent, mode); /* whatever the umask */
    free(parent);
}

static enum er_code make_policy(struct daemon *d, struct er_err *err)
{
    const struct er_config *config = d->config;
    size_t n = 0;

    d->reserved = calloc(config->n_topics + 2, sizeof *d->reserved);
    if (d->reserved == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    for (size_t i = 0; i < config->n_topics; i++)
        d->reserved[n++] = er_str_of(config->topics[i]);
    d->reserved[n++] = er_str_of(config->dead_letter_topic);
    if (config->unmatched_topic[0] != '\0')
        d->reserved[n++] = er_str_of(config->unmatched_topic);
    d->policy = (struct er_plan_policy){ .topic_template = er_str_of(config->destination_template),
                                         .partitions = config->destination_partitions,
                                         .reserved = d->reserved,
                                         .n_reserved = n,
                                         .limits = er_rule_default_limits() };
    er_rule_limits_set_event_depth(&d->policy.limits, config->max_depth);
    return ER_OK;
}

static enum er_code start_router(struct daemon *d, struct er_err *err)
{
    struct er_router_options options = { .config = d->config, .store = d->store, .policy = &d->policy, .log = d->log };

    if (d->demo != NULL)
        options.topic_ops = er_demo_topic_ops(d->demo);
    return er_router_start(&options, &d->router, err);
}

static enum er_code start_admin(struct daemon *d, struct er_err *err)
{
    struct er_admin_options options = { d->config->admin_socket, d->config->admin_mode, d->config->admin_bulk_bytes,
                                        d->config->http_listen };

    d->env = (struct er_admin_env){ .ctx = d,
                                    .store = d->store,
                                    .ruleset = er_router_ruleset(d->router),
                                    .policy = &d->policy,
                                    .dead_letter_topic = d->config->dead_letter_topic,
                                    .submit = env_submit,
                                    .letters = env_letters,
                                    .destination = env_destination,
                                    .status = env_status,
                                    .ready = env_ready,
                                    .metrics = env_metrics,
                                    .draining = env_draining,
                                    .log = env_log,
                                    .warn = env_warn,
                                    .config = env_config,
                                    .log_level = env_log_level,
                                    .reload = env_reload,
                                    .drain = env_drain };
    make_parent(d->config->admin_socket, 0755);
    return er_admin_start(d->loop, &d->env, &options, &d->admin, err);
}

static enum er_code start(struct daemon *d, struct er_err *err)
{
    enum er_code code;

    d->log = er_log_new(STDERR_FILENO, d->config->log_level, d->config->log_format);
    d->loop = er_loop_new();
    if (d->log == NULL || d->loop == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    code = make_policy(d, err);
    if (code == ER_OK && d->demo != NULL)
        code = er_demo_prepare(d->demo, d->config, err);
    if (code == ER_OK) {
        make_parent(d->config->store_path, 0750);
        code = er_store_open(d->config->store_path, &d->store, err);
    }
    if (code == ER_OK)
        code = start_router(d, err);
    if (code == ER_OK)
        code = start_admin(d, err);
    if (code == ER_OK)
        code = register_events(d, err);
    if (code == ER_OK && d->demo != NULL)
        er_demo_begin(d->demo, d->router, d->store, er_admin_http_address(d->admin));
    return code;
}

static void log_start(struct daemon *d)
{
    er_log_write(d->log, ER_LOG_INFO, ER_LM("started"), ER_LF("version", ER_VERSION), ER_LF("librdkafka", er_kafka_version()),
                 ER_LFI("pid", getpid()), ER_LF("socket", d->config->admin_socket), ER_LF("http", er_admin_http_address(d->admin)),
                 ER_LF("store", d->config->store_path), ER_LFI("revision", er_store_revision(d->store)));
    er_notify("READY=1");
}

/* The reverse of start; the balance is final once the router has stopped. */
static void finish(struct daemon *d)
{
    struct er_balance balance = { 0 };
    bool ran = d->admin != NULL;
    struct er_err err;

    er_admin_free(d->admin);
    if (d->router != NULL)
        er_router_balance(d->router, &balance);
    er_router_free(d->router);
    er_store_close(d->store);
    if (ran)
        er_log_write(d->log, ER_LOG_INFO, ER_LM("stopped"), ER_LFI("received", balance.received), ER_LFI("routed", balance.routed),
                     ER_LFI("unmatched", balance.unmatched), ER_LFI("dead_lettered", balance.dead_lettered));
    if (ran && d->demo != NULL) {
        if (!er_demo_ok(d->demo, &err))
            d->exit_code = fail(&err);
        er_demo_summary(d->demo, &balance);
    }
    er_loop_free(d->loop);
    er_log_free(d->log);
    free(d->reserved);
}

static int run(struct daemon *d)
{
    struct er_err err = { .code = ER_OK };

    if (start(d, &err) == ER_OK) {
        log_start(d);
        er_loop_run(d->loop);
    } else {
        d->exit_code = fail(&err);
    }
    finish(d);
    return d->exit_code;
}

/* ---- configuration ---- */

/* All errors of the whole configuration go to standard error, also those of librdkafka's properties. */
static enum er_code load(struct daemon *d, char *const *environment)
{
    struct er_config_input input = { d->line.file, d->line.overrides, d->line.n_overrides, environment };
    struct er_buf errors = { 0 };
    enum er_code code = ER_OK;
    enum er_code kafka = ER_OK;

    if (d->demo != NULL) {
        code = er_demo_settings(d->demo, d->line.overrides, d->line.n_overrides, &input.overrides, &input.n_overrides);
        /* The demo is not about this machine's router: its settings, for example its store, must not leak in. */
        input.environment = NULL;
        if (input.file == NULL)
            input.file = "/dev/null";
    }
    d->input = input;
    if (code == ER_OK)
        code = er_config_load(&input, &d->config, &errors);
    if (d->config != NULL)
        kafka = er_router_check_kafka(d->config, &errors);
    if (code == ER_OK)
        code = kafka;
    if (code == ER_E_NOMEM)
        er_buf_add(&errors, ER_STR("error[E900]: out of memory\n"));
    flush(&errors, stderr);
    return code;
}

static int act(struct daemon *d, char *const *environment)
{
    struct er_buf out = { 0 };
    struct er_err err;
    enum er_code code = ER_OK;

    if (d->line.demo && d->line.action == ER_ACTION_RUN)
        code = er_demo_new(d->line.demo_seconds, &d->demo, &err);
    if (code != ER_OK)
        return fail(&err);
    code = load(d, environment);
    if (code != ER_OK)
        return exit_code_of(code);
    if (d->line.action == ER_ACTION_RUN)
        return run(d);
    if (d->line.action == ER_ACTION_PRINT_CONFIG)
        er_config_print(d->config, &out);
    else
        er_buf_add(&out, ER_STR("configuration is valid\n"));
    flush(&out, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    extern char **environ;
    struct daemon d = { .exit_code = 0 };
    struct er_buf text = { 0 };
    enum er_code code = er_command_line_parse(argc, argv, &d.line, &text);

    (void)umask(027);
    if (code != ER_OK) {
        flush(&text, stderr);
        d.exit_code = exit_code_of(code);
    } else if (d.line.action == ER_ACTION_HELP || d.line.action == ER_ACTION_VERSION) {
        if (d.line.action == ER_ACTION_HELP)
            er_command_line_help(&text);
        else
            er_buf_printf(&text, "eventrouterd %s (librdkafka %s)\n", ER_VERSION, er_kafka_version());
        flush(&text, stdout);
    } else {
        d.exit_code = act(&d, environ);
    }
    er_config_free(d.config);
    er_demo_free(d.demo);
    er_command_line_fini(&d.line);
    return d.exit_code;
}
