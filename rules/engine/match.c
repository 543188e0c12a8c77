#include "rules/engine/match.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include "rules/engine/fetch.h"
#include "rules/engine/match_impl.h"

#define LINE 64u           /* of memory, about */
#define LATER 3u           /* terms */
#define TEXT_FETCHED 1024u /* bytes */
#define TIMED_BYTES 16384u /* what reading such an event takes is a part of its time */

/* DESIGN  read the event, probe the index with its values, verify the terms posted under the tests that hit, collect their subscriptions.
 *
 *     record --event--> fields --answers--> hit tests --verify--> terms --collect--> subscribers
 *
 * With a large rule set nearly all of that waits for memory. So the events that are expected stand in a ring, and whenever one is decided
 * each of the others goes one step further: what a step asks for arrives while the others have their turn.
 *
 *     decided    ready    terms and subscriptions    tests    slots    text of the event
 *        0         1              2, 3, 4              5        6             7
 */

static enum er_code init_readings(struct er_matcher *matcher, struct er_err *err)
{
    for (size_t i = 0; i < ER_READINGS; i++) {
        enum er_code code = er_event_init(&matcher->readings[i].event, matcher->scanner, err);

        if (code != ER_OK) {
            return code;
        }
    }
    return ER_OK;
}

static void matcher_fini(struct er_matcher *matcher)
{
    for (size_t i = 0; i < ER_READINGS; i++) {
        er_event_fini(&matcher->readings[i].event);
        er_answers_fini(&matcher->readings[i].answers);
    }
    er_scanner_free(matcher->scanner);
    er_asker_fini(&matcher->asker);
    er_verifier_fini(&matcher->verifier);
    er_collector_fini(&matcher->collector);
    er_pages_fini(&matcher->considered);
    er_counters_fini(&matcher->counters);
    free(matcher->near);
    free(matcher);
}

enum er_code er_matcher_new(struct er_ruleset *ruleset, struct er_matcher **out, struct er_err *err)
{
    struct er_matcher *matcher = aligned_alloc(_Alignof(struct er_matcher), sizeof *matcher);
    enum er_code code = ER_OK;

    *out = NULL;
    if (matcher == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
    }
    memset(matcher, 0, sizeof *matcher);
    matcher->ruleset = ruleset;
    matcher->scanner = er_scanner_new();
    if (!er_counters_init(&matcher->counters) || matcher->scanner == NULL) {
        code = er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
    }
    if (code == ER_OK) {
        code = init_readings(matcher, err);
    }
    if (code == ER_OK) {
        code = er_asker_init(&matcher->asker, &er_ruleset_options(ruleset)->regex, err);
    }
    if (code != ER_OK) {
        matcher_fini(matcher);
        return code;
    }
    matcher->counters.quarantined = &er_ruleset_publication(ruleset)->quarantined;
    matcher->asker.counters = &matcher->counters;
    er_reader_register(er_ruleset_publication(ruleset), &matcher->reader);
    *out = matcher;
    return ER_OK;
}

void er_matcher_free(struct er_matcher *matcher)
{
    if (matcher == NULL) {
        return;
    }
    assert(matcher->side == NULL);
    er_reader_unregister(er_ruleset_publication(matcher->ruleset), &matcher->reader);
    matcher_fini(matcher);
}

void er_matcher_set_observer(struct er_matcher *matcher)
{
    matcher->counters.observer = true;
}

uint64_t er_matcher_pin(struct er_matcher *matcher)
{
    matcher->side = er_reader_pin(er_ruleset_publication(matcher->ruleset), &matcher->reader);
    return matcher->side->revision;
}

uint64_t er_matcher_refresh(struct er_matcher *matcher)
{
    const struct er_side *old = matcher->side;

    matcher->side = er_reader_refresh(er_ruleset_publication(matcher->ruleset), &matcher->reader, matcher->side);
    for (uint32_t i = 1; i <= matcher->n_expected && matcher->side != old; i++) {
        er_matcher_reading(matcher, i)->step = ER_READING_EXPECTED; /* what was read was for the rules of the old one */
    }
    return matcher->side->revision;
}

void er_matcher_unpin(struct er_matcher *matcher)
{
    matcher->side = NULL;
    matcher->n_expected = 0;
    er_reader_unpin(&matcher->reader);
}

/* ---- candidates ---- */

static bool collect(struct er_matcher *matcher, uint32_t term, const char *reason)
{
    const struct er_side *side = matcher->side;
    const struct er_idlist *subs = er_side_subs(side, term);

    for (uint32_t i = 0, n = er_idlist_n(subs); i < n; i++) {
        const struct er_sub *sub = er_catalog_sub(side->catalog, er_idlist_ids(subs)[i]);
        struct er_found found = { er_side_subscriber(side, sub->subscriber), er_sub_id(sub), reason };

        if (!er_collector_add(&matcher->collector, &found)) {
            return false;
        }
    }
    return true;
}

/* A term that several tests lead to is verified once. */
static bool is_again(struct er_matcher *matcher, uint32_t id)
{
    uint32_t *considered = er_pages_at(&matcher->considered, id, uint32_t);

    if (*considered == matcher->event) {
        return true;
    }
    *considered = matcher->event;
    return false;
}

/* posted: the entry of a posting. */
static bool consider(struct er_matcher *matcher, uint32_t posted)
{
    uint32_t id = posted & ER_POSTED_TERM;
    const struct er_term *term = er_catalog_term(matcher->side->catalog, id);
    const char *reason = NULL;
    struct er_count *count = er_count_at(matcher->counters.terms, id);
    enum er_truth truth;

    __builtin_prefetch(er_side_subs(matcher->side, id)); /* read when the term is accepted */
    if ((posted & ER_POSTED_SEVERAL) != 0 && is_again(matcher, id)) {
        return true;
    }
    truth = er_verify(&matcher->verifier, term, &reason);
    er_count_add(count, 1, truth == ER_TRUE ? 1 : 0);
    switch (truth) {
    case ER_TRUE:
        return collect(matcher, id, NULL);
    case ER_UNDECIDED:
        return collect(matcher, id, reason);
    case ER_FALSE:
    default:
        return true;
    }
}

/* Of a long list, asks for the memory of those that come later. */
static void fetch_later(struct er_matcher *matcher, const uint32_t *ids, uint32_t n, uint32_t i)
{
    if (i + 3 * LATER < n) {
        er_fetch_term(matcher->side, &matcher->counters, ids[i + 3 * LATER] & ER_POSTED_TERM);
    }
    if (i + 2 * LATER < n) {
        er_fetch_words(matcher->side, ids[i + 2 * LATER] & ER_POSTED_TERM);
    }
    if (i + LATER < n) {
        er_fetch_tests(matcher->side, ids[i + LATER] & ER_POSTED_TERM);
    }
}

static bool consider_list(struct er_matcher *matcher, const struct er_idlist *terms)
{
    const uint32_t *ids = er_idlist_ids(terms);

    for (uint32_t i = 0, n = er_idlist_n(terms); i < n; i++) {
        if (n > 3 * LATER) {
            fetch_later(matcher, ids, n, i);
        }
        if (!consider(matcher, ids[i])) {
            return false;
        }
    }
    return true;
}

/* Everything that the hit tests lead to, and what nothing leads to. */
static bool consider_all(struct er_matcher *matcher, struct er_answers *answers)
{
    const struct er_side *side = matcher->side;

    if ((side->every_event != ER_NONE && !consider(matcher, side->every_event)) || !consider_list(matcher, &side->scan)) {
        return false;
    }
    for (uint32_t i = 0; i < answers->n_hits; i++) {
        uint32_t test = answers->hits[i];

        if (er_answers_of(answers, test) != ER_FALSE && !consider_list(matcher, er_side_posting(side, test))) {
            return false;
        }
    }
    return !answers->no_memory && !matcher->asker.value.no_memory;
}

/* Gives the event a number, never given before. */
static bool number_event(struct er_matcher *matcher)
{
    if (matcher->side->several > 0 && !er_pages_reserve_all(&matcher->considered, sizeof(uint32_t), matcher->side->terms_top)) {
        return false;
    }
    if (++matcher->event == 0) {
        er_pages_clear(&matcher->considered, sizeof(uint32_t));
        matcher->event = 1;
    }
    return true;
}

static bool decide(struct er_matcher *matcher, struct er_answers *answers)
{
    return number_event(matcher) && er_answers_finish(answers) && er_verifier_begin(&matcher->verifier, answers) &&
           consider_all(matcher, answers);
}

/* ---- events on their way ---- */

static uint64_t cpu_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void read_event(struct er_matcher *matcher, struct er_reading *reading)
{
    uint64_t start_ns = reading->record->value.n >= TIMED_BYTES ? cpu_ns() : 0;
    struct er_event_context context = { matcher->side, er_ruleset_options(matcher->ruleset),
                                        er_ruleset_event_nodes(matcher->ruleset) };

    reading->code = er_event_read(&reading->event, &context, reading->record, &reading->err);
    if (reading->code == ER_OK && !er_answers_begin(&reading->answers, &matcher->asker, matcher->side, &reading->event.fields)) {
        reading->code = er_err_set(&reading->err, ER_E_NOMEM, "out of memory while matching");
    }
    reading->answers.spent_ns = start_ns > 0 ? cpu_ns() - start_ns : 0;
    reading->step = reading->code == ER_OK ? ER_READING_READ : ER_READING_READY;
}

static void step(struct er_matcher *matcher, struct er_reading *reading)
{
    switch (reading->step) {
    case ER_READING_EXPECTED:
        read_event(matcher, reading);
        return;
    case ER_READING_READ:
        er_answers_find(&reading->answers);
        break;
    case ER_READING_FOUND:
        er_answers_hit(&reading->answers);
        break;
    case ER_READING_HIT:
        er_answers_fetch(&reading->answers);
        break;
    case ER_READING_FETCHED:
        er_answers_fetch_more(&reading->answers);
        break;
    case ER_READING_FETCHED_MORE:
        er_answers_fetch_last(&reading->answers);
        break;
    case ER_READING_READY:
    default:
        return;
    }
    reading->step++;
}

/* The first lines of a text: what follows them the processor fetches itself. */
static inline __attribute__((always_inline)) void fetch_text(struct er_str text)
{
    for (size_t at = 0; at < text.n && at < TEXT_FETCHED; at += LINE) {
        __builtin_prefetch(text.p + at);
    }
}

void er_matcher_expect(struct er_matcher *matcher, const struct er_record *record)
{
    struct er_reading *reading;

    assert(matcher->side != NULL);
    if (matcher->n_expected < ER_MATCHER_AHEAD) {
        reading = er_matcher_reading(matcher, ++matcher->n_expected);
        reading->record = record;
        reading->step = ER_READING_EXPECTED;
        fetch_text(record->value);
    }
}

/* Makes the record's reading the current one. */
static struct er_reading *go_to(struct er_matcher *matcher, const struct er_record *record)
{
    struct er_reading *reading;

    for (uint32_t i = 1; i <= matcher->n_expected; i++) {
        if (er_matcher_reading(matcher, i)->record == record) {
            matcher->current += i;
            matcher->n_expected -= i;
            return er_matcher_reading(matcher, 0);
        }
    }
    matcher->n_expected = 0;
    reading = er_matcher_reading(matcher, 0);
    reading->record = record;
    reading->step = ER_READING_EXPECTED;
    return reading;
}

/* The record's reading, with all that can be done before its event is decided; the others go one step further. */
static struct er_reading *get_ready(struct er_matcher *matcher, const struct er_record *record)
{
    struct er_reading *current = go_to(matcher, record);

    while (current->step != ER_READING_READY) {
        step(matcher, current);
    }
    for (uint32_t i = 1; i <= matcher->n_expected && i < ER_MATCHER_AHEAD; i++) {
        step(matcher, er_matcher_reading(matcher, i));
    }
    return current;
}

enum er_code er_matcher_match(struct er_matcher *matcher, const struct er_record *record, struct er_match *out, struct er_err *err)
{
    const struct er_reading *reading;

    assert(matcher->side != NULL);
    reading = get_ready(matcher, record);
    *out = (struct er_match){ .revision = matcher->side->revision };
    er_collector_begin(&matcher->collector);
    if (reading->code != ER_OK) {
        if (err != NULL) {
            *err = reading->err;
        }
        return reading->code;
    }
    out->duplicate_keys = reading->event.duplicate_keys;
    out->type = reading->event.type;
    if (!decide(matcher, &er_matcher_reading(matcher, 0)->answers) || !er_collector_finish(&matcher->collector, out)) {
        er_collector_begin(&matcher->collector);
        return er_err_set(err, ER_E_NOMEM, "out of memory while matching");
    }
    return ER_OK;
}

const struct er_str *er_matcher_matched_ids(const struct er_matcher *matcher, size_t *n)
{
    return er_found_ids(&((struct er_matcher *)(uintptr_t)matcher)->collector.matched, n);
}

const struct er_str *er_matcher_undecided_ids(const struct er_matcher *matcher, size_t *n)
{
    return er_found_ids(&((struct er_matcher *)(uintptr_t)matcher)->collector.undecided, n);
}
