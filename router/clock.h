/* Time: monotonic for periods, wall clock for time stamps. The data plane takes both from a struct er_clock, which tests replace
 * with a virtual one; other code reads the operating system's clocks directly. Any thread. */
#ifndef ER_ROUTER_CLOCK_H
#define ER_ROUTER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ER_MS_NS INT64_C(1000000)
#define ER_S_NS INT64_C(1000000000)

static inline uint64_t er_clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t er_clock_ms(void)
{
    return er_clock_ns() / 1000000u;
}

static inline int64_t er_clock_wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The seam. */
struct er_clock {
    void *ctx;
    int64_t (*monotonic_ns)(void *ctx); /* never goes back; origin unspecified */
    int64_t (*wall_ms)(void *ctx);      /* Unix time */
};

/* The operating system's clocks. */
struct er_clock er_clock_system(void);

static inline int64_t er_clock_now(const struct er_clock *clock)
{
    return clock->monotonic_ns(clock->ctx);
}

static inline int64_t er_clock_wall(const struct er_clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

#endif
