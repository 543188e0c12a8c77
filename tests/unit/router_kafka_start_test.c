/* Where a group begins with source.start = latest. */
#include "tests/unit/kafka_rig.h"

enum { PARTITIONS = 4, OLD = 40, NEW = 80 };

static const char *const latest[] = { "source.start=latest", "router.workers=2", NULL };

/* Event i goes to partition i % PARTITIONS, with its number as key. */
static void publish(struct rig *rig, int from, int to)
{
    for (int i = from; i < to; i++) {
        char key[16];

        snprintf(key, sizeof key, "%d", i);
        rig_publish(rig, "raw", i % PARTITIONS, key, "{\"type\":\"t\"}");
    }
    rig_flush(rig);
}

/* A client that only asks and says where the group stands. */
static rd_kafka_t *group_client(struct rig *rig)
{
    const char *settings[] = { "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(rig->cluster), "group.id", "eventrouter",
                               NULL };

    return rig_client(RD_KAFKA_CONSUMER, settings);
}

static void committed(rd_kafka_t *client, int64_t *offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

    rd_kafka_topic_partition_list_add_range(list, "raw", 0, PARTITIONS - 1);
    assert_int_equal(rd_kafka_committed(client, list, 20000), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int i = 0; i < PARTITIONS; i++)
        offsets[i] = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
}

static void commit(rd_kafka_t *client, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, "raw", partition)->offset = offset;
    assert_int_equal(rd_kafka_commit(client, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

static bool has_begun(void *ctx)
{
    int64_t offsets[PARTITIONS];
    bool all = true;

    committed(ctx, offsets);
    for (int i = 0; i < PARTITIONS; i++)
        all = all && offsets[i] >= 0;
    return all;
}

/* How many of the events from..to are not among the copies; none of the others may be. */
static size_t missing(const struct rig_reader *reader, int from, int to)
{
    bool seen[NEW * 2] = { false };
    size_t n = (size_t)(to - from);

    for (size_t i = 0; i < reader->n; i++) {
        char key[16];
        int number = -1;

        (void)snprintf(key, sizeof key, "%.*s", (int)reader->messages[i]->key_len, (const char *)reader->messages[i]->key);
        assert_int_equal(sscanf(key, "%d", &number), 1);
        assert_in_range(number, from, to - 1);
        n -= !seen[number];
        seen[number] = true;
    }
    return n;
}

/* All events from..to and no others. Some may come twice where two members join while there are events: the mock refuses commits while a
 * group rebalances; tests/integration shows on a real node that nothing is repeated there. */
static void expect(struct rig *rig, int from, int to)
{
    static struct rig_reader reader;

    rig_reader_init(rig, &reader, "sub.all", 0);
    rig_read_until(rig, &reader, (size_t)(to - from));
    for (size_t left = missing(&reader, from, to); left > 0; left = missing(&reader, from, to))
        rig_read_until(rig, &reader, reader.n + left);
    rig_reader_fini(&reader);
}

/* A router of another group, before there are events, leaves the rule in the store. */
static void prepare(struct rig *rig)
{
    static const char *const other[] = { "router.group=other", NULL };

    rig_init(rig, PARTITIONS);
    (void)rig_start(rig, 0, "one", other);
    assert_int_equal(rig_put(rig, 0, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    (void)rig_stop(rig, 0);
    publish(rig, 0, OLD);
}

static void start(struct rig *rig)
{
    rig_until(rig, rig_is_ready, rig_start(rig, 0, "one", latest), "readiness");
}

/* Two members of a new group agree on the ends, and write them down before they have read anything. */
static void test_new_group(void **state)
{
    struct rig rig;
    rd_kafka_t *client;
    int64_t offsets[PARTITIONS];

    (void)state;
    prepare(&rig);
    client = group_client(&rig);
    start(&rig);
    rig_until(&rig, has_begun, client, "first commit");
    committed(client, offsets);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(offsets[i], OLD / PARTITIONS);
    /* a restart without having read anything does not skip what came meanwhile */
    assert_int_equal(rig_stop(&rig, 0).routed, 0);
    publish(&rig, OLD, NEW);
    start(&rig);
    expect(&rig, OLD, NEW);
    assert_true(rig_stop(&rig, 0).routed >= NEW - OLD);
    rd_kafka_destroy(client);
    rig_fini(&rig);
}

/* A partition that the group never committed came later: all of it is read. An offset that does not exist any more: what there is is read. */
static void test_old_group(void **state)
{
    struct rig rig;
    rd_kafka_t *client;

    (void)state;
    prepare(&rig);
    client = group_client(&rig);
    commit(client, 1, 1000000);
    commit(client, 2, 0);
    start(&rig);
    expect(&rig, 0, OLD);
    assert_true(rig_stop(&rig, 0).routed >= OLD);
    rd_kafka_destroy(client);
    rig_fini(&rig);
}

/* Nobody reads anything before it is known where the group stands. */
static void test_unknown_at_first(void **state)
{
    enum { API_LIST_OFFSETS = 2, API_OFFSET_FETCH = 9, REFUSALS = 6 };
    struct rig rig;
    rd_kafka_t *client;

    (void)state;
    prepare(&rig);
    client = group_client(&rig);
    for (int i = 0; i < REFUSALS; i++) {
        rd_kafka_mock_push_request_errors(rig.cluster, API_OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
        rd_kafka_mock_push_request_errors(rig.cluster, API_LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        rd_kafka_mock_push_request_errors(rig.cluster, API_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    }
    start(&rig);
    rd_kafka_mock_clear_request_errors(rig.cluster, API_OFFSET_FETCH);
    rig_until(&rig, has_begun, client, "first commit");
    publish(&rig, OLD, NEW);
    expect(&rig, OLD, NEW);
    assert_true(rig_stop(&rig, 0).routed >= NEW - OLD);
    rd_kafka_destroy(client);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_group),
        cmocka_unit_test(test_old_group),
        cmocka_unit_test(test_unknown_at_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
