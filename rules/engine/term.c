#include "rules/engine/term.h"

#include <stdlib.h>
#include "rules/base/arena.h"
#include "rules/engine/catalog.h"
#include "rules/engine/draft.h"

/* Bytes outside the term; the cover ends in a test with ER_LEAF_END. */
static size_t words_bytes(const struct er_term *term)
{
    size_t n = term->n;

    if (!term->heap) {
        return 0;
    }
    if (term->placed && term->pivot != ER_NONE && term->pivot >= term->n) {
        n = er_term_leaf_end(term, term->pivot);
    }
    return n * sizeof *term->u.many;
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
        id = er_stable_take(&catalog->terms);
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
    if (catalog->freed != NULL) {
        catalog->freed(catalog->freed_context, id, NULL);
    }
    er_stable_give(&catalog->terms, id);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

bool er_term_set_cover(struct er_catalog *catalog, struct er_term *term, const uint32_t *tests, uint32_t n)
{
    uint32_t *many = malloc(((size_t)term->n + n) * sizeof *many);
    uint32_t *cover;
    uint32_t kept = 0;

    if (many == NULL) {
        return false;
    }
    memcpy(many, er_term_words(term), term->n * sizeof *many);
    cover = many + term->n;
    memcpy(cover, tests, n * sizeof *cover);
    qsort(cover, n, sizeof *cover, compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        if (kept == 0 || cover[kept - 1] != cover[i]) {
            cover[kept++] = cover[i];
        }
    }
    cover[kept - 1] |= ER_LEAF_END;
    catalog->text_bytes -= words_bytes(term);
    if (term->heap) {
        free(term->u.many);
    }
    term->u.many = many;
    term->heap = true;
    term->pivot = term->n;
    term->placed = true;
    catalog->text_bytes += words_bytes(term);
    return true;
}
