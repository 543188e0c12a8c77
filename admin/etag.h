/* Entity tags "rev-N" and the conditional headers (RFC 9110, section 13), and page tokens. */
#ifndef ER_ADMIN_ETAG_H
#define ER_ADMIN_ETAG_H

#include "admin/http_message.h"
#include "rules/base/arena.h"
#include "rules/store/plan.h"

/* Tags of one conditional header, all its lines together. Weak tags and tags of another form are counted, but match nothing. */
struct er_etag_list {
    bool given;
    bool any;               /* "*" */
    const uint64_t *strong; /* N of each "rev-N"; in arena */
    size_t n;
    const uint64_t *weak; /* N of each W/"rev-N" */
    size_t n_weak;
};

/* Reads all lines of a header such as If-Match. Errors: ER_E_REQUEST when it is no list of entity tags, ER_E_NOMEM. */
enum er_code er_etag_read(struct er_arena *arena, const struct er_http_request *request, const char *header,
                          struct er_etag_list *out, struct er_err *err) ER_MUST_CHECK;

/* The preconditions of a change: If-Match, and If-None-Match which may only be "*" here (ER_E_REQUEST otherwise). */
enum er_code er_etag_precondition(struct er_arena *arena, const struct er_http_request *request, struct er_precondition *out,
                                  struct er_err *err) ER_MUST_CHECK;

/* Strong comparison for If-Match, weak for If-None-Match. */
bool er_etag_matches(const struct er_etag_list *list, uint64_t revision, bool weak);

/* An opaque token for "the page after this id" of a collection (its letter), and back. p = NULL without memory. */
struct er_str er_page_token(struct er_arena *arena, char collection, struct er_str last_id);
enum er_code er_page_read(struct er_arena *arena, char collection, struct er_str token, struct er_str *after_id,
                          struct er_err *err) ER_MUST_CHECK;

#endif
