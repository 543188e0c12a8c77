#include "rules/engine/side.h"

#include <stdlib.h>
#include "rules/engine/grow.h"

void er_side_init(struct er_side *side, struct er_catalog *catalog)
{
    *side = (struct er_side){ .catalog = catalog, .trie = { .catalog = catalog }, .every_event = ER_NONE };
    er_index_init(&side->index, catalog);
}

void er_side_fini(struct er_side *side)
{
    for (uint32_t i = 0; i < side->tests_capacity; i++) {
        er_idlist_fini(&side->tests[i].terms);
    }
    for (uint32_t i = 0; i < side->terms_capacity; i++) {
        er_idlist_fini(&side->terms[i]);
    }
    for (uint32_t i = 0; i < side->subscribers_capacity; i++) {
        if (side->subscribers[i] != NULL) {
            er_subscriber_unref(side->subscribers[i]);
        }
    }
    er_index_fini(&side->index);
    er_trie_fini(&side->trie);
    free(side->tests);
    free(side->terms);
    free(side->positions);
    free(side->subscribers);
}

/* ---- tests ---- */

static bool test_use(struct er_side *side, uint32_t id)
{
    if (!er_grow(&side->tests, &side->tests_capacity, sizeof *side->tests, id)) {
        return false;
    }
    if (side->tests[id].users == 0 && !er_trie_add(&side->trie, er_catalog_test(side->catalog, id)->node)) {
        return false;
    }
    side->tests[id].users++;
    return true;
}

static void test_unuse(struct er_side *side, uint32_t id)
{
    if (--side->tests[id].users == 0) {
        er_trie_remove(&side->trie, er_catalog_test(side->catalog, id)->node);
    }
}

static bool test_post(struct er_side *side, uint32_t id, uint32_t term)
{
    struct er_side_test *test = &side->tests[id];

    if (test->terms.n == 0 && !er_index_add(&side->index, id)) {
        return false;
    }
    if (!er_idlist_add(&test->terms, term)) {
        if (test->terms.n == 0) {
            er_index_remove(&side->index, id);
        }
        return false;
    }
    return true;
}

static void test_unpost(struct er_side *side, uint32_t id, uint32_t term)
{
    er_idlist_remove(&side->tests[id].terms, term);
    if (side->tests[id].terms.n == 0) {
        er_index_remove(&side->index, id);
    }
}

/* ---- terms ---- */

/* One past the last test of the leaf that starts there. */
static uint32_t leaf_end(const struct er_term *term, uint32_t start)
{
    while ((er_term_tests(term)[start] & ER_LEAF_END) == 0) {
        start++;
    }
    return start + 1;
}

static uint32_t test_id(const struct er_term *term, uint32_t i)
{
    return er_term_tests(term)[i] & ~ER_LEAF_END;
}

/* What posting one more term under a leaf is expected to cost: long postings and weak keys are dear. */
struct leaf_cost {
    bool keyed;       /* every test has a key in an index */
    bool asks_values; /* not keyed because of more than `types: ["*"]`, which asks nothing that costs */
    uint64_t weight;
};

static struct leaf_cost leaf_cost(const struct er_side *side, const struct er_term *term, uint32_t start)
{
    struct leaf_cost cost = { .keyed = true };

    for (uint32_t i = start, end = leaf_end(term, start); i < end; i++) {
        const struct er_test *test = er_catalog_test(side->catalog, test_id(term, i));
        uint64_t posted = test_id(term, i) < side->tests_capacity ? side->tests[test_id(term, i)].terms.n : 0;

        cost.weight += er_index_weight(test) * (posted + 1);
        cost.keyed = cost.keyed && test->index != ER_INDEX_EVERY;
        cost.asks_values = cost.asks_values || (test->index == ER_INDEX_EVERY && test->node != ER_NODE_TYPE);
    }
    return cost;
}

/* A key beats none; without one, a field that may be absent beats `types: ["*"]`. */
static bool cheaper(struct leaf_cost a, struct leaf_cost b)
{
    if (a.keyed != b.keyed) {
        return a.keyed;
    }
    if (a.asks_values != b.asks_values) {
        return a.asks_values;
    }
    return a.weight < b.weight;
}

static void place(const struct er_side *side, struct er_term *term)
{
    struct leaf_cost best = { 0 };

    for (uint32_t i = 0; i < term->n; i++) {
        struct er_test *test = er_catalog_test(side->catalog, test_id(term, i));

        if (!test->placed) {
            er_index_place(&side->index, test);
            test->placed = true;
        }
    }
    for (uint32_t start = 0; start < term->n; start = leaf_end(term, start)) {
        struct leaf_cost cost = leaf_cost(side, term, start);

        if (start == 0 || cheaper(cost, best)) {
            best = cost;
            term->pivot = start;
        }
    }
    term->unindexed = term->n > 0 && !best.keyed && best.asks_values;
    term->placed = true;
}

static void term_unpost(struct er_side *side, uint32_t id, uint32_t end)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);

    while (end > term->pivot) {
        test_unpost(side, test_id(term, --end), id);
    }
}

static bool term_post(struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);

    if (term->n == 0) {
        side->every_event = id;
        return true;
    }
    for (uint32_t i = term->pivot, end = leaf_end(term, term->pivot); i < end; i++) {
        if (!test_post(side, test_id(term, i), id)) {
            term_unpost(side, id, i);
            return false;
        }
    }
    return true;
}

static void term_close(struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);

    if (term->n == 0) {
        side->every_event = ER_NONE;
        return;
    }
    term_unpost(side, id, leaf_end(term, term->pivot));
    for (uint32_t i = 0; i < term->n; i++) {
        test_unuse(side, test_id(term, i));
    }
}

static bool term_open(struct er_side *side, uint32_t id)
{
    struct er_term *term = er_catalog_term(side->catalog, id);
    uint32_t used = 0;

    if (!term->placed) {
        place(side, term);
    }
    while (used < term->n && test_use(side, test_id(term, used))) {
        used++;
    }
    if (used == term->n && term_post(side, id)) {
        return true;
    }
    while (used > 0) {
        test_unuse(side, test_id(term, --used));
    }
    return false;
}

/* ---- subscriptions ---- */

bool er_side_add(struct er_side *side, uint32_t id)
{
    uint32_t term = er_catalog_sub(side->catalog, id)->term;
    struct er_idlist *subs;

    if (!er_grow(&side->terms, &side->terms_capacity, sizeof *side->terms, term) ||
        !er_grow(&side->positions, &side->positions_capacity, sizeof *side->positions, id)) {
        return false;
    }
    subs = &side->terms[term];
    if (!er_idlist_add(subs, id)) {
        return false;
    }
    side->positions[id] = subs->n - 1;
    if (subs->n == 1 && !term_open(side, term)) {
        er_idlist_remove_at(subs, 0);
        return false;
    }
    return true;
}

void er_side_remove(struct er_side *side, uint32_t id)
{
    uint32_t term = er_catalog_sub(side->catalog, id)->term;
    struct er_idlist *subs = &side->terms[term];
    uint32_t at = side->positions[id];

    er_idlist_remove_at(subs, at);
    if (at < subs->n) {
        side->positions[er_idlist_ids(subs)[at]] = at;
    }
    if (subs->n == 0) {
        term_close(side, term);
    }
}

/* ---- subscribers ---- */

bool er_side_reserve_slot(struct er_side *side, uint32_t slot)
{
    return er_grow(&side->subscribers, &side->subscribers_capacity, sizeof(struct er_subscriber *), slot);
}

void er_side_set_subscriber(struct er_side *side, uint32_t slot, struct er_subscriber *subscriber)
{
    if (side->subscribers[slot] != NULL) {
        er_subscriber_unref(side->subscribers[slot]);
    }
    side->subscribers[slot] = subscriber != NULL ? er_subscriber_ref(subscriber) : NULL;
}

size_t er_side_bytes(const struct er_side *side)
{
    return er_trie_bytes(&side->trie) + er_index_bytes(&side->index) + side->tests_capacity * sizeof *side->tests +
           side->terms_capacity * sizeof *side->terms + side->positions_capacity * sizeof *side->positions +
           side->subscribers_capacity * sizeof *side->subscribers;
}
