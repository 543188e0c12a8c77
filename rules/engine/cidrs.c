#include "rules/engine/cidrs.h"

#include <stdlib.h>

#define LENGTHS_STEP 4u

/* The first bits of an address, as two numbers; IPv4 is in the upper half of the first one. */
struct bits {
    uint64_t high, low;
};

struct block {
    struct bits network;
    uint32_t node;
    uint32_t id;
    bool v6;
    uint8_t length;
};

static uint64_t load_big_endian(const uint8_t *p)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++) {
        word = word << 8 | p[i];
    }
    return word;
}

static struct bits bits_of(const struct er_address *address)
{
    uint64_t first = load_big_endian(address->bytes);

    return address->v6 ? (struct bits){ first, load_big_endian(address->bytes + 8) } : (struct bits){ first >> 32 << 32, 0 };
}

static uint64_t first_of(uint64_t word, unsigned n)
{
    return n == 0 ? 0 : word >> (64 - n) << (64 - n);
}

static struct bits first_bits(struct bits bits, unsigned n)
{
    return n <= 64 ? (struct bits){ first_of(bits.high, n), 0 } : (struct bits){ bits.high, first_of(bits.low, n - 64) };
}

static uint32_t tag_of(const struct er_cidrs *cidrs, const struct block *block)
{
    uint64_t key[3] = { block->network.high, block->network.low,
                        (uint64_t)block->node << 9 | (uint64_t)block->v6 << 8 | block->length };
    char bytes[sizeof key];

    memcpy(bytes, key, sizeof bytes);
    return er_hash_tag(er_hash((struct er_str){ bytes, sizeof bytes }, cidrs->seed));
}

static bool same_block(const struct block *a, const struct block *b)
{
    return a->network.high == b->network.high && a->network.low == b->network.low && a->node == b->node && a->length == b->length &&
           a->v6 == b->v6;
}

static struct block block_of(uint32_t node, const struct er_cidr *cidr)
{
    return (struct block){ .network = bits_of(&cidr->network), .node = node, .v6 = cidr->network.v6, .length = cidr->length };
}

/* ---- lengths ---- */

void er_cidr_path_fini(struct er_cidr_path *path)
{
    free(path->lengths);
    *path = (struct er_cidr_path){ .node = path->node };
}

/* Position of the first one that does not come before. */
static unsigned position(const struct er_cidr_path *path, bool v6, unsigned length)
{
    unsigned at = 0;

    while (at < path->n && (path->lengths[at].v6 < v6 || (path->lengths[at].v6 == v6 && path->lengths[at].length < length))) {
        at++;
    }
    return at;
}

static bool is_at(const struct er_cidr_path *path, unsigned at, const struct block *block)
{
    return at < path->n && path->lengths[at].v6 == block->v6 && path->lengths[at].length == block->length;
}

static bool lengths_add(struct er_cidr_path *path, const struct block *block)
{
    unsigned at = position(path, block->v6, block->length);
    struct er_cidr_length *items = path->lengths;

    if (!is_at(path, at, block)) {
        if (path->n == path->capacity) {
            items = realloc(items, (path->capacity + LENGTHS_STEP) * sizeof *items);
            if (items == NULL) {
                return false;
            }
            path->lengths = items;
            path->capacity = (uint8_t)(path->capacity + LENGTHS_STEP);
        }
        memmove(items + at + 1, items + at, (path->n - at) * sizeof *items);
        items[at] = (struct er_cidr_length){ 0, block->v6, block->length };
        path->n++;
    }
    items[at].uses++;
    return true;
}

static void lengths_remove(struct er_cidr_path *path, const struct block *block)
{
    unsigned at = position(path, block->v6, block->length);

    if (--path->lengths[at].uses == 0) {
        path->n--;
        memmove(path->lengths + at, path->lengths + at + 1, (path->n - at) * sizeof *path->lengths);
    }
    if (path->n == 0) {
        er_cidr_path_fini(path);
    }
}

/* ---- blocks ---- */

void er_cidrs_init(struct er_cidrs *cidrs, uint64_t seed)
{
    *cidrs = (struct er_cidrs){ .seed = seed };
    er_stable_init(&cidrs->blocks, sizeof(struct block));
}

void er_cidrs_fini(struct er_cidrs *cidrs)
{
    er_table_fini(&cidrs->table);
    er_stable_fini(&cidrs->blocks);
}

size_t er_cidrs_bytes(const struct er_cidrs *cidrs)
{
    return er_stable_bytes(&cidrs->blocks) + cidrs->table.bytes;
}

static struct block *block_at(const struct er_cidrs *cidrs, uint32_t at)
{
    return er_stable_at(&cidrs->blocks, at);
}

bool er_cidrs_add(struct er_cidrs *cidrs, struct er_cidr_path *path, const struct er_cidr *cidr, uint32_t id)
{
    struct block block = block_of(path->node, cidr);
    uint32_t tag = tag_of(cidrs, &block), at;

    if (!er_table_reserve(&cidrs->table, tag, 1)) {
        return false;
    }
    at = er_stable_take(&cidrs->blocks);
    if (at == ER_NONE) {
        return false;
    }
    if (!lengths_add(path, &block)) {
        er_stable_give(&cidrs->blocks, at);
        return false;
    }
    block.id = id;
    *block_at(cidrs, at) = block;
    er_table_add(&cidrs->table, tag, at);
    return true;
}

void er_cidrs_remove(struct er_cidrs *cidrs, struct er_cidr_path *path, const struct er_cidr *cidr, uint32_t id)
{
    struct block block = block_of(path->node, cidr);
    uint32_t tag = tag_of(cidrs, &block), at;
    size_t step = 0;

    do {
        at = er_table_next(&cidrs->table, tag, &step);
    } while (block_at(cidrs, at)->id != id || !same_block(block_at(cidrs, at), &block));
    er_table_remove(&cidrs->table, tag, at);
    er_stable_give(&cidrs->blocks, at);
    lengths_remove(path, &block);
}

struct question {
    const struct er_cidrs *cidrs;
    void (*found)(void *context, uint32_t id);
    void *context;
};

static void probe(const struct question *question, const struct block *asked)
{
    const struct er_cidrs *cidrs = question->cidrs;
    uint32_t tag = tag_of(cidrs, asked), at;

    for (size_t step = 0; (at = er_table_next(&cidrs->table, tag, &step)) != ER_NONE;) {
        const struct block *block = block_at(cidrs, at);

        if (same_block(block, asked)) {
            question->found(question->context, block->id);
        }
    }
}

void er_cidrs_find(const struct er_cidrs *cidrs, const struct er_cidr_path *path, const struct er_address *address,
                   void (*found)(void *context, uint32_t id), void *context)
{
    struct question question = { cidrs, found, context };
    struct block asked = { .node = path->node, .v6 = address->v6 };
    struct bits bits = bits_of(address);

    for (unsigned i = 0; i < path->n; i++) {
        if (path->lengths[i].v6 == address->v6) {
            asked.length = path->lengths[i].length;
            asked.network = first_bits(bits, asked.length);
            probe(&question, &asked);
        }
    }
}
