#include "tests/unit/test.h"
#include "router/partition.h"

/* From org.apache.kafka.common.utils.UtilsTest.testMurmur2. */
static void test_murmur2_is_javas(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } rows[] = {
        { "21", -973932308 },
        { "foobar", -790332482 },
        { "a-little-bit-long-string", -985981536 },
        { "a-little-bit-longer-string", -1486304829 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
        { "abc", 479470107 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal((int32_t)er_murmur2(er_str_of(rows[i].key)), rows[i].hash);
    }
}

static void test_choice(void **state)
{
    (void)state;
    assert_int_equal(er_partition_choose(ER_STR("abc"), true, 7, 16), 479470107 % 16);
    assert_int_equal(er_partition_choose(ER_STR("21"), true, 7, 100), (-973932308 & 0x7fffffff) % 100);
    assert_int_equal(er_partition_choose(ER_STR(""), false, 7, 4), 3);
    assert_int_equal(er_partition_choose(ER_STR(""), false, 2, 4), 2);
    assert_int_equal(er_partition_choose(ER_STR(""), false, -1, 4), 0);
    assert_int_equal(er_partition_choose(ER_STR("abc"), true, 7, 1), 0);
}

/* An empty key is a key: it goes where murmur2 says, wherever the event came from. */
static void test_empty_key_is_a_key(void **state)
{
    int32_t expected = (int32_t)(er_murmur2(ER_STR("")) & 0x7fffffff) % 5;

    (void)state;
    for (int32_t from = 0; from < 5; from++) {
        assert_int_equal(er_partition_choose((struct er_str){ NULL, 0 }, true, from, 5), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_murmur2_is_javas),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_empty_key_is_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
