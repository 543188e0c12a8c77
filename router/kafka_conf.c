#include "router/kafka_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "router/kafka_check.h"
#include "rules/base/faults.h"

enum { FOR_CONSUMER = 1, FOR_PRODUCER = 2, FOR_ADMIN = 4, FOR_READER = 8, FOR_ALL = 15 };
enum { AT_LEAST_ONCE = 1, EXACTLY_ONCE = 2, BOTH = 3 };
#define TEXT_OF(number) #number
#define MS(number) TEXT_OF(number)

struct setting {
    const char *name;
    const char *value;
    unsigned clients;
    int from;       /* first librdkafka that knows it; 0 = all supported ones */
    unsigned modes; /* of delivery; 0 = all */
};

/* What the user may override. */
static const struct setting defaults[] = {
    { "bootstrap.servers", "localhost:9092", FOR_ALL, 0, 0 },
    { "socket.nagle.disable", "true", FOR_ALL, 0, 0 },
    { "socket.keepalive.enable", "true", FOR_ALL, 0, 0 },
    /* a broker that comes back is found within a second instead of ten */
    { "reconnect.backoff.max.ms", "1000", FOR_ALL, 0, 0 },
    { "enable.metrics.push", "false", FOR_ALL, 0x02050000, 0 },
    /* with rebootstrap and one broker a lost connection can hang calls for ever */
    { "metadata.recovery.strategy", "none", FOR_ALL, 0x020a0000, 0 },
    { "auto.commit.interval.ms", "1000", FOR_CONSUMER, 0, 0 },
    { "topic.metadata.refresh.interval.ms", "60000", FOR_CONSUMER, 0, 0 },
    /* the default of 100,000 stalls fetching for seconds on 2.0.2; bytes bound the memory */
    { "queued.min.messages", "1000000", FOR_CONSUMER, 0, 0 },
    { "queued.max.messages.kbytes", "32768", FOR_CONSUMER, 0, 0 },
    { "fetch.queue.backoff.ms", "5", FOR_CONSUMER, 0x02020000, 0 },
    { "fetch.error.backoff.ms", "100", FOR_CONSUMER, 0, 0 },
    /* only while there is more to read; then the worker hurries the producer (er_worker_limits.hurry_ns) */
    { "linger.ms", "100", FOR_PRODUCER, 0, 0 },
    { "batch.size", "1000000", FOR_PRODUCER, 0, 0 },
    { "batch.num.messages", "10000", FOR_PRODUCER, 0, 0 },
    { "compression.codec", "lz4", FOR_PRODUCER, 0, 0 },
    { "queue.buffering.max.messages", "1000000", FOR_PRODUCER, 0, 0 },
    { "queue.buffering.max.kbytes", "262144", FOR_PRODUCER, 0, 0 },
    { "topic.metadata.propagation.max.ms", "5000", FOR_ALL, 0, 0 },
    { "socket.timeout.ms", "10000", FOR_ADMIN, 0, 0 },
};

/* What the router owns: set after the user's properties, which may not name them (see refused[] in kafka_check.c). */
static const struct setting owned[] = {
    { "allow.auto.create.topics", "false", FOR_ALL, 0, 0 },
    { "enable.auto.commit", "true", FOR_CONSUMER, 0, AT_LEAST_ONCE },
    { "enable.auto.commit", "false", FOR_CONSUMER, 0, EXACTLY_ONCE },
    { "enable.auto.commit", "false", FOR_READER, 0, 0 },
    { "enable.auto.offset.store", "false", FOR_CONSUMER | FOR_READER, 0, 0 },
    /* also with source.start = latest, see router/kafka_start.h */
    { "auto.offset.reset", "earliest", FOR_CONSUMER, 0, 0 },
    { "auto.offset.reset", "error", FOR_READER, 0, 0 },
    { "enable.partition.eof", "false", FOR_CONSUMER, 0, 0 },
    { "enable.partition.eof", "true", FOR_READER, 0, 0 },
    { "isolation.level", "read_committed", FOR_CONSUMER | FOR_READER, 0, 0 },
    /* it reads a stretch and stops: little memory, quick answers */
    { "queued.min.messages", "1000", FOR_READER, 0, 0 },
    { "queued.max.messages.kbytes", "8192", FOR_READER, 0, 0 },
    { "fetch.message.max.bytes", "1048576", FOR_READER, 0, 0 },
    { "fetch.wait.max.ms", "5", FOR_READER, 0, 0 },
    { "enable.idempotence", "true", FOR_PRODUCER, 0, 0 },
    { "acks", "all", FOR_PRODUCER, 0, 0 },
    /* a copy does not expire: it is delivered, or refused by the broker; in a transaction it is tried again in the next one */
    { "message.timeout.ms", "0", FOR_PRODUCER, 0, AT_LEAST_ONCE },
    { "message.timeout.ms", MS(ER_KAFKA_MESSAGE_MS), FOR_PRODUCER, 0, EXACTLY_ONCE },
    { "transaction.timeout.ms", MS(ER_KAFKA_TRANSACTION_MS), FOR_PRODUCER, 0, EXACTLY_ONCE },
    { "delivery.report.only.error", "false", FOR_PRODUCER, 0, 0 },
    /* otherwise librdkafka itself chooses the partition of keyless copies */
    { "sticky.partitioning.linger.ms", "0", FOR_PRODUCER, 0, 0 },
};

static unsigned client_bit(enum er_kafka_client client)
{
    static const unsigned bits[] = { FOR_CONSUMER, FOR_PRODUCER, FOR_ADMIN, FOR_READER };

    return bits[client];
}

static bool consumes(enum er_kafka_client client)
{
    return client == ER_KAFKA_CONSUMER || client == ER_KAFKA_READER;
}

static enum er_code set(rd_kafka_conf_t *conf, const char *name, const char *value, struct er_err *err)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return ER_OK;
    return er_err_set(err, ER_E_CONFIG_VALUE, "kafka.%s: %s", name, er_property_is_secret(name) ? "bad value" : text);
}

static unsigned mode_bit(enum er_delivery delivery)
{
    return delivery == ER_DELIVERY_EXACTLY_ONCE ? EXACTLY_ONCE : AT_LEAST_ONCE;
}

struct which {
    unsigned clients, mode;
};

static enum er_code set_table(rd_kafka_conf_t *conf, const struct setting *rows, size_t n, struct which which, struct er_err *err)
{
    enum er_code code = ER_OK;

    for (size_t i = 0; i < n && code == ER_OK; i++) {
        bool mode = rows[i].modes == 0 || (rows[i].modes & which.mode) != 0;

        if (mode && (rows[i].clients & which.clients) != 0 && rd_kafka_version() >= rows[i].from)
            code = set(conf, rows[i].name, rows[i].value, err);
    }
    return code;
}

/* A record of event.max_bytes with its headers must fit; the broker has the last word. */
static enum er_code set_message_bytes(rd_kafka_conf_t *conf, const struct er_config *config, struct er_err *err)
{
    size_t bytes = config->max_bytes + 262144;
    char value[24];

    if (bytes < 2097152)
        bytes = 2097152;
    if (bytes > 1000000000)
        bytes = 1000000000;
    snprintf(value, sizeof value, "%zu", bytes);
    return set(conf, "message.max.bytes", value, err);
}

static enum er_code set_user(rd_kafka_conf_t *conf, const struct er_config *config, enum er_kafka_client client, struct er_err *err)
{
    const struct er_properties *own = consumes(client) ? &config->consumer : &config->producer;
    struct er_kafka_names *names = er_kafka_names_new();
    enum er_code code = names == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory") : ER_OK;

    for (size_t i = 0; i < config->kafka.n && code == ER_OK; i++) {
        const struct er_property *property = &config->kafka.items[i];

        if (er_kafka_names_concern(names, property->name, consumes(client)))
            code = set(conf, property->name, property->value, err);
    }
    for (size_t i = 0; i < own->n && code == ER_OK; i++)
        code = set(conf, own->items[i].name, own->items[i].value, err);
    er_kafka_names_free(names);
    return code;
}

static void instance_name(const struct er_config *config, unsigned worker, char *out, size_t size)
{
    char host[65] = "";

    if (config->instance[0] != '\0') {
        snprintf(out, size, "%s-%u", config->instance, worker);
        return;
    }
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "host");
    snprintf(out, size, "%s-%ld-%u", host, (long)getpid(), worker);
}

static bool user_sets(const struct er_properties *properties, const char *name)
{
    for (size_t i = 0; i < properties->n; i++) {
        if (strcmp(properties->items[i].name, name) == 0)
            return true;
    }
    return false;
}

bool er_kafka_user_lingers(const struct er_config *config)
{
    static const char *const names[] = { "linger.ms", "queue.buffering.max.ms" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (user_sets(&config->kafka, names[i]) || user_sets(&config->producer, names[i]))
            return true;
    }
    return false;
}

bool er_kafka_compresses(const struct er_config *config)
{
    static const char *const names[] = { "compression.codec", "compression.type" };
    const struct er_properties *own[] = { &config->kafka, &config->producer };
    bool compresses = true; /* the default is lz4 */

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < own[i]->n; j++) {
            if (strcmp(own[i]->items[j].name, names[0]) == 0 || strcmp(own[i]->items[j].name, names[1]) == 0)
                compresses = strcmp(own[i]->items[j].value, "none") != 0;
        }
    }
    return compresses;
}

static enum er_code set_identity(rd_kafka_conf_t *conf, const struct er_config *config, enum er_kafka_client client,
                                 unsigned worker, struct er_err *err)
{
    const struct er_properties *own = consumes(client) ? &config->consumer : &config->producer;
    enum er_code code = ER_OK;
    char instance[320];
    char name[400];
    char id[600];

    instance_name(config, worker, instance, sizeof instance);
    snprintf(name, sizeof name, "eventrouter-%s", instance);
    if (!user_sets(&config->kafka, "client.id") && !user_sets(own, "client.id"))
        code = set(conf, "client.id", name, err);
    if (code == ER_OK && client == ER_KAFKA_PRODUCER && config->delivery == ER_DELIVERY_EXACTLY_ONCE) {
        snprintf(id, sizeof id, "eventrouter.%s.%s.%u", config->group, config->instance, worker);
        return set(conf, "transactional.id", id, err);
    }
    if (code != ER_OK || client != ER_KAFKA_CONSUMER)
        return code;
    code = set(conf, "group.id", config->group, err);
    /* every worker is a member of its own; the suffix is there for one worker too, so that adding a second keeps the first */
    if (code == ER_OK && config->instance[0] != '\0')
        code = set(conf, "group.instance.id", instance, err);
    return code;
}

enum { WINDOW_MS = 10000, LINES_PER_WINDOW = 20 };

static unsigned long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
}

/* librdkafka retries for ever whatever it calls an error here, so only its emergencies are errors to the operator. */
static enum er_log_level level_of(int syslog_level)
{
    if (syslog_level <= 2)
        return ER_LOG_ERROR;
    if (syslog_level <= 4)
        return ER_LOG_WARN;
    return syslog_level <= 6 ? ER_LOG_INFO : ER_LOG_DEBUG;
}

/* Called by any thread of librdkafka: a broker that refuses connections must not fill the disk with lines. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct er_kafka_handle *handle = rd_kafka_opaque(rk);
    struct er_log *log = handle == NULL ? NULL : atomic_load(&handle->log);
    unsigned long long now = now_ms();
    unsigned long long start;

    if (log == NULL || level_of(level) > er_log_level(log))
        return;
    start = atomic_load_explicit(&handle->window_ms, memory_order_relaxed);
    if (now - start >= WINDOW_MS && atomic_compare_exchange_strong(&handle->window_ms, &start, now)) {
        unsigned missed = atomic_exchange(&handle->suppressed, 0);

        atomic_store(&handle->lines, 0);
        if (missed > 0)
            er_log_write(log, ER_LOG_WARN, ER_LM("librdkafka log lines suppressed"), ER_LF("client", handle->name),
                         ER_LFI("worker", handle->worker), ER_LFI("lines", missed));
    }
    if (level_of(level) != ER_LOG_DEBUG && atomic_fetch_add(&handle->lines, 1) >= LINES_PER_WINDOW) {
        atomic_fetch_add(&handle->suppressed, 1);
        return;
    }
    er_log_write(log, level_of(level), ER_LM("librdkafka"), ER_LF("client", handle->name), ER_LFI("worker", handle->worker),
                 ER_LF("facility", facility), ER_LF("text", text));
}

enum er_code er_kafka_conf_new(const struct er_config *config, enum er_kafka_client client, unsigned worker,
                               struct er_kafka_handle *handle, rd_kafka_conf_t **out, struct er_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct which which = { client_bit(client), mode_bit(config->delivery) };
    enum er_code code;

    code = set_table(conf, defaults, sizeof defaults / sizeof *defaults, which, err);
    if (code == ER_OK)
        code = set_message_bytes(conf, config, err);
    if (code == ER_OK && client == ER_KAFKA_CONSUMER)
        code = set(conf, "partition.assignment.strategy",
                   rd_kafka_version() >= ER_KAFKA_COOPERATIVE_FROM ? "cooperative-sticky" : "range,roundrobin", err);
    if (code == ER_OK)
        code = set_user(conf, config, client, err);
    if (code == ER_OK)
        code = set_table(conf, owned, sizeof owned / sizeof *owned, which, err);
    if (code == ER_OK && client == ER_KAFKA_CONSUMER && ER_PLANTED("read-uncommitted"))
        code = set(conf, "isolation.level", "read_uncommitted", err);
    if (code == ER_OK)
        code = set_identity(conf, config, client, worker, err);
    if (code != ER_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_opaque(conf, handle);
    *out = conf;
    return ER_OK;
}

bool er_kafka_conf_value(const rd_kafka_conf_t *conf, const char *name, char *value, size_t size)
{
    size_t need = size;

    return rd_kafka_conf_get(conf, name, value, &need) == RD_KAFKA_CONF_OK;
}

const char *er_kafka_version(void)
{
    return rd_kafka_version_str();
}
