#include "tests/replay/script.h"

#include <stdlib.h>
#include <string.h>

static void check_text(struct script *s, const char *what, struct er_str expected, struct er_str got)
{
    if (!er_str_eq(expected, got)) {
        fail_at(s->failure, "%s is '%.*s', expected '%.*s'", what, ER_STR_ARG(got), ER_STR_ARG(expected));
    }
}

static void check_number(struct script *s, const char *what, int64_t expected, int64_t got)
{
    if (expected != got) {
        fail_at(s->failure, "%s is %lld, expected %lld", what, (long long)got, (long long)expected);
    }
}

static void check_header(struct script *s, const struct er_record *record, char *name_value)
{
    char *equals = strchr(name_value, '=');
    struct er_str name = { name_value, equals == NULL ? 0 : (size_t)(equals - name_value) };
    size_t times = 0;

    if (equals == NULL) {
        fail_at(s->failure, "a header needs a value");
        return;
    }
    for (size_t i = 0; i < record->n_headers; i++) {
        if (er_str_eq(record->headers[i].name, name)) {
            times++;
            check_text(s, name_value, script_decode(equals + 1), record->headers[i].value);
        }
    }
    if (times != 1) {
        fail_at(s->failure, "header %.*s is there %zu times", ER_STR_ARG(name), times);
    }
}

static void check_part(struct script *s, const struct fake_entry *e, char *word)
{
    const struct er_record *r = &e->copy->record;
    char *rest;

    if (script_after(word, "partition=", &rest)) {
        check_number(s, "partition", script_number(s, rest), e->partition);
    } else if (script_after(word, "offset=", &rest)) {
        check_number(s, "offset", script_number(s, rest), r->offset);
    } else if (script_after(word, "ts=", &rest)) {
        check_number(s, "timestamp", script_number(s, rest), r->timestamp_ms);
    } else if (script_after(word, "key=", &rest)) {
        check_text(s, "key", script_decode(rest), r->key);
        check_number(s, "has key", 1, r->has_key);
    } else if (script_after(word, "value=", &rest)) {
        check_text(s, "value", script_decode(rest), r->value);
        check_number(s, "has value", 1, r->has_value);
    } else if (strcmp(word, "tombstone") == 0) {
        check_number(s, "has value", 0, r->has_value);
    } else if (strcmp(word, "no-key") == 0) {
        check_number(s, "has key", 0, r->has_key);
    } else if (script_after(word, "headers=", &rest)) {
        check_number(s, "number of headers", script_number(s, rest), (int64_t)r->n_headers);
    } else if (script_after(word, "no:", &rest)) {
        check_number(s, rest, 0, er_record_header(r, er_str_of(rest)) != NULL);
    } else if (script_after(word, "h:", &rest)) {
        check_header(s, r, rest);
    } else {
        fail_at(s->failure, "unknown expectation: %s", word);
    }
}

static const struct fake_entry *next_delivered(struct script *s, const struct fake_topic *topic)
{
    const struct fake_entry *best = NULL;

    for (size_t i = 0; i < s->sink.n; i++) {
        const struct fake_entry *e = &s->sink.entries[i];

        if (e->topic == topic && e->delivered_at > topic->delivered_seen &&
            (best == NULL || e->delivered_at < best->delivered_at)) {
            best = e;
        }
    }
    return best;
}

static const struct fake_entry *next_sent(struct script *s, const struct fake_topic *topic)
{
    size_t seen = 0;

    for (size_t i = 0; i < s->sink.n; i++) {
        if (s->sink.entries[i].topic == topic && seen++ == topic->sent_seen) {
            return &s->sink.entries[i];
        }
    }
    return NULL;
}

static void expect_record(struct script *s, const struct words *w, bool delivered)
{
    struct fake_topic *topic = script_topic(s, w, 2);
    const struct fake_entry *e = delivered ? next_delivered(s, topic) : next_sent(s, topic);

    if (e == NULL) {
        fail_at(s->failure, "nothing more was %s to %s", delivered ? "delivered" : "sent", topic->name);
        return;
    }
    for (size_t i = 3; i < w->n; i++) {
        check_part(s, e, w->word[i]);
    }
    topic->sent_seen += !delivered;
    topic->delivered_seen = delivered ? e->delivered_at : topic->delivered_seen;
}

static void expect_copy(struct script *s, const struct words *w)
{
    expect_record(s, w, true);
}

/* "7!2!5": below 7, without 2 and 5. */
static bool is_named(struct script *s, const char *text, int64_t offset)
{
    char *rest;
    bool named = offset < strtoll(text, &rest, 10);

    while (*rest == '!') {
        named &= strtoll(rest + 1, &rest, 10) != offset;
    }
    if (*rest != '\0') {
        fail_at(s->failure, "not offsets: '%s'", text);
    }
    return named;
}

/* Exactly the events that are named are in the topic, each once. */
static void expect_all(struct script *s, const struct words *w)
{
    struct fake_topic *topic = script_topic(s, w, 2);
    const char *offsets[PARTITIONS] = { NULL };

    for (size_t i = 3; i < w->n; i++) {
        char *equals = strchr(w->word[i], '=');

        if (equals == NULL) {
            fail_at(s->failure, "expected PARTITION=OFFSETS");
            return;
        }
        *equals = '\0';
        offsets[source_partition(&s->source, w->word[i])] = equals + 1;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        int64_t end = offsets[p] == NULL ? 0 : strtoll(offsets[p], NULL, 10);

        for (int64_t offset = 0; offset < end; offset++) {
            if (is_named(s, offsets[p], offset) && sink_delivered(&s->sink, topic, p, offset) != 1) {
                fail_at(s->failure, "%s has offset %lld of partition %u %zu times", topic->name, (long long)offset, p,
                        sink_delivered(&s->sink, topic, p, offset));
                return;
            }
        }
    }
    for (size_t i = 0; i < s->sink.n; i++) {
        const struct fake_entry *e = &s->sink.entries[i];

        if (e->topic == topic && e->delivered_at > 0 &&
            (offsets[e->from] == NULL || !is_named(s, offsets[e->from], e->copy->record.offset))) {
            fail_at(s->failure, "%s has offset %lld of partition %u, which nobody expected", topic->name,
                    (long long)e->copy->record.offset, e->from);
            return;
        }
    }
    topic->delivered_seen = s->sink.deliveries;
}

static void expect_sent(struct script *s, const struct words *w)
{
    expect_record(s, w, false);
}

static void expect_none(struct script *s, const struct words *w)
{
    const struct fake_entry *e = next_delivered(s, script_topic(s, w, 2));

    if (e != NULL) {
        fail_at(s->failure, "%s got offset %lld, which nobody expected", e->topic->name, (long long)e->copy->record.offset);
    }
}

static void expect_unsent(struct script *s, const struct words *w)
{
    const struct fake_entry *e = next_sent(s, script_topic(s, w, 2));

    if (e != NULL) {
        fail_at(s->failure, "offset %lld was sent to %s", (long long)e->copy->record.offset, e->topic->name);
    }
}

static void expect_offset(struct script *s, const struct words *w, bool committed)
{
    for (size_t i = 2; i < w->n; i++) {
        char *equals = strchr(w->word[i], '=');
        const struct fake_partition *p;

        if (equals == NULL) {
            fail_at(s->failure, "expected PARTITION=OFFSET");
            return;
        }
        *equals = '\0';
        p = &s->source.partitions[source_partition(&s->source, w->word[i])];
        check_number(s, committed ? "committed offset" : "stored offset",
                     strcmp(equals + 1, "-") == 0 ? -1 : script_number(s, equals + 1), committed ? p->committed : p->stored);
    }
}

static void expect_stored(struct script *s, const struct words *w)
{
    expect_offset(s, w, false);
}

static void expect_committed(struct script *s, const struct words *w)
{
    expect_offset(s, w, true);
}

static void expect_counters(struct script *s, const struct words *w)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
#define ER_COUNTER(field, metric, label, help) { #field, offsetof(struct er_counters, field) },
#define ER_GAUGE ER_COUNTER
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
        { "commit_ns", offsetof(struct er_counters, commit.sum_ns) },
        { "renewal_ns", offsetof(struct er_counters, renewal.sum_ns) },
    };

    for (size_t i = 2; i < w->n; i++) {
        char *equals = strchr(w->word[i], '=');
        bool known = false;

        for (size_t j = 0; equals != NULL && j < sizeof rows / sizeof *rows; j++) {
            size_t n = (size_t)(equals - w->word[i]);

            if (strlen(rows[j].name) == n && strncmp(rows[j].name, w->word[i], n) == 0) {
                const char *at = (const char *)&s->counters + rows[j].at;

                known = true;
                check_number(s, rows[j].name, script_number(s, equals + 1),
                             (int64_t)er_counter_read((const _Atomic uint64_t *)(const void *)at));
            }
        }
        if (!known) {
            fail_at(s->failure, "unknown counter %s", w->word[i]);
        }
    }
}

static void expect_word(struct script *s, const struct words *w, const char *got)
{
    check_text(s, w->word[1], er_str_of(script_arg(s, w, w->n - 1)), er_str_of(got));
}

static void expect_state(struct script *s, const struct words *w)
{
    static const char *const states[] = { "running", "stopping", "stopped" };

    expect_word(s, w, s->worker == NULL ? "none" : states[er_worker_step(s->worker)]);
}

static void expect_in_flight(struct script *s, const struct words *w)
{
    check_number(s, "in flight", script_number(s, script_arg(s, w, 2)),
                 s->worker == NULL ? -1 : (int64_t)er_worker_in_flight(s->worker));
}

static void expect_reading(struct script *s, const struct words *w)
{
    expect_word(s, w, s->source.reading ? "yes" : "no");
}

static void expect_rebalance(struct script *s, const struct words *w)
{
    expect_word(s, w, s->source.pending != NULL ? "pending" : "done");
}

static void expect_breaker(struct script *s, const struct words *w)
{
    expect_word(s, w, er_breaker_state_name(script_hook_topic(s, er_str_of(script_arg(s, w, 2)))->breaker));
}

/* What the surroundings were told last: "no", or the breaker's state, the copies that wait, how long ago it opened, when it is probed. */
static void expect_shown(struct script *s, const struct words *w)
{
    const struct hook_topic *topic = script_hook_topic(s, er_str_of(script_arg(s, w, 2)));
    int64_t now = s->options.clock.wall_ms(s->options.clock.ctx);
    char text[200] = "no";
    char wanted[200] = "";

    if (topic->shown) {
        snprintf(text, sizeof text, "%s waiting=%d since=%d probe=%d", er_breaker_state_name(topic->view.breaker),
                 (int)topic->view.waiting, topic->view.since_ms == 0 ? 0 : (int)(now - topic->view.since_ms),
                 topic->view.probe_ms == 0 ? 0 : (int)(topic->view.probe_ms - now));
    }
    for (size_t i = 3; i < w->n; i++) {
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s", i > 3 ? " " : "", w->word[i]);
    }
    if (strcmp(text, wanted) != 0) {
        fail_at(s->failure, "shown: %s", text);
    }
}

static void expect_health(struct script *s, const struct words *w)
{
    expect_word(s, w, s->health ? "ok" : "down");
}

static void expect_ensure(struct script *s, const struct words *w)
{
    check_number(s, "ensure calls", script_number(s, script_arg(s, w, 3)),
                 script_hook_topic(s, er_str_of(script_arg(s, w, 2)))->ensured);
}

static void expect_inspect(struct script *s, const struct words *w)
{
    check_number(s, "inspect calls", script_number(s, script_arg(s, w, 3)),
                 script_hook_topic(s, er_str_of(script_arg(s, w, 2)))->inspected);
}

static void expect_describe(struct script *s, const struct words *w)
{
    check_number(s, "describe calls", script_number(s, script_arg(s, w, 3)),
                 script_hook_topic(s, er_str_of(script_arg(s, w, 2)))->described);
}

static void expect_held(struct script *s, const struct words *w)
{
    bool held = s->source.partitions[source_partition(&s->source, script_arg(s, w, 2))].held;

    expect_word(s, w, held ? "yes" : "no");
}

static void expect_hurried(struct script *s, const struct words *w)
{
    expect_word(s, w, s->sink.hurried > 0 ? "yes" : "no");
    s->sink.hurried = 0;
}

static void expect_recalled(struct script *s, const struct words *w)
{
    check_number(s, "recalls", script_number(s, script_arg(s, w, 2)), s->sink.recalled);
}

/* What really became of the transactions, whatever the worker knows. */
static void expect_txn(struct script *s, const struct words *w)
{
    for (size_t i = 2; i < w->n; i++) {
        char *rest;

        if (script_after(w->word[i], "committed=", &rest)) {
            check_number(s, "committed transactions", script_number(s, rest), s->txn.committed);
        } else if (script_after(w->word[i], "aborted=", &rest)) {
            check_number(s, "aborted transactions", script_number(s, rest), s->txn.aborted);
        } else if (script_after(w->word[i], "renewed=", &rest)) {
            check_number(s, "producers", script_number(s, rest), s->txn.renewed);
        } else if (script_after(w->word[i], "open=", &rest)) {
            check_number(s, "open transactions", script_number(s, rest), s->txn.open);
        } else {
            fail_at(s->failure, "unknown expectation: %s", w->word[i]);
        }
    }
}

static const struct command expectations[] = {
    { "copy", expect_copy },
    { "sent", expect_sent },
    { "none", expect_none },
    { "unsent", expect_unsent },
    { "stored", expect_stored },
    { "committed", expect_committed },
    { "counters", expect_counters },
    { "state", expect_state },
    { "in-flight", expect_in_flight },
    { "reading", expect_reading },
    { "rebalance", expect_rebalance },
    { "breaker", expect_breaker },
    { "shown", expect_shown },
    { "health", expect_health },
    { "ensure", expect_ensure },
    { "recalled", expect_recalled },
    { "hurried", expect_hurried },
    { "inspect", expect_inspect },
    { "describe", expect_describe },
    { "held", expect_held },
    { "hurried", expect_hurried },
    { "all", expect_all },
    { "txn", expect_txn },
};

void script_expect(struct script *s, const struct words *w)
{
    script_dispatch(s, expectations, sizeof expectations / sizeof *expectations, script_arg(s, w, 1), w);
}

void script_expect_nothing_left(struct script *s)
{
    sink_check_pairs(&s->sink, DEAD);
    for (size_t i = 0; i < s->sink.n_topics && !s->failure->failed; i++) {
        struct words w = { { NULL, NULL, s->sink.topics[i].name }, 3 };

        if (!s->sink.topics[i].ignored) {
            expect_none(s, &w);
        }
    }
}
