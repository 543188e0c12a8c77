#include "router/destination.h"

#include <stdlib.h>
#include "rules/engine/hash.h"

#define FIRST_CAPACITY 64
#define NOTES 4096u                       /* kept; a power of two */
#define ENSURE_DEADLINE_NS (60 * ER_S_NS) /* for an answer that never comes */

void er_destinations_init(struct er_destinations *table, struct er_sink sink)
{
    *table = (struct er_destinations){ .sink = sink };
}

static void lane_free(struct er_destinations *table, struct er_lane *lane)
{
    if (lane->topic != NULL) {
        table->sink.ops->close(table->sink.ctx, lane->topic);
    }
    free(lane);
}

void er_destinations_fini(struct er_destinations *table)
{
    for (size_t i = 0; i < table->targets_capacity; i++) {
        free(table->targets[i]);
    }
    for (size_t i = 0; i < table->lanes_capacity; i++) {
        if (table->lanes[i] != NULL) {
            lane_free(table, table->lanes[i]);
        }
    }
    for (size_t i = 0; table->notes != NULL && i < NOTES; i++) {
        er_note_unref(table->notes[i]);
    }
    free(table->notes);
    free(table->targets);
    free(table->lanes);
    free(table->active);
    *table = (struct er_destinations){ 0 };
}

static uint64_t hash_uid(uint64_t uid)
{
    uid *= UINT64_C(0x9e3779b97f4a7c15);
    return uid ^ uid >> 32;
}

/* FNV-1a; only when a lane is made or asked for by name. */
static uint64_t hash_name(struct er_str name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < name.n; i++) {
        h = (h ^ (unsigned char)name.p[i]) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 32;
}

static void place_target(struct er_target **slots, size_t capacity, struct er_target *target)
{
    size_t i = hash_uid(target->uid) & (capacity - 1);

    while (slots[i] != NULL) {
        i = (i + 1) & (capacity - 1);
    }
    slots[i] = target;
}

static void place_lane(struct er_lane **slots, size_t capacity, struct er_lane *lane)
{
    size_t i = lane->hash & (capacity - 1);

    while (slots[i] != NULL) {
        i = (i + 1) & (capacity - 1);
    }
    slots[i] = lane;
}

/* Both tables are at most half full. */
static size_t next_capacity(size_t n, size_t capacity)
{
    return (n + 1) * 2 <= capacity ? capacity : (capacity == 0 ? FIRST_CAPACITY : capacity * 2);
}

static bool rebuild_targets(struct er_destinations *table, size_t capacity)
{
    struct er_target **slots = calloc(capacity, sizeof(struct er_target *));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->targets_capacity; i++) {
        if (table->targets[i] != NULL) {
            place_target(slots, capacity, table->targets[i]);
        }
    }
    free(table->targets);
    table->targets = slots;
    table->targets_capacity = capacity;
    return true;
}

static bool rebuild_lanes(struct er_destinations *table, size_t capacity)
{
    struct er_lane **slots = calloc(capacity, sizeof(struct er_lane *));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->lanes_capacity; i++) {
        if (table->lanes[i] != NULL) {
            place_lane(slots, capacity, table->lanes[i]);
        }
    }
    free(table->lanes);
    table->lanes = slots;
    table->lanes_capacity = capacity;
    return true;
}

struct er_lane *er_destinations_find(const struct er_destinations *table, struct er_str name)
{
    uint64_t hash = hash_name(name);

    if (table->lanes_capacity == 0) {
        return NULL;
    }
    for (size_t i = hash & (table->lanes_capacity - 1); table->lanes[i] != NULL; i = (i + 1) & (table->lanes_capacity - 1)) {
        if (table->lanes[i]->hash == hash && er_str_eq(table->lanes[i]->name, name)) {
            return table->lanes[i];
        }
    }
    return NULL;
}

static bool lanes_grow(struct er_destinations *table)
{
    size_t capacity = next_capacity(table->n_lanes, table->lanes_capacity);

    if (capacity != table->lanes_capacity && !rebuild_lanes(table, capacity)) {
        return false;
    }
    if (table->n_lanes == table->active_capacity) {
        size_t wanted = table->active_capacity == 0 ? FIRST_CAPACITY : table->active_capacity * 2;
        struct er_lane **active = realloc(table->active, wanted * sizeof(struct er_lane *));

        if (active == NULL) {
            return false;
        }
        table->active = active;
        table->active_capacity = wanted;
    }
    return true;
}

static struct er_lane *lane_new(struct er_destinations *table, struct er_str name)
{
    struct er_lane *lane = calloc(1, sizeof *lane + name.n + 1);
    char *text;

    if (lane == NULL) {
        return NULL;
    }
    text = (char *)(lane + 1);
    memcpy(text, name.p, name.n);
    lane->name = (struct er_str){ text, name.n };
    lane->hash = hash_name(name);
    lane->active_at = ER_INACTIVE;
    lane->text = "";
    lane->topic = table->sink.ops->open(table->sink.ctx, lane->name);
    if (lane->topic == NULL) {
        free(lane);
        return NULL;
    }
    return lane;
}

struct er_lane *er_destinations_lane(struct er_destinations *table, struct er_str name)
{
    struct er_lane *lane = er_destinations_find(table, name);

    if (lane != NULL) {
        return lane;
    }
    if (!lanes_grow(table)) {
        return NULL;
    }
    lane = lane_new(table, name);
    if (lane != NULL) {
        place_lane(table->lanes, table->lanes_capacity, lane);
        table->n_lanes++;
    }
    return lane;
}

static struct er_target *target_new(struct er_destinations *table, const struct er_subscriber *subscriber)
{
    size_t capacity = next_capacity(table->n_targets, table->targets_capacity);
    struct er_lane *lane;
    struct er_target *target;
    char *text;

    if (capacity != table->targets_capacity && !rebuild_targets(table, capacity)) {
        return NULL;
    }
    lane = er_destinations_lane(table, subscriber->topic);
    target = lane == NULL ? NULL : calloc(1, sizeof *target + subscriber->id.n + 1);
    if (target == NULL) {
        return NULL;
    }
    text = (char *)(target + 1);
    memcpy(text, subscriber->id.p, subscriber->id.n);
    target->id = (struct er_str){ text, subscriber->id.n };
    target->uid = subscriber->uid;
    target->lane = lane;
    target->age = table->age;
    lane->targets++;
    place_target(table->targets, table->targets_capacity, target);
    table->n_targets++;
    return target;
}

struct er_target *er_destinations_target(struct er_destinations *table, const struct er_subscriber *subscriber)
{
    size_t mask = table->targets_capacity - 1;

    if (table->targets_capacity > 0) {
        for (size_t i = hash_uid(subscriber->uid) & mask; table->targets[i] != NULL; i = (i + 1) & mask) {
            if (table->targets[i]->uid == subscriber->uid) {
                table->targets[i]->age = table->age;
                return table->targets[i];
            }
        }
    }
    return target_new(table, subscriber);
}

struct er_note *er_destinations_note(struct er_destinations *table, struct er_str text)
{
    size_t at = er_hash(text, 0) % NOTES;
    struct er_note *note;

    if (table->notes == NULL) {
        table->notes = calloc(NOTES, sizeof(struct er_note *));
        if (table->notes == NULL) {
            return NULL;
        }
    }
    note = table->notes[at];
    if (note == NULL || note->n != text.n || memcmp(note->text, text.p, text.n) != 0) {
        note = er_note_new(text);
        if (note == NULL) {
            return NULL;
        }
        er_note_unref(table->notes[at]);
        table->notes[at] = note;
    }
    note->refs++;
    return note;
}

static bool target_is_stale(const struct er_destinations *table, const struct er_target *target)
{
    return target->copies == 0 && table->age - target->age >= 2;
}

static bool lane_is_idle(const struct er_lane *lane)
{
    return !lane->keep && lane->targets == 0 && lane->sent == 0 && lane->active_at == ER_INACTIVE;
}

/* The tables are rebuilt in place by making them anew; without memory for that nothing is forgotten this time. */
void er_destinations_sweep(struct er_destinations *table)
{
    struct er_target **targets = calloc(table->targets_capacity + 1, sizeof(struct er_target *));
    struct er_lane **lanes = calloc(table->lanes_capacity + 1, sizeof(struct er_lane *));

    table->age++;
    if (targets == NULL || lanes == NULL) {
        free(targets);
        free(lanes);
        return;
    }
    for (size_t i = 0; i < table->targets_capacity; i++) {
        struct er_target *target = table->targets[i];

        if (target == NULL) {
            continue;
        }
        if (target_is_stale(table, target)) {
            target->lane->targets--;
            table->n_targets--;
            free(target);
        } else {
            place_target(targets, table->targets_capacity, target);
        }
    }
    for (size_t i = 0; i < table->lanes_capacity; i++) {
        struct er_lane *lane = table->lanes[i];

        if (lane == NULL) {
            continue;
        }
        if (lane_is_idle(lane)) {
            table->n_lanes--;
            lane_free(table, lane);
        } else {
            place_lane(lanes, table->lanes_capacity, lane);
        }
    }
    free(table->targets);
    free(table->lanes);
    table->targets = targets;
    table->lanes = lanes;
}

void er_lane_activate(struct er_destinations *table, struct er_lane *lane)
{
    if (lane->active_at == ER_INACTIVE) {
        lane->active_at = table->n_active;
        table->active[table->n_active++] = lane;
    }
}

void er_lane_deactivate(struct er_destinations *table, struct er_lane *lane)
{
    if (lane->active_at != ER_INACTIVE) {
        struct er_lane *last = table->active[--table->n_active];

        table->active[lane->active_at] = last;
        last->active_at = lane->active_at;
        lane->active_at = ER_INACTIVE;
    }
}

void er_destinations_recalled(struct er_destinations *table)
{
    for (size_t i = 0; i < table->lanes_capacity; i++) {
        struct er_lane *lane = table->lanes[i];

        if (lane != NULL) {
            lane->recalled |= lane->sent > 0;
        }
    }
}

bool er_lane_may_send(const struct er_lane *lane, const struct er_worker_limits *limits, size_t bytes, int64_t now)
{
    if (lane->sent == 0) {
        return now >= lane->retry_at; /* also a copy that is larger than the quota */
    }
    if (lane->settling || lane->recalled || lane->cautious || lane->suspects > 0 || lane->probe_out) {
        return false;
    }
    if (lane->capped && lane->sent_bytes + bytes + (lane->sent + 1) * lane->extra > lane->max_bytes) {
        return false;
    }
    return lane->sent < limits->topic_messages && lane->sent_bytes + bytes <= limits->topic_bytes && now >= lane->retry_at;
}

static int64_t doubled(int64_t last, int64_t min, int64_t max)
{
    int64_t next = last == 0 ? min : last * 2;

    return next > max ? max : next;
}

void er_lane_back_off(struct er_lane *lane, const struct er_worker_limits *limits, int64_t now)
{
    lane->retry_ns = doubled(lane->retry_ns, limits->retry_min_ns, limits->retry_max_ns);
    lane->retry_at = now + lane->retry_ns;
}

bool er_breaker_fail(struct er_lane *lane, const struct er_worker_limits *limits, int64_t now)
{
    if (lane->breaker == ER_BREAKER_OPEN) {
        return false;
    }
    if (lane->breaker == ER_BREAKER_CLOSED) {
        lane->broken_at = now;
    }
    lane->breaker = ER_BREAKER_OPEN;
    lane->probe_ns = doubled(lane->probe_ns, limits->probe_min_ns, limits->probe_max_ns);
    lane->probe_at = now + lane->probe_ns;
    return true;
}

bool er_breaker_due(struct er_lane *lane, const struct er_worker_limits *limits, int64_t now)
{
    if (now < lane->probe_at) {
        return false;
    }
    if (lane->breaker == ER_BREAKER_OPEN) {
        lane->breaker = ER_BREAKER_ENSURE;
        lane->probe_at = now + ENSURE_DEADLINE_NS;
        return true;
    }
    return lane->breaker == ER_BREAKER_ENSURE && er_breaker_fail(lane, limits, now);
}

bool er_breaker_found(struct er_lane *lane)
{
    if (lane->breaker != ER_BREAKER_ENSURE) {
        return false;
    }
    lane->breaker = ER_BREAKER_HALF_OPEN;
    lane->probe_out = false;
    return true;
}

bool er_breaker_close(struct er_lane *lane)
{
    if (lane->breaker == ER_BREAKER_CLOSED) {
        return false;
    }
    lane->breaker = ER_BREAKER_CLOSED;
    lane->probe_ns = 0;
    return true;
}

const char *er_breaker_state_name(enum er_breaker_state state)
{
    static const char *const names[] = { "closed", "open", "ensure", "half-open" };

    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "?";
}
