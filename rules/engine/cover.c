#include "rules/engine/cover.h"

#include <stdlib.h>

/* What a test's value in the index says about the cost, worst first. */
enum grade {
    GRADE_NONE,  /* no cover */
    GRADE_TYPE,  /* `types: ["*"]`: most events */
    GRADE_EVERY, /* asked for every value of its path */
    GRADE_KEYED
};

/* What posting one more term there is expected to cost. */
struct cost {
    enum grade grade;
    uint64_t weight;
    uint64_t posted;
    size_t tests; /* looked at */
};

static bool cheaper(struct cost a, struct cost b)
{
    if (a.grade != b.grade) {
        return a.grade > b.grade;
    }
    return a.weight != b.weight ? a.weight < b.weight : a.posted < b.posted;
}

/* One of both must hold. */
static struct cost plus(struct cost a, struct cost b)
{
    return (struct cost){ a.grade < b.grade ? a.grade : b.grade, a.weight + b.weight, a.posted + b.posted, a.tests + b.tests };
}

static const struct cost nothing = { .grade = GRADE_KEYED };

/* more: terms that read it besides those that say so themselves. */
static struct cost test_cost(const struct er_side *side, uint32_t id, uint32_t more)
{
    const struct er_test *test = er_catalog_test(side->catalog, id);
    uint64_t users = (uint64_t)er_cover_users(side, id) + more;
    struct cost cost = { GRADE_KEYED, er_index_weight(test) * users, er_side_posted(side, id), 1 };

    if (test->op == ER_OP_SET) {
        size_t n;
        const uint32_t *members = er_test_members(test, &n);

        cost = nothing;
        for (size_t i = 0; i < n; i++) {
            cost = plus(cost, test_cost(side, members[i], test->refs - 1));
        }
    } else if (test->index == ER_INDEX_NONE) {
        cost.grade = GRADE_NONE;
    } else if (test->index == ER_INDEX_EVERY) {
        cost.grade = test->op == ER_OP_ANY && test->node == ER_NODE_TYPE ? GRADE_TYPE : GRADE_EVERY;
    }
    return cost;
}

/* Of tests ORed. */
static struct cost tests_cost(const struct er_side *side, const uint32_t *tests, uint32_t n)
{
    struct cost cost = nothing;

    for (uint32_t i = 0; i < n; i++) {
        cost = plus(cost, test_cost(side, tests[i] & ER_WORD_TEST, 0));
    }
    return cost;
}

static struct cost tree_cost(const struct er_side *side, const uint32_t *words, bool negated);

/* The cheapest child. Sets *best if it is given. */
static struct cost cheapest(const struct er_side *side, const uint32_t *words, bool negated, const uint32_t **best)
{
    const uint32_t *end = words + 1 + er_word_length(words[0]);
    struct cost cost = { .grade = GRADE_NONE };
    size_t tests = 0;

    for (const uint32_t *child = words + 1; child < end; child += 1 + er_word_length(child[0])) {
        struct cost other = tree_cost(side, child, negated);

        tests += other.tests;
        if (cheaper(other, cost)) {
            cost = other;
            if (best != NULL) {
                *best = child;
            }
        }
    }
    cost.tests = tests;
    return cost;
}

static struct cost sum(const struct er_side *side, const uint32_t *words, bool negated)
{
    const uint32_t *end = words + 1 + er_word_length(words[0]);
    struct cost cost = nothing;

    for (const uint32_t *child = words + 1; child < end; child += 1 + er_word_length(child[0])) {
        cost = plus(cost, tree_cost(side, child, negated));
    }
    return cost;
}

static struct cost tree_cost(const struct er_side *side, const uint32_t *words, bool negated)
{
    static const struct cost impossible = { .grade = GRADE_NONE };

    switch (er_word_kind(words[0])) {
    case ER_WORD_NOT:
        return tree_cost(side, words + 1, !negated);
    case ER_WORD_LEAF:
        return negated ? impossible : tests_cost(side, words + 1, er_word_length(words[0]));
    case ER_WORD_WITHIN:
        return negated ? impossible : tree_cost(side, words + 2, false);
    case ER_WORD_ALL:
    case ER_WORD_ANY:
    default:
        return (er_word_kind(words[0]) == ER_WORD_ALL) != negated ? cheapest(side, words, negated, NULL)
                                                                  : sum(side, words, negated);
    }
}

/* ---- the tests of a cover ---- */

struct cover {
    uint32_t *tests;
    uint32_t n;
    uint32_t capacity;
    bool no_memory;
};

static void cover_add(const struct er_side *side, struct cover *cover, uint32_t id)
{
    const struct er_test *test = er_catalog_test(side->catalog, id);

    if (test->op == ER_OP_SET) {
        size_t n;
        const uint32_t *members = er_test_members(test, &n);

        for (size_t i = 0; i < n; i++) {
            cover_add(side, cover, members[i]);
        }
        return;
    }
    if (!er_grow(&cover->tests, &cover->capacity, sizeof *cover->tests, cover->n)) {
        cover->no_memory = true;
        return;
    }
    cover->tests[cover->n++] = id;
}

static void cover_tests(const struct er_side *side, struct cover *cover, const uint32_t *tests, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        cover_add(side, cover, tests[i] & ER_WORD_TEST);
    }
}

static void cover_tree(const struct er_side *side, struct cover *cover, const uint32_t *words, bool negated)
{
    const uint32_t *end = words + 1 + er_word_length(words[0]);
    const uint32_t *best = NULL;

    switch (er_word_kind(words[0])) {
    case ER_WORD_NOT:
        cover_tree(side, cover, words + 1, !negated);
        return;
    case ER_WORD_LEAF:
        cover_tests(side, cover, words + 1, er_word_length(words[0]));
        return;
    case ER_WORD_WITHIN:
        cover_tree(side, cover, words + 2, false);
        return;
    case ER_WORD_ALL:
    case ER_WORD_ANY:
    default:
        break;
    }
    if ((er_word_kind(words[0]) == ER_WORD_ALL) != negated) {
        (void)cheapest(side, words, negated, &best);
        cover_tree(side, cover, best, negated);
        return;
    }
    for (const uint32_t *child = words + 1; child < end; child += 1 + er_word_length(child[0])) {
        cover_tree(side, cover, child, negated);
    }
}

/* ---- choosing ---- */

/* Every test needs its gram before its weight is known. */
static void place_test(const struct er_side *side, uint32_t id)
{
    struct er_test *test = er_catalog_test(side->catalog, id);

    if (test->level == 0) {
        er_index_place(&side->index, test);
        test->level = er_cover_level(test->refs);
    }
}

struct choice {
    struct cost cost;
    uint32_t leaf; /* of the list, or ER_NONE: the tree */
};

static struct choice choose(const struct er_side *side, const struct er_term *term)
{
    struct choice choice = { .leaf = ER_NONE };
    uint32_t start, end = er_term_list(term, &start);
    size_t tests = 0;

    if (term->tree) {
        choice.cost = tree_cost(side, er_term_words(term) + end, false);
        tests = choice.cost.tests;
    }
    for (uint32_t next; start < end; start = next) {
        struct cost cost;

        next = er_term_leaf_end(term, start);
        cost = tests_cost(side, er_term_words(term) + start, next - start);
        tests += cost.tests;
        if (cheaper(cost, choice.cost) || (choice.leaf == ER_NONE && !cheaper(choice.cost, cost))) {
            choice = (struct choice){ cost, start };
        }
    }
    choice.cost.tests = tests;
    return choice;
}

/* A leaf of the list is a cover as it stands, unless a SET stands in it for others. ER_NONE without memory. */
static uint32_t pivot_of(const struct er_side *side, const struct er_term *term, const struct choice *choice)
{
    uint32_t start, end = er_term_list(term, &start);
    uint32_t pivot = choice->leaf, tests = 0;
    struct cover cover = { 0 };

    if (choice->leaf == ER_NONE) {
        cover_tree(side, &cover, er_term_words(term) + end, false);
    } else {
        tests = er_term_leaf_end(term, choice->leaf) - choice->leaf;
        cover_tests(side, &cover, er_term_words(term) + choice->leaf, tests);
    }
    if (cover.no_memory) {
        pivot = ER_NONE;
    } else if (choice->leaf == ER_NONE || cover.n != tests) {
        pivot = er_pivot_cover(side->catalog, cover.tests, cover.n);
    }
    free(cover.tests);
    return pivot;
}

bool er_cover_choose(const struct er_side *side, struct er_term *term)
{
    struct er_term_walk walk = { 0 };
    struct choice choice;

    for (uint32_t test; er_term_next(term, &walk, &test);) {
        place_test(side, test);
    }
    choice = choose(side, term);
    term->unindexed = term->n > 0 && choice.cost.grade != GRADE_KEYED && choice.cost.grade != GRADE_TYPE;
    term->pivot = ER_NONE;
    if (choice.cost.grade != GRADE_NONE) {
        term->pivot = pivot_of(side, term, &choice);
        if (term->pivot == ER_NONE) {
            return false;
        }
    }
    term->placed = true;
    return true;
}

uint32_t er_cover_better(const struct er_side *side, const struct er_term *term, size_t *looked)
{
    struct er_pivot_tests tests;
    struct choice choice;
    struct cost cost;

    if (term->pivot == ER_NONE) {
        return ER_NONE;
    }
    tests = er_pivot_tests(side->catalog, term, term->pivot);
    cost = tests_cost(side, tests.ids, tests.n);
    choice = choose(side, term);
    *looked += cost.tests + choice.cost.tests;
    if (choice.cost.grade < cost.grade || (choice.cost.grade == cost.grade && 2 * choice.cost.weight > cost.weight)) {
        return ER_NONE;
    }
    return pivot_of(side, term, &choice);
}
