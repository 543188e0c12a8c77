/* The queue of changes on a real store and a real rule set; the topics thread is played by the test. */
#include "tests/unit/test.h"

#include <unistd.h>
#include "router/change_queue.h"

enum { JOBS = 16 };

struct fixture {
    char dir[64], path[96];
    struct er_config config;
    struct er_str reserved[1];
    struct er_plan_policy policy;
    struct er_store *store;
    struct er_ruleset *ruleset;
    struct er_topic_watch *watch;
    struct er_change_queue *queue;
    struct er_topics_job *jobs[JOBS]; /* asked for and not answered, oldest first */
    size_t n_jobs;
    size_t asked; /* ever */
};

static void keep_job(void *ctx, struct er_topics_job *job)
{
    struct fixture *f = ctx;

    assert_true(f->n_jobs < JOBS);
    f->jobs[f->n_jobs++] = job;
    f->asked++;
}

/* Answers the oldest job: every topic with code. */
static void answer(struct fixture *f, enum er_code code, bool created)
{
    struct er_topics_job *job = f->jobs[0];

    assert_true(f->n_jobs > 0);
    memmove(f->jobs, f->jobs + 1, --f->n_jobs * sizeof *f->jobs);
    job->reached = code != ER_E_KAFKA_TIMEOUT;
    for (size_t i = 0; i < job->n; i++) {
        job->items[i].code = code;
        job->items[i].created = created;
        snprintf(job->items[i].text, sizeof job->items[i].text, "said the test");
    }
    job->done(job->arg, job);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_topic_watch_options watch = { .submit = keep_job, .ctx = f };
    struct er_change_queue_options queue = { .create = true, .budget_ms = 5000, .submit_topics = keep_job, .ctx = f };
    struct er_err err;

    strcpy(f->dir, "/tmp/er-change-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
    f->config.destination_create = true;
    f->config.dead_letter_topic = f->config.unmatched_topic = "";
    f->reserved[0] = ER_STR("raw");
    f->policy = (struct er_plan_policy){ ER_STR("sub.{subscriber}"), 1, f->reserved, 1, er_rule_default_limits() };
    options.unindexed_rules = 2;
    assert_int_equal(er_store_open(f->path, &f->store, &err), ER_OK);
    assert_int_equal(er_ruleset_new(&options, &f->ruleset, &err), ER_OK);
    watch.config = &f->config;
    watch.store = queue.store = f->store;
    assert_int_equal(er_topic_watch_new(&watch, &f->watch, &err), ER_OK);
    queue.policy = &f->policy;
    queue.ruleset = f->ruleset;
    queue.watch = f->watch;
    assert_int_equal(er_change_queue_new(&queue, &f->queue, &err), ER_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    char path[128];

    er_change_queue_stop(f->queue);
    while (f->n_jobs > 0)
        answer(f, ER_E_UNAVAILABLE, false);
    er_change_queue_free(f->queue);
    er_topic_watch_free(f->watch);
    er_ruleset_free(f->ruleset);
    er_store_close(f->store);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* A request that puts one document; what became of it. */
struct change {
    struct er_change_request request;
    const char *document;
    struct fixture *again; /* submits `next` from within done */
    struct change *next;
    int finished;
    enum er_code code;
    uint64_t revision;
    size_t created, updated, unchanged;
};

static enum er_code build(void *arg, struct er_plan *plan, struct er_err *err)
{
    struct change *change = arg;
    struct er_arena *arena = er_arena_new(0);
    struct er_problems problems;
    struct er_plan_put put = { .mode = ER_PUT_ANY, .problems = &problems };
    struct er_str text = er_str_of(change->document);
    struct er_rule_source source = { .document_bytes = text.n };
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_json *tree = NULL;
    struct er_rule *rule = NULL;
    enum er_code code = er_json_parse(arena, text, 64, &tree, err);

    er_problems_init(&problems, arena);
    source.document = tree;
    if (code == ER_OK)
        code = er_rule_read(&source, &limits, &rule, &problems, NULL);
    if (code == ER_OK)
        code = er_plan_put_subscription(plan, rule, &put, err);
    er_rule_unref(rule);
    er_arena_free(arena);
    return code;
}

static enum er_code build_delete(void *arg, struct er_plan *plan, struct er_err *err)
{
    struct change *change = arg;

    return er_plan_delete_subscriber(plan, er_str_of(change->document), true, NULL, err);
}

static void done(void *arg, const struct er_change_result *result)
{
    struct change *change = arg;
    struct er_plan_summary summary = { .n_created = 0 };

    if (result->plan != NULL)
        er_plan_summary(result->plan, &summary);
    change->finished++;
    change->code = result->code;
    change->revision = result->revision;
    change->created = summary.n_created;
    change->updated = summary.n_updated;
    change->unchanged = summary.n_unchanged;
    assert_true((result->code == ER_OK) == (result->err == NULL));
    if (change->again != NULL)
        er_change_queue_submit(change->again->queue, &change->next->request);
}

static struct change put(const char *document)
{
    return (struct change){ .document = document,
                            .request = { .build = build, .done = done, .actor = { .uid = 1, .what = ER_STR("test") } } };
}

static void submit(struct fixture *f, struct change *change)
{
    change->request.arg = change;
    er_change_queue_submit(f->queue, &change->request);
}

static size_t active(struct fixture *f)
{
    struct er_ruleset_stats stats;

    er_ruleset_stats(f->ruleset, &stats);
    return stats.subscriptions;
}

static void test_new_destination(void **state)
{
    struct fixture *f = *state;
    struct change first = put("{\"id\":\"a\",\"subscriber\":\"s\"}"), second = put("{\"id\":\"b\",\"subscriber\":\"s\"}");
    struct change same = put("{\"id\":\"b\",\"subscriber\":\"s\"}");

    submit(f, &first);
    assert_int_equal(first.finished, 0);
    assert_int_equal(f->n_jobs, 1);
    assert_string_equal(f->jobs[0]->items[0].name, "sub.s");
    assert_true(f->jobs[0]->items[0].create && f->jobs[0]->urgent);
    submit(f, &second); /* waits for its turn: the destination is known then */
    assert_int_equal(er_change_queue_waiting(f->queue), 2);
    assert_int_equal(er_store_revision(f->store), 0);
    assert_int_equal(active(f), 0);
    answer(f, ER_OK, true);
    assert_int_equal(first.finished, 1);
    assert_int_equal(first.code, ER_OK);
    assert_int_equal(first.revision, 1);
    assert_int_equal(first.created, 1);
    assert_int_equal(second.finished, 1);
    assert_int_equal(second.revision, 2);
    assert_int_equal(f->asked, 1);
    assert_int_equal(active(f), 2);
    submit(f, &same);
    assert_int_equal(same.revision, 2);
    assert_int_equal(same.unchanged, 1);
    assert_int_equal(f->asked, 1);
}

static bool is_created(void *ctx, const struct er_store_subscriber *row)
{
    *(bool *)ctx = row->topic_created;
    return true;
}

static void test_who_made_the_topic(void **state)
{
    struct fixture *f = *state;
    struct change ours = put("{\"id\":\"a\",\"subscriber\":\"ours\"}"), theirs = put("{\"id\":\"b\",\"subscriber\":\"theirs\"}");
    struct er_err err;
    bool created = false;
    int32_t partitions = 0;

    submit(f, &ours);
    answer(f, ER_OK, true);
    submit(f, &theirs);
    answer(f, ER_OK, false);
    assert_int_equal(er_store_get_subscriber(f->store, ER_STR("ours"), is_created, &created, &err), ER_OK);
    assert_true(created);
    assert_int_equal(er_store_get_subscriber(f->store, ER_STR("theirs"), is_created, &created, &err), ER_OK);
    assert_false(created);
    assert_true(er_topic_watch_report(f->watch, ER_STR("sub.ours"), &partitions));
    assert_false(er_topic_watch_report(f->watch, ER_STR("sub.theirs"), &partitions));
}

static void test_destination_fails(void **state)
{
    static const enum er_code codes[] = { ER_E_KAFKA_TIMEOUT, ER_E_KAFKA, ER_E_DESTINATION_MISSING };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct change change = put("{\"id\":\"a\",\"subscriber\":\"s\"}");

        submit(f, &change);
        answer(f, codes[i], false);
        assert_int_equal(change.finished, 1);
        assert_int_equal(change.code, codes[i]);
        assert_int_equal(er_store_revision(f->store), 0);
        assert_int_equal(active(f), 0);
    }
    assert_int_equal(f->asked, 3);
}

/* A rule set that says no leaves nothing behind: neither in the store nor in the set. */
static void test_rule_set_refuses(void **state)
{
    struct fixture *f = *state;
    struct change one = put("{\"id\":\"a\",\"subscriber\":\"s\",\"regex\":{\"x\":\".\"}}"),
                  two = put("{\"id\":\"b\",\"subscriber\":\"s\",\"regex\":{\"y\":\".\"}}");
    struct change three = put("{\"id\":\"c\",\"subscriber\":\"s\",\"regex\":{\"z\":\".\"}}"),
                  dry = put("{\"id\":\"c\",\"subscriber\":\"s\",\"regex\":{\"z\":\".\"}}"),
                  stranger = put("{\"id\":\"d\",\"subscriber\":\"new\",\"regex\":{\"z\":\".\"}}");

    submit(f, &one);
    answer(f, ER_OK, true);
    submit(f, &two);
    assert_int_equal(two.code, ER_OK);
    dry.request.dry_run = true;
    submit(f, &dry);
    assert_int_equal(dry.code, ER_E_RULE_UNINDEXED);
    submit(f, &three);
    assert_int_equal(three.code, ER_E_RULE_UNINDEXED);
    submit(f, &stranger); /* no topic is made for it */
    assert_int_equal(stranger.code, ER_E_RULE_UNINDEXED);
    assert_int_equal(f->asked, 1);
    assert_int_equal(er_store_revision(f->store), 2);
    assert_int_equal(active(f), 2);
}

static void test_dry_run(void **state)
{
    struct fixture *f = *state;
    struct change change = put("{\"id\":\"a\",\"subscriber\":\"s\"}"), bad = put("{\"id\":\"a\"}");

    change.request.dry_run = true;
    submit(f, &change);
    assert_int_equal(change.finished, 1);
    assert_int_equal(change.code, ER_OK);
    assert_int_equal(change.created, 1);
    assert_int_equal(change.revision, 0);
    assert_int_equal(f->asked, 0);
    assert_int_equal(active(f), 0);
    submit(f, &bad);
    assert_int_equal(bad.code, ER_E_RULE_REQUIRED);
}

static void test_stop(void **state)
{
    struct fixture *f = *state;
    struct change asking = put("{\"id\":\"a\",\"subscriber\":\"s\"}"), waiting = put("{\"id\":\"b\",\"subscriber\":\"s\"}");
    struct change late = put("{\"id\":\"c\",\"subscriber\":\"s\"}");

    submit(f, &asking);
    submit(f, &waiting);
    er_change_queue_stop(f->queue);
    submit(f, &late);
    assert_int_equal(asking.finished + waiting.finished + late.finished, 3);
    assert_int_equal(asking.code, ER_E_UNAVAILABLE);
    assert_int_equal(waiting.code, ER_E_UNAVAILABLE);
    assert_int_equal(late.code, ER_E_UNAVAILABLE);
    answer(f, ER_OK, true); /* nobody waits for it any more */
    assert_int_equal(asking.finished, 1);
    assert_int_equal(er_store_revision(f->store), 0);
}

/* done may submit. */
static void test_chain(void **state)
{
    struct fixture *f = *state;
    struct change first = put("{\"id\":\"a\",\"subscriber\":\"s\"}"), second = put("{\"id\":\"b\",\"subscriber\":\"s\"}");

    first.again = f;
    first.next = &second;
    second.request.arg = &second;
    submit(f, &first);
    answer(f, ER_OK, true);
    assert_int_equal(second.finished, 1);
    assert_int_equal(second.revision, 2);
}

static void test_subscriber_goes(void **state)
{
    struct fixture *f = *state;
    struct change change = put("{\"id\":\"a\",\"subscriber\":\"s\"}"), gone = put("s"),
                  back = put("{\"id\":\"a\",\"subscriber\":\"s\"}");

    submit(f, &change);
    answer(f, ER_OK, true);
    gone.request.build = build_delete;
    submit(f, &gone);
    assert_int_equal(gone.code, ER_OK);
    assert_int_equal(active(f), 0);
    assert_false(er_topic_watch_ready(f->watch, ER_STR("s"), ER_STR("sub.s")));
    submit(f, &back);
    assert_int_equal(f->asked, 2);
    answer(f, ER_OK, false);
    assert_int_equal(back.code, ER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_destination, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_made_the_topic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destination_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rule_set_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dry_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_subscriber_goes, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
