#include "rules/engine/term.h"

#include <stdlib.h>
#include "rules/base/arena.h"
#include "rules/engine/catalog.h"
#include "rules/engine/draft.h"

/* Bytes outside the term. */
static size_t words_bytes(const struct er_term *term)
{
    return term->heap ? term->n * sizeof *term->u.many : 0;
}

bool er_term_next(const struct er_term *term, struct er_term_walk *walk, uint32_t *test)
{
    const uint32_t *words = er_term_words(term);
    uint32_t first, list = er_term_list(term, &first);

    walk->at = walk->at < first ? first : walk->at;
    while (walk->at >= list && walk->at >= walk->leaf_end && walk->at < term->n) {
        uint32_t head = words[walk->at++];

        if (er_word_kind(head) == ER_WORD_LEAF) {
            walk->leaf_end = walk->at + er_word_length(head);
        } else if (er_word_kind(head) == ER_WORD_WITHIN) {
            walk->at++;
        }
    }
    if (walk->at >= term->n) {
        return false;
    }
    *test = words[walk->at++] & ER_WORD_TEST;
    return true;
}

static void ref_tests(struct er_catalog *catalog, const struct er_term *term)
{
    struct er_term_walk walk = { 0 };

    for (uint32_t test; er_term_next(term, &walk, &test);) {
        er_catalog_test(catalog, test)->refs++;
    }
}

static uint32_t term_new(struct er_catalog *catalog, const struct er_draft *draft, uint32_t tag)
{
    uint32_t *many = draft->n > ER_TERM_SMALL ? malloc(draft->n * sizeof *many) : NULL;
    uint32_t id = ER_NONE;
    struct er_term *term;

    if (draft->n <= ER_TERM_WORDS && (draft->n <= ER_TERM_SMALL || many != NULL) &&
        er_table_reserve(&catalog->term_table, tag, 1)) {
        id = er_stable_take(&catalog->terms); /* far below 2^31: a term has 32 bytes */
    }
    if (id == ER_NONE) {
        free(many);
        return ER_NONE;
    }
    term = er_catalog_term(catalog, id);
    term->n = draft->n & ER_TERM_WORDS;
    term->refs = 1;
    term->tag = tag;
    term->tree = draft->tree;
    term->always = draft->always;
    term->heap = many != NULL;
    if (many != NULL) {
        term->u.many = many;
    }
    if (draft->n > 0) {
        memcpy(many != NULL ? many : term->u.few, draft->words, draft->n * sizeof *many);
    }
    ref_tests(catalog, term);
    catalog->text_bytes += words_bytes(term);
    er_table_add(&catalog->term_table, term->tag, id);
    return id;
}

static uint32_t term_intern(struct er_catalog *catalog, const struct er_draft *draft)
{
    size_t bytes = draft->n * sizeof *draft->words;
    uint32_t tag = er_hash_tag(er_hash((struct er_str){ (const char *)draft->words, bytes }, catalog->seed));
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&catalog->term_table, tag, &step)) != ER_NONE;) {
        struct er_term *term = er_catalog_term(catalog, id);

        if (term->n == draft->n && term->tree == draft->tree && term->always == draft->always &&
            (bytes == 0 || memcmp(er_term_words(term), draft->words, bytes) == 0)) {
            term->refs++;
            return id;
        }
    }
    return term_new(catalog, draft, tag);
}

uint32_t er_term_of_rule(struct er_catalog *catalog, const struct er_rule *rule)
{
    struct er_draft draft;
    uint32_t id = ER_NONE;

    if (er_draft_init(&draft, catalog, rule)) {
        id = term_intern(catalog, &draft);
    }
    er_draft_fini(&draft);
    return id;
}

void er_term_unref(struct er_catalog *catalog, uint32_t id)
{
    struct er_term *term = er_catalog_term(catalog, id);
    struct er_term_walk walk = { 0 };

    if (--term->refs > 0) {
        return;
    }
    er_table_remove(&catalog->term_table, term->tag, id);
    for (uint32_t test; er_term_next(term, &walk, &test);) {
        er_catalog_test_unref(catalog, test);
    }
    catalog->text_bytes -= words_bytes(term);
    if (term->heap) {
        free(term->u.many);
    }
    if (term->placed) {
        er_pivot_free(catalog, term->pivot);
    }
    if (catalog->freed != NULL) {
        catalog->freed(catalog->freed_context, id, NULL);
    }
    er_stable_give(&catalog->terms, id);
}

/* ---- pivots ---- */

struct cover {
    uint32_t *tests; /* owned */
    uint32_t n;
};

_Static_assert(sizeof(struct cover) <= ER_COVER_BYTES, "the catalog keeps covers");

static struct cover *cover_at(const struct er_catalog *catalog, uint32_t pivot)
{
    return er_stable_at(&catalog->covers, pivot & ~ER_PIVOT_COVER);
}

struct er_pivot_tests er_pivot_tests(const struct er_catalog *catalog, const struct er_term *term, uint32_t pivot)
{
    if ((pivot & ER_PIVOT_COVER) != 0) {
        return (struct er_pivot_tests){ cover_at(catalog, pivot)->tests, cover_at(catalog, pivot)->n };
    }
    return (struct er_pivot_tests){ er_term_words(term) + pivot, er_term_leaf_end(term, pivot) - pivot };
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t er_pivot_cover(struct er_catalog *catalog, const uint32_t *tests, uint32_t n)
{
    struct cover cover = { .tests = malloc(n * sizeof *cover.tests) };
    uint32_t id = cover.tests == NULL ? ER_NONE : er_stable_take(&catalog->covers);

    if (id == ER_NONE) {
        free(cover.tests);
        return ER_NONE;
    }
    memcpy(cover.tests, tests, n * sizeof *cover.tests);
    qsort(cover.tests, n, sizeof *cover.tests, compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        if (cover.n == 0 || cover.tests[cover.n - 1] != cover.tests[i]) {
            cover.tests[cover.n++] = cover.tests[i];
        }
    }
    catalog->text_bytes += cover.n * sizeof *cover.tests;
    *cover_at(catalog, id) = cover;
    return ER_PIVOT_COVER | id;
}

void er_pivot_free(struct er_catalog *catalog, uint32_t pivot)
{
    if (pivot != ER_NONE && (pivot & ER_PIVOT_COVER) != 0) {
        struct cover *cover = cover_at(catalog, pivot);

        catalog->text_bytes -= cover->n * sizeof *cover->tests;
        free(cover->tests);
        er_stable_give(&catalog->covers, pivot & ~ER_PIVOT_COVER);
    }
}
