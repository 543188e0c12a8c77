/* An array that follows the ids of the catalog: zeroed pages, made when first needed. Growing moves no element and costs one page.
 *
 *     struct x *x = er_pages_at(&pages, id, struct x);
 */
#ifndef ER_RULES_ENGINE_PAGES_H
#define ER_RULES_ENGINE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ER_PAGE_BITS 9u
#define ER_PAGE_ELEMENTS (1u << ER_PAGE_BITS)

/* Initialise with {0}. */
struct er_pages {
    void **pages;
    uint32_t capacity; /* of pages */
    uint32_t n;        /* pages that exist */
};

void er_pages_fini(struct er_pages *pages);

/* Makes sure of the element (of `size` bytes, always the same). False without memory, and then nothing has changed. */
bool er_pages_reserve_one(struct er_pages *pages, size_t size, uint32_t id);
/* The same of all elements below n. */
bool er_pages_reserve_all(struct er_pages *pages, size_t size, uint32_t n);

static inline bool er_pages_has(const struct er_pages *pages, uint32_t id)
{
    return id >> ER_PAGE_BITS < pages->capacity && pages->pages[id >> ER_PAGE_BITS] != NULL;
}

static inline bool er_pages_reserve(struct er_pages *pages, size_t size, uint32_t id)
{
    return er_pages_has(pages, id) || er_pages_reserve_one(pages, size, id);
}

/* The element must be there. */
#define er_pages_at(all, id, type) (&((type *)(all)->pages[(id) >> ER_PAGE_BITS])[(id) & (ER_PAGE_ELEMENTS - 1)])

/* Zeroes everything. */
void er_pages_clear(struct er_pages *pages, size_t size);

static inline size_t er_pages_bytes(const struct er_pages *pages, size_t size)
{
    return pages->capacity * sizeof *pages->pages + (size_t)pages->n * ER_PAGE_ELEMENTS * size;
}

#endif
