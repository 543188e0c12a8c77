/* How large a copy may be: what is known before it is sent, so that no transaction (and no batch) is spoiled to find it out.
 *
 *   a lane's first copy, a refusal, a prediction, a topic made again --hooks.describe--> max.message.bytes
 *
 * Brokers measure what arrives, so a size is certain only when the sink does not compress. Otherwise a copy that may be too large travels alone,
 * and the broker decides. An answer is old after a while: somebody may have raised the limit, which no refusal would tell.
 *
 * With exactly-once a destination that only gets such copies would stop everybody, since each refusal costs a transaction: after some in a row,
 * copies that may be too large are not tried any more, but for one after 1 s, 2 s, ... 20 s (as with a breaker, which others, that surely fit,
 * would suffer from). Otherwise a refusal costs others nothing, and each copy is tried. */
#include "router/batch_size.h"
#include "router/worker_internal.h"

#define FRESH_NS (5 * ER_S_NS)
#define ASK_GAP_NS (1 * ER_S_NS)
enum { REFUSALS = 3 /* in a row */ };

static bool is_certain(const struct er_worker *w, const struct er_lane *lane)
{
    return !w->o.compressed && w->now - lane->described_at <= FRESH_NS;
}

static void ask(struct er_worker *w, struct er_lane *lane)
{
    lane->asked = true;
    lane->ask_at = w->now + ASK_GAP_NS;
    w->o.hooks.describe(w->o.hooks.ctx, lane->name);
}

static bool is_risky(const struct er_worker *w, const struct er_copy *copy)
{
    const struct er_lane *lane = copy->lane;

    if (lane->too_large > 0 && copy->bytes >= lane->too_large) {
        return true;
    }
    return lane->max_bytes > 0 && copy->bytes + lane->extra > lane->max_bytes && !is_certain(w, lane);
}

static bool is_shut(const struct er_worker *w, const struct er_copy *copy)
{
    const struct er_lane *lane = copy->lane;

    return w->txn.on && lane->size_refusals >= REFUSALS && w->now < lane->size_probe_at && copy->kind != ER_COPY_DEAD_LETTER;
}

/* Most are far too small to be measured. */
static bool is_worth_it(const struct er_lane *lane, const struct er_copy *copy, const struct er_record *record)
{
    return lane->max_bytes > 0 && (lane->capped || record->n_headers > 1 || copy->bytes >= lane->max_bytes / 2);
}

const char *er_worker_foresees(struct er_worker *w, const struct er_copy *copy, const struct er_record *record)
{
    struct er_lane *lane = copy->lane;
    size_t size;

    if (!lane->asked && w->now >= lane->ask_at) {
        ask(w, lane);
    }
    if (w->txn.on && lane->size_refusals >= REFUSALS && is_risky(w, copy)) {
        bool shut = is_shut(w, copy);

        lane->size_probe_at = shut ? lane->size_probe_at : w->now + lane->size_probe_ns; /* one probe */
        lane->asked = false;
        return shut ? "others of such a size were refused; not tried" : NULL;
    }
    if (!is_worth_it(lane, copy, record)) {
        return NULL;
    }
    size = er_batch_size_alone(record);
    if (size > copy->bytes + lane->extra) {
        lane->extra = (uint32_t)(size - copy->bytes);
    }
    if (size <= lane->max_bytes) {
        return NULL;
    }
    lane->asked = false;
    return is_certain(w, lane) ? "larger than max.message.bytes of the topic" : NULL;
}

bool er_worker_is_risky(const struct er_worker *w, const struct er_copy *copy)
{
    return is_risky(w, copy) && !is_shut(w, copy);
}

void er_worker_size_taken(const struct er_worker *w, const struct er_copy *copy)
{
    struct er_lane *lane = copy->lane;

    if (lane->size_refusals > 0 && is_risky(w, copy)) {
        lane->size_refusals = 0;
        lane->size_probe_ns = 0;
        lane->too_large = 0;
    }
}

static void count_refusal(struct er_worker *w, struct er_lane *lane)
{
    const struct er_worker_limits *l = &w->o.limits;

    if (++lane->size_refusals < REFUSALS) {
        return;
    }
    lane->size_probe_ns = lane->size_probe_ns == 0 ? l->probe_min_ns : 2 * lane->size_probe_ns;
    lane->size_probe_ns = lane->size_probe_ns < l->probe_max_ns ? lane->size_probe_ns : l->probe_max_ns;
    lane->size_probe_at = w->now + lane->size_probe_ns;
}

bool er_worker_size_refused(struct er_worker *w, const struct er_copy *copy, bool alone)
{
    struct er_lane *lane = copy->lane;

    lane->asked = false;
    if (alone) {
        count_refusal(w, lane);
    }
    if (alone || lane->capped || lane->max_bytes == 0 || copy->bytes + lane->extra > lane->max_bytes) {
        return false;
    }
    lane->capped = true;
    return true;
}

void er_worker_described(struct er_worker *w, struct er_str topic, uint32_t max_bytes)
{
    struct er_lane *lane = er_destinations_find(&w->destinations, topic);

    if (lane == NULL) {
        return;
    }
    if (max_bytes > lane->max_bytes) {
        lane->capped = false;
        lane->too_large = 0;
    }
    lane->max_bytes = max_bytes;
    lane->described_at = er_clock_now(&w->o.clock);
    if (max_bytes > 0 && max_bytes / 2 < w->txn.risky_from) {
        w->txn.risky_from = max_bytes / 2;
    }
}
