#include "router/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* A row of a worker's numbers; several rows may belong to one metric. */
struct row {
    const char *name;
    const char *type;
    const char *label;
    const char *help;
    size_t offset; /* in struct er_counters */
};

static const struct row rows[] = {
#define ER_COUNTER(field, metric, label, help) { metric, "counter", label, help, offsetof(struct er_counters, field) },
#define ER_GAUGE(field, metric, label, help) { metric, "gauge", label, help, offsetof(struct er_counters, field) },
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
};

enum { N_ROWS = sizeof rows / sizeof *rows };

static const struct er_metric metrics[] = {
#define ER_METRIC(name, type, labels, help) { name, type, labels, help },
#include "router/metrics.def"
#undef ER_METRIC
};

enum { N_METRICS = sizeof metrics / sizeof *metrics };

const struct er_metric *er_metrics_table(size_t *n)
{
    /* label names of counters are the part before '=', which a static table cannot hold: the tests compare up to there */
    static const struct er_metric all[N_METRICS + N_ROWS + 1] = {
#define ER_METRIC(name, type, labels, help) { name, type, labels, help },
#include "router/metrics.def"
#undef ER_METRIC
#define ER_COUNTER(field, metric, label, help) { metric, "counter", label, help },
#define ER_GAUGE(field, metric, label, help) { metric, "gauge", label, help },
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
        { NULL, NULL, NULL, NULL },
    };

    *n = N_METRICS + N_ROWS;
    return all;
}

static void head(struct er_buf *out, const char *name, const char *type, const char *help)
{
    er_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void er_metrics_head(struct er_buf *out, const char *name)
{
    for (size_t i = 0; i < N_METRICS; i++) {
        if (strcmp(metrics[i].name, name) == 0) {
            head(out, name, metrics[i].type, metrics[i].help);
            return;
        }
    }
}

static void line(struct er_buf *out, const char *name, const char *labels)
{
    if (labels[0] == '\0')
        er_buf_printf(out, "%s ", name);
    else
        er_buf_printf(out, "%s{%s} ", name, labels);
}

void er_metrics_sample(struct er_buf *out, const char *name, const char *labels, uint64_t value)
{
    line(out, name, labels);
    er_buf_printf(out, "%" PRIu64 "\n", value);
}

static void seconds(struct er_buf *out, uint64_t ns)
{
    er_buf_printf(out, "%" PRIu64 ".%09" PRIu64, ns / 1000000000u, ns % 1000000000u);
}

void er_metrics_sample_ns(struct er_buf *out, const char *name, const char *labels, uint64_t ns)
{
    line(out, name, labels);
    seconds(out, ns);
    er_buf_addc(out, '\n');
}

void er_metrics_one(struct er_buf *out, const char *name, uint64_t value)
{
    er_metrics_head(out, name);
    er_metrics_sample(out, name, "", value);
}

void er_metrics_label(struct er_buf *labels, const char *key, struct er_str value)
{
    if (labels->n > 0)
        er_buf_addc(labels, ',');
    er_buf_printf(labels, "%s=\"", key);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c == '\\' || c == '"')
            er_buf_addc(labels, '\\');
        if (c == '\n')
            er_buf_add(labels, ER_STR("\\n"));
        else
            er_buf_addc(labels, c);
    }
    er_buf_addc(labels, '"');
}

static uint64_t sum_of(const struct er_counters *const *workers, size_t n, size_t offset)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += er_counter_read((const _Atomic uint64_t *)(const void *)((const char *)workers[i] + offset));
    return sum;
}

static void histogram(struct er_buf *out, const char *name, const struct er_counters *const *workers, size_t n, size_t offset)
{
    uint64_t count = 0;

    er_metrics_head(out, name);
    for (unsigned i = 0; i < ER_HISTOGRAM_BUCKETS; i++) {
        uint64_t bound = er_histogram_bound(i);

        count += sum_of(workers, n, offset + offsetof(struct er_histogram, buckets) + i * sizeof(uint64_t));
        er_buf_printf(out, "%s_bucket{le=\"", name);
        if (bound == UINT64_MAX)
            er_buf_add(out, ER_STR("+Inf"));
        else
            seconds(out, bound);
        er_buf_printf(out, "\"} %" PRIu64 "\n", count);
    }
    er_buf_printf(out, "%s_sum ", name);
    seconds(out, sum_of(workers, n, offset + offsetof(struct er_histogram, sum_ns)));
    er_buf_printf(out, "\n%s_count %" PRIu64 "\n", name, count);
}

void er_metrics_counters(struct er_buf *out, const struct er_counters *const *workers, size_t n)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
            head(out, rows[i].name, rows[i].type, rows[i].help);
        er_metrics_sample(out, rows[i].name, rows[i].label, sum_of(workers, n, rows[i].offset));
    }
    histogram(out, "eventrouter_event_latency_seconds", workers, n, offsetof(struct er_counters, latency));
    histogram(out, "eventrouter_batch_seconds", workers, n, offsetof(struct er_counters, batch));
    histogram(out, "eventrouter_transaction_commit_seconds", workers, n, offsetof(struct er_counters, commit));
    histogram(out, "eventrouter_producer_renewal_seconds", workers, n, offsetof(struct er_counters, renewal));
}

/* The number after `name:` in /proc/self/status, in kB or as it is. */
static bool status_number(const char *name, uint64_t *value)
{
    FILE *file = fopen("/proc/self/status", "re");
    size_t length = strlen(name);
    char text[256];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(text, sizeof text, file) != NULL) {
        if (strncmp(text, name, length) == 0 && text[length] == ':') {
            *value = strtoull(text + length + 1, NULL, 10);
            found = true;
        }
    }
    (void)fclose(file);
    return found;
}

static uint64_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        n++;
    (void)closedir(directory);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

void er_metrics_process(struct er_buf *out, int64_t start_ms)
{
    struct rusage usage;
    struct rlimit limit;
    uint64_t value;

    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        er_metrics_head(out, "process_cpu_seconds_total");
        er_metrics_sample_ns(out, "process_cpu_seconds_total", "", timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime));
    }
    if (status_number("VmRSS", &value))
        er_metrics_one(out, "process_resident_memory_bytes", value * 1024);
    if (status_number("VmSize", &value))
        er_metrics_one(out, "process_virtual_memory_bytes", value * 1024);
    er_metrics_one(out, "process_open_fds", open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        er_metrics_one(out, "process_max_fds", (uint64_t)limit.rlim_cur);
    if (status_number("Threads", &value))
        er_metrics_one(out, "process_threads", value);
    er_metrics_head(out, "process_start_time_seconds");
    er_metrics_sample_ns(out, "process_start_time_seconds", "", (uint64_t)start_ms * 1000000u);
}
