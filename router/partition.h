/* Which partition of a destination a copy goes to: order per key, and per source partition for events without a key. */
#ifndef ER_ROUTER_PARTITION_H
#define ER_ROUTER_PARTITION_H

#include <stdint.h>
#include "rules/base/str.h"

/* Kafka's murmur2 (seed 0x9747b28c), bit for bit that of org.apache.kafka.common.utils.Utils.murmur2. */
uint32_t er_murmur2(struct er_str key);

/* Keyed (an empty key is a key): murmur2 modulo count, as the Java client does. Otherwise source partition modulo count (0 when
 * negative). count > 0. */
int32_t er_partition_choose(struct er_str key, bool keyed, int32_t source_partition, int32_t count);

#endif
