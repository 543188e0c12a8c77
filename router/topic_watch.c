#include "router/topic_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include "router/clock.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum state { UNKNOWN, READY, BROKEN };

enum {
    JOB_BUDGET_MS = 5000,
    RETRY_FIRST_MS = 1000,
    RETRY_LAST_MS = 60000,
    SERVICE_LAST_MS = 5000, /* the same of service topics: readiness hangs on them */
};

/* One topic. Service topics have a key that no subscriber can have. */
struct entry {
    struct er_str key; /* subscriber id, owned bytes behind the struct */
    bool service;
    char *topic; /* owned */
    int32_t partitions;
    bool create; /* make it when it is missing */
    enum state state;
    char text[160];
    uint64_t retry_ms;    /* when to look again, if broken */
    uint32_t retry_after; /* the next step of the back-off */
    bool asked;           /* in the job that is under way */
    uint64_t generation;  /* answers for an older topic of the same subscriber are dropped */
    UT_hash_handle hh;
};

struct er_topic_watch {
    struct er_topic_watch_options options;
    struct entry *table;
    struct er_topics_job *job; /* under way, or NULL */
    bool started;
    uint64_t generation;
};

/* What a job's item needs to find its entry again. */
struct ask {
    struct er_topics_job job;
    struct er_topic_watch *owner;
    struct er_topic *items;
    struct ask_key {
        char *key;
        size_t n;
        uint64_t generation;
    } * keys;
    struct er_str *made; /* subscribers whose topic the router made; as long as keys */
    size_t n_made;
};

static struct entry *find(const struct er_topic_watch *watch, struct er_str key)
{
    struct entry *entry;

    HASH_FIND(hh, watch->table, key.p, key.n, entry);
    return entry;
}

static char *copy_of(struct er_str s)
{
    char *p = malloc(s.n + 1);

    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

static void entry_free(struct er_topic_watch *watch, struct entry *entry)
{
    HASH_DEL(watch->table, entry);
    free(entry->topic);
    free(entry);
}

/* Finds or makes the entry and gives it this topic. NULL without memory (then there is no entry). */
static struct entry *put(struct er_topic_watch *watch, struct er_str key, struct er_str topic, int32_t partitions)
{
    struct entry *entry = find(watch, key);
    char *name = copy_of(topic);

    if (entry == NULL && name != NULL) {
        entry = calloc(1, sizeof *entry + key.n);
        if (entry != NULL) {
            char *bytes = (char *)(entry + 1);

            memcpy(bytes, key.p, key.n);
            entry->key = (struct er_str){ bytes, key.n };
            HASH_ADD_KEYPTR(hh, watch->table, entry->key.p, entry->key.n, entry);
            if (entry->hh.tbl == NULL) {
                free(entry);
                entry = NULL;
            }
        }
    }
    if (entry == NULL || name == NULL) {
        if (entry != NULL)
            entry_free(watch, entry);
        free(name);
        return NULL;
    }
    free(entry->topic);
    entry->topic = name;
    entry->partitions = partitions;
    entry->create = false;
    entry->generation = ++watch->generation;
    entry->state = UNKNOWN;
    entry->asked = false;
    entry->retry_after = RETRY_FIRST_MS;
    return entry;
}

enum er_code er_topic_watch_new(const struct er_topic_watch_options *options, struct er_topic_watch **out, struct er_err *err)
{
    struct er_topic_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    watch->options = *options;
    *out = watch;
    return ER_OK;
}

void er_topic_watch_free(struct er_topic_watch *watch)
{
    struct entry *entry, *next;

    if (watch == NULL)
        return;
    HASH_ITER(hh, watch->table, entry, next)
    entry_free(watch, entry);
    free(watch);
}

static void ask_free(struct ask *ask)
{
    if (ask == NULL)
        return;
    for (size_t i = 0; ask->keys != NULL && i < ask->job.n; i++)
        free(ask->keys[i].key);
    for (size_t i = 0; ask->items != NULL && i < ask->job.n; i++) {
        union {
            const char *shown;
            char *owned;
        } name = { ask->items[i].name };

        free(name.owned);
    }
    free(ask->keys);
    free(ask->made);
    free(ask->items);
    free(ask);
}

static void take_ready(struct er_topic_watch *watch, struct entry *entry, const struct er_topic *item)
{
    if (entry->state == BROKEN)
        er_log_write(watch->options.log, ER_LOG_INFO, ER_LM("topic exists again"), ER_LF("topic", entry->topic));
    if (item->created)
        er_log_write(watch->options.log, ER_LOG_INFO, ER_LM("topic made"), ER_LF("topic", entry->topic),
                     ER_LFI("partitions", entry->partitions));
    entry->state = READY;
    entry->text[0] = '\0';
    entry->retry_after = RETRY_FIRST_MS;
}

static void take_broken(struct er_topic_watch *watch, struct entry *entry, const struct er_topic *item)
{
    uint32_t last = entry->service ? SERVICE_LAST_MS : RETRY_LAST_MS;

    if (entry->state != BROKEN)
        er_log_write(watch->options.log, ER_LOG_WARN, ER_LM("topic is not usable"), ER_LF("topic", entry->topic),
                     ER_LF("code", er_code_name(item->code)), ER_LF("error", item->text));
    entry->state = BROKEN;
    snprintf(entry->text, sizeof entry->text, "%s", item->text);
    entry->retry_ms = er_clock_ms() + entry->retry_after;
    entry->retry_after = entry->retry_after * 2 > last ? last : entry->retry_after * 2;
}

void er_topic_watch_remember(struct er_topic_watch *watch, const struct er_str *subscribers, size_t n)
{
    struct er_err err;

    if (er_store_set_topics_created(watch->options.store, subscribers, n, &err) != ER_OK)
        er_log_write(watch->options.log, ER_LOG_WARN, ER_LM("store cannot remember who made topics"), ER_LFI("topics", n),
                     ER_LF("error", err.text));
}

/* Without a broker nothing was learnt about an entry that has not been looked at yet. */
static void job_done(void *arg, struct er_topics_job *job)
{
    struct ask *ask = arg;
    struct er_topic_watch *watch = ask->owner;
    bool stopping = false;

    for (size_t i = 0; i < job->n; i++) {
        struct entry *entry = find(watch, (struct er_str){ ask->keys[i].key, ask->keys[i].n });

        stopping |= job->items[i].code == ER_E_UNAVAILABLE;
        if (entry == NULL || entry->generation != ask->keys[i].generation)
            continue;
        entry->asked = false;
        if (job->items[i].code == ER_OK) {
            take_ready(watch, entry, &job->items[i]);
            if (job->items[i].created && !entry->service)
                ask->made[ask->n_made++] = entry->key;
        } else if (job->reached && job->items[i].code != ER_E_UNAVAILABLE) {
            take_broken(watch, entry, &job->items[i]);
        } else if (entry->state == UNKNOWN) {
            snprintf(entry->text, sizeof entry->text, "%s", job->items[i].text);
        } else {
            entry->retry_ms = er_clock_ms() + entry->retry_after;
        }
    }
    if (ask->n_made > 0)
        er_topic_watch_remember(watch, ask->made, ask->n_made);
    if (job->reached && !stopping)
        watch->started = true;
    watch->job = NULL;
    ask_free(ask);
}

static bool is_due(const struct entry *entry, uint64_t now_ms)
{
    return !entry->asked && (entry->state == UNKNOWN || (entry->state == BROKEN && now_ms >= entry->retry_ms));
}

static size_t count_due(const struct er_topic_watch *watch, uint64_t now_ms)
{
    struct entry *entry, *next;
    size_t n = 0;

    HASH_ITER(hh, watch->table, entry, next)
    n += is_due(entry, now_ms);
    return n;
}

/* One job for everything that is due. */
static bool submit_due(struct er_topic_watch *watch, uint64_t now_ms)
{
    size_t n = count_due(watch, now_ms);
    struct ask *ask = n == 0 ? NULL : calloc(1, sizeof *ask);
    struct entry *entry, *next;

    if (ask == NULL)
        return n == 0;
    ask->owner = watch;
    ask->items = calloc(n, sizeof *ask->items);
    ask->keys = calloc(n, sizeof *ask->keys);
    ask->made = calloc(n, sizeof *ask->made);
    if (ask->items == NULL || ask->keys == NULL || ask->made == NULL)
        goto fail;
    HASH_ITER(hh, watch->table, entry, next)
    {
        struct er_topic *item;
        struct ask_key *key;

        if (!is_due(entry, now_ms))
            continue;
        item = &ask->items[ask->job.n];
        key = &ask->keys[ask->job.n++];
        key->n = entry->key.n;
        key->generation = entry->generation;
        key->key = copy_of(entry->key);
        item->name = copy_of(er_str_of(entry->topic));
        item->partitions = entry->partitions;
        item->create = entry->create && watch->options.config->destination_create;
        if (key->key == NULL || item->name == NULL)
            goto fail;
    }
    HASH_ITER(hh, watch->table, entry, next)
    entry->asked |= is_due(entry, now_ms);
    ask->job.items = ask->items;
    ask->job.budget_ms = JOB_BUDGET_MS;
    ask->job.done = job_done;
    ask->job.arg = ask;
    watch->job = &ask->job;
    watch->options.submit(watch->options.ctx, &ask->job);
    return true;
fail:
    ask_free(ask);
    return false;
}

struct load {
    struct er_topic_watch *watch;
    bool failed;
};

static bool load_subscriber(void *ctx, const struct er_store_subscriber *row)
{
    struct load *load = ctx;
    struct entry *entry = put(load->watch, row->id, row->topic, row->partitions);

    load->failed = entry == NULL;
    if (entry != NULL)
        entry->create = row->topic_created;
    return entry != NULL;
}

static bool put_service(struct er_topic_watch *watch, const char *key, const char *topic)
{
    struct entry *entry;

    if (topic[0] == '\0')
        return true;
    entry = put(watch, er_str_of(key), er_str_of(topic), 1);
    if (entry == NULL)
        return false;
    entry->service = true;
    entry->create = true;
    return true;
}

enum er_code er_topic_watch_start(struct er_topic_watch *watch, struct er_err *err)
{
    struct load load = { .watch = watch };
    enum er_code code = er_store_each_subscriber(watch->options.store, (struct er_str){ NULL, 0 }, load_subscriber, &load, err);

    if (code != ER_OK)
        return code;
    /* '*' is not allowed in the id of a subscriber */
    if (load.failed || !put_service(watch, "*dead-letter", watch->options.config->dead_letter_topic) ||
        !put_service(watch, "*unmatched", watch->options.config->unmatched_topic) || !submit_due(watch, er_clock_ms()))
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    return ER_OK;
}

void er_topic_watch_tick(struct er_topic_watch *watch, uint64_t now_ms)
{
    if (watch->job == NULL && !submit_due(watch, now_ms))
        er_log_write(watch->options.log, ER_LOG_WARN, ER_LM("no memory to look at topics; trying again"));
}

bool er_topic_watch_started(const struct er_topic_watch *watch)
{
    return watch->started;
}

bool er_topic_watch_service_ready(const struct er_topic_watch *watch, char *text, size_t size)
{
    static const char *const keys[] = { "*dead-letter", "*unmatched" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct entry *entry = find(watch, er_str_of(keys[i]));

        if (entry != NULL && entry->state != READY) {
            snprintf(text, size, "topic %s: %s", entry->topic, entry->text[0] == '\0' ? "not looked at yet" : entry->text);
            return false;
        }
    }
    return true;
}

bool er_topic_watch_ready(const struct er_topic_watch *watch, struct er_str subscriber, struct er_str topic)
{
    const struct entry *entry = find(watch, subscriber);

    return entry != NULL && entry->state == READY && er_str_eq(er_str_of(entry->topic), topic);
}

void er_topic_watch_put(struct er_topic_watch *watch, struct er_str subscriber, struct er_str topic, int32_t partitions,
                        bool created)
{
    struct entry *entry = find(watch, subscriber);

    if (entry == NULL || !er_str_eq(er_str_of(entry->topic), topic))
        entry = put(watch, subscriber, topic, partitions);
    if (entry == NULL)
        return;
    entry->state = READY;
    entry->text[0] = '\0';
    entry->create |= created;
    entry->retry_after = RETRY_FIRST_MS;
}

void er_topic_watch_remove(struct er_topic_watch *watch, struct er_str subscriber)
{
    struct entry *entry = find(watch, subscriber);

    if (entry != NULL && !entry->service)
        entry_free(watch, entry);
}

static struct entry *find_topic(const struct er_topic_watch *watch, struct er_str topic)
{
    struct entry *entry, *next;

    HASH_ITER(hh, watch->table, entry, next)
    {
        if (er_str_eq(er_str_of(entry->topic), topic))
            return entry;
    }
    return NULL;
}

bool er_topic_watch_report(struct er_topic_watch *watch, struct er_str topic, int32_t *partitions)
{
    struct entry *entry = find_topic(watch, topic);

    *partitions = 1;
    if (entry == NULL)
        return false;
    *partitions = entry->partitions;
    if (entry->state == READY) {
        entry->state = BROKEN;
        /* no breaker looks after a service topic: the worker only hears that it takes copies again */
        entry->retry_ms = entry->service ? er_clock_ms() + RETRY_FIRST_MS : UINT64_MAX;
        entry->retry_after = RETRY_FIRST_MS;
        snprintf(entry->text, sizeof entry->text, "missing, or it refuses copies");
    }
    return entry->create;
}

void er_topic_watch_found(struct er_topic_watch *watch, struct er_str topic)
{
    struct entry *entry = find_topic(watch, topic);

    if (entry == NULL)
        return;
    entry->state = READY;
    entry->text[0] = '\0';
}

void er_topic_watch_each(const struct er_topic_watch *watch, er_topic_view_cb *cb, void *ctx)
{
    struct entry *entry, *next;

    HASH_ITER(hh, watch->table, entry, next)
    {
        struct er_topic_view view = {
            .subscriber = entry->service ? (struct er_str){ "", 0 } : entry->key,
            .topic = entry->topic,
            .ready = entry->state == READY,
            .text = entry->text,
        };

        cb(ctx, &view);
    }
}
#pragma GCC diagnostic pop
