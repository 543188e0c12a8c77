#include "router/worker_internal.h"

#include <stdlib.h>
#include "rules/base/faults.h"

#define COMMIT_TRIES 3
#define COMMIT_PAUSE_NS (100 * ER_MS_NS)

static void count_event(struct er_worker *w, enum er_rebalance kind)
{
    struct er_counters *n = w->o.counters;
    _Atomic uint64_t *const by_kind[] = { NULL, &n->rebalances_assigned, &n->rebalances_revoked, &n->rebalances_lost };

    er_count(by_kind[kind], 1);
}

static struct er_window *window_at(const struct er_worker *w, uint32_t index)
{
    return index < w->n_windows ? w->windows[index] : NULL;
}

void er_worker_drop_batch(struct er_worker *w, bool all)
{
    size_t keep = w->batch_at;

    for (size_t i = w->batch_at; i < w->batch_n; i++) {
        const struct er_window *window = window_at(w, w->batch[i].index);

        if (all || window == NULL || window->draining) {
            w->o.source.ops->release(w->o.source.ctx, w->batch[i].record.owner);
        } else {
            w->batch[keep++] = w->batch[i];
        }
    }
    w->batch_n = keep;
}

/* Slots whose copies are all with the sink keep their records until the reports are in; nobody counts or commits them any more. */
void er_worker_detach(struct er_worker *w, uint32_t index)
{
    struct er_window *window = w->windows[index];

    if (w->txn.on) {
        er_worker_txn_detach(w, window);
    }
    w->windows[index] = NULL;
    window->detached = true;
    w->events -= er_window_size(window);
    er_count(&w->o.counters->dropped_events, er_window_size(window));
    for (uint64_t seq = window->base; seq < window->head; seq++) {
        w->bytes -= er_window_slot(window, seq)->held;
    }
    er_worker_drop_waiting(w, window);
    window->next_detached = w->detached;
    w->detached = window;
}

void er_worker_sweep_detached(struct er_worker *w)
{
    struct er_window **at = &w->detached;

    while (*at != NULL) {
        struct er_window *window = *at;

        if (window->copies == 0) {
            *at = window->next_detached;
            er_window_free(window);
        } else {
            at = &window->next_detached;
        }
    }
}

static bool windows_reserve(struct er_worker *w, uint32_t index)
{
    size_t wanted = (size_t)index + 1;
    struct er_window **windows;
    struct er_source_offset *offsets;

    if (wanted <= w->n_windows) {
        return true;
    }
    wanted = wanted < 16 ? 16 : wanted + wanted / 2;
    windows = realloc(w->windows, wanted * sizeof(struct er_window *));
    if (windows == NULL) {
        return false;
    }
    w->windows = windows;
    offsets = realloc(w->offsets, wanted * sizeof *offsets);
    if (offsets == NULL) {
        return false;
    }
    w->offsets = offsets;
    if (w->txn.on) {
        offsets = realloc(w->txn.offsets, wanted * sizeof *offsets);
        if (offsets == NULL) {
            return false;
        }
        w->txn.offsets = offsets;
    }
    memset(windows + w->n_windows, 0, (wanted - w->n_windows) * sizeof(struct er_window *));
    w->n_windows = wanted;
    return true;
}

static void finish_event(struct er_worker *w)
{
    w->event = (struct er_source_event){ ER_REBALANCE_NONE, NULL, 0 };
    ER_FAILPOINT("before-rebalance-done");
    w->o.source.ops->rebalance_done(w->o.source.ctx);
    ER_FAILPOINT("after-rebalance-done");
}

static void detach_event(struct er_worker *w)
{
    for (size_t i = 0; i < w->event.n; i++) {
        if (window_at(w, w->event.partitions[i].index) != NULL) {
            er_worker_detach(w, w->event.partitions[i].index);
        }
    }
    er_worker_drop_batch(w, false);
}

void er_worker_begin_rebalance(struct er_worker *w, const struct er_source_event *event)
{
    count_event(w, event->kind);
    w->event = *event;
    w->event_at = 0;
    w->event_deadline = w->now + w->o.limits.revoke_ns;
    w->commit_tries = 0;
    w->commit_at = 0;
    if (event->kind == ER_REBALANCE_REVOKED) {
        for (size_t i = 0; i < event->n; i++) {
            struct er_window *window = window_at(w, event->partitions[i].index);

            if (window != NULL) {
                window->draining = true;
            }
        }
        er_worker_drop_batch(w, false);
    }
    er_worker_serve_rebalance(w);
}

/* Without memory the rest is tried again in the next step. */
static void serve_assigned(struct er_worker *w)
{
    for (; w->event_at < w->event.n; w->event_at++) {
        const struct er_source_partition *p = &w->event.partitions[w->event_at];
        struct er_window *window;

        if (!windows_reserve(w, p->index)) {
            return;
        }
        window = er_window_new(p->topic, p->partition, p->index);
        if (window == NULL) {
            return;
        }
        if (w->windows[p->index] != NULL) {
            if (w->txn.on) {
                er_worker_txn_wind_up(w, true);
            }
            er_worker_detach(w, p->index);
        }
        w->windows[p->index] = window;
    }
    finish_event(w);
}

static bool revoked_drained(const struct er_worker *w)
{
    for (size_t i = 0; i < w->event.n; i++) {
        const struct er_window *window = window_at(w, w->event.partitions[i].index);

        if (window != NULL && er_window_size(window) > 0) {
            return false;
        }
    }
    return true;
}

/* What is lost goes at once: while a loss is not answered librdkafka's heartbeats have no member id any more, and with a static member the
 * broker takes that for a stranger. */
static void give_up_partitions(struct er_worker *w, bool hurry)
{
    if (w->txn.on && !ER_PLANTED("no-abort-on-revoke")) {
        er_worker_txn_wind_up(w, hurry);
        if (!hurry && !er_worker_txn_is_settled(w)) {
            return;
        }
    }
    detach_event(w);
    finish_event(w);
}

void er_worker_serve_rebalance(struct er_worker *w)
{
    switch (w->event.kind) {
    case ER_REBALANCE_NONE:
        break;
    case ER_REBALANCE_ASSIGNED:
        serve_assigned(w);
        break;
    case ER_REBALANCE_REVOKED:
        if (ER_PLANTED("revoke-without-drain")) {
            detach_event(w);
            finish_event(w);
        } else if (w->txn.on) {
            give_up_partitions(w, w->now >= w->event_deadline);
        } else if ((revoked_drained(w) || w->now >= w->event_deadline) && er_worker_commit(w, false, w->event_deadline)) {
            detach_event(w);
            finish_event(w);
        }
        break;
    case ER_REBALANCE_LOST:
        give_up_partitions(w, true);
        break;
    }
}

bool er_worker_commit(struct er_worker *w, bool all, int64_t deadline)
{
    int64_t wait = deadline - w->now;
    size_t n = 0;
    enum er_code code;

    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];

        if (window != NULL && (all || window->draining) && er_window_committable(window) >= 0) {
            w->offsets[n++] = (struct er_source_offset){ window->index, er_window_committable(window) };
            window->dirty = false;
        }
    }
    if (n == 0) {
        return true;
    }
    if (w->now < w->commit_at) {
        return false;
    }
    wait = wait < COMMIT_PAUSE_NS ? COMMIT_PAUSE_NS : wait > w->o.limits.commit_ns ? w->o.limits.commit_ns : wait;
    w->o.source.ops->store(w->o.source.ctx, w->offsets, n);
    ER_FAILPOINT("before-commit");
    code = w->o.source.ops->commit(w->o.source.ctx, w->offsets, n, wait);
    ER_FAILPOINT("after-commit");
    w->now = er_clock_now(&w->o.clock);
    if (code == ER_OK) {
        return true;
    }
    er_count(&w->o.counters->commit_errors, 1);
    w->commit_at = w->now + COMMIT_PAUSE_NS;
    return ++w->commit_tries >= COMMIT_TRIES || w->now >= deadline;
}
