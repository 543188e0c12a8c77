#include "router/worker_internal.h"

#include "rules/base/faults.h"

#define CLOCK_EVERY 16 /* events between two looks at the clock */
#define PUT_OFF_NS (10 * ER_MS_NS)
#define HEADER_BYTES 64 /* of memory for a header besides its name and value */

bool er_worker_window_full(const struct er_worker *w)
{
    const struct er_worker_limits *l = &w->o.limits;

    return w->events >= l->window_events + w->aside_events || w->bytes >= l->window_bytes + w->aside_bytes ||
           w->aside_events >= 2 * l->window_events || w->aside_bytes >= 2 * l->window_bytes || w->pool.taken >= l->window_copies;
}

/* A copy of the event at hand, not yet counted anywhere. */
static struct er_copy *plan_copy(struct er_worker *w, struct er_copies *plan, enum er_copy_kind kind, struct er_lane *lane)
{
    struct er_copy *copy = er_copy_take(&w->pool);
    const struct er_record *record = w->current.record;

    if (copy == NULL) {
        return NULL;
    }
    copy->kind = (uint8_t)kind;
    copy->lane = lane;
    copy->ticket = (struct er_sink_ticket){ record->partition, record->has_key };
    copy->bytes = (uint32_t)(record->key.n + record->value.n);
    er_copies_append(plan, copy);
    return copy;
}

static bool plan_dead_letter(struct er_worker *w, struct er_copies *plan, enum er_stage stage, enum er_code code)
{
    struct er_copy *copy = plan_copy(w, plan, ER_COPY_DEAD_LETTER, w->dead_lane);

    if (copy == NULL) {
        return false;
    }
    copy->stage = (uint8_t)stage;
    copy->code = (uint16_t)code;
    copy->attempts = 1;
    copy->first_failed_ms = er_clock_wall(&w->o.clock);
    return true;
}

static bool plan_bad_event(struct er_worker *w, struct er_copies *plan, const struct er_err *err)
{
    if (!plan_dead_letter(w, plan, ER_STAGE_PARSE, err->code)) {
        return false;
    }
    plan->last->error_offset = err->offset;
    er_copy_explain(plan->last, "%s", err->text);
    return true;
}

static bool plan_undecided(struct er_worker *w, struct er_copies *plan, const struct er_match_undecided *undecided)
{
    struct er_target *target = er_destinations_target(&w->destinations, undecided->subscriber);

    if (target == NULL || !plan_dead_letter(w, plan, ER_STAGE_MATCH, ER_E_REGEX_UNDECIDED)) {
        return false;
    }
    er_copy_explain(plan->last, "subscription %.*s: %s", ER_STR_ARG(undecided->subscription), undecided->reason);
    plan->last->target = target;
    plan->last->subscriptions = er_destinations_note(&w->destinations, undecided->subscription);
    return plan->last->subscriptions != NULL;
}

/* Kept for the time after the pause, where it can be sent from. The title of the code says enough. */
static bool plan_paused(struct er_worker *w, struct er_copies *plan, const struct er_match_subscriber *match)
{
    struct er_target *target = er_destinations_target(&w->destinations, match->subscriber);

    if (target == NULL || !plan_dead_letter(w, plan, ER_STAGE_PRODUCE, ER_E_SUBSCRIBER_PAUSED)) {
        return false;
    }
    plan->last->attempts = 0;
    plan->last->target = target;
    plan->last->subscriptions = er_destinations_note(&w->destinations, match->subscriptions[0]);
    return plan->last->subscriptions != NULL;
}

/* All ids for a copy that shows them, otherwise the first: a dead letter names one. False without memory. */
static bool ids_of(struct er_worker *w, const struct er_match_subscriber *match, struct er_str *out)
{
    *out = match->subscriptions[0];
    if (w->o.provenance != ER_PROVENANCE_FULL || match->n_subscriptions == 1) {
        return true;
    }
    er_buf_clear(&w->ids);
    for (size_t i = 0; i < match->n_subscriptions; i++) {
        if (i > 0) {
            er_buf_addc(&w->ids, ',');
        }
        er_buf_add(&w->ids, match->subscriptions[i]);
    }
    *out = er_buf_str(&w->ids);
    return !w->ids.failed;
}

static bool plan_subscriber(struct er_worker *w, struct er_copies *plan, const struct er_match_subscriber *match)
{
    struct er_target *target = er_destinations_target(&w->destinations, match->subscriber);
    struct er_copy *copy = target == NULL ? NULL : plan_copy(w, plan, ER_COPY_SUBSCRIBER, target->lane);

    struct er_str ids;

    if (copy == NULL || !ids_of(w, match, &ids)) {
        return false;
    }
    copy->target = target;
    copy->subscriptions = er_destinations_note(&w->destinations, ids);
    return copy->subscriptions != NULL;
}

static bool plan_match(struct er_worker *w, struct er_copies *plan, const struct er_match *match)
{
    for (size_t i = 0; i < match->n_subscribers; i++) {
        bool paused = match->subscribers[i].subscriber->paused;

        if (!(paused ? plan_paused : plan_subscriber)(w, plan, &match->subscribers[i])) {
            return false;
        }
        plan->last->revision = match->revision;
    }
    for (size_t i = 0; i < match->n_undecided && !ER_PLANTED("undecided-as-no-match"); i++) {
        if (!plan_undecided(w, plan, &match->undecided[i])) {
            return false;
        }
    }
    if (plan->n == 0 && w->unmatched_lane != NULL) {
        if (plan_copy(w, plan, ER_COPY_UNMATCHED, w->unmatched_lane) == NULL) {
            return false;
        }
        plan->last->revision = match->revision;
    }
    return true;
}

/* Decides the event at hand: which copies and dead letters there will be. False: no memory, nothing has happened yet. */
static bool decide(struct er_worker *w, struct er_copies *plan)
{
    struct er_err err = { .code = ER_OK, .offset = ER_NO_OFFSET };
    struct er_match match;
    enum er_code code = er_hops_next(w->current.record, &w->current.hops, &err);

    if (code == ER_OK) {
        code = er_matcher_match(w->matcher, w->current.record, &match, &err);
    }
    if (code == ER_E_NOMEM) {
        return false;
    }
    if (code != ER_OK) {
        return ER_PLANTED("dead-letter-skipped") || plan_bad_event(w, plan, &err);
    }
    if (!w->current.record->has_value && ER_PLANTED("tombstone-dropped")) {
        return true;
    }
    if (!plan_match(w, plan, &match)) {
        return false;
    }
    w->current.duplicate_keys = match.duplicate_keys;
    w->current.undecided = match.n_undecided;
    return true;
}

static void forget_plan(struct er_worker *w, struct er_copies *plan)
{
    while (plan->first != NULL) {
        struct er_copy *copy = plan->first;

        er_copies_remove(plan, copy);
        er_copy_give(&w->pool, copy);
    }
}

/* Everything that can fail has been done. */
static void carry_out(struct er_worker *w, struct er_window *window, struct er_copies *plan)
{
    uint64_t seq = w->current.seq;
    struct er_slot *slot = er_window_slot(window, seq);

    if (w->current.duplicate_keys > 0) {
        er_count(&w->tally->duplicate_keys, w->current.duplicate_keys);
    }
    if (w->current.undecided > 0) {
        er_count(&w->tally->undecided, w->current.undecided);
    }
    slot->unreported += (uint32_t)plan->n;
    window->copies += plan->n;
    for (struct er_copy *copy = plan->first; copy != NULL; copy = copy->next) {
        copy->window = window;
        copy->seq = seq;
        if (copy->target != NULL) {
            copy->target->copies++;
        }
    }
    while (plan->first != NULL) {
        struct er_copy *copy = plan->first;

        er_copies_remove(plan, copy);
        er_worker_submit(w, copy);
    }
    er_worker_slot_down(w, window, seq);
    ER_FAILPOINT("after-produce");
}

/* Memory of an event and its copies. The sink has headers of its own for every copy, and nobody else bounds these. */
static uint32_t held_bytes(const struct er_record *record, size_t copies)
{
    size_t headers = 0, held;

    for (size_t i = 0; i < record->n_headers; i++) {
        headers += record->headers[i].name.n + record->headers[i].value.n + HEADER_BYTES;
    }
    held = record->key.n + record->value.n + headers * (copies + 1);
    return held < UINT32_MAX ? (uint32_t)held : UINT32_MAX;
}

/* May move the slots. False: put off. */
static bool reserve_slot(struct er_worker *w, struct er_window *window)
{
    if (er_window_reserve(window)) {
        return true;
    }
    er_count(&w->o.counters->no_memory, 1);
    w->put_off_until = w->now + PUT_OFF_NS;
    return false;
}

/* Makes record the event at hand and decides it. False: put off, nothing has happened yet. */
static bool plan_event(struct er_worker *w, struct er_window *window, uint64_t seq, const struct er_record *record,
                       struct er_copies *plan)
{
    struct er_current *c = &w->current;

    c->window = window;
    c->seq = seq;
    c->record = record;
    c->marked = false;
    c->duplicate_keys = c->undecided = 0;
    if (!decide(w, plan)) {
        forget_plan(w, plan);
        c->window = NULL;
        er_count(&w->o.counters->no_memory, 1);
        w->put_off_until = w->now + PUT_OFF_NS;
        return false;
    }
    c->source = er_window_source(window, record->offset, c->source_text);
    return true;
}

static bool is_admitted(struct er_worker *w, struct er_copies *plan)
{
    if (!w->txn.on || er_worker_txn_admits(w, plan)) {
        return true;
    }
    forget_plan(w, plan);
    w->current.window = NULL;
    return false;
}

static struct er_slot *push_slot(struct er_worker *w, struct er_window *window, const struct er_record *record, size_t copies)
{
    struct er_slot *slot = er_window_slot(window, er_window_push(window, record->offset, record->owner));

    slot->arrived_ns = w->now;
    slot->bytes = (uint32_t)(record->key.n + record->value.n);
    slot->held = held_bytes(record, copies);
    w->events++;
    w->bytes += slot->held;
    return slot;
}

/* Behind events of its partition that are to be routed again. */
static bool park(struct er_worker *w, struct er_window *window, const struct er_record *record)
{
    if (!reserve_slot(w, window)) {
        return false;
    }
    push_slot(w, window, record, 1)->unreported = 0;
    w->txn.unrouted++;
    return true;
}

static bool route_event(struct er_worker *w, const struct er_source_record *from)
{
    struct er_window *window = from->index < w->n_windows ? w->windows[from->index] : NULL;
    struct er_copies plan = { 0 };
    struct er_slot *slot;

    if (window == NULL) { /* not ours (any more): its owner will route it */
        w->o.source.ops->release(w->o.source.ctx, from->record.owner);
        return true;
    }
    if (window->routed < window->head) {
        return park(w, window, &from->record);
    }
    if (!reserve_slot(w, window) || !plan_event(w, window, window->head, &from->record, &plan) || !is_admitted(w, &plan)) {
        return false;
    }
    slot = push_slot(w, window, &from->record, plan.n);
    window->routed++;
    if (w->txn.on) {
        er_worker_txn_joined(w, slot);
    }
    carry_out(w, window, &plan);
    w->current.window = NULL; /* the next poll may move the headers */
    return true;
}

bool er_worker_route_again(struct er_worker *w, struct er_window *window)
{
    struct er_slot *slot = er_window_slot(window, window->routed);
    struct er_current *c = &w->current;
    struct er_copies plan = { 0 };

    w->o.source.ops->record(w->o.source.ctx, slot->owner, &c->loaded);
    if (!plan_event(w, window, window->routed, &c->loaded, &plan) || !is_admitted(w, &plan)) {
        return false;
    }
    slot->unreported = 1;
    slot->delivered = slot->dead_lettered = false;
    window->routed++;
    er_worker_txn_joined(w, slot);
    carry_out(w, window, &plan);
    c->window = NULL;
    return true;
}

/* What needs no transaction: records behind others of their partition that wait, and those of partitions that are gone. */
static void put_aside(struct er_worker *w)
{
    while (w->batch_at < w->batch_n && !er_worker_window_full(w)) {
        const struct er_source_record *record = &w->batch[w->batch_at];
        const struct er_window *window = record->index < w->n_windows ? w->windows[record->index] : NULL;

        if ((window != NULL && window->routed == window->head) || !route_event(w, record)) {
            return;
        }
        w->batch_at++;
    }
}

static bool may_route(const struct er_worker *w)
{
    bool fresh = w->batch_at < w->batch_n && !er_worker_window_full(w);

    if (w->sink_full || w->now < w->put_off_until) {
        return false;
    }
    return w->txn.on ? (fresh || w->txn.unrouted > 0) && er_worker_txn_may_route(w) : fresh;
}

static void route_pinned(struct er_worker *w, int64_t until)
{
    size_t said = w->batch_at;
    uint64_t revision;

    for (unsigned i = 1; w->batch_at < w->batch_n && may_route(w); i++) {
        for (; said < w->batch_n && said < w->batch_at + ER_MATCHER_AHEAD; said++) {
            er_matcher_expect(w->matcher, &w->batch[said].record);
        }
        if (er_worker_window_full(w) || !route_event(w, &w->batch[w->batch_at])) {
            return;
        }
        w->batch_at++;
        if (i % CLOCK_EVERY == 0) {
            w->now = er_clock_now(&w->o.clock);
            if (w->now >= until) {
                return;
            }
        }
        revision = er_matcher_refresh(w->matcher);
        if (w->txn.on && !er_worker_txn_enter(w, revision)) {
            return;
        }
    }
}

bool er_worker_route(struct er_worker *w)
{
    size_t before = w->batch_at, again = w->txn.unrouted;
    uint64_t revision;
    int64_t start;

    if (!may_route(w)) {
        return false;
    }
    start = w->now = er_clock_now(&w->o.clock);
    if (w->txn.unrouted > 0) {
        put_aside(w);
    }
    revision = er_matcher_pin(w->matcher);
    if (!w->txn.on || er_worker_txn_enter(w, revision)) {
        if (w->txn.unrouted > 0) {
            er_worker_txn_route_again(w, start + w->o.limits.pin_ns);
        }
        route_pinned(w, start + w->o.limits.pin_ns);
    }
    er_matcher_unpin(w->matcher);
    w->now = er_clock_now(&w->o.clock);
    er_histogram_add(&w->o.counters->batch, w->now - start);
    return w->batch_at > before || w->txn.unrouted != again;
}
