/* The topics that one worker writes to, and for whom. One owner, no lock.
 *
 *   subscriber uid -> target (id) --.
 *   subscriber uid -> target (id) ---+-> lane (topic): waiting copies, quota, breaker
 *   dead-letter, unmatched topic -------> lane
 *
 * Two targets share a lane when a topic passed from one subscriber to another: order holds within a topic.
 *
 * The breaker of a lane: closed --permanent error--> open --back-off over--> ensure (topic looked for or made) --answer--> half
 * open
 * --one copy delivered--> closed; any failure on the way --> open with twice the back-off.
 */
#ifndef ER_ROUTER_DESTINATION_H
#define ER_ROUTER_DESTINATION_H

#include "router/copy.h"
#include "router/worker.h"

/* What stands between a waiting copy and the sink. Plain data for the worker. */
struct er_lane {
    struct er_str name; /* zero terminated */
    struct er_sink_topic *topic;
    struct er_copies waiting;      /* in order; nothing is sent past it */
    struct er_copy *last_returned; /* hint for er_copies_insert; in waiting */
    uint64_t next_order;
    size_t sent; /* copies that the sink has */
    size_t sent_bytes;
    int64_t heard_at;   /* last report, or the first copy after none was with the sink */
    int64_t inspect_at; /* not asked about before */
    uint32_t too_large; /* exactly-once: smallest size (key and value) that was refused for its size; 0: none */
    uint32_t max_bytes; /* that the topic takes in one batch; 0: not known */
    uint32_t extra;     /* the most that headers and framing added to key and value of a copy */
    bool asked;         /* about max_bytes, and nothing has come up since */
    int64_t ask_at;     /* not asked before */
    int64_t described_at;
    unsigned size_refusals; /* in a row, of copies that were alone: from a few on, what may be too large is not tried */
    int64_t size_probe_at;  /* but one is then */
    int64_t size_probe_ns;
    bool capped;      /* it has refused a batch of small copies: no more at once than one batch may have */
    size_t suspects;  /* waiting copies that go one at a time */
    bool settling;    /* something came back: nothing is sent until sent = 0, so that nothing overtakes it */
    bool recalled;    /* the sink was asked to give back what it has: likewise, some of it may come back */
    bool cautious;    /* after a failure: one at a time until one is delivered */
    int64_t retry_at; /* nothing is sent before */
    int64_t retry_ns; /* last back-off; 0: none */
    enum er_breaker_state breaker;
    bool probe_out;
    int64_t probe_at; /* open: when to look again; ensure: when to stop waiting for the answer */
    int64_t probe_ns;
    int64_t broken_at; /* not closed: since when */
    enum er_code code; /* why the breaker opened */
    const char *text;  /* static */
    bool keep;         /* never swept: dead-letter and unmatched topic */
    size_t targets;
    size_t active_at; /* position in er_destinations.active, or ER_INACTIVE */
    uint64_t hash;
};
#define ER_INACTIVE ((size_t)-1)

struct er_target {
    struct er_str id; /* subscriber */
    uint64_t uid;
    struct er_lane *lane;
    size_t copies; /* that refer to it */
    uint32_t age;  /* er_destinations.age when it was last used */
};

struct er_destinations {
    struct er_sink sink;
    struct er_target **targets; /* open addressing by uid */
    size_t targets_capacity, n_targets;
    struct er_lane **lanes; /* open addressing by hash of the name */
    size_t lanes_capacity, n_lanes;
    struct er_lane **active; /* lanes with waiting copies or a breaker that is not closed; room for all lanes */
    size_t n_active, active_capacity;
    struct er_note **notes; /* by hash of their text, later ones in place of earlier ones; NULL: none yet */
    uint32_t age;
};

void er_destinations_init(struct er_destinations *table, struct er_sink sink);
void er_destinations_fini(struct er_destinations *table); /* closes the topics */

/* The subscriber's entry, made when new; NULL without memory. Valid while it has copies, or until the next sweep. */
struct er_target *er_destinations_target(struct er_destinations *table, const struct er_subscriber *subscriber);

/* A note of that text, with a reference for the caller: mostly one that other copies have. NULL without memory. */
struct er_note *er_destinations_note(struct er_destinations *table, struct er_str text);

/* The lane of a topic, made when new; NULL without memory. */
struct er_lane *er_destinations_lane(struct er_destinations *table, struct er_str name);
/* The same, NULL when there is none. */
struct er_lane *er_destinations_find(const struct er_destinations *table, struct er_str name);

/* Ages the table by one; forgets targets not used since the sweep before the last one, and lanes without targets that are idle. */
void er_destinations_sweep(struct er_destinations *table);

/* The sink is asked to give back what it has of all topics. */
void er_destinations_recalled(struct er_destinations *table);

/* The list of lanes that need attention. */
void er_lane_activate(struct er_destinations *table, struct er_lane *lane);
void er_lane_deactivate(struct er_destinations *table, struct er_lane *lane);

/* May the first waiting copy (or a new one, when nothing waits) of that size go to the sink now? */
bool er_lane_may_send(const struct er_lane *lane, const struct er_worker_limits *limits, size_t bytes, int64_t now);

/* Back-off before the next attempt: doubles from min to max, over a success of the lane. */
void er_lane_back_off(struct er_lane *lane, const struct er_worker_limits *limits, int64_t now);

/* Breaker events. They return true when the state changed (and then the caller tells hooks.breaker). */
bool er_breaker_fail(struct er_lane *lane, const struct er_worker_limits *limits,
                     int64_t now); /* permanent error or failed probe */
bool er_breaker_due(struct er_lane *lane, const struct er_worker_limits *limits,
                    int64_t now);            /* time passed: ENSURE or OPEN again */
bool er_breaker_found(struct er_lane *lane); /* the topic is there: HALF_OPEN */
bool er_breaker_close(struct er_lane *lane); /* a probe was delivered */

#endif
