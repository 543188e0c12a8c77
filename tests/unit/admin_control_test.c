#define _GNU_SOURCE /* memmem */
/* What an operator tells the daemon: configuration, log level, reload, drain. */
#include "tests/unit/admin_daemon.h"

static void the_log_level_changes(void **state)
{
    static const struct {
        const char *body, *code, *pointer;
    } bad[] = {
        { "{\"level\":\"loud\"}", "E203", "/level" },
        { "{\"level\":1}", "E203", "/level" },
        { "{}", "E204", "/level" },
        { "{\"level\":\"debug\",\"x\":1}", "E202", "/x" },
        { "[]", "E203", "" },
    };
    struct fixture *f = *state;
    char text[60];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)ask(f, "PUT /v1/log-level", bad[i].body);
        expect_problem(f, 422, bad[i].code);
        snprintf(text, sizeof text, "\"pointer\":\"%s\"", bad[i].pointer);
        HAS(f, text);
    }
    assert_int_equal(ask(f, "GET /v1/config", NULL), 200);
    assert_string_equal(f->answer.body, "{\"log_level\":\"info\",\"items\":[]}");
    assert_int_equal(ask(f, "PUT /v1/log-level", "{\"level\":\"debug\"}"), 200);
    assert_string_equal(f->answer.body, "{\"level\":\"debug\",\"was\":\"info\"}");
    assert_int_equal(ask(f, "GET /v1/config", NULL), 200);
    HAS(f, "\"log_level\":\"debug\"");
}

static void a_reload_names_all_errors(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST /v1/reload?dry_run=true", NULL), 200);
    assert_int_equal(f->fake.reloads, 0);
    assert_int_equal(ask(f, "POST /v1/reload", NULL), 200);
    assert_string_equal(f->answer.body, "{\"applied\":[]}");
    assert_int_equal(f->fake.reloads, 1);
    f->fake.config_errors = "er.ini:3: error[E701]: one\ner.ini:5: error[E702]: two\n";
    (void)ask(f, "POST /v1/reload", NULL);
    expect_problem(f, 422, "E702");
    HAS(f, "\"detail\":\"er.ini:3: error[E701]: one\"");
    HAS(f, "\"detail\":\"er.ini:5: error[E702]: two\"");
    assert_false(has(f, "applied"));
}

static void a_drain_begins_the_end(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "POST /v1/drain", NULL), 200);
    assert_string_equal(f->answer.body, "{\"draining\":true}");
    assert_true(f->fake.draining);
    (void)ask(f, "PUT /v1/subscriptions/a", "{\"subscriber\":\"s\"}");
    expect_problem(f, 503, "E430");
    assert_int_equal(ask(f, "POST /v1/drain", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(the_log_level_changes),
        WITH_DAEMON(a_reload_names_all_errors),
        WITH_DAEMON(a_drain_begins_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
