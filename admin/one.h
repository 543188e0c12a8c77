/* The answer with one document, for api_*.c: conditions of a GET, ETag, status.
 *
 *   er_one_read -> er_store_get_... with a row callback -> er_one_wants (write the document, or not) -> er_one_finish
 */
#ifndef ER_ADMIN_ONE_H
#define ER_ADMIN_ONE_H

#include "admin/call.h"
#include "admin/etag.h"

struct er_one {
    struct er_call *call;
    struct er_etag_list match, none_match; /* all zero: the answer to a change */
    int status;                            /* when the document is shown */
    bool failed;                           /* If-Match does not hold */
};

/* For a GET: reads If-Match and If-None-Match. False: the call has ended. */
bool er_one_read(struct er_call *call, struct er_one *out) ER_MUST_CHECK;
/* The row with that revision is there: sets ETag and perhaps 304. True: begin the answer in w, the caller writes the document. */
bool er_one_wants(struct er_one *one, uint64_t revision, struct er_json_writer *w);
/* For a GET: ends the call. code and err are the store's. */
void er_one_finish(struct er_one *one, enum er_code code, struct er_err *err);
/* For a change: an error of the store becomes the answer. */
void er_one_check(struct er_one *one, enum er_code code, const struct er_err *err);

#endif
