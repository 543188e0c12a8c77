/* What the files of the worker share: worker.c (life and step), worker_route.c (event -> copies), worker_deliver.c (copies ->
 * reports), worker_rebalance.c (partitions come and go). */
#ifndef ER_ROUTER_WORKER_INTERNAL_H
#define ER_ROUTER_WORKER_INTERNAL_H

#include "router/destination.h"
#include "router/worker.h"
#include "rules/engine/match.h"

/* The event that copies are being made of: while it is routed, or read again later. */
struct er_current {
    struct er_window *window; /* NULL: none */
    uint64_t seq;
    const struct er_record *record;
    struct er_record loaded; /* what record points to when it was read again */
    struct er_str source;    /* "topic/partition/offset" in source_text */
    char source_text[ER_SOURCE_TEXT_MAX];
    unsigned hops;
    struct er_provenance_marks marks;
    bool marked; /* er_worker.headers fit the next copy of the event too */
};

struct er_worker {
    struct er_worker_options o; /* strings owned */
    struct er_matcher *matcher;
    struct er_destinations destinations;
    struct er_lane *dead_lane;
    struct er_lane *unmatched_lane; /* NULL: count only */
    struct er_copy_pool pool;
    struct er_headers headers;
    struct er_buf ids; /* of one copy, joined */
    struct er_dead_letter_scratch dead_letter;
    struct er_current current;
    enum er_worker_state state;
    int64_t now; /* monotonic, read once per step (and while a long batch is routed) */

    struct er_window **windows;       /* by the source's index; NULL = not assigned */
    struct er_source_offset *offsets; /* room for all of them */
    size_t n_windows;                 /* length of both */
    struct er_window *detached;
    size_t events, bytes; /* in flight */
    size_t waiting;       /* copies in lanes */

    struct er_source_record *batch;
    size_t batch_at, batch_n;
    int64_t put_off_until; /* no memory: not routed before */

    struct er_source_event event; /* pending rebalance */
    size_t event_at;              /* partitions of it that are done (assigned) */
    int64_t event_deadline;
    int64_t stop_deadline;
    unsigned commit_tries;
    int64_t commit_at; /* next try of a synchronous commit */

    bool fresh;        /* something was given to the sink since it was hurried */
    bool unsettled;    /* the sink was hurried and has not reported everything */
    int64_t hurry_gap; /* between this hurry and the next */
    int64_t hurry_at;  /* not before, while unsettled */
    int64_t sweep_at;
    bool sink_full; /* in this step */
    bool dead_letter_down;
};

/* worker_route.c: routes what is left of the batch as far as limits allow; true if it routed anything. */
bool er_worker_route(struct er_worker *w);
bool er_worker_window_full(const struct er_worker *w);

/* worker_deliver.c */
void er_worker_submit(struct er_worker *w, struct er_copy *copy); /* a new copy, counted in its slot, window and target */
bool er_worker_take_reports(struct er_worker *w);                 /* true if there were any */
void er_worker_pump(struct er_worker *w);                         /* sends what waits and may go; breaker timers */
void er_worker_slot_down(struct er_worker *w, struct er_window *window, uint64_t seq); /* one thing less to wait for */
void er_worker_drop_waiting(struct er_worker *w, struct er_window *window); /* forgets waiting copies of a detached window */

/* worker_rebalance.c */
void er_worker_begin_rebalance(struct er_worker *w, const struct er_source_event *event);
void er_worker_serve_rebalance(struct er_worker *w);
void er_worker_detach(struct er_worker *w, uint32_t index);
void er_worker_drop_batch(struct er_worker *w, bool all); /* all, or only of partitions that are draining or gone */
void er_worker_sweep_detached(struct er_worker *w);

/* Commits now what the windows (all, or only draining ones) have acknowledged. True: done, or given up after some tries. */
bool er_worker_commit(struct er_worker *w, bool all, int64_t deadline);

#endif
