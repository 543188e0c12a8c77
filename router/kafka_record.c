#include "router/kafka_record.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16

static bool reserve(struct er_kafka_headers *headers, size_t more)
{
    size_t capacity = headers->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : headers->capacity;
    struct er_header *items;

    if (headers->n + more <= headers->capacity)
        return true;
    while (capacity < headers->n + more)
        capacity *= 2;
    items = realloc(headers->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    headers->items = items;
    headers->capacity = capacity;
    return true;
}

bool er_kafka_headers_read(struct er_kafka_headers *headers, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *list = NULL;
    size_t n;

    if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    n = rd_kafka_header_cnt(list);
    if (!reserve(headers, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *name = "";
        const void *value = NULL;
        size_t size = 0;

        if (rd_kafka_header_get_all(list, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        headers->items[headers->n++] = (struct er_header){ er_str_of(name), { value, value == NULL ? 0 : size }, value == NULL };
    }
    return true;
}

void er_kafka_record_fill(struct er_record *record, rd_kafka_message_t *message, const char *topic)
{
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);

    record->topic = er_str_of(topic != NULL ? topic : rd_kafka_topic_name(message->rkt));
    record->partition = message->partition;
    record->offset = message->offset;
    record->timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
    record->key = (struct er_str){ message->key, message->key == NULL ? 0 : message->key_len };
    record->has_key = message->key != NULL;
    record->value = (struct er_str){ message->payload, message->payload == NULL ? 0 : message->len };
    record->has_value = message->payload != NULL;
    record->owner = message;
}
