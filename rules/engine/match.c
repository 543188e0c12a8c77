#include "rules/engine/match.h"

#include <assert.h>
#include <stdlib.h>
#include "rules/engine/answers.h"
#include "rules/engine/collect.h"
#include "rules/engine/event.h"
#include "rules/engine/ruleset_sides.h"

/* DESIGN  read the event, probe the index with its values, verify the terms posted under the tests that hit, collect their subscriptions.
 *
 *     record --event--> fields --answers--> hit tests --verify--> terms --collect--> subscribers
 */
struct er_matcher {
    struct er_reader reader;
    struct er_ruleset *ruleset;
    const struct er_side *side; /* while pinned */
    struct er_event event;
    struct er_answers answers;
    struct er_collector collector;
};

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
    if (code == ER_OK) {
        code = er_answers_init(&matcher->answers, &er_ruleset_options(ruleset)->regex, err);
    }
    if (code != ER_OK) {
        er_event_fini(&matcher->event);
        free(matcher);
        return code;
    }
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
    er_collector_fini(&matcher->collector);
    free(matcher);
}

uint64_t er_matcher_pin(struct er_matcher *matcher)
{
    matcher->side = er_reader_pin(er_ruleset_publication(matcher->ruleset), &matcher->reader);
    return matcher->side->revision;
}

void er_matcher_unpin(struct er_matcher *matcher)
{
    matcher->side = NULL;
    er_reader_unpin(&matcher->reader);
}

/* ---- verify ---- */

/* AND of the leaves, each the OR of its tests, by Kleene. *culprit: an undecided test that the answer depends on. */
static enum er_truth verify(struct er_answers *answers, const struct er_term *term, uint32_t *culprit)
{
    const uint32_t *tests = er_term_tests(term);
    enum er_truth all = ER_TRUE;

    for (uint32_t i = 0; i < term->n; i++) {
        enum er_truth leaf = ER_FALSE;
        uint32_t undecided = ER_NONE;

        for (;; i++) {
            uint32_t test = tests[i] & ~ER_LEAF_END;
            enum er_truth truth = leaf == ER_TRUE ? ER_TRUE : er_answers_of(answers, test);

            if (truth == ER_UNDECIDED && undecided == ER_NONE) {
                undecided = test;
            }
            leaf = truth != ER_FALSE ? truth : leaf;
            if ((tests[i] & ER_LEAF_END) != 0) {
                break;
            }
        }
        if (leaf == ER_FALSE) {
            return ER_FALSE;
        }
        if (leaf == ER_UNDECIDED && all == ER_TRUE) {
            all = ER_UNDECIDED;
            *culprit = undecided;
        }
    }
    return all;
}

static bool collect(struct er_matcher *matcher, uint32_t term, const char *reason)
{
    const struct er_side *side = matcher->side;
    const struct er_idlist *subs = &side->terms[term];

    for (uint32_t i = 0; i < subs->n; i++) {
        const struct er_sub *sub = er_catalog_sub(side->catalog, er_idlist_ids(subs)[i]);
        struct er_found found = { side->subscribers[sub->subscriber], sub->id, reason };

        if (!er_collector_add(&matcher->collector, &found)) {
            return false;
        }
    }
    return true;
}

static bool consider(struct er_matcher *matcher, uint32_t id)
{
    uint32_t culprit = ER_NONE;

    __builtin_prefetch(&matcher->side->terms[id]); /* read when the term is accepted */
    switch (verify(&matcher->answers, er_catalog_term(matcher->side->catalog, id), &culprit)) {
    case ER_TRUE:
        return collect(matcher, id, NULL);
    case ER_UNDECIDED:
        return collect(matcher, id, er_answers_reason(&matcher->answers, culprit));
    case ER_FALSE:
    default:
        return true;
    }
}

/* Everything that the hit tests lead to. */
static bool consider_all(struct er_matcher *matcher)
{
    const struct er_side *side = matcher->side;
    struct er_answers *answers = &matcher->answers;

    if (side->every_event != ER_NONE && !collect(matcher, side->every_event, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < answers->hits.n; i++) {
        uint32_t test = er_idlist_ids(&answers->hits)[i];
        const struct er_idlist *terms = &side->tests[test].terms;

        for (uint32_t k = 0; er_answers_of(answers, test) != ER_FALSE && k < terms->n; k++) {
            if (!consider(matcher, er_idlist_ids(terms)[k])) {
                return false;
            }
        }
    }
    return true;
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
    if (!er_answers_begin(&matcher->answers, matcher->side, &matcher->event.fields) || !consider_all(matcher) ||
        !er_collector_finish(&matcher->collector, out)) {
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
