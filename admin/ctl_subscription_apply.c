/* eventrouterctl subscription apply: files -> one atomic PUT. */
#include "admin/ctl_subscription.h"

#include <inttypes.h>
#include "admin/ctl_documents.h"
#include "admin/ctl_print.h"

static const char *const groups[] = { "created", "updated", "unchanged", "deleted" };
enum { GROUPS = sizeof groups / sizeof *groups, DELETED = 3, UNCHANGED = 2 };

struct apply {
    const struct er_ctl *ctl;
    const struct er_ctl_args *args;
    struct er_ctl_documents documents;
    struct er_ctl_session session;
    struct er_buf body;
};

/* "/3/regex/x" -> the place of document 3, and "/regex/x" stays. */
static const char *place(void *ctx, struct er_str *pointer)
{
    const struct apply *apply = ctx;
    size_t i = 1, index = 0;

    for (; i < pointer->n && pointer->p[i] >= '0' && pointer->p[i] <= '9' && index < apply->documents.n; i++) {
        index = index * 10 + (size_t)(pointer->p[i] - '0');
    }
    if (i < 2 || index >= apply->documents.n || (i < pointer->n && pointer->p[i] != '/')) {
        return "";
    }
    pointer->p += i;
    pointer->n -= i;
    return apply->documents.items[index].place;
}

static bool read_all(struct apply *apply)
{
    size_t without_id = 0, n = er_ctl_count(apply->args, "file");

    if (n == 0) {
        er_ctl_error(ER_E_USAGE, "nothing to apply; name files or directories with --file");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        er_ctl_documents_read(&apply->documents, er_ctl_nth(apply->args, "file", i));
    }
    er_ctl_documents_check(&apply->documents);
    if (apply->documents.errors > 0) {
        return false;
    }
    er_buf_addc(&apply->body, '[');
    for (size_t i = 0; i < apply->documents.n; i++) {
        without_id += er_json_member(apply->documents.items[i].json, ER_STR("id")) == NULL;
        er_buf_add(&apply->body, i > 0 ? ER_STR(",\n") : ER_STR("\n"));
        er_buf_add(&apply->body, apply->documents.items[i].text);
    }
    er_buf_add(&apply->body, ER_STR("]"));
    if (without_id > 0) {
        (void)fprintf(stderr, "warning: %zu document%s without an id: each apply adds a new subscription for it\n", without_id,
                      without_id == 1 ? "" : "s");
    }
    if (apply->body.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    }
    return !apply->body.failed;
}

static enum er_ctl_exit put(struct apply *apply, bool dry_run, uint64_t *revision, const struct er_json **answer)
{
    const struct er_ctl_request_options options = { .place = place, .place_ctx = apply, .revision = revision };
    static const char *const targets[2][2] = { { "/v1/subscriptions", "/v1/subscriptions?dry_run=true" },
                                               { "/v1/subscriptions?prune=true", "/v1/subscriptions?prune=true&dry_run=true" } };
    const struct er_ctl_request request = { .method = "PUT",
                                            .target = targets[er_ctl_has(apply->args, "prune")][dry_run],
                                            .body = er_buf_str(&apply->body) };

    return er_ctl_call(&apply->session, &request, &options, answer);
}

static size_t count(const struct er_json *answer, const char *group)
{
    const struct er_json *ids = er_json_member(answer, er_str_of(group));

    return ids == NULL ? 0 : ids->n;
}

/* Pruning deletes what nobody has typed: a dry run tells what, and a question comes only if there is something. */
static enum er_ctl_exit confirm_prune(struct apply *apply)
{
    const struct er_json *answer = NULL, *deleted;
    enum er_ctl_exit result;
    uint64_t revision;

    if (er_ctl_has(apply->args, "yes") || er_ctl_has(apply->args, "dry-run")) {
        return ER_CTL_OK;
    }
    result = put(apply, true, &revision, &answer);
    if (result != ER_CTL_OK || count(answer, groups[DELETED]) == 0) {
        return result;
    }
    deleted = er_json_member(answer, er_str_of(groups[DELETED]));
    for (const struct er_json *id = deleted->first; id != NULL; id = id->next) {
        (void)fprintf(stderr, "would delete  %.*s\n", ER_STR_ARG(id->text));
    }
    return er_ctl_ask(false, "delete %zu subscription%s?", deleted->n, deleted->n == 1 ? "" : "s");
}

/* Table: one line per changed document (wide: unchanged ones too); name: ids of the changed ones. */
static void print_groups(const struct er_ctl *ctl, const struct er_json *answer)
{
    for (size_t i = 0; i < GROUPS; i++) {
        const struct er_json *ids = er_json_member(answer, er_str_of(groups[i]));

        if (ids == NULL || (i == UNCHANGED && (ctl->format == ER_CTL_TABLE || ctl->format == ER_CTL_NAME))) {
            continue;
        }
        for (const struct er_json *id = ids->first; id != NULL; id = id->next) {
            er_ctl_print_change(ctl, groups[i], id->text);
        }
    }
}

static enum er_ctl_exit send(struct apply *apply, bool dry_run, bool *differs)
{
    const struct er_json *answer = NULL;
    uint64_t revision = 0;
    enum er_ctl_exit result = put(apply, dry_run, &revision, &answer);

    if (result != ER_CTL_OK) {
        return result;
    }
    if (apply->ctl->format == ER_CTL_JSON) {
        er_ctl_print_document(apply->ctl, answer);
    } else {
        print_groups(apply->ctl, answer);
    }
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s%zu created, %zu updated, %zu unchanged, %zu deleted; revision %" PRIu64 "\n",
                  dry_run ? "dry run: " : "", count(answer, groups[0]), count(answer, groups[1]), count(answer, groups[UNCHANGED]),
                  count(answer, groups[DELETED]), revision);
    *differs = count(answer, groups[0]) + count(answer, groups[1]) + count(answer, groups[DELETED]) > 0;
    return ER_CTL_OK;
}

enum er_ctl_exit er_ctl_run_subscription_apply(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct apply apply = { .ctl = ctl, .args = args };
    enum er_ctl_exit result;
    bool differs;

    if (!er_ctl_documents_new(&apply.documents)) {
        return ER_CTL_NEGATIVE;
    }
    result = read_all(&apply) ? er_ctl_session_open(ctl, args, &apply.session) : ER_CTL_USAGE;
    if (result == ER_CTL_OK && er_ctl_has(args, "prune")) {
        result = confirm_prune(&apply);
    }
    if (result == ER_CTL_OK) {
        result = send(&apply, er_ctl_has(args, "dry-run"), &differs);
    }
    er_ctl_session_close(&apply.session);
    er_ctl_documents_free(&apply.documents);
    er_buf_free(&apply.body);
    return result;
}

/* What apply would do, with the answer as exit code. */
enum er_ctl_exit er_ctl_run_subscription_diff(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct apply apply = { .ctl = ctl, .args = args };
    enum er_ctl_exit result;
    bool differs = false;

    if (!er_ctl_documents_new(&apply.documents)) {
        return ER_CTL_NEGATIVE;
    }
    result = read_all(&apply) ? er_ctl_session_open(ctl, args, &apply.session) : ER_CTL_USAGE;
    if (result == ER_CTL_OK) {
        result = send(&apply, true, &differs);
    }
    er_ctl_session_close(&apply.session);
    er_ctl_documents_free(&apply.documents);
    er_buf_free(&apply.body);
    return result == ER_CTL_OK && differs ? ER_CTL_NEGATIVE : result;
}
