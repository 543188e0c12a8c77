/* The size of a record alone in a batch. */
#include "tests/unit/test.h"

#include "router/batch_size.h"

static struct er_record record(const char *key, const char *value)
{
    return (struct er_record){ .key = er_str_of(key == NULL ? "" : key),
                               .has_key = key != NULL,
                               .value = er_str_of(value == NULL ? "" : value),
                               .has_value = value != NULL,
                               .timestamp_ms = 1 };
}

static void test_small(void **state)
{
    struct er_record r = record(NULL, NULL);

    (void)state;
    /* 61 of the batch; its own length 1; attributes, two differences, no key, no value, no header: 6 */
    assert_int_equal(er_batch_size_alone(&r), 61 + 1 + 6);
    r = record("", "");
    assert_int_equal(er_batch_size_alone(&r), 61 + 1 + 6);
    r = record("key", "value");
    assert_int_equal(er_batch_size_alone(&r), 61 + 1 + 6 + 8);
}

static void test_headers(void **state)
{
    struct er_header headers[] = { { ER_STR("name"), ER_STR("value"), false }, { ER_STR("n"), ER_STR(""), true } };
    struct er_record r = record("k", "v");

    (void)state;
    r.headers = headers;
    r.n_headers = 2;
    assert_int_equal(er_batch_size_alone(&r), 61 + 1 + 6 + 2 + (1 + 4 + 1 + 5) + (1 + 1 + 1));
}

/* Lengths are zigzag varints: one byte up to 63, two up to 8191, three up to 1048575. */
static void test_lengths(void **state)
{
    static char bytes[1200000];
    static const struct {
        size_t value, size;
    } cases[] = { { 57, 61 + 1 + 6 + 57 },     { 58, 61 + 2 + 6 + 58 },          { 63, 61 + 2 + 6 + 63 },
                  { 64, 61 + 2 + 7 + 64 },     { 8184, 61 + 2 + 7 + 8184 },      { 8185, 61 + 3 + 7 + 8185 },
                  { 8192, 61 + 3 + 8 + 8192 }, { 1048576, 61 + 4 + 9 + 1048576 } };
    struct er_record r = record(NULL, "");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.value = (struct er_str){ bytes, cases[i].value };
        assert_int_equal(er_batch_size_alone(&r), cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
