/* eventrouterctl subscription edit: a stored document in $EDITOR, and back if nobody else has changed it. */
#include "admin/ctl_subscription.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "admin/ctl_documents.h"
#include "admin/ctl_print.h"

struct edit {
    const struct er_ctl *ctl;
    struct er_ctl_session session;
    struct er_buf target; /* zero terminated */
    struct er_buf before; /* the file as it was given to the editor */
    uint64_t revision;
    char path[64];
};

/* ---- The file */

static void add_pretty(struct er_buf *out, const struct er_json *value, size_t depth)
{
    bool object = value->type == ER_JSON_OBJECT;
    struct er_json_writer w;

    er_jw_init(&w, out);
    if (value->n == 0 || (depth > 0 && !object)) {
        er_jw_json(&w, value);
        return;
    }
    er_buf_addc(out, object ? '{' : '[');
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        er_buf_printf(out, "%s\n%*s", child == value->first ? "" : ",", (int)(2 * depth + 2), "");
        if (object) {
            er_jw_init(&w, out);
            er_jw_string(&w, child->key);
            er_buf_add(out, ER_STR(": "));
        }
        add_pretty(out, child, depth + 1);
    }
    er_buf_printf(out, "\n%*s%c", (int)(2 * depth), "", object ? '}' : ']');
}

/* The document without what the daemon adds. */
static void add_document(struct er_buf *out, const struct er_json *document)
{
    static const char *const server_members[] = { "revision", "created_at", "updated_at", "status" };
    bool first = true;

    er_buf_addc(out, '{');
    for (const struct er_json *member = document->first; member != NULL; member = member->next) {
        struct er_json_writer w;
        bool server = false;

        for (size_t i = 0; i < sizeof server_members / sizeof *server_members; i++) {
            server = server || er_str_eq(member->key, er_str_of(server_members[i]));
        }
        if (server) {
            continue;
        }
        er_buf_add(out, first ? ER_STR("\n  ") : ER_STR(",\n  "));
        first = false;
        er_jw_init(&w, out);
        er_jw_string(&w, member->key);
        er_buf_add(out, ER_STR(": "));
        add_pretty(out, member, 1);
    }
    er_buf_add(out, ER_STR("\n}\n"));
}

static bool write_file(struct edit *edit)
{
    const char *directory = getenv("TMPDIR");
    int fd;
    bool fine;

    if ((size_t)snprintf(edit->path, sizeof edit->path, "%s/eventrouter-XXXXXX.json",
                         directory != NULL && *directory != '\0' ? directory : "/tmp") >= sizeof edit->path) {
        (void)snprintf(edit->path, sizeof edit->path, "/tmp/eventrouter-XXXXXX.json");
    }
    fd = mkstemps(edit->path, 5);
    fine = fd >= 0 && write(fd, edit->before.p, edit->before.n) == (ssize_t)edit->before.n;
    if (!fine) {
        er_ctl_error(ER_E_FILE, "%s: %s", edit->path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return fine;
}

/* The editor is a shell command, as for every program that asks $EDITOR. */
static bool run_editor(const struct edit *edit)
{
    const char *editor = getenv("VISUAL");
    int status = 0;
    pid_t pid;

    if (editor == NULL || *editor == '\0') {
        editor = getenv("EDITOR");
    }
    pid = fork();
    if (pid == 0) {
        char command[512];

        (void)snprintf(command, sizeof command, "%s \"$1\"", editor == NULL || *editor == '\0' ? "vi" : editor);
        (void)execl("/bin/sh", "sh", "-c", command, "sh", edit->path, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        er_ctl_error(ER_E_SYSTEM, "the editor failed; nothing was changed (set EDITOR)");
        return false;
    }
    return true;
}

/* ---- The daemon */

static enum er_ctl_exit get(struct edit *edit, const char *id)
{
    struct er_ctl_request request = { .method = "GET" };
    const struct er_json *answer = NULL, *revision;
    enum er_ctl_exit result;

    er_buf_add(&edit->target, ER_STR("/v1/subscriptions"));
    er_ctl_target_segment(&edit->target, er_str_of(id));
    er_buf_addc(&edit->target, '\0');
    if (edit->target.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return ER_CTL_NEGATIVE;
    }
    request.target = edit->target.p;
    result = er_ctl_call(&edit->session, &request, NULL, &answer);
    if (result == ER_CTL_OK) {
        revision = er_json_member(answer, ER_STR("revision"));
        edit->revision = revision == NULL ? 0 : strtoull(revision->text.p, NULL, 10);
        add_document(&edit->before, answer);
    }
    return result;
}

static enum er_ctl_exit put(struct edit *edit, struct er_str text, const char *id)
{
    const struct er_ctl_request request = { .method = "PUT", .target = edit->target.p, .body = text, .if_match = edit->revision };
    const struct er_json *answer;
    enum er_ctl_exit result = er_ctl_call(&edit->session, &request, NULL, &answer);

    if (result == ER_CTL_OK) {
        er_ctl_print_change(edit->ctl, "updated", er_str_of(id));
    }
    return result;
}

static enum er_ctl_exit send_back(struct edit *edit, const char *id)
{
    struct er_ctl_documents documents;
    struct er_buf after = { 0 };
    struct er_err err;
    enum er_code code = er_ctl_read_file(edit->path, &after, &err);
    enum er_ctl_exit result = ER_CTL_USAGE;

    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
    } else if (er_str_eq(er_buf_str(&edit->before), er_buf_str(&after))) {
        (void)fprintf(stderr, "nothing was changed\n");
        result = ER_CTL_OK;
    } else if (er_ctl_documents_new(&documents)) {
        er_ctl_documents_add(&documents, er_buf_str(&after), edit->path);
        er_ctl_documents_check(&documents);
        result = documents.errors > 0 ? ER_CTL_USAGE : put(edit, er_buf_str(&after), id);
        er_ctl_documents_free(&documents);
    }
    er_buf_free(&after);
    return result;
}

enum er_ctl_exit er_ctl_run_subscription_edit(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct edit edit = { .ctl = ctl };
    const char *id = er_ctl_operand(args, 0);
    enum er_ctl_exit result = er_ctl_session_open(ctl, args, &edit.session);

    if (result == ER_CTL_OK) {
        result = get(&edit, id);
    }
    if (result == ER_CTL_OK) {
        result = write_file(&edit) && run_editor(&edit) ? send_back(&edit, id) : ER_CTL_NEGATIVE;
        if (result == ER_CTL_OK) {
            (void)unlink(edit.path);
        } else {
            (void)fprintf(stderr, "your text is in %s\n", edit.path);
        }
    }
    er_ctl_session_close(&edit.session);
    er_buf_free(&edit.target);
    er_buf_free(&edit.before);
    return result;
}
