#include "router/worker_internal.h"

#include "rules/base/faults.h"

#define REPORTS 256

/* How many reports ahead memory is fetched that was last touched long ago: the copy, then the event's slot, then the event. */
enum { COPY_AHEAD = 12, SLOT_AHEAD = 8, EVENT_AHEAD = 4 };

static struct er_slot *slot_of(const struct er_copy *copy)
{
    return er_window_slot(copy->window, copy->seq);
}

/* The event of a copy: still at hand while it is routed, otherwise read again from its owner. */
static const struct er_record *load_event(struct er_worker *w, const struct er_copy *copy)
{
    struct er_current *c = &w->current;

    if (c->window == copy->window && c->seq == copy->seq) {
        return c->record;
    }
    w->o.source.ops->record(w->o.source.ctx, slot_of(copy)->owner, &c->loaded);
    c->window = copy->window;
    c->seq = copy->seq;
    c->record = &c->loaded;
    c->source = er_window_source(copy->window, c->loaded.offset, c->source_text);
    c->marked = false;
    if (er_hops_next(&c->loaded, &c->hops, NULL) != ER_OK) {
        c->hops = 0; /* such an event has a dead letter only */
    }
    return c->record;
}

static bool build_dead_letter(struct er_worker *w, const struct er_copy *copy, struct er_record *out)
{
    const struct er_record *event = load_event(w, copy);
    struct er_dead_letter letter = {
        .code = (enum er_code)copy->code,
        .stage = (enum er_stage)copy->stage,
        .message = er_copy_message(copy),
        .source = w->current.source,
        .attempts = copy->attempts,
        .first_failed_ms = copy->first_failed_ms,
        .error_offset = copy->error_offset,
        .cut = (enum er_dead_letter_cut)copy->cut,
        .retimed = copy->retimed,
        .now_ms = copy->retimed ? er_clock_wall(&w->o.clock) : 0,
    };

    if (copy->target != NULL) {
        letter.subscriber = copy->target->id;
        letter.subscription = er_copy_subscription(copy);
    }
    return er_dead_letter_build(&w->dead_letter, event, &letter, out);
}

static bool build_copy(struct er_worker *w, const struct er_copy *copy, struct er_record *out)
{
    const struct er_record *event = load_event(w, copy);

    *out = *event;
    if (w->o.provenance == ER_PROVENANCE_OFF && w->current.hops == 0) {
        return true;
    }
    if (!w->current.marked) {
        struct er_provenance_marks *marks = &w->current.marks;

        marks->level = w->o.provenance;
        marks->source = w->current.source;
        marks->subscriptions = er_copy_subscriptions(copy);
        marks->revision = copy->revision;
        marks->hops = w->current.hops;
        if (!er_provenance_headers(&w->headers, event, marks)) {
            return false;
        }
        w->current.marked = w->o.provenance != ER_PROVENANCE_FULL;
    }
    out->headers = w->headers.items;
    out->n_headers = w->headers.n;
    if (event->n_headers > 0 && ER_PLANTED("header-dropped")) {
        out->headers++;
        out->n_headers--;
    }
    return true;
}

/* The record to send. What is known to be too large for the dead-letter topic is cut. */
static bool build(struct er_worker *w, struct er_copy *copy, struct er_record *out)
{
    if (copy->kind != ER_COPY_DEAD_LETTER) {
        return build_copy(w, copy, out);
    }
    while (build_dead_letter(w, copy, out)) {
        if (copy->cut == ER_CUT_LAST || er_worker_foresees(w, copy, out) == NULL) {
            return true;
        }
        copy->cut++;
    }
    return false;
}

void er_worker_slot_down(struct er_worker *w, struct er_window *window, uint64_t seq)
{
    struct er_slot *slot = er_window_slot(window, seq);

    if (--slot->unreported > 0) {
        return;
    }
    if (w->txn.on && !window->detached) {
        return; /* kept until the transaction is committed */
    }
    if (w->current.window == window && w->current.seq == seq) {
        w->current.window = NULL;
    }
    w->o.source.ops->release(w->o.source.ctx, slot->owner);
    slot->owner = NULL;
    if (!window->detached && (slot->delivered || slot->dead_lettered)) {
        er_histogram_add(&w->o.counters->latency, w->now - slot->arrived_ns);
    }
}

/* The end of a copy, whatever became of it. */
static void give_back(struct er_worker *w, struct er_copy *copy)
{
    if (copy->suspect) {
        copy->lane->suspects--;
    }
    if (copy->target != NULL) {
        copy->target->copies--;
    }
    copy->window->copies--;
    er_worker_slot_down(w, copy->window, copy->seq);
    er_copy_give(&w->pool, copy);
}

static void count_dead_letter(struct er_worker *w, const struct er_copy *copy)
{
    struct er_counters *n = w->tally;
    _Atomic uint64_t *const by_stage[] = { &n->dead_letters_parse, &n->dead_letters_match, &n->dead_letters_produce };

    slot_of(copy)->dead_lettered = true;
    er_count(by_stage[copy->stage], 1);
    if (copy->cut != ER_CUT_NOTHING) {
        er_count(&n->dead_letters_truncated, 1);
    }
    if (copy->target != NULL) {
        er_count(&n->delivery_dead_lettered, 1);
    }
}

static void delivered(struct er_worker *w, struct er_copy *copy)
{
    struct er_counters *n = w->tally;

    if (copy->window->detached) {
        er_count(&w->o.counters->late_reports, 1);
    } else {
        switch ((enum er_copy_kind)copy->kind) {
        case ER_COPY_SUBSCRIBER:
            slot_of(copy)->delivered = true;
            er_count(&n->delivered, 1);
            er_count(&n->delivered_bytes, copy->bytes);
            break;
        case ER_COPY_UNMATCHED:
            er_count(&n->unmatched_copies, 1);
            break;
        case ER_COPY_DEAD_LETTER:
            count_dead_letter(w, copy);
            break;
        }
    }
    give_back(w, copy);
}

void er_worker_set_health(struct er_worker *w, bool ok, const char *text)
{
    if (w->dead_letter_down == !ok) {
        return;
    }
    w->dead_letter_down = !ok;
    w->dead_absent = ER_OK;
    w->o.hooks.dead_letter_health(w->o.hooks.ctx, ok, text);
}

static void tell_breaker(struct er_worker *w, struct er_lane *lane)
{
    w->lanes_at = 0;
    er_lane_activate(&w->destinations, lane);
    w->o.hooks.breaker(w->o.hooks.ctx, lane->name, lane->breaker, lane->text);
}

/* Do copies for this lane go to the dead-letter topic at once? While half open, exactly one copy is let through. */
static bool is_diverted(const struct er_lane *lane, const struct er_copy *copy)
{
    if (copy->kind == ER_COPY_DEAD_LETTER || lane->breaker == ER_BREAKER_CLOSED) {
        return false;
    }
    return lane->breaker != ER_BREAKER_HALF_OPEN || lane->probe_out || (lane->waiting.n > 0 && lane->waiting.first != copy);
}

static void hold(struct er_worker *w, struct er_copy *copy)
{
    er_copies_append(&copy->lane->waiting, copy);
    er_lane_activate(&w->destinations, copy->lane);
    w->waiting++;
}

/* Back into its place in the lane; nothing may overtake it, so the lane first waits for all that the sink has. */
static void come_back(struct er_worker *w, struct er_copy *copy)
{
    struct er_lane *lane = copy->lane;

    if (ER_PLANTED("retry-overtaken")) {
        er_copies_append(&lane->waiting, copy);
    } else {
        lane->settling = true;
        er_copies_insert(&lane->waiting, copy, lane->last_returned);
        lane->last_returned = copy;
    }
    er_lane_activate(&w->destinations, lane);
    w->waiting++;
}

static void unhold(struct er_worker *w, struct er_copy *copy)
{
    if (copy->lane->last_returned == copy) {
        copy->lane->last_returned = copy->prev;
    }
    er_copies_remove(&copy->lane->waiting, copy);
    w->waiting--;
}

/* Turns a copy that cannot be delivered (neither held nor sent) into the dead letter about it. */
static void to_dead_letter(struct er_worker *w, struct er_copy *copy, enum er_code code, const char *text)
{
    if (copy->suspect) {
        copy->suspect = false;
        copy->lane->suspects--;
    }
    if (copy->first_failed_ms == 0) {
        copy->first_failed_ms = er_clock_wall(&w->o.clock);
    }
    er_copy_explain(copy, "topic %.*s: %s", ER_STR_ARG(copy->lane->name), text);
    copy->kind = ER_COPY_DEAD_LETTER;
    copy->stage = ER_STAGE_PRODUCE;
    copy->code = (uint16_t)code;
    copy->error_offset = ER_NO_OFFSET;
    copy->lane = w->dead_lane;
    er_worker_submit(w, copy);
}

static void divert_waiting(struct er_worker *w, struct er_lane *lane)
{
    struct er_copy *copy = lane->waiting.first;

    while (copy != NULL) {
        struct er_copy *next = copy->next;

        if (copy->kind != ER_COPY_DEAD_LETTER) {
            unhold(w, copy);
            to_dead_letter(w, copy, lane->code, lane->text);
        }
        copy = next;
    }
}

void er_worker_open_breaker(struct er_worker *w, struct er_lane *lane, enum er_code code, const char *text)
{
    lane->code = code;
    lane->text = text;
    lane->cautious = false;
    lane->retry_at = lane->retry_ns = 0;
    if (er_breaker_fail(lane, &w->o.limits, w->now)) {
        er_count(&w->o.counters->breaker_opened, 1);
        tell_breaker(w, lane); /* the pump sees to what waits */
    }
}

/* What the sink said about a copy, and whether that copy was alone on its way or the probe of a breaker. */
struct verdict {
    enum er_sink_result result;
    const char *text;
    bool alone;
    bool probe;
};

static bool is_about_record(enum er_sink_result result)
{
    return result == ER_SINK_TOO_LARGE || result == ER_SINK_TIMESTAMP || result == ER_SINK_INVALID;
}

/* Unknown outcome or a topic that must not be given up: again, later, alone at first. */
static void try_again(struct er_worker *w, struct er_copy *copy)
{
    struct er_lane *lane = copy->lane;

    er_count(&w->o.counters->delivery_retried, 1);
    if (!lane->settling) {
        er_lane_back_off(lane, &w->o.limits, w->now);
    }
    lane->cautious = true;
    come_back(w, copy);
}

/* A dead letter is never given up: it is made to fit, or waits until its topic takes it. */
static void dead_letter_failed(struct er_worker *w, struct er_copy *copy, const struct verdict *v)
{
    if (v->result == ER_SINK_TOO_LARGE && copy->cut < ER_CUT_LAST) {
        copy->cut++;
        come_back(w, copy);
        return;
    }
    if (v->result == ER_SINK_TIMESTAMP && !copy->retimed) {
        copy->retimed = true;
        come_back(w, copy);
        return;
    }
    if (v->result == ER_SINK_MISSING && !copy->lane->settling) {
        w->o.hooks.ensure(w->o.hooks.ctx, copy->lane->name);
    }
    er_worker_set_health(w, false, v->text);
    try_again(w, copy);
}

static void copy_failed(struct er_worker *w, struct er_copy *copy, const struct verdict *v)
{
    struct er_lane *lane = copy->lane;

    if (is_about_record(v->result)) {
        to_dead_letter(w, copy, er_sink_code(v->result), v->text);
    } else if (v->result == ER_SINK_MISSING || v->result == ER_SINK_REFUSED) {
        to_dead_letter(w, copy, er_sink_code(v->result), v->text);
        /* Reports of copies that were sent before the breaker opened say nothing new. */
        if (v->probe || lane->breaker == ER_BREAKER_CLOSED) {
            er_worker_open_breaker(w, lane, er_sink_code(v->result), v->text);
        }
    } else {
        try_again(w, copy);
    }
}

/* Each lane waits for its reports before it sends anything: what was recalled may be among them, and may not be overtaken. */
void er_worker_recall(struct er_worker *w)
{
    if (w->o.sink.ops->recall == NULL) {
        return;
    }
    er_destinations_recalled(&w->destinations);
    w->o.sink.ops->recall(w->o.sink.ctx);
}

/* A copy that the sink does not have (any more) and that was not delivered. */
static void failed(struct er_worker *w, struct er_copy *copy, const struct verdict *v)
{
    struct er_lane *lane = copy->lane;

    if (v->result == ER_SINK_RECALLED) {
        come_back(w, copy);
        return;
    }
    if (copy->kind != ER_COPY_DEAD_LETTER && copy->first_failed_ms == 0) {
        copy->first_failed_ms = er_clock_wall(&w->o.clock);
    }
    if (is_about_record(v->result) && !v->alone) {
        /* The broker refused a batch: one record is to blame. Each goes alone, in order, with nothing sent past it. */
        if (!copy->suspect) {
            copy->suspect = true;
            lane->suspects++;
        }
        if (!lane->settling) {
            er_worker_recall(w);
        }
        come_back(w, copy);
    } else if (copy->kind == ER_COPY_DEAD_LETTER) {
        dead_letter_failed(w, copy, v);
    } else {
        copy_failed(w, copy, v);
    }
}

/* Nothing is mended inside a transaction: what the failure teaches is kept for when its events are routed again. */
static void failed_in_transaction(struct er_worker *w, struct er_copy *copy, const struct verdict *v)
{
    struct er_lane *lane = copy->lane;
    bool dead = copy->kind == ER_COPY_DEAD_LETTER;
    bool gone = v->result == ER_SINK_MISSING || v->result == ER_SINK_REFUSED;

    if (gone && !dead && (v->probe || lane->breaker == ER_BREAKER_CLOSED)) {
        er_worker_open_breaker(w, lane, er_sink_code(v->result), v->text);
    }
    if (dead && v->result == ER_SINK_MISSING && !w->txn.hopeless) {
        w->o.hooks.ensure(w->o.hooks.ctx, lane->name);
    }
    er_worker_txn_blame(w, copy, v->result, v->text);
    if (w->txn.hopeless) {
        er_worker_set_health(w, false, v->text);
    }
    give_back(w, copy);
}

static enum er_sink_result produce(struct er_worker *w, struct er_copy *copy, const struct er_record *record, const char **text)
{
    bool dead = copy->kind == ER_COPY_DEAD_LETTER;

    if (dead && w->dead_absent != ER_OK) {
        *text = er_code_title(w->dead_absent);
        return ER_SINK_REFUSED;
    }
    *text = dead ? NULL : er_worker_foresees(w, copy, record);
    if (*text != NULL) {
        return ER_SINK_TOO_LARGE;
    }
    return w->o.sink.ops->produce(w->o.sink.ctx, copy->lane->topic, record, &copy->ticket, text);
}

/* Gives a copy (not held) to the sink. False: not now; it is unchanged. Otherwise it is sent, or was dealt with as failed. */
static bool send(struct er_worker *w, struct er_copy *copy)
{
    struct er_lane *lane = copy->lane;
    bool dead = copy->kind == ER_COPY_DEAD_LETTER;
    bool probe = !dead && lane->breaker == ER_BREAKER_HALF_OPEN;
    bool alone = lane->sent == 0 && (probe || lane->cautious || lane->suspects > 0);
    struct verdict v = { ER_SINK_RETRY, NULL, true, probe };
    struct er_record record;

    if (!build(w, copy, &record)) {
        er_count(&w->o.counters->no_memory, 1);
        return false;
    }
    v.result = produce(w, copy, &record, &v.text);
    if (v.result == ER_SINK_FULL) {
        w->sink_full = true;
        return false;
    }
    if (lane->sent == 0) {
        lane->settling = lane->recalled = false;
        lane->heard_at = w->now;
    }
    copy->attempts += !dead;
    if (v.result != ER_SINK_OK && w->txn.on && (dead || v.result == ER_SINK_RETRY)) {
        failed_in_transaction(w, copy, &v);
        return true;
    }
    if (v.result != ER_SINK_OK) {
        failed(w, copy, &v);
        return true;
    }
    copy->alone = alone;
    copy->probe = probe;
    lane->probe_out = probe || lane->probe_out;
    lane->sent++;
    lane->sent_bytes += copy->bytes;
    w->fresh = true;
    return true;
}

/* True: the copy is a dead letter now, and dealt with. */
static bool was_refused(struct er_worker *w, struct er_copy *copy)
{
    const struct er_refusal *refusal = er_worker_txn_refusal(w, copy);

    if (refusal == NULL) {
        return false;
    }
    if (copy->kind == ER_COPY_DEAD_LETTER) {
        copy->cut = refusal->cut;
        copy->retimed = refusal->retimed;
        return false;
    }
    copy->attempts = refusal->attempts;
    copy->first_failed_ms = refusal->first_failed_ms;
    to_dead_letter(w, copy, refusal->code, refusal->text);
    return true;
}

void er_worker_submit(struct er_worker *w, struct er_copy *copy)
{
    struct er_lane *lane = copy->lane;

    if (w->txn.n_refusals > 0 && was_refused(w, copy)) {
        return;
    }
    copy->order = lane->next_order++;
    if (is_diverted(lane, copy)) {
        to_dead_letter(w, copy, lane->code, lane->text);
        return;
    }
    if (lane->waiting.n > 0 || w->sink_full || !er_lane_may_send(lane, &w->o.limits, copy->bytes, w->now) || !send(w, copy)) {
        hold(w, copy);
    }
}

static void lane_is_well(struct er_worker *w, struct er_lane *lane, bool probe)
{
    lane->cautious = false;
    lane->retry_at = lane->retry_ns = 0;
    if (probe && er_breaker_close(lane)) {
        lane->text = "delivered again";
        lane->asked = false; /* it may be another one */
        tell_breaker(w, lane);
    }
    if (lane == w->dead_lane && w->dead_letter_down) {
        er_worker_set_health(w, true, "delivered again");
    }
}

static void take_report(struct er_worker *w, const struct er_sink_report *report)
{
    struct er_copy *copy = (struct er_copy *)report->ticket;
    struct er_lane *lane = copy->lane;
    struct verdict v = { report->result, report->text == NULL ? "no reason given" : report->text, copy->alone, copy->probe };

    lane->sent--;
    lane->sent_bytes -= copy->bytes;
    lane->heard_at = w->now;
    lane->probe_out = lane->probe_out && !copy->probe;
    copy->alone = copy->probe = false;
    ER_FAILPOINT("after-report");
    if (ER_PLANTED("ignore-failed-report")) {
        v.result = ER_SINK_OK;
    }
    if (v.result == ER_SINK_OK && copy->attempts == 1 && copy->seq % 500 == 0 && ER_PLANTED("retry-of-delivered")) {
        v.result = ER_SINK_RETRY;
    }
    if (v.result == ER_SINK_OK) {
        lane_is_well(w, lane, v.probe);
        er_worker_size_taken(w, copy);
        delivered(w, copy);
    } else if (copy->window->detached) {
        if (v.probe && (v.result == ER_SINK_MISSING || v.result == ER_SINK_REFUSED)) {
            er_worker_open_breaker(w, lane, er_sink_code(v.result), v.text);
        }
        er_count(&w->o.counters->late_reports, 1);
        give_back(w, copy);
    } else if (w->txn.on) {
        failed_in_transaction(w, copy, &v);
    } else {
        if (v.result == ER_SINK_TOO_LARGE) {
            (void)er_worker_size_refused(w, copy, v.alone);
        }
        failed(w, copy, &v);
    }
}

static void fetch_ahead(const struct er_worker *w, const struct er_sink_report *reports, size_t n)
{
    if (n > COPY_AHEAD) {
        er_copy_prefetch(reports[COPY_AHEAD].ticket);
    }
    if (n > SLOT_AHEAD) {
        const struct er_copy *copy = (const struct er_copy *)reports[SLOT_AHEAD].ticket;

        __builtin_prefetch(slot_of(copy), 1);
        __builtin_prefetch(copy->subscriptions, 1);
    }
    if (n > EVENT_AHEAD && w->o.source.ops->expect_release != NULL) {
        w->o.source.ops->expect_release(w->o.source.ctx, slot_of((const struct er_copy *)reports[EVENT_AHEAD].ticket)->owner);
    }
}

bool er_worker_take_reports(struct er_worker *w)
{
    struct er_sink_report reports[REPORTS];
    size_t n, total = 0;

    do {
        n = w->o.sink.ops->poll(w->o.sink.ctx, reports, REPORTS);
        for (size_t i = 0; i < n; i++) {
            fetch_ahead(w, reports + i, n - i);
            take_report(w, &reports[i]);
        }
        total += n;
    } while (n == REPORTS && total < 64 * REPORTS);
    return total > 0;
}

static void pump_lane(struct er_worker *w, struct er_lane *lane)
{
    struct er_copy *copy;

    while (!w->sink_full && (copy = lane->waiting.first) != NULL) {
        if (is_diverted(lane, copy)) {
            divert_waiting(w, lane);
            continue;
        }
        if (!er_lane_may_send(lane, &w->o.limits, copy->bytes, w->now)) {
            return;
        }
        unhold(w, copy);
        if (!send(w, copy)) {
            er_copies_insert(&lane->waiting, copy, NULL);
            w->waiting++;
            return;
        }
    }
}

static void breaker_timer(struct er_worker *w, struct er_lane *lane)
{
    if (!er_breaker_due(lane, &w->o.limits, w->now)) {
        return;
    }
    tell_breaker(w, lane);
    if (lane->breaker == ER_BREAKER_ENSURE) {
        w->o.hooks.ensure(w->o.hooks.ctx, lane->name);
    }
}

void er_worker_pump(struct er_worker *w)
{
    struct er_destinations *table = &w->destinations;

    for (size_t i = 0; i < table->n_active;) {
        struct er_lane *lane = table->active[i];

        breaker_timer(w, lane);
        pump_lane(w, lane);
        if (lane->waiting.n == 0 && lane->breaker == ER_BREAKER_CLOSED) {
            er_lane_deactivate(table, lane); /* another one takes its place in the list */
        } else {
            i++;
        }
    }
}

void er_worker_drop_waiting(struct er_worker *w, const struct er_window *window)
{
    for (size_t i = 0; i < w->destinations.n_active; i++) {
        struct er_copy *copy = w->destinations.active[i]->waiting.first;

        while (copy != NULL) {
            struct er_copy *next = copy->next;

            if (window == NULL || copy->window == window) {
                unhold(w, copy);
                give_back(w, copy);
            }
            copy = next;
        }
    }
}

void er_worker_ensured(struct er_worker *w, struct er_str topic, enum er_code code, const char *text)
{
    struct er_lane *lane = er_destinations_find(&w->destinations, topic);

    if (lane == NULL || lane->breaker != ER_BREAKER_ENSURE) {
        return;
    }
    if (code == ER_OK) {
        lane->text = "topic exists; one copy is tried";
        er_breaker_found(lane);
        tell_breaker(w, lane);
        return;
    }
    /* text belongs to the caller; the title of the code is what later dead letters say. */
    lane->code = code;
    lane->text = er_code_title(code);
    (void)er_breaker_fail(lane, &w->o.limits, er_clock_now(&w->o.clock));
    w->lanes_at = 0;
    w->o.hooks.breaker(w->o.hooks.ctx, lane->name, lane->breaker, text);
}
