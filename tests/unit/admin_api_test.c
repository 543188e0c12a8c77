#define _GNU_SOURCE /* memmem */
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

static int setup(void **state)
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

static int teardown(void **state)
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
static int ask_on(struct fixture *f, struct wire *wire, const char *line, const char *headers, const char *body)
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

static int ask(struct fixture *f, const char *line, const char *body)
{
    return ask_on(f, &f->wire, line, body == NULL ? "" : "Content-Type: application/json\r\n", body);
}

static int ask_if(struct fixture *f, const char *line, const char *condition, const char *body)
{
    char headers[300];

    snprintf(headers, sizeof headers, "%s\r\nContent-Type: application/json\r\n", condition);
    return ask_on(f, &f->wire, line, headers, body);
}

static const char *header(struct fixture *f, const char *name)
{
    return wire_header(&f->answer, name, f->value, sizeof f->value);
}

static bool has(const struct fixture *f, const char *text)
{
    return strstr(f->answer.body, text) != NULL;
}

#define HAS(f, text)                                                                                                   \
    do {                                                                                                               \
        if (!has((f), (text))) {                                                                                       \
            fail_msg("no %s in %s", (text), (f)->answer.body);                                                         \
        }                                                                                                              \
    } while (0)

static void expect_problem(struct fixture *f, int status, const char *code)
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

static unsigned long revision(struct fixture *f)
{
    assert_true(header(f, "Eventrouter-Revision")[0] != '\0');
    return strtoul(f->value, NULL, 10);
}

static void the_life_of_a_subscription(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST /v1/subscriptions", "{\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"order.*\"],\"labels\":{\"b\":\"2\",\"a\":\"1\"}}"), 201);
    assert_string_equal(header(f, "Location"), "/v1/subscriptions/a");
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_int_equal(revision(f), 1);
    HAS(f, "\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"order.*\"]");
    HAS(f, "\"enabled\":true,\"revision\":1,\"created_at\":\"2023-11-14T22:13:20.000Z\",\"updated_at\":\"2023-11-14T22:13:20.000Z\","
           "\"status\":{\"state\":\"active\"}}");
    assert_int_equal(f->fake.last_uid, (int64_t)getuid());
    assert_string_equal(f->fake.last_what, "POST /v1/subscriptions");

    assert_int_equal(ask(f, "GET /v1/subscriptions/a", NULL), 200);
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    assert_int_equal(ask(f, "HEAD /v1/subscriptions/a", NULL), 200);
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");

    /* Replace, with what GET gives. */
    assert_int_equal(ask(f, "GET /v1/subscriptions/a", NULL), 200);
    {
        char *document = strdup(f->answer.body);

        assert_int_equal(ask(f, "PUT /v1/subscriptions/a", document), 200);
        free(document);
    }
    assert_int_equal(revision(f), 1);
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    assert_non_null(strstr(header(f, "Eventrouter-Warning"), "/"));
    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\",\"enabled\":false}"), 200);
    assert_int_equal(revision(f), 2);
    HAS(f, "\"status\":{\"state\":\"disabled\"}");
    assert_false(has(f, "labels"));
    assert_int_equal(ask(f, "PUT /v1/subscriptions/new", "{\"subscriber\":\"s\"}"), 201);
    assert_string_equal(header(f, "Location"), "/v1/subscriptions/new");
    assert_int_equal(revision(f), 3);

    assert_int_equal(ask(f, "DELETE /v1/subscriptions/a", NULL), 204);
    assert_int_equal(revision(f), 4);
    assert_int_equal(f->answer.body_bytes, 0);
    (void)ask(f, "GET /v1/subscriptions/a", NULL);
    expect_problem(f, 404, "E404");
    (void)ask(f, "DELETE /v1/subscriptions/a", NULL);
    expect_problem(f, 404, "E404");
    (void)ask(f, "POST /v1/subscriptions", "{\"id\":\"new\",\"subscriber\":\"s\"}");
    expect_problem(f, 409, "E409");
    assert_int_equal(ask(f, "POST /v1/subscriptions", "{\"subscriber\":\"Team\"}"), 201);
    assert_memory_equal(header(f, "Location"), "/v1/subscriptions/team-", 23);
}

static void conditions_hold_or_412(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *line, *condition, *body;
        int status;
    } rows[] = {
        { "PUT /v1/subscriptions/a", "If-Match: \"rev-9\"", "{\"subscriber\":\"t\"}", 412 },
        { "PUT /v1/subscriptions/a", "If-Match: W/\"rev-1\"", "{\"subscriber\":\"t\"}", 412 },
        { "PUT /v1/subscriptions/a", "If-Match: \"x\"", "{\"subscriber\":\"t\"}", 412 },
        { "PUT /v1/subscriptions/a", "If-Match: rev-1", "{\"subscriber\":\"t\"}", 400 },
        { "PUT /v1/subscriptions/a", "If-None-Match: *", "{\"subscriber\":\"t\"}", 412 },
        { "PUT /v1/subscriptions/a", "If-None-Match: \"rev-1\"", "{\"subscriber\":\"t\"}", 400 },
        { "PUT /v1/subscriptions/b", "If-Match: *", "{\"subscriber\":\"t\"}", 412 },
        { "PATCH /v1/subscriptions/a", "If-Match: \"rev-9\"", "{\"description\":\"d\"}", 412 },
        { "PATCH /v1/subscriptions/b", "If-Match: *", "{\"description\":\"d\"}", 412 },
        { "DELETE /v1/subscriptions/a", "If-Match: \"rev-9\"", NULL, 412 },
        { "DELETE /v1/subscribers/s", "If-Match: \"rev-9\"", NULL, 412 },
        { "PUT /v1/subscribers/s", "If-Match: \"rev-9\"", "{}", 412 },
        { "PUT /v1/subscribers/s", "If-None-Match: *", "{}", 412 },
        { "POST /v1/subscriptions", "If-Match: *", "{\"subscriber\":\"t\"}", 400 },
        { "PUT /v1/subscriptions", "If-Match: *", "[]", 400 },
        { "GET /v1/subscriptions/a", "If-None-Match: \"rev-1\"", NULL, 304 },
        { "GET /v1/subscriptions/a", "If-None-Match: \"x\", W/\"rev-1\"", NULL, 304 },
        { "GET /v1/subscriptions/a", "If-None-Match: *", NULL, 304 },
        { "GET /v1/subscriptions/a", "If-None-Match: \"rev-2\"", NULL, 200 },
        { "GET /v1/subscriptions/a", "If-Match: \"rev-2\"", NULL, 412 },
        { "GET /v1/subscriptions/a", "If-Match: \"rev-2\", \"rev-1\"", NULL, 200 },
        { "GET /v1/subscribers/s", "If-None-Match: \"rev-1\"", NULL, 304 },
        { "GET /v1/subscribers/s", "If-Match: \"rev-2\"", NULL, 412 },
        { "PUT /v1/subscriptions/a", "If-Match: \"rev-5\", \"rev-1\"", "{\"subscriber\":\"t\"}", 200 },
        { "PUT /v1/subscriptions/a", "If-Match: *", "{\"subscriber\":\"s\"}", 200 },
        { "PUT /v1/subscriptions/c", "If-None-Match: *", "{\"subscriber\":\"s\"}", 201 },
        { "DELETE /v1/subscriptions/a", "If-Match: \"rev-3\"", NULL, 204 },
    };

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}"), 201);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = ask_if(f, rows[i].line, rows[i].condition, rows[i].body);

        if (status != rows[i].status) {
            fail_msg("%s, %s: %d, not %d: %s", rows[i].line, rows[i].condition, status, rows[i].status, f->answer.body);
        }
        if (status >= 400) {
            expect_problem(f, status, status == 412 ? "E412" : "E400");
        }
    }
    assert_int_equal(er_store_revision(f->fake.env.store), 5);
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}"), 201);
    assert_int_equal(ask(f, "POST /v1/subscriptions?dry_run=true", "{\"subscriber\":\"s\",\"types\":[\"x\"]}"), 201);
    assert_int_equal(revision(f), 1);
    HAS(f, "\"types\":[\"x\"]");
    assert_string_equal(header(f, "Location"), "");
    assert_int_equal(ask(f, "PUT /v1/subscriptions/b?dry_run=1", "{\"subscriber\":\"s\"}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/a?dry_run", "{\"subscriber\":\"t\"}"), 200);
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a?dry_run=true", "{\"description\":\"d\"}"), 200);
    HAS(f, "\"description\":\"d\"");
    assert_int_equal(ask(f, "DELETE /v1/subscriptions/a?dry_run=true", NULL), 204);
    assert_int_equal(ask(f, "DELETE /v1/subscribers/s?dry_run=true&cascade=true", NULL), 204);
    assert_int_equal(ask(f, "PUT /v1/subscribers/z?dry_run=true", "{}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscriptions?dry_run=true&prune=true", "[]"), 200);
    HAS(f, "\"deleted\":[\"a\"]");
    (void)ask(f, "PUT /v1/subscriptions/a?dry_run=true", "{\"subscriber\":\"s\",\"types\":[]}");
    expect_problem(f, 422, "E205");
    (void)ask(f, "PUT /v1/subscriptions/a?dry_run=yes", "{\"subscriber\":\"s\"}");
    expect_problem(f, 400, "E400");
    assert_int_equal(f->fake.commits, 1);
    assert_int_equal(ask(f, "GET /v1/subscriptions", NULL), 200);
    HAS(f, "\"total\":1}");
    assert_int_equal(ask(f, "PUT /v1/subscriptions/b?dry_run=false", "{\"subscriber\":\"s\"}"), 201);
    assert_int_equal(f->fake.commits, 2);
}

static void patches_merge(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\",\"types\":[\"x\"],\"labels\":{\"k\":\"v\",\"l\":\"w\"}}"), 201);
    assert_int_equal(ask_on(f, &f->wire, "PATCH /v1/subscriptions/a", "Content-Type: application/merge-patch+json\r\n",
                            "{\"labels\":{\"k\":null,\"m\":\"z\"},\"types\":null,\"regex\":{\"user.id\":\"^1\"}}"), 200);
    assert_int_equal(revision(f), 2);
    HAS(f, "\"labels\":{\"l\":\"w\",\"m\":\"z\"}");
    HAS(f, "\"regex\":{\"user.id\":\"^1\"}");
    assert_false(has(f, "types"));
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a", "{}"), 200);
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a", "{\"id\":null,\"revision\":7}"), 200);
    assert_int_equal(revision(f), 2);
    (void)ask(f, "PATCH /v1/subscriptions/a", "{\"id\":\"b\"}");
    expect_problem(f, 422, "E212");
    (void)ask(f, "PATCH /v1/subscriptions/a", "{\"subscriber\":null}");
    expect_problem(f, 422, "E204");
    (void)ask(f, "PATCH /v1/subscriptions/a", "{\"regex\":{\"x\":\"(\"}}");
    expect_problem(f, 422, "E301");
    HAS(f, "\"pointer\":\"/regex/x\"");
    HAS(f, "\"offset\":1");
    (void)ask(f, "PATCH /v1/subscriptions/a", "[1]");
    expect_problem(f, 422, "E201");
    (void)ask(f, "PATCH /v1/subscriptions/a", "{\"enabled\":true,\"enabled\":false}");
    expect_problem(f, 422, "E110");
    (void)ask(f, "PATCH /v1/subscriptions/none", "{}");
    expect_problem(f, 404, "E404");
    (void)ask_on(f, &f->wire, "PATCH /v1/subscriptions/a", "Content-Type: application/json-patch+json\r\n", "[]");
    expect_problem(f, 415, "E415");
    assert_non_null(strstr(header(f, "Accept-Patch"), "application/merge-patch+json"));
    assert_int_equal(er_store_revision(f->fake.env.store), 2);
}

static void bulk_is_one_revision_or_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscriptions", "[{\"id\":\"c\",\"subscriber\":\"s\"},{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"b\",\"subscriber\":\"t\"}]"), 200);
    assert_string_equal(f->answer.body, "{\"created\":[\"a\",\"b\",\"c\"],\"updated\":[],\"unchanged\":[],\"deleted\":[]}");
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "PUT /v1/subscriptions?prune=true", "[{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"b\",\"subscriber\":\"s\"},{\"id\":\"d\",\"subscriber\":\"s\"}]"), 200);
    assert_string_equal(f->answer.body, "{\"created\":[\"d\"],\"updated\":[\"b\"],\"unchanged\":[\"a\"],\"deleted\":[\"c\"]}");
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "PUT /v1/subscriptions", "[{\"id\":\"a\",\"subscriber\":\"s\"}]"), 200);
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "PUT /v1/subscriptions", "[]"), 200);
    assert_int_equal(revision(f), 2);

    (void)ask(f, "PUT /v1/subscriptions?prune=true",
              "[{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"y\",\"subscriber\":\"s\",\"regex\":{\"k\":\"(\"},\"types\":[]},5,"
              "{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"z\",\"subscriber\":\"s\",\"pattern\":{\"a\":[1]}}]");
    assert_int_equal(f->answer.status, 422);
    HAS(f, "\"pointer\":\"/1/regex/k\"");
    HAS(f, "\"pointer\":\"/1/types\"");
    HAS(f, "\"pointer\":\"/2\"");
    HAS(f, "\"code\":\"E210\",\"pointer\":\"/3/id\"");
    HAS(f, "\"code\":\"E209\",\"pointer\":\"/4/pattern\"");
    (void)ask(f, "PUT /v1/subscriptions", "[{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"x\",\"subscriber\":\"s\"}]");
    expect_problem(f, 422, "E210");
    (void)ask(f, "PUT /v1/subscriptions", "{\"id\":\"x\",\"subscriber\":\"s\"}");
    expect_problem(f, 422, "E203");
    (void)ask(f, "PUT /v1/subscriptions", "[{\"id\":\"x\"");
    expect_problem(f, 400, "E108");
    assert_int_equal(f->fake.commits, 2);
}

static void all_errors_of_a_document_at_once(void **state)
{
    struct fixture *f = *state;

    (void)ask(f, "POST /v1/subscriptions", "{\"id\":\"Bad Id\",\"subscribr\":\"x\",\"types\":[],\"regex\":{\"a..b\":\"x\",\"c\":\"a(\"},\"pattern\":{}}");
    assert_int_equal(f->answer.status, 422);
    HAS(f, "\"pointer\":\"/id\"");
    HAS(f, "\"pointer\":\"/subscribr\"");
    HAS(f, "\"pointer\":\"/types\"");
    HAS(f, "\"pointer\":\"/regex/a..b\"");
    HAS(f, "\"code\":\"E301\",\"pointer\":\"/regex/c\"");
    HAS(f, "\"offset\":2");
    HAS(f, "\"hint\":");
    HAS(f, "\"pointer\":\"/pattern\"");
    (void)ask(f, "POST /v1/subscriptions", "{\"subscriber\": x}");
    assert_int_equal(f->answer.status, 400);
    HAS(f, "\"offset\":15");
    (void)ask(f, "PUT /v1/subscriptions/a", "{\"id\":\"b\",\"subscriber\":\"s\"}");
    expect_problem(f, 422, "E212");
    HAS(f, "\"pointer\":\"/id\"");
    (void)ask(f, "PUT /v1/subscriptions/A", "{\"subscriber\":\"s\"}");
    expect_problem(f, 422, "E206");
    (void)ask(f, "PUT /v1/subscriptions/a%2Fb", "{\"subscriber\":\"s\"}");
    expect_problem(f, 422, "E206");
    (void)ask(f, "POST /v1/subscriptions", "{\"subscriber\":\"s\",\"id\":\"a\",\"id\":\"b\"}");
    expect_problem(f, 422, "E110");
    assert_int_equal(f->fake.commits, 0);
}

static void lists_have_pages_and_filters(void **state)
{
    struct fixture *f = *state;
    struct er_buf body = { 0 };
    char token[300] = "", line[400], *found;
    int pages = 0, items = 0;

    er_buf_addc(&body, '[');
    for (int i = 0; i < 250; i++) {
        er_buf_printf(&body, "%s{\"id\":\"s%03d\",\"subscriber\":\"u%d\",\"types\":[\"%s\"],\"labels\":{\"n\":\"%d\"},\"description\":\"Rule %d\"}",
                      i > 0 ? "," : "", i, i % 2, i % 2 == 0 ? "even.*" : "odd", i % 3, i);
    }
    er_buf_add(&body, ER_STR("]"));
    assert_int_equal(ask(f, "PUT /v1/subscriptions", body.p), 200);
    er_buf_free(&body);
    do {
        snprintf(line, sizeof line, "GET /v1/subscriptions?limit=100&page_token=%s", token);
        assert_int_equal(ask(f, line, NULL), 200);
        HAS(f, "\"total\":250}");
        for (found = f->answer.body; (found = strstr(found, "\"id\":\"s")) != NULL; found++) {
            assert_int_equal(atoi(found + 7), items++);
        }
        found = strstr(f->answer.body, "\"next_page_token\":");
        assert_non_null(found);
        token[0] = '\0';
        (void)sscanf(found, "\"next_page_token\":\"%290[^\"]\"", token);
        pages++;
    } while (token[0] != '\0');
    assert_int_equal(items, 250);
    assert_int_equal(pages, 3);
    HAS(f, "\"next_page_token\":null,");

    static const struct {
        const char *query, *total;
    } rows[] = {
        { "", "\"total\":250}" },
        { "?subscriber=u1", "\"total\":125}" },
        { "?subscriber=nobody", "\"total\":0}" },
        { "?type=even.x", "\"total\":125}" },
        { "?type=odd&label=n", "\"total\":125}" },
        { "?label=n=0", "\"total\":84}" },
        { "?label=n%3D0", "\"total\":84}" },
        { "?label=n:1", "\"total\":83}" },
        { "?label=m", "\"total\":0}" },
        { "?q=RULE+24", "\"total\":11}" },
        { "?q=s24", "\"total\":10}" },
        { "?subscriber=&type=&label=&q=&limit=&page_token=", "\"total\":250}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "GET /v1/subscriptions%s", rows[i].query);
        assert_int_equal(ask(f, line, NULL), 200);
        HAS(f, rows[i].total);
    }
    static const char *const bad[] = { "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=99999999999999999999", "page_token=x",
                                       "page_token=00112233", "lmit=1", "limit=1&limit=2", "q=%", "q=%ff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "GET /v1/subscriptions?%s", bad[i]);
        (void)ask(f, line, NULL);
        expect_problem(f, 400, "E400");
    }
    assert_int_equal(ask(f, "GET /v1/subscriptions?lmit=1", NULL), 400);
    HAS(f, "did you mean \\\"limit\\\"");
    assert_int_equal(ask(f, "GET /v1/subscribers?limit=1", NULL), 200);
    HAS(f, "\"id\":\"u0\"");
    HAS(f, "\"total\":2}");
}

static void the_life_of_a_subscriber(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscribers/Team.A", "{\"partitions\":3,\"description\":\"d\",\"labels\":{\"x\":\"y\"}}"), 201);
    assert_string_equal(header(f, "Location"), "/v1/subscribers/Team.A");
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    HAS(f, "{\"id\":\"Team.A\",\"topic\":\"sub.Team.A\",\"partitions\":3,\"state\":\"active\",\"description\":\"d\",\"labels\":{\"x\":\"y\"},\"revision\":1");
    assert_int_equal(ask(f, "GET /v1/subscribers/Team.A", NULL), 200);
    {
        char *document = strdup(f->answer.body);

        assert_int_equal(ask(f, "PUT /v1/subscribers/Team.A", document), 200); /* get, edit, put works */
        free(document);
    }
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "PUT /v1/subscribers/Team.A", "{\"topic\":\"other\"}"), 200);
    assert_int_equal(revision(f), 2);
    (void)ask(f, "PUT /v1/subscribers/b", "{\"topic\":\"other\"}");
    expect_problem(f, 422, "E221");
    (void)ask(f, "PUT /v1/subscribers/b", "{\"topic\":\"raw\"}");
    expect_problem(f, 422, "E220");
    (void)ask(f, "PUT /v1/subscribers/b", "{\"state\":\"paused\",\"nonsense\":1}");
    expect_problem(f, 422, "E222");
    HAS(f, "\"pointer\":\"/nonsense\"");
    (void)ask(f, "PUT /v1/subscribers/b", "{\"id\":\"c\"}");
    expect_problem(f, 422, "E212");
    (void)ask(f, "PUT /v1/subscribers/-b", "{}");
    expect_problem(f, 422, "E206");
    (void)ask(f, "PUT /v1/subscribers/b", "[]");
    expect_problem(f, 422, "E201");
    (void)ask(f, "GET /v1/subscribers/b", NULL);
    expect_problem(f, 404, "E404");
    assert_int_equal(ask(f, "PUT /v1/subscriptions/r", "{\"subscriber\":\"Team.A\"}"), 201);
    assert_int_equal(ask(f, "GET /v1/subscribers/Team.A", NULL), 200);
    HAS(f, "\"status\":{\"state\":\"active\",\"subscriptions\":1,\"topic_created\":false}}");
    (void)ask(f, "DELETE /v1/subscribers/Team.A", NULL);
    expect_problem(f, 409, "E410");
    (void)ask(f, "DELETE /v1/subscribers/Team.A?cascade=true&topic=delete", NULL);
    expect_problem(f, 400, "E400");
    (void)ask(f, "DELETE /v1/subscribers/Team.A?cascade=true&topic=x", NULL);
    expect_problem(f, 400, "E400");
    assert_int_equal(ask(f, "DELETE /v1/subscribers/Team.A?cascade=true&topic=keep", NULL), 204);
    assert_int_equal(revision(f), 4);
    assert_int_equal(ask(f, "GET /v1/subscriptions", NULL), 200);
    HAS(f, "\"total\":0}");
    (void)ask(f, "DELETE /v1/subscribers/Team.A", NULL);
    expect_problem(f, 404, "E404");
    (void)ask(f, "PUT /v1/subscribers/b/pause", "{}");
    expect_problem(f, 404, "E404");
}

static void validate_stores_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST /v1/validate", "{\"subscriber\":\"s\",\"types\":[\"x\"]}"), 200);
    assert_string_equal(f->answer.body, "{\"errors\":[],\"warnings\":[],\"lint\":[]}");
    assert_int_equal(ask(f, "POST /v1/validate", "[{\"id\":\"a\",\"subscriber\":\"s\",\"revision\":3},{\"subscriber\":\"s\"}]"), 200);
    HAS(f, "\"warnings\":[{\"code\":\"E211\",\"pointer\":\"/0/revision\"");
    assert_int_equal(ask(f, "POST /v1/validate", "[]"), 200);
    (void)ask(f, "POST /v1/validate", "[{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"a\",\"subscriber\":\"s\"},{\"subscriber\":\"s\",\"regex\":{\"x\":\"[\"}}]");
    assert_int_equal(f->answer.status, 422);
    assert_string_equal(header(f, "Content-Type"), "application/problem+json");
    HAS(f, "\"code\":\"E301\",\"pointer\":\"/2/regex/x\"");
    HAS(f, "\"code\":\"E210\",\"pointer\":\"/1/id\"");
    HAS(f, "\"warnings\":[]");
    HAS(f, "\"lint\":[]");
    (void)ask(f, "POST /v1/validate", "7");
    expect_problem(f, 422, "E201");
    (void)ask(f, "POST /v1/validate", "{");
    expect_problem(f, 400, "E108");
    assert_int_equal(f->fake.commits, 0);
}

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
        { ER_E_STORE_FULL, 507, "E501" }, { ER_E_KAFKA_TIMEOUT, 504, "E601" }, { ER_E_STORE, 500, "E500" },      { ER_E_KAFKA, 502, "E600" },
        { ER_E_UNAVAILABLE, 503, "E430" }, { ER_E_NOMEM, 500, "E900" },        { ER_E_RULE_UNINDEXED, 422, "E213" },
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
        { "GET /metrics", 200 },         { "GET /livez", 200 },   { "GET /readyz?verbose", 200 },  { "GET /version", 200 },
        { "GET /openapi.json", 200 },    { "HEAD /livez", 200 },  { "GET /v1/subscriptions", 404 }, { "GET /v1/status", 404 },
        { "DELETE /v1/subscriptions/a", 404 }, { "PUT /v1/subscriptions", 404 }, { "POST /metrics", 405 }, { "POST /v1/validate", 404 },
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

#define PUT_A "PUT /v1/subscriptions/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"subscriber\":\"s\"}"

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
        snprintf(request, sizeof request, "PATCH /v1/subscriptions/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
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
    options.socket = "/nonexistent/x.sock";
    assert_int_equal(er_admin_start(f->loop, &f->fake.env, &options, &second, &err), ER_E_SYSTEM);
    assert_int_equal(ask(f, "GET /livez", NULL), 200);
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(the_life_of_a_subscription),
        WITH_DAEMON(conditions_hold_or_412),
        WITH_DAEMON(a_dry_run_changes_nothing),
        WITH_DAEMON(patches_merge),
        WITH_DAEMON(bulk_is_one_revision_or_nothing),
        WITH_DAEMON(all_errors_of_a_document_at_once),
        WITH_DAEMON(lists_have_pages_and_filters),
        WITH_DAEMON(the_life_of_a_subscriber),
        WITH_DAEMON(validate_stores_nothing),
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
