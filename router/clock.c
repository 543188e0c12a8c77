#include "router/clock.h"

static int64_t system_monotonic_ns(void *ctx)
{
    (void)ctx;
    return (int64_t)er_clock_ns();
}

static int64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return er_clock_wall_ms();
}

struct er_clock er_clock_system(void)
{
    return (struct er_clock){ NULL, system_monotonic_ns, system_wall_ms };
}
