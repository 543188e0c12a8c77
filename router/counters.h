/* Numbers of one worker: written by its thread only, read by any thread at any time (relaxed). */
#ifndef ER_ROUTER_COUNTERS_H
#define ER_ROUTER_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* Two buckets per octave from 2^16 ns (66 us): bucket i holds values up to er_histogram_bound(i); the last one has no bound. */
#define ER_HISTOGRAM_BUCKETS 40
struct er_histogram {
    _Atomic uint64_t buckets[ER_HISTOGRAM_BUCKETS]; /* not cumulative */
    _Atomic uint64_t sum_ns;
};

struct er_counters {
#define ER_COUNTER(field, metric, label, help) _Atomic uint64_t field;
#define ER_GAUGE(field, metric, label, help) _Atomic uint64_t field;
#include "router/counters.def"
#undef ER_COUNTER
#undef ER_GAUGE
    struct er_histogram latency; /* from poll until the last report of the event; events with at least one copy */
    struct er_histogram batch;   /* matching and queueing of one batch */
    struct er_histogram commit;  /* of one transaction, once its copies are reported */
    struct er_histogram renewal; /* from doubt about a producer until there is a new one and the committed offsets are known */
};

/* Only one thread writes, so a plain load and store is enough and costs no locked instruction. */
static inline void er_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void er_gauge(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

static inline uint64_t er_counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Largest value of bucket i in ns; UINT64_MAX for the last. */
static inline uint64_t er_histogram_bound(unsigned i)
{
    uint64_t octave = UINT64_C(1) << (16 + i / 2);

    if (i + 1 >= ER_HISTOGRAM_BUCKETS) {
        return UINT64_MAX;
    }
    return i % 2 == 0 ? octave : octave + octave / 2;
}

static inline void er_histogram_add(struct er_histogram *histogram, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    unsigned i = 0;

    if (v > UINT64_C(1) << 16) {
        unsigned octave = 63U - (unsigned)__builtin_clzll(v - 1); /* 2^octave < v <= 2^(octave + 1) */

        i = 2 * (octave - 16) + (v > (UINT64_C(1) << octave) + (UINT64_C(1) << (octave - 1)) ? 2 : 1);
    }
    er_count(&histogram->buckets[i < ER_HISTOGRAM_BUCKETS ? i : ER_HISTOGRAM_BUCKETS - 1], 1);
    er_count(&histogram->sum_ns, v);
}

#endif
