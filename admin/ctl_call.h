/* Calls to the daemon as commands make them: one session per run, answers as JSON, refusals printed. */
#ifndef ER_ADMIN_CTL_CALL_H
#define ER_ADMIN_CTL_CALL_H

#include "admin/ctl.h"
#include "admin/ctl_client.h"
#include "rules/base/json.h"

/* The flag that every command with a daemon has. */
#define ER_CTL_TIMEOUT_FLAG                                                                                                        \
    {                                                                                                                              \
        "timeout", 0, ER_CTL_VALUE, "SECONDS", "gives up after this time (default 60)"                                             \
    }

struct er_ctl_session {
    struct er_ctl_client *client;
    struct er_arena *arena; /* of the last answer: the next call resets it */
};

/* Reads --timeout; no connection yet. Prints what fails. Close also after a failure. */
enum er_ctl_exit er_ctl_session_open(const struct er_ctl *ctl, const struct er_ctl_args *args, struct er_ctl_session *out);
void er_ctl_session_close(struct er_ctl_session *session);

/* How a refused document is named to the user: the pointer of a problem -> text in front of the rest of the pointer. Takes what it
 * understands off *pointer and returns the text ("" for none). */
typedef const char *er_ctl_place_cb(void *ctx, struct er_str *pointer);

struct er_ctl_request_options {
    long accept;            /* an HTTP status that is an answer too; 0: none */
    er_ctl_place_cb *place; /* NULL: pointers are printed as they are */
    void *place_ctx;
    uint64_t *revision; /* NULL, or gets the rule set's revision from the answer */
    long *status;       /* NULL, or gets the HTTP status */
};

/* One request. A 2xx answer is parsed into *answer (NULL when it has no body; valid until the next call). Everything else is printed as
 * error[...] lines. options may be NULL. Returns ER_CTL_OK, ER_CTL_REFUSED, ER_CTL_UNREACHABLE, ER_CTL_TIMEOUT (also for a 504). */
enum er_ctl_exit er_ctl_call(struct er_ctl_session *session, const struct er_ctl_request *request,
                             const struct er_ctl_request_options *options, const struct er_json **answer);

/* The same for a target that was put together, without a body; target is freed in any case. */
enum er_ctl_exit er_ctl_call_target(struct er_ctl_session *session, const char *method, struct er_buf *target,
                                    const struct er_json **answer);

/* One request in a session of its own. cb gets the answer (NULL: no body); its result is the result. cb NULL: the answer is
 * printed. */
typedef enum er_ctl_exit er_ctl_answer_cb(const struct er_ctl *ctl, const struct er_json *answer);
enum er_ctl_exit er_ctl_call_once(const struct er_ctl *ctl, const struct er_ctl_args *args, const struct er_ctl_request *request,
                                  er_ctl_answer_cb *cb);

/* All items of a list, page by page. target: path and query so far, without limit; limit 0 = all. cb returns false on a failure that it
 * has printed (the result is ER_CTL_NEGATIVE). item is valid for the call. */
typedef bool er_ctl_item_cb(void *ctx, const struct er_json *item);
enum er_ctl_exit er_ctl_each(struct er_ctl_session *session, struct er_str target, size_t limit, er_ctl_item_cb *cb, void *ctx);

/* "--limit" and the like: a number from 1 to max, or 0 with a message. */
size_t er_ctl_number(const char *flag, const char *text, size_t max);

#endif
