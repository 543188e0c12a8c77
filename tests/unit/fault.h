/* Allocations that fail when a test says so. Replaces the allocator of the program that includes it: one file of a test. */
#ifndef ER_TESTS_UNIT_FAULT_H
#define ER_TESTS_UNIT_FAULT_H

#include <stdbool.h>
#include "tests/unit/test.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#elif __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

/* The allocator behind the one of this header; the other sanitizers cannot do without theirs. */
#if defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define CAN_FAIL_ALLOCATIONS 0
#elif defined(__SANITIZE_ADDRESS__)
#define CAN_FAIL_ALLOCATIONS 1
#define BEHIND(name) __interceptor_##name
#define BEHIND_ALIGNED __interceptor_aligned_alloc
#else
#define CAN_FAIL_ALLOCATIONS 1
#define BEHIND(name) __libc_##name
#define BEHIND_ALIGNED __libc_memalign
#endif

#if CAN_FAIL_ALLOCATIONS
/* Allocations of this thread until one fails; 0: none does. */
static _Thread_local unsigned long fail_countdown;
static _Thread_local bool fail_once; /* the ones after it succeed again */

extern void *BEHIND(malloc)(size_t n);
extern void *BEHIND(calloc)(size_t n, size_t size);
extern void *BEHIND(realloc)(void *p, size_t n);
extern void *BEHIND_ALIGNED(size_t alignment, size_t n);

static bool is_full(void)
{
    if (fail_countdown == 0) {
        return false;
    }
    if (fail_countdown > 1) {
        fail_countdown--;
        return false;
    }
    fail_countdown = fail_once ? 0 : 1;
    return true;
}

void *malloc(size_t n)
{
    return is_full() ? NULL : BEHIND(malloc)(n);
}

void *calloc(size_t n, size_t size)
{
    return is_full() ? NULL : BEHIND(calloc)(n, size);
}

void *realloc(void *p, size_t n)
{
    return is_full() ? NULL : BEHIND(realloc)(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return is_full() ? NULL : BEHIND_ALIGNED(alignment, n);
}

/* Every allocation from the n-th on fails: that is what a full machine does. 0: none does. */
static inline void fail_from_allocation(unsigned long n)
{
    fail_countdown = n;
    fail_once = false;
}

/* Only the n-th fails. */
static inline void fail_one_allocation(unsigned long n)
{
    fail_countdown = n;
    fail_once = true;
}

/* Did that happen since? */
static inline bool allocation_failed(void)
{
    return fail_once ? fail_countdown == 0 : fail_countdown == 1;
}
#else
static inline void fail_from_allocation(unsigned long n)
{
    (void)n;
}

static inline void fail_one_allocation(unsigned long n)
{
    (void)n;
}

static inline bool allocation_failed(void)
{
    return false;
}
#endif

/* Valgrind puts its own allocator before this one. Called by an unknown address: of malloc itself the compiler believes that it looks at
 * nothing that this file has set. */
static inline void skip_unless_allocations_can_fail(void)
{
    void *(*volatile allocate)(size_t n) = malloc;
    void *p;

    fail_from_allocation(1);
    p = allocate(1);
    fail_from_allocation(0);
    if (p != NULL) {
        free(p);
        skip();
    }
}

#endif
