/* eventrouterctl dead-letter: browsing; retry has a file of its own. */
#include "admin/ctl_dead_letter.h"

#include "admin/ctl_output.h"
#include "admin/ctl_print.h"
#include "rules/base/base64.h"

enum { LIST_LIMIT = 100 };

static const char *const filters[] = { "reason", "stage", "subscriber", "since", "until" };
#define FILTERS (sizeof filters / sizeof *filters)

void er_ctl_letter_target(const struct er_ctl_args *args, bool brief, struct er_buf *target)
{
    er_buf_add(target, ER_STR("/v1/dead-letters"));
    for (size_t i = 0; i < FILTERS; i++) {
        const char *value = er_ctl_value(args, filters[i]);

        if (value != NULL) {
            er_ctl_target_query(target, filters[i], er_str_of(value));
        }
    }
    if (brief) {
        er_ctl_target_query(target, "brief", ER_STR("true"));
    }
}

bool er_ctl_letter_filtered(const struct er_ctl_args *args)
{
    for (size_t i = 0; i < FILTERS; i++) {
        if (er_ctl_has(args, filters[i])) {
            return true;
        }
    }
    return false;
}

/* ---- list */

static const struct er_ctl_column columns[] = {
    { "REF", "ref", false },
    { "CODE", "code", false },
    { "STAGE", "stage", false },
    { "SUBSCRIBER", "subscriber", false },
    { "SOURCE", "source", false },
    { "ATTEMPTS", "attempts", false },
    { "FAILED", "first_failed_at", false },
    { "RETRIED", "retried.outcome", false },
    { "SUBSCRIPTION", "subscription", true },
    { "BYTES", "value_bytes", true },
    { "MESSAGE", "message", true },
    { NULL, NULL, false },
};

static enum er_ctl_exit run_list(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    const char *limit = er_ctl_value(args, "limit");
    size_t n = limit != NULL ? er_ctl_number("limit", limit, 1000000000) : LIST_LIMIT;
    struct er_buf target = { 0 };
    struct er_ctl_session session;
    struct er_ctl_list list;
    enum er_ctl_exit result;

    if (n == 0) {
        return ER_CTL_USAGE;
    }
    if (er_ctl_has(args, "all")) {
        n = 0;
    }
    result = er_ctl_session_open(ctl, args, &session);
    er_ctl_letter_target(args, ctl->format != ER_CTL_JSON && ctl->format != ER_CTL_JSONL, &target);
    if (target.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        result = ER_CTL_NEGATIVE;
    }
    if (result == ER_CTL_OK) {
        er_ctl_list_begin(&list, ctl, columns);
        result = er_ctl_each(&session, er_buf_str(&target), n, er_ctl_list_item, &list);
        er_ctl_list_end(&list, result == ER_CTL_OK);
    }
    er_buf_free(&target);
    er_ctl_session_close(&session);
    return result;
}

/* ---- show */

/* The event's value as it is, and nothing else. */
static enum er_ctl_exit print_value(const struct er_json *letter)
{
    const struct er_json *value = er_json_member(letter, ER_STR("value"));
    struct er_buf bytes = { 0 };
    bool fine = true;

    if (value == NULL || value->type != ER_JSON_STRING) {
        er_ctl_error(ER_E_NOT_FOUND, "the event has no value: it is a tombstone, or the dead-letter topic had no room for it");
        return ER_CTL_NEGATIVE;
    }
    if (er_json_member(letter, ER_STR("value_encoding")) == NULL) {
        er_ctl_put(value->text);
        return ER_CTL_OK;
    }
    fine = er_base64_decode(&bytes, value->text) && !bytes.failed;
    if (fine) {
        er_ctl_put(er_buf_str(&bytes));
    } else {
        er_ctl_error(ER_E_INTERNAL, "the daemon's Base64 cannot be read");
    }
    er_buf_free(&bytes);
    return fine ? ER_CTL_OK : ER_CTL_NEGATIVE;
}

static enum er_ctl_exit run_show(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_session session;
    struct er_buf target = { 0 };
    const struct er_json *answer;
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &session);

    if (result == ER_CTL_OK) {
        er_buf_add(&target, ER_STR("/v1/dead-letters"));
        er_ctl_target_segment(&target, er_str_of(er_ctl_operand(args, 0)));
        result = er_ctl_call_target(&session, "GET", &target, &answer);
    }
    if (result == ER_CTL_OK && er_ctl_has(args, "value")) {
        result = print_value(answer);
    } else if (result == ER_CTL_OK) {
        er_ctl_print_document(ctl, answer);
    }
    er_ctl_session_close(&session);
    return result;
}

/* ---- Rows */

static const struct er_ctl_flag list_flags[] = {
    ER_CTL_LETTER_FILTER_FLAGS,
    { "limit", 0, ER_CTL_VALUE, "N", "at most this many, the newest (default 100)" },
    { "all", 0, ER_CTL_SWITCH, NULL, "all that are there" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag show_flags[] = {
    { "value", 0, ER_CTL_SWITCH, NULL, "writes only the event's value, as it is" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_flag retry_flags[] = {
    { "all", 0, ER_CTL_SWITCH, NULL, "all that the filters choose and that were not sent before, in the order of their source" },
    ER_CTL_LETTER_FILTER_FLAGS,
    { "again", 0, ER_CTL_SWITCH, NULL, "also what was sent before" },
    { "dry-run", 0, ER_CTL_SWITCH, NULL, "sends nothing, only says what would be sent" },
    ER_CTL_TIMEOUT_FLAG,
    { 0 },
};

static const struct er_ctl_command commands[] = {
    { "list", "", "lists dead letters, the newest first", list_flags, 0, 0, run_list },
    { "show", "REF", "shows one dead letter with the whole event", show_flags, 1, 1, run_show },
    { "retry", "REF... | --all", "sends events of dead letters to their subscribers again", retry_flags, 0, (size_t)-1,
      er_ctl_run_dead_letter_retry },
    { 0 },
};

const struct er_ctl_noun er_ctl_dead_letter = { "dead-letter", "dl", "what could not be routed or delivered, and why", commands };
