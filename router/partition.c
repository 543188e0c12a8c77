#include "router/partition.h"

#include "rules/base/faults.h"

#define SEED UINT32_C(0x9747b28c)
#define M UINT32_C(0x5bd1e995)

static uint32_t byte_at(struct er_str s, size_t i)
{
    return (unsigned char)s.p[i];
}

uint32_t er_murmur2(struct er_str key)
{
    uint32_t h = SEED ^ (uint32_t)key.n;
    size_t i = 0;

    for (; key.n - i >= 4; i += 4) {
        uint32_t k = byte_at(key, i) | byte_at(key, i + 1) << 8 | byte_at(key, i + 2) << 16 | byte_at(key, i + 3) << 24;

        k *= M;
        k ^= k >> 24;
        k *= M;
        h *= M;
        h ^= k;
    }
    if (key.n - i == 3) {
        h ^= byte_at(key, i + 2) << 16;
    }
    if (key.n - i >= 2) {
        h ^= byte_at(key, i + 1) << 8;
    }
    if (key.n - i >= 1) {
        h ^= byte_at(key, i);
        h *= M;
    }
    h ^= h >> 13;
    h *= M;
    h ^= h >> 15;
    return h;
}

int32_t er_partition_choose(struct er_str key, bool keyed, int32_t source_partition, int32_t count)
{
    if (count <= 1) {
        return 0;
    }
    if (keyed && !ER_PLANTED("wrong-partition")) {
        return (int32_t)((er_murmur2(key) & UINT32_C(0x7fffffff)) % (uint32_t)count);
    }
    return source_partition < 0 ? 0 : source_partition % count;
}
