/* A borrowed run of bytes: pointer and length, no terminator, may hold NUL. */
#ifndef ER_RULES_BASE_STR_H
#define ER_RULES_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Borrows: valid only as long as the owner of the bytes says. p may be NULL only when n is 0. */
struct er_str {
    const char *p;
    size_t n;
};

#define ER_STR(literal) ((struct er_str){ (literal), sizeof(literal) - 1 })

static inline struct er_str er_str_of(const char *zero_terminated)
{
    return (struct er_str){ zero_terminated, strlen(zero_terminated) };
}

static inline bool er_str_eq(struct er_str a, struct er_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise order, as memcmp; a prefix sorts first. */
static inline int er_str_cmp(struct er_str a, struct er_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* For printf's "%.*s". */
#define ER_STR_ARG(s) (int)(s).n, (s).n == 0 ? "" : (s).p

#endif
