#include "router/demo_kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

#define QUERY_TIMEOUT_MS 1000

struct er_demo_kafka {
    rd_kafka_t *client;               /* publishes; its configuration brings the cluster to life */
    rd_kafka_mock_cluster_t *cluster; /* belongs to the client */
};

/* The cluster's own chatter is no news to anybody. */
static void silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct er_err *err)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    (void)er_err_set(err, ER_E_KAFKA, "librdkafka refuses %s: %s", name, text);
    return false;
}

enum er_code er_demo_kafka_new(struct er_demo_kafka **out, struct er_err *err)
{
    struct er_demo_kafka *kafka = calloc(1, sizeof *kafka);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];

    *out = NULL;
    if (kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    rd_kafka_conf_set_log_cb(conf, silent);
    if (!set(conf, "test.mock.num.brokers", "1", err) || !set(conf, "linger.ms", "5", err) ||
        !set(conf, "client.id", "demo", err) || !set(conf, "allow.auto.create.topics", "false", err) ||
        !set(conf, "partitioner", "murmur2_random", err)) {
        rd_kafka_conf_destroy(conf);
        free(kafka);
        return ER_E_KAFKA;
    }
    kafka->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (kafka->client == NULL) {
        rd_kafka_conf_destroy(conf);
        free(kafka);
        return er_err_set(err, ER_E_KAFKA, "the mock Kafka does not start: %s", text);
    }
    kafka->cluster = rd_kafka_handle_mock_cluster(kafka->client);
    *out = kafka;
    return ER_OK;
}

void er_demo_kafka_free(struct er_demo_kafka *kafka)
{
    if (kafka == NULL)
        return;
    rd_kafka_destroy(kafka->client);
    free(kafka);
}

const char *er_demo_kafka_bootstrap(const struct er_demo_kafka *kafka)
{
    return rd_kafka_mock_cluster_bootstraps(kafka->cluster);
}

enum er_code er_demo_kafka_create(struct er_demo_kafka *kafka, const char *topic, int32_t partitions, struct er_err *err)
{
    rd_kafka_resp_err_t answer = rd_kafka_mock_topic_create(kafka->cluster, topic, partitions, 1);

    if (answer == RD_KAFKA_RESP_ERR_NO_ERROR || answer == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return ER_OK;
    return er_err_set(err, ER_E_KAFKA, "topic %s cannot be made: %s", topic, rd_kafka_err2str(answer));
}

bool er_demo_kafka_publish(struct er_demo_kafka *kafka, const char *topic, char *key, char *value)
{
    const rd_kafka_vu_t fields[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { .ptr = key, .size = strlen(key) } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { .ptr = value, .size = strlen(value) } },
    };
    rd_kafka_error_t *error = rd_kafka_produceva(kafka->client, fields, sizeof fields / sizeof *fields);

    if (error == NULL)
        return true;
    rd_kafka_error_destroy(error);
    return false;
}

void er_demo_kafka_poll(struct er_demo_kafka *kafka)
{
    (void)rd_kafka_poll(kafka->client, 0);
}

bool er_demo_kafka_flush(struct er_demo_kafka *kafka, int timeout_ms)
{
    return rd_kafka_flush(kafka->client, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* 0 when it could not be asked. */
static int32_t partitions_of(struct er_demo_kafka *kafka, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka->client, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    int32_t n = 0;

    if (topic == NULL)
        return 0;
    if (rd_kafka_metadata(kafka->client, 0, topic, &metadata, QUERY_TIMEOUT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        n = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return n;
}

bool er_demo_kafka_written(struct er_demo_kafka *kafka, const char *topic, uint64_t *out)
{
    int32_t partitions = partitions_of(kafka, topic);

    *out = 0;
    for (int32_t partition = 0; partition < partitions; partition++) {
        int64_t low = 0;
        int64_t high = 0;

        if (rd_kafka_query_watermark_offsets(kafka->client, topic, partition, &low, &high, QUERY_TIMEOUT_MS) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            return false;
        *out += high > 0 ? (uint64_t)high : 0;
    }
    return partitions > 0;
}
