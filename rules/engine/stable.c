#include "rules/engine/stable.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LINE 64u
#define HUGE_PAGE (UINT32_C(2) << 20)

#define CHUNKS (sizeof((struct er_stable *)NULL)->chunk / sizeof(char *))

void er_stable_init(struct er_stable *v, size_t size)
{
    *v = (struct er_stable){ .size = size, .spare = ER_NONE };
}

void er_stable_fini(struct er_stable *v)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        free(v->chunk[i]);
    }
    er_stable_init(v, v->size);
}

static size_t chunk_elements(size_t i)
{
    return (size_t)ER_STABLE_FIRST << i;
}

/* First id of chunk i; all chunks before it hold that many elements. */
static size_t chunk_start(size_t i)
{
    return chunk_elements(i) - ER_STABLE_FIRST;
}

/* Large ones on huge pages where the system has them for who asks: elements are looked at one here, one there, and then it costs more to
 * find out where a page is than to read it. */
static char *make_chunk(size_t bytes)
{
    size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    char *chunk;

    if (bytes < HUGE_PAGE) {
        return aligned_alloc(LINE, bytes); /* 64 elements fill whole lines */
    }
    chunk = aligned_alloc(HUGE_PAGE, whole);
#if defined(MADV_HUGEPAGE)
    if (chunk != NULL) {
        (void)madvise(chunk, whole, MADV_HUGEPAGE);
    }
#endif
    return chunk;
}

static uint32_t take_new(struct er_stable *v)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        if (v->top >= chunk_start(i + 1)) {
            continue;
        }
        if (v->chunk[i] == NULL) {
            v->chunk[i] = make_chunk(chunk_elements(i) * v->size);
        }
        return v->chunk[i] == NULL ? ER_NONE : v->top++;
    }
    return ER_NONE;
}

uint32_t er_stable_take(struct er_stable *v)
{
    uint32_t id = v->spare;

    if (id == ER_NONE) {
        id = take_new(v);
        if (id == ER_NONE) {
            return ER_NONE;
        }
    } else {
        memcpy(&v->spare, er_stable_at(v, id), sizeof v->spare);
    }
    memset(er_stable_at(v, id), 0, v->size);
    v->n++;
    return id;
}

void er_stable_give(struct er_stable *v, uint32_t id)
{
    memcpy(er_stable_at(v, id), &v->spare, sizeof v->spare);
    v->spare = id;
    v->n--;
}

size_t er_stable_bytes(const struct er_stable *v)
{
    return (size_t)v->top * v->size; /* what was never given out was never touched */
}
