#include "router/kafka_check.h"

#include <librdkafka/rdkafka.h>

enum { AT_LEAST_ONCE = 1, EXACTLY_ONCE = 2, BOTH = 3 };

/* Only those that the router cannot work around; docs/compatibility.md has the same rows. */
static const struct defect {
    const char *id;
    int from, to;     /* versions as rd_kafka_version(): inclusive, exclusive */
    unsigned modes;   /* in which it matters, */
    unsigned refused; /* and in which its promise would be untrue */
    const char *text;
} defects[] = {
    { "sequence", 0, 0x02030000, BOTH, 0,
      "an idempotent producer can become fatal after a lost connection (\"sequence desynchronization\", fixed in 2.3.0): the "
      "router then "
      "makes a new one and repeats what was not acknowledged" },
    { "leader-change", 0x02010000, 0x02010100, BOTH, EXACTLY_ONCE,
      "events may be read twice after a leader change (fixed in 2.1.1)" },
    { "stored-offset", 0x02010000, 0x02030000, AT_LEAST_ONCE, 0,
      "a stored offset may be left out of a commit after a leader change (fixed in 2.3.0)" },
    { "telemetry", 0x02050000, 0x02050300, BOTH, 0,
      "the client may abort when the broker asks for client metrics (fixed in 2.5.3); enable.metrics.push is off" },
    { "old-broker", 0x02060000, 0x02060100, BOTH, 0, "fetches fail on brokers before 2.7 (fixed in 2.6.1)" },
    { "close", 0, 0x02060100, BOTH, 0,
      "a consumer may not close when a source partition was removed from the cluster (fixed in 2.6.1)" },
    { "no-broker", 0x020a0000, 0x020a0100, BOTH, 0, "memory may be corrupted while no broker is connected (fixed in 2.10.1)" },
};
#define N_DEFECTS (sizeof defects / sizeof *defects)

static unsigned mode_of(enum er_delivery delivery)
{
    return delivery == ER_DELIVERY_EXACTLY_ONCE ? EXACTLY_ONCE : AT_LEAST_ONCE;
}

void er_kafka_each_defect(int version, enum er_delivery delivery, er_kafka_defect_cb *cb, void *ctx)
{
    for (size_t i = 0; i < N_DEFECTS; i++) {
        struct er_kafka_defect view = { defects[i].id, defects[i].text, (defects[i].refused & mode_of(delivery)) != 0 };

        if (version >= defects[i].from && version < defects[i].to && (defects[i].modes & mode_of(delivery)) != 0)
            cb(ctx, &view);
    }
}

static void log_defect(void *ctx, const struct er_kafka_defect *defect)
{
    struct er_log *log = ctx;

    er_log_write(log, ER_LOG_WARN, ER_LM("known defect of this librdkafka"), ER_LF("version", rd_kafka_version_str()),
                 ER_LF("id", defect->id), ER_LF("defect", defect->text));
}

void er_kafka_warn_defects(struct er_log *log, enum er_delivery delivery)
{
    er_kafka_each_defect(rd_kafka_version(), delivery, log_defect, log);
}
