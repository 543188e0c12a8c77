#include "tests/replay/replay.h"

#include <stdlib.h>
#include <string.h>
#include "router/partition.h"

static const char *const result_names[ER_SINK_RESULTS] = {
    [ER_SINK_OK] = "ok",
    [ER_SINK_FULL] = "full",
    [ER_SINK_TOO_LARGE] = "too_large",
    [ER_SINK_TIMESTAMP] = "timestamp",
    [ER_SINK_INVALID] = "invalid",
    [ER_SINK_MISSING] = "unknown_topic",
    [ER_SINK_REFUSED] = "not_authorised",
    [ER_SINK_RETRY] = "timeout",
    [ER_SINK_RECALLED] = "recalled",
};

bool sink_result_of(const char *name, enum er_sink_result *out)
{
    for (size_t i = 0; i < ER_SINK_RESULTS; i++) {
        if (strcmp(name, result_names[i]) == 0) {
            *out = (enum er_sink_result)i;
            return true;
        }
    }
    return false;
}

void sink_init(struct fake_sink *sink, struct failure *failure, struct fake_source *source)
{
    memset(sink, 0, sizeof *sink);
    sink->failure = failure;
    sink->source = source;
    sink->queue = (size_t)-1;
}

void sink_fini(struct fake_sink *sink)
{
    for (size_t i = 0; i < sink->n; i++) {
        record_free(sink->entries[i].copy);
    }
    free(sink->entries);
    for (size_t i = 0; i < sink->n_topics; i++) {
        if (sink->topics[i].open) {
            fail_at(sink->failure, "topic %s was not closed", sink->topics[i].name);
        }
    }
}

struct fake_topic *sink_topic(struct fake_sink *sink, const char *name)
{
    struct fake_topic *topic;

    for (size_t i = 0; i < sink->n_topics; i++) {
        if (strcmp(sink->topics[i].name, name) == 0) {
            return &sink->topics[i];
        }
    }
    if (sink->n_topics == TOPICS) {
        fail_at(sink->failure, "too many topics");
        return &sink->topics[0];
    }
    topic = &sink->topics[sink->n_topics++];
    snprintf(topic->name, sizeof topic->name, "%s", name);
    topic->partitions = 1;
    return topic;
}

static struct er_sink_topic *fake_open(void *ctx, struct er_str name)
{
    struct fake_sink *sink = ctx;
    char text[NAME];
    struct fake_topic *topic;

    snprintf(text, sizeof text, "%.*s", ER_STR_ARG(name));
    topic = sink_topic(sink, text);
    if (topic->open) {
        fail_at(sink->failure, "topic %s opened twice", topic->name);
    }
    topic->open = true;
    return (struct er_sink_topic *)topic;
}

static void fake_close(void *ctx, struct er_sink_topic *topic)
{
    (void)ctx;
    ((struct fake_topic *)topic)->open = false;
}

static size_t record_bytes(const struct er_record *record)
{
    size_t n = record->key.n + record->value.n;

    for (size_t i = 0; i < record->n_headers; i++) {
        n += record->headers[i].name.n + record->headers[i].value.n;
    }
    return n;
}

static uint32_t index_of(const struct fake_sink *sink, const struct er_record *record)
{
    for (uint32_t i = 0; i < PARTITIONS && sink->source->partitions[i].used; i++) {
        const struct fake_partition *p = &sink->source->partitions[i];

        if (p->partition == record->partition && er_str_eq(er_str_of(p->topic), record->topic)) {
            return i;
        }
    }
    fail_at(sink->failure, "a copy of an event that never was");
    return 0;
}

/* Produce refuses at once, or takes the record. */
static enum er_sink_result refusal(struct fake_sink *sink, struct fake_topic *topic)
{
    if (topic->produce_left > 0) {
        topic->produce_left -= topic->produce_left != (unsigned)-1;
        return topic->produce;
    }
    return sink->outstanding >= sink->queue ? ER_SINK_FULL : ER_SINK_OK;
}

static enum er_sink_result produce_now(struct fake_sink *sink, struct er_sink_topic *handle, const struct er_record *record,
                                       struct er_sink_ticket *ticket, const char **text)
{
    struct fake_topic *topic = (struct fake_topic *)handle;
    enum er_sink_result result = refusal(sink, topic);
    struct fake_entry *entry;

    if (sink->txn->on && !sink->txn->open) {
        fail_at(sink->failure, "a copy for %s outside of a transaction", topic->name);
    }
    if (result != ER_SINK_OK) {
        *text = result_names[result];
        return result;
    }
    if (sink->n == sink->capacity) {
        sink->capacity = sink->capacity == 0 ? 256 : sink->capacity * 2;
        sink->entries = realloc(sink->entries, sink->capacity * sizeof *sink->entries);
    }
    entry = &sink->entries[sink->n++];
    memset(entry, 0, sizeof *entry);
    entry->topic = topic;
    entry->copy = record_dup(record);
    entry->key = record->key;
    entry->value = record->value;
    entry->ticket = ticket;
    entry->partition = er_partition_choose(record->key, ticket->keyed, ticket->source_partition, topic->partitions);
    entry->from = index_of(sink, record);
    entry->epoch = sink->source->partitions[entry->from].epoch;
    sink->outstanding++;
    if (ticket->source_partition != record->partition) {
        fail_at(sink->failure, "ticket does not fit its record");
    }
    return ER_SINK_OK;
}

/* In the middle of a batch: for the worker it is as if another thread did it. */
static void publish_in_time(struct fake_sink *sink)
{
    if (sink->publish != NULL && --sink->publish_left == 0) {
        er_ruleset_publish(sink->publish);
        sink->publish = NULL;
    }
}

static enum er_sink_result fake_produce(void *ctx, struct er_sink_topic *handle, const struct er_record *record,
                                        struct er_sink_ticket *ticket, const char **text)
{
    enum er_sink_result result;

    no_memory_pause();
    result = produce_now(ctx, handle, record, ticket, text);
    publish_in_time(ctx);
    no_memory_resume();
    return result;
}

/* What a record that was delivered is about: in transactions it may be there once only. */
static bool is_same_pair(const struct fake_entry *a, const struct fake_entry *b)
{
    const struct er_header *who_a = er_record_header(&a->copy->record, ER_STR("eventrouter-subscriber"));
    const struct er_header *who_b = er_record_header(&b->copy->record, ER_STR("eventrouter-subscriber"));

    return a->topic == b->topic && a->from == b->from && a->copy->record.offset == b->copy->record.offset &&
           (who_a == NULL) == (who_b == NULL) && (who_a == NULL || er_str_eq(who_a->value, who_b->value));
}

static void check_doubled(struct fake_sink *sink, const struct fake_entry *now)
{
    for (size_t i = 0; i < sink->n; i++) {
        const struct fake_entry *e = &sink->entries[i];

        if (e != now && e->delivered_at > 0 && is_same_pair(e, now)) {
            fail_at(sink->failure, "doubled: %s has offset %lld twice", e->topic->name, (long long)e->copy->record.offset);
            return;
        }
    }
}

/* Order within one source partition and one destination partition is the order of produce, as an idempotent producer keeps it,
 * whatever the order of the reports; with transactions also over rebalances. Dead letters come when they come. */
static void check_order(struct fake_sink *sink, const struct fake_entry *now)
{
    if (er_record_header(&now->copy->record, ER_STR("eventrouter-error-code")) != NULL) {
        return;
    }
    for (size_t i = 0; i < sink->n; i++) {
        const struct fake_entry *e = &sink->entries[i];
        bool epoch = e->epoch == now->epoch || sink->txn->on;
        bool same = e->topic == now->topic && e->partition == now->partition && e->from == now->from && epoch;

        if (e != now && e->delivered_at > 0 && same && (e < now) != (e->copy->record.offset < now->copy->record.offset)) {
            fail_at(sink->failure, "order: %s/%d has offsets %lld and %lld the wrong way round", e->topic->name, e->partition,
                    (long long)now->copy->record.offset, (long long)e->copy->record.offset);
            return;
        }
    }
}

static bool answer_of(struct fake_sink *sink, struct fake_entry *entry, enum er_sink_result *result)
{
    const struct fake_topic *topic = entry->topic;

    (void)sink;
    if (entry->reported) {
        return false;
    }
    if (entry->answer_ready) {
        *result = entry->answer;
        return true;
    }
    if (topic->policy != SINK_ANSWER) {
        return false;
    }
    *result = topic->max_bytes > 0 && record_bytes(&entry->copy->record) > topic->max_bytes ? ER_SINK_TOO_LARGE : topic->result;
    return true;
}

static size_t fake_poll(void *ctx, struct er_sink_report *reports, size_t max)
{
    struct fake_sink *sink = ctx;
    size_t n = 0;

    for (size_t i = sink->first_open; i < sink->n && n < max; i++) {
        struct fake_entry *entry = &sink->entries[i];
        enum er_sink_result result;

        if (!answer_of(sink, entry, &result)) {
            continue;
        }
        entry->reported = true;
        sink->outstanding--;
        if (!er_str_eq(entry->key, entry->copy->record.key) || !er_str_eq(entry->value, entry->copy->record.value)) {
            fail_at(sink->failure, "the bytes of a copy changed before its report");
        }
        entry->written = result == ER_SINK_OK;
        if (entry->written && !sink->txn->on) {
            entry->delivered_at = ++sink->deliveries;
            check_order(sink, entry);
        }
        reports[n++] = (struct er_sink_report){ entry->ticket, result, result == ER_SINK_OK ? NULL : result_names[result] };
    }
    while (sink->first_open < sink->n && sink->entries[sink->first_open].reported) {
        sink->first_open++;
    }
    return n;
}

size_t sink_report(struct fake_sink *sink, struct fake_topic *topic, enum er_sink_result result, int64_t offset, size_t n)
{
    size_t found = 0;

    for (size_t i = sink->first_open; i < sink->n && found < n; i++) {
        struct fake_entry *entry = &sink->entries[i];

        if (!entry->reported && !entry->answer_ready && entry->topic == topic &&
            (offset < 0 || entry->copy->record.offset == offset)) {
            entry->answer_ready = true;
            entry->answer = result;
            found++;
        }
    }
    return found;
}

size_t sink_unanswered(const struct fake_sink *sink, const struct fake_topic *topic)
{
    size_t n = 0;

    for (size_t i = sink->first_open; i < sink->n; i++) {
        const struct fake_entry *entry = &sink->entries[i];

        n += !entry->reported && !entry->answer_ready && entry->topic == topic;
    }
    return n;
}

void sink_check_acknowledged(struct fake_sink *sink, uint32_t index, int64_t next)
{
    unsigned epoch = sink->source->partitions[index].epoch;

    for (size_t i = sink->first_open; i < sink->n; i++) {
        const struct fake_entry *entry = &sink->entries[i];

        if (!entry->reported && entry->from == index && entry->epoch == epoch && entry->copy->record.offset < next) {
            fail_at(sink->failure, "offset %lld is stored while the copy of %lld for %s is unreported", (long long)next,
                    (long long)entry->copy->record.offset, entry->topic->name);
            return;
        }
    }
}

size_t sink_delivered(const struct fake_sink *sink, const struct fake_topic *topic, uint32_t index, int64_t offset)
{
    size_t n = 0;

    for (size_t i = 0; i < sink->n; i++) {
        const struct fake_entry *e = &sink->entries[i];

        n += e->topic == topic && e->from == index && e->copy->record.offset == offset && e->delivered_at > 0;
    }
    return n;
}

void sink_check_pairs(struct fake_sink *sink, const char *dead_letter_topic)
{
    for (size_t i = 0; i < sink->n; i++) {
        const struct fake_entry *dead = &sink->entries[i];
        const struct er_header *who = er_record_header(&dead->copy->record, ER_STR("eventrouter-subscriber"));

        if (dead->delivered_at == 0 || strcmp(dead->topic->name, dead_letter_topic) != 0 || who == NULL) {
            continue;
        }
        for (size_t j = 0; j < sink->n; j++) {
            const struct fake_entry *copy = &sink->entries[j];

            bool epoch = copy->epoch == dead->epoch || sink->txn->on;

            if (copy->delivered_at > 0 && copy->from == dead->from && epoch &&
                copy->copy->record.offset == dead->copy->record.offset && strncmp(copy->topic->name, "sub.", 4) == 0 &&
                er_str_eq(er_str_of(copy->topic->name + 4), who->value)) {
                fail_at(sink->failure, "offset %lld is delivered and dead-lettered for %s", (long long)copy->copy->record.offset,
                        copy->topic->name + 4);
                return;
            }
        }
    }
}

static bool fake_hurry(void *ctx, int64_t wait_ns)
{
    struct fake_sink *sink = ctx;

    (void)wait_ns;
    sink->hurried++;
    return sink->outstanding == 0;
}

/* Those that are on their way, where they are meant, get the other answer. */
static void answer_all(struct fake_sink *sink, bool queued_only, enum er_sink_result other)
{
    for (size_t i = sink->first_open; i < sink->n; i++) {
        struct fake_entry *entry = &sink->entries[i];
        bool queued = entry->topic->policy == SINK_QUEUED;

        if (!entry->reported && !entry->answer_ready && (!queued_only || queued)) {
            entry->answer_ready = true;
            entry->answer = queued ? ER_SINK_RECALLED : other;
        }
    }
}

void sink_give_up(struct fake_sink *sink)
{
    answer_all(sink, false, ER_SINK_RETRY);
}

void sink_commit(struct fake_sink *sink, size_t first)
{
    for (size_t i = first; i < sink->n; i++) {
        struct fake_entry *entry = &sink->entries[i];

        if (!entry->written) {
            fail_at(sink->failure, "commit with a copy of %lld for %s that is not written", (long long)entry->copy->record.offset,
                    entry->topic->name);
        }
        entry->delivered_at = ++sink->deliveries;
        check_doubled(sink, entry);
        check_order(sink, entry);
    }
}

static void fake_recall(void *ctx)
{
    ((struct fake_sink *)ctx)->recalled++;
    answer_all(ctx, true, ER_SINK_RECALLED);
}

static void fake_purge(void *ctx)
{
    answer_all(ctx, false, ER_SINK_RECALLED);
}

const struct er_sink_ops fake_sink_ops = {
    .open = fake_open,
    .close = fake_close,
    .produce = fake_produce,
    .poll = fake_poll,
    .hurry = fake_hurry,
    .recall = fake_recall,
    .purge = fake_purge,
};
