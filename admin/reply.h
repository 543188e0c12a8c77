/* Answers of the admin server: JSON bodies, and RFC 9457 application/problem+json for everything that went wrong. */
#ifndef ER_ADMIN_REPLY_H
#define ER_ADMIN_REPLY_H

#include "rules/base/buf.h"
#include "rules/base/err.h"
#include "rules/base/json_write.h"
#include "rules/language/problem.h"

/* Initialise with {0}. The buffers belong to the reply until er_reply_free or until the server takes them. A failed buffer (no
 * memory) is noticed when the reply is sent: it becomes a bare 500. */
struct er_reply {
    int status;
    const char *content_type; /* static; NULL: no body */
    struct er_buf headers;    /* complete lines, each with CR LF */
    struct er_buf body;
};

#define ER_JSON_TYPE "application/json"
#define ER_PROBLEM_TYPE "application/problem+json"

void er_reply_free(struct er_reply *reply); /* also resets to {0} */

/* Adds a header line. The value is cut at 512 bytes; bytes outside of printable ASCII become '?', so nothing can split it. */
void er_reply_header(struct er_reply *reply, const char *name, const char *format, ...) ER_PRINTF(3, 4);

/* Starts a JSON answer: the writer writes into its body. */
void er_reply_json(struct er_reply *reply, int status, struct er_json_writer *w);

/* A problem with one error; status 0 = that of the code. hint may be NULL. */
struct er_reply_error {
    int status;
    enum er_code code;
    size_t offset; /* ER_NO_OFFSET: none */
    const char *detail;
    const char *hint;
};
void er_reply_error(struct er_reply *reply, const struct er_reply_error *error);

/* Starts a problem: {"type","title","status","detail" and leaves the object open for more members; the caller ends it. */
void er_reply_problem(struct er_reply *reply, int status, enum er_code code, const char *detail, struct er_json_writer *w);

/* A finished problem whose errors[] are the list (not empty); code and its status lead. */
void er_reply_problems(struct er_reply *reply, enum er_code code, const struct er_problems *problems);

/* The sentence that sums up a list: its only detail, or "3 errors; the first: ...". Result in arena; "" without memory. */
struct er_str er_problems_summary(const struct er_problems *problems);

#endif
