#include "tests/unit/test.h"
#include "router/window.h"

static void test_only_the_front_is_acknowledged(void **state)
{
    struct er_window *w = er_window_new(ER_STR("raw"), 3, 0);
    uint64_t seq[3];

    (void)state;
    assert_non_null(w);
    assert_null(er_window_finished(w));
    for (size_t i = 0; i < 3; i++) {
        assert_true(er_window_reserve(w));
        seq[i] = er_window_push(w, (int64_t)(10 + 5 * i), NULL);
    }
    er_window_slot(w, seq[1])->unreported = 0;
    assert_null(er_window_finished(w));
    assert_int_equal(w->next, -1);
    er_window_slot(w, seq[0])->unreported = 0;
    assert_int_equal(er_window_finished(w)->offset, 10);
    er_window_pop(w);
    assert_int_equal(w->next, 11);
    assert_int_equal(er_window_finished(w)->offset, 15);
    er_window_pop(w);
    assert_int_equal(w->next, 16); /* a gap in the offsets is no gap in the events */
    assert_null(er_window_finished(w));
    assert_int_equal(er_window_size(w), 1);
    er_window_free(w);
}

/* Grows while it wraps around; slots keep their names. */
static void test_growth(void **state)
{
    struct er_window *w = er_window_new(ER_STR("raw"), 0, 0);
    int64_t pushed = 0, popped = 0;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 3; i++) {
            assert_true(er_window_reserve(w));
            assert_int_equal(er_window_push(w, pushed, NULL), pushed);
            er_window_slot(w, (uint64_t)pushed)->unreported = 0;
            pushed++;
        }
        assert_int_equal(er_window_finished(w)->offset, popped);
        er_window_pop(w);
        popped++;
    }
    for (; popped < pushed; popped++) {
        assert_int_equal(er_window_finished(w)->offset, popped);
        er_window_pop(w);
    }
    assert_null(er_window_finished(w));
    assert_int_equal(w->next, pushed);
    er_window_free(w);
}

static void test_source_text(void **state)
{
    char topic[260], text[ER_SOURCE_TEXT_MAX];
    struct er_window *w = er_window_new(ER_STR("shop.raw"), 12, 0);
    struct er_str got;

    (void)state;
    got = er_window_source(w, INT64_MAX, text);
    assert_true(er_str_eq(got, ER_STR("shop.raw/12/9223372036854775807")));
    er_window_free(w);
    memset(topic, 'x', sizeof topic);
    w = er_window_new((struct er_str){ topic, 249 }, INT32_MAX, 0);
    got = er_window_source(w, INT64_MAX, text);
    assert_int_equal(got.n, 249 + 1 + 10 + 1 + 19);
    er_window_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_front_is_acknowledged),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_source_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
