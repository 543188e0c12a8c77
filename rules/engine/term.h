/* What a rule asks, without who asks: equal rules share one term. Immutable once it is published, except for the writer's own members.
 *
 * DESIGN  words. A list of leaves, each an OR of tests, all of which must hold whatever element of an array the values stand in. Rules
 * for which that is not the whole truth have a tree too, in prefix form; then the list is a filter before it.
 *
 *     no tree    test test|END  test|END                          leaf leaf
 *     tree       n  test|END ...  |  ALL len  LEAF len test test  WITHIN len node  NOT len ...
 *                   `--- n ---'
 *
 * A term is posted under the tests of one leaf of the list (its pivot), or, where none will do, under a list of its own (a cover). Which
 * one that is may change, so it is the writer's matter alone: readers never look at it.
 *
 * Canonical: children sorted, nested ALL and ANY opened, an ANY of leaves is one leaf.
 */
#ifndef ER_RULES_ENGINE_TERM_H
#define ER_RULES_ENGINE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/language/rule.h"

struct er_catalog;

#define ER_LEAF_END UINT32_C(0x80000000)  /* in the list: on the last test of each leaf */
#define ER_LEAF_OPEN UINT32_C(0x40000000) /* may hold in some element of an array although it does not on the whole */
#define ER_WORD_TEST UINT32_C(0x3FFFFFFF)

/* Heads of the tree: kind, and the number of words that follow and belong to it. */
enum er_word_kind {
    ER_WORD_ALL,
    ER_WORD_ANY,
    ER_WORD_NOT,    /* one child */
    ER_WORD_WITHIN, /* a node, then one child */
    ER_WORD_LEAF    /* tests */
};
#define ER_WORD_LENGTH UINT32_C(0x0FFFFFFF)

static inline uint32_t er_word_head(enum er_word_kind kind, uint32_t length)
{
    return (uint32_t)kind << 28 | length;
}
static inline enum er_word_kind er_word_kind(uint32_t head)
{
    return (enum er_word_kind)(head >> 28);
}
static inline uint32_t er_word_length(uint32_t head)
{
    return head & ER_WORD_LENGTH;
}

#define ER_TERM_SMALL 4u
#define ER_TERM_WORDS ((1u << 26) - 1) /* at most */

struct er_term {
    union {
        uint32_t few[ER_TERM_SMALL];
        uint32_t *many;
    } u;
    uint32_t pivot; /* under which tests it is posted, see er_pivot_tests; set when placed; writer only */
    uint32_t refs;  /* subscriptions; writer only */
    uint32_t tag;
    uint32_t n : 26;        /* words; 0 = every event */
    uint32_t heap : 1;      /* words are in u.many */
    uint32_t tree : 1;      /* has a tree */
    uint32_t always : 1;    /* the tree is asked for every event, not only when arrays of objects are read */
    uint32_t placed : 1;    /* has a pivot; writer only */
    uint32_t unindexed : 1; /* writer only */
};

static inline const uint32_t *er_term_words(const struct er_term *term)
{
    return term->heap ? term->u.many : term->u.few;
}

/* The list is words [*first, end). */
static inline uint32_t er_term_list(const struct er_term *term, uint32_t *first)
{
    *first = term->tree ? 1 : 0;
    return term->tree ? er_term_words(term)[0] + 1 : term->n;
}

/* One past the last test of the leaf of the list that starts there. */
static inline uint32_t er_term_leaf_end(const struct er_term *term, uint32_t start)
{
    while ((er_term_words(term)[start] & ER_LEAF_END) == 0) {
        start++;
    }
    return start + 1;
}

/* Every test of a term, some more than once. Initialise with {0}. */
struct er_term_walk {
    uint32_t at, leaf_end;
};
bool er_term_next(const struct er_term *term, struct er_term_walk *walk, uint32_t *test);

/* The term of a rule, one reference more, or ER_NONE without memory. */
uint32_t er_term_of_rule(struct er_catalog *catalog, const struct er_rule *rule);
void er_term_unref(struct er_catalog *catalog, uint32_t id);

/* ---- pivots; writer only ---- */

/* Where a leaf of the list starts; or ER_PIVOT_COVER with the number of a cover; or ER_NONE: on the scan list. */
#define ER_PIVOT_COVER UINT32_C(0x80000000)

struct er_pivot_tests {
    const uint32_t *ids; /* ids in ER_WORD_TEST, each once */
    uint32_t n;
};

/* Of a pivot of the term, which is not ER_NONE. */
struct er_pivot_tests er_pivot_tests(const struct er_catalog *catalog, const struct er_term *term, uint32_t pivot);

/* A pivot that is a cover of these tests, of which some may be the same; or ER_NONE without memory. Free: any pivot. */
uint32_t er_pivot_cover(struct er_catalog *catalog, const uint32_t *tests, uint32_t n);
void er_pivot_free(struct er_catalog *catalog, uint32_t pivot);

#endif
