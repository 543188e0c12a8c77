#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "admin/loop.h"

struct seen {
    struct er_loop *loop;
    int pipe[2];
    int readable, ticks, signals;
};

static void on_readable(void *ctx)
{
    struct seen *seen = ctx;
    char byte;

    assert_int_equal(read(seen->pipe[0], &byte, 1), 1);
    seen->readable++;
}

static void on_signal(void *ctx)
{
    struct seen *seen = ctx;

    seen->signals++;
}

static void on_tick(void *ctx)
{
    struct seen *seen = ctx;

    seen->ticks++;
    if (seen->ticks == 1) {
        assert_int_equal(write(seen->pipe[1], "xy", 2), 2);
        assert_int_equal(raise(SIGUSR1), 0);
    }
    if (seen->readable == 2 && seen->signals == 1 && seen->ticks > 2) {
        er_loop_stop(seen->loop);
    }
}

static void loop_delivers_descriptors_timers_and_signals(void **state)
{
    struct seen seen = { .loop = er_loop_new() };

    (void)state;
    assert_non_null(seen.loop);
    assert_int_equal(pipe(seen.pipe), 0);
    assert_int_equal(er_loop_on_readable(seen.loop, seen.pipe[0], on_readable, &seen), ER_OK);
    assert_int_equal(er_loop_on_signal(seen.loop, SIGUSR1, on_signal, &seen), ER_OK);
    assert_int_equal(er_loop_every(seen.loop, 1, on_tick, &seen), ER_OK);
    er_loop_run(seen.loop);
    assert_int_equal(seen.readable, 2);
    assert_int_equal(seen.signals, 1);
    er_loop_free(seen.loop);
    close(seen.pipe[0]);
    close(seen.pipe[1]);
}

static void writing_to_a_gone_reader_is_an_error_not_the_end(void **state)
{
    struct er_loop *loop = er_loop_new();
    int fds[2];

    (void)state;
    assert_non_null(loop);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write(fds[1], "x", 1), -1);
    close(fds[1]);
    er_loop_free(loop);
    er_loop_free(NULL);
}

struct pieces {
    struct er_loop *loop;
    struct er_loop_task *task;
    int done, ticks_between;
};

static void do_piece(void *ctx)
{
    struct pieces *pieces = ctx;

    if (++pieces->done == 3) {
        er_loop_stop(pieces->loop);
    } else {
        er_loop_task_start(pieces->task);
        er_loop_task_start(pieces->task); /* counts once */
    }
}

static void count_tick(void *ctx)
{
    ((struct pieces *)ctx)->ticks_between++;
}

/* A descriptor that is always ready has its turn between two pieces. */
static void work_in_pieces_leaves_room_for_others(void **state)
{
    struct pieces pieces = { .loop = er_loop_new() };
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(er_loop_on_readable(pieces.loop, fds[0], count_tick, &pieces), ER_OK);
    pieces.task = er_loop_task_new(pieces.loop, do_piece, &pieces);
    assert_non_null(pieces.task);
    er_loop_task_start(pieces.task);
    er_loop_task_start(pieces.task);
    er_loop_run(pieces.loop);
    assert_int_equal(pieces.done, 3);
    assert_true(pieces.ticks_between >= 2);
    er_loop_task_free(pieces.task);
    er_loop_task_free(NULL);
    er_loop_free(pieces.loop);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop_delivers_descriptors_timers_and_signals),
        cmocka_unit_test(work_in_pieces_leaves_room_for_others),
        cmocka_unit_test(writing_to_a_gone_reader_is_an_error_not_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
