#include "rules/engine/pages.h"

#include <stdlib.h>
#include <string.h>
#include "rules/engine/grow.h"

void er_pages_fini(struct er_pages *pages)
{
    for (uint32_t i = 0; i < pages->capacity; i++) {
        free(pages->pages[i]);
    }
    free(pages->pages);
    *pages = (struct er_pages){ 0 };
}

bool er_pages_reserve_one(struct er_pages *pages, size_t size, uint32_t id)
{
    uint32_t page = id >> ER_PAGE_BITS;

    if (!er_grow(&pages->pages, &pages->capacity, sizeof *pages->pages, page)) {
        return false;
    }
    if (pages->pages[page] == NULL) {
        pages->pages[page] = calloc(ER_PAGE_ELEMENTS, size);
        if (pages->pages[page] == NULL) {
            return false;
        }
        pages->n++;
    }
    return true;
}

bool er_pages_reserve_all(struct er_pages *pages, size_t size, uint32_t n)
{
    /* Pages are made in order, so the last one says whether all are there. */
    if (n == 0 || er_pages_has(pages, n - 1)) {
        return true;
    }
    for (uint32_t id = 0; id < n; id += ER_PAGE_ELEMENTS) {
        if (!er_pages_reserve_one(pages, size, id)) {
            return false;
        }
        if (n - id <= ER_PAGE_ELEMENTS) {
            break;
        }
    }
    return true;
}

void er_pages_clear(struct er_pages *pages, size_t size)
{
    for (uint32_t i = 0; i < pages->capacity; i++) {
        if (pages->pages[i] != NULL) {
            memset(pages->pages[i], 0, ER_PAGE_ELEMENTS * size);
        }
    }
}
