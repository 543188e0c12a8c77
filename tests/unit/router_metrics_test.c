/* schemas/metrics.json documents exactly the metrics of router/metrics.def and router/counters.def, each once, in that order. */
#include "tests/unit/test.h"

#include "router/metrics.h"
#include "rules/base/json.h"

static const unsigned char document[] = {
#include "schemas/metrics.json.inc"
};

static struct er_str member(const struct er_json *row, const char *key)
{
    const struct er_json *value = er_json_member(row, er_str_of(key));

    assert_non_null(value);
    return value->text;
}

static void assert_same(const char *name, struct er_str documented, const char *coded)
{
    if (!er_str_eq(documented, er_str_of(coded)))
        fail_msg("%s: schemas/metrics.json says \"%.*s\", the code says \"%s\"", name, ER_STR_ARG(documented), coded);
}

/* labels in the code: names with commas, or one pair name="value" */
static void assert_labels(const char *name, const struct er_json *list, const char *labels)
{
    const struct er_json *item = list->first;

    while (*labels != '\0') {
        size_t n = strcspn(labels, ",=");

        if (item == NULL || !er_str_eq(item->text, (struct er_str){ labels, n }))
            fail_msg("%s: label %.*s is not in schemas/metrics.json", name, (int)n, labels);
        item = item->next;
        labels += n + strcspn(labels + n, ",");
        labels += *labels == ',';
    }
    assert_null(item);
}

static void test_rows_agree(void **state)
{
    struct er_arena *arena = er_arena_new(0);
    const struct er_metric *table;
    const struct er_json *row;
    struct er_json *rows;
    struct er_err err;
    size_t n, last = 0;

    (void)state;
    table = er_metrics_table(&n);
    assert_int_equal(er_json_parse(arena, (struct er_str){ (const char *)document, sizeof document }, 8, &rows, &err), ER_OK);
    row = rows->first;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(table[i].name, table[last].name) == 0) {
            assert_string_equal(table[i].help, table[last].help);
            assert_string_equal(table[i].type, table[last].type);
            continue;
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(table[i].name, table[j].name); /* rows of one metric stand together */
        if (row == NULL)
            fail_msg("%s is missing in schemas/metrics.json", table[i].name);
        assert_same(table[i].name, member(row, "name"), table[i].name);
        assert_same(table[i].name, member(row, "type"), table[i].type);
        assert_same(table[i].name, member(row, "help"), table[i].help);
        assert_labels(table[i].name, er_json_member(row, ER_STR("labels")), table[i].labels);
        last = i;
        row = row->next;
    }
    assert_null(row);
    er_arena_free(arena);
}

static void assert_has(const struct er_buf *text, const char *line)
{
    if (strstr(text->p, line) == NULL)
        fail_msg("\"%s\" is not in:\n%s", line, text->p);
}

static void test_counters_are_sums(void **state)
{
    struct er_counters *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    const struct er_counters *both[] = { a, b };
    struct er_buf text = { 0 };

    (void)state;
    er_count(&a->received, 3);
    er_count(&b->received, 4);
    er_count(&b->delivery_dead_lettered, 5);
    er_histogram_add(&a->latency, 1000000);
    er_histogram_add(&b->latency, INT64_C(3000000000));
    er_metrics_counters(&text, both, 2);
    er_buf_addc(&text, '\0');
    assert_false(text.failed);
    assert_has(&text, "# TYPE eventrouter_events_received_total counter\neventrouter_events_received_total 7\n");
    assert_has(&text, "eventrouter_deliveries_total{result=\"dead_lettered\"} 5\n");
    assert_has(&text, "eventrouter_event_latency_seconds_bucket{le=\"0.000786432\"} 0\n");
    assert_has(&text, "eventrouter_event_latency_seconds_bucket{le=\"0.001048576\"} 1\n");
    assert_has(&text, "eventrouter_event_latency_seconds_bucket{le=\"+Inf\"} 2\n");
    assert_has(&text, "eventrouter_event_latency_seconds_sum 3.001000000\n");
    assert_has(&text, "eventrouter_event_latency_seconds_count 2\n");
    er_buf_free(&text);
    free(a);
    free(b);
}

static void test_labels_are_escaped(void **state)
{
    struct er_buf labels = { 0 };

    (void)state;
    er_metrics_label(&labels, "topic", ER_STR("a\"b\\c\nd"));
    er_metrics_label(&labels, "partition", ER_STR("3"));
    er_buf_addc(&labels, '\0');
    assert_string_equal(labels.p, "topic=\"a\\\"b\\\\c\\nd\",partition=\"3\"");
    er_buf_free(&labels);
}

static void test_process(void **state)
{
    struct er_buf text = { 0 };
    unsigned long long bytes = 0;
    const char *at;

    (void)state;
    er_metrics_process(&text, 1500);
    er_buf_addc(&text, '\0');
    assert_has(&text, "process_start_time_seconds 1.500000000\n");
    at = strstr(text.p, "\nprocess_resident_memory_bytes ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\nprocess_resident_memory_bytes %llu", &bytes), 1);
    assert_true(bytes > 100000);
    er_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_agree),
        cmocka_unit_test(test_counters_are_sums),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
