/* eventrouterctl subscriber. */
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"
#include "admin/ctl_subscription.h"

static const struct er_ctl_column columns[] = {
    { "ID", "id", false },
    { "TOPIC", "topic", false },
    { "PARTITIONS", "partitions", false },
    { "STATE", "state", false },
    { "SUBSCRIPTIONS", "status.subscriptions", false },
    { "BREAKER", "status.destination.breaker", true },
    { "WAITING", "status.destination.waiting", true },
    { "REVISION", "revision", true },
    { "UPDATED", "updated_at", true },
    { "LABELS", "labels", true },
    { "DESCRIPTION", "description", true },
    { NULL, NULL, false },
};

static enum er_ctl_exit run_list(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_session session;
    struct er_ctl_list list;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    if (result == ER_CTL_OK) {
        er_ctl_list_begin(&list, ctl, columns);
        result = er_ctl_each(&session, ER_STR("/v1/subscribers"), 0, er_ctl_list_item, &list);
        er_ctl_list_end(&list, result == ER_CTL_OK);
    }
    er_ctl_session_close(&session);
    return result;
}

static enum er_ctl_exit run_show(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    return er_ctl_show(ctl, args, "/v1/subscribers");
}

static enum er_ctl_exit run_remove(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    static const char *const queries[2][2] = { { "", "?dry_run=true" }, { "?cascade=true", "?cascade=true&dry_run=true" } };
    const struct er_ctl_removal removal = { "/v1/subscribers", "subscriber",
                                            queries[er_ctl_has(args, "cascade")][er_ctl_has(args, "dry-run")] };

    return er_ctl_remove(ctl, args, &removal);
}

/* ---- pause, resume */

static enum er_ctl_exit set_state(struct er_ctl_session *session, const struct er_ctl_args *args, struct er_str id,
                                  const char *verb)
{
    struct er_buf target = { 0 };
    const struct er_json *answer;

    er_buf_add(&target, ER_STR("/v1/subscribers"));
    er_ctl_target_segment(&target, id);
    er_buf_printf(&target, "/%s%s", verb, er_ctl_has(args, "dry-run") ? "?dry_run=true" : "");
    return er_ctl_call_target(session, "PUT", &target, &answer);
}

/* One after another: a refused one does not keep the others, the first refusal is the result. */
static enum er_ctl_exit set_states(const struct er_ctl *ctl, const struct er_ctl_args *args, const char *verb, const char *done)
{
    struct er_ctl_session session;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    for (size_t i = 0; i < er_ctl_operands(args) && (result == ER_CTL_OK || result == ER_CTL_REFUSED); i++) {
        struct er_str id = er_str_of(er_ctl_operand(args, i));
        enum er_ctl_exit one = set_state(&session, args, id, verb);

        if (one == ER_CTL_OK) {
            er_ctl_print_change(ctl, done, id);
        }
        result = one != ER_CTL_OK ? one : result;
    }
    er_ctl_session_close(&session);
    return result;
}

static enum er_ctl_exit run_pause(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    return set_states(ctl, args, "pause", "paused");
}

static enum er_ctl_exit run_resume(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    return set_states(ctl, args, "resume", "resumed");
}

/* ---- Rows */

static const struct er_ctl_flag state_flags[] = {
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "changes nothing, only says what would happen" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag plain_flags[] = { ER_CTL_TIMEOUT_FLAG, { 0 } };

static const struct er_ctl_flag remove_flags[] = {
    { "cascade", 0, ER_CTL_SWITCH, NULL, "removes its subscriptions too" },
    { "yes", 'y', ER_CTL_SWITCH, NULL, "does not ask" },
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "changes nothing, only says what would happen" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_command commands[] = {
    { "list", "", "lists subscribers", plain_flags, 0, 0, run_list },
    { "show", "ID", "shows one subscriber", plain_flags, 1, 1, run_show },
    { "pause", "ID...", "keeps events from subscribers: their copies become dead letters", state_flags, 1, (size_t)-1, run_pause },
    { "resume", "ID...", "sends copies again; see dead-letter retry for what was kept", state_flags, 1, (size_t)-1, run_resume },
    { "remove", "ID...", "removes subscribers; their topics are kept", remove_flags, 1, (size_t)-1, run_remove },
    { 0 },
};

const struct er_ctl_noun er_ctl_subscriber = { "subscriber", NULL, "the receivers of events, each with a topic of its own",
                                               commands };
