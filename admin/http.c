#include "admin/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "admin/http_answer.h"
#include "admin/listener.h"

/* Refused connections linger too, but not without bound. */
enum { EXTRA_CONNECTIONS = 128, READ_CHUNK = 65536, FLUSH_MS = 200, RETRY_ACCEPT_MS = 100 };

enum phase { IDLE, HEAD, BODY, CHUNKED, HANDLING, WRITING, LINGERING };

struct er_http_server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *retry_accept;
    struct er_http_ops ops;
    struct er_http_options options;
    struct er_http_exchange *first;
    size_t n;        /* connections */
    size_t buffered; /* bytes of all bodies */
};

/* A connection and the one request that it has in work. */
struct er_http_exchange {
    struct er_http_server *server; /* NULL: gone, only the owed reply keeps this alive */
    struct er_http_exchange *next, **link;
    struct bufferevent *bev; /* NULL: the client is gone */
    struct event *timer;
    enum phase phase;
    bool keep_alive;
    bool no_body; /* of the answer: HEAD */
    int64_t uid;
    uint64_t started_us;
    struct er_buf head_text;
    struct er_buf body;
    struct er_http_head head;
    struct er_http_chunked chunked;
    size_t body_limit;
};

struct er_http_options er_http_default_options(void)
{
    return (struct er_http_options){ .connections = 128,
                                     .header_bytes = 8192,
                                     .buffered_bytes = (size_t)64 << 20,
                                     .idle_ms = 60000,
                                     .head_ms = 10000,
                                     .body_ms = 60000,
                                     .write_ms = 60000,
                                     .linger_ms = 2000 };
}

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- The life of a connection */

static void set_timer(struct er_http_exchange *exchange, uint32_t ms)
{
    struct timeval tv = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

    (void)event_add(exchange->timer, &tv);
}

static void forget_request(struct er_http_exchange *exchange)
{
    if (exchange->server != NULL) {
        exchange->server->buffered -= exchange->body.n;
    }
    er_buf_free(&exchange->body);
    er_buf_free(&exchange->head_text);
    memset(&exchange->head, 0, sizeof exchange->head);
    memset(&exchange->chunked, 0, sizeof exchange->chunked);
}

static void close_socket(struct er_http_exchange *exchange)
{
    if (exchange->bev != NULL) {
        bufferevent_free(exchange->bev);
        exchange->bev = NULL;
    }
    if (exchange->timer != NULL) {
        event_free(exchange->timer);
        exchange->timer = NULL;
    }
}

static void unlink_exchange(struct er_http_exchange *exchange)
{
    *exchange->link = exchange->next;
    if (exchange->next != NULL) {
        exchange->next->link = exchange->link;
    }
    exchange->server->n--;
}

static void free_exchange(struct er_http_exchange *exchange)
{
    forget_request(exchange);
    close_socket(exchange);
    if (exchange->server != NULL) {
        unlink_exchange(exchange);
    }
    free(exchange);
}

static void report(struct er_http_exchange *exchange, int status, size_t bytes)
{
    const struct er_http_ops *ops = &exchange->server->ops;
    struct er_http_outcome outcome = { .uid = exchange->uid, .status = status, .bytes = bytes };

    outcome.request = exchange->head.request.method.n > 0 ? &exchange->head.request : NULL;
    outcome.duration_us = exchange->started_us == 0 ? 0 : now_us() - exchange->started_us;
    ops->outcome(ops->ctx, &outcome);
}

/* The client is gone. While a handler works, the exchange waits for the reply. */
static void drop(struct er_http_exchange *exchange)
{
    if (exchange->phase == HANDLING) {
        close_socket(exchange);
    } else {
        free_exchange(exchange);
    }
}

/* ---- Answers */

static void send_reply(struct er_http_exchange *exchange, struct er_reply *reply)
{
    struct er_http_answer_options how = { .keep_alive = exchange->keep_alive, .no_body = exchange->no_body };

    er_http_answer_check(reply);
    report(exchange, reply->status, reply->body.n);
    exchange->phase = WRITING;
    (void)bufferevent_disable(exchange->bev, EV_READ);
    set_timer(exchange, exchange->server->options.write_ms);
    exchange->keep_alive = er_http_answer_write(bufferevent_get_output(exchange->bev), reply, &how);
    er_reply_free(reply);
}

/* Refuses what cannot be a request, or is too much; the connection ends with it, since where the next one starts is not known. */
static void refuse(struct er_http_exchange *exchange, const struct er_http_fault *fault)
{
    struct er_reply reply = { 0 };

    exchange->keep_alive = false;
    er_reply_error(&reply, &(struct er_reply_error){ fault->status, fault->code, ER_NO_OFFSET, fault->detail, NULL });
    if (fault->status == 429) {
        er_reply_header(&reply, "Retry-After", "1");
    }
    send_reply(exchange, &reply);
}

static void linger(struct er_http_exchange *exchange)
{
    struct evbuffer *input = bufferevent_get_input(exchange->bev);

    exchange->phase = LINGERING;
    forget_request(exchange);
    (void)shutdown(bufferevent_getfd(exchange->bev), SHUT_WR);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    set_timer(exchange, exchange->server->options.linger_ms);
    if (bufferevent_enable(exchange->bev, EV_READ) != 0) {
        free_exchange(exchange);
    }
}

/* ---- Requests */

static void dispatch(struct er_http_exchange *exchange)
{
    const struct er_http_ops *ops = &exchange->server->ops;
    struct er_http_request *request = &exchange->head.request;

    request->body = er_buf_str(&exchange->body);
    exchange->phase = HANDLING;
    (void)event_del(exchange->timer);
    (void)bufferevent_disable(exchange->bev, EV_READ);
    ops->handle(ops->ctx, exchange, request);
}

static void begin_body(struct er_http_exchange *exchange)
{
    struct er_http_server *server = exchange->server;
    struct er_http_head *head = &exchange->head;

    exchange->body_limit = server->ops.body_limit(server->ops.ctx, &head->request);
    if (head->content_length > exchange->body_limit) {
        char detail[96];

        (void)snprintf(detail, sizeof detail, "the body is too large: this request takes at most %zu bytes", exchange->body_limit);
        refuse(exchange, &(struct er_http_fault){ 413, ER_E_TOO_LARGE, detail });
        return;
    }
    if (!head->chunked && head->content_length == 0) {
        dispatch(exchange);
        return;
    }
    exchange->phase = head->chunked ? CHUNKED : BODY;
    set_timer(exchange, server->options.body_ms);
    if (head->expect_continue && evbuffer_get_length(bufferevent_get_input(exchange->bev)) == 0) {
        (void)bufferevent_write(exchange->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
}

static void parse_head(struct er_http_exchange *exchange, struct er_str text)
{
    struct er_http_fault fault;
    struct er_http_head *head = &exchange->head;

    er_buf_clear(&exchange->head_text);
    er_buf_add(&exchange->head_text, text);
    (void)evbuffer_drain(bufferevent_get_input(exchange->bev), text.n);
    if (exchange->head_text.failed) {
        refuse(exchange, &(struct er_http_fault){ 500, ER_E_NOMEM, "out of memory" });
        return;
    }
    if (!er_http_head_parse(er_buf_str(&exchange->head_text), head, &fault)) {
        head->request = (struct er_http_request){ .uid = -1 };
        refuse(exchange, &fault);
        return;
    }
    head->request.uid = exchange->uid;
    head->request.read_only = exchange->server->options.read_only;
    exchange->keep_alive = head->keep_alive;
    exchange->no_body = er_str_eq(head->request.method, ER_STR("HEAD"));
    begin_body(exchange);
}

static struct er_str peek(struct evbuffer *input, size_t most)
{
    size_t n = evbuffer_get_length(input);

    n = n < most ? n : most;
    return (struct er_str){ n == 0 ? NULL : (const char *)evbuffer_pullup(input, (ev_ssize_t)n), n };
}

/* Empty lines in front of a request are to be ignored (RFC 9112, 2.2). */
static void skip_empty_lines(struct evbuffer *input)
{
    struct er_str text = peek(input, READ_CHUNK);
    size_t n = 0;

    while (text.p != NULL && n + 1 < text.n && text.p[n] == '\r' && text.p[n + 1] == '\n') {
        n += 2;
    }
    (void)evbuffer_drain(input, n);
}

static void begin_head(struct er_http_exchange *exchange)
{
    exchange->phase = HEAD;
    exchange->started_us = now_us();
    exchange->keep_alive = false;
    exchange->no_body = false;
    set_timer(exchange, exchange->server->options.head_ms);
}

static bool read_head(struct er_http_exchange *exchange, struct evbuffer *input)
{
    size_t most = exchange->server->options.header_bytes, length = 0;
    struct er_http_fault fault = { 431, ER_E_HEADER_TOO_LARGE, "the request head is larger than 8 KiB" };
    enum er_http_verdict verdict;
    struct er_str text;

    if (exchange->phase == IDLE) {
        begin_head(exchange);
    }
    skip_empty_lines(input);
    text = peek(input, most);
    if (text.p == NULL || er_str_eq(text, ER_STR("\r"))) {
        return false;
    }
    verdict = er_http_head_find(text, &length, &fault);
    if (verdict == ER_HTTP_DONE) {
        parse_head(exchange, (struct er_str){ text.p, length });
        return true;
    }
    if (verdict == ER_HTTP_BAD || text.n == most) {
        refuse(exchange, &fault);
    }
    return false;
}

/* Accounts for body bytes that were just appended. False: the exchange was refused. */
static bool account(struct er_http_exchange *exchange, size_t before)
{
    struct er_http_server *server = exchange->server;

    server->buffered += exchange->body.n - before;
    if (!exchange->body.failed && server->buffered <= server->options.buffered_bytes) {
        return true;
    }
    refuse(exchange, &(struct er_http_fault){ 429, ER_E_TOO_MANY, "too many large requests at once; try again" });
    return false;
}

static bool read_body(struct er_http_exchange *exchange, struct evbuffer *input)
{
    struct er_str text = peek(input, READ_CHUNK);
    size_t left = (size_t)exchange->head.content_length - exchange->body.n, before = exchange->body.n;

    if (text.p == NULL) {
        return false;
    }
    text.n = text.n < left ? text.n : left;
    er_buf_add(&exchange->body, text);
    (void)evbuffer_drain(input, text.n);
    if (!account(exchange, before)) {
        return false;
    }
    if (exchange->body.n == exchange->head.content_length) {
        dispatch(exchange);
        return false;
    }
    return true;
}

static bool read_chunked(struct er_http_exchange *exchange, struct evbuffer *input)
{
    struct er_str text = peek(input, READ_CHUNK);
    size_t used = 0, before = exchange->body.n;
    struct er_http_fault fault;
    enum er_http_verdict verdict;

    if (text.p == NULL) {
        return false;
    }
    verdict = er_http_chunked_feed(&exchange->chunked, text, &exchange->body, exchange->body_limit, &used, &fault);
    if (verdict == ER_HTTP_BAD) {
        exchange->server->buffered += exchange->body.n - before;
        refuse(exchange, &fault);
        return false;
    }
    (void)evbuffer_drain(input, used);
    if (!account(exchange, before)) {
        return false;
    }
    if (verdict == ER_HTTP_DONE) {
        dispatch(exchange);
        return false;
    }
    return true;
}

/* Works on the input until more is needed. Each step says whether to go on. */
static void read_input(struct er_http_exchange *exchange)
{
    struct evbuffer *input = bufferevent_get_input(exchange->bev);
    bool more = true;

    /* No step frees the exchange: refusals are written first. */
    while (more) {
        switch (exchange->phase) {
        case IDLE:
        case HEAD:
            more = evbuffer_get_length(input) > 0 && read_head(exchange, input);
            break;
        case BODY:
            more = read_body(exchange, input);
            break;
        case CHUNKED:
            more = read_chunked(exchange, input);
            break;
        case LINGERING:
            (void)evbuffer_drain(input, evbuffer_get_length(input));
            more = false;
            break;
        case HANDLING:
        case WRITING:
        default:
            more = false;
            break;
        }
    }
}

/* ---- Events */

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    read_input(arg);
}

/* All of the output has left. */
static void on_write(struct bufferevent *bev, void *arg)
{
    struct er_http_exchange *exchange = arg;

    if (exchange->phase != WRITING || evbuffer_get_length(bufferevent_get_output(bev)) > 0) {
        return;
    }
    if (!exchange->keep_alive) {
        linger(exchange);
        return;
    }
    forget_request(exchange);
    exchange->phase = IDLE;
    set_timer(exchange, exchange->server->options.idle_ms);
    if (bufferevent_enable(bev, EV_READ) != 0) {
        free_exchange(exchange);
        return;
    }
    read_input(exchange); /* a pipelined request is here already and fires no event */
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct er_http_exchange *exchange = arg;
    bool half_way = exchange->phase == HEAD || exchange->phase == BODY || exchange->phase == CHUNKED;

    (void)bev;
    if ((what & BEV_EVENT_EOF) != 0 && half_way) {
        refuse(exchange, &(struct er_http_fault){ 400, ER_E_REQUEST, "the request ends too early" });
    } else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0 && !((what & BEV_EVENT_EOF) != 0 && exchange->phase == WRITING)) {
        drop(exchange);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct er_http_exchange *exchange = arg;

    (void)fd;
    (void)what;
    if (exchange->phase == HEAD || exchange->phase == BODY || exchange->phase == CHUNKED) {
        refuse(exchange, &(struct er_http_fault){ 408, ER_E_REQUEST_TIMEOUT, "the request did not arrive in time" });
    } else {
        drop(exchange);
    }
}

static struct er_http_exchange *new_exchange(struct er_http_server *server, int fd)
{
    struct er_http_exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL) {
        close(fd);
        return NULL;
    }
    exchange->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (exchange->bev == NULL) {
        close(fd);
    }
    exchange->timer = event_new(server->base, -1, 0, on_timer, exchange);
    if (exchange->bev == NULL || exchange->timer == NULL) {
        close_socket(exchange);
        free(exchange);
        return NULL;
    }
    exchange->uid = er_listener_peer_uid(fd);
    exchange->head.request.uid = -1;
    exchange->server = server;
    exchange->next = server->first;
    exchange->link = &server->first;
    if (exchange->next != NULL) {
        exchange->next->link = &exchange->next;
    }
    server->first = exchange;
    server->n++;
    return exchange;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length, void *arg)
{
    struct er_http_server *server = arg;
    bool refused = server->n >= server->options.connections;
    struct er_http_exchange *exchange;
    int one = 1;

    (void)listener;
    (void)length;
    if (server->n >= server->options.connections + EXTRA_CONNECTIONS) {
        close(fd);
        return;
    }
    if (address->sa_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    exchange = new_exchange(server, fd);
    if (exchange == NULL) {
        return;
    }
    bufferevent_setcb(exchange->bev, on_read, on_write, on_event, exchange);
    bufferevent_setwatermark(exchange->bev, EV_READ, 0, READ_CHUNK);
    if (refused) {
        refuse(exchange, &(struct er_http_fault){ 429, ER_E_TOO_MANY, "too many connections; try again" });
        return;
    }
    set_timer(exchange, server->options.idle_ms);
    if (bufferevent_enable(exchange->bev, EV_READ) != 0) {
        free_exchange(exchange);
    }
}

static void on_retry_accept(evutil_socket_t fd, short what, void *arg)
{
    struct er_http_server *server = arg;

    (void)fd;
    (void)what;
    (void)evconnlistener_enable(server->listener);
}

/* Out of descriptors: the listening socket stays readable, so without a pause this would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct er_http_server *server = arg;
    struct timeval tv = { .tv_sec = 0, .tv_usec = RETRY_ACCEPT_MS * 1000 };

    (void)evconnlistener_disable(listener);
    (void)event_add(server->retry_accept, &tv);
}

/* ---- The server */

enum er_code er_http_server_new(struct event_base *base, int fd, const struct er_http_ops *ops,
                                const struct er_http_options *options, struct er_http_server **out, struct er_err *err)
{
    struct er_http_server *server = calloc(1, sizeof *server);

    *out = NULL;
    if (server != NULL) {
        server->base = base;
        server->ops = *ops;
        server->options = *options;
        server->retry_accept = event_new(base, -1, 0, on_retry_accept, server);
        server->listener = evconnlistener_new(base, on_accept, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    }
    if (server == NULL || server->retry_accept == NULL || server->listener == NULL) {
        if (server == NULL || server->listener == NULL) {
            close(fd);
        }
        er_http_server_free(server);
        return er_err_set(err, ER_E_NOMEM, "no memory for the admin server");
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    *out = server;
    return ER_OK;
}

/* The last moment of a connection: blocks for a bounded time, so that a final answer is not lost with the process. */
static void flush(struct er_http_exchange *exchange, uint64_t until_us)
{
    struct evbuffer *output = bufferevent_get_output(exchange->bev);
    int fd = bufferevent_getfd(exchange->bev);

    (void)bufferevent_disable(exchange->bev, EV_WRITE);
    (void)evbuffer_unfreeze(output, 1); /* the bufferevent keeps its front to itself */
    while (evbuffer_get_length(output) > 0) {
        uint64_t now = now_us();
        struct pollfd poller = { .fd = fd, .events = POLLOUT };

        if (evbuffer_write(output, fd) >= 0) {
            continue;
        }
        if ((errno != EAGAIN && errno != EINTR) || now >= until_us || poll(&poller, 1, (int)((until_us - now) / 1000)) <= 0) {
            return;
        }
    }
}

static void end_exchange(struct er_http_exchange *exchange, uint64_t until_us)
{
    struct er_reply reply = { 0 };
    bool owed = exchange->phase == HANDLING;

    if (exchange->bev != NULL) {
        if (owed) {
            exchange->keep_alive = false;
            er_reply_error(&reply,
                           &(struct er_reply_error){ 0, ER_E_UNAVAILABLE, ER_NO_OFFSET, "the router is shutting down", NULL });
            send_reply(exchange, &reply);
        }
        if (exchange->phase == WRITING) {
            flush(exchange, until_us);
        }
    }
    if (!owed) {
        free_exchange(exchange);
        return;
    }
    exchange->phase = HANDLING; /* its request stays valid until the reply */
    close_socket(exchange);
    unlink_exchange(exchange);
    exchange->server = NULL;
}

void er_http_server_free(struct er_http_server *server)
{
    uint64_t until_us = now_us() + FLUSH_MS * 1000;

    if (server == NULL) {
        return;
    }
    if (server->listener != NULL) {
        evconnlistener_free(server->listener);
    }
    if (server->retry_accept != NULL) {
        event_free(server->retry_accept);
    }
    while (server->first != NULL) {
        end_exchange(server->first, until_us);
    }
    free(server);
}

void er_http_reply(struct er_http_exchange *exchange, struct er_reply *reply)
{
    if (exchange->bev != NULL) {
        send_reply(exchange, reply);
        return;
    }
    if (exchange->server != NULL) {
        report(exchange, 0, 0);
    }
    er_reply_free(reply);
    free_exchange(exchange);
}
