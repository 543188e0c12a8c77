/* Time: monotonic for periods, wall clock for time stamps. Any thread. Code under replay takes the time as an argument instead. */
#ifndef ER_ROUTER_CLOCK_H
#define ER_ROUTER_CLOCK_H

#include <stdint.h>
#include <time.h>

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

#endif
