#define _GNU_SOURCE /* memmem */
/* What holds for every request: limits, refusals, failures, the two listeners, the log, changes that take their time. */
#include "tests/unit/admin_daemon.h"

static void limits_are_kept(void **state)
{
    struct fixture *f = *state;
    char *large = malloc(4 << 20);
    int n = sprintf(large, "{\"subscriber\":\"s\",\"description\":\"");

    memset(large + n, 'x', (4 << 20) - 100);
    memcpy(large + 65536 - 2, "\"}", 3);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/fits", large), 201);
    memcpy(large + 65536 - 2, "x\"}", 4);
    (void)ask(f, "PUT /v1/subscriptions/large", large);
    expect_problem(f, 422, "E208");
    (void)ask(f, "PUT /v1/subscribers/large", large);
    expect_problem(f, 422, "E208");
    memset(large + n, 'x', 1 << 20);
    memcpy(large + (1 << 20) - 2, "x\"}", 4);
    (void)ask(f, "PUT /v1/subscriptions/larger", large);
    expect_problem(f, 413, "E413");
    wire_hang_up(&f->wire);
    f->wire = wire_dial(f->loop, f->socket);
    memset(large, ' ', 4 << 20); /* white space around a bulk counts as body, not as document */
    large[0] = '[';
    memcpy(large + (3 << 20) - 1, "]", 2);
    assert_int_equal(ask(f, "PUT /v1/subscriptions", large), 200);
    memcpy(large + (3 << 20) - 1, " ]", 3);
    (void)ask(f, "PUT /v1/subscriptions", large);
    expect_problem(f, 413, "E413");
    wire_hang_up(&f->wire);
    f->wire = wire_dial(f->loop, f->socket);
    memset(large, '[', 5000);
    large[5000] = '\0';
    (void)ask(f, "PUT /v1/subscriptions", large);
    expect_problem(f, 400, "E103");
    free(large);
}

static void requests_that_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *line, *headers, *body, *allow;
        int status;
        const char *code;
    } rows[] = {
        { "GET /", "", NULL, NULL, 404, "E404" },
        { "GET /v1", "", NULL, NULL, 404, "E404" },
        { "GET /v1/subscriptions/", "", NULL, NULL, 404, "E404" },
        { "GET /v1/subscriptions/a/b", "", NULL, NULL, 404, "E404" },
        { "GET //v1/subscriptions", "", NULL, NULL, 404, "E404" },
        { "GET /v1/subscriptions/../status", "", NULL, NULL, 404, "E404" },
        { "GET /v1/subscriptions/..%2f..%2fetc", "", NULL, NULL, 404, "E404" },
        { "GET /v1/subscriptions/%zz", "", NULL, NULL, 400, "E400" },
        { "GET /v1/subscriptions/%00", "", NULL, NULL, 400, "E400" },
        { "GET /v1/subscriptions/%ff", "", NULL, NULL, 400, "E400" },
        { "OPTIONS *", "", NULL, NULL, 404, "E404" },
        { "DELETE /v1/subscriptions", "", NULL, "GET, HEAD, POST, PUT", 405, "E405" },
        { "POST /v1/subscriptions/a", "", NULL, "GET, HEAD, PUT, PATCH, DELETE", 405, "E405" },
        { "PATCH /v1/subscribers/a", "", NULL, "GET, HEAD, PUT, DELETE", 405, "E405" },
        { "GET /v1/validate", "", NULL, "POST", 405, "E405" },
        { "OPTIONS /v1/status", "", NULL, "GET, HEAD", 405, "E405" },
        { "BREW /v1/status", "", NULL, "GET, HEAD", 405, "E405" },
        { "get /v1/status", "", NULL, "GET, HEAD", 405, "E405" },
        { "POST /v1/subscriptions", "", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: text/plain\r\n", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: application/x-www-form-urlencoded\r\n", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: application/jsonx\r\n", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: application/json; charset=latin1\r\n", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}", NULL, 415, "E415" },
        { "PUT /v1/subscriptions/a", "Content-Type: application/merge-patch+json\r\n", "{}", NULL, 415, "E415" },
        { "POST /v1/subscriptions", "Content-Type: Application/JSON ; charset=\"UTF-8\"\r\n", "{}", NULL, 422, "E204" },
        { "POST /v1/subscriptions", "Content-Type: application/vnd.x+json\r\n", "{}", NULL, 422, "E204" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\n", "", NULL, 400, "E108" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\n", NULL, NULL, 400, "E108" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\n", "\xEF\xBB\xBF{}", NULL, 400, "E109" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\n", "{} {}", NULL, 400, "E107" },
        { "POST /v1/subscriptions", "Content-Type: application/json\r\n", "\"\xff\"", NULL, 400, "E102" },
        { "POST /v1/subscriptions?prune=true", "Content-Type: application/json\r\n", "{}", NULL, 400, "E400" },
        { "GET /v1/status?x", "", NULL, NULL, 400, "E400" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)ask_on(f, &f->wire, rows[i].line, rows[i].headers, rows[i].body);
        expect_problem(f, rows[i].status, rows[i].code);
        assert_string_equal(header(f, "Allow"), rows[i].allow == NULL ? "" : rows[i].allow);
    }
    assert_int_equal(f->fake.commits, 0);
}

static void failures_of_a_change_have_their_status(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum er_code code;
        int status;
        const char *name;
    } rows[] = {
        { ER_E_STORE_FULL, 507, "E501" },     { ER_E_KAFKA_TIMEOUT, 504, "E601" }, { ER_E_STORE, 500, "E500" },
        { ER_E_KAFKA, 502, "E600" },          { ER_E_UNAVAILABLE, 503, "E430" },   { ER_E_NOMEM, 500, "E900" },
        { ER_E_RULE_UNINDEXED, 422, "E213" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        f->fake.refuse = rows[i].code;
        (void)ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}");
        expect_problem(f, rows[i].status, rows[i].name);
        HAS(f, "refused by the test");
        assert_string_equal(header(f, "Eventrouter-Revision"), "");
    }
    f->fake.refuse = ER_OK;
    f->fake.draining = true;
    (void)ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}");
    expect_problem(f, 503, "E430");
    assert_string_equal(header(f, "Retry-After"), "1");
    (void)ask(f, "DELETE /v1/subscriptions/a", NULL);
    expect_problem(f, 503, "E430");
    assert_int_equal(ask(f, "GET /v1/subscriptions", NULL), 200);
    assert_int_equal(ask(f, "POST /v1/validate", "[]"), 200);
    assert_int_equal(f->fake.commits, 0);
}

static void the_daemon_speaks_about_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "GET /v1/status", NULL), 200);
    assert_string_equal(f->answer.body, "{\"revision\":0}");
    assert_int_equal(ask(f, "GET /livez", NULL), 200);
    assert_int_equal(ask(f, "GET /readyz", NULL), 200);
    assert_string_equal(f->answer.body, "{\"ready\":true}");
    assert_int_equal(ask(f, "GET /readyz?verbose", NULL), 200);
    HAS(f, "\"checks\":[{\"name\":\"rules\",\"ok\":true,\"detail\":\"fine\"},{\"name\":\"group\"");
    f->fake.not_ready = true;
    (void)ask(f, "GET /readyz", NULL);
    expect_problem(f, 503, "E430");
    HAS(f, "group: no broker answers");
    HAS(f, "\"ready\":false,\"checks\":[{\"name\":\"group\",\"ok\":false");
    assert_int_equal(ask(f, "GET /readyz?verbose=true", NULL), 503);
    HAS(f, "\"checks\":[{\"name\":\"rules\",\"ok\":true");
    assert_int_equal(ask(f, "GET /metrics", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    HAS(f, "eventrouter_up 1\n");
    assert_int_equal(ask(f, "GET /version", NULL), 200);
    HAS(f, "\"version\":\"" ER_VERSION "\"");
    assert_int_equal(ask(f, "GET /openapi.json", NULL), 200);
    HAS(f, "\"openapi\": \"3.1.0\"");
}

static void the_tcp_listener_only_reads(void **state)
{
    struct fixture *f = *state;
    struct wire tcp = wire_dial_tcp(f->loop, er_admin_http_address(f->admin));
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        { "GET /metrics", 200 },          { "GET /livez", 200 },        { "GET /readyz?verbose", 200 },
        { "GET /version", 200 },          { "GET /openapi.json", 200 }, { "HEAD /livez", 200 },
        { "GET /v1/subscriptions", 404 }, { "GET /v1/status", 404 },    { "DELETE /v1/subscriptions/a", 404 },
        { "PUT /v1/subscriptions", 404 }, { "POST /metrics", 405 },     { "POST /v1/validate", 404 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ask_on(f, &tcp, rows[i].line, "", NULL), rows[i].status);
    }
    wire_hang_up(&tcp);
}

static void requests_are_logged_with_the_peer(void **state)
{
    struct fixture *f = *state;
    char uid[32];
    struct wire tcp;

    snprintf(uid, sizeof uid, "uid=%ld", (long)getuid());
    assert_int_equal(ask(f, "GET /v1/subscriptions/\"x\\\"?q", NULL), 400);
    assert_non_null(strstr(f->fake.last_log, "admin GET /v1/subscriptions/?x?? status=400 "));
    assert_non_null(strstr(f->fake.last_log, uid));
    assert_false(f->fake.last_log_warning);
    f->fake.refuse = ER_E_STORE;
    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}"), 500);
    assert_true(f->fake.last_log_warning);
    f->fake.last_log[0] = '\0';
    tcp = wire_dial_tcp(f->loop, er_admin_http_address(f->admin));
    assert_int_equal(ask_on(f, &tcp, "GET /livez", "", NULL), 200);
    assert_string_equal(f->fake.last_log, ""); /* probes that succeed say nothing */
    assert_int_equal(ask_on(f, &tcp, "GET /v1/status", "", NULL), 404);
    assert_non_null(strstr(f->fake.last_log, "uid=-1"));
    wire_hang_up(&tcp);
}

static void wait_held(struct fixture *f, size_t n)
{
    time_t deadline = wire_deadline();

    while (f->fake.n_held < n) {
        wire_pump(f->loop, deadline);
    }
}

#define PUT_A                                                                                                                      \
    "PUT /v1/subscriptions/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"subscriber\":\"s\"}"

static void a_client_may_leave_while_its_change_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct wire gone = wire_dial(f->loop, f->socket);

    f->fake.hold = true;
    assert_true(wire_send(&gone, PUT_A));
    wait_held(f, 1);
    wire_hang_up(&gone);
    assert_true(wire_send(&f->wire, "GET /livez HTTP/1.1\r\n\r\n")); /* others are served meanwhile */
    assert_true(wire_take_answer(&f->wire, &f->answer, false));
    fake_env_release(&f->fake);
    f->fake.hold = false;
    assert_int_equal(ask(f, "GET /v1/subscriptions/a", NULL), 200); /* the change has happened all the same */
}

static void changes_of_one_moment_take_their_turns(void **state)
{
    struct fixture *f = *state;
    struct wire wires[4];

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\",\"labels\":{\"n\":\"0\"}}"), 201);
    f->fake.hold = true;
    for (int i = 0; i < 4; i++) {
        char request[300], body[60];

        wires[i] = wire_dial(f->loop, f->socket);
        snprintf(body, sizeof body, "{\"labels\":{\"k%d\":\"v\"}}", i);
        snprintf(request, sizeof request,
                 "PATCH /v1/subscriptions/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        assert_true(wire_send(&wires[i], request));
        wait_held(f, (size_t)i + 1);
    }
    fake_env_release(&f->fake);
    for (int i = 0; i < 4; i++) {
        wire_answer_free(&f->answer);
        assert_true(wire_take_answer(&wires[i], &f->answer, false));
        assert_int_equal(f->answer.status, 200);
        assert_int_equal(revision(f), i + 2);
        wire_hang_up(&wires[i]);
    }
    f->fake.hold = false;
    assert_int_equal(ask(f, "GET /v1/subscriptions/a", NULL), 200);
    HAS(f, "\"labels\":{\"k0\":\"v\",\"k1\":\"v\",\"k2\":\"v\",\"k3\":\"v\",\"n\":\"0\"}");
}

static void the_end_answers_what_is_open(void **state)
{
    struct fixture *f = *state;

    f->fake.hold = true;
    assert_true(wire_send(&f->wire, PUT_A));
    wait_held(f, 1);
    er_admin_free(f->admin);
    f->admin = NULL;
    assert_true(wire_take_answer(&f->wire, &f->answer, false));
    expect_problem(f, 503, "E430");
    fake_env_release(&f->fake); /* the queue still owns the request */
    assert_int_equal(f->fake.commits, 0);
}

static void a_second_daemon_is_refused(void **state)
{
    struct fixture *f = *state;
    struct er_admin_options options = { .socket = f->socket, .mode = 0600 };
    struct er_admin *second;
    struct er_err err;

    assert_int_equal(er_admin_start(f->loop, &f->fake.env, &options, &second, &err), ER_E_SYSTEM);
    assert_null(second);
    assert_non_null(strstr(err.text, f->socket));
    options.socket = "/dev/null/x.sock";
    assert_int_equal(er_admin_start(f->loop, &f->fake.env, &options, &second, &err), ER_E_SYSTEM);
    assert_int_equal(ask(f, "GET /livez", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(limits_are_kept),
        WITH_DAEMON(requests_that_are_refused),
        WITH_DAEMON(failures_of_a_change_have_their_status),
        WITH_DAEMON(the_daemon_speaks_about_itself),
        WITH_DAEMON(the_tcp_listener_only_reads),
        WITH_DAEMON(requests_are_logged_with_the_peer),
        WITH_DAEMON(a_client_may_leave_while_its_change_is_under_way),
        WITH_DAEMON(changes_of_one_moment_take_their_turns),
        WITH_DAEMON(the_end_answers_what_is_open),
        WITH_DAEMON(a_second_daemon_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
