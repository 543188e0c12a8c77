/* Sets of address blocks at several paths, against looking at every one. */
#include "tests/unit/fault.h"
#include "tests/unit/random.h"

#include <pthread.h>
#include "rules/engine/cidrs.h"

#define MEMBERS 1000u
#define NODES 3u

struct member {
    bool in;
    uint32_t node;
    struct er_cidr cidr;
};

struct world {
    struct er_cidrs cidrs;
    struct er_cidr_path paths[NODES];
    struct member members[MEMBERS];
    unsigned times[MEMBERS];
    uint64_t seed;
};

static struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    er_cidrs_init(&world->cidrs, seed);
    for (uint32_t node = 0; node < NODES; node++) {
        world->paths[node].node = node;
    }
    world->seed = seed;
    return world;
}

static void world_free(struct world *world)
{
    for (unsigned node = 0; node < NODES; node++) {
        er_cidr_path_fini(&world->paths[node]);
    }
    er_cidrs_fini(&world->cidrs);
    free(world);
}

static bool bit_of(const struct er_address *address, unsigned i)
{
    return (address->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* Long runs of equal bits, so that addresses have long beginnings in common. */
static void random_address(struct er_address *address, uint64_t *seed)
{
    static const uint8_t bytes[] = { 0, 0, 0, 255, 10, 128, 1 };

    *address = (struct er_address){ .v6 = random_below(seed, 2) == 0 };
    for (unsigned i = 0; i < (address->v6 ? 16u : 4u); i++) {
        address->bytes[i] = bytes[random_below(seed, sizeof bytes)];
    }
    if (random_below(seed, 2) == 0) {
        address->bytes[address->v6 ? 15 : 3] = (uint8_t)random_below(seed, 256);
    }
}

static void random_member(struct member *member, uint64_t *seed)
{
    struct er_cidr *cidr = &member->cidr;
    unsigned bits;

    *member = (struct member){ .node = random_below(seed, NODES) };
    random_address(&cidr->network, seed);
    bits = cidr->network.v6 ? 128 : 32;
    cidr->length = (uint8_t)(random_below(seed, 3) == 0 ? random_below(seed, bits + 1) : bits / 4 * random_below(seed, 5));
    for (unsigned i = cidr->length; i < bits; i++) {
        cidr->network.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    }
}

static bool member_accepts(const struct member *member, uint32_t node, const struct er_address *address)
{
    if (!member->in || member->node != node || member->cidr.network.v6 != address->v6) {
        return false;
    }
    for (unsigned i = 0; i < member->cidr.length; i++) {
        if (bit_of(&member->cidr.network, i) != bit_of(address, i)) {
            return false;
        }
    }
    return true;
}

static void count_found(void *context, uint32_t id)
{
    unsigned *times = context;

    times[id]++;
}

static void compare_answers(struct world *world)
{
    struct er_address address;
    uint32_t node = random_below(&world->seed, NODES);

    random_address(&address, &world->seed);
    memset(world->times, 0, sizeof world->times);
    er_cidrs_find(&world->cidrs, &world->paths[node], &address, count_found, world->times);
    for (unsigned id = 0; id < MEMBERS; id++) {
        if (world->times[id] != member_accepts(&world->members[id], node, &address)) {
            fail_msg("block %u of length %u at %u is found %u times at %u (IPv%d)", id, world->members[id].cidr.length,
                     world->members[id].node, world->times[id], node, address.v6 ? 6 : 4);
        }
    }
}

static bool add_member(struct world *world, unsigned id)
{
    struct member *member = &world->members[id];

    return er_cidrs_add(&world->cidrs, &world->paths[member->node], &member->cidr, id);
}

static void change_member(struct world *world, unsigned id)
{
    struct member *member = &world->members[id];

    if (member->in) {
        er_cidrs_remove(&world->cidrs, &world->paths[member->node], &member->cidr, id);
        member->in = false;
    } else {
        random_member(member, &world->seed);
        assert_true(add_member(world, id));
        member->in = true;
    }
}

/* Grows, shrinks, is emptied; blocks come and go, and with them lengths. */
static void sets_find_what_a_search_finds(void **state)
{
    uint64_t seed = random_seed();
    struct world *world = world_new(seed);

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        unsigned id = random_below(&world->seed, MEMBERS);
        bool growing = round / 4000 % 2 == 0;

        if (world->members[id].in != growing || random_below(&world->seed, 4) == 0) {
            change_member(world, id);
        }
        compare_answers(world);
    }
    for (unsigned id = 0; id < MEMBERS; id++) {
        if (world->members[id].in) {
            change_member(world, id);
        }
    }
    for (unsigned node = 0; node < NODES; node++) {
        assert_int_equal(er_cidr_path_bytes(&world->paths[node]), 0);
    }
    compare_answers(world);
    world_free(world);
}

/* How often each of three is found, as digits. */
static unsigned found_at(const struct world *world, const char *bytes, bool v6)
{
    struct er_address address = { .v6 = v6 };
    unsigned times[MEMBERS] = { 0 };

    memcpy(address.bytes, bytes, v6 ? 16 : 4);
    er_cidrs_find(&world->cidrs, &world->paths[0], &address, count_found, times);
    return times[0] + times[1] * 10 + times[2] * 100;
}

/* ::/0 is everything in its family only; whole addresses are blocks of one. */
static void the_ends_of_both_families(void **state)
{
    static const struct er_cidr cidrs[] = {
        { .network = { .bytes = { 0 } }, .length = 0 },
        { .network = { .bytes = { 0 }, .v6 = true }, .length = 0 },
        { .network = { .bytes = { 10, 0, 0, 1 } }, .length = 32 },
    };
    struct world *world = world_new(5);

    (void)state;
    for (unsigned id = 0; id < 3; id++) {
        world->members[id] = (struct member){ .in = true, .cidr = cidrs[id] };
        assert_true(add_member(world, id));
    }
    assert_int_equal(found_at(world, "\x0A\0\0\x01", false), 101);
    assert_int_equal(found_at(world, "\x0A\0\0\x02", false), 1);
    assert_int_equal(found_at(world, "\x0A\0\0\x01\0\0\0\0\0\0\0\0\0\0\0", true), 10);
    assert_int_equal(found_at(world, "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\x0A\0\0\x01", true), 10);
    world_free(world);
}

/* Every allocation of every addition fails once: the set stays as it was. */
static void no_memory_changes_nothing(void **state)
{
    struct world *world;
    unsigned failures = 0;

    (void)state;
    skip_unless_allocations_can_fail();
    world = world_new(6);
    for (unsigned id = 0; id < MEMBERS; id++) {
        struct member *member = &world->members[id];

        random_member(member, &world->seed);
        for (unsigned long n = 1; !member->in; n++) {
            fail_from_allocation(n);
            member->in = add_member(world, id);
            fail_from_allocation(0);
            failures += !member->in;
            compare_answers(world);
        }
    }
    assert_in_range(failures, 20, MEMBERS);
    for (unsigned id = 0; id < MEMBERS; id++) {
        change_member(world, id);
        compare_answers(world);
    }
    world_free(world);
}

/* ---- many readers ---- */

static void add_id(void *context, uint32_t id)
{
    uint64_t *sum = context;

    *sum += id;
}

struct asking {
    const struct world *world;
    uint64_t found, expected;
};

static void *ask_often(void *context)
{
    struct asking *asking = context;
    const struct world *world = asking->world;
    uint64_t seed = 1;

    for (unsigned round = 0; round < 1000; round++) {
        struct er_address address;
        uint32_t node = round % NODES;

        random_address(&address, &seed);
        er_cidrs_find(&world->cidrs, &world->paths[node], &address, add_id, &asking->found);
        for (unsigned id = 0; id < MEMBERS; id++) {
            asking->expected += member_accepts(&world->members[id], node, &address) ? id : 0;
        }
    }
    return NULL;
}

static void readers_do_not_disturb_each_other(void **state)
{
    struct world *world = world_new(7);
    struct asking asking[3];
    pthread_t threads[3];

    (void)state;
    for (unsigned id = 0; id < MEMBERS; id++) {
        change_member(world, id);
    }
    for (unsigned i = 0; i < 3; i++) {
        asking[i] = (struct asking){ .world = world };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &asking[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(asking[i].expected > 0);
        assert_int_equal(asking[i].found, asking[i].expected);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_find_what_a_search_finds),
        cmocka_unit_test(the_ends_of_both_families),
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(readers_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
