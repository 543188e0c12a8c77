/* The demo: its Kafka, its flow, and the whole of eventrouterd --demo. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/demo_flow.h"

#define DEADLINE_MS 60000u

static void test_kafka(void **state)
{
    struct er_demo_kafka *kafka = NULL;
    struct er_err err;
    uint64_t written = 99;
    char value[] = "v";

    (void)state;
    assert_int_equal(er_demo_kafka_new(&kafka, &err), ER_OK);
    assert_non_null(strchr(er_demo_kafka_bootstrap(kafka), ':'));
    assert_int_equal(er_demo_kafka_create(kafka, "t", 3, &err), ER_OK);
    assert_int_equal(er_demo_kafka_create(kafka, "t", 3, &err), ER_OK);
    assert_true(er_demo_kafka_written(kafka, "t", &written));
    assert_int_equal(written, 0);
    for (int i = 0; i < 100; i++) {
        char key[16];

        (void)snprintf(key, sizeof key, "k%d", i);
        assert_true(er_demo_kafka_publish(kafka, "t", key, value));
    }
    assert_true(er_demo_kafka_flush(kafka, 10000));
    assert_true(er_demo_kafka_written(kafka, "t", &written));
    assert_int_equal(written, 100);
    er_demo_kafka_free(kafka);
}

/* Publishes until it is told to end; what it then says is what the topic holds. */
static void test_flow(void **state)
{
    struct er_demo_kafka *kafka = NULL;
    struct er_demo_flow *flow = NULL;
    struct er_demo_topic topic = { .name = "raw" };
    struct er_err err;
    uint64_t deadline = er_clock_ms() + DEADLINE_MS;
    uint64_t events = 0;

    (void)state;
    assert_int_equal(er_demo_kafka_new(&kafka, &err), ER_OK);
    assert_int_equal(er_demo_kafka_create(kafka, "raw", 4, &err), ER_OK);
    assert_int_equal(er_demo_flow_start(kafka, "raw", &flow, &err), ER_OK);
    while (topic.written < 50 && er_clock_ms() < deadline) {
        er_demo_flow_watch(flow, &topic, 1);
        (void)poll(NULL, 0, 10);
    }
    assert_true(topic.written >= 50);
    er_demo_flow_end(flow);
    while (!er_demo_flow_ended(flow, &events) && er_clock_ms() < deadline)
        (void)poll(NULL, 0, 10);
    assert_int_equal(events, er_demo_flow_published(flow));
    assert_true(events >= topic.written);
    er_demo_flow_free(flow);
    er_demo_kafka_free(kafka);
}

/* ---- the program, which is built beside the directory of this test ---- */

struct program {
    pid_t pid;
    int out; /* its standard output */
    char text[65536];
    size_t n;
    char temporary[64]; /* its TMPDIR */
};

static void start(struct program *p, const char *const *arguments)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    const char *argv[16] = { "eventrouterd", "--demo" };
    int fds[2];

    assert_true(n > 0);
    path[n] = '\0';
    for (int up = 0; up < 2; up++)
        *strrchr(path, '/') = '\0';
    (void)strcat(path, "/eventrouterd");
    memset(p, 0, sizeof *p);
    (void)snprintf(p->temporary, sizeof p->temporary, "/tmp/er-demo-test-XXXXXX");
    assert_non_null(mkdtemp(p->temporary));
    for (int i = 0; arguments[i] != NULL; i++)
        argv[2 + i] = arguments[i];
    assert_int_equal(pipe(fds), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)setenv("TMPDIR", p->temporary, 1);
        (void)execv(path, (char *const *)(uintptr_t)argv);
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        _exit(127);
    }
    (void)close(fds[1]);
    p->out = fds[0];
}

/* Reads on until word is in the output (NULL: until its end). */
static void read_until(struct program *p, const char *word)
{
    uint64_t deadline = er_clock_ms() + DEADLINE_MS;

    while (word == NULL || strstr(p->text, word) == NULL) {
        struct pollfd ready = { .fd = p->out, .events = POLLIN };
        ssize_t n;

        if (er_clock_ms() > deadline) {
            (void)kill(p->pid, SIGKILL);
            fail_msg("not in time: %s\n%s", word == NULL ? "end" : word, p->text);
        }
        if (poll(&ready, 1, 100) <= 0)
            continue;
        n = read(p->out, p->text + p->n, sizeof p->text - 1 - p->n);
        if (n <= 0)
            break;
        p->n += (size_t)n;
    }
    if (word != NULL)
        assert_non_null(strstr(p->text, word));
}

/* The program has ended well, the last line balances, nothing is left behind. */
static uint64_t finish(struct program *p)
{
    unsigned long long r = 0, a = 0, b = 0, c = 0;
    const char *last;
    int status = 0;

    read_until(p, NULL);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    if (status != 0)
        print_error("%s\n", p->text);
    assert_int_equal(status, 0);
    (void)close(p->out);
    assert_true(p->n > 0 && p->text[p->n - 1] == '\n');
    p->text[p->n - 1] = '\0';
    last = strrchr(p->text, '\n');
    assert_non_null(last);
    assert_int_equal(sscanf(last + 1, "received %llu = routed %llu + unmatched %llu + dead-lettered %llu", &r, &a, &b, &c), 4);
    assert_int_equal(r, a + b + c);
    assert_int_equal(rmdir(p->temporary), 0); /* fails when it is not empty */
    return r;
}

static void test_demo_for_seconds(void **state)
{
    static const char *const arguments[] = { "--demo-seconds", "2", NULL };
    static struct program p;
    uint64_t received;

    (void)state;
    start(&p, arguments);
    received = finish(&p);
    /* 200 per second for two seconds, less what a busy machine loses at the edges. */
    assert_in_range(received, 300, 440);
    assert_non_null(strstr(p.text, "\nbootstrap: 127.0.0.1:"));
    assert_non_null(strstr(p.text, "\nsocket: /tmp/er-demo-test-"));
    assert_non_null(strstr(p.text, " received, "));
    assert_null(strstr(p.text, "\x1b"));
}

static void test_demo_until_a_signal(void **state)
{
    static const char *const arguments[] = { "-o", "router.workers=1", "-o", "source.topics=other,raw", NULL };
    static struct program p;

    (void)state;
    start(&p, arguments);
    read_until(&p, "analytics=");
    assert_int_equal(kill(p.pid, SIGINT), 0);
    assert_true(finish(&p) > 0);
}

/* ---- stopping while somebody asks for much ---- */

#define SLOW_RULES 1000
#define STOP_MS 10000u /* router.shutdown_timeout */

static int dial(const struct program *p)
{
    static const char word[] = "\nsocket: ";
    const char *path = strstr(p->text, word);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_non_null(path);
    path += sizeof word - 1;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)strcspn(path, "\n"), path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask(int fd, const char *line, const char *body, size_t n)
{
    char head[200];
    int length = snprintf(head, sizeof head,
                          "%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", line, n);

    assert_int_equal(write(fd, head, (size_t)length), length);
    for (size_t at = 0; at < n;) {
        ssize_t written = write(fd, body + at, n - at);

        assert_true(written > 0);
        at += (size_t)written;
    }
}

/* The status of the answer, whose rest is not looked at. */
static int status_of(int fd)
{
    char text[64] = "";
    size_t n = 0;

    while (n < 12) {
        ssize_t got = read(fd, text + n, sizeof text - 1 - n);

        assert_true(got > 0);
        n += (size_t)got;
    }
    return atoi(text + 9);
}

static bool answered(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };

    return poll(&ready, 1, 0) > 0;
}

/* Each of these rules takes an event's whole time to be explained. */
static void put_slow_rules(const struct program *p)
{
    size_t size = SLOW_RULES * 150, n = 0;
    char *text = malloc(size);
    int fd = dial(p);

    assert_non_null(text);
    for (int i = 0; i < SLOW_RULES; i++) {
        n += (size_t)snprintf(text + n, size - n,
                              "%c{\"id\":\"slow-%d\",\"subscriber\":\"slow\",\"types\":[\"slow\"],"
                              "\"regex\":{\"blob\":\"(?:a{0,%d}){3}[bc]{%d}x\"}}",
                              i == 0 ? '[' : ',', i, 50 + i % 50, i / 50 + 1);
    }
    text[n++] = ']';
    ask(fd, "PUT /v1/subscriptions", text, n);
    assert_int_equal(status_of(fd), 200);
    (void)close(fd);
    free(text);
}

static int explain_slowly(const struct program *p)
{
    static const char begin[] = "{\"event\":{\"type\":\"slow\",\"blob\":[\"", middle[] = "x\",\"", end[] = "x\"]},\"limit\":1000}";
    enum { VALUES = 6, LENGTH = 16000 };
    static char body[VALUES * (LENGTH + 10) + 100];
    size_t n = (size_t)snprintf(body, sizeof body, "%s", begin);
    int fd = dial(p);

    for (int i = 0; i < VALUES; i++) {
        memset(body + n, 'a', LENGTH);
        n += LENGTH;
        n += (size_t)snprintf(body + n, sizeof body - n, "%s", i + 1 < VALUES ? middle : end);
    }
    ask(fd, "POST /v1/explain", body, n);
    return fd;
}

/* The answer would take twice as long as a stop may. */
static void test_stop_during_an_explanation(void **state)
{
    static const char *const arguments[] = { "-o", "router.workers=1", "-o", "router.shutdown_timeout=10s", NULL };
    static struct program p;
    uint64_t stopped;
    int explaining, other;

    (void)state;
    start(&p, arguments);
    read_until(&p, "analytics=");
    put_slow_rules(&p);
    explaining = explain_slowly(&p);
    /* It runs, and lets others through, once these have been answered. */
    other = dial(&p);
    for (int i = 0; i < 5; i++) {
        ask(other, "GET /livez", "", 0);
        assert_int_equal(status_of(other), 200);
        (void)close(other);
        other = dial(&p);
    }
    assert_false(answered(explaining));
    stopped = er_clock_ms();
    assert_int_equal(kill(p.pid, SIGTERM), 0);
    assert_true(finish(&p) > 0);
    assert_true(er_clock_ms() - stopped < STOP_MS);
    (void)close(other);
    (void)close(explaining);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_demo_for_seconds),
        cmocka_unit_test(test_demo_until_a_signal),
        cmocka_unit_test(test_stop_during_an_explanation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
