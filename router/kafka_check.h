/* What is known about the running librdkafka: its properties (the names come from its own table), its defects. Does not show librdkafka
 * itself. er_router_check_kafka is in router/router.h. */
#ifndef ER_ROUTER_KAFKA_CHECK_H
#define ER_ROUTER_KAFKA_CHECK_H

#include "router/config.h"
#include "router/log.h"

/* The property names that the running librdkafka documents, with the client that each concerns. */
struct er_kafka_names;
struct er_kafka_names *er_kafka_names_new(void); /* NULL without memory */
void er_kafka_names_free(struct er_kafka_names *names);

/* Does the property concern the consumer (or the producer)? True for names that are not in the table. */
bool er_kafka_names_concern(const struct er_kafka_names *names, const char *name, bool consumer);

/* The nearest name, or NULL. */
const char *er_kafka_names_suggest(const struct er_kafka_names *names, const char *name);

/* Why a property may not be set, or NULL when it may. */
const char *er_kafka_refused(const char *name);

/* One warning for every known defect of the running librdkafka that matters to the delivery mode. */
void er_kafka_warn_defects(struct er_log *log, enum er_delivery delivery);

/* A known defect of a librdkafka. */
struct er_kafka_defect {
    const char *id;   /* as in docs/compatibility.md */
    const char *text; /* what it breaks, and where it is mended */
    bool refused;     /* the delivery mode's promise would be untrue */
};
/* Those of a version (rd_kafka_version()) that matter to the delivery mode. */
typedef void er_kafka_defect_cb(void *ctx, const struct er_kafka_defect *defect);
void er_kafka_each_defect(int version, enum er_delivery delivery, er_kafka_defect_cb *cb, void *ctx);

const char *er_kafka_version(void); /* for example "2.0.2" */

#endif
