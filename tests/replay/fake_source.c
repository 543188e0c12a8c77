#include "tests/replay/replay.h"

#include <stdlib.h>
#include <string.h>

static struct er_str bytes_dup(struct er_str s)
{
    char *p = malloc(s.n + 1);

    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    return (struct er_str){ p, s.n };
}

static void bytes_free(struct er_str s)
{
    free((void *)(uintptr_t)s.p);
}

static struct er_header *headers_copy(const struct er_record *from, bool deep)
{
    struct er_header *headers = malloc((from->n_headers + 1) * sizeof *headers);

    for (size_t i = 0; i < from->n_headers; i++) {
        headers[i] = from->headers[i];
        if (deep) {
            headers[i].name = bytes_dup(from->headers[i].name);
            headers[i].value = bytes_dup(from->headers[i].value);
        }
    }
    return headers;
}

struct fake_record *record_dup(const struct er_record *from)
{
    struct fake_record *record = calloc(1, sizeof *record);

    record->record = *from;
    record->record.topic = bytes_dup(from->topic);
    record->record.key = bytes_dup(from->key);
    record->record.value = bytes_dup(from->value);
    record->headers = headers_copy(from, true);
    record->record.headers = record->headers;
    record->record.owner = record;
    return record;
}

void record_free(struct fake_record *record)
{
    for (size_t i = 0; i < record->record.n_headers; i++) {
        bytes_free(record->headers[i].name);
        bytes_free(record->headers[i].value);
    }
    free(record->headers);
    bytes_free(record->record.topic);
    bytes_free(record->record.key);
    bytes_free(record->record.value);
    free(record);
}

void source_init(struct fake_source *source, struct failure *failure)
{
    memset(source, 0, sizeof *source);
    source->failure = failure;
    for (size_t i = 0; i < PARTITIONS; i++) {
        source->partitions[i].stored = source->partitions[i].committed = source->partitions[i].highest = -1;
    }
}

static void item_free(struct fake_item *item)
{
    if (item->record != NULL) {
        record_free(item->record);
    }
    free(item);
}

static void forget_poll_headers(struct fake_source *source)
{
    for (size_t i = 0; i < source->n_poll_headers; i++) {
        free(source->poll_headers[i]);
    }
    source->n_poll_headers = 0;
}

void source_restart(struct fake_source *source)
{
    while (source->first != NULL) {
        struct fake_item *next = source->first->next;

        item_free(source->first);
        source->first = next;
    }
    source->last = NULL;
    free(source->pending);
    source->pending = NULL;
    for (size_t i = 0; i < PARTITIONS; i++) {
        source->partitions[i].assigned = source->partitions[i].fenced = source->partitions[i].held = false;
    }
}

void source_fini(struct fake_source *source)
{
    source_restart(source);
    forget_poll_headers(source);
    free(source->record_headers);
}

uint32_t source_partition(struct fake_source *source, const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - name);
    uint32_t i;

    if (slash == NULL || n >= NAME) {
        fail_at(source->failure, "not a partition: %s", name);
        return 0;
    }
    for (i = 0; i < PARTITIONS && source->partitions[i].used; i++) {
        const struct fake_partition *p = &source->partitions[i];

        if (strlen(p->topic) == n && memcmp(p->topic, name, n) == 0 && p->partition == atoi(slash + 1)) {
            return i;
        }
    }
    if (i == PARTITIONS) {
        fail_at(source->failure, "too many partitions");
        return 0;
    }
    memcpy(source->partitions[i].topic, name, n);
    source->partitions[i].partition = atoi(slash + 1);
    source->partitions[i].used = true;
    return i;
}

static struct fake_item *push_item(struct fake_source *source, enum er_rebalance kind)
{
    struct fake_item *item = calloc(1, sizeof *item);

    item->kind = kind;
    if (source->last == NULL) {
        source->first = item;
    } else {
        source->last->next = item;
    }
    source->last = item;
    return item;
}

void source_push(struct fake_source *source, uint32_t index, const struct er_record *record)
{
    struct fake_item *item = push_item(source, ER_REBALANCE_NONE);

    item->record = record_dup(record);
    item->record->index = index;
}

void source_rebalance(struct fake_source *source, enum er_rebalance kind, const uint32_t *indexes, size_t n)
{
    struct fake_item *item = push_item(source, kind);

    memcpy(item->indexes, indexes, n * sizeof *indexes);
    item->n = n;
}

static struct fake_item *take_after(struct fake_source *source, struct fake_item *before)
{
    struct fake_item *item = before == NULL ? source->first : before->next;

    if (before == NULL) {
        source->first = item->next;
    } else {
        before->next = item->next;
    }
    if (source->last == item) {
        source->last = before;
    }
    item->next = NULL;
    return item;
}

static bool names(const struct fake_item *item, uint32_t index)
{
    for (size_t i = 0; i < item->n; i++) {
        if (item->indexes[i] == index) {
            return true;
        }
    }
    return false;
}

/* Records that were fetched and not yet polled die with the assignment. */
static void drop_records(struct fake_source *source, const struct fake_item *rebalance)
{
    struct fake_item *before = NULL, *item = source->first;

    while (item != NULL && item->kind == ER_REBALANCE_NONE) {
        if (names(rebalance, item->record->index)) {
            item_free(take_after(source, before));
        } else {
            before = item;
        }
        item = before == NULL ? source->first : before->next;
    }
}

/* The next rebalance in the queue; records before it stay (stashed). */
static bool next_rebalance(struct fake_source *source, struct er_source_event *event)
{
    struct fake_item *before = NULL, *item = source->first;

    while (item != NULL && item->kind == ER_REBALANCE_NONE) {
        before = item;
        item = item->next;
    }
    if (item == NULL) {
        return false;
    }
    if (source->pending != NULL) {
        if (source->pending->kind != ER_REBALANCE_REVOKED || item->kind != ER_REBALANCE_LOST) {
            return false;
        }
        free(source->pending);
    }
    item = source->pending = take_after(source, before);
    for (size_t i = 0; i < item->n; i++) {
        struct fake_partition *p = &source->partitions[item->indexes[i]];

        source->event_partitions[i] = (struct er_source_partition){ er_str_of(p->topic), p->partition, item->indexes[i] };
        if (item->kind == ER_REBALANCE_ASSIGNED) {
            p->assigned = true;
            p->held = false;
            p->fenced = false;
            p->epoch++;
            p->stored = p->highest = -1;
        } else if (item->kind == ER_REBALANCE_LOST) {
            p->assigned = false;
        }
    }
    if (item->kind != ER_REBALANCE_ASSIGNED) {
        drop_records(source, item);
    }
    *event = (struct er_source_event){ item->kind, source->event_partitions, item->n };
    return true;
}

static void deliver(struct fake_source *source, struct fake_item *item, struct er_source_record *out)
{
    struct fake_record *record = item->record;

    item->record = NULL;
    item_free(item);
    out->record = record->record;
    out->index = record->index;
    out->record.headers = source->poll_headers[source->n_poll_headers++] = headers_copy(&record->record, false);
    source->outstanding++;
    source->delivered++;
    source->partitions[record->index].highest = record->record.offset;
    if (!source->partitions[record->index].assigned) {
        fail_at(source->failure, "the script has an event for a partition that is not assigned");
    }
}

static size_t poll_now(void *ctx, struct er_source_record *records, size_t max, int64_t wait_ns, struct er_source_event *event)
{
    struct fake_source *source = ctx;
    struct fake_item *before;
    size_t n = 0;

    (void)wait_ns;
    *event = (struct er_source_event){ ER_REBALANCE_NONE, NULL, 0 };
    source->reading = max > 0;
    if (max > 0) {
        if (source->pending != NULL) {
            fail_at(source->failure, "polled for records while a rebalance is pending");
        }
        forget_poll_headers(source);
    }
    before = NULL;
    for (struct fake_item *item = source->first; n < max && n < 4096 && item != NULL && item->kind == ER_REBALANCE_NONE;
         item = before == NULL ? source->first : before->next) {
        if (source->partitions[item->record->index].held) {
            before = item;
        } else {
            deliver(source, take_after(source, before), &records[n++]);
        }
    }
    next_rebalance(source, event);
    return n;
}

static size_t fake_poll(void *ctx, struct er_source_record *records, size_t max, int64_t wait_ns, struct er_source_event *event)
{
    size_t n;

    no_memory_pause();
    n = poll_now(ctx, records, max, wait_ns, event);
    no_memory_resume();
    return n;
}

static void fake_rebalance_done(void *ctx)
{
    struct fake_source *source = ctx;

    if (source->pending == NULL) {
        fail_at(source->failure, "rebalance_done without a rebalance");
        return;
    }
    for (size_t i = 0; source->pending->kind == ER_REBALANCE_REVOKED && i < source->pending->n; i++) {
        source->partitions[source->pending->indexes[i]].assigned = false;
    }
    free(source->pending);
    source->pending = NULL;
}

static bool check_offset(struct fake_source *source, const struct er_source_offset *offset, const char *what)
{
    if (offset->index >= PARTITIONS || !source->partitions[offset->index].assigned) {
        fail_at(source->failure, "%s for a partition that is not assigned", what);
        return false;
    }
    sink_check_acknowledged(source->sink, offset->index, offset->next);
    return true;
}

static void fake_store(void *ctx, const struct er_source_offset *offsets, size_t n)
{
    struct fake_source *source = ctx;

    for (size_t i = 0; i < n; i++) {
        if (check_offset(source, &offsets[i], "store")) {
            if (source->txn->on && offsets[i].next > source->partitions[offsets[i].index].committed) {
                fail_at(source->failure, "offset %lld is stored and not committed", (long long)offsets[i].next);
            }
            source->partitions[offsets[i].index].stored = offsets[i].next;
        }
    }
}

static enum er_code fake_commit(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct fake_source *source = ctx;

    source->commits++;
    if (source->txn->on) {
        fail_at(source->failure, "commit outside of a transaction");
    }
    if (wait_ns <= 0) {
        fail_at(source->failure, "commit without time to wait");
    }
    if (source->commit_failures > 0) {
        source->commit_failures--;
        return ER_E_KAFKA_TIMEOUT;
    }
    for (size_t i = 0; i < n; i++) {
        if (check_offset(source, &offsets[i], "commit")) {
            source->partitions[offsets[i].index].committed = offsets[i].next;
        }
    }
    return ER_OK;
}

static enum er_code fake_committed(void *ctx, struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct fake_source *source = ctx;
    enum er_code code = txn_ask(source->txn);

    if (wait_ns <= 0) {
        fail_at(source->failure, "a question without time to wait");
    }
    for (size_t i = 0; code == ER_OK && i < n; i++) {
        offsets[i].next = source->partitions[offsets[i].index].committed;
    }
    return code;
}

static void fake_record(void *ctx, void *owner, struct er_record *out)
{
    struct fake_source *source = ctx;
    struct fake_record *record = owner;

    no_memory_pause();
    free(source->record_headers);
    *out = record->record;
    out->headers = source->record_headers = headers_copy(&record->record, false);
    no_memory_resume();
}

static void fake_hold(void *ctx, uint32_t index, bool held)
{
    struct fake_source *source = ctx;

    if (index >= PARTITIONS || !source->partitions[index].assigned) {
        fail_at(source->failure, "a partition is held that is not assigned");
        return;
    }
    source->partitions[index].held = held;
}

static void fake_release(void *ctx, void *owner)
{
    struct fake_source *source = ctx;

    source->outstanding--;
    record_free(owner);
}

const struct er_source_ops fake_source_ops = {
    .poll = fake_poll,
    .rebalance_done = fake_rebalance_done,
    .store = fake_store,
    .commit = fake_commit,
    .committed = fake_committed,
    .record = fake_record,
    .hold = fake_hold,
    .release = fake_release,
};
