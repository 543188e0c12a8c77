/* What the admin side may ask of the daemon: the only way from admin/ to the router. main.c fills it.
 * Every function runs on the main thread and does not block. */
#ifndef ER_ADMIN_ENV_H
#define ER_ADMIN_ENV_H

#include "rules/base/json_write.h"
#include "rules/engine/ruleset.h"
#include "rules/store/change.h"
#include "rules/store/letters.h"

/* A request that was answered. Texts are zero terminated, bounded and printable; "-" when the request could not be read. */
struct er_admin_access {
    const char *method, *path;
    int status;
    size_t bytes; /* of the answer's body */
    uint64_t duration_us;
    int64_t uid; /* of the peer; -1 on the TCP listener */
};

/* How a destination is. */
struct er_admin_destination {
    const char *breaker; /* static: "closed", "open", "ensure", "half-open" */
    enum er_code code;   /* why it is not closed; ER_OK: it is */
    char reason[160];
    int64_t since_ms; /* Unix time since when; 0: it is closed */
    int64_t probe_ms; /* Unix time of the next probe; 0: none is planned */
    uint64_t waiting; /* copies held back */
    bool ready;       /* the topic is known to exist */
};

struct er_admin_env {
    void *ctx; /* first argument of every function */
    struct er_store *store;
    struct er_ruleset *ruleset; /* as active on all workers; the main thread is its writer */
    const struct er_plan_policy *policy;
    const char *dead_letter_topic;

    /* Queues a change; request->done is called once, at the latest after the Kafka and shutdown deadlines. */
    void (*submit)(void *ctx, struct er_change_request *request);
    /* Asks about dead letters; request->done is called once, within some ten seconds. */
    void (*letters)(void *ctx, struct er_letters_request *request);
    /* How the topic of a subscriber is, as of a moment ago. */
    void (*destination)(void *ctx, struct er_str subscriber, struct er_str topic, struct er_admin_destination *out);
    /* Writes members of the status object (the caller opened it): revision, state, workers, assignments, lag, counters. */
    void (*status)(void *ctx, struct er_json_writer *w);
    /* Is the router ready (rules active, group joined, not draining)? Adds one object {"name","ok","detail"} per check to the array
     * that the caller opened; w may be NULL. */
    bool (*ready)(void *ctx, struct er_json_writer *w);
    /* Appends the Prometheus text exposition (format 0.0.4). */
    void (*metrics)(void *ctx, struct er_buf *out);
    /* True from the first moment of a shutdown: changes are answered 503. */
    bool (*draining)(void *ctx);
    /* One log line. */
    void (*log)(void *ctx, const struct er_admin_access *access);
    /* Members of the configuration's object (the caller opened it): log_level, items. */
    void (*config)(void *ctx, struct er_json_writer *w);
    /* false: there is no such level. *was: static. */
    bool (*log_level)(void *ctx, struct er_str level, const char **was);
    /* Reads the configuration again; what can change does, unless dry_run. Members: applied, restart. With ER_E_CONFIG* one line per error, and
     * w as it was. */
    enum er_code (*reload)(void *ctx, bool dry_run, struct er_json_writer *w, struct er_buf *errors);
    /* Begins the graceful stop, as SIGTERM does; again is harmless. */
    void (*drain)(void *ctx);
    /* A failure that is not the answer to a request. */
    void (*warn)(void *ctx, const struct er_err *err);
};

#endif
