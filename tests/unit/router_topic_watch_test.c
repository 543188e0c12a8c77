/* The table of topics; the topics thread is played by the test. */
#include "tests/unit/test.h"

#include <unistd.h>
#include "router/clock.h"
#include "router/topic_watch.h"

struct fixture {
    char dir[64], path[96];
    struct er_config config;
    struct er_store *store;
    struct er_topic_watch *watch;
    struct er_topics_job *job;
};

static void keep_job(void *ctx, struct er_topics_job *job)
{
    struct fixture *f = ctx;

    assert_null(f->job);
    f->job = job;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_topic_watch_options options = { .submit = keep_job, .ctx = f };
    struct er_err err;

    strcpy(f->dir, "/tmp/er-watch-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
    f->config.destination_create = true;
    f->config.dead_letter_topic = "dead";
    f->config.unmatched_topic = "other";
    assert_int_equal(er_store_open(f->path, &f->store, &err), ER_OK);
    options.config = &f->config;
    options.store = f->store;
    assert_int_equal(er_topic_watch_new(&options, &f->watch, &err), ER_OK);
    *state = f;
    return 0;
}

static void answer(struct fixture *f, bool reached, enum er_code code)
{
    struct er_topics_job *job = f->job;

    f->job = NULL;
    job->reached = reached;
    for (size_t i = 0; i < job->n; i++) {
        job->items[i].code = code;
        snprintf(job->items[i].text, sizeof job->items[i].text, "said the test");
    }
    job->done(job->arg, job);
}

static int tear_down(void **state)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    struct fixture *f = *state;
    char path[128];

    if (f->job != NULL)
        answer(f, false, ER_E_UNAVAILABLE);
    er_topic_watch_free(f->watch);
    er_store_close(f->store);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* Without a broker nothing is known, and it is asked again. */
static void test_start_without_broker(void **state)
{
    struct fixture *f = *state;
    struct er_err err;
    char text[256];

    assert_int_equal(er_topic_watch_start(f->watch, &err), ER_OK);
    assert_int_equal(f->job->n, 2);
    answer(f, false, ER_E_KAFKA_TIMEOUT);
    assert_false(er_topic_watch_started(f->watch));
    assert_false(er_topic_watch_service_ready(f->watch, text, sizeof text));
    assert_non_null(strstr(text, "said the test"));
    er_topic_watch_tick(f->watch, er_clock_ms());
    assert_non_null(f->job);
    answer(f, true, ER_OK);
    assert_true(er_topic_watch_started(f->watch));
    assert_true(er_topic_watch_service_ready(f->watch, text, sizeof text));
    er_topic_watch_tick(f->watch, er_clock_ms());
    assert_null(f->job);
}

/* A topic that is broken at the start does not hold the rest up, and is looked at again later and later. */
static void test_back_off(void **state)
{
    struct fixture *f = *state;
    uint64_t now = er_clock_ms();
    struct er_err err;
    char text[256];

    assert_int_equal(er_topic_watch_start(f->watch, &err), ER_OK);
    answer(f, true, ER_E_KAFKA);
    assert_true(er_topic_watch_started(f->watch));
    assert_false(er_topic_watch_service_ready(f->watch, text, sizeof text));
    er_topic_watch_tick(f->watch, now);
    assert_null(f->job);
    er_topic_watch_tick(f->watch, er_clock_ms() + 1001);
    assert_non_null(f->job);
    answer(f, true, ER_E_KAFKA);
    er_topic_watch_tick(f->watch, er_clock_ms() + 1001);
    assert_null(f->job);
    er_topic_watch_tick(f->watch, er_clock_ms() + 2001);
    assert_non_null(f->job);
    answer(f, true, ER_OK);
    assert_true(er_topic_watch_service_ready(f->watch, text, sizeof text));
}

static void count(void *ctx, const struct er_topic_view *view)
{
    *(int *)ctx += view->ready;
}

static void test_destinations(void **state)
{
    struct fixture *f = *state;
    struct er_str s = ER_STR("s"), topic = ER_STR("sub.s");
    int32_t partitions = 0;
    int ready = 0;

    assert_false(er_topic_watch_ready(f->watch, s, topic));
    er_topic_watch_put(f->watch, s, topic, 3, true);
    assert_true(er_topic_watch_ready(f->watch, s, topic));
    assert_true(er_topic_watch_report(f->watch, topic, &partitions));
    assert_int_equal(partitions, 3);
    assert_false(er_topic_watch_ready(f->watch, s, topic));
    er_topic_watch_tick(f->watch, er_clock_ms() + 100000);
    assert_null(f->job); /* the worker's breaker looks after it */
    er_topic_watch_found(f->watch, topic);
    assert_true(er_topic_watch_ready(f->watch, s, topic));
    er_topic_watch_put(f->watch, s, ER_STR("moved"), 1, false);
    assert_false(er_topic_watch_ready(f->watch, s, topic));
    assert_true(er_topic_watch_ready(f->watch, s, ER_STR("moved")));
    assert_false(er_topic_watch_report(f->watch, ER_STR("moved"), &partitions)); /* somebody else made it */
    er_topic_watch_found(f->watch, ER_STR("moved"));
    er_topic_watch_each(f->watch, count, &ready);
    assert_int_equal(ready, 1);
    er_topic_watch_remove(f->watch, s);
    assert_false(er_topic_watch_ready(f->watch, s, ER_STR("moved")));
    assert_false(er_topic_watch_report(f->watch, ER_STR("nobody's"), &partitions));
}

/* A dead-letter topic that was missed is looked at until it is there: nobody else would say so when its last letter went another way. */
static void test_service_topic_comes_back(void **state)
{
    struct fixture *f = *state;
    int32_t partitions = 0;
    struct er_err err;
    char text[256];

    assert_int_equal(er_topic_watch_start(f->watch, &err), ER_OK);
    answer(f, true, ER_OK);
    assert_true(er_topic_watch_service_ready(f->watch, text, sizeof text));
    (void)er_topic_watch_report(f->watch, er_str_of(f->config.dead_letter_topic), &partitions);
    assert_false(er_topic_watch_service_ready(f->watch, text, sizeof text));
    er_topic_watch_tick(f->watch, er_clock_ms());
    assert_null(f->job);
    for (int i = 0; i < 5; i++) {
        er_topic_watch_tick(f->watch, er_clock_ms() + 5001);
        assert_non_null(f->job);
        assert_int_equal(f->job->n, 1);
        answer(f, true, i < 4 ? ER_E_DESTINATION_MISSING : ER_OK);
        assert_int_equal(er_topic_watch_service_ready(f->watch, text, sizeof text), i == 4);
    }
    er_topic_watch_tick(f->watch, er_clock_ms() + 100000);
    assert_null(f->job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_without_broker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_back_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destinations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_topic_comes_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
