/* eventrouterctl subscription: reading and removing; add and apply have files of their own. */
#include "admin/ctl_subscription.h"

#include "admin/ctl_output.h"
#include "admin/ctl_print.h"

static const struct er_ctl_column columns[] = {
    { "ID", "id", false },
    { "SUBSCRIBER", "subscriber", false },
    { "TYPES", "types", false },
    { "REGEX", "regex", false },
    { "STATE", "status.state", false },
    { "INDEXED", "status.indexed", true },
    { "HITS", "status.activity.hits", true },
    { "PATTERN", "pattern", true },
    { "REVISION", "revision", true },
    { "UPDATED", "updated_at", true },
    { "LABELS", "labels", true },
    { "DESCRIPTION", "description", true },
    { NULL, NULL, false },
};

static bool add_query(struct er_buf *target, const char *name, const char *value)
{
    if (value != NULL) {
        er_ctl_target_query(target, name, er_str_of(value));
    }
    return !target->failed;
}

static enum er_ctl_exit each(const struct er_ctl *ctl, const struct er_ctl_args *args, size_t limit, er_ctl_item_cb *cb, void *ctx)
{
    static const char *const names[] = { "subscriber", "type", "label" };
    const char *q = er_ctl_value(args, "query");
    struct er_ctl_session session;
    struct er_buf target = { 0 };
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);
    bool fine = true;

    er_buf_add(&target, ER_STR("/v1/subscriptions"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fine = add_query(&target, names[i], er_ctl_value(args, names[i])) && fine;
    }
    fine = add_query(&target, "q", q) && fine;
    if (!fine) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        result = ER_CTL_NEGATIVE;
    }
    if (result == ER_CTL_OK) {
        result = er_ctl_each(&session, er_buf_str(&target), limit, cb, ctx);
    }
    er_buf_free(&target);
    er_ctl_session_close(&session);
    return result;
}

static enum er_ctl_exit run_list(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const char *limit = er_ctl_value(args, "limit");
    size_t n = limit == NULL ? 0 : er_ctl_number("limit", limit, 1000000000);
    struct er_ctl_list list;
    enum er_ctl_exit result;

    if (limit != NULL && n == 0) {
        return ER_CTL_USAGE;
    }
    er_ctl_list_begin(&list, ctl, columns);
    result = each(ctl, args, n, er_ctl_list_item, &list);
    er_ctl_list_end(&list, result == ER_CTL_OK);
    return result;
}

/* What the daemon adds is left out, so that apply of an export changes nothing. */
static bool export_item(void *ctx, const struct er_json *item)
{
    static const char *const server_members[] = { "revision", "created_at", "updated_at", "status", NULL };

    (void)ctx;
    er_ctl_print_line(item, server_members);
    return true;
}

static enum er_ctl_exit run_export(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    return each(ctl, args, 0, export_item, NULL);
}

enum er_ctl_exit er_ctl_show(const struct er_ctl *ctl, const struct er_ctl_args *args, const char *collection)
{
    struct er_ctl_session session;
    struct er_buf target = { 0 };
    const struct er_json *answer;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    if (result == ER_CTL_OK) {
        er_buf_add(&target, er_str_of(collection));
        er_ctl_target_segment(&target, er_str_of(er_ctl_operand(args, 0)));
        result = er_ctl_call_target(&session, "GET", &target, &answer);
    }
    if (result == ER_CTL_OK) {
        er_ctl_print_document(ctl, answer);
    }
    er_ctl_session_close(&session);
    return result;
}

static enum er_ctl_exit run_show(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    return er_ctl_show(ctl, args, "/v1/subscriptions");
}

/* ---- Removal */

static enum er_ctl_exit remove_one(struct er_ctl_session *session, const struct er_ctl_removal *removal, struct er_str id)
{
    struct er_buf target = { 0 };
    const struct er_json *answer;

    er_buf_add(&target, er_str_of(removal->collection));
    er_ctl_target_segment(&target, id);
    er_buf_add(&target, er_str_of(removal->query));
    return er_ctl_call_target(session, "DELETE", &target, &answer);
}

static enum er_ctl_exit ask(const struct er_ctl_args *args, const struct er_ctl_removal *removal)
{
    size_t n = er_ctl_operands(args);
    bool yes = er_ctl_has(args, "yes") || er_ctl_has(args, "dry-run");

    return n == 1 ? er_ctl_ask(yes, "remove %s %s?", removal->singular, er_ctl_operand(args, 0))
                  : er_ctl_ask(yes, "remove %zu %ss?", n, removal->singular);
}

/* One after another: a refused one does not keep the others, the first refusal is the result. */
enum er_ctl_exit er_ctl_remove(const struct er_ctl *ctl, const struct er_ctl_args *args, const struct er_ctl_removal *removal)
{
    struct er_ctl_session session;
    enum er_ctl_exit result = ask(args, removal);

    if (result != ER_CTL_OK) {
        return result;
    }
    result = er_ctl_session_open(ctl, args, &session);
    for (size_t i = 0; i < er_ctl_operands(args) && (result == ER_CTL_OK || result == ER_CTL_REFUSED); i++) {
        struct er_str id = er_str_of(er_ctl_operand(args, i));
        enum er_ctl_exit one = remove_one(&session, removal, id);

        if (one == ER_CTL_OK) {
            er_ctl_print_change(ctl, "deleted", id);
        }
        result = one != ER_CTL_OK ? one : result;
    }
    if (er_ctl_has(args, "dry-run")) {
        (void)fflush(stdout);
        (void)fputs("dry run: nothing was removed\n", stderr);
    }
    er_ctl_session_close(&session);
    return result;
}

static enum er_ctl_exit run_remove(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const struct er_ctl_removal removal = { "/v1/subscriptions", "subscription",
                                            er_ctl_has(args, "dry-run") ? "?dry_run=true" : "" };

    return er_ctl_remove(ctl, args, &removal);
}

/* ---- Rows */

static const struct er_ctl_flag list_flags[] = {
    { "subscriber", 0, ER_CTL_VALUE, "SUBSCRIBER", "only those of this subscriber" },
    { "type", 0, ER_CTL_VALUE, "TYPE", "only those whose types accept this event type" },
    { "label", 0, ER_CTL_VALUE, "KEY[=VALUE]", "only those with this label" },
    { "query", 'q', ER_CTL_VALUE, "TEXT", "only those with this text in id, subscriber or description" },
    { "limit", 0, ER_CTL_VALUE, "N", "at most this many (default all)" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag export_flags[] = {
    { "subscriber", 0, ER_CTL_VALUE, "SUBSCRIBER", "only those of this subscriber" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag show_flags[] = { ER_CTL_TIMEOUT_FLAG, { 0 } };

static const struct er_ctl_flag remove_flags[] = {
    { "yes", 'y', ER_CTL_SWITCH, NULL, "does not ask" },
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "changes nothing, only says what would happen" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag add_flags[] = {
    { "id", 0, ER_CTL_VALUE, "ID", "id of the subscription (default: the router makes one)" },
    { "type", 0, ER_CTL_VALUES, "TYPE", "event type or glob such as 'order.*'; several: any of them" },
    { "regex", 0, ER_CTL_VALUES, "PATH=PATTERN", "the field must match the regular expression; several: all of them" },
    { "pattern", 0, ER_CTL_VALUE, "JSON", "pattern that the event must fit" },
    { "description", 0, ER_CTL_VALUE, "TEXT", "what it is for" },
    { "label", 0, ER_CTL_VALUES, "KEY=VALUE", "a label" },
    { "disabled", 0, ER_CTL_SWITCH, NULL, "stores it without making it active" },
    { "file", 'f', ER_CTL_VALUE, "FILE", "reads the document from a file (- = standard input); flags add to it" },
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "changes nothing, only says what would happen" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag apply_flags[] = {
    { "file", 'f', ER_CTL_VALUES, "FILE|DIR",
      "documents: one, an array, or one per line; a directory: its *.json and *.jsonl (- = standard input)" },
    { "prune", 0, ER_CTL_SWITCH, NULL, "deletes every subscription that the files do not name" },
    { "yes", 'y', ER_CTL_SWITCH, NULL, "does not ask" },
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "changes nothing, only says what would happen" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag diff_flags[] = {
    { "file", 'f', ER_CTL_VALUES, "FILE|DIR",
      "documents: one, an array, or one per line; a directory: its *.json and *.jsonl (- = standard input)" },
    { "prune", 0, ER_CTL_SWITCH, NULL, "counts every subscription that the files do not name as deleted" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_command commands[] = {
    { "add", "[SUBSCRIBER]", "adds a subscription", add_flags, 0, 1, er_ctl_run_subscription_add },
    { "apply", "-f FILE|DIR", "makes the stored subscriptions equal to files, all in one change", apply_flags, 0, 0,
      er_ctl_run_subscription_apply },
    { "diff", "-f FILE|DIR", "says what apply would change; exit 1 if there is anything", diff_flags, 0, 0,
      er_ctl_run_subscription_diff },
    { "test", "ID|FILE EVENT...", "says whether a stored subscription, or that of a file (with a slash or .json), accepts events",
      show_flags, 2, (size_t)-1, er_ctl_run_subscription_test },
    { "edit", "ID", "opens a subscription in $EDITOR and stores what comes back", show_flags, 1, 1, er_ctl_run_subscription_edit },
    { "list", "", "lists subscriptions", list_flags, 0, 0, run_list },
    { "show", "ID", "shows one subscription", show_flags, 1, 1, run_show },
    { "remove", "ID...", "removes subscriptions", remove_flags, 1, (size_t)-1, run_remove },
    { "export", "", "writes all subscriptions as JSON lines; apply of them changes nothing", export_flags, 0, 0, run_export },
    { 0 },
};

const struct er_ctl_noun er_ctl_subscription = { "subscription", "sub", "the rules that say which events a subscriber gets",
                                                 commands };
