/* A raw socket client in the same thread as the server: every wait runs the server's loop, up to a deadline. */
#ifndef ER_TESTS_UNIT_ADMIN_WIRE_H
#define ER_TESTS_UNIT_ADMIN_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "admin/loop.h"
#include "rules/base/buf.h"
#include "tests/unit/test.h"

enum { WIRE_DEADLINE_S = 120 }; /* a sanitizer on a busy machine takes long */

struct wire {
    struct er_loop *loop;
    int fd;
    struct er_buf in; /* received, not yet taken */
    bool closed;      /* the server ended the connection */
};

struct wire_answer {
    int status;
    char *head; /* zero terminated */
    char *body; /* zero terminated */
    size_t body_bytes;
};

static inline time_t wire_deadline(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + WIRE_DEADLINE_S;
}

static inline void wire_pump(struct er_loop *loop, time_t deadline)
{
    struct timespec now;

    assert_true(event_base_loop(er_loop_base(loop), EVLOOP_NONBLOCK) >= 0);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > deadline) {
        fail_msg("nothing happened within %d s", WIRE_DEADLINE_S);
    }
}

static inline struct wire wire_dial(struct er_loop *loop, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct wire wire = { .loop = loop, .fd = socket(AF_UNIX, SOCK_STREAM, 0) };

    strcpy(address.sun_path, path);
    assert_int_equal(connect(wire.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(wire.fd, F_SETFL, O_NONBLOCK), 0);
    return wire;
}

static inline struct wire wire_dial_tcp(struct er_loop *loop, const char *address)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct wire wire = { .loop = loop, .fd = socket(AF_INET, SOCK_STREAM, 0) };

    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
    assert_int_equal(connect(wire.fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(wire.fd, F_SETFL, O_NONBLOCK), 0);
    return wire;
}

static inline void wire_hang_up(struct wire *wire)
{
    close(wire->fd);
    er_buf_free(&wire->in);
}

/* Takes what is there. */
static inline void wire_receive(struct wire *wire)
{
    char bytes[65536];
    ssize_t n = recv(wire->fd, bytes, sizeof bytes, 0);

    if (n > 0) {
        er_buf_add(&wire->in, (struct er_str){ bytes, (size_t)n });
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        wire->closed = true;
    }
}

/* Sends all of it, as far as the server lets it. False: the server hung up before. */
static inline bool wire_send_bytes(struct wire *wire, const char *bytes, size_t n)
{
    time_t deadline = wire_deadline();

    while (n > 0) {
        ssize_t sent = send(wire->fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
        }
        wire_pump(wire->loop, deadline);
    }
    return true;
}

static inline bool wire_send(struct wire *wire, const char *text)
{
    return wire_send_bytes(wire, text, strlen(text));
}

static inline char *wire_copy(const char *p, size_t n)
{
    char *copy = malloc(n + 1);

    assert_non_null(copy);
    memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

static inline void wire_answer_free(struct wire_answer *answer)
{
    free(answer->head);
    free(answer->body);
    *answer = (struct wire_answer){ 0 };
}

/* Value of a header of the answer, in a buffer of the caller; "" when absent. */
static inline const char *wire_header(const struct wire_answer *answer, const char *name, char *out, size_t size)
{
    char key[64];
    const char *found;

    snprintf(key, sizeof key, "\r\n%s: ", name);
    found = strstr(answer->head, key);
    out[0] = '\0';
    if (found != NULL) {
        size_t n = strcspn(found + strlen(key), "\r");

        n = n < size - 1 ? n : size - 1;
        memcpy(out, found + strlen(key), n);
        out[n] = '\0';
    }
    return out;
}

/* The next answer; false when the server hung up without one. no_body: to a HEAD. */
static inline bool wire_take_answer(struct wire *wire, struct wire_answer *answer, bool no_body)
{
    time_t deadline = wire_deadline();

    for (;;) {
        const char *end = wire->in.n == 0 ? NULL : memmem(wire->in.p, wire->in.n, "\r\n\r\n", 4);

        if (end != NULL) {
            size_t head = (size_t)(end - wire->in.p) + 4, body;
            char length[32];

            *answer = (struct wire_answer){ .head = wire_copy(wire->in.p, head) };
            assert_memory_equal(answer->head, "HTTP/1.1 ", 9);
            answer->status = atoi(answer->head + 9);
            body = no_body ? 0 : strtoul(wire_header(answer, "Content-Length", length, sizeof length), NULL, 10);
            if (wire->in.n >= head + body) {
                answer->body = wire_copy(wire->in.p + head, body);
                answer->body_bytes = body;
                wire->in.n -= head + body;
                memmove(wire->in.p, wire->in.p + head + body, wire->in.n);
                return true;
            }
            wire_answer_free(answer);
        }
        if (wire->closed) {
            assert_int_equal(wire->in.n, 0); /* no half answers */
            return false;
        }
        wire_pump(wire->loop, deadline);
        wire_receive(wire);
    }
}

static inline void wire_wait_closed(struct wire *wire)
{
    time_t deadline = wire_deadline();

    while (!wire->closed) {
        wire_pump(wire->loop, deadline);
        wire_receive(wire);
    }
}

static inline int wire_status(struct wire *wire, const char *request)
{
    struct wire_answer answer;
    int status = 0;

    (void)wire_send(wire, request);
    if (wire_take_answer(wire, &answer, false)) {
        status = answer.status;
        wire_answer_free(&answer);
    }
    return status;
}

#endif
