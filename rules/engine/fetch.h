/* Asks for the memory of a candidate before it is verified, in three steps with time between them: each looks at what the one before it has
 * asked for. (Always inline: gcc takes a function that only fetches for one without effect, and drops the call.)
 */
#ifndef ER_RULES_ENGINE_FETCH_H
#define ER_RULES_ENGINE_FETCH_H

#include "rules/engine/counters.h"
#include "rules/engine/side.h"

#define ER_FETCH static inline __attribute__((always_inline))

#define ER_FETCH_TESTS 12u /* of a term */

/* counters: where candidates are counted, or NULL. */
ER_FETCH void er_fetch_term(const struct er_side *side, const struct er_counters *counters, uint32_t id)
{
    __builtin_prefetch(er_catalog_term(side->catalog, id));
    __builtin_prefetch(er_side_subs(side, id));
    if (counters != NULL) {
        __builtin_prefetch(er_count_at(counters->terms, id), 1);
    }
}

ER_FETCH void er_fetch_words(const struct er_side *side, uint32_t id)
{
    const struct er_idlist *subs = er_side_subs(side, id);

    __builtin_prefetch(er_term_words(er_catalog_term(side->catalog, id)));
    if (er_idlist_n(subs) == 1) {
        __builtin_prefetch(er_catalog_sub(side->catalog, *er_idlist_ids(subs)));
    }
}

ER_FETCH void er_fetch_tests(const struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);
    const struct er_idlist *subs = er_side_subs(side, id);
    const uint32_t *words = er_term_words(term);
    uint32_t at, end = er_term_list(term, &at);

    for (end = end - at > ER_FETCH_TESTS ? at + ER_FETCH_TESTS : end; at < end; at++) {
        __builtin_prefetch(er_catalog_test(side->catalog, words[at] & ER_WORD_TEST));
    }
    if (er_idlist_n(subs) == 1) {
        uint32_t slot = er_catalog_sub(side->catalog, *er_idlist_ids(subs))->subscriber;

        __builtin_prefetch(er_pages_at(&side->subscribers, slot, struct er_subscriber *));
    }
}

#endif
