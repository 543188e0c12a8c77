#include "tests/unit/test.h"

#include <pthread.h>
#include <unistd.h>
#include "router/log.h"
#include "rules/base/utf8.h"

/* What one call writes, read back from a pipe (lines are far below its capacity). */
struct fixture {
    int fds[2];
    struct er_log *log;
    char text[65536];
};

static void start(struct fixture *f, enum er_log_level level, enum er_log_format format)
{
    assert_int_equal(pipe(f->fds), 0);
    f->log = er_log_new(f->fds[1], level, format);
    assert_non_null(f->log);
}

/* Ends the log; text holds all that was written. */
static void finish(struct fixture *f)
{
    size_t n = 0;
    ssize_t got;

    er_log_free(f->log);
    (void)close(f->fds[1]);
    while ((got = read(f->fds[0], f->text + n, sizeof f->text - 1 - n)) > 0)
        n += (size_t)got;
    f->text[n] = '\0';
    (void)close(f->fds[0]);
}

/* "time=" and an RFC 3339 time in milliseconds; returns what follows. */
static const char *after_time(const char *line, const char *prefix)
{
    const char *p = line + strlen(prefix);
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    assert_memory_equal(line, prefix, strlen(prefix));
    for (size_t i = 0; shape[i] != '\0'; i++, p++)
        assert_true(shape[i] == 'd' ? *p >= '0' && *p <= '9' : *p == shape[i]);
    return p;
}

static void test_logfmt(void **state)
{
    static struct fixture f;

    (void)state;
    start(&f, ER_LOG_INFO, ER_LOG_LOGFMT);
    er_log_write(f.log, ER_LOG_WARN, ER_LM("destination is missing"), ER_LF("topic", "sub.a"), ER_LFI("partition", -3),
                 ER_LF("empty", ""), ER_LF("odd", "a\"b\\c\nd\x01=\x7f"), ER_LF("eq", "a=b"),
                 ER_LFS("bad", ER_STR("x\xFFy\xC3\xA9")));
    finish(&f);
    assert_string_equal(after_time(f.text, "time="),
                        " level=warn msg=\"destination is missing\" topic=sub.a partition=-3 empty=\"\" "
                        "odd=\"a\\\"b\\\\c\\nd\\u0001=\\u007f\" eq=\"a=b\" bad=\"x\xEF\xBF\xBDy\xC3\xA9\"\n");
}

static void test_json(void **state)
{
    static struct fixture f;

    (void)state;
    start(&f, ER_LOG_DEBUG, ER_LOG_JSON);
    er_log_write(f.log, ER_LOG_DEBUG, ER_LM("x"), ER_LFI("n", INT64_MIN), ER_LF("t", "tab\there"));
    finish(&f);
    assert_string_equal(after_time(f.text, "{\"time\":\""),
                        "\",\"level\":\"debug\",\"msg\":\"x\",\"n\":-9223372036854775808,\"t\":\"tab\\u0009here\"}\n");
}

static void test_levels(void **state)
{
    static struct fixture f;

    (void)state;
    start(&f, ER_LOG_WARN, ER_LOG_LOGFMT);
    er_log_write(f.log, ER_LOG_INFO, ER_LM("hidden"));
    er_log_set_level(f.log, ER_LOG_INFO);
    assert_int_equal(er_log_level(f.log), ER_LOG_INFO);
    er_log_write(f.log, ER_LOG_INFO, ER_LM("shown"));
    er_log_write(f.log, ER_LOG_DEBUG, ER_LM("hidden"));
    er_log_write((struct er_log *)NULL, ER_LOG_ERROR, ER_LM("nowhere"));
    finish(&f);
    assert_null(strstr(f.text, "hidden"));
    assert_non_null(strstr(f.text, "shown"));
}

/* A huge value is cut on a character boundary, a huge line loses fields, never its form. */
static void test_bounds(void **state)
{
    static struct fixture f;
    char value[3000];
    const char *end;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof value; i += 2)
        memcpy(value + i, "\xC3\xA9", 2);
    value[sizeof value - 2] = '\0';
    start(&f, ER_LOG_INFO, ER_LOG_LOGFMT);
    er_log_write(f.log, ER_LOG_INFO, ER_LM("a"), ER_LF("v", value), ER_LF("w", "end"));
    finish(&f);
    assert_int_equal(er_utf8_check(er_str_of(f.text)), strlen(f.text));
    assert_null(strstr(f.text, "\xEF\xBF\xBD"));
    assert_non_null(strstr(f.text, " w=end\n"));
    assert_true(strlen(f.text) < 1200);

    memset(value, 1, sizeof value);
    value[sizeof value - 1] = '\0';
    start(&f, ER_LOG_INFO, ER_LOG_JSON);
    er_log_write(f.log, ER_LOG_INFO, ER_LM("a"), ER_LF("k1", value), ER_LF("k2", value), ER_LF("k3", value), ER_LF("k4", value));
    finish(&f);
    end = strchr(f.text, '\n');
    assert_non_null(end);
    assert_memory_equal(end - 2, "\"}\n", 3);
    assert_true(strlen(f.text) < 16384);
}

#define WRITERS 4
#define LINES_EACH 50

static void *writer(void *arg)
{
    for (int i = 0; i < LINES_EACH; i++)
        er_log_write((struct er_log *)arg, ER_LOG_INFO, ER_LM("from a thread"), ER_LFI("i", i));
    return NULL;
}

static void test_threads_do_not_mix_lines(void **state)
{
    static struct fixture f;
    pthread_t threads[WRITERS];
    size_t n = 0;

    (void)state;
    start(&f, ER_LOG_INFO, ER_LOG_LOGFMT);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer, f.log), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    finish(&f);
    for (char *line = f.text; *line != '\0'; line = strchr(line, '\n') + 1, n++) {
        const char *rest = after_time(line, "time=");
        const char start_of_rest[] = " level=info msg=\"from a thread\" i=";

        assert_memory_equal(rest, start_of_rest, sizeof start_of_rest - 1);
    }
    assert_int_equal(n, WRITERS * LINES_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_threads_do_not_mix_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
