/* HTTP requests to the daemon over its Unix socket; the only user of libcurl. One thread. */
#ifndef ER_ADMIN_CTL_CLIENT_H
#define ER_ADMIN_CTL_CLIENT_H

#include <stdint.h>
#include <stdio.h>
#include "rules/base/buf.h"
#include "rules/base/err.h"

struct er_ctl_client;

/* socket_path is copied. No connection is made yet. timeout_ms bounds every call as a whole. Errors: ER_E_NOMEM, ER_E_SYSTEM. */
enum er_code er_ctl_client_new(const char *socket_path, unsigned timeout_ms, struct er_ctl_client **out,
                               struct er_err *err) ER_MUST_CHECK;
void er_ctl_client_free(struct er_ctl_client *client);

/* Initialise with {0}; belongs to the caller until er_ctl_reply_free. */
struct er_ctl_reply {
    long status; /* HTTP status */
    struct er_buf body;
    struct er_buf warnings; /* values of the Eventrouter-Warning headers, each followed by LF */
    uint64_t revision;      /* of Eventrouter-Revision; 0 = the answer had none */
};
void er_ctl_reply_free(struct er_ctl_reply *reply);

struct er_ctl_request {
    const char *method;
    const char *target; /* path and query, encoded (see below) */
    struct er_str body; /* JSON; p = NULL: none */
    uint64_t if_match;  /* only if the document has this revision; 0: whatever it has */
};

/* ER_OK whatever the HTTP status. Errors: ER_E_UNREACHABLE, ER_E_TIMEOUT, ER_E_NOMEM; text says what to do. */
enum er_code er_ctl_client_call(struct er_ctl_client *client, const struct er_ctl_request *request, struct er_ctl_reply *reply,
                                struct er_err *err) ER_MUST_CHECK;

/* Builds a target: "/" and one percent-encoded path segment; "?" or "&" and one encoded name=value. */
void er_ctl_target_segment(struct er_buf *target, struct er_str segment);
void er_ctl_target_query(struct er_buf *target, const char *name, struct er_str value);

#endif
