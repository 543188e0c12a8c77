#include "tests/replay/script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fail_at(struct failure *failure, const char *format, ...)
{
    va_list args;

    if (failure->failed) {
        return;
    }
    failure->failed = true;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
}

/* ---- what the worker calls ---- */
static int64_t virtual_ns(void *ctx)
{
    return ((struct script *)ctx)->now;
}

static int64_t virtual_wall_ms(void *ctx)
{
    return INT64_C(1795251940000) + ((struct script *)ctx)->now / ER_MS_NS - 1000000; /* 2026-11-21T09:05:40Z */
}

struct hook_topic *script_hook_topic(struct script *s, struct er_str name)
{
    size_t i;

    for (i = 0; i < s->n_hooks; i++) {
        if (er_str_eq(er_str_of(s->hooks[i].name), name)) {
            return &s->hooks[i];
        }
    }
    s->n_hooks += i < TOPICS - 1;
    snprintf(s->hooks[i].name, NAME, "%.*s", ER_STR_ARG(name));
    return &s->hooks[i];
}

static void on_ensure(void *ctx, struct er_str topic)
{
    script_hook_topic(ctx, topic)->ensured++;
}

static void on_inspect(void *ctx, struct er_str topic)
{
    script_hook_topic(ctx, topic)->inspected++;
}

static void on_describe(void *ctx, struct er_str topic)
{
    script_hook_topic(ctx, topic)->described++;
}

static void on_breaker(void *ctx, struct er_str topic, enum er_breaker_state state, const char *text)
{
    struct script *s = ctx;

    if (text == NULL) {
        fail_at(s->failure, "breaker without a reason");
    }
    script_hook_topic(s, topic)->breaker = state;
}

static void on_lanes(void *ctx, const struct er_lane_view *views, size_t n)
{
    struct script *s = ctx;

    for (size_t i = 0; i < s->n_hooks; i++) {
        s->hooks[i].shown = false;
    }
    for (size_t i = 0; i < n; i++) {
        struct hook_topic *topic = script_hook_topic(s, views[i].topic);

        topic->shown = true;
        topic->view = views[i];
    }
}

static void on_health(void *ctx, bool ok, const char *text)
{
    struct script *s = ctx;

    if (text == NULL || s->health == ok) {
        fail_at(s->failure, "health told without need or reason");
    }
    s->health = ok;
}

/* ---- words ---- */
/* Splits at spaces; "value=" and "{" take the rest of the line. */
static void split(char *line, struct words *out)
{
    out->n = 0;
    while (*line != '\0' && out->n < WORDS) {
        line += strspn(line, " \t");
        if (*line == '\0') {
            return;
        }
        out->word[out->n++] = line;
        if (*line == '{' || strncmp(line, "value=", 6) == 0) {
            return;
        }
        line += strcspn(line, " \t");
        if (*line != '\0') {
            *line++ = '\0';
        }
    }
}

const char *script_arg(struct script *s, const struct words *w, size_t i)
{
    if (i >= w->n) {
        fail_at(s->failure, "a word is missing");
        return "";
    }
    return w->word[i];
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX -> byte, in place. */
struct er_str script_decode(char *text)
{
    char *to = text;
    const char *from = text;

    while (*from != '\0') {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    return (struct er_str){ text, (size_t)(to - text) };
}

int64_t script_number(struct script *s, const char *text)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0) {
        fail_at(s->failure, "not a number: '%s'", text);
    }
    return n;
}

static int64_t duration(struct script *s, const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end != text && strcmp(end, "ms") == 0) {
        return n * ER_MS_NS;
    }
    if (end != text && strcmp(end, "s") == 0) {
        return n * ER_S_NS;
    }
    fail_at(s->failure, "not a time: '%s'", text);
    return 0;
}

bool script_after(const char *word, const char *prefix, char **rest)
{
    size_t n = strlen(prefix);

    if (strncmp(word, prefix, n) != 0) {
        return false;
    }
    *rest = (char *)(uintptr_t)word + n;
    return true;
}

struct fake_topic *script_topic(struct script *s, const struct words *w, size_t i)
{
    return sink_topic(&s->sink, script_arg(s, w, i));
}

/* ---- the worker's life ---- */
void script_start(struct script *s)
{
    struct er_err err;

    if (s->worker != NULL || s->failure->failed) {
        return;
    }
    if (s->ruleset == NULL && er_ruleset_new(&s->rules, &s->ruleset, &err) != ER_OK) {
        fail_at(s->failure, "rule set: %s", err.text);
        return;
    }
    s->options.ruleset = s->ruleset;
    s->options.unmatched_topic = s->unmatched;
    if (er_worker_new(&s->options, &s->worker, &err) != ER_OK) {
        fail_at(s->failure, "worker: %s", err.text);
    }
}

static void check_balance(struct script *s)
{
    const struct er_counters *c = &s->counters;
    uint64_t sum = er_counter_read(&c->routed) + er_counter_read(&c->unmatched) + er_counter_read(&c->dead_lettered);

    if (er_counter_read(&c->received) != sum) {
        fail_at(s->failure, "balance: received %llu, outcomes %llu", (unsigned long long)er_counter_read(&c->received),
                (unsigned long long)sum);
    }
}

static void step(struct script *s)
{
    script_start(s);
    if (!s->failure->failed) {
        no_memory_resume();
        er_worker_step(s->worker);
        no_memory_pause();
        check_balance(s);
        if (s->no_memory) {
            s->now += 10 * ER_MS_NS; /* what was put off is tried again by and by */
        }
    }
}

/* Everything that can change while time stands still. */
static uint64_t activity(const struct script *s)
{
    return s->source.delivered + s->sink.n + s->sink.deliveries + s->sink.outstanding + er_counter_read(&s->counters.received) +
           s->sink.first_open + s->source.commits + (s->source.pending != NULL) + s->source.outstanding + s->txn.n_calls;
}

static void run(struct script *s)
{
    unsigned quiet = 0;

    for (unsigned i = 0; quiet < (s->no_memory ? 40 : 4) && !s->failure->failed; i++) {
        uint64_t before = activity(s);

        step(s);
        quiet = activity(s) == before ? quiet + 1 : 0;
        if (i > 100000) {
            fail_at(s->failure, "it never comes to rest");
        }
    }
}

/* ---- commands ---- */
static void do_set(struct script *s, const struct words *w)
{
    static const struct {
        const char *name;
        size_t at;
        bool time;
    } limits[] = {
#define SIZE(member) { #member, offsetof(struct er_worker_limits, member), false }
#define TIME(member)                                                                                                               \
    {                                                                                                                              \
#member "_ns", offsetof(struct er_worker_limits, member##_ns), true                                                        \
    }
        SIZE(batch),       SIZE(window_events), SIZE(window_bytes), SIZE(window_copies), SIZE(topic_messages),
        SIZE(topic_bytes), TIME(revoke),        TIME(commit),       TIME(probe_min),     TIME(probe_max),
        TIME(retry_min),   TIME(retry_max),     TIME(hurry),        TIME(hurry_gap),     SIZE(txn_events),
        SIZE(txn_bytes),   TIME(txn),           TIME(stall),
    };
    static const char *const levels[] = { "source", "full", "off" };
    const char *name = script_arg(s, w, 1), *value = script_arg(s, w, 2);

    if (s->worker != NULL) {
        fail_at(s->failure, "set must come first");
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (strcmp(name, limits[i].name) == 0) {
            char *at = (char *)&s->options.limits + limits[i].at;

            if (limits[i].time) {
                *(int64_t *)(void *)at = duration(s, value);
            } else {
                *(size_t *)(void *)at = (size_t)script_number(s, value);
            }
            return;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(name, "provenance") == 0 && strcmp(value, levels[i]) == 0) {
            s->options.provenance = (enum er_provenance)i;
            return;
        }
    }
    if (strcmp(name, "unmatched") == 0) {
        snprintf(s->unmatched, sizeof s->unmatched, "%s", value);
    } else if (strcmp(name, "max_bytes") == 0) {
        s->rules.max_bytes = (size_t)script_number(s, value);
    } else if (strcmp(name, "duplicate_keys") == 0) {
        s->rules.reject_duplicate_keys = strcmp(value, "reject") == 0;
    } else if (strcmp(name, "exactly_once") == 0) {
        s->txn.on = true;
        s->options.txn = (struct er_txn){ &fake_txn_ops, &s->txn };
    } else if (strcmp(name, "compressed") == 0) {
        s->options.compressed = true;
    } else if (strcmp(name, "no_recall") == 0) {
        s->sink_ops.recall = NULL;
    } else {
        fail_at(s->failure, "unknown option %s", name);
    }
}

static void rebalance(struct script *s, const struct words *w, enum er_rebalance kind)
{
    uint32_t indexes[PARTITIONS];
    size_t n = 0;

    for (size_t i = 1; i < w->n && n < PARTITIONS; i++) {
        indexes[n++] = source_partition(&s->source, w->word[i]);
    }
    source_rebalance(&s->source, kind, indexes, n);
}

static void do_assign(struct script *s, const struct words *w)
{
    rebalance(s, w, ER_REBALANCE_ASSIGNED);
}

static void do_revoke(struct script *s, const struct words *w)
{
    rebalance(s, w, ER_REBALANCE_REVOKED);
}

static void do_lost(struct script *s, const struct words *w)
{
    rebalance(s, w, ER_REBALANCE_LOST);
}

/* The group has given partitions to somebody else; the worker hears of it with "lost". */
static void do_fence(struct script *s, const struct words *w)
{
    for (size_t i = 1; i < w->n; i++) {
        s->source.partitions[source_partition(&s->source, w->word[i])].fenced = true;
    }
}

/* ... who has committed so far. */
static void do_elsewhere(struct script *s, const struct words *w)
{
    struct fake_partition *p = &s->source.partitions[source_partition(&s->source, script_arg(s, w, 1))];

    p->committed = script_number(s, script_arg(s, w, 2));
}

/* What librdkafka does once a second with what is stored. */
static void do_commit_stored(struct script *s, const struct words *w)
{
    (void)w;
    for (size_t i = 0; i < PARTITIONS; i++) {
        struct fake_partition *p = &s->source.partitions[i];

        if (p->assigned && p->stored >= 0) {
            p->committed = p->stored;
        }
    }
}

static void do_txn(struct script *s, const struct words *w)
{
    const char *call = script_arg(s, w, 1), *answer = script_arg(s, w, 2);

    if (!txn_script(&s->txn, call, answer, w->n > 3 ? (unsigned)script_number(s, w->word[3]) : 1)) {
        fail_at(s->failure, "no such call, or no such answer to it: %s %s", call, answer);
    }
}

/* With a range of offsets, '@' in the value stands for the offset. */
static void push_event(struct script *s, uint32_t index, struct er_record *record, struct er_str value, bool replace)
{
    char text[LINE];
    int n = 0;

    for (size_t i = 0; replace && i < value.n && n < LINE - 32; i++) {
        n += value.p[i] == '@' ? snprintf(text + n, 32, "%lld", (long long)record->offset) : (text[n] = value.p[i], 1);
    }
    record->value = replace ? (struct er_str){ text, (size_t)n } : value;
    source_push(&s->source, index, record);
}

static void do_event(struct script *s, const struct words *w)
{
    uint32_t index = source_partition(&s->source, script_arg(s, w, 1));
    const struct fake_partition *p = &s->source.partitions[index];
    struct er_header headers[WORDS];
    struct er_record record = { .topic = er_str_of(p->topic), .partition = p->partition, .timestamp_ms = 1000, .headers = headers };
    char *offsets = (char *)(uintptr_t)script_arg(s, w, 2), *dots = strstr(offsets, ".."), *rest;
    struct er_str value = { "", 0 };
    int64_t first, last;

    if (dots != NULL) {
        *dots = '\0';
    }
    first = script_number(s, offsets);
    last = dots == NULL ? first : script_number(s, dots + 2);
    for (size_t i = 3; i < w->n; i++) {
        if (script_after(w->word[i], "key=", &rest)) {
            record.key = script_decode(rest);
            record.has_key = true;
        } else if (script_after(w->word[i], "ts=", &rest)) {
            record.timestamp_ms = script_number(s, rest);
        } else if (script_after(w->word[i], "value=", &rest)) {
            value = script_decode(rest);
            record.has_value = true;
        } else if (script_after(w->word[i], "null:", &rest)) {
            headers[record.n_headers++] = (struct er_header){ er_str_of(rest), { NULL, 0 }, true };
        } else if (script_after(w->word[i], "h:", &rest) && strchr(rest, '=') != NULL) {
            char *equals = strchr(rest, '=');

            *equals = '\0';
            headers[record.n_headers++] = (struct er_header){ script_decode(rest), script_decode(equals + 1), false };
        } else {
            fail_at(s->failure, "unknown part of an event: %s", w->word[i]);
        }
    }
    for (record.offset = first; record.offset <= last && !s->failure->failed; record.offset++) {
        push_event(s, index, &record, value, dots != NULL);
    }
}

static void do_step(struct script *s, const struct words *w)
{
    for (int64_t n = w->n > 1 ? script_number(s, w->word[1]) : 1; n > 0; n--) {
        step(s);
    }
}

static void do_run(struct script *s, const struct words *w)
{
    (void)w;
    run(s);
}

static void do_advance(struct script *s, const struct words *w)
{
    s->now += duration(s, script_arg(s, w, 1));
}

static void do_topic(struct script *s, const struct words *w)
{
    script_topic(s, w, 1)->partitions = (int32_t)script_number(s, script_arg(s, w, 2));
}

static enum er_sink_result result_arg(struct script *s, const struct words *w, size_t i)
{
    enum er_sink_result result = ER_SINK_OK;

    if (!sink_result_of(script_arg(s, w, i), &result)) {
        fail_at(s->failure, "not a result: %s", script_arg(s, w, i));
    }
    return result;
}

static void do_sink(struct script *s, const struct words *w)
{
    struct fake_topic *topic = script_topic(s, w, 1);
    const char *how = script_arg(s, w, 2);

    topic->policy = strcmp(how, "hold") == 0 ? SINK_HOLD : strcmp(how, "queued") == 0 ? SINK_QUEUED : SINK_ANSWER;
    if (topic->policy == SINK_ANSWER) {
        topic->result = result_arg(s, w, 2);
    }
}

static void do_size(struct script *s, const struct words *w)
{
    script_topic(s, w, 1)->max_bytes = (size_t)script_number(s, script_arg(s, w, 2));
}

static void do_produce(struct script *s, const struct words *w)
{
    struct fake_topic *topic = script_topic(s, w, 1);

    topic->produce = result_arg(s, w, 2);
    topic->produce_left = topic->produce == ER_SINK_OK ? 0 : w->n > 3 ? (unsigned)script_number(s, w->word[3]) : (unsigned)-1;
}

static void do_queue(struct script *s, const struct words *w)
{
    s->sink.queue = (size_t)script_number(s, script_arg(s, w, 1));
}

static void do_report(struct script *s, const struct words *w)
{
    struct fake_topic *topic = script_topic(s, w, 1);
    enum er_sink_result result = result_arg(s, w, 2);
    const char *which = w->n > 3 ? w->word[3] : "1";
    size_t found, wanted = 1;

    if (which[0] == '#') {
        found = sink_report(&s->sink, topic, result, script_number(s, which + 1), 1);
    } else if (strcmp(which, "all") == 0) {
        found = sink_report(&s->sink, topic, result, -1, (size_t)-1);
    } else {
        wanted = (size_t)script_number(s, which);
        found = sink_report(&s->sink, topic, result, -1, wanted);
    }
    if (found < wanted) {
        fail_at(s->failure, "only %zu of %zu records are there to report", found, wanted);
    }
}

static enum er_code answer_code(const char *answer)
{
    enum er_code code = ER_OK;

    for (int i = 0; strcmp(answer, "ok") != 0 && i < ER_CODE_COUNT; i++) {
        if (strcmp(er_code_name((enum er_code)i), answer) == 0) {
            code = (enum er_code)i;
        }
    }
    return code;
}

static void do_ensured(struct script *s, const struct words *w)
{
    const char *answer = script_arg(s, w, 2);

    if (s->worker != NULL) {
        er_worker_ensured(s->worker, er_str_of(script_arg(s, w, 1)), answer_code(answer), answer);
    }
}

static void do_inspected(struct script *s, const struct words *w)
{
    if (s->worker != NULL) {
        er_worker_inspected(s->worker, er_str_of(script_arg(s, w, 1)), answer_code(script_arg(s, w, 2)));
    }
}

static void do_described(struct script *s, const struct words *w)
{
    if (s->worker != NULL) {
        er_worker_described(s->worker, er_str_of(script_arg(s, w, 1)), (uint32_t)script_number(s, script_arg(s, w, 2)));
    }
}

static void do_commit_fails(struct script *s, const struct words *w)
{
    s->source.commit_failures = (unsigned)script_number(s, script_arg(s, w, 1));
}

static void do_no_memory(struct script *s, const struct words *w)
{
    unsigned n = (unsigned)script_number(s, script_arg(s, w, 1));

    no_memory_set(n);
    s->no_memory = n > 0;
}

static void do_stop(struct script *s, const struct words *w)
{
    if (s->worker != NULL) {
        er_worker_stop(s->worker, s->now + duration(s, script_arg(s, w, 1)));
    }
}

/* The process ends and starts again; the rules are still there, the group begins anew. */
static void do_restart(struct script *s, const struct words *w)
{
    (void)w;
    er_worker_free(s->worker);
    s->worker = NULL;
    if (s->source.outstanding > 0) {
        fail_at(s->failure, "%zu records were not released", s->source.outstanding);
    }
    source_restart(&s->source);
    txn_restart(&s->txn);
    memset(&s->counters, 0, sizeof s->counters);
    memset(s->hooks, 0, sizeof s->hooks);
    s->n_hooks = 0;
    s->health = true;
}

static void do_ignore(struct script *s, const struct words *w)
{
    script_topic(s, w, 1)->ignored = true;
}

void script_dispatch(struct script *s, const struct command *commands, size_t n, const char *name, const struct words *w)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(s, w);
            return;
        }
    }
    fail_at(s->failure, "unknown command %s", name);
}

static const struct command commands[] = {
    { "set", do_set },
    { "rule", script_rule },
    { "change", script_change },
    { "pause", script_pause },
    { "resume", script_pause },
    { "assign", do_assign },
    { "revoke", do_revoke },
    { "lost", do_lost },
    { "event", do_event },
    { "step", do_step },
    { "run", do_run },
    { "advance", do_advance },
    { "topic", do_topic },
    { "sink", do_sink },
    { "size", do_size },
    { "produce", do_produce },
    { "queue", do_queue },
    { "report", do_report },
    { "ensured", do_ensured },
    { "inspected", do_inspected },
    { "described", do_described },
    { "stop", do_stop },
    { "restart", do_restart },
    { "ignore", do_ignore },
    { "expect", script_expect },
    { "commit-fails", do_commit_fails },
    { "commit-stored", do_commit_stored },
    { "no-memory", do_no_memory },
    { "txn", do_txn },
    { "fence", do_fence },
    { "elsewhere", do_elsewhere },
    { "chaos", script_chaos },
};

bool script_next_line(struct script *s, char *line, struct words *words)
{
    while (fgets(line, LINE, s->file) != NULL) {
        s->line++;
        line[strcspn(line, "\n")] = '\0';
        split(line, words);
        if (words->n > 0 && words->word[0][0] != '#') {
            return true;
        }
    }
    return false;
}

void script_execute(struct script *s, char *line)
{
    struct words words;

    split(line, &words);
    if (words.n > 0 && !s->failure->failed) {
        script_dispatch(s, commands, sizeof commands / sizeof *commands, words.word[0], &words);
    }
}

static void script_init(struct script *s, const char *path, struct failure *failure)
{
    memset(s, 0, sizeof *s);
    s->failure = failure;
    s->path = path;
    s->health = true;
    s->now = 1000 * ER_S_NS;
    source_init(&s->source, failure);
    sink_init(&s->sink, failure, &s->source);
    txn_init(&s->txn, failure, &s->source, &s->sink);
    s->source.sink = &s->sink;
    s->source.txn = s->sink.txn = &s->txn;
    s->sink_ops = fake_sink_ops;
    s->rules = er_ruleset_default_options();
    /* Only what does not depend on the machine's speed may decide. */
    s->rules.regex.value_ns = s->rules.regex.event_ns = (uint64_t)3600 * 1000000000u;
    s->options = (struct er_worker_options){
        .source = { &fake_source_ops, &s->source },
        .sink = { &s->sink_ops, &s->sink },
        .clock = { s, virtual_ns, virtual_wall_ms },
        .hooks = { s, on_ensure, on_inspect, on_describe, on_breaker, on_lanes, on_health },
        .limits = er_worker_default_limits(),
        .counters = &s->counters,
        .provenance = ER_PROVENANCE_SOURCE,
        .dead_letter_topic = DEAD,
    };
}

static void script_fini(struct script *s)
{
    no_memory_set(0);
    er_worker_free(s->worker);
    er_ruleset_free(s->ruleset);
    for (size_t i = 0; i < s->n_subscribers; i++) {
        er_subscriber_unref(s->subscribers[i]);
    }
    if (s->source.outstanding != 0) {
        fail_at(s->failure, "%zu records were not released", s->source.outstanding);
    }
    sink_fini(&s->sink);
    source_fini(&s->source);
}

bool replay_run(const char *path, struct failure *failure)
{
    struct script *s = malloc(sizeof *s);
    struct words words;
    char line[LINE], text[sizeof failure->text];

    memset(failure, 0, sizeof *failure);
    script_init(s, path, failure);
    s->file = fopen(path, "r");
    if (s->file == NULL) {
        fail_at(failure, "cannot be opened");
    }
    while (!failure->failed && script_next_line(s, line, &words)) {
        script_dispatch(s, commands, sizeof commands / sizeof *commands, words.word[0], &words);
    }
    if (!failure->failed) {
        script_expect_nothing_left(s);
    }
    script_fini(s);
    if (s->file != NULL) {
        fclose(s->file);
    }
    if (failure->failed) {
        memcpy(text, failure->text, sizeof text);
        snprintf(failure->text, sizeof failure->text, "%s:%u: %.900s", path, s->line, text);
    }
    free(s);
    return !failure->failed;
}
