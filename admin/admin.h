/* The admin server: HTTP/1.1 on a Unix socket (everything) and on a TCP address (read-only routes). Main thread only. */
#ifndef ER_ADMIN_ADMIN_H
#define ER_ADMIN_ADMIN_H

#include "admin/env.h"
#include "admin/loop.h"

struct er_admin;

struct er_admin_options {
    const char *socket;      /* admin.socket; its directory must exist */
    unsigned mode;           /* admin.mode, for example 0660; set before listening */
    size_t bulk_bytes;       /* admin.bulk_bytes */
    const char *http_listen; /* http.listen "HOST:PORT", "" or NULL = off; port 0 = any free one */
};

/* Starts to listen. A stale socket file (nobody answers) is replaced; a live one is an error. env and loop are borrowed until
 * er_admin_free. Errors: ER_E_SYSTEM with the path or address and what to do. */
enum er_code er_admin_start(struct er_loop *loop, const struct er_admin_env *env, const struct er_admin_options *options,
                            struct er_admin **out, struct er_err *err) ER_MUST_CHECK;

/* "HOST:PORT" that the TCP listener really has; "" when off. */
const char *er_admin_http_address(const struct er_admin *admin);

/* Stops listening, answers what is open, removes the socket file. */
void er_admin_free(struct er_admin *admin);

#endif
