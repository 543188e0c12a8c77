#include "rules/engine/side.h"

#include <stdlib.h>
#include "rules/engine/cover.h"

void er_side_init(struct er_side *side, struct er_catalog *catalog)
{
    *side = (struct er_side){ .catalog = catalog, .trie = { .catalog = catalog }, .every_event = ER_NONE };
    er_index_init(&side->index, catalog);
}

/* Owners of lists, for their places. */
enum list { POSTING, SUBSCRIPTIONS, SCAN };

static uint64_t owner_of(enum list kind, uint32_t id)
{
    return (uint64_t)kind << 32 | id;
}

static void fini_lists(struct er_pages *lists, uint32_t top)
{
    for (uint32_t i = 0; i < top; i++) {
        if (er_pages_has(lists, i)) {
            er_idlist_fini(er_pages_at(lists, i, struct er_idlist));
        }
    }
    er_pages_fini(lists);
}

void er_side_fini(struct er_side *side)
{
    fini_lists(&side->postings, side->tests_top);
    fini_lists(&side->terms, side->terms_top);
    for (uint32_t i = 0; i < side->subscribers.capacity * ER_PAGE_ELEMENTS; i++) {
        if (er_pages_has(&side->subscribers, i) && er_side_subscriber(side, i) != NULL) {
            er_subscriber_unref(er_side_subscriber(side, i));
        }
    }
    er_idlist_fini(&side->scan);
    er_index_fini(&side->index);
    er_trie_fini(&side->trie);
    er_places_fini(&side->places);
    er_pages_fini(&side->subscribers);
}

/* ---- tests ---- */

static bool test_use(struct er_side *side, uint32_t id)
{
    if (!er_pages_reserve(&side->postings, sizeof(struct er_idlist), id) ||
        !er_trie_add(&side->trie, er_catalog_test(side->catalog, id)->node)) {
        return false;
    }
    side->tests_top = id < side->tests_top ? side->tests_top : id + 1;
    return true;
}

static void test_unuse(struct er_side *side, uint32_t id)
{
    er_trie_remove(&side->trie, er_catalog_test(side->catalog, id)->node);
}

static bool test_post(struct er_side *side, uint32_t id, uint32_t entry)
{
    struct er_idlist *terms;

    /* A member of a SET is nobody's word. */
    if (!er_pages_reserve(&side->postings, sizeof *terms, id)) {
        return false;
    }
    side->tests_top = id < side->tests_top ? side->tests_top : id + 1;
    terms = er_side_posting(side, id);
    if (er_idlist_n(terms) == 0 && !er_index_add(&side->index, id)) {
        return false;
    }
    if (!er_places_add(&side->places, terms, owner_of(POSTING, id), entry)) {
        if (er_idlist_n(terms) == 0) {
            er_index_remove(&side->index, id);
        }
        return false;
    }
    return true;
}

static void test_unpost(struct er_side *side, uint32_t id, uint32_t entry)
{
    struct er_idlist *terms = er_side_posting(side, id);

    er_places_remove(&side->places, terms, owner_of(POSTING, id), entry);
    if (er_idlist_n(terms) == 0) {
        er_index_remove(&side->index, id);
    }
}

/* ---- terms ---- */

static uint32_t entry_of(uint32_t term, const struct er_pivot_tests *tests)
{
    return term | (tests->n > 1 ? ER_POSTED_SEVERAL : 0);
}

/* Under the first n tests. */
static void unpost(struct er_side *side, uint32_t term, const struct er_pivot_tests *tests, uint32_t n)
{
    side->several -= tests->n > 1 ? n : 0;
    while (n-- > 0) {
        test_unpost(side, tests->ids[n] & ER_WORD_TEST, entry_of(term, tests));
    }
}

bool er_side_post(struct er_side *side, uint32_t term, uint32_t pivot)
{
    struct er_pivot_tests tests = er_pivot_tests(side->catalog, er_catalog_term(side->catalog, term), pivot);

    for (uint32_t i = 0; i < tests.n; i++) {
        if (!test_post(side, tests.ids[i] & ER_WORD_TEST, entry_of(term, &tests))) {
            unpost(side, term, &tests, i);
            return false;
        }
        side->several += tests.n > 1;
    }
    return true;
}

void er_side_unpost(struct er_side *side, uint32_t term, uint32_t pivot)
{
    struct er_pivot_tests tests = er_pivot_tests(side->catalog, er_catalog_term(side->catalog, term), pivot);

    unpost(side, term, &tests, tests.n);
}

static bool term_post(struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);

    if (term->n == 0) {
        side->every_event = id;
        return true;
    }
    if (term->pivot == ER_NONE) {
        return er_places_add(&side->places, &side->scan, owner_of(SCAN, 0), id);
    }
    return er_side_post(side, id, term->pivot);
}

static void term_unpost(struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);

    if (term->n == 0) {
        side->every_event = ER_NONE;
    } else if (term->pivot == ER_NONE) {
        er_places_remove(&side->places, &side->scan, owner_of(SCAN, 0), id);
    } else {
        er_side_unpost(side, id, term->pivot);
    }
}

/* Takes the uses of the first n tests of the walk back. */
static void unuse(struct er_side *side, const struct er_term *term, size_t n)
{
    struct er_term_walk walk = { 0 };

    for (uint32_t test; n > 0 && er_term_next(term, &walk, &test); n--) {
        test_unuse(side, test);
    }
}

static bool use(struct er_side *side, const struct er_term *term)
{
    struct er_term_walk walk = { 0 };
    size_t used = 0;

    for (uint32_t test; er_term_next(term, &walk, &test); used++) {
        if (!test_use(side, test)) {
            unuse(side, term, used);
            return false;
        }
    }
    return true;
}

static void term_close(struct er_side *side, uint32_t id)
{
    term_unpost(side, id);
    unuse(side, er_catalog_term(side->catalog, id), SIZE_MAX);
}

static bool term_open(struct er_side *side, uint32_t id)
{
    struct er_term *term = er_catalog_term(side->catalog, id);

    if ((!term->placed && !er_cover_choose(side, term)) || !use(side, term)) {
        return false;
    }
    if (!term_post(side, id)) {
        unuse(side, term, SIZE_MAX);
        return false;
    }
    return true;
}

/* ---- subscriptions ---- */

bool er_side_add(struct er_side *side, uint32_t id)
{
    uint32_t term = er_catalog_sub(side->catalog, id)->term;
    struct er_idlist *subs;

    if (!er_pages_reserve(&side->terms, sizeof *subs, term)) {
        return false;
    }
    side->terms_top = term < side->terms_top ? side->terms_top : term + 1;
    subs = er_side_subs(side, term);
    if (!er_places_add(&side->places, subs, owner_of(SUBSCRIPTIONS, term), id)) {
        return false;
    }
    if (er_idlist_n(subs) == 1 && !term_open(side, term)) {
        er_places_remove(&side->places, subs, owner_of(SUBSCRIPTIONS, term), id);
        return false;
    }
    return true;
}

void er_side_remove(struct er_side *side, uint32_t id)
{
    uint32_t term = er_catalog_sub(side->catalog, id)->term;
    struct er_idlist *subs = er_side_subs(side, term);

    er_places_remove(&side->places, subs, owner_of(SUBSCRIPTIONS, term), id);
    if (er_idlist_n(subs) == 0) {
        term_close(side, term);
    }
}

/* ---- subscribers ---- */

bool er_side_reserve_slot(struct er_side *side, uint32_t slot)
{
    return er_pages_reserve(&side->subscribers, sizeof(struct er_subscriber *), slot);
}

void er_side_set_subscriber(struct er_side *side, uint32_t slot, struct er_subscriber *subscriber)
{
    struct er_subscriber **place = er_pages_at(&side->subscribers, slot, struct er_subscriber *);

    if (*place != NULL) {
        er_subscriber_unref(*place);
    }
    *place = subscriber != NULL ? er_subscriber_ref(subscriber) : NULL;
}

size_t er_side_bytes(const struct er_side *side)
{
    return er_trie_bytes(&side->trie) + er_index_bytes(&side->index) + er_pages_bytes(&side->postings, sizeof(struct er_idlist)) +
           er_pages_bytes(&side->terms, sizeof(struct er_idlist)) + er_places_bytes(&side->places) +
           er_pages_bytes(&side->subscribers, sizeof(struct er_subscriber *));
}
