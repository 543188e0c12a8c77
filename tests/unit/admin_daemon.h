/* The whole admin server on a socket of its own, over the fake daemon; requests go through one connection. */
#ifndef ER_TESTS_UNIT_ADMIN_DAEMON_H
#define ER_TESTS_UNIT_ADMIN_DAEMON_H

#include "admin/admin.h"
#include "tests/support/admin_env_fake.h"
#include "tests/unit/admin_wire.h"

struct fixture {
    struct fake_env fake;
    struct er_loop *loop;
    struct er_admin *admin;
    char socket[100];
    struct wire wire; /* one connection for the whole test */
    struct wire_answer answer;
    char value[600];
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_admin_options options = { .mode = 0600, .bulk_bytes = 3 << 20, .http_listen = "127.0.0.1:0" };
    struct er_err err;

    assert_non_null(f);
    assert_true(fake_env_open(&f->fake, "/tmp"));
    snprintf(f->socket, sizeof f->socket, "%s/admin.sock", f->fake.directory);
    options.socket = f->socket;
    f->loop = er_loop_new();
    assert_non_null(f->loop);
    assert_int_equal(er_admin_start(f->loop, &f->fake.env, &options, &f->admin, &err), ER_OK);
    f->wire = wire_dial(f->loop, f->socket);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    wire_answer_free(&f->answer);
    wire_hang_up(&f->wire);
    er_admin_free(f->admin);
    assert_int_equal(access(f->socket, F_OK), -1);
    er_loop_free(f->loop);
    fake_env_close(&f->fake);
    free(f);
    return 0;
}

/* Sends a request with extra header lines (each with CR LF) and a body; returns the status. */
static inline int ask_on(struct fixture *f, struct wire *wire, const char *line, const char *headers, const char *body)
{
    struct er_buf request = { 0 };

    wire_answer_free(&f->answer);
    er_buf_printf(&request, "%s HTTP/1.1\r\nHost: x\r\n%s", line, headers);
    if (body != NULL) {
        er_buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    }
    er_buf_add(&request, ER_STR("\r\n"));
    if (body != NULL) {
        er_buf_add(&request, er_str_of(body));
    }
    assert_true(wire_send_bytes(wire, request.p, request.n));
    er_buf_free(&request);
    assert_true(wire_take_answer(wire, &f->answer, strncmp(line, "HEAD ", 5) == 0));
    return f->answer.status;
}

static inline int ask(struct fixture *f, const char *line, const char *body)
{
    return ask_on(f, &f->wire, line, body == NULL ? "" : "Content-Type: application/json\r\n", body);
}

static inline int ask_if(struct fixture *f, const char *line, const char *condition, const char *body)
{
    char headers[300];

    snprintf(headers, sizeof headers, "%s\r\nContent-Type: application/json\r\n", condition);
    return ask_on(f, &f->wire, line, headers, body);
}

static const char *header(struct fixture *f, const char *name)
{
    return wire_header(&f->answer, name, f->value, sizeof f->value);
}

static inline bool has(const struct fixture *f, const char *text)
{
    return strstr(f->answer.body, text) != NULL;
}

#define HAS(f, text)                                                                                                               \
    do {                                                                                                                           \
        if (!has((f), (text))) {                                                                                                   \
            fail_msg("no %s in %s", (text), (f)->answer.body);                                                                     \
        }                                                                                                                          \
    } while (0)

static inline void expect_problem(struct fixture *f, int status, const char *code)
{
    char text[64];

    if (f->answer.status != status) {
        fail_msg("%d, not %d: %s", f->answer.status, status, f->answer.body);
    }
    assert_string_equal(header(f, "Content-Type"), "application/problem+json");
    snprintf(text, sizeof text, "\"type\":\"urn:eventrouter:error:%s\"", code);
    HAS(f, text);
    snprintf(text, sizeof text, "\"status\":%d,", status);
    HAS(f, text);
    snprintf(text, sizeof text, "\"code\":\"%s\"", code);
    HAS(f, text);
    HAS(f, "\"title\":\"");
    HAS(f, "\"detail\":\"");
}

static inline unsigned long revision(struct fixture *f)
{
    assert_true(header(f, "Eventrouter-Revision")[0] != '\0');
    return strtoul(f->value, NULL, 10);
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
