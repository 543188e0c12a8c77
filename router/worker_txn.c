/* DESIGN
 *
 *   RENEWING -> ASKING -> IDLE -> OPEN -> COMMITTING --DONE--> IDLE, the slots are popped
 *      ^                            |         |
 *      |                            v         v ABORT
 *      +------- DOUBTFUL -------- ABORTING --DONE--> ROLLING_BACK -> IDLE, the slots are routed again, from memory
 *
 * A window: base [ slots of the transaction ) routed [ slots to be routed again ) head. Copies of events are given back when they are
 * reported, the events stay until they are committed. What is counted goes to a tally that is worth nothing until then.
 *
 * A batch that aborts for a record, or three times, is bisected: the limit of events is halved until the commit succeeds or one event is
 * alone. Then its refused copy is known for certain, and is a dead letter the next time. */
#include "router/worker_internal.h"

#include <stdlib.h>
#include "rules/base/faults.h"

enum { PATIENCE = 3 /* aborts before a batch is bisected without a record to blame */ };
#define AGAIN_WAIT_NS (10 * ER_MS_NS)
#define ABORT_WAIT_NS (1 * ER_S_NS)
#define SLOW_SLICE_NS (50 * ER_MS_NS)
#define CLOCK_EVERY 16
#define NO_DOUBT (-1)

/* The producer is not to be trusted any more. */
static void doubt(struct er_worker *w)
{
    w->txn.state = ER_TXN_RENEWING;
    w->txn.doubt_at = w->now;
}

bool er_worker_txn_init(struct er_worker *w)
{
    w->txn.on = true;
    w->txn.state = ER_TXN_RENEWING;
    w->txn.doubt_at = NO_DOUBT;
    w->txn.limit = w->o.limits.txn_events;
    w->txn.risky_from = SIZE_MAX;
    w->tally = &w->txn.tally;
    return true;
}

/* ---- routing ---- */

bool er_worker_txn_may_route(const struct er_worker *w)
{
    const struct er_worker_txn *t = &w->txn;
    bool open = t->state == ER_TXN_IDLE || t->state == ER_TXN_OPEN;

    return open && !t->end && !t->failed && w->state == ER_WORKER_RUNNING && w->event.kind == ER_REBALANCE_NONE &&
           w->now >= t->retry_at && t->events < t->limit && t->bytes < w->o.limits.txn_bytes;
}

/* The next window with something to route again, or NULL. */
static struct er_window *next_unrouted(const struct er_worker *w)
{
    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];

        if (window != NULL && window->routed < window->head && w->now >= window->blocked_until) {
            return window;
        }
    }
    return NULL;
}

bool er_worker_txn_enter(struct er_worker *w, uint64_t revision)
{
    struct er_worker_txn *t = &w->txn;

    if (t->state == ER_TXN_OPEN) {
        t->revision = t->events == 0 ? revision : t->revision;
        t->end |= t->revision != revision; /* each transaction is decided by one revision */
        return !t->end;
    }
    if ((w->batch_at >= w->batch_n || er_worker_window_full(w)) && next_unrouted(w) == NULL) {
        return false;
    }
    if (w->o.txn.ops->begin(w->o.txn.ctx) != ER_TXN_DONE) {
        doubt(w);
        return false;
    }
    t->state = ER_TXN_OPEN;
    t->revision = revision;
    return true;
}

/* Perhaps too large for its destination, or a dead letter while nobody takes those. */
static bool is_suspicious(const struct er_worker *w, const struct er_copy *copy)
{
    bool dead = copy->kind == ER_COPY_DEAD_LETTER || copy->lane->breaker != ER_BREAKER_CLOSED;

    return (w->dead_letter_down && dead) || er_worker_is_risky(w, copy);
}

/* An event with a suspicious copy travels alone: if it is refused again, nobody else is held up. */
bool er_worker_txn_admits(struct er_worker *w, const struct er_copies *plan)
{
    struct er_worker_txn *t = &w->txn;
    bool suspicious = false;

    if (!w->dead_letter_down && (plan->first == NULL || plan->first->bytes < t->risky_from)) {
        return true;
    }
    for (const struct er_copy *copy = plan->first; copy != NULL; copy = copy->next) {
        suspicious |= is_suspicious(w, copy);
    }
    t->end |= suspicious;
    return !suspicious || t->events == 0;
}

void er_worker_txn_joined(struct er_worker *w, const struct er_slot *slot)
{
    struct er_worker_txn *t = &w->txn;

    if (t->events++ == 0) {
        t->opened_at = w->now;
    }
    t->bytes += slot->held;
}

void er_worker_txn_route_again(struct er_worker *w, int64_t until)
{
    struct er_worker_txn *t = &w->txn;
    struct er_window *window;

    for (unsigned i = 1; !w->sink_full && er_worker_txn_may_route(w) && (window = next_unrouted(w)) != NULL; i++) {
        bool suspicious = window->blocked_ns > 0; /* travels alone: it may take the others down again */

        if (suspicious && t->events > 0) {
            t->end = true;
            return;
        }
        if (w->pool.taken >= w->o.limits.window_copies || !er_worker_route_again(w, window)) {
            return;
        }
        t->unrouted--;
        t->end |= suspicious;
        if (i % CLOCK_EVERY == 0) {
            w->now = er_clock_now(&w->o.clock);
            if (w->now >= until) {
                return;
            }
        }
    }
}

static bool is_due(const struct er_worker *w)
{
    const struct er_worker_txn *t = &w->txn;

    return t->events > 0 &&
           (t->end || t->events >= t->limit || t->bytes >= w->o.limits.txn_bytes || w->now - t->opened_at >= w->o.limits.txn_ns);
}

int64_t er_worker_txn_wait(const struct er_worker *w, int64_t wait_ns)
{
    const struct er_worker_txn *t = &w->txn;
    int64_t left = wait_ns;

    if (t->state == ER_TXN_OPEN && t->events > 0) {
        left = is_due(w) ? 0 : t->opened_at + w->o.limits.txn_ns - w->now;
    } else if (t->state != ER_TXN_IDLE && t->state != ER_TXN_OPEN) {
        left = t->again ? AGAIN_WAIT_NS : 0;
    } else if (t->unrouted > 0) {
        left = w->now < t->retry_at ? t->retry_at - w->now : AGAIN_WAIT_NS;
    }
    left = left < 0 ? 0 : left;
    return left < wait_ns ? left : wait_ns;
}

/* ---- failures ---- */

static size_t find_refusal(const struct er_worker_txn *t, const struct er_copy *copy)
{
    size_t i = 0;

    for (; i < t->n_refusals; i++) {
        const struct er_refusal *r = &t->refusals[i];

        if (r->window == copy->window && r->seq == copy->seq && r->lane == copy->lane && r->target == copy->target &&
            r->kind == copy->kind) {
            break;
        }
    }
    return i;
}

const struct er_refusal *er_worker_txn_refusal(const struct er_worker *w, const struct er_copy *copy)
{
    size_t i = find_refusal(&w->txn, copy);

    return i < w->txn.n_refusals ? &w->txn.refusals[i] : NULL;
}

/* Those of a window that goes away (NULL: none), and those of events that are committed. */
static void forget_refusals(struct er_worker_txn *t, const struct er_window *window)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n_refusals; i++) {
        const struct er_refusal *r = &t->refusals[i];

        if (r->window != window && r->seq >= r->window->base) {
            t->refusals[kept++] = *r;
        }
    }
    t->n_refusals = kept;
}

static struct er_refusal *note_refusal(struct er_worker *w, const struct er_copy *copy)
{
    struct er_worker_txn *t = &w->txn;
    size_t i = find_refusal(t, copy);
    struct er_refusal *r = &t->refusals[i];

    if (i < t->n_refusals) {
        return r;
    }
    if (i == ER_REFUSALS) {
        return NULL; /* the next round has the others behind it */
    }
    t->n_refusals++;
    *r = (struct er_refusal){
        .window = copy->window, .seq = copy->seq, .lane = copy->lane, .target = copy->target, .kind = copy->kind
    };
    r->first_failed_ms = er_clock_wall(&w->o.clock);
    return r;
}

static void learn_size(struct er_worker *w, const struct er_copy *copy, enum er_sink_result result)
{
    struct er_lane *lane = copy->lane;

    if (result == ER_SINK_TOO_LARGE && (lane->too_large == 0 || copy->bytes < lane->too_large)) {
        lane->too_large = copy->bytes;
        w->txn.risky_from = copy->bytes < w->txn.risky_from ? copy->bytes : w->txn.risky_from;
    }
}

/* The only event of the transaction: what became of its copy is about this record. False: nothing more can be done about it. */
static bool refuse(struct er_worker *w, const struct er_copy *copy, enum er_sink_result result, const char *text)
{
    struct er_refusal *r = note_refusal(w, copy);

    if (r == NULL) {
        return true;
    }
    r->code = result == ER_SINK_TOO_LARGE ? ER_E_RECORD_TOO_LARGE : ER_E_RECORD_INVALID;
    r->text = text;
    r->attempts++;
    if (copy->kind != ER_COPY_DEAD_LETTER) {
        learn_size(w, copy, result);
        return true;
    }
    if (result == ER_SINK_TOO_LARGE && copy->cut < ER_CUT_LAST) {
        r->cut = (uint8_t)(copy->cut + 1);
        r->retimed = copy->retimed;
        return true;
    }
    if (result == ER_SINK_TIMESTAMP && !copy->retimed) {
        r->cut = copy->cut;
        r->retimed = true;
        return true;
    }
    return false;
}

void er_worker_txn_blame(struct er_worker *w, const struct er_copy *copy, enum er_sink_result result, const char *text)
{
    struct er_worker_txn *t = &w->txn;
    bool record = result == ER_SINK_TOO_LARGE || result == ER_SINK_TIMESTAMP || result == ER_SINK_INVALID;
    bool dead = copy->kind == ER_COPY_DEAD_LETTER;
    bool gone = result == ER_SINK_MISSING || result == ER_SINK_REFUSED;

    if (result == ER_SINK_TOO_LARGE && er_worker_size_refused(w, copy, t->events == 1)) {
        t->capped = true;
    }
    if (result == ER_SINK_RECALLED || (t->failed && result == ER_SINK_RETRY)) {
        t->failed = true; /* given up together with the transaction: says nothing */
        return;
    }
    t->failed = true;
    er_count(&w->o.counters->delivery_retried, 1);
    if (record && (t->events > 1 || t->capped)) {
        t->bisect |= !t->capped;
    } else if (record) {
        t->hopeless |= !refuse(w, copy, result, text);
    } else if (dead && gone) {
        t->hopeless = true;
        t->bisect = true; /* until only the events that need a dead letter wait */
    } else if (!gone) {
        t->back_off = true;
    }
}

void er_worker_txn_fail(struct er_worker *w, bool hopeless)
{
    struct er_worker_txn *t = &w->txn;

    if (t->state == ER_TXN_OPEN || t->state == ER_TXN_COMMITTING) {
        t->failed = true;
        t->hopeless |= hopeless;
        t->bisect |= hopeless; /* until the events that need a dead letter are alone */
    }
}

/* ---- the ends ---- */

static void flush_tally(struct er_worker *w)
{
    struct er_counters *to = w->o.counters;
    struct er_counters *from = &w->txn.tally;

#define ER_COUNTER(field, metric, label, help) er_count(&to->field, er_counter_read(&from->field));
#define ER_GAUGE(field, metric, label, help)
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
}

static void forget_tally(struct er_worker *w)
{
#define ER_COUNTER(field, metric, label, help) er_gauge(&w->txn.tally.field, 0);
#define ER_GAUGE(field, metric, label, help)
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
}

/* Over, whatever became of it; the caller has dealt with the slots. */
static void end_transaction(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    forget_tally(w);
    t->state = ER_TXN_IDLE;
    t->events = t->bytes = t->n_offsets = 0;
    t->end = t->failed = t->bisect = t->hopeless = t->back_off = t->again = t->asked = t->capped = t->endless = false;
}

/* The oldest slot is committed. */
static void pop(struct er_worker *w, struct er_window *window)
{
    struct er_slot *slot = er_window_slot(window, window->base);

    er_worker_account(w, slot);
    if (slot->delivered || slot->dead_lettered) {
        er_histogram_add(&w->o.counters->latency, w->now - slot->arrived_ns);
    }
    w->o.source.ops->release(w->o.source.ctx, slot->owner);
    slot->owner = NULL;
    er_window_pop(window);
    window->blocked_ns = 0;
}

static void pop_routed(struct er_worker *w, struct er_window *window)
{
    while (window->base < window->routed) {
        w->txn.events--;
        pop(w, window);
    }
}

static void committed(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;
    size_t limit = t->limit * 2;

    flush_tally(w);
    er_count(&w->o.counters->transactions_committed, 1);
    w->o.source.ops->store(w->o.source.ctx, t->offsets, t->n_offsets); /* for lag */
    t->limit = limit < w->o.limits.txn_events ? limit : w->o.limits.txn_events;
    t->slow = false;
    t->aborts = 0;
    t->retry_at = t->retry_ns = 0;
    forget_refusals(t, NULL);
    end_transaction(w);
}

static int64_t next_back_off(int64_t last, const struct er_worker_limits *limits)
{
    int64_t next = last == 0 ? limits->retry_min_ns : last * 2;

    return next < limits->retry_max_ns ? next : limits->retry_max_ns;
}

/* The only event needs a dead letter that cannot be written: its partition waits, the others go on. */
static void block_window(struct er_worker *w)
{
    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];

        if (window != NULL && window->base < window->routed) {
            window->blocked_ns = next_back_off(window->blocked_ns, &w->o.limits);
            window->blocked_until = w->now + window->blocked_ns;
        }
    }
}

static void plan_next_attempt(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    t->aborts++;
    if (t->hopeless && t->events == 1) {
        block_window(w);
        t->limit = w->o.limits.txn_events;
    } else if (t->bisect || t->aborts % PATIENCE == 0) {
        t->limit = t->events > 1 ? t->events / 2 : 1;
    } else if (t->events > 0) {
        t->limit = t->events;
    }
    if (t->back_off) {
        t->retry_ns = next_back_off(t->retry_ns, &w->o.limits);
        t->retry_at = w->now + t->retry_ns;
    }
}

/* Not committed: all its events are routed again, once the sink has given everything back. */
static void roll_back(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    t->state = ER_TXN_ROLLING_BACK;
    er_worker_drop_waiting(w, NULL);
    t->again = w->pool.taken > 0;
    if (t->again) {
        return;
    }
    if (ER_PLANTED("aborted-not-replayed")) {
        for (size_t i = 0; i < w->n_windows; i++) {
            if (w->windows[i] != NULL) {
                pop_routed(w, w->windows[i]);
            }
        }
        committed(w);
        return;
    }
    if (t->events > 0) {
        er_count(&w->o.counters->transactions_aborted, 1);
        plan_next_attempt(w);
    }
    t->unrouted = 0;
    for (size_t i = 0; i < w->n_windows; i++) {
        if (w->windows[i] != NULL) {
            w->windows[i]->routed = w->windows[i]->base;
            t->unrouted += er_window_size(w->windows[i]);
        }
    }
    end_transaction(w);
}

/* ---- steps ---- */

/* A broker that does not answer is asked in short slices: between them the source is polled, and a loss has to be answered at once. A static
 * member that has not answered one when the broker is back is fenced. */
static int64_t slice(const struct er_worker *w)
{
    return w->txn.slow && SLOW_SLICE_NS < w->o.limits.txn_slice_ns ? SLOW_SLICE_NS : w->o.limits.txn_slice_ns;
}

static void note_again(struct er_worker_txn *t, bool again)
{
    t->again = again;
    t->slow |= again;
}

static void list_offsets(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    t->n_offsets = 0;
    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];

        if (window != NULL && window->base < window->routed) {
            t->offsets[t->n_offsets++] =
                (struct er_source_offset){ window->index, er_window_slot(window, window->routed - 1)->offset + 1 };
        }
    }
}

static void begin_abort(struct er_worker *w)
{
    w->txn.state = ER_TXN_ABORTING;
    w->txn.abort_at = w->now + ABORT_WAIT_NS;
    er_worker_drop_waiting(w, NULL);
    er_worker_recall(w);
}

/* What is on its way is waited for: a record whose fate nobody knows costs a new producer. */
static void serve_aborting(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;
    enum er_txn_result result;

    if (w->pool.taken > 0 && w->now < t->abort_at) {
        (void)w->o.sink.ops->hurry(w->o.sink.ctx, w->o.limits.busy_wait_ns);
        return;
    }
    result = w->o.txn.ops->abort(w->o.txn.ctx, slice(w));
    w->now = er_clock_now(&w->o.clock);
    note_again(t, result == ER_TXN_AGAIN);
    if (result == ER_TXN_DOUBTFUL || (result == ER_TXN_DONE && t->endless)) {
        doubt(w);
    } else if (result == ER_TXN_DONE) {
        while (er_worker_take_reports(w)) {
        }
        roll_back(w);
    }
}

static void serve_committing(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;
    enum er_txn_result result;

    if (t->failed) {
        begin_abort(w);
        return;
    }
    if (w->pool.taken > 0) {
        (void)w->o.sink.ops->hurry(w->o.sink.ctx, w->o.limits.busy_wait_ns);
        return;
    }
    if (!t->asked) {
        list_offsets(w);
        t->asked = true;
        t->asked_at = er_clock_now(&w->o.clock);
    }
    result = w->o.txn.ops->commit(w->o.txn.ctx, t->offsets, t->n_offsets, slice(w));
    w->now = er_clock_now(&w->o.clock);
    note_again(t, result == ER_TXN_AGAIN);
    if (result == ER_TXN_DONE) {
        er_histogram_add(&w->o.counters->commit, w->now - t->asked_at);
        for (size_t i = 0; i < t->n_offsets; i++) {
            pop_routed(w, w->windows[t->offsets[i].index]);
        }
        committed(w);
    } else if (result == ER_TXN_ABORT) {
        t->back_off = true;
        begin_abort(w);
    } else if (result == ER_TXN_DOUBTFUL) {
        t->back_off = true;
        doubt(w);
    }
}

static void serve_renewing(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;
    enum er_txn_result result = w->o.txn.ops->renew(w->o.txn.ctx, slice(w));

    w->now = er_clock_now(&w->o.clock);
    while (er_worker_take_reports(w)) {
    }
    note_again(t, result != ER_TXN_DONE);
    if (result == ER_TXN_DONE) {
        er_count(&w->o.counters->producer_renewals, 1);
        t->state = ER_TXN_ASKING;
    }
}

/* Each partition answers for itself, and only its exact offset is a yes: another member may have gone on with one that is lost and not yet
 * known to be, and an offset may be one of a log that was since truncated. What is routed again without need is refused with the commit. */
static void take_answer(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    if (t->doubt_at != NO_DOUBT) {
        er_histogram_add(&w->o.counters->renewal, w->now - t->doubt_at);
    }
    for (size_t i = 0; i < t->n_offsets; i++) {
        struct er_window *window = w->windows[t->offsets[i].index];

        if (t->offsets[i].next == er_window_slot(window, window->routed - 1)->offset + 1 || ER_PLANTED("doubt-taken-for-success")) {
            pop_routed(w, window);
        }
    }
    if (t->n_offsets > 0 && t->events == 0) {
        committed(w);
    } else {
        roll_back(w);
    }
}

static void serve_asking(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;
    enum er_code code = ER_OK;

    list_offsets(w);
    if (t->n_offsets > 0) {
        code = w->o.source.ops->committed(w->o.source.ctx, t->offsets, t->n_offsets, w->o.limits.txn_slice_ns);
        w->now = er_clock_now(&w->o.clock);
    }
    note_again(t, code != ER_OK);
    if (code == ER_OK) {
        take_answer(w);
    }
}

void er_worker_txn_step(struct er_worker *w)
{
    struct er_worker_txn *t = &w->txn;

    switch (t->state) {
    case ER_TXN_IDLE:
        return;
    case ER_TXN_OPEN:
        if (t->failed) {
            begin_abort(w);
        } else if (is_due(w)) {
            t->state = ER_TXN_COMMITTING;
        }
        return;
    case ER_TXN_COMMITTING:
        serve_committing(w);
        return;
    case ER_TXN_ABORTING:
        serve_aborting(w);
        return;
    case ER_TXN_RENEWING:
        serve_renewing(w);
        return;
    case ER_TXN_ASKING:
        serve_asking(w);
        return;
    case ER_TXN_ROLLING_BACK:
        roll_back(w);
        return;
    }
}

void er_worker_txn_wind_up(struct er_worker *w, bool hurry)
{
    struct er_worker_txn *t = &w->txn;

    if (t->state == ER_TXN_OPEN) {
        t->failed |= hurry || t->events == 0;
        t->end = true;
    } else if (t->state == ER_TXN_COMMITTING && hurry && !t->asked) {
        t->failed = true;
    } else if (t->state == ER_TXN_COMMITTING && hurry) {
        doubt(w);
    }
}

bool er_worker_txn_is_settled(const struct er_worker *w)
{
    const struct er_worker_txn *t = &w->txn;

    return t->state == ER_TXN_IDLE || ((t->state == ER_TXN_RENEWING || t->state == ER_TXN_ASKING) && t->events == 0);
}

bool er_worker_txn_is_cut_off(const struct er_worker *w)
{
    return w->txn.state == ER_TXN_RENEWING || w->txn.state == ER_TXN_ASKING;
}

bool er_worker_txn_is_through(const struct er_worker *w)
{
    return w->txn.state == ER_TXN_IDLE && w->txn.unrouted == 0;
}

void er_worker_txn_detach(struct er_worker *w, struct er_window *window)
{
    struct er_worker_txn *t = &w->txn;

    forget_refusals(t, window);
    t->unrouted -= (size_t)(window->head - window->routed);
    for (uint64_t seq = window->base; seq < window->head; seq++) {
        struct er_slot *slot = er_window_slot(window, seq);

        if (seq < window->routed) {
            t->events--;
            t->bytes -= slot->held;
        }
        if (slot->unreported == 0) { /* the others go with their last report */
            w->o.source.ops->release(w->o.source.ctx, slot->owner);
            slot->owner = NULL;
        }
    }
}
