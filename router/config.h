/* Configuration: one table of options drives file, environment, -o, --check-config, --print-config and docs. */
#ifndef ER_ROUTER_CONFIG_H
#define ER_ROUTER_CONFIG_H

#include <stdint.h>
#include <stdio.h>
#include "rules/base/buf.h"
#include "rules/base/err.h"

enum er_delivery { ER_DELIVERY_AT_LEAST_ONCE, ER_DELIVERY_EXACTLY_ONCE };
enum er_provenance { ER_PROVENANCE_SOURCE, ER_PROVENANCE_FULL, ER_PROVENANCE_OFF };
enum er_log_level { ER_LOG_ERROR, ER_LOG_WARN, ER_LOG_INFO, ER_LOG_DEBUG };
enum er_log_format { ER_LOG_LOGFMT, ER_LOG_JSON };

/* One librdkafka property that the user set. */
struct er_property {
    const char *name;
    const char *value;
    const char *origin; /* "default", "FILE:LINE", "environment NAME" or "-o"; error lines begin with "ORIGIN: error[...]: " */
};
struct er_properties {
    const struct er_property *items;
    size_t n;
};

/* Read-only after loading; strings are zero terminated and live as long as the configuration. */
struct er_config {
    const char *group;
    const char *instance; /* "" = automatic */
    enum er_delivery delivery;
    bool guard_off;   /* router.guard */
    unsigned workers; /* 0 = automatic */
    uint64_t shutdown_timeout_ms;
    const char *const *topics; /* source.topics */
    size_t n_topics;
    bool start_latest;
    const char *type_path;
    size_t max_bytes;
    size_t max_depth;
    bool reject_duplicate_keys;
    const char *destination_template;
    int32_t destination_partitions;
    int32_t destination_replication;
    bool destination_create;
    enum er_provenance provenance;
    const char *dead_letter_topic;
    const char *unmatched_topic; /* "" = count only */
    const char *store_path;
    const char *admin_socket;
    unsigned admin_mode;
    size_t admin_bulk_bytes;
    const char *http_listen; /* "" = off */
    size_t unindexed_rules;
    uint64_t event_time_ns;
    uint64_t regex_time_ns;
    enum er_log_level log_level;
    enum er_log_format log_format;
    struct er_properties kafka;    /* [kafka]: both clients */
    struct er_properties consumer; /* [kafka.consumer] */
    struct er_properties producer; /* [kafka.producer] */
};

struct er_config_input {
    const char *file;             /* -c FILE; NULL = /etc/eventrouter/eventrouter.ini if it exists */
    const char *const *overrides; /* -o section.key=value */
    size_t n_overrides;
    char *const *environment; /* envp */
};

/* Reads and checks everything; each error is one line "file:line: error[E701]: what; what to do" in errors (many at once).
 * Returns owned in *out. With ER_E_CONFIG* it is there too, with defaults in place of what is bad: fit for more checks, not for running.
 * ER_E_NOMEM: *out is NULL. librdkafka properties are checked separately (er_router_check_kafka). */
enum er_code er_config_load(const struct er_config_input *input, struct er_config **out, struct er_buf *errors) ER_MUST_CHECK;
void er_config_free(struct er_config *config);

/* Must the value of this librdkafka property never be shown (password, secret, token, private key, ...)? */
bool er_property_is_secret(const char *name);

/* Every key with its value as text, one line, secrets masked; valid for the call. In the order of --print-config. */
struct er_config_item {
    struct er_str key;   /* "section.key" */
    struct er_str value; /* as the user wrote it, or the default */
    const char *origin;
    bool secret;
};
typedef void er_config_item_cb(void *ctx, const struct er_config_item *item);
void er_config_each(const struct er_config *config, er_config_item_cb *cb, void *ctx); /* without memory it ends early */

/* --print-config: one line per key, "section.key = value  ; origin", secrets as "****". */
void er_config_print(const struct er_config *config, struct er_buf *out);

#endif
