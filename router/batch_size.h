/* How large a record is on its way to Kafka. */
#ifndef ER_ROUTER_BATCH_SIZE_H
#define ER_ROUTER_BATCH_SIZE_H

#include "rules/engine/record.h"

/* Bytes of a record batch (message format 2) that holds this record alone and is not compressed: what a broker compares with max.message.bytes
 * of the topic. */
size_t er_batch_size_alone(const struct er_record *record);

#endif
