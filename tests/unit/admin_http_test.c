#define _GNU_SOURCE /* memmem */
#include "admin/http.h"
#include "admin/listener.h"
#include "tests/unit/admin_wire.h"

enum { BODY_LIMIT = 1 << 20 };

struct fixture {
    struct er_loop *loop;
    struct er_http_server *server;
    struct er_listener listener;
    struct er_http_options options;
    char directory[64], path[100];
    struct er_http_exchange *waiting[8];
    size_t n_waiting;
    size_t handled;
    int last_status;
    size_t outcomes;
};

static size_t body_limit(void *ctx, const struct er_http_request *request)
{
    (void)ctx;
    (void)request;
    return BODY_LIMIT;
}

static void answer(struct er_http_exchange *exchange, struct er_str body)
{
    struct er_reply reply = { .status = 200, .content_type = "text/plain" };

    er_buf_add(&reply.body, body);
    er_reply_header(&reply, "X-Test", "a\r\nb: %d", 7); /* cannot split the header */
    er_http_reply(exchange, &reply);
}

static void handle(void *ctx, struct er_http_exchange *exchange, const struct er_http_request *request)
{
    struct fixture *fixture = ctx;

    fixture->handled++;
    if (er_str_eq(request->path, ER_STR("/later"))) {
        fixture->waiting[fixture->n_waiting++] = exchange;
    } else if (er_str_eq(request->path, ER_STR("/big"))) {
        struct er_reply reply = { .status = 200, .content_type = "text/plain" };

        for (int i = 0; i < 1 << 20; i++) {
            er_buf_add(&reply.body, ER_STR("12345678"));
        }
        er_http_reply(exchange, &reply);
    } else if (er_str_eq(request->path, ER_STR("/no-memory"))) {
        struct er_reply reply = { .status = 200 };

        reply.body.failed = true;
        er_http_reply(exchange, &reply);
    } else if (er_str_eq(request->path, ER_STR("/unchanged"))) {
        struct er_reply reply = { .status = 304 };

        er_http_reply(exchange, &reply);
    } else {
        answer(exchange, request->body.n > 0 ? request->body : request->path);
    }
}

static void outcome(void *ctx, const struct er_http_outcome *outcome)
{
    struct fixture *fixture = ctx;

    assert_int_equal(outcome->uid, (int64_t)getuid());
    fixture->last_status = outcome->status;
    fixture->outcomes++;
}

static void start(struct fixture *fixture)
{
    struct er_http_ops ops = { .ctx = fixture, .body_limit = body_limit, .handle = handle, .outcome = outcome };
    struct er_err err;

    assert_int_equal(
        er_http_server_new(er_loop_base(fixture->loop), fixture->listener.fd, &ops, &fixture->options, &fixture->server, &err),
        ER_OK);
    fixture->listener.fd = -1;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct er_err err;

    strcpy(fixture->directory, "/tmp/er-http-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/s", fixture->directory);
    fixture->loop = er_loop_new();
    assert_non_null(fixture->loop);
    assert_int_equal(er_listener_unix(fixture->path, 0600, &fixture->listener, &err), ER_OK);
    fixture->options = er_http_default_options();
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    er_http_server_free(fixture->server);
    er_listener_close(&fixture->listener);
    er_loop_free(fixture->loop);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static struct wire dial(struct fixture *fixture)
{
    if (fixture->server == NULL) {
        start(fixture);
    }
    return wire_dial(fixture->loop, fixture->path);
}

/* One request on a connection of its own, which must end as a problem, with the server hanging up. */
static void refused(struct fixture *fixture, const char *request, size_t n, int status)
{
    struct wire wire = dial(fixture);
    struct wire_answer got;
    size_t handled = fixture->handled;
    char type[64];

    (void)wire_send_bytes(&wire, request, n);
    assert_true(wire_take_answer(&wire, &got, false));
    assert_int_equal(got.status, status);
    assert_string_equal(wire_header(&got, "Content-Type", type, sizeof type), "application/problem+json");
    assert_non_null(strstr(got.body, "\"errors\":[{\"code\":\"E4"));
    assert_non_null(strstr(got.head, "Connection: close\r\n"));
    wire_wait_closed(&wire);
    assert_int_equal(fixture->handled, handled);
    assert_int_equal(fixture->last_status, status);
    wire_answer_free(&got);
    wire_hang_up(&wire);
}

#define REFUSED(fixture, text, status) refused((fixture), (text), sizeof(text) - 1, (status))

static void answers_and_keeps_the_connection(void **state)
{
    struct wire wire = dial(*state);
    struct wire_answer got;
    char value[64];

    for (int i = 0; i < 3; i++) {
        assert_true(wire_send(&wire, "POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"));
        assert_true(wire_take_answer(&wire, &got, false));
        assert_int_equal(got.status, 200);
        assert_string_equal(got.body, "hello");
        assert_string_equal(wire_header(&got, "X-Test", value, sizeof value), "a??b: 7");
        assert_string_equal(wire_header(&got, "Connection", value, sizeof value), "keep-alive");
        assert_int_equal(strlen(wire_header(&got, "Date", value, sizeof value)), 29);
        wire_answer_free(&got);
    }
    wire_hang_up(&wire);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct wire wire = dial(*state);
    struct er_buf all = { 0 };

    for (int i = 0; i < 500; i++) {
        er_buf_printf(&all, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n%03d\r\n", i); /* a stray empty line, too */
    }
    assert_true(wire_send_bytes(&wire, all.p, all.n));
    for (int i = 0; i < 500; i++) {
        struct wire_answer got;

        assert_true(wire_take_answer(&wire, &got, false));
        assert_int_equal(atoi(got.body), i);
        wire_answer_free(&got);
    }
    er_buf_free(&all);
    wire_hang_up(&wire);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char request[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct wire wire = dial(*state);
    struct wire_answer got;

    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_true(wire_send_bytes(&wire, request + i, 1));
    }
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "abcde");
    wire_answer_free(&got);
    assert_int_equal(wire_status(&wire, "GET / HTTP/1.1\r\n\r\n"), 200);
    wire_hang_up(&wire);
}

static void head_has_no_body_and_304_no_length(void **state)
{
    struct wire wire = dial(*state);
    struct wire_answer got;
    char value[16];

    assert_true(wire_send(&wire, "HEAD /four HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\nGET /unchanged HTTP/1.1\r\n\r\n"));
    assert_true(wire_take_answer(&wire, &got, true));
    assert_string_equal(wire_header(&got, "Content-Length", value, sizeof value), "5");
    wire_answer_free(&got);
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "/next");
    wire_answer_free(&got);
    assert_true(wire_take_answer(&wire, &got, false));
    assert_int_equal(got.status, 304);
    assert_string_equal(wire_header(&got, "Content-Length", value, sizeof value), "");
    wire_answer_free(&got);
    wire_hang_up(&wire);
}

static void the_body_of_a_get_is_not_the_next_request(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire = dial(fixture);
    struct wire_answer got;

    assert_true(wire_send(&wire, "GET /a HTTP/1.1\r\nContent-Length: 19\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"));
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "GET /b HTTP/1.1\r\n\r\n");
    wire_answer_free(&got);
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "/c");
    assert_int_equal(fixture->handled, 2);
    wire_answer_free(&got);
    wire_hang_up(&wire);
}

static void old_clients_and_closers_are_hung_up_on(void **state)
{
    static const char *const requests[] = { "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n" };

    for (size_t i = 0; i < 2; i++) {
        struct wire wire = dial(*state);

        assert_int_equal(wire_status(&wire, requests[i]), 200);
        wire_wait_closed(&wire);
        wire_hang_up(&wire);
    }
}

static void bytes_that_are_no_request_get_400(void **state)
{
    static const char *const rows[] = { "\x16\x03\x01",
                                        "garbage\r\n\r\n",
                                        "GET / HTTP/1.1\n\n",
                                        "GET / HTTP/1.1\r\nA b\r\n\r\n",
                                        "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                                        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refused(*state, rows[i], strlen(rows[i]), 400);
    }
    REFUSED(*state, "GET /\0 HTTP/1.1\r\n\r\n", 400);
    REFUSED(*state, "GET / HTTP/3.0\r\n\r\n", 505);
}

static void the_head_is_limited(void **state)
{
    char text[9000];
    struct wire wire = dial(*state);
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nA: ");

    memset(text + n, 'x', sizeof text - n);
    refused(*state, text, sizeof text, 431);
    memcpy(text + 8192 - 4, "\r\n\r\n", 5);
    assert_int_equal(wire_status(&wire, text), 200); /* 8 KiB are allowed */
    wire_hang_up(&wire);
}

static void the_body_is_limited(void **state)
{
    struct er_buf request = { 0 };
    struct wire wire = dial(*state);
    struct wire_answer got;

    er_buf_printf(&request, "PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", BODY_LIMIT);
    for (int i = 0; i < BODY_LIMIT / 8; i++) {
        er_buf_add(&request, ER_STR("12345678"));
    }
    assert_true(wire_send_bytes(&wire, request.p, request.n));
    assert_true(wire_take_answer(&wire, &got, false));
    assert_int_equal(got.status, 200);
    assert_int_equal(got.body_bytes, BODY_LIMIT);
    wire_answer_free(&got);
    wire_hang_up(&wire);
    er_buf_free(&request);
    /* The client sends all of what is too much before it looks for an answer. */
    er_buf_printf(&request, "PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", 4 * BODY_LIMIT);
    for (int i = 0; i < BODY_LIMIT; i++) {
        er_buf_add(&request, ER_STR("1234"));
    }
    refused(*state, request.p, request.n, 413);
    er_buf_free(&request);
    er_buf_add(&request, ER_STR("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < BODY_LIMIT / 8 + 1; i++) {
        er_buf_add(&request, ER_STR("8\r\n12345678\r\n"));
    }
    refused(*state, request.p, request.n, 413);
    er_buf_free(&request);
}

static void expectations_are_met_before_the_body(void **state)
{
    struct wire wire = dial(*state);
    struct wire_answer got;

    assert_true(wire_send(&wire, "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_true(wire_take_answer(&wire, &got, true));
    assert_int_equal(got.status, 100);
    wire_answer_free(&got);
    assert_int_equal(wire_status(&wire, "ab"), 200);
    wire_hang_up(&wire);
    REFUSED(*state, "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413);
    REFUSED(*state, "PUT / HTTP/1.1\r\nExpect: x\r\nContent-Length: 2\r\n\r\n", 417);
}

static void slow_clients_are_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct wire idle;

    fixture->options.head_ms = 30;
    fixture->options.body_ms = 30;
    fixture->options.idle_ms = 30;
    idle = dial(fixture);
    REFUSED(fixture, "GET / HT", 408);
    REFUSED(fixture, "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\na", 408);
    REFUSED(fixture, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1", 408);
    wire_wait_closed(&idle); /* without a word */
    assert_int_equal(idle.in.n, 0);
    wire_hang_up(&idle);
}

static void a_client_that_does_not_read_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire;
    time_t deadline = wire_deadline();

    fixture->options.write_ms = 30;
    fixture->options.connections = 1;
    wire = dial(fixture);
    assert_true(wire_send(&wire, "GET /big HTTP/1.1\r\n\r\n"));
    while (fixture->handled == 0) {
        wire_pump(fixture->loop, deadline);
    }
    for (int status = 429; status != 200;) { /* its place becomes free */
        struct wire next = dial(fixture);

        status = wire_status(&next, "GET / HTTP/1.1\r\n\r\n");
        wire_pump(fixture->loop, deadline);
        wire_hang_up(&next);
    }
    wire_hang_up(&wire);
}

static void one_connection_too_many_gets_429(void **state)
{
    struct fixture *fixture = *state;
    struct wire wires[4];
    time_t deadline = wire_deadline();
    int status;

    fixture->options.connections = 4;
    for (int i = 0; i < 4; i++) {
        wires[i] = dial(fixture);
        assert_int_equal(wire_status(&wires[i], "GET / HTTP/1.1\r\n\r\n"), 200);
    }
    REFUSED(fixture, "GET / HTTP/1.1\r\n\r\n", 429);
    wire_hang_up(&wires[0]);
    do {
        wires[0] = dial(fixture);
        status = wire_status(&wires[0], "GET / HTTP/1.1\r\n\r\n");
        if (status != 200) {
            wire_hang_up(&wires[0]);
        }
        wire_pump(fixture->loop, deadline);
    } while (status != 200);
    for (int i = 0; i < 4; i++) {
        wire_hang_up(&wires[i]);
    }
}

static void bodies_together_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire;

    fixture->options.buffered_bytes = 100;
    wire = dial(fixture);
    assert_true(wire_send(&wire, "PUT / HTTP/1.1\r\nContent-Length: 80\r\n\r\n"
                                 "123456789012345678901234567890123456789012345678901234567890"));
    REFUSED(fixture, "PUT / HTTP/1.1\r\nContent-Length: 60\r\n\r\n123456789012345678901234567890123456789012345678901234567890",
            429);
    assert_int_equal(wire_status(&wire, "12345678901234567890"), 200);
    wire_hang_up(&wire);
}

static void wait_for_later(struct fixture *fixture, size_t n)
{
    time_t deadline = wire_deadline();

    while (fixture->n_waiting < n) {
        wire_pump(fixture->loop, deadline);
    }
}

static void an_answer_may_come_later_and_the_next_request_waits(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire = dial(fixture);
    struct wire_answer got;

    assert_true(wire_send(&wire, "GET /later HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\n\r\n"));
    wait_for_later(fixture, 1);
    assert_int_equal(fixture->handled, 1);
    answer(fixture->waiting[0], ER_STR("first"));
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "first");
    wire_answer_free(&got);
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "/after");
    wire_answer_free(&got);
    wire_hang_up(&wire);
}

static void a_client_that_leaves_before_its_answer_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    struct wire wires[3];
    time_t deadline = wire_deadline();

    fixture->options.connections = 3;
    for (size_t i = 0; i < 3; i++) {
        wires[i] = dial(fixture);
        assert_true(wire_send(&wires[i], "PUT /later HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"));
        wait_for_later(fixture, i + 1);
        wire_hang_up(&wires[i]);
        wire_pump(fixture->loop, deadline);
    }
    for (size_t i = 0; i < 3; i++) {
        answer(fixture->waiting[i], ER_STR("nobody there"));
    }
    for (int status = 0; status != 200;) {
        struct wire next = dial(fixture);

        status = wire_status(&next, "GET / HTTP/1.1\r\n\r\n");
        wire_pump(fixture->loop, deadline);
        wire_hang_up(&next);
    }
}

static void a_client_may_close_its_half(void **state)
{
    struct fixture *fixture = *state;
    struct wire wire = dial(fixture);
    struct wire_answer got;

    assert_true(wire_send(&wire, "GET /later HTTP/1.1\r\n\r\n"));
    shutdown(wire.fd, SHUT_WR);
    wait_for_later(fixture, 1);
    answer(fixture->waiting[0], ER_STR("still"));
    assert_true(wire_take_answer(&wire, &got, false));
    assert_string_equal(got.body, "still");
    wire_answer_free(&got);
    wire_wait_closed(&wire);
    wire_hang_up(&wire);
    wire = dial(fixture);
    assert_true(wire_send(&wire, "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"));
    shutdown(wire.fd, SHUT_WR);
    assert_int_equal(wire_status(&wire, ""), 400);
    wire_hang_up(&wire);
}

static void the_end_of_the_server_answers_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    struct wire open = dial(fixture), gone = dial(fixture), idle = dial(fixture);
    struct wire_answer got;

    assert_int_equal(wire_status(&idle, "GET / HTTP/1.1\r\n\r\n"), 200);
    assert_true(wire_send(&open, "GET /later HTTP/1.1\r\n\r\n"));
    assert_true(wire_send(&gone, "GET /later HTTP/1.1\r\n\r\n"));
    wait_for_later(fixture, 2);
    wire_hang_up(&gone);
    er_http_server_free(fixture->server);
    fixture->server = NULL;
    assert_true(wire_take_answer(&open, &got, false));
    assert_int_equal(got.status, 503);
    assert_non_null(strstr(got.body, "E430"));
    wire_answer_free(&got);
    wire_wait_closed(&open);
    wire_wait_closed(&idle);
    answer(fixture->waiting[0], ER_STR("late")); /* the replies are still owed */
    answer(fixture->waiting[1], ER_STR("late"));
    wire_hang_up(&open);
    wire_hang_up(&idle);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct wire wire = dial(*state);
    struct wire_answer got;

    assert_true(wire_send(&wire, "GET /big HTTP/1.1\r\n\r\n"));
    assert_true(wire_take_answer(&wire, &got, false));
    assert_int_equal(got.body_bytes, 8 << 20);
    wire_answer_free(&got);
    wire_hang_up(&wire);
}

static void an_answer_without_memory_is_a_500(void **state)
{
    struct wire wire = dial(*state);

    assert_int_equal(wire_status(&wire, "GET /no-memory HTTP/1.1\r\n\r\n"), 500);
    assert_int_equal(wire_status(&wire, "GET / HTTP/1.1\r\n\r\n"), 200);
    wire_hang_up(&wire);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(answers_and_keeps_the_connection),
        WITH_SERVER(pipelined_requests_are_answered_in_order),
        WITH_SERVER(a_request_may_come_byte_by_byte),
        WITH_SERVER(head_has_no_body_and_304_no_length),
        WITH_SERVER(the_body_of_a_get_is_not_the_next_request),
        WITH_SERVER(old_clients_and_closers_are_hung_up_on),
        WITH_SERVER(bytes_that_are_no_request_get_400),
        WITH_SERVER(the_head_is_limited),
        WITH_SERVER(the_body_is_limited),
        WITH_SERVER(expectations_are_met_before_the_body),
        WITH_SERVER(slow_clients_are_given_up),
        WITH_SERVER(a_client_that_does_not_read_is_given_up),
        WITH_SERVER(one_connection_too_many_gets_429),
        WITH_SERVER(bodies_together_are_limited),
        WITH_SERVER(an_answer_may_come_later_and_the_next_request_waits),
        WITH_SERVER(a_client_that_leaves_before_its_answer_does_no_harm),
        WITH_SERVER(a_client_may_close_its_half),
        WITH_SERVER(the_end_of_the_server_answers_what_is_open),
        WITH_SERVER(a_large_answer_arrives_whole),
        WITH_SERVER(an_answer_without_memory_is_a_500),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
