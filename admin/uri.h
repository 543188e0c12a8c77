/* Percent-encoding (RFC 3986) and query strings. */
#ifndef ER_ADMIN_URI_H
#define ER_ADMIN_URI_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/base/str.h"

/* Decodes %XX, and + as a space where plus is set (query strings). Result in arena. Errors: ER_E_REQUEST for a malformed escape, a NUL
 * or text that is not UTF-8; ER_E_NOMEM. */
enum er_code er_uri_decode(struct er_arena *arena, struct er_str text, bool plus, struct er_str *out,
                           struct er_err *err) ER_MUST_CHECK;

struct er_uri_param {
    bool given;
    struct er_str value; /* decoded; p = NULL when there was no '=' */
};

/* Reads a query string into params[i] for names[i] (zero terminated, n of them). Errors: ER_E_REQUEST for a name that is not listed (with
 * "did you mean"), one given twice, a malformed escape; ER_E_NOMEM. */
enum er_code er_uri_query(struct er_arena *arena, struct er_str query, const char *const *names, size_t n,
                          struct er_uri_param *params, struct er_err *err) ER_MUST_CHECK;

#endif
