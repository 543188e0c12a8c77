#include "router/kafka_describe.h"

#include <stdio.h>
#include <stdlib.h>

enum { REQUEST_MS = 2000, SLICE_MS = 1000 };

static void settle(struct er_topic *item, enum er_code code, const char *text)
{
    item->code = code;
    snprintf(item->text, sizeof item->text, "%.*s", (int)sizeof item->text - 1, text);
}

static void settle_all(struct er_topics_job *job, const char *text)
{
    for (size_t i = 0; i < job->n; i++)
        settle(&job->items[i], ER_E_KAFKA, text);
}

static struct er_topic *find(struct er_topics_job *job, const char *name)
{
    for (size_t i = 0; i < job->n; i++) {
        if (job->items[i].code == ER_E_KAFKA_TIMEOUT && strcmp(job->items[i].name, name) == 0)
            return &job->items[i];
    }
    return NULL;
}

static void take_config(struct er_topic *item, const rd_kafka_ConfigEntry_t *entry)
{
    const char *value = rd_kafka_ConfigEntry_value(entry);
    char *end;
    unsigned long long bytes;

    if (value == NULL || strcmp(rd_kafka_ConfigEntry_name(entry), "max.message.bytes") != 0)
        return;
    bytes = strtoull(value, &end, 10);
    if (*end != '\0' || end == value)
        return;
    item->max_bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
    settle(item, ER_OK, "");
}

static void take_topic(struct er_topic *item, const rd_kafka_ConfigResource_t *resource)
{
    const rd_kafka_ConfigEntry_t **entries;
    size_t n;

    if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        settle(item, ER_E_KAFKA, rd_kafka_err2str(rd_kafka_ConfigResource_error(resource)));
        return;
    }
    settle(item, ER_E_KAFKA, "the broker does not say");
    entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++)
        take_config(item, entries[i]);
}

static rd_kafka_event_t *request(rd_kafka_t *rk, rd_kafka_queue_t *queue, rd_kafka_ConfigResource_t **resources, size_t n)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_event_t *event = NULL;
    char text[256];

    if (options == NULL)
        return NULL;
    (void)rd_kafka_AdminOptions_set_request_timeout(options, REQUEST_MS, text, sizeof text);
    rd_kafka_DescribeConfigs(rk, resources, n, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    while (event == NULL) {
        event = rd_kafka_queue_poll(queue, SLICE_MS);
        if (event != NULL && rd_kafka_event_type(event) != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT) {
            rd_kafka_event_destroy(event);
            event = NULL;
        }
    }
    return event;
}

bool er_kafka_describe(rd_kafka_t *rk, rd_kafka_queue_t *queue, struct er_topics_job *job)
{
    rd_kafka_ConfigResource_t *resources[ER_KAFKA_DESCRIBE_BATCH];
    const rd_kafka_ConfigResource_t **answers;
    rd_kafka_event_t *event;
    size_t n = 0;
    bool reached;

    for (size_t i = 0; i < job->n && n < ER_KAFKA_DESCRIBE_BATCH; i++) {
        resources[n] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, job->items[i].name);
        n += resources[n] != NULL;
    }
    event = n == 0 ? NULL : request(rk, queue, resources, n);
    rd_kafka_ConfigResource_destroy_array(resources, n);
    reached = event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (reached) {
        answers = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
        for (size_t i = 0; i < n; i++) {
            struct er_topic *item = find(job, rd_kafka_ConfigResource_name(answers[i]));

            if (item != NULL)
                take_topic(item, answers[i]);
        }
    } else {
        settle_all(job, event == NULL ? "out of memory" : rd_kafka_event_error_string(event));
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return reached;
}
