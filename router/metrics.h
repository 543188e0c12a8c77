/* Prometheus text exposition, format 0.0.4. One table (metrics.def and counters.def) has every name, type and help. Any thread. */
#ifndef ER_ROUTER_METRICS_H
#define ER_ROUTER_METRICS_H

#include "router/counters.h"
#include "rules/base/buf.h"

/* A row of the table, for documents and tests. labels: names, comma separated. */
struct er_metric {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
};
const struct er_metric *er_metrics_table(size_t *n); /* each metric once */

/* Writes HELP and TYPE of a metric of the table; its samples follow. */
void er_metrics_head(struct er_buf *out, const char *name);

/* One sample line. labels: "" or text that er_metrics_label made. */
void er_metrics_sample(struct er_buf *out, const char *name, const char *labels, uint64_t value);
void er_metrics_sample_ns(struct er_buf *out, const char *name, const char *labels, uint64_t ns); /* as seconds */

/* Head and one sample without labels. */
void er_metrics_one(struct er_buf *out, const char *name, uint64_t value);

/* Appends key="value" with the escapes of the format, after a comma unless labels is empty. */
void er_metrics_label(struct er_buf *labels, const char *key, struct er_str value);

/* The counters of all workers, summed, and their histograms. */
void er_metrics_counters(struct er_buf *out, const struct er_counters *const *workers, size_t n);

/* process_*; what /proc does not tell is left out. start_ms: Unix time. */
void er_metrics_process(struct er_buf *out, int64_t start_ms);

#endif
