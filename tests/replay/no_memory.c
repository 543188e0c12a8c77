/* Allocations that fail: malloc and its relatives, replaced for the whole program where no sanitizer has done so already. */
#include "tests/replay/replay.h"

#include <errno.h>
#include <stdlib.h>

static unsigned every; /* one of so many allocations of the worker fails; 0: none */
static uint32_t state;
static unsigned paused = 1;

void no_memory_set(unsigned n)
{
    every = n;
    state = n;
}

void no_memory_pause(void)
{
    paused++;
}

void no_memory_resume(void)
{
    paused--;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count_, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static bool fails(void)
{
    if (every == 0 || paused > 0) {
        return false;
    }
    state = state * 1664525u + 1013904223u;
    if ((state >> 16) % every != 0) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t number, size_t n)
{
    return fails() ? NULL : __libc_calloc(number, n);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : __libc_memalign(alignment, n);
}
#endif
