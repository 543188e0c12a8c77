#include "router/worker.h"

#include <stdlib.h>
#include "router/worker_internal.h"
#include "rules/base/faults.h"

#define SWEEP_NS (300 * ER_S_NS)
#define DRAIN_WAIT_NS (1 * ER_MS_NS)
#define HURRY_GAPS 4
#define SHOW_NS (200 * ER_MS_NS) /* between two looks at destinations with trouble */
#define SHOWN_LANES 256

struct er_worker_limits er_worker_default_limits(void)
{
    return (struct er_worker_limits){
        .batch = 512,
        .window_events = 50000,
        .window_bytes = (size_t)64 << 20,
        .window_copies = 200000,
        .topic_messages = 19000,
        /* less than two batches (batch.size): librdkafka has one request of a partition under way, because it compares its limit of
         * five with messages, and 2.0.2 spins while another batch is ready */
        .topic_bytes = 1900000,
        .idle_wait_ns = 100 * ER_MS_NS,
        .busy_wait_ns = 5 * ER_MS_NS,
        .hurry_ns = 5 * ER_MS_NS,
        .hurry_gap_ns = 5 * ER_MS_NS,
        .pin_ns = 5 * ER_MS_NS,
        .revoke_ns = 10 * ER_S_NS,
        .commit_ns = 5 * ER_S_NS,
        .probe_min_ns = 1 * ER_S_NS,
        .probe_max_ns = 20 * ER_S_NS, /* a breaker is to close within 30 s */
        .retry_min_ns = 100 * ER_MS_NS,
        .retry_max_ns = 10 * ER_S_NS,
        .stall_ns = 1 * ER_S_NS, /* a breaker is to open within two */
        .txn_events = 5000,
        .txn_bytes = (size_t)32 << 20,
        .txn_ns = 100 * ER_MS_NS,
        .txn_slice_ns = 1 * ER_S_NS,
    };
}

static struct er_lane *open_lane(struct er_worker *w, const char *topic)
{
    struct er_lane *lane = er_destinations_lane(&w->destinations, er_str_of(topic));

    if (lane != NULL) {
        lane->keep = true;
    }
    return lane;
}

static bool worker_init(struct er_worker *w, const struct er_worker_options *options)
{
    bool unmatched = options->unmatched_topic != NULL && options->unmatched_topic[0] != '\0';

    w->o = *options;
    w->tally = options->counters;
    if (options->txn.ops != NULL && !er_worker_txn_init(w)) {
        return false;
    }
    w->sweep_at = er_clock_now(&options->clock) + SWEEP_NS;
    er_destinations_init(&w->destinations, options->sink);
    w->batch = calloc(options->limits.batch, sizeof *w->batch);
    w->dead_lane = open_lane(w, options->dead_letter_topic);
    w->unmatched_lane = unmatched ? open_lane(w, options->unmatched_topic) : NULL;
    /* The lanes hold copies of the names. */
    w->o.dead_letter_topic = w->o.unmatched_topic = NULL;
    return w->batch != NULL && w->dead_lane != NULL && (!unmatched || w->unmatched_lane != NULL);
}

static void worker_release(struct er_worker *w)
{
    er_matcher_free(w->matcher);
    er_destinations_fini(&w->destinations);
    er_copy_pool_free(&w->pool);
    er_headers_free(&w->headers);
    er_buf_free(&w->ids);
    er_dead_letter_scratch_free(&w->dead_letter);
    free(w->windows);
    free(w->offsets);
    free(w->txn.offsets);
    free(w->batch);
    free(w);
}

enum er_code er_worker_new(const struct er_worker_options *options, struct er_worker **out, struct er_err *err)
{
    struct er_worker *w = calloc(1, sizeof *w);
    enum er_code code;

    *out = NULL;
    if (w == NULL || !worker_init(w, options)) {
        code = er_err_set(err, ER_E_NOMEM, "no memory for a worker");
        goto fail;
    }
    code = er_matcher_new(options->ruleset, &w->matcher, err);
    if (code != ER_OK) {
        goto fail;
    }
    *out = w;
    return ER_OK;
fail:
    if (w != NULL) {
        worker_release(w);
    }
    return code;
}

void er_worker_free(struct er_worker *w)
{
    if (w == NULL) {
        return;
    }
    er_worker_drop_batch(w, true);
    for (uint32_t i = 0; i < w->n_windows; i++) {
        if (w->windows[i] != NULL) {
            er_worker_detach(w, i);
        }
    }
    w->o.sink.ops->purge(w->o.sink.ctx);
    while (er_worker_take_reports(w)) {
    }
    er_worker_sweep_detached(w);
    if (w->pool.taken > 0) {
        return; /* the sink broke its promise and still points into the pool: better to leak than to let it write there */
    }
    worker_release(w);
}

void er_worker_account(struct er_worker *w, const struct er_slot *slot)
{
    struct er_counters *n = w->o.counters;

    er_count(&n->received, 1);
    er_count(&n->received_bytes, slot->bytes);
    if (!slot->dead_lettered || !ER_PLANTED("dead-letters-not-counted")) {
        er_count(slot->dead_lettered ? &n->dead_lettered : slot->delivered ? &n->routed : &n->unmatched, 1);
    }
    w->events--;
    w->bytes -= slot->held;
}

/* Counts and acknowledges what is finished at the front of each window. */
static void acknowledge(struct er_worker *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];
        const struct er_slot *slot;

        if (window == NULL) {
            continue;
        }
        while ((slot = er_window_finished(window)) != NULL) {
            er_worker_account(w, slot);
            er_window_pop(window);
        }
        if (window->dirty || ER_PLANTED("commit-before-outputs")) {
            w->offsets[n++] = (struct er_source_offset){ window->index, er_window_committable(window) };
            window->dirty = false;
        }
    }
    if (n > 0) {
        ER_FAILPOINT("before-store");
        w->o.source.ops->store(w->o.source.ctx, w->offsets, n);
        ER_FAILPOINT("after-store");
    }
}

static struct er_lane_view view_of(const struct er_worker *w, const struct er_lane *lane, int64_t wall)
{
    bool closed = lane->breaker == ER_BREAKER_CLOSED;

    return (struct er_lane_view){
        .topic = lane->name,
        .breaker = lane->breaker,
        .code = closed ? ER_OK : lane->code,
        .text = closed ? "" : lane->text,
        .since_ms = closed ? 0 : wall - (w->now - lane->broken_at) / ER_MS_NS,
        .probe_ms = lane->breaker == ER_BREAKER_OPEN ? wall + (lane->probe_at - w->now) / ER_MS_NS : 0,
        .waiting = lane->waiting.n,
    };
}

/* Those whose breaker is not closed go first. */
static void show_lanes(struct er_worker *w)
{
    const struct er_destinations *table = &w->destinations;
    struct er_lane_view views[SHOWN_LANES];
    int64_t wall;
    size_t n = 0;

    if (w->now < w->lanes_at || (table->n_active == 0 && !w->lanes_shown)) {
        return;
    }
    wall = er_clock_wall(&w->o.clock);
    for (size_t i = 0; i < 2 * table->n_active && n < SHOWN_LANES; i++) {
        const struct er_lane *lane = table->active[i % table->n_active];
        bool closed = lane->breaker == ER_BREAKER_CLOSED;

        if (closed == (i >= table->n_active) && (!closed || lane->waiting.n > 0)) {
            views[n++] = view_of(w, lane, wall);
        }
    }
    w->o.hooks.lanes(w->o.hooks.ctx, views, n);
    w->lanes_shown = n > 0;
    w->lanes_at = w->now + SHOW_NS;
}

static void show(struct er_worker *w)
{
    struct er_counters *n = w->o.counters;
    size_t partitions = 0, open = 0, held = 0;

    for (size_t i = 0; i < w->n_windows; i++) {
        partitions += w->windows[i] != NULL;
        held += w->windows[i] != NULL && w->windows[i]->held;
    }
    for (size_t i = 0; i < w->destinations.n_active; i++) {
        open += w->destinations.active[i]->breaker != ER_BREAKER_CLOSED;
    }
    er_gauge(&n->partitions, partitions);
    er_gauge(&n->in_flight_events, w->events);
    er_gauge(&n->in_flight_bytes, w->bytes);
    er_gauge(&n->in_flight_copies, w->pool.taken);
    er_gauge(&n->waiting_copies, w->waiting);
    er_gauge(&n->breakers_open, open);
    er_gauge(&n->back_pressure, er_worker_window_full(w));
    er_gauge(&n->held_partitions, held);
    er_gauge(&n->dead_letter_down, w->dead_letter_down);
    show_lanes(w);
}

/* The last part of the deadline belongs to the commit. */
static bool time_to_commit(const struct er_worker *w)
{
    int64_t reserve = w->o.limits.commit_ns / 4;

    return ER_PLANTED("drain-exits-early") || w->events == 0 || w->now >= w->stop_deadline - reserve;
}

static void serve_stop(struct er_worker *w)
{
    if (w->txn.on) {
        bool hurry = time_to_commit(w) && w->events > 0;
        bool done;

        er_worker_txn_wind_up(w, hurry);
        done = w->event.kind == ER_REBALANCE_NONE && (er_worker_txn_is_settled(w) || (hurry && er_worker_txn_is_cut_off(w)));
        w->state = done || w->now >= w->stop_deadline ? ER_WORKER_STOPPED : w->state;
        return;
    }
    if (w->event.kind == ER_REBALANCE_REVOKED && time_to_commit(w) && w->event_deadline > w->now) {
        w->event_deadline = w->now; /* no time left to wait for more: what is acknowledged is committed now */
        er_worker_serve_rebalance(w);
    }
    if (w->event.kind == ER_REBALANCE_NONE && time_to_commit(w) && er_worker_commit(w, true, w->stop_deadline)) {
        w->state = ER_WORKER_STOPPED;
    }
    if (w->now >= w->stop_deadline) {
        w->state = ER_WORKER_STOPPED;
    }
}

/* Polls for records if there is room for them, otherwise only to stay in the group. */
static void poll_source(struct er_worker *w, bool progress)
{
    bool reading = w->state == ER_WORKER_RUNNING && w->event.kind == ER_REBALANCE_NONE && w->batch_at >= w->batch_n &&
                   !er_worker_window_full(w);
    bool busy = w->pool.taken > 0 || w->batch_at < w->batch_n || w->event.kind != ER_REBALANCE_NONE;
    int64_t wait = progress ? 0 : busy ? w->o.limits.busy_wait_ns : w->o.limits.idle_wait_ns;
    struct er_source_event event = { ER_REBALANCE_NONE, NULL, 0 };
    size_t n;

    if (w->state != ER_WORKER_RUNNING && wait > w->o.limits.busy_wait_ns) {
        wait = w->o.limits.busy_wait_ns;
    }
    if (w->txn.on) {
        wait = er_worker_txn_wait(w, wait);
    }
    if (reading) {
        w->batch_at = w->batch_n = 0;
        w->current.window = NULL;
    }
    n = w->o.source.ops->poll(w->o.source.ctx, w->batch, reading ? w->o.limits.batch : 0, wait, &event);
    w->now = er_clock_now(&w->o.clock);
    if (reading) {
        w->batch_n = n;
    }
    if (n > 0) {
        ER_FAILPOINT("after-poll");
    }
    if (event.kind != ER_REBALANCE_NONE) {
        er_worker_begin_rebalance(w, &event);
    }
}

/* Nothing more to read now: the source gave all it had, or there is no room for more. */
static bool has_run_dry(const struct er_worker *w)
{
    return er_worker_window_full(w) || (w->batch_at >= w->batch_n && w->batch_n < w->o.limits.batch);
}

/* A slow broker gets fewer and bigger requests. */
static int64_t next_gap(const struct er_worker *w)
{
    int64_t gap = w->o.limits.hurry_gap_ns;

    if (!w->unsettled) {
        return gap;
    }
    return w->hurry_gap < HURRY_GAPS * gap ? 2 * w->hurry_gap : w->hurry_gap;
}

/* Copies linger in the sink so that batches grow while there is more to read. When there is not, nothing is gained by waiting: they are
 * sent now, and what arrives meanwhile goes with the next round. So an event of a trickle leaves at once, batches grow with the rate by
 * themselves, and one round of requests is under way at a time. A destination that does not answer costs the others
 * HURRY_GAPS * hurry_gap_ns at most. */
static void hurry_when_dry(struct er_worker *w)
{
    bool wanted = w->o.limits.hurry_ns > 0 && !w->txn.on && w->state == ER_WORKER_RUNNING && w->event.kind == ER_REBALANCE_NONE;
    bool settled;

    w->unsettled = w->unsettled && w->pool.taken > 0;
    if (!wanted || w->pool.taken == 0 || !(w->fresh || w->unsettled) || (w->unsettled && w->now < w->hurry_at) || !has_run_dry(w)) {
        return;
    }
    w->fresh = false;
    settled = w->o.sink.ops->hurry(w->o.sink.ctx, w->unsettled ? 0 : w->o.limits.hurry_ns);
    w->hurry_gap = next_gap(w);
    w->unsettled = !settled;
    w->hurry_at = w->now + w->hurry_gap;
}

/* No dead letter waits any more, though none was delivered: its partition is gone, or another revision wants none. */
static void forget_health(struct er_worker *w)
{
    bool waits = w->txn.on ? !er_worker_txn_is_through(w) : w->dead_lane->waiting.n > 0 || w->dead_lane->sent > 0;

    if (!waits) {
        er_worker_set_health(w, true, "nothing waits for it any more");
    }
}

static void serve_timers(struct er_worker *w)
{
    if (w->dead_letter_down) {
        forget_health(w);
    }
    er_worker_sweep_detached(w);
    er_worker_look_for_stalls(w);
    if (w->now >= w->sweep_at && w->txn.n_refusals == 0) {
        er_destinations_sweep(&w->destinations);
        w->sweep_at = w->now + SWEEP_NS;
    }
}

enum er_worker_state er_worker_step(struct er_worker *w)
{
    bool progress;

    if (w->state == ER_WORKER_STOPPED) {
        return w->state;
    }
    w->now = er_clock_now(&w->o.clock);
    w->sink_full = false;
    progress = er_worker_take_reports(w);
    er_worker_pump(w);
    if (w->txn.on) {
        er_worker_txn_step(w);
    } else {
        acknowledge(w);
    }
    serve_timers(w);
    er_worker_serve_rebalance(w);
    if (w->state == ER_WORKER_STOPPING) {
        serve_stop(w);
    }
    if (w->state == ER_WORKER_STOPPING || w->event.kind != ER_REBALANCE_NONE) {
        (void)w->o.sink.ops->hurry(w->o.sink.ctx, DRAIN_WAIT_NS);
    }
    if (w->state != ER_WORKER_STOPPED && !er_worker_route(w)) {
        poll_source(w, progress);
        er_worker_route(w);
        hurry_when_dry(w);
    }
    show(w);
    return w->state;
}

void er_worker_stop(struct er_worker *w, int64_t deadline_ns)
{
    if (w->state != ER_WORKER_RUNNING) {
        return;
    }
    w->state = ER_WORKER_STOPPING;
    w->stop_deadline = deadline_ns;
    w->commit_tries = 0;
    w->commit_at = 0;
    er_worker_drop_batch(w, true);
}

size_t er_worker_in_flight(const struct er_worker *w)
{
    return w->events;
}
