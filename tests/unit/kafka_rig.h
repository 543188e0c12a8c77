/* librdkafka's mock cluster (the source topic "raw" is led by broker 1 of 2), routers on it, and what tests need around them. Everything waits on conditions with deadlines. */
#ifndef ER_TESTS_UNIT_KAFKA_RIG_H
#define ER_TESTS_UNIT_KAFKA_RIG_H

#include "tests/unit/test.h"

#include <dirent.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/router.h"

#define RIG_ROUTERS 3
#define RIG_SECONDS 40

enum { API_PRODUCE = 0, API_OFFSET_COMMIT = 8, API_FIND_COORDINATOR = 10, API_HEARTBEAT = 12 };

struct rig_router {
    bool running;
    struct er_config *config;
    struct er_store *store;
    struct er_log *log;
    struct er_str reserved[3];
    struct er_plan_policy policy;
    struct er_router *router;
};

struct rig {
    rd_kafka_t *client; /* publishes */
    rd_kafka_mock_cluster_t *cluster;
    char dir[64];
    struct rig_router routers[RIG_ROUTERS];
    bool refuse_topics; /* rig_create says no */
    int log_fd;         /* 0: no log, or standard error with RIG_LOG */
};

static void rig_silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static inline rd_kafka_t *rig_client(rd_kafka_type_t type, const char *const *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *rk;

    rd_kafka_conf_set_log_cb(conf, rig_silent);
    for (size_t i = 0; settings[i] != NULL; i += 2)
        assert_int_equal(rd_kafka_conf_set(conf, settings[i], settings[i + 1], text, sizeof text), RD_KAFKA_CONF_OK);
    rk = rd_kafka_new(type, conf, text, sizeof text);
    assert_non_null(rk);
    return rk;
}

static inline void rig_init(struct rig *rig, int partitions)
{
    static const char *const settings[] = { "test.mock.num.brokers", "2", "linger.ms", "1", NULL };

    memset(rig, 0, sizeof *rig);
    strcpy(rig->dir, "/tmp/er-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    rig->client = rig_client(RD_KAFKA_PRODUCER, settings);
    rig->cluster = rd_kafka_handle_mock_cluster(rig->client);
    assert_int_equal(rd_kafka_mock_topic_create(rig->cluster, "raw", partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int i = 0; i < partitions; i++)
        assert_int_equal(rd_kafka_mock_partition_set_leader(rig->cluster, "raw", i, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static enum er_code rig_create(void *ctx, const char *topic, int32_t partitions, struct er_err *err)
{
    struct rig *rig = ctx;
    rd_kafka_resp_err_t answer;

    if (rig->refuse_topics)
        return er_err_set(err, ER_E_KAFKA, "refused by the test");
    answer = rd_kafka_mock_topic_create(rig->cluster, topic, partitions, 1);
    if (answer == RD_KAFKA_RESP_ERR_NO_ERROR || answer == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return ER_OK;
    return er_err_set(err, ER_E_KAFKA, "%s", rd_kafka_err2str(answer));
}

/* name: its store's file; overrides: NULL-terminated "section.key=value". */
static inline struct er_router *rig_start(struct rig *rig, size_t i, const char *name, const char *const *overrides)
{
    static char *const no_environment[] = { NULL };
    struct rig_router *r = &rig->routers[i];
    const char *settings[32];
    char servers[160], store[160];
    struct er_config_input input = { .file = "/dev/null", .overrides = settings, .environment = no_environment };
    struct er_router_options options;
    struct er_buf errors = { 0 };
    struct er_err err;

    snprintf(servers, sizeof servers, "kafka.bootstrap.servers=%s", rd_kafka_mock_cluster_bootstraps(rig->cluster));
    snprintf(store, sizeof store, "store.path=%s/%s.db", rig->dir, name);
    settings[input.n_overrides++] = servers;
    settings[input.n_overrides++] = store;
    settings[input.n_overrides++] = "router.shutdown_timeout=8s";
    settings[input.n_overrides++] = "kafka.reconnect.backoff.max.ms=200";
    settings[input.n_overrides++] = "kafka.consumer.session.timeout.ms=4000"; /* the mock rejoins a second before that */
    settings[input.n_overrides++] = "kafka.consumer.heartbeat.interval.ms=300";
    if (getenv("RIG_DEBUG") != NULL)
        settings[input.n_overrides++] = getenv("RIG_DEBUG");
    while (overrides != NULL && *overrides != NULL)
        settings[input.n_overrides++] = *overrides++;
    if (er_config_load(&input, &r->config, &errors) != ER_OK || er_router_check_kafka(r->config, &errors) != ER_OK)
        fail_msg("%.*s", (int)errors.n, errors.p);
    assert_int_equal(er_store_open(strchr(store, '=') + 1, &r->store, &err), ER_OK);
    if (rig->log_fd > 0 || getenv("RIG_LOG") != NULL)
        r->log = er_log_new(rig->log_fd > 0 ? rig->log_fd : STDERR_FILENO, ER_LOG_DEBUG, ER_LOG_LOGFMT);
    r->reserved[0] = ER_STR("raw");
    r->reserved[1] = ER_STR("eventrouter.dead-letter");
    r->policy = (struct er_plan_policy){ er_str_of(r->config->destination_template), r->config->destination_partitions, r->reserved,
                                         2, er_rule_default_limits() };
    options = (struct er_router_options){ r->config, r->store, &r->policy, r->log, { rig, rig_create } };
    if (er_router_start(&options, &r->router, &err) != ER_OK)
        fail_msg("%s", err.text);
    r->running = true;
    return r->router;
}

static inline void rig_explain(struct rig *rig)
{
    for (size_t i = 0; i < RIG_ROUTERS; i++) {
        struct er_buf text = { 0 };
        struct er_json_writer w;

        if (!rig->routers[i].running)
            continue;
        er_jw_init(&w, &text);
        er_jw_array(&w);
        (void)er_router_ready(rig->routers[i].router, &w);
        er_jw_object(&w);
        er_router_status(rig->routers[i].router, &w);
        er_jw_end(&w);
        er_jw_end(&w);
        print_message("router %zu: %.*s\n", i, (int)text.n, text.p);
        er_buf_free(&text);
    }
}

/* Lets all routers work until done(ctx), or fails the test. */
static inline void rig_until(struct rig *rig, bool (*done)(void *ctx), void *ctx, const char *what)
{
    uint64_t end = er_clock_ms() + RIG_SECONDS * 1000;

    while (!done(ctx)) {
        struct pollfd fds[RIG_ROUTERS];
        nfds_t n = 0;

        if (er_clock_ms() > end) {
            rig_explain(rig);
            fail_msg("no %s within %d s", what, RIG_SECONDS);
        }
        for (size_t i = 0; i < RIG_ROUTERS; i++) {
            if (!rig->routers[i].running)
                continue;
            er_router_dispatch(rig->routers[i].router);
            fds[n++] = (struct pollfd){ .fd = er_router_wakeup_fd(rig->routers[i].router), .events = POLLIN };
        }
        rd_kafka_poll(rig->client, 0);
        (void)poll(fds, n, 10);
    }
}

static inline bool rig_is_ready(void *ctx)
{
    return er_router_ready(ctx, NULL);
}

static inline bool rig_is_stopped(void *ctx)
{
    return er_router_stopped(ctx);
}

/* Graceful. Returns the final balance. */
static inline struct er_balance rig_stop(struct rig *rig, size_t i)
{
    struct rig_router *r = &rig->routers[i];
    struct er_balance balance;

    er_router_stop(r->router);
    rig_until(rig, rig_is_stopped, r->router, "end of the router");
    er_router_balance(r->router, &balance);
    er_router_free(r->router);
    er_store_close(r->store);
    er_log_free(r->log);
    er_config_free(r->config);
    *r = (struct rig_router){ .running = false };
    return balance;
}

static inline void rig_fini(struct rig *rig)
{
    DIR *directory;
    struct dirent *entry;

    for (size_t i = 0; i < RIG_ROUTERS; i++) {
        if (rig->routers[i].running)
            (void)rig_stop(rig, i);
    }
    rd_kafka_destroy(rig->client);
    directory = opendir(rig->dir);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[400];

        snprintf(path, sizeof path, "%s/%s", rig->dir, entry->d_name);
        (void)unlink(path);
    }
    if (directory != NULL)
        closedir(directory);
    (void)rmdir(rig->dir);
}

/* ---- rules ---- */

struct rig_change {
    struct er_change_request request;
    const char *document;
    bool finished;
    enum er_code code;
    uint64_t revision;
    char text[256];
};

static enum er_code rig_build(void *arg, struct er_plan *plan, struct er_err *err)
{
    struct rig_change *change = arg;
    struct er_arena *arena = er_arena_new(0);
    struct er_problems problems;
    struct er_plan_put put = { .mode = ER_PUT_ANY, .pointer = ER_STR(""), .problems = &problems };
    struct er_str text = er_str_of(change->document);
    struct er_rule_source source = { .document_bytes = text.n };
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_json *tree = NULL;
    struct er_rule *rule = NULL;
    enum er_code code = er_json_parse(arena, text, 64, &tree, err);

    er_problems_init(&problems, arena);
    source.document = tree;
    if (code == ER_OK)
        code = er_rule_read(&source, &limits, &rule, &problems, NULL);
    if (code == ER_OK)
        code = er_plan_put_subscription(plan, rule, &put, err);
    er_rule_unref(rule);
    er_arena_free(arena);
    return code;
}

static void rig_change_done(void *arg, const struct er_change_result *result)
{
    struct rig_change *change = arg;

    change->finished = true;
    change->code = result->code;
    change->revision = result->revision;
    snprintf(change->text, sizeof change->text, "%s", result->err == NULL ? "" : result->err->text);
}

static bool rig_change_finished(void *ctx)
{
    return ((struct rig_change *)ctx)->finished;
}

static inline enum er_code rig_put(struct rig *rig, size_t i, const char *document, char *text, size_t size)
{
    struct rig_change change = { .document = document };

    change.request = (struct er_change_request){
        .build = rig_build, .done = rig_change_done, .arg = &change, .actor = { .uid = -1, .what = ER_STR("test") }
    };
    er_router_submit(rig->routers[i].router, &change.request);
    rig_until(rig, rig_change_finished, &change, "answer to a change");
    if (text != NULL)
        snprintf(text, size, "%s", change.text);
    return change.code;
}

/* ---- events ---- */

static inline void rig_publish(struct rig *rig, const char *topic, int32_t partition, const char *key, const char *value)
{
    size_t key_size = key == NULL ? 0 : strlen(key);
    size_t value_size = value == NULL ? 0 : strlen(value);

    while (rd_kafka_producev(rig->client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key, key_size),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_poll(rig->client, 10);
}

static inline void rig_flush(struct rig *rig)
{
    assert_int_equal(rd_kafka_flush(rig->client, RIG_SECONDS * 1000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* A reader of one partition of one topic, from its beginning. */
struct rig_reader {
    rd_kafka_t *rk;
    size_t n;
    rd_kafka_message_t *messages[4096];
};

static inline void rig_reader_init(struct rig *rig, struct rig_reader *reader, const char *topic, int32_t partition)
{
    const char *settings[] = { "bootstrap.servers",
                               rd_kafka_mock_cluster_bootstraps(rig->cluster),
                               "group.id",
                               "reader",
                               "enable.auto.commit",
                               "false",
                               NULL };
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    reader->n = 0;
    reader->rk = rig_client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(reader->rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

static inline void rig_read(struct rig_reader *reader, int wait_ms)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(reader->rk, wait_ms)) != NULL) {
        wait_ms = 0;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || reader->n == sizeof reader->messages / sizeof *reader->messages)
            rd_kafka_message_destroy(message);
        else
            reader->messages[reader->n++] = message;
    }
}

static inline void rig_reader_fini(struct rig_reader *reader)
{
    for (size_t i = 0; i < reader->n; i++)
        rd_kafka_message_destroy(reader->messages[i]);
    rd_kafka_destroy(reader->rk);
}

struct rig_wanted {
    struct rig_reader *reader;
    size_t n;
};

static bool rig_has_read(void *ctx)
{
    const struct rig_wanted *wanted = ctx;

    rig_read(wanted->reader, 0);
    return wanted->reader->n >= wanted->n;
}

/* Reads at least n messages. */
static inline void rig_read_until(struct rig *rig, struct rig_reader *reader, size_t n)
{
    struct rig_wanted wanted = { reader, n };

    rig_until(rig, rig_has_read, &wanted, "copies");
}

/* The value of the last header with that name, or NULL. */
static inline const char *rig_header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    return value;
}

#endif
