/* Ranges of exact numbers, alone and in sets, against looking at every one. */
#include "tests/unit/fault.h"
#include "tests/unit/random.h"

#include <pthread.h>
#include "rules/engine/ranges.h"

/* ---- one range ---- */

static bool contains(const char *low, bool low_included, const char *high, bool high_included, const char *number)
{
    struct er_range range = er_range_of(er_str_of(low), low_included, er_str_of(high), high_included);
    struct er_decimal decimal = er_decimal_of(er_str_of(number));

    return er_range_contains(&range, &decimal);
}

static void a_range_has_exact_ends(void **state)
{
    (void)state;
    assert_true(contains("0", false, "5", true, "5.0"));
    assert_true(contains("0", false, "5", true, "1e-400"));
    assert_false(contains("0", false, "5", true, "-0.0"));
    assert_false(contains("0", false, "5", true, "5.00000000000000000000000000000000000000001"));
    assert_true(contains("0", true, "5", false, "0e9"));
    assert_false(contains("0", true, "5", false, "50e-1"));
    assert_false(contains("0", true, "5", false, "-1e-99999999999999999999"));
    assert_true(contains("", false, "5", false, "-1e99999999999999999999"));
    assert_true(contains("5", false, "", false, "1e99999999999999999999"));
    assert_false(contains("5", false, "", false, "5"));
    assert_true(contains("9007199254740992", false, "9007199254740994", false, "9007199254740993"));
    assert_false(contains("9007199254740992", false, "9007199254740993", false, "9007199254740993"));
    assert_false(contains("5", true, "3", true, "4"));
    assert_false(contains("5", true, "5", false, "5"));
    assert_true(contains("5", true, "5", true, "5"));
}

static double decades(const char *low, const char *high)
{
    struct er_range range = er_range_of(er_str_of(low), true, er_str_of(high), true);

    return er_range_decades(&range);
}

static void narrow_ranges_are_told_from_wide_ones(void **state)
{
    (void)state;
    assert_true(decades("200", "2000") == 1.0);
    assert_true(decades("-20", "-2") == 1.0);
    assert_true(decades("100", "109") < 0.01);
    assert_true(decades("7", "7") == 0.0);
    assert_true(decades("0", "1") > 100);
    assert_true(decades("", "1") > 100);
    assert_true(decades("", "") > 1000);
}

/* ---- sets ---- */

#define ENDS 1000 /* bounds and numbers are 0 .. ENDS - 1, written in a way that keeps their order */

enum writing {
    PLAIN,
    SAME_RANK, /* they differ only after 20 digits */
    HUGE,      /* beyond all ranks */
    WRITINGS
};

static void write_number(char out[64], unsigned number, enum writing writing)
{
    switch (writing) {
    case SAME_RANK:
        snprintf(out, 64, "-3.14159265358979323846%03u", ENDS - 1 - number);
        break;
    case HUGE:
        snprintf(out, 64, "%ue700", number);
        break;
    case PLAIN:
    case WRITINGS:
    default:
        snprintf(out, 64, "%d.5", (int)number - ENDS / 2);
        break;
    }
}

struct member {
    bool in;
    bool has_low, has_high, low_included, high_included;
    unsigned low, high;
    char texts[2][64];
    struct er_range range;
};

static bool member_accepts(const struct member *member, unsigned number)
{
    return member->in && (!member->has_low || member->low < number || (member->low == number && member->low_included)) &&
           (!member->has_high || member->high > number || (member->high == number && member->high_included));
}

static void set_range(struct member *member, enum writing writing)
{
    write_number(member->texts[0], member->low, writing);
    write_number(member->texts[1], member->high, writing);
    member->range = er_range_of(member->has_low ? er_str_of(member->texts[0]) : ER_STR(""), member->low_included,
                                member->has_high ? er_str_of(member->texts[1]) : ER_STR(""), member->high_included);
}

/* Narrow ones, wide ones, open ones; many with the same bounds. */
static void random_member(struct member *member, enum writing writing, uint64_t *seed)
{
    static const unsigned widths[] = { 2, 2, 10, 100, ENDS };

    member->in = false;
    member->low = random_below(seed, random_below(seed, 4) == 0 ? 5 : ENDS);
    member->high = member->low + random_below(seed, widths[random_below(seed, 5)]);
    member->high = member->high < ENDS ? member->high : ENDS - 1;
    member->has_low = random_below(seed, 20) != 0;
    member->has_high = random_below(seed, 20) != 0;
    member->low_included = random_below(seed, 2) == 0;
    member->high_included = random_below(seed, 2) == 0;
    set_range(member, writing);
}

struct answer {
    unsigned *times; /* per id */
    unsigned n;
};

static void count_found(void *context, uint32_t id)
{
    struct answer *answer = context;

    answer->times[id]++;
    answer->n++;
}

#define MEMBERS 3000u

struct world {
    struct er_ranges ranges;
    struct member *members;
    unsigned *times;
    enum writing writing;
    uint64_t seed;
};

static void world_init(struct world *world, enum writing writing, uint64_t seed)
{
    *world = (struct world){ .writing = writing, .seed = seed };
    world->members = calloc(MEMBERS, sizeof *world->members);
    world->times = calloc(MEMBERS, sizeof *world->times);
    assert_non_null(world->members);
    assert_non_null(world->times);
}

static void world_fini(struct world *world)
{
    er_ranges_fini(&world->ranges);
    assert_int_equal(er_ranges_bytes(&world->ranges), 0);
    free(world->members);
    free(world->times);
}

static void compare_answers(struct world *world, unsigned number)
{
    struct answer answer = { world->times, 0 };
    struct er_decimal decimal;
    char text[64];

    write_number(text, number, world->writing);
    decimal = er_decimal_of(er_str_of(text));
    memset(world->times, 0, MEMBERS * sizeof *world->times);
    er_ranges_find(&world->ranges, &decimal, count_found, &answer);
    for (unsigned id = 0; id < MEMBERS; id++) {
        const struct member *member = &world->members[id];

        if (world->times[id] != member_accepts(member, number)) {
            fail_msg("%s is found %u times for %u: %c%s, %s%c, in %d", text, world->times[id], id, member->low_included ? '[' : '(',
                     member->has_low ? member->texts[0] : "", member->has_high ? member->texts[1] : "",
                     member->high_included ? ']' : ')', member->in);
        }
    }
}

static void change_member(struct world *world, unsigned id)
{
    struct member *member = &world->members[id];

    if (member->in) {
        er_ranges_remove(&world->ranges, &member->range);
        memset(&member->range, 0xEE, sizeof member->range); /* nobody may look at it again */
        member->in = false;
    } else {
        random_member(member, world->writing, &world->seed);
        assert_true(er_ranges_add(&world->ranges, &member->range, id));
        member->in = true;
    }
}

/* Grows, shrinks, is emptied; ranges come and go. */
static void sets_find_what_a_search_finds(void **state)
{
    uint64_t seed = random_seed();

    (void)state;
    for (enum writing writing = PLAIN; writing < WRITINGS; writing++) {
        struct world world;

        world_init(&world, writing, seed);
        for (unsigned round = 0; round < 24000; round++) {
            unsigned id = random_below(&world.seed, MEMBERS);
            bool growing = round / 4000 % 2 == 0;

            if (world.members[id].in != growing || random_below(&world.seed, 4) == 0) {
                change_member(&world, id);
            }
            if (round % 8 == 0) {
                compare_answers(&world, random_below(&world.seed, random_below(&world.seed, 4) == 0 ? 6 : ENDS));
            }
        }
        for (unsigned id = 0; id < MEMBERS; id++) {
            if (world.members[id].in) {
                change_member(&world, id);
            }
        }
        assert_true(er_ranges_is_empty(&world.ranges));
        assert_int_equal(er_ranges_bytes(&world.ranges), 0);
        world_fini(&world);
    }
}

/* Side by side, in one order or the other, nested, or all with the same begin. */
static void orders_of_arrival_do_not_matter(void **state)
{
    struct world world;

    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        world_init(&world, PLAIN, 0);
        for (unsigned i = 0; i < ENDS / 2; i++) {
            unsigned id = order == 1 ? ENDS / 2 - 1 - i : i;
            struct member *member = &world.members[id];

            *member = (struct member){ .has_low = true, .has_high = true, .low_included = true, .low = id, .high = id + 2 };
            member->low = order == 3 ? 7 : id;
            member->high = order == 2 ? ENDS - 1 - id : id + 1;
            set_range(member, PLAIN);
            assert_true(er_ranges_add(&world.ranges, &member->range, id));
            member->in = true;
        }
        for (unsigned number = 0; number < ENDS; number += 3) {
            compare_answers(&world, number);
        }
        for (unsigned id = 0; id < ENDS / 2; id += id % 16 != 0 ? 2 : 1) {
            er_ranges_remove(&world.ranges, &world.members[id].range);
            world.members[id].in = false;
        }
        for (unsigned number = 0; number < ENDS; number += 3) {
            compare_answers(&world, number);
        }
        world_fini(&world);
    }
}

static void memory_follows_the_number_of_ranges(void **state)
{
    struct world world;
    unsigned n = 0;

    (void)state;
    world_init(&world, PLAIN, 1);
    change_member(&world, 0);
    assert_in_range(er_ranges_bytes(&world.ranges), 1, 128); /* a path with one range */
    for (unsigned id = 1; id < MEMBERS; id++) {
        change_member(&world, id);
    }
    assert_in_range(er_ranges_bytes(&world.ranges), MEMBERS * 32, MEMBERS * 64);
    for (unsigned id = 0; id < MEMBERS; id++) {
        if (id % 10 == 0) {
            n++;
        } else {
            change_member(&world, id);
        }
    }
    assert_in_range(er_ranges_bytes(&world.ranges), n * 32, n * 128);
    world_fini(&world);
}

/* Every allocation of every addition fails once: the set stays as it was. */
static void no_memory_changes_nothing(void **state)
{
    struct world world;
    unsigned failures = 0;

    (void)state;
    skip_unless_allocations_can_fail();
    world_init(&world, PLAIN, 2);
    for (unsigned id = 0; id < MEMBERS; id++) {
        struct member *member = &world.members[id];
        size_t bytes = er_ranges_bytes(&world.ranges);

        random_member(member, PLAIN, &world.seed);
        for (unsigned long n = 1; !member->in; n++) {
            fail_from_allocation(n);
            member->in = er_ranges_add(&world.ranges, &member->range, id);
            fail_from_allocation(0);
            if (!member->in) {
                failures++;
                assert_int_equal(er_ranges_bytes(&world.ranges), bytes);
                compare_answers(&world, random_below(&world.seed, ENDS));
            }
        }
    }
    assert_true(failures > MEMBERS / 16);
    compare_answers(&world, 3);
    world_fini(&world);
}

/* ---- many readers ---- */

static void *ask_often(void *context)
{
    const struct world *world = context;
    uintptr_t found = 0;

    for (unsigned number = 0; number < ENDS; number++) {
        unsigned *times = calloc(MEMBERS, sizeof *times);
        struct answer answer = { times, 0 };
        struct er_decimal decimal;
        char text[64];

        write_number(text, number, world->writing);
        decimal = er_decimal_of(er_str_of(text));
        er_ranges_find(&world->ranges, &decimal, count_found, &answer);
        found += answer.n;
        free(times);
    }
    return (void *)found;
}

static void readers_do_not_disturb_each_other(void **state)
{
    struct world world;
    pthread_t threads[3];
    uintptr_t expected = 0;

    (void)state;
    world_init(&world, SAME_RANK, 3);
    for (unsigned id = 0; id < 500; id++) {
        change_member(&world, id);
    }
    for (unsigned id = 0; id < 500; id++) {
        for (unsigned number = 0; number < ENDS; number++) {
            expected += member_accepts(&world.members[id], number);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &world), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        void *found;

        assert_int_equal(pthread_join(threads[i], &found), 0);
        assert_int_equal((uintptr_t)found, expected);
    }
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_has_exact_ends),
        cmocka_unit_test(narrow_ranges_are_told_from_wide_ones),
        cmocka_unit_test(sets_find_what_a_search_finds),
        cmocka_unit_test(orders_of_arrival_do_not_matter),
        cmocka_unit_test(memory_follows_the_number_of_ranges),
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(readers_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
