#include "tests/unit/test.h"

#include "router/demo_events.h"
#include "router/demo_table.h"
#include "rules/base/json.h"

#define EVENTS 5000

static bool is_json(const char *text)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_json *tree = NULL;
    struct er_err err;
    enum er_code code = er_json_parse(arena, er_str_of(text), 16, &tree, &err);

    er_arena_free(arena);
    return code == ER_OK;
}

static void test_same_seed_same_events(void **state)
{
    struct er_demo_events a, b;
    struct er_demo_event x, y;
    int differences = 0;

    (void)state;
    er_demo_events_init(&a, 7);
    er_demo_events_init(&b, 7);
    for (int i = 0; i < 100; i++) {
        er_demo_events_next(&a, 1000, &x);
        er_demo_events_next(&b, 1000, &y);
        assert_string_equal(x.key, y.key);
        assert_string_equal(x.value, y.value);
    }
    er_demo_events_init(&a, 8);
    er_demo_events_init(&b, 9);
    for (int i = 0; i < 100; i++) {
        er_demo_events_next(&a, 1000, &x);
        er_demo_events_next(&b, 1000, &y);
        differences += strcmp(x.value, y.value) != 0;
    }
    assert_true(differences > 50);
}

/* Each kind of event comes, nearly all are JSON, a few are not. */
static void test_mix(void **state)
{
    static const char *const types[] = { "favorite.added", "favorite.removed", "order.created",
                                         "order.shipped",  "order.cancelled",  "payment.captured",
                                         "payment.failed", "payment.refunded", "page.viewed" };
    int seen[sizeof types / sizeof *types] = { 0 };
    struct er_demo_events events;
    struct er_demo_event event;
    int broken = 0;

    (void)state;
    er_demo_events_init(&events, 1);
    for (int i = 0; i < EVENTS; i++) {
        char start[64];

        er_demo_events_next(&events, 1700000000123, &event);
        assert_memory_equal(event.key, "user-1", 6);
        broken += is_json(event.value) ? 0 : 1;
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            (void)snprintf(start, sizeof start, "{\"type\":\"%s\",\"id\":\"e-%08d\",", types[t], i + 1);
            seen[t] += strncmp(event.value, start, strlen(start)) == 0;
        }
        assert_true(strlen(event.value) < 700);
    }
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        assert_true(seen[t] > 50);
    assert_in_range(broken, 5, 60);
    assert_non_null(strstr(event.value, "\"time\":\"2023-11-14T22:13:20.123Z\""));
}

static const struct er_demo_row rows[] = { { "analytics", "sub.analytics", 120, 40.0 }, { "sms", "sub.sms", 3, 1.26 } };

static struct er_demo_view view_of(size_t n)
{
    return (struct er_demo_view){ rows, n, { 150, 120, 28, 2 }, 160, 50.0, 3.2 };
}

static char *text_of(struct er_buf *buf)
{
    char *text = er_buf_take(buf);

    assert_non_null(text);
    return text;
}

static void test_line(void **state)
{
    struct er_demo_view view = view_of(2);
    struct er_buf out = { 0 };
    char *text;

    (void)state;
    er_demo_line(&view, &out);
    text = text_of(&out);
    assert_string_equal(text,
                        "3 s: 150 received, 120 routed, 28 unmatched, 2 dead-lettered; 50.0 per second; analytics=120 sms=3\n");
    free(text);
}

static void test_table_is_redrawn_in_place(void **state)
{
    struct er_demo_view view = view_of(2);
    struct er_buf out = { 0 };
    size_t lines = er_demo_draw(&view, 0, &out);
    char *text = text_of(&out);

    (void)state;
    assert_int_equal(lines, 6);
    assert_memory_equal(text, "subscriber ", 11);
    assert_non_null(strstr(text, "analytics              sub.analytics                       120     40.0\x1b[K\n"));
    free(text);
    view = view_of(1);
    assert_int_equal(er_demo_draw(&view, lines, &out), 5);
    text = text_of(&out);
    assert_memory_equal(text, "\x1b[6A\r", 5);
    assert_string_equal(text + strlen(text) - 3, "\x1b[J");
    free(text);
}

static void test_balance_line(void **state)
{
    struct er_balance balance = { 10, 7, 2, 1 };
    struct er_buf out = { 0 };
    char *text;

    (void)state;
    er_demo_balance_line(&balance, &out);
    text = text_of(&out);
    assert_string_equal(text, "received 10 = routed 7 + unmatched 2 + dead-lettered 1");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_events),     cmocka_unit_test(test_mix),          cmocka_unit_test(test_line),
        cmocka_unit_test(test_table_is_redrawn_in_place), cmocka_unit_test(test_balance_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
