/* A consumed message of librdkafka as the record that engine and worker see. Borrows every byte of the message. */
#ifndef ER_ROUTER_KAFKA_RECORD_H
#define ER_ROUTER_KAFKA_RECORD_H

#include <librdkafka/rdkafka.h>
#include "rules/engine/record.h"

/* Headers of several records, one behind the other; grows. Initialise with {0}, free items. */
struct er_kafka_headers {
    struct er_header *items;
    size_t n, capacity;
};

/* Appends the message's headers. False without memory: nothing was appended. */
bool er_kafka_headers_read(struct er_kafka_headers *headers, const rd_kafka_message_t *message);

/* Everything but the headers; topic: a copy of its name that outlives the record, or NULL. owner becomes the message. */
void er_kafka_record_fill(struct er_record *record, rd_kafka_message_t *message, const char *topic);

#endif
