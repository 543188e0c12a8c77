/* What stands still must not stop what goes on: a destination whose partition has no leader, and a source partition whose oldest event
 * cannot be finished (its dead letter cannot be written, its destination does not answer).
 *
 *   a lane without a report for stall_ns --hooks.inspect--> no leader (or gone): its breaker opens, what it has is recalled
 *   the same of the dead-letter topic, in a transaction: it is aborted, and no dead letter is sent before the answer is another one
 *   a full window of which one partition's oldest event is older than stall_ns: that partition is held back, the others are read on */
#include "router/worker_internal.h"

enum { INSPECTED_AT_ONCE = 32 };

static bool is_stalled(const struct er_worker *w, const struct er_lane *lane)
{
    return lane->sent > 0 && w->now - lane->heard_at >= w->o.limits.stall_ns;
}

/* Only the cluster's metadata can tell a topic without a leader from a broker that is slow or away: those are waited for. */
static void inspect_lanes(struct er_worker *w)
{
    const struct er_destinations *table = &w->destinations;
    unsigned left = INSPECTED_AT_ONCE;

    for (size_t i = 0; i < table->lanes_capacity && left > 0; i++) {
        struct er_lane *lane = table->lanes[i];

        if (lane == NULL || !is_stalled(w, lane) || w->now < lane->inspect_at) {
            continue;
        }
        lane->inspect_at = w->now + w->o.limits.stall_ns;
        left--;
        w->o.hooks.inspect(w->o.hooks.ctx, lane->name);
    }
}

/* A topic that is gone makes librdkafka ask again to add it to the transaction, with all others, until their copies time out. Outside of a
 * transaction it reports the copies by itself. */
static bool is_no_use(const struct er_worker *w, enum er_code code)
{
    return code == ER_E_DESTINATION_LEADERLESS || (w->txn.on && code == ER_E_DESTINATION_MISSING);
}

/* Until it is there nothing is tried with it: every attempt would hold all others up. */
static void look_for_dead_letters(struct er_worker *w)
{
    if (w->dead_absent == ER_OK || w->now < w->dead_ask_at) {
        return;
    }
    w->dead_ask_at = w->now + w->o.limits.stall_ns;
    if (w->dead_absent == ER_E_DESTINATION_MISSING) {
        w->o.hooks.ensure(w->o.hooks.ctx, w->dead_lane->name);
    }
    w->o.hooks.inspect(w->o.hooks.ctx, w->dead_lane->name);
}

static void dead_letters_stall(struct er_worker *w, enum er_code code)
{
    er_worker_set_health(w, false, er_code_title(code));
    if (w->txn.on) {
        w->dead_absent = code;
        look_for_dead_letters(w);
        er_worker_txn_fail(w, true);
    }
}

void er_worker_inspected(struct er_worker *w, struct er_str topic, enum er_code code)
{
    struct er_lane *lane = er_destinations_find(&w->destinations, topic);

    if (lane == w->dead_lane && code == ER_OK) {
        w->dead_absent = ER_OK;
    }
    if (lane == NULL || !is_no_use(w, code) || lane->sent == 0) {
        return;
    }
    w->now = er_clock_now(&w->o.clock);
    w->txn.endless |= code == ER_E_DESTINATION_LEADERLESS;
    if (lane == w->dead_lane) {
        dead_letters_stall(w, code);
        return;
    }
    if (lane->breaker == ER_BREAKER_CLOSED || lane->breaker == ER_BREAKER_HALF_OPEN) {
        er_worker_open_breaker(w, lane, code, er_code_title(code));
    }
    if (w->txn.on) {
        er_worker_txn_fail(w, false);
    } else {
        er_worker_recall(w);
    }
}

/* ---- source partitions ---- */

static int64_t age(const struct er_worker *w, struct er_window *window)
{
    return er_window_size(window) == 0 ? 0 : w->now - er_window_slot(window, window->base)->arrived_ns;
}

static void set_held(struct er_worker *w, struct er_window *window, bool held)
{
    window->held = held;
    w->o.source.ops->hold(w->o.source.ctx, window->index, held);
}

/* A partition is held for the sake of others only. */
static bool others_go_on(const struct er_worker *w)
{
    for (size_t i = 0; i < w->n_windows; i++) {
        if (w->windows[i] != NULL && age(w, w->windows[i]) < w->o.limits.stall_ns) {
            return true;
        }
    }
    return false;
}

static void hold_partitions(struct er_worker *w)
{
    bool full = er_worker_window_full(w) && others_go_on(w);

    w->aside_events = w->aside_bytes = 0;
    for (size_t i = 0; i < w->n_windows; i++) {
        struct er_window *window = w->windows[i];

        if (window == NULL) {
            continue;
        }
        if (!window->held && full && age(w, window) >= w->o.limits.stall_ns) {
            set_held(w, window, true);
        } else if (window->held && age(w, window) < w->o.limits.stall_ns) {
            set_held(w, window, false);
        }
        if (window->held) {
            w->aside_events += er_window_size(window);
            w->aside_bytes += er_window_bytes(window);
        }
    }
}

void er_worker_look_for_stalls(struct er_worker *w)
{
    if (w->now < w->stall_at) {
        return;
    }
    w->stall_at = w->now + w->o.limits.stall_ns / 4;
    inspect_lanes(w);
    look_for_dead_letters(w);
    if (w->o.source.ops->hold != NULL) {
        hold_partitions(w);
    }
}
