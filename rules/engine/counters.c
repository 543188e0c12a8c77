#include "rules/engine/counters.h"

#include <stdlib.h>

#define ELEMENTS (1u << ER_COUNT_PAGE_BITS)

bool er_counters_init(struct er_counters *counters)
{
    *counters = (struct er_counters){ calloc(1, sizeof *counters->terms), calloc(1, sizeof *counters->tests), NULL, false };
    if (counters->terms == NULL || counters->tests == NULL) {
        er_counters_fini(counters);
        return false;
    }
    return true;
}

static void root_free(struct er_count_root *root)
{
    for (uint32_t i = 0; root != NULL && i < ER_COUNT_PAGES; i++) {
        free(atomic_load_explicit(&root->pages[i], memory_order_relaxed));
    }
    free(root);
}

void er_counters_fini(struct er_counters *counters)
{
    root_free(counters->terms);
    root_free(counters->tests);
    *counters = (struct er_counters){ NULL, NULL, NULL, false };
}

struct er_count *er_count_new(struct er_count_root *root, uint32_t id)
{
    uint32_t number = id >> ER_COUNT_PAGE_BITS;
    struct er_count *page = number < ER_COUNT_PAGES ? calloc(ELEMENTS, sizeof *page) : NULL;

    if (page == NULL) {
        return NULL;
    }
    atomic_store_explicit(&root->pages[number], page, memory_order_release);
    return &page[id & (ELEMENTS - 1)];
}

static struct er_count *find(const struct er_count_root *root, uint32_t id)
{
    uint32_t number = id >> ER_COUNT_PAGE_BITS;
    struct er_count *page = number < ER_COUNT_PAGES ? atomic_load_explicit(&root->pages[number], memory_order_acquire) : NULL;

    return page != NULL ? &page[id & (ELEMENTS - 1)] : NULL;
}

void er_count_read(const struct er_count_root *root, uint32_t id, uint64_t *a, uint64_t *b)
{
    struct er_count *count = find(root, id);

    if (count != NULL) {
        *a += atomic_load_explicit(&count->a, memory_order_relaxed);
        *b += atomic_load_explicit(&count->b, memory_order_relaxed);
    }
}

void er_count_forget(struct er_count_root *root, uint32_t id)
{
    struct er_count *count = find(root, id);

    if (count != NULL) {
        atomic_store_explicit(&count->a, 0, memory_order_relaxed);
        atomic_store_explicit(&count->b, 0, memory_order_relaxed);
    }
}
