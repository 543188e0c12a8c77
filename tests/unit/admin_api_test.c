#define _GNU_SOURCE /* memmem */
/* Documents through the API: subscriptions, bulk, subscribers, validate. */
#include "rules/engine/match.h"
#include "tests/unit/admin_daemon.h"

static void the_life_of_a_subscription(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST /v1/subscriptions",
                         "{\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"order.*\"],\"labels\":{\"b\":\"2\",\"a\":\"1\"}}"),
                     201);
    assert_string_equal(header(f, "Location"), "/v1/subscriptions/a");
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_int_equal(revision(f), 1);
    HAS(f, "\"id\":\"a\",\"subscriber\":\"s\",\"types\":[\"order.*\"]");
    HAS(f,
        "\"enabled\":true,\"revision\":1,\"created_at\":\"2023-11-14T22:13:20.000Z\",\"updated_at\":\"2023-11-14T22:13:20.000Z\","
        "\"status\":{\"state\":\"active\",\"indexed\":true,"
        "\"activity\":{\"candidates\":0,\"hits\":0,\"regex_runs\":0,\"regex_ns\":0}}}");
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
    assert_int_equal(ask(f, "PUT /v1/subscribers/z?dry_run=true", "{\"partitions\":3,\"labels\":{\"b\":\"1\",\"a\":\"2\"}}"), 201);
    assert_string_equal(f->answer.body,
                        "{\"id\":\"z\",\"topic\":\"sub.z\",\"partitions\":3,\"state\":\"active\","
                        "\"labels\":{\"a\":\"2\",\"b\":\"1\"},\"status\":{\"state\":\"active\",\"subscriptions\":0}}");
    assert_int_equal(ask(f, "PUT /v1/subscribers/s?dry_run=true", "{\"description\":\"d\"}"), 200);
    HAS(f, "\"topic\":\"sub.s\"");
    HAS(f, "\"description\":\"d\"");
    HAS(f, "\"subscriptions\":1}");
    assert_int_equal(ask(f, "PUT /v1/subscribers/s?dry_run=true", "{}"), 200);
    HAS(f, "\"topic\":\"sub.s\"");
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

/* Many members, each of which would have to be looked for. */
static const char *large_patch(char *text, size_t size)
{
    size_t n = 0;

    text[n++] = '{';
    for (size_t i = 0; n + 40 < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "\"k%zu\":null,", i);
    }
    (void)snprintf(text + n, size - n, "\"id\":null}");
    return text;
}

static void patches_merge(void **state)
{
    struct fixture *f = *state;
    static char text[80000];

    assert_int_equal(
        ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\",\"types\":[\"x\"],\"labels\":{\"k\":\"v\",\"l\":\"w\"}}"), 201);
    assert_int_equal(ask_on(f, &f->wire, "PATCH /v1/subscriptions/a", "Content-Type: application/merge-patch+json\r\n",
                            "{\"labels\":{\"k\":null,\"m\":\"z\"},\"types\":null,\"regex\":{\"user.id\":\"^1\"}}"),
                     200);
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
    (void)ask(f, "PATCH /v1/subscriptions/a", large_patch(text, sizeof text));
    expect_problem(f, 422, "E208");
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

    assert_int_equal(
        ask(f, "PUT /v1/subscriptions",
            "[{\"id\":\"c\",\"subscriber\":\"s\"},{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"b\",\"subscriber\":\"t\"}]"),
        200);
    assert_string_equal(f->answer.body, "{\"created\":[\"a\",\"b\",\"c\"],\"updated\":[],\"unchanged\":[],\"deleted\":[]}");
    assert_int_equal(revision(f), 1);
    assert_int_equal(
        ask(f, "PUT /v1/subscriptions?prune=true",
            "[{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"b\",\"subscriber\":\"s\"},{\"id\":\"d\",\"subscriber\":\"s\"}]"),
        200);
    assert_string_equal(f->answer.body, "{\"created\":[\"d\"],\"updated\":[\"b\"],\"unchanged\":[\"a\"],\"deleted\":[\"c\"]}");
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "PUT /v1/subscriptions", "[{\"id\":\"a\",\"subscriber\":\"s\"}]"), 200);
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "PUT /v1/subscriptions", "[]"), 200);
    assert_int_equal(revision(f), 2);

    (void)ask(f, "PUT /v1/subscriptions?prune=true",
              "[{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"y\",\"subscriber\":\"s\",\"regex\":{\"k\":\"(\"},\"types\":[]},5,"
              "{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"z\",\"subscriber\":\"s\",\"pattern\":{\"a\":[{\"prefx\":1}]}}]");
    assert_int_equal(f->answer.status, 422);
    HAS(f, "\"pointer\":\"/1/regex/k\"");
    HAS(f, "\"pointer\":\"/1/types\"");
    HAS(f, "\"pointer\":\"/2\"");
    HAS(f, "\"code\":\"E210\",\"pointer\":\"/3/id\"");
    HAS(f, "\"code\":\"E214\",\"pointer\":\"/4/pattern/a/0/prefx\"");
    (void)ask(f, "PUT /v1/subscriptions", "[{\"id\":\"x\",\"subscriber\":\"s\"},{\"id\":\"x\",\"subscriber\":\"s\"}]");
    expect_problem(f, 422, "E210");
    (void)ask(f, "PUT /v1/subscriptions", "{\"id\":\"x\",\"subscriber\":\"s\"}");
    expect_problem(f, 422, "E203");
    (void)ask(f, "PUT /v1/subscriptions", "[{\"id\":\"x\"");
    expect_problem(f, 400, "E108");
    assert_int_equal(f->fake.commits, 2);
}

/* What GET says can be put back, and is the same. */
static void a_pattern_comes_back_as_it_was(void **state)
{
    static const char document[] =
        "{\"subscriber\":\"s\",\"regex\":{\"k\":\"v\"},\"pattern\":{\"z\":[1.50,1E+2,{\"numeric\":[\">\",0.10]}],\"a\":{\"b\":["
        "{\"regexp\":\"\\\\d\"},\"x\"]}},\"enabled\":true}";
    struct fixture *f = *state;
    char body[1024];

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", document), 201);
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "GET /v1/subscriptions/a", NULL), 200);
    HAS(f, "\"pattern\":{\"z\":[1.50,1E+2,{\"numeric\":[\">\",0.10]}],\"a\":{\"b\":[{\"regexp\":\"\\\\d\"},\"x\"]}}");
    (void)snprintf(body, sizeof body, "%s", f->answer.body);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", body), 200);
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", document), 200);
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a", "{\"pattern\":{\"z\":null}}"), 200);
    assert_int_equal(revision(f), 2);
    HAS(f, "\"pattern\":{\"a\":{\"b\":[{\"regexp\":\"\\\\d\"},\"x\"]}}");
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a", "{\"pattern\":{\"a\":null}}"), 422);
    HAS(f, "\"code\":\"E205\",\"pointer\":\"/pattern\"");
    assert_int_equal(ask(f, "PATCH /v1/subscriptions/a", "{\"pattern\":null}"), 200);
    assert_null(strstr(f->answer.body, "\"pattern\""));
}

static void all_errors_of_a_document_at_once(void **state)
{
    struct fixture *f = *state;

    (void)ask(f, "POST /v1/subscriptions",
              "{\"id\":\"Bad Id\",\"subscribr\":\"x\",\"types\":[],\"regex\":{\"a..b\":\"x\",\"c\":\"a(\"},\"pattern\":{}}");
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
        er_buf_printf(
            &body,
            "%s{\"id\":\"s%03d\",\"subscriber\":\"u%d\",\"types\":[\"%s\"],\"labels\":{\"n\":\"%d\"},\"description\":\"Rule %d\"}",
            i > 0 ? "," : "", i, i % 2, i % 2 == 0 ? "even.*" : "odd", i % 3, i);
    }
    er_buf_add(&body, (struct er_str){ "]", 2 }); /* with its NUL */
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
    static const char *const bad[] = {
        "limit=0", "limit=1001",      "limit=-1", "limit=x", "limit=99999999999999999999", "page_token=x", "page_token=00112233",
        "lmit=1",  "limit=1&limit=2", "q=%",      "q=%ff"
    };
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

    assert_int_equal(ask(f, "PUT /v1/subscribers/Team.A", "{\"partitions\":3,\"description\":\"d\",\"labels\":{\"x\":\"y\"}}"),
                     201);
    assert_string_equal(header(f, "Location"), "/v1/subscribers/Team.A");
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    HAS(f, "{\"id\":\"Team.A\",\"topic\":\"sub.Team.A\",\"partitions\":3,\"state\":\"active\",\"description\":\"d\",\"labels\":{"
           "\"x\":\"y\"},\"revision\":1");
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
    (void)ask(f, "PUT /v1/subscribers/b", "{\"state\":\"asleep\",\"nonsense\":1}");
    expect_problem(f, 422, "E203");
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
    HAS(f, "\"status\":{\"state\":\"active\",\"subscriptions\":1,\"topic_created\":false,\"destination\":{");
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
    assert_int_equal(ask(f, "POST /v1/validate", "[{\"id\":\"a\",\"subscriber\":\"s\",\"revision\":3},{\"subscriber\":\"s\"}]"),
                     200);
    HAS(f, "\"warnings\":[{\"code\":\"E211\",\"pointer\":\"/0/revision\"");
    assert_int_equal(ask(f, "POST /v1/validate", "[]"), 200);
    (void)ask(
        f, "POST /v1/validate",
        "[{\"id\":\"a\",\"subscriber\":\"s\"},{\"id\":\"a\",\"subscriber\":\"s\"},{\"subscriber\":\"s\",\"regex\":{\"x\":\"[\"}}]");
    assert_int_equal(f->answer.status, 422);
    assert_string_equal(header(f, "Content-Type"), "application/problem+json");
    HAS(f, "\"code\":\"E301\",\"pointer\":\"/2/regex/x\"");
    HAS(f, "\"code\":\"E210\",\"pointer\":\"/1/id\"");
    HAS(f, "\"warnings\":[]");
    HAS(f, "\"lint\":[{\"code\":\"E232\",\"pointer\":\"/0\",");
    HAS(f, "{\"code\":\"E234\",\"pointer\":\"/1\",");
    (void)ask(f, "POST /v1/validate", "7");
    expect_problem(f, 422, "E201");
    (void)ask(f, "POST /v1/validate", "{");
    expect_problem(f, 400, "E108");
    assert_int_equal(f->fake.commits, 0);
}

/* What the rule set knows of a rule is its status: it is no part of the document, and a change begins anew. */
static void the_status_shows_what_a_rule_does(void **state)
{
    struct fixture *f = *state;
    static const char value[] = "{\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab x\",\"t\":1}";
    const struct er_record record = {
        .partition = -1, .timestamp_ms = -1, .value = { value, sizeof value - 1 }, .has_value = true
    };
    struct er_matcher *matcher;
    struct er_match match;
    struct er_err err;

    assert_int_equal(ask(f, "PUT /v1/subscriptions/bad", "{\"subscriber\":\"s\",\"regex\":{\"s\":\"^(a+)+x\"}}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/good", "{\"subscriber\":\"s\",\"pattern\":{\"t\":[1]}}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscriptions/slow", "{\"subscriber\":\"s\",\"regex\":{\"s\":\"[0-9]\"}}"), 201);
    assert_int_equal(er_matcher_new(f->fake.env.ruleset, &matcher, &err), ER_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ask(f, "GET /v1/subscriptions/bad", NULL), 200);
        HAS(f, "\"status\":{\"state\":\"active\",\"indexed\":true,");
        (void)er_matcher_pin(matcher);
        assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
        er_matcher_unpin(matcher);
    }
    assert_int_equal(ask(f, "GET /v1/subscriptions/bad", NULL), 200);
    assert_string_equal(header(f, "ETag"), "\"rev-1\"");
    HAS(f, "\"status\":{\"state\":\"quarantined\",\"detail\":\"a regex went over its limits again and again");
    HAS(f, "\"candidates\":10,\"hits\":0,\"regex_runs\":10,");
    assert_int_equal(ask(f, "GET /v1/subscriptions", NULL), 200);
    HAS(f, "\"state\":\"quarantined\"");
    HAS(f, "\"status\":{\"state\":\"active\",\"indexed\":true,\"activity\":{\"candidates\":10,\"hits\":10,\"regex_runs\":0,\"regex_"
           "ns\":0}}");
    HAS(f, "\"status\":{\"state\":\"active\",\"indexed\":false,");
    assert_int_equal(ask(f, "PUT /v1/subscriptions/bad", "{\"subscriber\":\"s\",\"regex\":{\"s\":\"^a+x\"}}"), 200);
    HAS(f, "\"status\":{\"state\":\"active\",\"indexed\":true,\"activity\":{\"candidates\":0,");
    er_matcher_free(matcher);
}

static void subscribers_are_paused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s/pause?dry_run=true", NULL), 200);
    HAS(f, "\"state\":\"paused\"");
    assert_int_equal(revision(f), 1);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s/pause", NULL), 200);
    HAS(f, "{\"id\":\"s\",\"topic\":\"sub.s\",\"partitions\":1,\"state\":\"paused\",");
    assert_int_equal(revision(f), 2);
    assert_string_equal(header(f, "ETag"), "\"rev-2\"");
    assert_string_equal(f->fake.last_what, "PUT /v1/subscribers/s/pause");
    assert_int_equal(ask(f, "PUT /v1/subscribers/s/pause", NULL), 200); /* once is enough */
    assert_int_equal(revision(f), 2);
    assert_int_equal(ask(f, "GET /v1/subscribers/s", NULL), 200);
    HAS(f, "\"state\":\"paused\"");
    assert_int_equal(ask_if(f, "PUT /v1/subscribers/s/resume", "If-Match: \"rev-1\"", NULL), 412);
    assert_int_equal(ask_if(f, "PUT /v1/subscribers/s/resume", "If-Match: \"rev-2\"", NULL), 200);
    HAS(f, "\"state\":\"active\"");
    assert_int_equal(revision(f), 3);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{\"state\":\"paused\"}"), 200);
    assert_int_equal(revision(f), 4);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{\"description\":\"d\"}"), 200); /* does not wake it */
    HAS(f, "\"state\":\"paused\"");
    (void)ask(f, "PUT /v1/subscribers/nobody/pause", NULL);
    expect_problem(f, 404, "E404");
    (void)ask(f, "GET /v1/subscribers/s/pause", NULL);
    expect_problem(f, 405, "E405");
    assert_string_equal(header(f, "Allow"), "PUT");
    f->fake.draining = true;
    (void)ask(f, "PUT /v1/subscribers/s/resume", NULL);
    expect_problem(f, 503, "E430");
}

static void a_subscriber_shows_its_destination(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "PUT /v1/subscribers/a", "{}"), 201);
    HAS(f, "\"destination\":{\"breaker\":\"closed\",\"waiting\":0,\"topic_ready\":true}}}");
    f->fake.broken_topic = "sub.a";
    f->fake.broken = (struct er_admin_destination){ .breaker = "open",
                                                    .code = ER_E_DESTINATION_MISSING,
                                                    .reason = "no such topic",
                                                    .since_ms = INT64_C(1795251940123),
                                                    .probe_ms = INT64_C(1795251941000),
                                                    .waiting = 3 };
    assert_int_equal(ask(f, "GET /v1/subscribers/a", NULL), 200);
    HAS(f, "\"destination\":{\"breaker\":\"open\",\"code\":\"E602\",\"reason\":\"no such "
           "topic\",\"since\":\"2026-11-21T09:05:40.123Z\","
           "\"next_probe_at\":\"2026-11-21T09:05:41.000Z\",\"waiting\":3,\"topic_ready\":false}}}");
    f->fake.broken.probe_ms = 0;
    assert_int_equal(ask(f, "GET /v1/subscribers", NULL), 200);
    HAS(f, "\"next_probe_at\":null,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(the_life_of_a_subscription),         WITH_DAEMON(conditions_hold_or_412),
        WITH_DAEMON(a_dry_run_changes_nothing),          WITH_DAEMON(patches_merge),
        WITH_DAEMON(bulk_is_one_revision_or_nothing),    WITH_DAEMON(a_pattern_comes_back_as_it_was),
        WITH_DAEMON(all_errors_of_a_document_at_once),   WITH_DAEMON(lists_have_pages_and_filters),
        WITH_DAEMON(the_life_of_a_subscriber),           WITH_DAEMON(validate_stores_nothing),
        WITH_DAEMON(the_status_shows_what_a_rule_does),  WITH_DAEMON(subscribers_are_paused),
        WITH_DAEMON(a_subscriber_shows_its_destination),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
