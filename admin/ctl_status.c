/* eventrouterctl status and health: what the daemon says about itself. */
#include "admin/ctl_call.h"
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"

static enum er_ctl_exit run_status(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "GET", .target = "/v1/status" };

    return er_ctl_call_once(ctl, args, &request, NULL);
}

static const struct er_ctl_column check_columns[] = {
    { "CHECK", "name", false }, { "OK", "ok", false }, { "DETAIL", "detail", false }, { NULL, NULL, false }
};

/* The names of the checks that failed, or nothing. */
static void print_failed_names(const struct er_json *checks)
{
    for (const struct er_json *check = checks->first; check != NULL; check = check->next) {
        const struct er_json *ok = er_json_member(check, ER_STR("ok")), *name = er_json_member(check, ER_STR("name"));

        if (name != NULL && (ok == NULL || ok->type != ER_JSON_TRUE)) {
            (void)printf("%.*s\n", ER_STR_ARG(name->text));
        }
    }
}

static void print_checks(const struct er_ctl *ctl, const struct er_json *answer)
{
    const struct er_json *checks = er_json_member(answer, ER_STR("checks"));
    struct er_ctl_list list;

    if (ctl->format == ER_CTL_JSON || checks == NULL || checks->type != ER_JSON_ARRAY) {
        er_ctl_print_document(ctl, answer);
        return;
    }
    if (ctl->format == ER_CTL_NAME) {
        print_failed_names(checks);
        return;
    }
    er_ctl_list_begin(&list, ctl, check_columns);
    for (const struct er_json *check = checks->first; check != NULL; check = check->next) {
        (void)er_ctl_list_item(&list, check);
    }
    er_ctl_list_end(&list, true);
}

static enum er_ctl_exit run_health(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_request request = { .method = "GET", .target = "/readyz?verbose" };
    long status = 0;
    const struct er_ctl_request_options options = { .accept = 503, .status = &status };
    struct er_ctl_session session;
    const struct er_json *answer = NULL;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    if (result == ER_CTL_OK) {
        result = er_ctl_call(&session, &request, &options, &answer);
    }
    if (result == ER_CTL_OK) {
        print_checks(ctl, answer);
        result = status == 503 ? ER_CTL_NEGATIVE : ER_CTL_OK;
    }
    er_ctl_session_close(&session);
    return result;
}

static const struct er_ctl_flag flags[] = { ER_CTL_TIMEOUT_FLAG, { 0 } };

static const struct er_ctl_command status_commands[] = {
    { NULL, "", "shows revision, workers, lag and counters of the daemon", flags, 0, 0, run_status },
    { 0 },
};
static const struct er_ctl_command health_commands[] = {
    { NULL, "", "is the daemon ready? Exit 0 if so, else 1, with the checks", flags, 0, 0, run_health },
    { 0 },
};

const struct er_ctl_noun er_ctl_status = { "status", NULL, "state of the daemon", status_commands };
const struct er_ctl_noun er_ctl_health = { "health", NULL, "is the daemon ready?", health_commands };
