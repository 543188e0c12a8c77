/* What the files of the worker share: worker.c (life and step), worker_route.c (event -> copies), worker_deliver.c (copies ->
 * reports), worker_rebalance.c (partitions come and go), worker_txn.c (exactly-once), worker_stall.c (what stands still). */
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
    bool marked;                      /* er_worker.headers fit the next copy of the event too */
    size_t duplicate_keys, undecided; /* to be counted once it is routed */
};

/* A copy that was refused for itself: what becomes of it when its event is routed again. */
struct er_refusal {
    const struct er_window *window;
    uint64_t seq;
    const struct er_lane *lane;
    const struct er_target *target;
    enum er_code code;
    const char *text; /* static */
    uint32_t attempts;
    int64_t first_failed_ms;
    uint8_t kind; /* of the copy */
    uint8_t cut;  /* of a dead letter, for the next attempt, as is the next */
    bool retimed;
};
#define ER_REFUSALS 256

enum er_txn_state {
    ER_TXN_RENEWING, /* also at the start */
    ER_TXN_ASKING,   /* what became of the last transaction? */
    ER_TXN_IDLE,
    ER_TXN_OPEN,       /* events are routed into it */
    ER_TXN_COMMITTING, /* first until all is reported */
    ER_TXN_ABORTING,
    ER_TXN_ROLLING_BACK /* until the sink has given everything back */
};

/* The present transaction: the slots [base, routed) of all windows. */
struct er_worker_txn {
    bool on; /* exactly-once */
    enum er_txn_state state;
    uint64_t revision; /* that decides all its events */
    int64_t opened_at; /* its first event */
    int64_t abort_at;  /* aborting: not before all is reported, or then */
    int64_t asked_at;  /* to be committed */
    int64_t doubt_at;  /* the producer was given up; negative: the first one was not there yet */
    size_t events, bytes;
    size_t unrouted; /* slots that are to be routed again */
    size_t limit;    /* events; less than txn_events while a batch that aborts is being bisected */
    bool end;        /* no more events: commit */
    bool failed;     /* abort */
    bool bisect;     /* a record is to blame, and it was not alone */
    bool hopeless;   /* the dead-letter topic takes nothing */
    bool back_off;   /* the reason may pass */
    bool endless;    /* a partition of it has no leader, so it cannot be finished: only a new producer can go on */
    bool again;      /* the last call wants to be repeated */
    bool slow;       /* one had to be repeated since the last commit */
    bool asked;      /* to be committed: it may happen from now on */
    unsigned aborts; /* of the same events */
    int64_t retry_at, retry_ns;
    struct er_source_offset *offsets; /* as given to commit; room as er_worker.offsets */
    size_t n_offsets;
    struct er_counters tally; /* of the transaction; added to the worker's when it is committed */
    bool capped;              /* a lane was: the batch was to blame, not a record */
    size_t risky_from;        /* no copy of fewer bytes (key and value) may be too large for anybody */
    struct er_refusal refusals[ER_REFUSALS];
    size_t n_refusals;
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
    int64_t stall_at;                 /* next look */
    size_t aside_events, aside_bytes; /* of partitions that are held: they do not count against the others' limits */
    bool sink_full;                   /* in this step */
    bool dead_letter_down;
    enum er_code dead_absent; /* exactly-once: dead letters have nowhere to go, and why; ER_OK: they are tried */
    int64_t dead_ask_at;      /* whether that is still so */
    bool lanes_shown;         /* the surroundings know of trouble */
    int64_t lanes_at;         /* when they hear of it next */

    struct er_counters *tally; /* for what only counts once it is final */
    struct er_worker_txn txn;
};

/* worker_route.c: routes what is left of the batch as far as limits allow; true if it routed anything. */
bool er_worker_route(struct er_worker *w);
bool er_worker_window_full(const struct er_worker *w);
bool er_worker_route_again(struct er_worker *w, struct er_window *window); /* its slot `routed`; false: no memory now */

/* worker_deliver.c */
void er_worker_submit(struct er_worker *w, struct er_copy *copy); /* a new copy, counted in its slot, window and target */
bool er_worker_take_reports(struct er_worker *w);                 /* true if there were any */
void er_worker_pump(struct er_worker *w);                         /* sends what waits and may go; breaker timers */
void er_worker_slot_down(struct er_worker *w, struct er_window *window, uint64_t seq); /* one thing less to wait for */
void er_worker_drop_waiting(struct er_worker *w, const struct er_window *window);      /* forgets its waiting copies; NULL: all */
void er_worker_account(struct er_worker *w, const struct er_slot *slot);               /* the outcome of its event is final */

void er_worker_recall(struct er_worker *w); /* what the sink has not sent yet comes back; in a transaction, or to keep an order */
void er_worker_open_breaker(struct er_worker *w, struct er_lane *lane, enum er_code code, const char *text); /* text: static */
void er_worker_set_health(struct er_worker *w, bool ok, const char *text); /* of the dead-letter topic */

/* worker_size.c */
/* Why it is not even tried: too large for certain, or like others that were. NULL: it is tried. */
const char *er_worker_foresees(struct er_worker *w, const struct er_copy *copy, const struct er_record *record);
bool er_worker_is_risky(const struct er_worker *w, const struct er_copy *copy); /* it may be too large */
/* A refusal for size; true: its batch was to blame, and there will be no such any more. And a delivery. */
bool er_worker_size_refused(struct er_worker *w, const struct er_copy *copy, bool alone);
void er_worker_size_taken(const struct er_worker *w, const struct er_copy *copy);

/* worker_stall.c */
void er_worker_look_for_stalls(struct er_worker *w);

/* worker_rebalance.c */
void er_worker_begin_rebalance(struct er_worker *w, const struct er_source_event *event);
void er_worker_serve_rebalance(struct er_worker *w);
void er_worker_detach(struct er_worker *w, uint32_t index);
void er_worker_drop_batch(struct er_worker *w, bool all); /* all, or only of partitions that are draining or gone */
void er_worker_sweep_detached(struct er_worker *w);

/* worker_txn.c; only when txn.on */
bool er_worker_txn_init(struct er_worker *w);
void er_worker_txn_step(struct er_worker *w);
bool er_worker_txn_may_route(const struct er_worker *w);
bool er_worker_txn_enter(struct er_worker *w, uint64_t revision);   /* pinned: may events be routed into the transaction now? */
void er_worker_txn_route_again(struct er_worker *w, int64_t until); /* what is unrouted and not blocked */
bool er_worker_txn_admits(struct er_worker *w, const struct er_copies *plan); /* false: not together with what is in it */
void er_worker_txn_joined(struct er_worker *w, const struct er_slot *slot);   /* an event was routed */
void er_worker_txn_blame(struct er_worker *w, const struct er_copy *copy, enum er_sink_result result, const char *text);
const struct er_refusal *er_worker_txn_refusal(const struct er_worker *w, const struct er_copy *copy); /* NULL: none */
/* Abort. Hopeless: because of its dead letters; otherwise it goes again without delay. */
void er_worker_txn_fail(struct er_worker *w, bool hopeless);
void er_worker_txn_wind_up(struct er_worker *w,
                           bool hurry);                   /* lets it end; in a hurry: never commit, and partitions may go at once */
bool er_worker_txn_is_settled(const struct er_worker *w); /* nobody's outcome is open */
bool er_worker_txn_is_cut_off(const struct er_worker *w); /* only a new producer, which may take long, can end it */
bool er_worker_txn_is_through(const struct er_worker *w); /* nothing is to be routed again */
void er_worker_txn_detach(struct er_worker *w, struct er_window *window);
int64_t er_worker_txn_wait(const struct er_worker *w, int64_t wait_ns); /* no longer than that in the source */

/* Commits now what the windows (all, or only draining ones) have acknowledged. True: done, or given up after some tries. */
bool er_worker_commit(struct er_worker *w, bool all, int64_t deadline);

#endif
