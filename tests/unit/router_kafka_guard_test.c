/* What makes the guard distrust a transaction. */
#include "tests/unit/test.h"

#include "router/kafka_guard.h"

enum { PRODUCE = 0, FETCH = 1, METADATA = 3, INIT_PRODUCER_ID = 22, END_TXN = 26 };

static void test_end_txn(void **state)
{
    struct er_kafka_guard guard = { 0 };

    (void)state;
    er_kafka_guard_begin(&guard);
    assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_CLEAN);
    er_kafka_guard_sent(&guard, END_TXN);
    er_kafka_guard_received(&guard, END_TXN, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_CLEAN);
    er_kafka_guard_sent(&guard, END_TXN);
    assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_END_TXN);
    er_kafka_guard_begin(&guard);
    assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_CLEAN);
}

static void test_responses(void **state)
{
    static const int16_t watched[] = { 0, 24, 25, 26, 28 };
    static const int16_t others[] = { FETCH, METADATA, INIT_PRODUCER_ID, 8, 9, 10, -1 };
    struct er_kafka_guard guard = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        er_kafka_guard_begin(&guard);
        er_kafka_guard_received(&guard, watched[i], RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_CLEAN);
        er_kafka_guard_received(&guard, watched[i], RD_KAFKA_RESP_ERR__TRANSPORT);
        assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_RESPONSE);
    }
    er_kafka_guard_begin(&guard);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        er_kafka_guard_received(&guard, others[i], RD_KAFKA_RESP_ERR__TRANSPORT);
    assert_int_equal(er_kafka_guard_verdict(&guard), ER_GUARD_CLEAN);
}

/* librdkafka calls the hooks: a request that nobody answers ends as an error. */
static void test_attached(void **state)
{
    struct er_kafka_guard guard = { 0 };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256], value[] = "x";
    rd_kafka_t *rk;

    (void)state;
    er_kafka_guard_begin(&guard);
    er_kafka_guard_attach(&guard, conf);
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", text, sizeof text), RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "transactional.id", "t", text, sizeof text), RD_KAFKA_CONF_OK);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(rk);
    assert_null(rd_kafka_init_transactions(rk, 10000));
    for (int i = 0; i < 2; i++) {
        assert_null(rd_kafka_begin_transaction(rk));
        assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_null(rd_kafka_commit_transaction(rk, 10000));
        assert_int_equal(er_kafka_guard_verdict(&guard), i == 0 ? ER_GUARD_CLEAN : ER_GUARD_END_TXN); /* no begin between the two */
    }
    rd_kafka_destroy(rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_txn),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_attached),
    };

    return cmocka_run_group_tests_name("kafka_guard", tests, NULL, NULL);
}
