/* Dead letters on a mock cluster: pages, filters, one letter, sending again. */
#include "router/kafka_dead_letters.h"

#include <sys/eventfd.h>
#include "tests/unit/kafka_rig.h"

#define DEAD "eventrouter.dead-letter"

struct fixture {
    struct rig rig;
    struct er_config *config;
    int wakeup_fd;
    struct er_kafka_dead_letters *letters;
    struct er_arena *arena;
    bool answered;
};

static void load(struct fixture *f, const char *setting)
{
    static char *const no_environment[] = { NULL };
    char servers[160];
    const char *settings[] = { servers, setting };
    struct er_config_input input = { .file = "/dev/null", .overrides = settings, .n_overrides = 2, .environment = no_environment };
    struct er_buf errors = { 0 };

    snprintf(servers, sizeof servers, "kafka.bootstrap.servers=%s", rd_kafka_mock_cluster_bootstraps(f->rig.cluster));
    if (er_config_load(&input, &f->config, &errors) != ER_OK)
        fail_msg("%.*s", (int)errors.n, errors.p);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_kafka_dead_letters_options options;
    struct er_err err;

    assert_non_null(f);
    rig_init(&f->rig, 1);
    load(f, "router.delivery=at-least-once");
    f->wakeup_fd = eventfd(0, EFD_NONBLOCK);
    f->arena = er_arena_new(0);
    options = (struct er_kafka_dead_letters_options){ .config = f->config, .wakeup_fd = f->wakeup_fd, .patience_ms = 1500 };
    assert_int_equal(er_kafka_dead_letters_new(&options, &f->letters, &err), ER_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    er_kafka_dead_letters_free(f->letters);
    er_arena_free(f->arena);
    close(f->wakeup_fd);
    er_config_free(f->config);
    rig_fini(&f->rig);
    free(f);
    return 0;
}

static void make_topic(struct fixture *f, const char *topic, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(f->rig.cluster, topic, partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

struct written {
    int32_t partition;
    const char *code, *stage, *subscriber, *failed_at;
    int number; /* value, attempts, offset of the source */
};

static void add_header(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    if (value != NULL)
        assert_int_equal(rd_kafka_header_add(headers, name, -1, value, -1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void write_letter(struct fixture *f, const struct written *letter)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    char source[40], attempts[12], value[40];
    rd_kafka_resp_err_t error;

    snprintf(source, sizeof source, "raw/3/%d", letter->number);
    snprintf(attempts, sizeof attempts, "%d", letter->number);
    snprintf(value, sizeof value, "{\"n\":%d}", letter->number);
    add_header(headers, "mine", "m");
    add_header(headers, "eventrouter-error-code", letter->code);
    add_header(headers, "eventrouter-error-stage", letter->stage);
    add_header(headers, "eventrouter-error-message", "because");
    add_header(headers, "eventrouter-source", source);
    add_header(headers, "eventrouter-attempts", attempts);
    add_header(headers, "eventrouter-first-failed-at", letter->failed_at);
    add_header(headers, "eventrouter-subscriber", letter->subscriber);
    error =
        rd_kafka_producev(f->rig.client, RD_KAFKA_V_TOPIC(DEAD), RD_KAFKA_V_PARTITION(letter->partition), RD_KAFKA_V_KEY("k", 1),
                          RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_HEADERS(headers),
                          RD_KAFKA_V_TIMESTAMP(1000 + letter->number), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    assert_int_equal(error, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void on_done(void *arg, struct er_letters_request *request)
{
    struct fixture *f = arg;

    (void)request;
    f->answered = true;
}

static bool is_answered(void *ctx)
{
    struct fixture *f = ctx;

    er_kafka_dead_letters_dispatch(f->letters);
    return f->answered;
}

static enum er_code ask(struct fixture *f, struct er_letters_request *request)
{
    f->answered = false;
    request->arena = f->arena;
    request->done = on_done;
    request->arg = f;
    er_kafka_dead_letters_submit(f->letters, request);
    rig_until(&f->rig, is_answered, f, "answer");
    return request->code;
}

static struct er_letters_request list_request(size_t limit)
{
    return (struct er_letters_request){ .op = ER_LETTERS_LIST,
                                        .limit = limit,
                                        .filter = { .since_ms = ER_LETTER_NO_TIME, .until_ms = ER_LETTER_NO_TIME } };
}

/* The numbers of a page's letters, with commas. */
static const char *numbers(const struct er_letters_request *request, char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < request->n_letters; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%d", i > 0 ? "," : "", (int)request->letters[i].attempts);
    return text;
}

static void next_page(struct er_letters_request *request)
{
    struct er_letters_request last = *request;

    *request = list_request(last.limit);
    request->filter = last.filter;
    request->before = last.next;
    request->n_before = last.n_next;
}

/* Two partitions are one list, the newest first, in pages of any size. */
static void test_pages(void **state)
{
    static const struct written rows[] = {
        { 0, "E101", "parse", NULL, "2026-01-01T00:00:01Z", 1 },  { 0, "E304", "match", "a", "2026-01-01T00:00:03Z", 3 },
        { 0, "E604", "produce", "b", "2026-01-01T00:00:04Z", 4 }, { 1, "E604", "produce", "a", "2026-01-01T00:00:02Z", 2 },
        { 1, "E604", "produce", "a", "2026-01-01T00:00:05Z", 5 },
    };
    static const char *const first[] = { "5", "5,4", "5,4,3", "5,4,3,2", "5,4,3,2,1", "5,4,3,2,1" };
    struct fixture *f = *state;
    struct er_letters_request request;
    char text[100], all[100];

    make_topic(f, DEAD, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        write_letter(f, &rows[i]);
    rig_flush(&f->rig);
    for (size_t limit = 1; limit <= 6; limit++) {
        request = list_request(limit);
        assert_int_equal(ask(f, &request), ER_OK);
        assert_string_equal(numbers(&request, text, sizeof text), first[limit - 1]);
        snprintf(all, sizeof all, "%s", text);
        for (int pages = 0; request.n_next > 0 && pages < 10; pages++) {
            next_page(&request);
            assert_int_equal(ask(f, &request), ER_OK);
            if (request.n_letters > 0)
                snprintf(all + strlen(all), sizeof all - strlen(all), ",%s", numbers(&request, text, sizeof text));
        }
        assert_int_equal(request.n_next, 0);
        assert_string_equal(all, "5,4,3,2,1");
    }
    assert_int_equal(request.n_oldest, 2);
    assert_int_equal(request.oldest[1].offset, 0);
    assert_true(er_str_eq(request.letters[1].event.value, ER_STR("{\"n\":4}")));
    assert_true(er_str_eq(request.letters[1].event.key, ER_STR("k")));
    assert_int_equal(request.letters[1].event.n_headers, 1);
    assert_int_equal(request.letters[1].event.timestamp_ms, 1004);

    request = list_request(6);
    request.filter.subscriber = ER_STR("a");
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "5,3,2");
    request.filter.code = ER_STR("E604");
    request.brief = true;
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "5,2");
    assert_int_equal(request.letters[0].event.value.n, 0);
    assert_int_equal(request.letters[0].value_bytes, 7);
    request = list_request(6);
    request.filter.stage = ER_STR("parse");
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "1");
    request = list_request(6);
    request.filter.since_ms = INT64_C(1767225602000); /* second 2, included */
    request.filter.until_ms = INT64_C(1767225604000);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "3,2");
}

/* Longer than the first stretches, with few that are wanted. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    struct er_letters_request request = list_request(3);
    char text[100];

    make_topic(f, DEAD, 1);
    for (int i = 0; i < 2000; i++)
        write_letter(f, &(struct written){ 0, "E604", "produce", i % 500 == 7 ? "rare" : "a", "2026-01-01T00:00:01Z", i });
    rig_flush(&f->rig);
    request.filter.subscriber = ER_STR("rare");
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "1507,1007,507");
    next_page(&request);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_string_equal(numbers(&request, text, sizeof text), "7");
    assert_int_equal(request.n_next, 0);
}

/* Reads letters by place; numbers of those that are there, codes of the others. */
static const char *read_letters(struct fixture *f, const struct er_letter_place *places, size_t n, char *text, size_t size)
{
    struct er_letters_request request = { .op = ER_LETTERS_READ, .n_items = n };
    size_t at = 0;

    request.items = er_arena_calloc(f->arena, n, sizeof *request.items);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        request.items[i].place = places[i];
    if (ask(f, &request) != ER_OK)
        fail_msg("%s", request.err.text);
    for (size_t i = 0; i < n && at < size; i++) {
        const struct er_letter_item *item = &request.items[i];

        if (item->code == ER_OK)
            at += (size_t)snprintf(text + at, size - at, "%d ", (int)item->letter->attempts);
        else
            at += (size_t)snprintf(text + at, size - at, "%s ", er_code_name(item->code));
    }
    return text;
}

/* In any order, near and far, twice, and such that are not there. */
static void test_some(void **state)
{
    static const struct er_letter_place places[] = { { 1, 2 }, { 0, 1 },    { 0, 1199 },    { 0, 0 }, { 1, 0 }, { 1, 99 },
                                                     { 7, 0 }, { 0, 1200 }, { 0, 3000000 }, { 0, 1 }, { 0, 5 }, { 0, 600 } };
    struct fixture *f = *state;
    char text[200];

    make_topic(f, DEAD, 2);
    for (int i = 0; i < 1200; i++)
        write_letter(f, &(struct written){ 0, "E604", "produce", "a", "2026-01-01T00:00:01Z", i });
    for (int i = 0; i < 3; i++)
        write_letter(f, &(struct written){ 1, "E604", "produce", "a", "2026-01-01T00:00:01Z", 2000 + i });
    rig_flush(&f->rig);
    assert_string_equal(read_letters(f, places, sizeof places / sizeof *places, text, sizeof text),
                        "2002 1 1199 0 2000 E404 E404 E404 E404 1 5 600 ");
    for (int i = 3; i >= 0; i--) { /* forwards and backwards on the same client */
        char expected[12];

        snprintf(expected, sizeof expected, "%d ", i);
        assert_string_equal(read_letters(f, &(struct er_letter_place){ 0, i }, 1, text, sizeof text), expected);
    }
    assert_string_equal(read_letters(f, &(struct er_letter_place){ 9, 9 }, 1, text, sizeof text), "E404 ");
}

/* A list has the beginning of a value, one letter has all of it. */
static void test_large(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item items[5] = { 0 };
    struct er_letters_request request = { .op = ER_LETTERS_READ, .items = items, .n_items = 5 };
    static char value[700000];
    const size_t bytes = sizeof value;

    make_topic(f, DEAD, 1);
    memset(value, 'x', bytes);
    for (size_t i = 0; i < 5; i++) {
        items[i].place = (struct er_letter_place){ 0, (int64_t)i };
        assert_int_equal(rd_kafka_producev(f->rig.client, RD_KAFKA_V_TOPIC(DEAD), RD_KAFKA_V_PARTITION(0),
                                           RD_KAFKA_V_VALUE(value, bytes), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_END),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    rig_flush(&f->rig);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_int_equal(items[4].letter->event.value.n, bytes);
    assert_memory_equal(items[4].letter->event.value.p, value, bytes);
    request = list_request(30);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_int_equal(request.n_letters, 5);
    assert_int_equal(request.letters[0].event.value.n, 4096);
    assert_int_equal(request.letters[0].value_bytes, bytes);
}

static struct er_letter_item letter_for(struct fixture *f, const char *topic, int number)
{
    struct er_letter *letter = er_arena_calloc(f->arena, 1, sizeof *letter);

    *letter = (struct er_letter){ .source = ER_STR("raw/3/1"),
                                  .attempts = number,
                                  .event = { .has_value = true, .value = ER_STR("{}"), .timestamp_ms = 77 } };
    return (struct er_letter_item){ .letter = letter, .topic = er_str_of(topic) };
}

static struct er_letter_item send_one(struct fixture *f, const char *topic, int number)
{
    struct er_letter_item item = letter_for(f, topic, number);
    struct er_letters_request request = { .op = ER_LETTERS_SEND, .items = &item, .n_items = 1 };

    if (ask(f, &request) != ER_OK)
        fail_msg("%s", request.err.text);
    return item;
}

/* Keyless copies keep to the source's partition modulo the count; the same topic and another one. */
static void test_send(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item item;
    struct er_letters_stats stats;
    struct rig_reader reader;

    make_topic(f, "sub.a", 2);
    make_topic(f, "sub.b", 1);
    for (int i = 0; i < 2; i++) {
        item = send_one(f, "sub.a", i);
        assert_int_equal(item.code, ER_OK);
        assert_int_equal(item.sent.partition, 1);
        assert_int_equal(item.sent.offset, i);
    }
    item = send_one(f, "sub.b", 5);
    assert_int_equal(item.code, ER_OK);
    assert_int_equal(item.sent.partition, 0);
    rig_reader_init(&f->rig, &reader, "sub.a", 1);
    rig_read_until(&f->rig, &reader, 2);
    assert_string_equal(rig_header(reader.messages[1], "eventrouter-attempts"), "2");
    assert_string_equal(rig_header(reader.messages[1], "eventrouter-source"), "raw/3/1");
    assert_int_equal(rd_kafka_message_timestamp(reader.messages[1], NULL), 77);
    rig_reader_fini(&reader);
    er_kafka_dead_letters_stats(f->letters, &stats);
    assert_int_equal(stats.sent, 3);
    assert_int_equal(stats.failed + stats.unknown, 0);
}

#define MANY 100
#define MANY_TOPICS 20

/* Many at once, to more topics than are kept open, are written in their order. */
static void test_send_many(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item items[MANY];
    struct er_letters_request request = { .op = ER_LETTERS_SEND, .items = items, .n_items = MANY };
    struct er_letters_stats stats;
    struct rig_reader reader;
    char topics[MANY_TOPICS][24];

    make_topic(f, "sub.a", 1);
    for (int i = 0; i < MANY; i++)
        items[i] = letter_for(f, "sub.a", i);
    assert_int_equal(ask(f, &request), ER_OK);
    rig_reader_init(&f->rig, &reader, "sub.a", 0);
    rig_read_until(&f->rig, &reader, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(items[i].code, ER_OK);
        assert_int_equal(items[i].sent.offset, i);
        assert_int_equal(atoi(rig_header(reader.messages[i], "eventrouter-attempts")), i + 1);
    }
    rig_reader_fini(&reader);
    for (int i = 0; i < MANY_TOPICS; i++) {
        snprintf(topics[i], sizeof topics[i], "many.%d", i);
        make_topic(f, topics[i], 1);
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < MANY; i++)
            items[i] = letter_for(f, topics[i % MANY_TOPICS], i);
        assert_int_equal(ask(f, &request), ER_OK);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(items[i].code, ER_OK);
            assert_int_equal(items[i].sent.offset, turn * (MANY / MANY_TOPICS) + i / MANY_TOPICS);
        }
    }
    er_kafka_dead_letters_stats(f->letters, &stats);
    assert_int_equal(stats.sent, 3 * MANY);
}

/* What the broker refuses is an answer, and the next one has a producer again. */
static void test_send_refused(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item item;
    struct er_letters_stats stats;

    make_topic(f, "sub.a", 1);
    rd_kafka_mock_push_request_errors(f->rig.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    item = send_one(f, "sub.a", 1);
    assert_int_equal(item.code, ER_E_DESTINATION_REFUSED);
    assert_false(item.unknown);
    item = send_one(f, "sub.a", 1);
    assert_int_equal(item.code, ER_OK);
    er_kafka_dead_letters_stats(f->letters, &stats);
    assert_int_equal(stats.sent, 1);
    assert_int_equal(stats.failed, 1);
}

/* A batch that is refused for one record's size: the others are sent alone. */
static void test_send_refused_batch(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item items[4];
    struct er_letters_request request = { .op = ER_LETTERS_SEND, .items = items, .n_items = 4 };

    make_topic(f, "sub.a", 1);
    for (int i = 0; i < 4; i++)
        items[i] = letter_for(f, "sub.a", i);
    /* the batch, then the third alone */
    rd_kafka_mock_push_request_errors(f->rig.cluster, API_PRODUCE, 4, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_int_equal(items[0].code, ER_OK);
    assert_int_equal(items[1].code, ER_OK);
    assert_int_equal(items[2].code, ER_E_RECORD_TOO_LARGE);
    assert_int_equal(items[3].code, ER_OK);
    assert_int_equal(items[3].sent.offset, 2);
}

/* Nobody answers: bounded, and what is known about the record is said. */
static void test_no_broker(void **state)
{
    struct fixture *f = *state;
    struct er_letter_item item = { .place = { 0, 0 } };
    struct er_letters_request request, read = { .op = ER_LETTERS_READ, .items = &item, .n_items = 1 };
    uint64_t start = er_clock_ms();
    struct er_letter_item sent;

    make_topic(f, DEAD, 1);
    make_topic(f, "sub.a", 1);
    assert_int_equal(rd_kafka_mock_broker_set_down(f->rig.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_broker_set_down(f->rig.cluster, 2), RD_KAFKA_RESP_ERR_NO_ERROR);
    sent = send_one(f, "sub.a", 1);
    assert_int_equal(sent.code, ER_E_KAFKA_TIMEOUT);
    assert_false(sent.unknown);
    assert_non_null(strstr(sent.err.text, "nothing was written"));
    assert_true(er_clock_ms() - start < 4500);
    start = er_clock_ms();
    assert_int_equal(ask(f, &read), ER_E_KAFKA_TIMEOUT);
    assert_true(er_clock_ms() - start < 4500);
    assert_int_equal(rd_kafka_mock_broker_set_up(f->rig.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_broker_set_up(f->rig.cluster, 2), RD_KAFKA_RESP_ERR_NO_ERROR);
    request = list_request(10);
    assert_int_equal(ask(f, &request), ER_OK);
    assert_int_equal(request.n_letters, 0);
}

/* A broker that takes the record and does not answer: nobody knows. */
static void test_no_answer(void **state)
{
    struct fixture *f = *state;
    struct er_letters_stats stats;
    struct er_letter_item item;

    make_topic(f, "sub.a", 1);
    assert_int_equal(send_one(f, "sub.a", 1).code, ER_OK);
    assert_int_equal(
        rd_kafka_mock_broker_push_request_error_rtts(f->rig.cluster, 1, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 8000),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(
        rd_kafka_mock_broker_push_request_error_rtts(f->rig.cluster, 2, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 8000),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    item = send_one(f, "sub.a", 2);
    assert_int_equal(item.code, ER_E_KAFKA_TIMEOUT);
    assert_true(item.unknown);
    assert_non_null(strstr(item.err.text, "not known"));
    er_kafka_dead_letters_stats(f->letters, &stats);
    assert_int_equal(stats.unknown, 1);
    assert_int_equal(stats.failed, 0);
}

/* The end answers everything that waits. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    struct er_letters_request first = list_request(1), second = list_request(1), late = list_request(1);

    assert_int_equal(rd_kafka_mock_broker_set_down(f->rig.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_broker_set_down(f->rig.cluster, 2), RD_KAFKA_RESP_ERR_NO_ERROR);
    first.arena = second.arena = late.arena = f->arena;
    first.done = second.done = late.done = on_done;
    first.arg = second.arg = late.arg = f;
    er_kafka_dead_letters_submit(f->letters, &first);
    er_kafka_dead_letters_submit(f->letters, &second);
    er_kafka_dead_letters_stop(f->letters);
    er_kafka_dead_letters_submit(f->letters, &late);
    assert_int_equal(late.code, ER_E_UNAVAILABLE);
    er_kafka_dead_letters_free(f->letters);
    f->letters = NULL;
    assert_int_equal(first.code, ER_E_UNAVAILABLE);
    assert_int_equal(second.code, ER_E_UNAVAILABLE);
}

#define LETTERS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LETTERS_TEST(test_pages),        LETTERS_TEST(test_many),
        LETTERS_TEST(test_some),         LETTERS_TEST(test_large),
        LETTERS_TEST(test_send),         LETTERS_TEST(test_send_many),
        LETTERS_TEST(test_send_refused), LETTERS_TEST(test_send_refused_batch),
        LETTERS_TEST(test_no_broker),    LETTERS_TEST(test_no_answer),
        LETTERS_TEST(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
