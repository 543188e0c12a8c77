/* Transactions of the Kafka sink on a mock cluster: what is taken for done, what is doubted, and what a new producer costs. */
#include "router/kafka_txn.h"
#include "tests/unit/kafka_rig.h"

enum { INIT_PRODUCER_ID = 22, SLOW_MS = 3000 };

struct txn_rig {
    struct rig rig;
    struct er_config *config;
    struct er_counters counters;
    struct er_kafka_source *source;
    struct er_kafka_sink *kafka_sink;
    struct er_kafka_txn *kafka_txn;
    struct er_sink sink;
    struct er_txn txn;
    struct er_sink_topic *topic;
    struct er_sink_ticket ticket;
};

static struct er_config *load(const struct rig *rig, const char *guard)
{
    static char *const no_environment[] = { NULL };
    char servers[160];
    const char *settings[] = { servers, "router.delivery=exactly-once", "router.instance=one", guard };
    struct er_config_input input = { .file = "/dev/null", .overrides = settings, .n_overrides = 4, .environment = no_environment };
    struct er_config *config = NULL;
    struct er_buf errors = { 0 };

    snprintf(servers, sizeof servers, "kafka.bootstrap.servers=%s", rd_kafka_mock_cluster_bootstraps(rig->cluster));
    if (er_config_load(&input, &config, &errors) != ER_OK)
        fail_msg("%.*s", (int)errors.n, errors.p);
    return config;
}

static void setup(struct txn_rig *t, const char *guard)
{
    struct er_kafka_txn_options options;
    struct er_err err;

    memset(t, 0, sizeof *t);
    rig_init(&t->rig, 1);
    t->config = load(&t->rig, guard);
    assert_int_equal(er_kafka_source_new(t->config, NULL, 0, &t->source, &err), ER_OK);
    assert_int_equal(er_kafka_sink_new(t->config, NULL, 0, &t->kafka_sink, &err), ER_OK);
    options = (struct er_kafka_txn_options){ t->config, NULL, t->source, t->kafka_sink, &t->counters, 0 };
    assert_int_equal(er_kafka_txn_new(&options, &t->kafka_txn, &err), ER_OK);
    t->sink = er_kafka_sink_seam(t->kafka_sink);
    t->txn = er_kafka_txn_seam(t->kafka_txn);
    t->topic = t->sink.ops->open(t->sink.ctx, ER_STR("raw"));
    assert_non_null(t->topic);
}

static void teardown(struct txn_rig *t)
{
    t->sink.ops->close(t->sink.ctx, t->topic);
    er_kafka_sink_free(t->kafka_sink);
    er_kafka_txn_free(t->kafka_txn);
    er_kafka_source_free(t->source);
    er_config_free(t->config);
    rig_fini(&t->rig);
}

static void slow_down(struct txn_rig *t, int ms)
{
    for (int broker = 1; broker <= 2; broker++)
        assert_int_equal(rd_kafka_mock_broker_set_rtt(t->rig.cluster, broker, ms), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void renew(struct txn_rig *t)
{
    uint64_t end = er_clock_ms() + RIG_SECONDS * 1000;
    enum er_txn_result result;

    do {
        result = t->txn.ops->renew(t->txn.ctx, ER_S_NS);
    } while (result == ER_TXN_AGAIN && er_clock_ms() < end);
    assert_int_equal(result, ER_TXN_DONE);
}

static void produce(struct txn_rig *t)
{
    struct er_record record = { .topic = ER_STR("raw"), .value = ER_STR("{}"), .has_value = true, .timestamp_ms = -1 };
    const char *text = NULL;

    t->ticket = (struct er_sink_ticket){ 0, false };
    assert_int_equal(t->sink.ops->produce(t->sink.ctx, t->topic, &record, &t->ticket, &text), ER_SINK_OK);
}

static enum er_sink_result take_report(struct txn_rig *t)
{
    struct er_sink_report report;

    assert_int_equal(t->sink.ops->poll(t->sink.ctx, &report, 1), 1);
    return report.result;
}

static void deliver(struct txn_rig *t)
{
    produce(t);
    for (int i = 0; i < RIG_SECONDS && !t->sink.ops->hurry(t->sink.ctx, ER_S_NS); i++)
        ;
    assert_int_equal(take_report(t), ER_SINK_OK);
}

static enum er_txn_result commit(struct txn_rig *t)
{
    return t->txn.ops->commit(t->txn.ctx, NULL, 0, 10 * ER_S_NS);
}

/* The coordinator cannot finish the last transaction (a partition of it has no leader): another id does not wait for that. */
static void test_stuck(void **state)
{
    struct txn_rig t;
    uint64_t begin = er_clock_ms();
    char id[300] = "";
    size_t size = sizeof id;

    (void)state;
    setup(&t, "router.guard=on");
    for (int i = 0; i < 1000; i++)
        rd_kafka_mock_push_request_errors(t.rig.cluster, INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    while (t.txn.ops->renew(t.txn.ctx, 100 * ER_MS_NS) == ER_TXN_AGAIN && er_clock_ms() - begin < 500)
        ;
    assert_non_null(er_kafka_sink_producer(t.kafka_sink));
    assert_int_equal(rd_kafka_conf_get(rd_kafka_conf(er_kafka_sink_producer(t.kafka_sink)), "transactional.id", id, &size),
                     RD_KAFKA_CONF_OK);
    assert_string_equal(id, "eventrouter.eventrouter.one.0"); /* it is given some time */
    for (int i = 0; i < 6 && strstr(id, "one.0.1") == NULL; i++) {
        assert_int_equal(t.txn.ops->renew(t.txn.ctx, ER_S_NS), ER_TXN_AGAIN);
        size = sizeof id;
        (void)rd_kafka_conf_get(rd_kafka_conf(er_kafka_sink_producer(t.kafka_sink)), "transactional.id", id, &size);
    }
    assert_string_equal(id, "eventrouter.eventrouter.one.0.1");
    rd_kafka_mock_clear_request_errors(t.rig.cluster, INIT_PRODUCER_ID);
    renew(&t);
    assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
    deliver(&t);
    assert_int_equal(commit(&t), ER_TXN_DONE);
    teardown(&t);
}

static void test_done(void **state)
{
    struct txn_rig t;

    (void)state;
    setup(&t, "router.guard=on");
    renew(&t);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
        deliver(&t);
        assert_int_equal(i == 1 ? t.txn.ops->abort(t.txn.ctx, 10 * ER_S_NS) : commit(&t), ER_TXN_DONE);
    }
    assert_int_equal(er_kafka_sink_replaced(t.kafka_sink), 0);
    assert_int_equal(er_counter_read(&t.counters.doubts_call), 0);
    teardown(&t);
}

/* A call that was answered in the second attempt only: its first request may still be on its way. */
static void check_repeated_call(const char *guard, enum er_txn_result expected)
{
    struct txn_rig t;
    enum er_txn_result result;

    setup(&t, guard);
    renew(&t);
    assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
    deliver(&t);
    slow_down(&t, SLOW_MS);
    assert_int_equal(t.txn.ops->commit(t.txn.ctx, NULL, 0, 100 * ER_MS_NS), ER_TXN_AGAIN);
    slow_down(&t, 0);
    do {
        result = commit(&t);
    } while (result == ER_TXN_AGAIN);
    assert_int_equal(result, expected);
    assert_int_equal(er_counter_read(&t.counters.doubts_call), 1);
    teardown(&t);
}

static void test_repeated_call(void **state)
{
    (void)state;
    check_repeated_call("router.guard=on", ER_TXN_DOUBTFUL);
    check_repeated_call("router.guard=off", ER_TXN_DONE);
}

/* What was given up with the old producer, and nobody knows whether it is written, is no reason to doubt the new one. */
static void test_doubt_ends_with_the_producer(void **state)
{
    struct txn_rig t;

    (void)state;
    setup(&t, "router.guard=on");
    renew(&t);
    assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
    deliver(&t);
    slow_down(&t, SLOW_MS);
    produce(&t);
    assert_false(t.sink.ops->hurry(t.sink.ctx, ER_S_NS / 2)); /* it is on its way */
    assert_int_equal(t.txn.ops->renew(t.txn.ctx, 0), ER_TXN_AGAIN);
    slow_down(&t, 0);
    renew(&t);
    assert_int_equal(take_report(&t), ER_SINK_RETRY);
    assert_int_equal(er_kafka_sink_replaced(t.kafka_sink), 1);
    assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
    deliver(&t);
    assert_int_equal(commit(&t), ER_TXN_DONE);
    assert_int_equal(er_counter_read(&t.counters.doubts_response), 0);
    teardown(&t);
}

/* A broker that says no is not asked by one producer after the other without a pause. */
static void test_refused_producer(void **state)
{
    struct txn_rig t;
    uint64_t begin = er_clock_ms();

    (void)state;
    setup(&t, "router.guard=on");
    rd_kafka_mock_push_request_errors(t.rig.cluster, INIT_PRODUCER_ID, 2, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    renew(&t);
    assert_true(er_clock_ms() - begin >= 900);
    assert_int_equal(er_kafka_sink_replaced(t.kafka_sink), 2);
    assert_int_equal(t.txn.ops->begin(t.txn.ctx), ER_TXN_DONE);
    deliver(&t);
    assert_int_equal(commit(&t), ER_TXN_DONE);
    teardown(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_repeated_call),
        cmocka_unit_test(test_doubt_ends_with_the_producer),
        cmocka_unit_test(test_refused_producer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
