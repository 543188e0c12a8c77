/* A worker with its thread, its consumer and its producer; and the mailboxes between it and the main thread.
 *
 *   worker thread: hooks.ensure -> asks --eventfd--> main thread: er_worker_thread_each_ask
 *   worker thread: er_worker_ensured <- answers <-- main thread: er_worker_thread_answer
 *
 * All functions: main thread.
 */
#ifndef ER_ROUTER_WORKER_THREAD_H
#define ER_ROUTER_WORKER_THREAD_H

#include "router/kafka_source.h"
#include "router/worker.h"

struct er_worker_thread;

struct er_worker_thread_options {
    const struct er_config *config; /* borrowed, as are log and ruleset */
    struct er_log *log;
    struct er_ruleset *ruleset;
    unsigned index;
    int wakeup_fd; /* written when there are asks, and at the end */
};

/* Makes consumer, producer and worker, joins the group. Errors: of er_kafka_source_new, er_kafka_sink_new, er_worker_new; ER_E_SYSTEM. */
enum er_code er_worker_thread_start(const struct er_worker_thread_options *options, struct er_worker_thread **out,
                                    struct er_err *err) ER_MUST_CHECK;

/* Graceful: what is in flight is finished until finish_ms, the group is left until leave_ms (er_clock_ms). */
void er_worker_thread_stop(struct er_worker_thread *thread, uint64_t finish_ms, uint64_t leave_ms);
bool er_worker_thread_stopped(const struct er_worker_thread *thread);
/* Waits for the thread's end; stops it at once when nobody did. */
void er_worker_thread_free(struct er_worker_thread *thread);

/* Topics that the worker asked about since the last call; each wants an answer. */
enum er_worker_ask_kind { ER_ASK_ENSURE, ER_ASK_INSPECT, ER_ASK_DESCRIBE }; /* as the hooks of the worker */
struct er_worker_ask {
    struct er_str topic;
    enum er_worker_ask_kind kind;
};
struct er_worker_answer {
    enum er_code code;
    const char *text;   /* copied */
    uint32_t max_bytes; /* describe: 0 = not known */
};
typedef void er_worker_ask_cb(void *ctx, struct er_worker_thread *thread, const struct er_worker_ask *ask);
void er_worker_thread_each_ask(struct er_worker_thread *thread, er_worker_ask_cb *cb, void *ctx);
/* Without memory the answer is lost, and the worker asks again after its own back-off. */
void er_worker_thread_answer(struct er_worker_thread *thread, const struct er_worker_ask *ask,
                             const struct er_worker_answer *answer);

const struct er_counters *er_worker_thread_counters(const struct er_worker_thread *thread);
uint64_t er_worker_thread_producers_replaced(const struct er_worker_thread *thread);
void er_worker_thread_source_state(struct er_worker_thread *thread, struct er_kafka_source_state *out);
void er_worker_thread_positions(struct er_worker_thread *thread, er_kafka_position_cb *cb, void *ctx);

/* Is the dead-letter topic writable for this worker? text (256 bytes): why not. */
bool er_worker_thread_dead_letter_ok(struct er_worker_thread *thread, char *text, size_t size);

/* Destinations with trouble, as of a moment ago. */
typedef void er_lane_cb(void *ctx, const struct er_lane_view *view); /* valid for the call */
void er_worker_thread_each_lane(struct er_worker_thread *thread, er_lane_cb *cb, void *ctx);

#endif
