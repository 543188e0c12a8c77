#include "rules/engine/match.h"

#include <assert.h>
#include <stdlib.h>
#include "rules/engine/match_impl.h"

/* DESIGN  read the event, probe the index with its values, verify the terms posted under the tests that hit, collect their subscriptions.
 *
 *     record --event--> fields --answers--> hit tests --verify--> terms --collect--> subscribers
 */

enum er_code er_matcher_new(struct er_ruleset *ruleset, struct er_matcher **out, struct er_err *err)
{
    struct er_matcher *matcher = aligned_alloc(_Alignof(struct er_matcher), sizeof *matcher);
    enum er_code code;

    *out = NULL;
    if (matcher == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
    }
    memset(matcher, 0, sizeof *matcher);
    matcher->ruleset = ruleset;
    code = er_event_init(&matcher->event, err);
    if (code == ER_OK && !er_counters_init(&matcher->counters)) {
        code = er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
    }
    if (code == ER_OK) {
        code = er_answers_init(&matcher->answers, &er_ruleset_options(ruleset)->regex, err);
    }
    if (code != ER_OK) {
        er_counters_fini(&matcher->counters);
        er_event_fini(&matcher->event);
        free(matcher);
        return code;
    }
    matcher->counters.quarantined = &er_ruleset_publication(ruleset)->quarantined;
    matcher->answers.counters = &matcher->counters;
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
    er_event_fini(&matcher->event);
    er_answers_fini(&matcher->answers);
    er_verifier_fini(&matcher->verifier);
    er_collector_fini(&matcher->collector);
    er_pages_fini(&matcher->considered);
    er_counters_fini(&matcher->counters);
    free(matcher->near);
    free(matcher);
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
    matcher->side = er_reader_refresh(er_ruleset_publication(matcher->ruleset), &matcher->reader, matcher->side);
    return matcher->side->revision;
}

void er_matcher_unpin(struct er_matcher *matcher)
{
    matcher->side = NULL;
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
    uint32_t stamp = matcher->answers.stamp;

    uint32_t *considered = er_pages_at(&matcher->considered, id, uint32_t);

    if (*considered == stamp) {
        return true;
    }
    *considered = stamp;
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

    __builtin_prefetch(count, 1);
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

static bool consider_list(struct er_matcher *matcher, const struct er_idlist *terms)
{
    for (uint32_t i = 0, n = er_idlist_n(terms); i < n; i++) {
        if (!consider(matcher, er_idlist_ids(terms)[i])) {
            return false;
        }
    }
    return true;
}

/* Everything that the hit tests lead to, and what nothing leads to. */
static bool consider_all(struct er_matcher *matcher)
{
    const struct er_side *side = matcher->side;
    struct er_answers *answers = &matcher->answers;

    if ((side->every_event != ER_NONE && !consider(matcher, side->every_event)) || !consider_list(matcher, &side->scan)) {
        return false;
    }
    for (uint32_t i = 0; i < answers->n_hits; i++) {
        uint32_t test = answers->hits[i];

        if (er_answers_of(answers, test) != ER_FALSE && !consider_list(matcher, er_side_posting(side, test))) {
            return false;
        }
    }
    return !answers->value.no_memory;
}

static bool begin(struct er_matcher *matcher)
{
    const struct er_side *side = matcher->side;
    uint32_t old = matcher->answers.stamp;

    if (side->several > 0 && !er_pages_reserve_all(&matcher->considered, sizeof(uint32_t), side->terms_top)) {
        return false;
    }
    if (!er_answers_begin(&matcher->answers, side, &matcher->event.fields)) {
        return false;
    }
    if (matcher->answers.stamp < old) {
        er_pages_clear(&matcher->considered, sizeof(uint32_t));
    }
    return er_verifier_begin(&matcher->verifier, &matcher->answers);
}

enum er_code er_matcher_match(struct er_matcher *matcher, const struct er_record *record, struct er_match *out, struct er_err *err)
{
    struct er_event_context context = { matcher->side, er_ruleset_options(matcher->ruleset),
                                        er_ruleset_event_nodes(matcher->ruleset) };
    enum er_code code;

    assert(matcher->side != NULL);
    *out = (struct er_match){ .revision = matcher->side->revision };
    er_collector_begin(&matcher->collector);
    code = er_event_read(&matcher->event, &context, record, err);
    if (code != ER_OK) {
        return code;
    }
    out->duplicate_keys = matcher->event.duplicate_keys;
    out->type = matcher->event.type;
    if (!begin(matcher) || !consider_all(matcher) || !er_collector_finish(&matcher->collector, out)) {
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
