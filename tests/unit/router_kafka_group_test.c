#include "tests/unit/kafka_rig.h"

enum { EVENTS = 400, PARTITIONS = 4 };

static void publish_numbered(struct rig *rig, int from, int to)
{
    for (int i = from; i < to; i++) {
        char value[64];

        snprintf(value, sizeof value, "{\"type\":\"t\",\"n\":%d}", i);
        rig_publish(rig, "raw", i % PARTITIONS, NULL, value);
    }
    rig_flush(rig);
}

static bool has_all(void *ctx)
{
    struct rig_reader *reader = ctx;
    static bool seen[EVENTS];
    int distinct = 0;

    rig_read(reader, 0);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < reader->n; i++) {
        int number;

        assert_int_equal(sscanf(strstr(reader->messages[i]->payload, "\"n\":"), "\"n\":%d", &number), 1);
        assert_in_range(number, 0, EVENTS - 1);
        distinct += !seen[number];
        seen[number] = true;
    }
    return distinct == EVENTS;
}

/* How many of the source's partitions a router says it has. */
static size_t assigned(const struct rig *rig, size_t i)
{
    struct er_buf text = { 0 };
    const char *at;
    size_t n = 0;

    er_router_metrics(rig->routers[i].router, &text);
    er_buf_addc(&text, '\0');
    assert_false(text.failed);
    at = strstr(text.p, "\neventrouter_assigned_partitions ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\neventrouter_assigned_partitions %zu", &n), 1);
    er_buf_free(&text);
    return n;
}

static bool is_shared(void *ctx)
{
    return assigned(ctx, 0) == PARTITIONS / 2 && assigned(ctx, 1) == PARTITIONS / 2;
}

static bool is_alone(void *ctx)
{
    return assigned(ctx, 1) == PARTITIONS;
}

/* A second router joins, then the first one leaves, with events in between: nothing is lost. (Nothing is repeated either on a real Kafka;
 * the mock refuses commits while a group rebalances.) */
static void test_join_and_leave(void **state)
{
    struct rig rig;
    struct rig_reader all;

    (void)state;
    rig_init(&rig, PARTITIONS);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    publish_numbered(&rig, 0, 100);
    (void)rig_start(&rig, 1, "two", NULL);
    assert_int_equal(rig_put(&rig, 1, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    publish_numbered(&rig, 100, 200);
    rig_until(&rig, is_shared, &rig, "two members with two partitions each");
    publish_numbered(&rig, 200, 300);
    (void)rig_stop(&rig, 0);
    publish_numbered(&rig, 300, EVENTS);
    rig_until(&rig, is_alone, &rig, "one member with all partitions");
    rig_reader_init(&rig, &all, "sub.all", 0);
    rig_until(&rig, has_all, &all, "copy of each event");
    rig_reader_fini(&all);
    rig_fini(&rig);
}

static bool has_reason(void *ctx)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;
    bool found;

    er_jw_init(&w, &text);
    er_jw_array(&w);
    found = !er_router_ready(ctx, &w);
    er_jw_end(&w);
    er_buf_addc(&text, '\0');
    found = found && strstr(text.p, "no broker reachable at 127.0.0.1:") != NULL;
    er_buf_free(&text);
    return found;
}

/* Without a broker the router starts, says why it is not ready, takes rules that need no topic, and begins when the broker comes. */
static void test_no_broker_at_first(void **state)
{
    static const char *const settings[] = { "router.workers=2", NULL };
    struct rig rig;
    struct rig_reader all;
    char text[256];

    (void)state;
    rig_init(&rig, PARTITIONS);
    rd_kafka_mock_broker_set_down(rig.cluster, 1);
    rd_kafka_mock_broker_set_down(rig.cluster, 2);
    (void)rig_start(&rig, 0, "one", settings);
    rig_until(&rig, has_reason, rig.routers[0].router, "reason");
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"off\",\"subscriber\":\"all\",\"enabled\":false}", text, sizeof text),
                     ER_E_KAFKA_TIMEOUT);
    assert_non_null(strstr(text, "sub.all"));
    rd_kafka_mock_broker_set_up(rig.cluster, 1);
    rd_kafka_mock_broker_set_up(rig.cluster, 2);
    rig_until(&rig, rig_is_ready, rig.routers[0].router, "readiness");
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    publish_numbered(&rig, 0, EVENTS);
    rig_reader_init(&rig, &all, "sub.all", 0);
    rig_until(&rig, has_all, &all, "copy of each event");
    assert_int_equal(rig_stop(&rig, 0).routed, EVENTS);
    assert_int_equal(all.n, EVENTS);
    rig_reader_fini(&all);
    rig_fini(&rig);
}

/* A topic that cannot be made: the rule is refused, nothing is stored, and the next try works. */
static void test_topic_refused(void **state)
{
    struct rig rig;
    char text[256];

    (void)state;
    rig_init(&rig, 1);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    rig.refuse_topics = true;
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"a\",\"subscriber\":\"a\"}", text, sizeof text), ER_E_KAFKA);
    assert_non_null(strstr(text, "sub.a"));
    assert_int_equal(er_store_revision(rig.routers[0].store), 0);
    rig.refuse_topics = false;
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"a\",\"subscriber\":\"a\"}", NULL, 0), ER_OK);
    assert_int_equal(er_store_revision(rig.routers[0].store), 1);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_and_leave),
        cmocka_unit_test(test_no_broker_at_first),
        cmocka_unit_test(test_topic_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
