#include "rules/base/arena.h"

#include "tests/unit/test.h"

static void pieces_are_aligned_and_apart(void **state)
{
    struct er_arena *arena = er_arena_new(64);
    char *last = NULL;

    (void)state;
    assert_non_null(arena);
    for (size_t n = 0; n < 500; n++) {
        char *p = er_arena_alloc(arena, n);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(p, last);
        memset(p, (int)n, n);
        if (last != NULL && n > 1) {
            assert_int_equal((unsigned char)last[0], (unsigned char)(n - 1));
        }
        last = p;
    }
    er_arena_free(arena);
}

static void strings(void **state)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_str s = er_arena_dup(arena, (struct er_str){ "a\0b", 3 });

    (void)state;
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    s = er_arena_dup(arena, (struct er_str){ NULL, 0 });
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    s = er_arena_printf(arena, "%s-%d", "x", 42);
    assert_string_equal(s.p, "x-42");
    assert_int_equal(s.n, 4);
    er_arena_free(arena);
}

static void arrays_are_zeroed_and_checked(void **state)
{
    struct er_arena *arena = er_arena_new(0);
    int *p;

    (void)state;
    memset(er_arena_alloc(arena, 4000), 0xAA, 4000);
    er_arena_reset(arena);
    p = er_arena_calloc(arena, 500, sizeof *p);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(p[i], 0);
    }
    assert_null(er_arena_calloc(arena, SIZE_MAX / 2, 3));
    assert_null(er_arena_alloc(arena, SIZE_MAX));
    assert_null(er_arena_alloc(arena, SIZE_MAX - 8));
    er_arena_free(arena);
}

static void fill(struct er_arena *arena)
{
    for (size_t i = 0; i < 100; i++) {
        assert_non_null(er_arena_alloc(arena, i % 7 == 0 ? 9000 : 100));
    }
}

static void a_reset_keeps_memory_for_the_next_round(void **state)
{
    struct er_arena *arena = er_arena_new(0);
    size_t held;

    (void)state;
    fill(arena);
    held = er_arena_bytes(arena);
    assert_true(held > 100 * 100);
    for (int round = 0; round < 10; round++) {
        er_arena_reset(arena);
        fill(arena);
        assert_int_equal(er_arena_bytes(arena), held);
    }
    er_arena_free(arena);
}

static void a_reset_gives_large_memory_back(void **state)
{
    struct er_arena *arena = er_arena_new(0);

    (void)state;
    assert_non_null(er_arena_alloc(arena, 8 << 20));
    assert_non_null(er_arena_alloc(arena, 1 << 19));
    assert_non_null(er_arena_alloc(arena, 1 << 20));
    assert_true(er_arena_bytes(arena) > 9 << 20);
    er_arena_reset(arena);
    assert_true(er_arena_bytes(arena) < (1 << 20) + 4096);
    fill(arena);
    er_arena_free(arena);
    er_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),    cmocka_unit_test(strings),
        cmocka_unit_test(arrays_are_zeroed_and_checked),   cmocka_unit_test(a_reset_keeps_memory_for_the_next_round),
        cmocka_unit_test(a_reset_gives_large_memory_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
