/* DESIGN
 *
 * Makes script lines by chance and executes them, so that a run that fails can be kept as a script (ER_CHAOS_LOG=FILE). The source is a
 * log: after an assignment its events come again from what the group has committed. In the end everything heals, and each event must have
 * had its outcome. With transactions exactly one; and another member may take a partition and go on with it: what it commits, this worker
 * must not. */
#include "tests/replay/script.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LOGS 3
#define EVENTS 4096 /* of one partition */
#define HEALING 40000

enum place { AWAY, HERE, LEAVING };

struct log {
    uint32_t index;
    enum place place;
    int64_t end;
    int64_t fetched; /* next offset for the worker */
    bool elsewhere[EVENTS];
};

struct chaos {
    struct script *s;
    FILE *kept;
    uint64_t state;
    struct log logs[LOGS];
    bool lost; /* the rebalance under way */
    unsigned rules;
};

static const char *const topics[] = { "sub.a", "sub.b", "sub.c", "dead" };
#define N_TOPICS (sizeof topics / sizeof *topics)

/* ---- chance ---- */
static unsigned pick(struct chaos *c, unsigned n)
{
    c->state = c->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((c->state >> 33) % n);
}

static const char *one_of(struct chaos *c, const char *const *words, unsigned n)
{
    return words[pick(c, n)];
}

static void say(struct chaos *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct chaos *c, const char *format, ...)
{
    char line[LINE];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (c->kept != NULL) {
        fprintf(c->kept, "%s\n", line);
        fflush(c->kept);
    }
    script_execute(c->s, line);
}

/* ---- the logs ---- */
static struct fake_partition *partition_of(const struct chaos *c, const struct log *log)
{
    return &c->s->source.partitions[log->index];
}

static bool is_bad(int64_t offset)
{
    return offset % 13 == 5;
}

static void deliver(struct chaos *c, struct log *log)
{
    int partition = (int)(log - c->logs);

    for (; log->place == HERE && log->fetched < log->end; log->fetched++) {
        if (is_bad(log->fetched)) {
            say(c, "event raw/%d %lld key=k value=bad", partition, (long long)log->fetched);
        } else {
            say(c, "event raw/%d %lld value={\"type\":\"t%lld\"}", partition, (long long)log->fetched, (long long)log->fetched % 4);
        }
    }
}

static void write_events(struct chaos *c)
{
    struct log *log = &c->logs[pick(c, LOGS)];
    unsigned n = 1 + pick(c, pick(c, 8) == 0 ? 60 : 6);

    log->end = log->end + n < EVENTS ? log->end + n : EVENTS;
    deliver(c, log);
}

/* ---- the group ---- */
static bool is_rebalancing(const struct chaos *c)
{
    const struct fake_item *item = c->s->source.first;

    while (item != NULL && item->kind == ER_REBALANCE_NONE) {
        item = item->next;
    }
    return item != NULL || c->s->source.pending != NULL;
}

static void note_departures(struct chaos *c)
{
    for (size_t i = 0; i < LOGS && !is_rebalancing(c); i++) {
        struct log *log = &c->logs[i];

        log->place = log->place == LEAVING ? AWAY : log->place;
    }
}

/* "raw/0 raw/2" of the logs that are at `from` and chosen by the bits of mask; they are at `to` then. False: none. */
static bool move(struct chaos *c, enum place from, enum place to, unsigned mask, char out[LOGS * 8])
{
    int n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < LOGS; i++) {
        if (c->logs[i].place == from && (mask >> i & 1) != 0) {
            n += snprintf(out + n, 8, " raw/%u", i);
            c->logs[i].place = to;
        }
    }
    return n > 0;
}

static void assign(struct chaos *c, unsigned mask)
{
    char names[LOGS * 8];

    if (is_rebalancing(c) || !move(c, AWAY, HERE, mask, names)) {
        return;
    }
    say(c, "assign%s", names);
    for (size_t i = 0; i < LOGS; i++) {
        struct log *log = &c->logs[i];
        int64_t committed = partition_of(c, log)->committed;

        if (log->place == HERE && (mask >> i & 1) != 0 && !partition_of(c, log)->assigned) {
            log->fetched = committed < 0 ? 0 : committed;
            deliver(c, log);
        }
    }
}

static void take_away(struct chaos *c, bool lost, unsigned mask)
{
    char names[LOGS * 8];

    if (!is_rebalancing(c) && move(c, HERE, LEAVING, mask, names)) {
        say(c, "%s%s", lost ? "lost" : "revoke", names);
        c->lost = lost;
    }
}

/* A revocation turns into a loss. */
static void lose_revoked(struct chaos *c)
{
    char names[LOGS * 8];

    if (c->s->source.pending != NULL && c->s->source.pending->kind == ER_REBALANCE_REVOKED && !c->lost &&
        move(c, LEAVING, LEAVING, ~0U, names)) {
        say(c, "lost%s", names);
        c->lost = true;
    }
}

/* Another member goes on with a partition that is not, or not really, the worker's any more. */
static void go_on_elsewhere(struct chaos *c)
{
    unsigned i = pick(c, LOGS);
    struct log *log = &c->logs[i];
    struct fake_partition *p = partition_of(c, log);
    int64_t next = p->committed < 0 ? 0 : p->committed;

    if (!c->s->txn.on) {
        return;
    }
    if (log->place == HERE && p->assigned && !p->fenced && pick(c, 4) == 0) {
        say(c, "fence raw/%u", i);
    }
    if (log->place != AWAY && !(p->assigned && p->fenced)) {
        return;
    }
    for (unsigned n = 1 + pick(c, 10); n > 0 && next < log->end; n--) {
        log->elsewhere[next++] = true;
    }
    if (next > 0) {
        say(c, "elsewhere raw/%u %lld", i, (long long)next);
    }
}

static void rebalance(struct chaos *c)
{
    unsigned mask = 1 + pick(c, (1U << LOGS) - 1);

    switch (pick(c, 5)) {
    case 0:
        take_away(c, false, mask);
        return;
    case 1:
        take_away(c, true, mask);
        return;
    case 2:
        lose_revoked(c);
        return;
    case 3:
        go_on_elsewhere(c);
        return;
    default:
        assign(c, mask);
        return;
    }
}

/* ---- the sink, the transactions, the rest ---- */
static void spoil_sink(struct chaos *c)
{
    static const char *const results[] = { "ok",        "ok",        "ok",      "ok",      "hold",           "queued",
                                           "too_large", "timestamp", "invalid", "timeout", "not_authorised", "unknown_topic" };
    const char *topic = topics[pick(c, N_TOPICS)];

    switch (pick(c, 4)) {
    case 0:
        if (c->s->txn.on) { /* an idempotent producer delivers nothing behind what was refused */
            say(c, "size %s %u", topic, pick(c, 3) == 0 ? 0 : 80 + pick(c, 200));
        }
        return;
    case 1:
        say(c, "produce %s %s %u", topic, one_of(c, results + 6, 6), 1 + pick(c, 3));
        return;
    case 2:
        say(c, "queue %u", pick(c, 3) == 0 ? 1 + pick(c, 10) : 100000);
        return;
    default:
        say(c, "sink %s %s", topic, one_of(c, results, 12));
        return;
    }
}

static void report(struct chaos *c)
{
    static const char *const results[] = {
        "ok", "ok", "ok", "ok", "too_large", "timestamp", "invalid", "timeout", "unknown_topic"
    };
    const char *topic = topics[pick(c, N_TOPICS)];
    unsigned n = (unsigned)sink_unanswered(&c->s->sink, sink_topic(&c->s->sink, topic));

    if (n > 0 && c->s->txn.on) {
        say(c, "report %s %s %u", topic, one_of(c, results, 9), 1 + pick(c, n));
    } else if (n > 0 && pick(c, 2) == 0) {
        say(c, "report %s ok %u", topic, 1 + pick(c, n));
    } else if (n > 0) {
        say(c, "report %s %s all", topic, one_of(c, results, 9));
    }
}

static void answer_ensures(struct chaos *c, bool well)
{
    for (size_t i = 0; i < N_TOPICS; i++) {
        struct hook_topic *topic = script_hook_topic(c->s, er_str_of(topics[i]));

        if (topic->breaker == ER_BREAKER_ENSURE) {
            say(c, "ensured %s %s", topics[i], well || pick(c, 2) == 0 ? "ok" : "E602");
        }
    }
}

/* What the cluster says about topics, which may be wrong by the time it is heard. */
static void answer_questions(struct chaos *c, bool well)
{
    static const char *const answers[] = { "ok", "E606", "E602", "E601" };

    for (size_t i = 0; i < N_TOPICS; i++) {
        if (well || pick(c, 4) == 0) {
            say(c, "inspected %s %s", topics[i], well ? "ok" : one_of(c, answers, 4));
        }
        if (!well && pick(c, 4) == 0) {
            say(c, "described %s %u", topics[i], pick(c, 3) == 0 ? 0 : 150 + pick(c, 300));
        }
    }
}

static void spoil_transactions(struct chaos *c)
{
    static const char *const calls[] = {
        "txn commit again",         "txn commit again-done",   "txn commit abort",        "txn commit doubtful-done",
        "txn commit doubtful-lost", "txn abort again",         "txn abort doubtful-done", "txn abort doubtful-lost",
        "txn renew again",          "txn begin doubtful-lost", "txn ask again",           "txn commit doubtful-done",
    };

    if (c->s->txn.on) {
        say(c, "%s %u", one_of(c, calls, sizeof calls / sizeof *calls), 1 + pick(c, pick(c, 4) == 0 ? 8 : 2));
    } else if (pick(c, 3) == 0) {
        say(c, "commit-fails %u", pick(c, 5));
    } else {
        say(c, "commit-stored");
    }
}

static void let_time_pass(struct chaos *c)
{
    static const char *const times[] = { "1ms", "1ms", "10ms", "10ms", "100ms", "100ms", "1s", "12s" };

    say(c, "advance %s", one_of(c, times, 8));
}

static void change_rules(struct chaos *c)
{
    say(c, "rule {\"id\":\"c-1\",\"subscriber\":\"c\",\"types\":[\"t%u\"]}", c->rules++ % 4);
}

static void one_round(struct chaos *c)
{
    unsigned what = pick(c, 100);

    note_departures(c);
    if (what < 12) {
        write_events(c);
    } else if (what < 20) {
        rebalance(c);
    } else if (what < 30) {
        spoil_sink(c);
    } else if (what < 38) {
        report(c);
    } else if (what < 42) {
        answer_ensures(c, false);
        answer_questions(c, false);
    } else if (what < 47) {
        spoil_transactions(c);
    } else if (what < 49) {
        change_rules(c);
    } else if (what < 51) {
        say(c, "no-memory %u", pick(c, 2) * (2 + pick(c, 6)));
    } else if (what < 65) {
        let_time_pass(c);
    } else {
        say(c, "step %u", 1 + pick(c, 6));
    }
}

/* ---- the end ---- */
static void heal(struct chaos *c)
{
    static const char *const calls[] = { "begin", "commit", "abort", "renew", "ask" };

    say(c, "no-memory 0");
    say(c, "queue 100000");
    say(c, "commit-fails 0");
    for (size_t i = 0; i < N_TOPICS; i++) {
        say(c, "sink %s ok", topics[i]);
        say(c, "produce %s ok", topics[i]);
        say(c, "size %s 0", topics[i]);
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        say(c, "txn %s ok", calls[i]);
    }
}

static bool is_done(const struct chaos *c)
{
    for (size_t i = 0; i < LOGS; i++) {
        const struct log *log = &c->logs[i];
        const struct fake_partition *p = partition_of(c, log);
        int64_t done = p->committed > p->stored ? p->committed : p->stored;

        if (log->place != HERE || p->fenced || (log->end > 0 && done != log->end)) {
            return false;
        }
    }
    return !is_rebalancing(c) && er_counter_read(&c->s->counters.in_flight_events) == 0;
}

static void come_to_rest(struct chaos *c)
{
    unsigned fenced = 0;

    for (unsigned i = 0; i < HEALING && !is_done(c) && !c->s->failure->failed; i++) {
        note_departures(c);
        for (unsigned j = fenced = 0; j < LOGS; j++) {
            fenced |= partition_of(c, &c->logs[j])->fenced ? 1U << j : 0;
        }
        take_away(c, true, fenced);
        assign(c, ~0U);
        answer_ensures(c, true);
        answer_questions(c, true);
        say(c, "step");
        say(c, "advance 10ms");
    }
    if (!is_done(c)) {
        fail_at(c->s->failure, "it does not recover");
    }
}

/* A dead letter of the event: about subscriber a's copy, or about nobody's. */
static size_t dead_letters(const struct chaos *c, const struct log *log, int64_t offset)
{
    size_t n = 0;

    for (size_t i = 0; i < c->s->sink.n; i++) {
        const struct fake_entry *e = &c->s->sink.entries[i];
        const struct er_header *who = er_record_header(&e->copy->record, ER_STR("eventrouter-subscriber"));

        n += e->delivered_at > 0 && e->from == log->index && e->copy->record.offset == offset &&
             strcmp(e->topic->name, DEAD) == 0 && (who == NULL || er_str_eq(who->value, ER_STR("a")));
    }
    return n;
}

static void check_outcomes(struct chaos *c, const struct log *log)
{
    const struct fake_topic *copies = sink_topic(&c->s->sink, "sub.a");

    for (int64_t offset = 0; offset < log->end; offset++) {
        size_t wanted = log->elsewhere[offset] ? 0 : 1, dead = dead_letters(c, log, offset);
        size_t delivered = sink_delivered(&c->s->sink, copies, log->index, offset);

        if (!c->s->txn.on && dead + delivered > wanted) {
            continue; /* some of it again, after a fault */
        }
        if (dead + delivered != wanted || (is_bad(offset) && delivered > 0)) {
            fail_at(c->s->failure, "raw/%u/%lld: %zu copies and %zu dead letters, expected %zu", log->index, (long long)offset,
                    delivered, dead, wanted);
        }
    }
}

static void begin(struct chaos *c)
{
    for (size_t i = 0; i < LOGS; i++) {
        char name[16];

        snprintf(name, sizeof name, "raw/%zu", i);
        c->logs[i].index = source_partition(&c->s->source, name);
    }
    say(c, "rule {\"id\":\"a-1\",\"subscriber\":\"a\"}");
    say(c, "rule {\"id\":\"b-1\",\"subscriber\":\"b\",\"types\":[\"t1\",\"t2\"]}");
    say(c, "topic sub.b 2");
    assign(c, ~0U);
}

void script_chaos(struct script *s, const struct words *w)
{
    struct chaos *c = calloc(1, sizeof *c);
    const char *shift = getenv("ER_CHAOS_SEED"), *kept = getenv("ER_CHAOS_LOG");

    c->s = s;
    c->state = (uint64_t)script_number(s, script_arg(s, w, 1)) + (shift == NULL ? 0 : strtoull(shift, NULL, 10)) * 1000003;
    c->kept = kept == NULL ? NULL : fopen(kept, "w");
    begin(c);
    for (int64_t i = script_number(s, script_arg(s, w, 2)); i > 0 && !s->failure->failed; i--) {
        one_round(c);
    }
    heal(c);
    come_to_rest(c);
    for (size_t i = 0; i < LOGS && !s->failure->failed; i++) {
        check_outcomes(c, &c->logs[i]);
    }
    for (size_t i = 0; i < N_TOPICS; i++) {
        sink_topic(&s->sink, topics[i])->ignored = true;
    }
    if (!s->health) {
        fail_at(s->failure, "health is down though nothing is wrong any more");
    }
    if (c->kept != NULL) {
        fclose(c->kept);
    }
    free(c);
}
