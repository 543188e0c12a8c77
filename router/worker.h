/* One worker: takes records from a source, decides them with the rule set, gives copies to a sink, acknowledges what is delivered.
 *
 *   poll batch -> match -> copies -> reports -> window -> store / commit
 *
 * A worker has no thread, no lock and no clock of its own: its owner calls er_worker_step in a loop. All functions on the same
 * thread. At-least-once: an event is acknowledged (its offset stored) once each of its copies is delivered or dead-lettered.
 * Exactly-once (with transactions): copies and offsets of some events are committed together; after an abort they are routed again.
 */
#ifndef ER_ROUTER_WORKER_H
#define ER_ROUTER_WORKER_H

#include "router/clock.h"
#include "router/config.h"
#include "router/counters.h"
#include "router/sink.h"
#include "router/source.h"
#include "router/transaction.h"
#include "rules/engine/ruleset.h"

struct er_worker;

enum er_breaker_state {
    ER_BREAKER_CLOSED,   /* copies flow */
    ER_BREAKER_OPEN,     /* copies go to the dead-letter topic at once; waits for the next probe */
    ER_BREAKER_ENSURE,   /* the topic is being looked for or made; copies go to the dead-letter topic */
    ER_BREAKER_HALF_OPEN /* one copy is let through; its report decides */
};

const char *er_breaker_state_name(enum er_breaker_state state); /* "closed", "open", "ensure", "half-open" */

/* A destination that is not simply in order: its breaker is not closed, or copies wait for it. */
struct er_lane_view {
    struct er_str topic; /* zero terminated */
    enum er_breaker_state breaker;
    enum er_code code; /* why it is not closed; ER_OK: it is */
    const char *text;  /* the same for people; "" */
    int64_t since_ms;  /* Unix time of the failure that opened it; 0: closed */
    int64_t probe_ms;  /* Unix time of the next probe; 0: none is planned (closed, or one is under way) */
    uint64_t waiting;  /* copies, not with the sink */
};

/* How the worker speaks to its surroundings; called from within er_worker_step. No member may be NULL, none may wait. */
struct er_worker_hooks {
    void *ctx;
    /* Asks for a topic to be found, or made if the router may make it. Answer once with er_worker_ensured, in a later step. */
    void (*ensure)(void *ctx, struct er_str topic);
    /* Asks whether a topic has a leader for each partition. Answer with er_worker_inspected. */
    void (*inspect)(void *ctx, struct er_str topic);
    /* Asks how large a batch the topic takes. Answer with er_worker_described. */
    void (*describe)(void *ctx, struct er_str topic);
    /* A destination's breaker changed; text says why (never NULL). */
    void (*breaker)(void *ctx, struct er_str topic, enum er_breaker_state state, const char *text);
    /* All destinations with trouble (an excerpt when there are very many), after a breaker's change and else a few times a second while
     * there are any; n = 0: the last one is in order again. */
    void (*lanes)(void *ctx, const struct er_lane_view *views, size_t n);
    /* The dead-letter topic became unwritable (false) or writable again (true): health. */
    void (*dead_letter_health)(void *ctx, bool ok, const char *text);
};

struct er_worker_limits {
    size_t batch;         /* records per poll */
    size_t window_events; /* read and not acknowledged */
    size_t window_bytes;
    size_t window_copies;  /* not reported */
    size_t topic_messages; /* queued in the sink for one destination */
    size_t topic_bytes;
    int64_t idle_wait_ns; /* longest poll when nothing is in flight */
    int64_t busy_wait_ns; /* ... when reports are awaited */
    int64_t hurry_ns;     /* longest wait for reports when there is nothing more to read; 0 = then copies linger on in the sink */
    int64_t hurry_gap_ns; /* between two hurries while not everything is reported; doubles twice */
    int64_t pin_ns;       /* longest time of routing before reports are looked at, plus some events */
    int64_t revoke_ns;    /* for finishing what is in flight when partitions are revoked */
    int64_t commit_ns;    /* for one synchronous commit */
    int64_t probe_min_ns; /* of an open breaker; doubles up to */
    int64_t probe_max_ns;
    int64_t retry_min_ns; /* before a copy is sent again; doubles up to */
    int64_t retry_max_ns;
    int64_t stall_ns;     /* without progress, before a destination or a source partition is looked after */
    size_t txn_events;    /* a transaction ends with so many events, */
    size_t txn_bytes;     /* so many bytes of them, */
    int64_t txn_ns;       /* or so long after its first one */
    int64_t txn_slice_ns; /* longest wait in one call about transactions */
};
struct er_worker_limits er_worker_default_limits(void);

struct er_worker_options {
    struct er_source source;
    struct er_sink sink;
    struct er_txn txn; /* without ops: at-least-once */
    struct er_clock clock;
    struct er_worker_hooks hooks;
    struct er_worker_limits limits;
    struct er_ruleset *ruleset;   /* outlives the worker */
    struct er_counters *counters; /* zeroed; outlives the worker */
    enum er_provenance provenance;
    bool compressed;               /* the sink compresses: how large a record arrives is not known before */
    const char *dead_letter_topic; /* copied, as is the next */
    const char *unmatched_topic;   /* "" = count only */
};

/* Errors: ER_E_NOMEM, and those of er_matcher_new. */
enum er_code er_worker_new(const struct er_worker_options *options, struct er_worker **out, struct er_err *err) ER_MUST_CHECK;

/* Purges the sink, takes the last reports (at most a second), closes topics, releases records. Source and sink must still work. */
void er_worker_free(struct er_worker *worker);

enum er_worker_state {
    ER_WORKER_RUNNING,
    ER_WORKER_STOPPING,
    ER_WORKER_STOPPED /* everything finished and committed, or the deadline passed; er_worker_step does nothing more */
};

/* Does what can be done now, waits in the source's poll if there is nothing else. Call again at once. */
enum er_worker_state er_worker_step(struct er_worker *worker);

/* Graceful stop: no more reading; what is in flight is finished and committed, until deadline_ns (monotonic). */
void er_worker_stop(struct er_worker *worker, int64_t deadline_ns);

/* The answer to hooks.ensure: ER_OK = the topic exists; otherwise the reason. */
void er_worker_ensured(struct er_worker *worker, struct er_str topic, enum er_code code, const char *text);

/* The answer to hooks.inspect: ER_OK, ER_E_DESTINATION_LEADERLESS, ER_E_DESTINATION_MISSING, or whatever is not known. */
void er_worker_inspected(struct er_worker *worker, struct er_str topic, enum er_code code);

/* The answer to hooks.describe: max.message.bytes of the topic; 0 = not known, and it is not asked again before the topic refuses a size. */
void er_worker_described(struct er_worker *worker, struct er_str topic, uint32_t max_bytes);

/* Events in flight now; 0 after a clean stop. */
size_t er_worker_in_flight(const struct er_worker *worker);

#endif
