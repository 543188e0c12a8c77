#define _GNU_SOURCE /* memmem */
/* Dead letters through the API: lists, one, retries and what the store remembers of them. */
#include "admin/letter.h"
#include "tests/unit/admin_daemon.h"

static const struct er_header headers[] = {
    { { "h", 1 }, { "v", 1 }, false },
    { { "bin", 3 }, { "\xff\x00", 2 }, false },
    { { "null", 4 }, { NULL, 0 }, true },
};

/* Letters 0-0, 0-1, ...: all about copies for subscriber s. */
static struct er_letter *add_letter(struct fixture *f)
{
    struct er_letter *letter = &f->fake.letters[f->fake.n_letters];

    *letter = (struct er_letter){
        .place = { 0, (int64_t)f->fake.n_letters++ },
        .code = ER_STR("E604"),
        .stage = ER_STR("produce"),
        .message = ER_STR("topic sub.s: too large"),
        .source = ER_STR("raw/1/7"),
        .subscriber = ER_STR("s"),
        .subscription = ER_STR("s-1"),
        .attempts = 2,
        .error_offset = -1,
        .truncated = -1,
        .first_failed_ms = INT64_C(1795251940123),
        .event = { .topic = ER_STR("eventrouter.dead-letter"),
                   .timestamp_ms = 1000,
                   .has_key = true,
                   .key = ER_STR("k"),
                   .has_value = true,
                   .value = ER_STR("{\"n\":1}"),
                   .headers = headers,
                   .n_headers = 3 },
        .value_bytes = 7,
        .key_bytes = 1,
    };
    return letter;
}

static void a_list_is_paged(void **state)
{
    struct fixture *f = *state;
    char token[200] = "", line[300];
    const char *found;

    for (int i = 0; i < 3; i++) {
        (void)add_letter(f);
    }
    assert_int_equal(ask(f, "GET /v1/dead-letters?limit=2", NULL), 200);
    HAS(f, "{\"items\":[{\"ref\":\"0-2\",\"code\":\"E604\",\"stage\":\"produce\",\"message\":\"topic sub.s: too large\","
           "\"source\":\"raw/1/7\",\"subscriber\":\"s\",\"subscription\":\"s-1\",\"attempts\":2,"
           "\"first_failed_at\":\"2026-11-21T09:05:40.123Z\",\"error_offset\":null,\"truncated\":null,\"retried\":null,"
           "\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"value_bytes\":7,\"key\":\"k\","
           "\"headers\":[{\"name\":\"h\",\"value\":\"v\"},{\"name\":\"bin\",\"value\":\"/wA=\",\"value_encoding\":\"base64\"},"
           "{\"name\":\"null\",\"value\":null}],\"value\":\"{\\\"n\\\":1}\"},{\"ref\":\"0-1\"");
    HAS(f, "],\"next_page_token\":\"");
    HAS(f, ",\"scanned\":2}");
    found = strstr(f->answer.body, "\"next_page_token\":");
    assert_int_equal(sscanf(found, "\"next_page_token\":\"%190[^\"]\"", token), 1);
    snprintf(line, sizeof line, "GET /v1/dead-letters?limit=2&page_token=%s", token);
    assert_int_equal(ask(f, line, NULL), 200);
    HAS(f, "{\"items\":[{\"ref\":\"0-0\"");
    HAS(f, "\"next_page_token\":null,\"scanned\":1}");

    assert_int_equal(ask(f, "GET /v1/dead-letters?brief", NULL), 200);
    HAS(f, "\"value_bytes\":7},{");
    assert_false(has(f, "\"key\""));
    assert_false(has(f, "\"headers\""));
}

static void filters_are_handed_on(void **state)
{
    struct fixture *f = *state;
    int64_t now = (int64_t)time(NULL) * 1000;

    assert_int_equal(
        ask(f, "GET /v1/dead-letters?reason=E604&stage=produce&subscriber=a%20b&since=2h&until=2026-11-21T09:05:40Z", NULL), 200);
    HAS(f, "{\"items\":[],\"next_page_token\":null,");
    assert_string_equal(f->fake.filter.code.p, "E604");
    assert_string_equal(f->fake.filter.stage.p, "produce");
    assert_string_equal(f->fake.filter.subscriber.p, "a b");
    assert_true(f->fake.filter.since_ms >= now - 7201000 && f->fake.filter.since_ms <= now - 7190000);
    assert_true(f->fake.filter.until_ms == INT64_C(1795251940000));
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    assert_true(f->fake.filter.since_ms == ER_LETTER_NO_TIME);
    assert_int_equal(f->fake.filter.code.n, 0);
}

static void bad_questions_get_400(void **state)
{
    static const char *const lines[] = {
        "GET /v1/dead-letters?reason=too-large",
        "GET /v1/dead-letters?stage=deliver",
        "GET /v1/dead-letters?since=yesterday",
        "GET /v1/dead-letters?until=5",
        "GET /v1/dead-letters?page_token=zz",
        "GET /v1/dead-letters?limit=0",
        "GET /v1/dead-letters?subscribr=x",
        "GET /v1/dead-letters?brief=perhaps",
        "POST /v1/dead-letters/0-0/retry?again=perhaps",
        "GET /v1/dead-letters?page_token=31733132", /* that of another list */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        (void)ask(f, lines[i], NULL);
        expect_problem(f, 400, "E400");
    }
}

static void one_letter(void **state)
{
    struct fixture *f = *state;
    struct er_letter *letter = add_letter(f);

    letter->code = letter->subscriber = letter->subscription = (struct er_str){ NULL, 0 };
    letter->attempts = -1;
    letter->error_offset = 5;
    letter->truncated = 0;
    letter->first_failed_ms = ER_LETTER_NO_TIME;
    letter->event.timestamp_ms = -1;
    letter->event.has_key = false;
    letter->event.key = (struct er_str){ NULL, 0 };
    letter->key_bytes = 0;
    letter->event.value = ER_STR("ab\xc3"); /* half a character */
    letter->value_bytes = 3;
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "{\"ref\":\"0-0\",\"code\":null,");
    HAS(f,
        "\"subscriber\":null,\"subscription\":null,\"attempts\":null,\"first_failed_at\":null,\"error_offset\":5,\"truncated\":0,");
    HAS(f, "\"timestamp\":null,\"value_bytes\":3,\"key\":null,");
    HAS(f, "\"value\":\"YWLD\",\"value_encoding\":\"base64\"}");
    letter->value_bytes = 4; /* cut there */
    letter->headers_cut = true;
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    HAS(f, "\"headers_truncated\":true,\"value\":\"ab\",\"value_truncated\":true}");
    letter->event.has_value = false;
    letter->event.value = (struct er_str){ NULL, 0 };
    letter->value_bytes = 0;
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "\"value\":null}");
}

static void unknown_refs_get_404(void **state)
{
    static const char *const refs[] = {
        "0-9", "1-0", "x", "0", "0-", "-0", "0-0-0", "0-0x", "1234567890-0", "0-1234567890123456789", "0-%31%20"
    };
    struct fixture *f = *state;
    char line[100];

    (void)add_letter(f);
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
        snprintf(line, sizeof line, "GET /v1/dead-letters/%s", refs[i]);
        (void)ask(f, line, NULL);
        expect_problem(f, 404, "E404");
        snprintf(line, sizeof line, "POST /v1/dead-letters/%s/retry", refs[i]);
        (void)ask(f, line, NULL);
        expect_problem(f, 404, "E404");
    }
    assert_int_equal(f->fake.sends, 0);
    (void)ask(f, "DELETE /v1/dead-letters/0-0", NULL);
    expect_problem(f, 405, "E405");
}

static void a_retry_is_sent_once(void **state)
{
    struct fixture *f = *state;

    (void)add_letter(f);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{\"topic\":\"elsewhere\"}"), 201);
    assert_int_equal(ask(f, "POST /v1/dead-letters/0-0/retry", NULL), 200);
    assert_string_equal(f->answer.body,
                        "{\"ref\":\"0-0\",\"subscriber\":\"s\",\"topic\":\"elsewhere\",\"partition\":3,\"offset\":501,"
                        "\"attempts\":3}");
    assert_string_equal(f->fake.sent_topic, "elsewhere");
    assert_int_equal(f->fake.sends, 1);
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 409, "E443");
    HAS(f, "sent again already");
    assert_int_equal(f->fake.sends, 1);
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "\"retried\":{\"outcome\":\"sent\",\"at\":\"20");
    assert_int_equal(ask(f, "POST /v1/dead-letters/0-0/retry?again=true", NULL), 200);
    assert_int_equal(f->fake.sends, 2);
    /* What was there before is another letter. */
    f->fake.letters[0].source = ER_STR("raw/1/8");
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "\"retried\":null");
    assert_int_equal(er_store_revision(f->fake.env.store), 1);
}

static void a_retry_that_fails_may_be_repeated(void **state)
{
    struct fixture *f = *state;

    (void)add_letter(f);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    f->fake.send_code = ER_E_DESTINATION_MISSING;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 422, "E602");
    f->fake.send_code = ER_OK;
    assert_int_equal(ask(f, "POST /v1/dead-letters/0-0/retry", NULL), 200);
    /* A failure of one more does not make the first undone. */
    f->fake.send_code = ER_E_RECORD_TOO_LARGE;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry?again=true", NULL);
    expect_problem(f, 422, "E604");
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "\"outcome\":\"sent\"");
}

static void an_unknown_outcome_is_not_repeated(void **state)
{
    struct fixture *f = *state;

    (void)add_letter(f);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    f->fake.send_code = ER_E_KAFKA_TIMEOUT;
    f->fake.send_unknown = true;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 504, "E601");
    f->fake.send_code = ER_OK;
    f->fake.send_unknown = false;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 409, "E443");
    HAS(f, "perhaps written");
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    HAS(f, "\"retried\":{\"outcome\":\"unknown\",");
    assert_int_equal(f->fake.sends, 1);
    assert_int_equal(ask(f, "POST /v1/dead-letters/0-0/retry?again=true", NULL), 200);
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    HAS(f, "\"retried\":{\"outcome\":\"sent\",");
}

static void what_cannot_be_sent_is_refused(void **state)
{
    struct fixture *f = *state;
    struct er_letter *letter = add_letter(f);

    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 422, "E441");
    HAS(f, "subscriber s does not exist any more");
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s/pause", NULL), 200);
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 409, "E610");
    assert_int_equal(ask(f, "PUT /v1/subscribers/s/resume", NULL), 200);
    letter->truncated = 90;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 422, "E442");
    letter->truncated = -1;
    letter->subscriber = (struct er_str){ NULL, 0 };
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 422, "E441");
    HAS(f, "raw/1/7");
    f->fake.letters_code = ER_E_LETTER_GONE;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 410, "E440");
    f->fake.letters_code = ER_E_KAFKA_TIMEOUT;
    (void)ask(f, "GET /v1/dead-letters", NULL);
    expect_problem(f, 504, "E601");
    f->fake.letters_code = ER_OK;
    f->fake.draining = true;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 503, "E430");
    assert_int_equal(f->fake.sends, 0);
}

/* A second request meanwhile is refused, and the end of the server is an answer. */
static void two_at_once(void **state)
{
    struct fixture *f = *state;
    struct er_letters_request *first;
    struct wire other;

    (void)add_letter(f);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    f->fake.letters_hold = true;
    other = wire_dial(f->loop, f->socket);
    assert_true(wire_send(&other, "POST /v1/dead-letters/0-0/retry HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (time_t deadline = wire_deadline(); f->fake.letters_held == NULL;) {
        wire_pump(f->loop, deadline);
    }
    first = f->fake.letters_held; /* the reading */
    f->fake.letters_held = NULL;
    first->code = fake_env_answer(&f->fake, first);
    first->done(first->arg, first);
    first = f->fake.letters_held; /* the sending */
    assert_int_equal(first->op, ER_LETTERS_SEND);
    f->fake.letters_hold = false;
    (void)ask(f, "POST /v1/dead-letters/0-0/retry", NULL);
    expect_problem(f, 409, "E443");
    first->code = fake_env_answer(&f->fake, first);
    first->done(first->arg, first);
    wire_answer_free(&f->answer);
    assert_true(wire_take_answer(&other, &f->answer, false));
    assert_int_equal(f->answer.status, 200);
    wire_hang_up(&other);
    assert_int_equal(f->fake.sends, 1);
}

/* Each letter has its own answer, and its own memory. */
static void many_at_once(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 5; i++) {
        (void)add_letter(f);
    }
    f->fake.letters[1].subscriber = (struct er_str){ NULL, 0 };
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    assert_int_equal(ask(f, "POST /v1/dead-letters/0-3/retry", NULL), 200);
    f->fake.send_code = ER_E_RECORD_TOO_LARGE;
    f->fake.send_fails = 3; /* of all so far: 0-2 */
    assert_int_equal(ask(f, "POST /v1/dead-letters/retry", "{\"refs\":[\"0-4\",\"0-2\",\"0-1\",\"0-3\",\"0-9\",\"0-0\",\"0-4\"]}"),
                     200);
    HAS(f, "{\"items\":[{\"ref\":\"0-4\",\"subscriber\":\"s\",\"topic\":\"sub.s\",\"partition\":3,\"offset\":502,\"attempts\":3},"
           "{\"ref\":\"0-2\",\"code\":\"E604\",\"detail\":\"refused by the test\"},{\"ref\":\"0-1\",\"code\":\"E441\",");
    HAS(f, "{\"ref\":\"0-3\",\"code\":\"E443\",\"detail\":\"the dead letter was sent again already");
    HAS(f, "{\"ref\":\"0-9\",\"code\":\"E404\",");
    HAS(f, "{\"ref\":\"0-0\",\"subscriber\":\"s\",");
    HAS(f, "{\"ref\":\"0-4\",\"code\":\"E443\",\"detail\":\"the request names the dead letter twice\"}]}");
    assert_int_equal(f->fake.sends, 4);
    /* What failed may be repeated, what was sent may not. */
    assert_int_equal(ask(f, "POST /v1/dead-letters/retry", "{\"refs\":[\"0-0\",\"0-2\",\"0-4\"]}"), 200);
    HAS(f, "{\"items\":[{\"ref\":\"0-0\",\"code\":\"E443\",");
    HAS(f, "{\"ref\":\"0-2\",\"subscriber\"");
    assert_int_equal(f->fake.sends, 5);
    assert_int_equal(ask(f, "POST /v1/dead-letters/retry?again=true", "{\"refs\":[\"0-0\",\"0-4\"]}"), 200);
    assert_int_equal(f->fake.sends, 7);
}

/* Kafka did not even hear of them: the store forgets what it had begun. */
static void many_that_are_not_sent(void **state)
{
    struct fixture *f = *state;

    (void)add_letter(f);
    (void)add_letter(f);
    assert_int_equal(ask(f, "PUT /v1/subscribers/s", "{}"), 201);
    f->fake.send_whole = ER_E_TOO_MANY;
    (void)ask(f, "POST /v1/dead-letters/retry", "{\"refs\":[\"0-0\",\"0-1\"]}");
    expect_problem(f, 429, "E429");
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    assert_false(has(f, "\"outcome\""));
    f->fake.send_whole = ER_OK;
    f->fake.send_code = ER_E_KAFKA_TIMEOUT;
    f->fake.send_unknown = true;
    f->fake.send_fails = 2;
    assert_int_equal(ask(f, "POST /v1/dead-letters/retry", "{\"refs\":[\"0-0\",\"0-1\"]}"), 200);
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-0", NULL), 200);
    HAS(f, "\"outcome\":\"sent\"");
    assert_int_equal(ask(f, "GET /v1/dead-letters/0-1", NULL), 200);
    HAS(f, "\"outcome\":\"unknown\"");
}

static void bad_bodies_are_refused(void **state)
{
    static const struct {
        const char *body, *code, *pointer;
        int status;
    } rows[] = {
        { "{}", "E204", "/refs", 422 },
        { "{\"refs\":[]}", "E207", "/refs", 422 },
        { "{\"refs\":\"0-1\"}", "E207", "/refs", 422 },
        { "{\"refs\":[\"0-1\",5]}", "E203", "/refs/1", 422 },
        { "{\"refs\":[\"x\"]}", "E203", "/refs/0", 422 },
        { "{\"refs\":[\"0-1\"],\"again\":true}", "E202", "/again", 422 },
        { "[]", "E203", "", 422 },
        { "{", "E108", NULL, 400 },
    };
    struct fixture *f = *state;
    struct er_buf body = { 0 };
    char text[100];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)ask(f, "POST /v1/dead-letters/retry", rows[i].body);
        expect_problem(f, rows[i].status, rows[i].code);
        if (rows[i].pointer != NULL) {
            snprintf(text, sizeof text, "\"pointer\":\"%s\"", rows[i].pointer);
            HAS(f, text);
        }
    }
    er_buf_add(&body, ER_STR("{\"refs\":[\"0-1\""));
    for (int i = 0; i < 200; i++) {
        er_buf_printf(&body, ",\"0-%d\"", i);
    }
    er_buf_add(&body, ER_STR("]}"));
    er_buf_addc(&body, '\0');
    (void)ask(f, "POST /v1/dead-letters/retry", body.p);
    expect_problem(f, 422, "E207");
    er_buf_free(&body);
    (void)ask(f, "POST /v1/dead-letters/retry", NULL);
    expect_problem(f, 415, "E415");
    (void)ask(f, "GET /v1/dead-letters/retry", NULL);
    expect_problem(f, 404, "E404");
    assert_int_equal(f->fake.sends, 0);
}

static void retention_makes_the_store_forget(void **state)
{
    struct fixture *f = *state;
    struct er_store_letter gone = er_letter_key(add_letter(f));
    struct er_store_retry retry = { ER_RETRY_SENT, 1 };
    struct er_err err;

    assert_int_equal(er_store_retry_set(f->fake.env.store, &gone, &retry, 1, &err), ER_OK);
    f->fake.letters[0].place.offset = 1;
    assert_int_equal(ask(f, "GET /v1/dead-letters", NULL), 200);
    assert_int_equal(er_store_retry_get(f->fake.env.store, &gone, &retry, &err), ER_OK);
    assert_int_equal(retry.state, ER_RETRY_NONE);
}

static void refs_of_a_token(void **state)
{
    static const char *const bad[] = { "", "1", "1-2,", ",1-2", "1-2,,3-4", "1-2 3-4", "1-2,x" };
    struct er_arena *arena = er_arena_new(0);
    struct er_letter_refs refs;

    (void)state;
    assert_int_equal(er_letter_refs_read(arena, ER_STR("0-1,22-123456789012345678"), &refs), ER_OK);
    assert_int_equal(refs.n, 2);
    assert_int_equal(refs.places[1].partition, 22);
    assert_true(refs.places[1].offset == INT64_C(123456789012345678));
    assert_string_equal(er_letter_refs_write(arena, refs.places, refs.n).p, "0-1,22-123456789012345678");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (er_letter_refs_read(arena, er_str_of(bad[i]), &refs) != ER_E_REQUEST) {
            fail_msg("%s", bad[i]);
        }
    }
    er_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(a_list_is_paged),
        WITH_DAEMON(filters_are_handed_on),
        WITH_DAEMON(bad_questions_get_400),
        WITH_DAEMON(one_letter),
        WITH_DAEMON(unknown_refs_get_404),
        WITH_DAEMON(a_retry_is_sent_once),
        WITH_DAEMON(a_retry_that_fails_may_be_repeated),
        WITH_DAEMON(an_unknown_outcome_is_not_repeated),
        WITH_DAEMON(what_cannot_be_sent_is_refused),
        WITH_DAEMON(two_at_once),
        WITH_DAEMON(retention_makes_the_store_forget),
        WITH_DAEMON(many_at_once),
        WITH_DAEMON(many_that_are_not_sent),
        WITH_DAEMON(bad_bodies_are_refused),
        cmocka_unit_test(refs_of_a_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
