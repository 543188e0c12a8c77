/* A small HTTP/1.1 server on libevent's bufferevents: connections, limits, time-outs, keep-alive, pipelining. Main thread only.
 *
 *   accept -> IDLE -> HEAD -> BODY | CHUNKED -> HANDLING -> WRITING -> IDLE ...
 *                                                             `-> LINGERING -> closed
 *
 * Why not evhttp: docs/adr/0003-http-server.md.
 */
#ifndef ER_ADMIN_HTTP_H
#define ER_ADMIN_HTTP_H

#include "admin/http_message.h"
#include "admin/reply.h"

struct event_base;
struct er_http_server;
struct er_http_exchange; /* a request that waits for its reply */

/* What one exchange came to; borrowed for the call. */
struct er_http_outcome {
    const struct er_http_request *request; /* NULL: refused before a request could be read */
    int64_t uid;
    int status;   /* 0: the client went away before its answer */
    size_t bytes; /* of the answer's body */
    uint64_t duration_us;
};

struct er_http_ops {
    void *ctx;
    /* The most body bytes that this request may send (its body is not there yet). */
    size_t (*body_limit)(void *ctx, const struct er_http_request *request);
    /* Must lead to exactly one er_http_reply, now or later; request is valid until then. */
    void (*handle)(void *ctx, struct er_http_exchange *exchange, const struct er_http_request *request);
    void (*outcome)(void *ctx, const struct er_http_outcome *outcome);
};

struct er_http_options {
    size_t connections;    /* at once; one more is answered 429 and closed */
    size_t header_bytes;   /* of a request's head */
    size_t buffered_bytes; /* of all bodies together; over it 429 */
    uint32_t idle_ms;      /* between two requests */
    uint32_t head_ms;      /* from the first byte of a head to its end, else 408 */
    uint32_t body_ms;      /* from there to the end of the body, else 408 */
    uint32_t write_ms;     /* to take the answer */
    uint32_t linger_ms;    /* to read on after a last answer, so that the client gets to see it */
    bool read_only;        /* marks the requests */
};
struct er_http_options er_http_default_options(void);

/* Serves what fd (a listening socket; taken, also on failure) accepts. ops is copied, its ctx borrowed. */
enum er_code er_http_server_new(struct event_base *base, int fd, const struct er_http_ops *ops,
                                const struct er_http_options *options, struct er_http_server **out,
                                struct er_err *err) ER_MUST_CHECK;

/* Stops accepting, answers 503 where a request waits for its reply, gives answers a moment to leave, closes all. The reply to an exchange
 * that waited is still due, and goes nowhere. */
void er_http_server_free(struct er_http_server *server);

/* Takes what the reply holds. The exchange is gone afterwards. */
void er_http_reply(struct er_http_exchange *exchange, struct er_reply *reply);

#endif
