#include "tests/unit/test.h"
#include "router/destination.h"

/* A sink that only opens and closes. */
static int opened;

static struct er_sink_topic *fake_open(void *ctx, struct er_str name)
{
    (void)ctx;
    opened++;
    return malloc(name.n + 1);
}

static void fake_close(void *ctx, struct er_sink_topic *topic)
{
    (void)ctx;
    opened--;
    free(topic);
}

static const struct er_sink_ops fake_ops = { .open = fake_open, .close = fake_close };
static const struct er_sink fake = { &fake_ops, NULL };

static struct er_subscriber subscriber(const char *id, const char *topic, uint64_t uid)
{
    return (struct er_subscriber){ .id = er_str_of(id), .topic = er_str_of(topic), .uid = uid };
}

static void test_targets_share_a_topic(void **state)
{
    struct er_destinations table;
    struct er_subscriber a = subscriber("a", "t", 1), b = subscriber("b", "t", 2), c = subscriber("c", "u", 3);
    struct er_target *ta, *tb;

    (void)state;
    er_destinations_init(&table, fake);
    ta = er_destinations_target(&table, &a);
    tb = er_destinations_target(&table, &b);
    assert_ptr_equal(er_destinations_target(&table, &a), ta);
    assert_ptr_not_equal(ta, tb);
    assert_ptr_equal(ta->lane, tb->lane);
    assert_ptr_not_equal(er_destinations_target(&table, &c)->lane, ta->lane);
    assert_true(er_str_eq(tb->id, ER_STR("b")));
    assert_ptr_equal(er_destinations_find(&table, ER_STR("t")), ta->lane);
    assert_null(er_destinations_find(&table, ER_STR("v")));
    assert_int_equal(opened, 2);
    er_destinations_fini(&table);
    assert_int_equal(opened, 0);
}

static void test_notes_are_shared(void **state)
{
    struct er_destinations table;
    struct er_note *first, *second, *third, *many[20000];
    char text[16];

    (void)state;
    er_destinations_init(&table, fake);
    first = er_destinations_note(&table, ER_STR("r1"));
    second = er_destinations_note(&table, ER_STR("r1"));
    third = er_destinations_note(&table, ER_STR("r2"));
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, third);
    assert_int_equal(first->refs, 3);
    /* More than are kept: each is right as long as somebody has it. */
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "id%u", i);
        many[i] = er_destinations_note(&table, er_str_of(text));
    }
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "id%u", i);
        assert_int_equal(many[i]->n, strlen(text));
        assert_memory_equal(many[i]->text, text, many[i]->n);
        er_note_unref(many[i]);
    }
    er_note_unref(first);
    assert_memory_equal(second->text, "r1", 2);
    er_note_unref(second);
    er_note_unref(third);
    er_destinations_fini(&table);
}

static void test_sweep_forgets_what_is_unused(void **state)
{
    struct er_destinations table;
    struct er_subscriber busy = subscriber("busy", "t.busy", 1000000), used = subscriber("used", "t.used", 1000001);
    char topic[32];

    (void)state;
    er_destinations_init(&table, fake);
    for (uint64_t uid = 0; uid < 1000; uid++) {
        struct er_subscriber s = subscriber("x", topic, uid);

        snprintf(topic, sizeof topic, "t.%u", (unsigned)uid);
        s.topic = er_str_of(topic);
        assert_non_null(er_destinations_target(&table, &s));
    }
    er_destinations_target(&table, &busy)->copies = 1;
    er_destinations_lane(&table, ER_STR("dead"))->keep = true;
    for (int i = 0; i < 3; i++) {
        assert_non_null(er_destinations_target(&table, &used));
        er_destinations_sweep(&table);
    }
    assert_int_equal(table.n_targets, 2);
    assert_int_equal(table.n_lanes, 3);
    assert_int_equal(opened, 3);
    assert_non_null(er_destinations_find(&table, ER_STR("t.busy")));
    assert_non_null(er_destinations_find(&table, ER_STR("dead")));
    assert_null(er_destinations_find(&table, ER_STR("t.17")));
    er_destinations_fini(&table);
    assert_int_equal(opened, 0);
}

static void test_breaker(void **state)
{
    struct er_worker_limits limits = er_worker_default_limits();
    struct er_lane lane = { 0 };
    int64_t now = 0, wait = limits.probe_min_ns;

    (void)state;
    assert_true(er_breaker_fail(&lane, &limits, now));
    assert_false(er_breaker_fail(&lane, &limits, now));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(lane.breaker, ER_BREAKER_OPEN);
        assert_int_equal(lane.probe_at, now + wait);
        now = lane.probe_at;
        assert_true(er_breaker_due(&lane, &limits, now));
        assert_int_equal(lane.breaker, ER_BREAKER_ENSURE);
        assert_false(er_breaker_due(&lane, &limits, now));
        if (i % 2 == 0) {
            assert_true(er_breaker_found(&lane));
            assert_int_equal(lane.breaker, ER_BREAKER_HALF_OPEN);
            assert_false(er_breaker_due(&lane, &limits, now + 1000 * ER_S_NS));
        } else {
            now = lane.probe_at; /* no answer */
            assert_true(er_breaker_due(&lane, &limits, now));
        }
        if (lane.breaker == ER_BREAKER_HALF_OPEN) {
            assert_true(er_breaker_fail(&lane, &limits, now));
        }
        wait = wait * 2 > limits.probe_max_ns ? limits.probe_max_ns : wait * 2;
    }
    assert_int_equal(wait, 20 * ER_S_NS);
    assert_true(er_breaker_due(&lane, &limits, lane.probe_at));
    assert_true(er_breaker_found(&lane));
    assert_true(er_breaker_close(&lane));
    assert_false(er_breaker_close(&lane));
    assert_true(er_breaker_fail(&lane, &limits, now));
    assert_int_equal(lane.probe_at, now + limits.probe_min_ns); /* starts from the beginning after a success */
}

static void test_quota(void **state)
{
    struct er_worker_limits limits = er_worker_default_limits();
    struct er_lane lane = { 0 };

    (void)state;
    limits.topic_messages = 2;
    limits.topic_bytes = 100;
    assert_true(er_lane_may_send(&lane, &limits, 1000, 0)); /* larger than the quota: alone */
    lane.sent = 1;
    lane.sent_bytes = 60;
    assert_true(er_lane_may_send(&lane, &limits, 40, 0));
    assert_false(er_lane_may_send(&lane, &limits, 41, 0));
    lane.sent = 2;
    assert_false(er_lane_may_send(&lane, &limits, 1, 0));
    lane.sent = 1;
    lane.settling = true;
    assert_false(er_lane_may_send(&lane, &limits, 1, 0));
    lane.sent = 0;
    lane.retry_at = 5;
    assert_false(er_lane_may_send(&lane, &limits, 1, 4));
    assert_true(er_lane_may_send(&lane, &limits, 1, 5));
}

/* A list that copies come back to, in any order, with and without a hint. */
static void test_copies_come_back_in_order(void **state)
{
    static const uint64_t orders[] = { 4, 5, 6, 1, 9, 7, 2, 0, 8, 3 };
    struct er_copy copies[10];
    struct er_copies list = { 0 };
    struct er_copy *hint = NULL;
    uint64_t expected = 0;

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        copies[i] = (struct er_copy){ .order = orders[i] };
        er_copies_insert(&list, &copies[i], hint);
        hint = i % 3 == 0 ? NULL : &copies[i];
    }
    for (const struct er_copy *c = list.first; c != NULL; c = c->next) {
        assert_int_equal(c->order, expected);
        assert_true(c->next == NULL ? list.last == c : c->next->prev == c);
        expected++;
    }
    assert_int_equal(expected, 10);
    assert_int_equal(list.n, 10);
    er_copies_remove(&list, &copies[7]);
    er_copies_remove(&list, &copies[4]);
    er_copies_remove(&list, &copies[0]);
    assert_int_equal(list.first->order, 1);
    assert_int_equal(list.last->order, 8);
    assert_int_equal(list.n, 7);
}

static void test_pool(void **state)
{
    struct er_copy_pool pool = { 0 };
    struct er_copy *copies[1000];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 1000; i++) {
            copies[i] = er_copy_take(&pool);
            assert_non_null(copies[i]);
            assert_int_equal(copies[i]->attempts, 0);
            assert_int_equal(er_copy_subscription(copies[i]).n, 0);
            copies[i]->subscriptions = er_note_new(ER_STR("first,second"));
            copies[i]->attempts = 3;
            copies[i]->code = ER_E_KAFKA;
            assert_true(er_str_eq(er_copy_message(copies[i]), ER_STR("Kafka error")));
            er_copy_explain(copies[i], "%s", "because");
            assert_true(er_str_eq(er_copy_message(copies[i]), ER_STR("because")));
            assert_true(er_str_eq(er_copy_subscription(copies[i]), ER_STR("first")));
        }
        assert_int_equal(pool.taken, 1000);
        for (size_t i = 0; i < 1000; i++) {
            er_copy_give(&pool, copies[i]);
        }
    }
    assert_int_equal(pool.taken, 0);
    er_copy_pool_free(&pool);
}

static void test_histogram(void **state)
{
    struct er_histogram h = { 0 };

    (void)state;
    for (unsigned i = 0; i + 1 < ER_HISTOGRAM_BUCKETS; i++) {
        uint64_t bound = er_histogram_bound(i);

        er_histogram_add(&h, (int64_t)bound);
        assert_int_equal(er_counter_read(&h.buckets[i]), i == 0 ? 1 : 2);
        er_histogram_add(&h, (int64_t)bound + 1);
        assert_int_equal(er_counter_read(&h.buckets[i + 1]), 1);
    }
    er_histogram_add(&h, INT64_MAX);
    er_histogram_add(&h, -1);
    assert_int_equal(er_counter_read(&h.buckets[ER_HISTOGRAM_BUCKETS - 1]), 2);
    assert_int_equal(er_counter_read(&h.buckets[0]), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_share_a_topic),
        cmocka_unit_test(test_notes_are_shared),
        cmocka_unit_test(test_sweep_forgets_what_is_unused),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_copies_come_back_in_order),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_histogram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
