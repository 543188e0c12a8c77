/* An answer as bytes of HTTP/1.1. */
#ifndef ER_ADMIN_HTTP_ANSWER_H
#define ER_ADMIN_HTTP_ANSWER_H

#include "admin/reply.h"

struct evbuffer;

struct er_http_answer_options {
    bool keep_alive;
    bool no_body; /* to a HEAD */
};

/* Without memory for the answer the client still learns that much: a failed reply becomes a bare 500. */
void er_http_answer_check(struct er_reply *reply);

/* Appends status line, fields and body; takes the body. Returns whether the connection may stay: false also without memory. */
bool er_http_answer_write(struct evbuffer *output, struct er_reply *reply, const struct er_http_answer_options *options);

#endif
