/* eventrouterctl config, reload, log-level and drain: what an operator tells the daemon. */
#include <time.h>
#include "admin/ctl_call.h"
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"
#include "rules/base/json_write.h"

enum { POLL_MS = 100, DEFAULT_WAIT_S = 60 };

/* ---- config */

static const struct er_ctl_column config_columns[] = {
    { "KEY", "key", false }, { "VALUE", "value", false }, { "ORIGIN", "origin", false }, { NULL, NULL, false }
};

static void print_names(const struct er_json *items)
{
    for (const struct er_json *item = items->first; item != NULL; item = item->next) {
        const struct er_json *key = er_json_member(item, ER_STR("key"));

        if (key != NULL) {
            (void)printf("%.*s\n", ER_STR_ARG(key->text));
        }
    }
}

static void print_items(const struct er_ctl *ctl, const struct er_json *items)
{
    struct er_ctl_list list;

    er_ctl_list_begin(&list, ctl, config_columns);
    for (const struct er_json *item = items->first; item != NULL; item = item->next) {
        (void)er_ctl_list_item(&list, item);
    }
    er_ctl_list_end(&list, true);
}

static enum er_ctl_exit show_config(const struct er_ctl *ctl, const struct er_json *answer)
{
    const struct er_json *items = er_json_member(answer, ER_STR("items"));

    if (items == NULL || ctl->format == ER_CTL_JSON) {
        er_ctl_print_document(ctl, answer);
    } else if (ctl->format == ER_CTL_NAME) {
        print_names(items);
    } else {
        print_items(ctl, items);
    }
    return ER_CTL_OK;
}

static enum er_ctl_exit run_config_show(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "GET", .target = "/v1/config" };

    return er_ctl_call_once(ctl, args, &request, show_config);
}

/* ---- reload */

static struct er_str text_or_dash(const struct er_json *change, const char *name)
{
    const struct er_json *member = er_json_member(change, er_str_of(name));

    return member != NULL && member->type == ER_JSON_STRING && member->text.n > 0 ? member->text : ER_STR("-");
}

static size_t print_changes(const struct er_ctl *ctl, const struct er_json *answer, const char *member, const char *word)
{
    const struct er_json *changes = er_json_member(answer, er_str_of(member));
    size_t n = 0;

    for (const struct er_json *change = changes == NULL ? NULL : changes->first; change != NULL; change = change->next, n++) {
        struct er_str key = text_or_dash(change, "key"), from = text_or_dash(change, "from"), to = text_or_dash(change, "to");

        if (ctl->format == ER_CTL_NAME) {
            (void)printf("%.*s\n", ER_STR_ARG(key));
        } else {
            (void)printf("%-9s  %.*s: %.*s -> %.*s\n", word, ER_STR_ARG(key), ER_STR_ARG(from), ER_STR_ARG(to));
        }
    }
    return n;
}

/* restart: something would only change with one. */
static bool print_reload(const struct er_ctl *ctl, const struct er_json *answer)
{
    const struct er_json *later = er_json_member(answer, ER_STR("restart"));
    bool restart = later != NULL && later->n > 0;

    if (ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL) {
        er_ctl_print_document(ctl, answer);
        return restart;
    }
    if (print_changes(ctl, answer, "applied", "applied") + print_changes(ctl, answer, "restart", "restart") == 0 &&
        ctl->format != ER_CTL_NAME) {
        (void)puts("unchanged");
    }
    return restart;
}

static enum er_ctl_exit show_reload(const struct er_ctl *ctl, const struct er_json *answer)
{
    if (print_reload(ctl, answer)) {
        (void)fflush(stdout);
        (void)fputs("some of it needs a restart of the daemon\n", stderr);
    }
    return ER_CTL_OK;
}

static enum er_ctl_exit run_reload(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "POST", .target = "/v1/reload" };

    return er_ctl_call_once(ctl, args, &request, show_reload);
}

static enum er_ctl_exit show_check(const struct er_ctl *ctl, const struct er_json *answer)
{
    const struct er_json *applied = er_json_member(answer, ER_STR("applied"));
    bool restart = print_reload(ctl, answer);

    return restart || (applied != NULL && applied->n > 0) ? ER_CTL_NEGATIVE : ER_CTL_OK;
}

static enum er_ctl_exit run_config_check(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "POST", .target = "/v1/reload?dry_run=true" };

    return er_ctl_call_once(ctl, args, &request, show_check);
}

/* ---- log-level */

static enum er_ctl_exit show_level(const struct er_ctl *ctl, const struct er_json *answer)
{
    const struct er_json *level = er_json_member(answer, ER_STR("level"));

    level = level == NULL ? er_json_member(answer, ER_STR("log_level")) : level;
    if (level == NULL || level->type != ER_JSON_STRING) {
        er_ctl_error(ER_E_INTERNAL, "the answer of the daemon names no level");
        return ER_CTL_REFUSED;
    }
    if (ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL) {
        (void)printf("{\"level\":\"%.*s\"}\n", ER_STR_ARG(level->text));
    } else {
        (void)printf("%.*s\n", ER_STR_ARG(level->text));
    }
    return ER_CTL_OK;
}

static enum er_ctl_exit run_log_level(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_request request = { .method = "GET", .target = "/v1/config" };
    struct er_buf body = { 0 };
    struct er_json_writer w;
    enum er_ctl_exit result;

    if (er_ctl_operands(args) == 1) {
        er_jw_init(&w, &body);
        er_jw_object(&w);
        er_jw_member_string(&w, "level", er_str_of(er_ctl_operand(args, 0)));
        er_jw_end(&w);
        if (body.failed) {
            er_ctl_error(ER_E_NOMEM, "out of memory");
            return ER_CTL_NEGATIVE;
        }
        request = (struct er_ctl_request){ .method = "PUT", .target = "/v1/log-level", .body = er_buf_str(&body) };
    }
    result = er_ctl_call_once(ctl, args, &request, show_level);
    er_buf_free(&body);
    return result;
}

/* ---- drain */

static enum er_ctl_exit show_drain(const struct er_ctl *ctl, const struct er_json *answer)
{
    if (ctl->format == ER_CTL_TABLE || ctl->format == ER_CTL_WIDE) {
        (void)puts("draining");
    } else {
        er_ctl_print_document(ctl, answer);
    }
    (void)fflush(stdout);
    return ER_CTL_OK;
}

/* Until nobody answers any more. */
static enum er_ctl_exit await_end(const struct er_ctl *ctl, size_t seconds)
{
    const struct er_ctl_request request = { .method = "GET", .target = "/livez" };
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
    struct er_ctl_client *client = NULL;
    struct er_ctl_reply reply;
    struct er_err err;
    enum er_code code = er_ctl_client_new(ctl->socket, (unsigned)seconds * 1000, &client, &err);

    for (size_t left = seconds * 1000 / POLL_MS; code == ER_OK && left > 0; left--) {
        code = er_ctl_client_call(client, &request, &reply, &err);
        if (code == ER_OK) {
            er_ctl_reply_free(&reply);
            (void)nanosleep(&pause, NULL);
        }
    }
    er_ctl_client_free(client);
    if (code == ER_E_UNREACHABLE) {
        return ER_CTL_OK;
    }
    er_ctl_error(code == ER_OK ? ER_E_TIMEOUT : code, "%s", code == ER_OK ? "the daemon has not ended in time" : err.text);
    return code == ER_OK || code == ER_E_TIMEOUT ? ER_CTL_TIMEOUT : ER_CTL_NEGATIVE;
}

static enum er_ctl_exit run_drain(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "POST", .target = "/v1/drain" };
    const char *timeout = er_ctl_value(args, "timeout");
    size_t seconds = timeout == NULL ? DEFAULT_WAIT_S : er_ctl_number("timeout", timeout, 86400);
    enum er_ctl_exit result = seconds == 0 ? ER_CTL_USAGE : er_ctl_call_once(ctl, args, &request, show_drain);

    return result == ER_CTL_OK && er_ctl_has(args, "wait") ? await_end(ctl, seconds) : result;
}

/* ---- Rows */

static const struct er_ctl_flag flags[] = { ER_CTL_TIMEOUT_FLAG, { 0 } };

static const struct er_ctl_flag drain_flags[] = {
    { "wait", 0, ER_CTL_SWITCH, NULL, "waits until the daemon has ended" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_command config_commands[] = {
    { "show", "", "shows every setting and where it comes from", flags, 0, 0, run_config_show },
    { "check", "", "checks what the daemon would read now; exit 1 if it differs from what it runs with", flags, 0, 0,
      run_config_check },
    { 0 },
};
static const struct er_ctl_command reload_commands[] = {
    { NULL, "", "reads the configuration again; what cannot change at run time is named", flags, 0, 0, run_reload },
    { 0 },
};
static const struct er_ctl_command log_level_commands[] = {
    { NULL, "[LEVEL]", "shows or sets the least important log lines to write: error, warn, info, debug", flags, 0, 1,
      run_log_level },
    { 0 },
};
static const struct er_ctl_command drain_commands[] = {
    { NULL, "", "ends the daemon gracefully, as SIGTERM does", drain_flags, 0, 0, run_drain },
    { 0 },
};

const struct er_ctl_noun er_ctl_config = { "config", NULL, "the configuration that the daemon runs with", config_commands };
const struct er_ctl_noun er_ctl_reload = { "reload", NULL, "reads the configuration again", reload_commands };
const struct er_ctl_noun er_ctl_log_level = { "log-level", NULL, "what is logged", log_level_commands };
const struct er_ctl_noun er_ctl_drain = { "drain", NULL, "ends the daemon gracefully", drain_commands };
