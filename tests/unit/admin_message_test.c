#include "admin/http_message.h"
#include "tests/unit/test.h"

static enum er_http_verdict parse(const char *text, struct er_http_head *head, struct er_http_fault *fault)
{
    size_t length = 0;
    enum er_http_verdict verdict = er_http_head_find(er_str_of(text), &length, fault);

    if (verdict == ER_HTTP_DONE && !er_http_head_parse((struct er_str){ text, length }, head, fault)) {
        verdict = ER_HTTP_BAD;
    }
    return verdict;
}

static void check_str(struct er_str found, const char *wanted)
{
    assert_int_equal(found.n, strlen(wanted));
    assert_memory_equal(found.p, wanted, found.n);
}

static void reads_a_request(void **state)
{
    static const char text[] =
        "PUT /v1/subscriptions/a%20b?dry_run=true HTTP/1.1\r\nHost: x\r\nCONTENT-length: 12\r\nIf-Match:\t\"rev-1\" \r\n\r\nrest";
    struct er_http_head head;
    struct er_http_fault fault;
    size_t length, at = 0;

    (void)state;
    assert_int_equal(er_http_head_find(er_str_of(text), &length, &fault), ER_HTTP_DONE);
    assert_int_equal(length, sizeof text - 5);
    assert_int_equal(parse(text, &head, &fault), ER_HTTP_DONE);
    check_str(head.request.method, "PUT");
    check_str(head.request.path, "/v1/subscriptions/a%20b");
    check_str(head.request.query, "dry_run=true");
    check_str(er_http_field_value(&head.request, ER_STR("if-match")), "\"rev-1\"");
    assert_null(er_http_field_value(&head.request, ER_STR("If")).p);
    assert_non_null(er_http_field(&head.request, ER_STR("host"), &at));
    assert_null(er_http_field(&head.request, ER_STR("host"), &at));
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_false(head.chunked);
}

static void waits_for_the_whole_head(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    struct er_http_fault fault;
    size_t length;

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_equal(er_http_head_find((struct er_str){ text, n }, &length, &fault), ER_HTTP_MORE);
    }
    assert_int_equal(er_http_head_find((struct er_str){ text, sizeof text - 1 }, &length, &fault), ER_HTTP_DONE);
}

static void refuses_what_is_no_request(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        { "\x16\x03\x01\x02", 400 }, /* TLS */
        { " GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\n\n", 400 },
        { "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400 },
        { "GET\r\n\r\n", 400 },
        { "GET /\r\n\r\n", 400 },
        { "GET  / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1 \r\n\r\n", 400 },
        { "GET / http/1.1\r\n\r\n", 400 },
        { "GET / HTTP/11\r\n\r\n", 400 },
        { "GET / HTTP/2.0\r\n\r\n", 505 },
        { "GET / HTTP/1.2\r\n\r\n", 505 },
        { "GET x HTTP/1.1\r\n\r\n", 400 },
        { "GET ftp://x/ HTTP/1.1\r\n\r\n", 400 },
        { "GET http://x HTTP/1.1\r\n\r\n", 400 },
        { "GET /a#b HTTP/1.1\r\n\r\n", 400 },
        { "GET /\xC3\xA4 HTTP/1.1\r\n\r\n", 400 },
        { "G(T / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nA\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n: b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nA : b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
        { "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
        { "PUT / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 417 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct er_http_head head;
        struct er_http_fault fault = { 0 };

        if (parse(rows[i].text, &head, &fault) != ER_HTTP_BAD || fault.status != rows[i].status || fault.detail == NULL) {
            fail_msg("%s -> %d", rows[i].text, fault.status);
        }
    }
}

static void says_whether_the_connection_stays(void **state)
{
    static const struct {
        const char *text;
        bool stays;
    } rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nConnection: x, CLOSE\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nConnection: x\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct er_http_head head;
        struct er_http_fault fault;

        assert_int_equal(parse(rows[i].text, &head, &fault), ER_HTTP_DONE);
        assert_int_equal(head.keep_alive, rows[i].stays);
    }
}

static void targets_may_be_absolute(void **state)
{
    struct er_http_head head;
    struct er_http_fault fault;

    (void)state;
    assert_int_equal(parse("GET HTTP://a.b:80/livez?x HTTP/1.1\r\n\r\n", &head, &fault), ER_HTTP_DONE);
    check_str(head.request.path, "/livez");
    check_str(head.request.query, "x");
    assert_int_equal(parse("OPTIONS * HTTP/1.1\r\n\r\n", &head, &fault), ER_HTTP_DONE);
    check_str(head.request.path, "*");
}

static void too_many_fields_are_refused(void **state)
{
    struct er_http_head head;
    struct er_http_fault fault;
    char text[1024] = "GET / HTTP/1.1\r\n";

    (void)state;
    for (int i = 0; i < ER_HTTP_MAX_FIELDS; i++) {
        strcat(text, "a: b\r\n");
    }
    strcat(text, "\r\n");
    assert_int_equal(parse(text, &head, &fault), ER_HTTP_DONE);
    text[strlen(text) - 2] = '\0';
    strcat(text, "a: b\r\n\r\n");
    assert_int_equal(parse(text, &head, &fault), ER_HTTP_BAD);
    assert_int_equal(fault.status, 431);
}

/* Feeds text in pieces of that size. */
static enum er_http_verdict decode(const char *text, size_t piece, struct er_buf *body, size_t limit, size_t *used)
{
    struct er_http_chunked chunked = { 0 };
    struct er_http_fault fault;
    size_t n = strlen(text);

    *used = 0;
    while (*used < n) {
        size_t step = 0, size = n - *used < piece ? n - *used : piece;
        enum er_http_verdict verdict =
            er_http_chunked_feed(&chunked, (struct er_str){ text + *used, size }, body, limit, &step, &fault);

        if (verdict == ER_HTTP_BAD) {
            return verdict;
        }
        *used += step;
        if (verdict == ER_HTTP_DONE) {
            return verdict;
        }
    }
    return ER_HTTP_MORE;
}

static void decodes_chunks(void **state)
{
    static const char text[] = "4\r\nWiki\r\n6;x=\"y\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\nGET /";

    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct er_buf body = { 0 };
        size_t used;

        assert_int_equal(decode(text, piece, &body, 100, &used), ER_HTTP_DONE);
        assert_int_equal(used, sizeof text - 1 - 5);
        check_str(er_buf_str(&body), "Wikipedia in \r\n\r\nchunks.");
        er_buf_free(&body);
    }
}

static void refuses_bad_chunks(void **state)
{
    static const char *const rows[] = { "\r\n",      "g\r\n",       "-1\r\n",
                                        "1\n",       "1\r\nab\r\n", "1\r\na\n",
                                        "1\r\na\rb", ";x\r\n",      "1000000000000000\r\n",
                                        "0\r\n\n",   "0\r\na\nb",   "5\r\nabcde\r\n6\r\nabcdef\r\n" };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct er_buf body = { 0 };
        size_t used;

        if (decode(rows[i], 1000, &body, 10, &used) != ER_HTTP_BAD) {
            fail_msg("accepted: %s", rows[i]);
        }
        assert_true(body.n <= 10);
        er_buf_free(&body);
    }
}

static void chunk_lines_and_trailers_are_bounded(void **state)
{
    static char text[20000];
    struct er_buf body = { 0 };
    size_t used;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "1;", 2);
    assert_int_equal(decode(text, 1000, &body, 10, &used), ER_HTTP_BAD);
    memcpy(text, "0\r\n", 3);
    assert_int_equal(decode(text, 1000, &body, 10, &used), ER_HTTP_BAD);
    er_buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(waits_for_the_whole_head),
        cmocka_unit_test(refuses_what_is_no_request),
        cmocka_unit_test(says_whether_the_connection_stays),
        cmocka_unit_test(targets_may_be_absolute),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(decodes_chunks),
        cmocka_unit_test(refuses_bad_chunks),
        cmocka_unit_test(chunk_lines_and_trailers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
