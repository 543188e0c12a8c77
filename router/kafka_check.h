/* Checks of user-set librdkafka properties; the names come from librdkafka's own table. er_router_check_kafka is in router/router.h. */
#ifndef ER_ROUTER_KAFKA_CHECK_H
#define ER_ROUTER_KAFKA_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* The property names that the running librdkafka documents, with the client that each concerns. */
struct er_kafka_names;
struct er_kafka_names *er_kafka_names_new(void); /* NULL without memory */
void er_kafka_names_free(struct er_kafka_names *names);

/* Does the property concern the consumer (or the producer)? True for names that are not in the table. */
bool er_kafka_names_concern(const struct er_kafka_names *names, const char *name, bool consumer);

/* The nearest name, or NULL. */
const char *er_kafka_names_suggest(const struct er_kafka_names *names, const char *name);

#endif
