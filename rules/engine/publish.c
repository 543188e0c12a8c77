#include "rules/engine/publish.h"

#include <assert.h>
#include <sched.h>
#include <time.h>

bool er_publication_init(struct er_publication *publication, struct er_side *side)
{
    atomic_init(&publication->current, side);
    publication->readers = NULL;
    atomic_init(&publication->quarantined, 0);
    return pthread_mutex_init(&publication->lock, NULL) == 0;
}

void er_publication_fini(struct er_publication *publication)
{
    assert(publication->readers == NULL);
    (void)pthread_mutex_destroy(&publication->lock);
}

void er_reader_register(struct er_publication *publication, struct er_reader *reader)
{
    atomic_init(&reader->pinned, NULL);
    (void)pthread_mutex_lock(&publication->lock);
    reader->next = publication->readers;
    publication->readers = reader;
    (void)pthread_mutex_unlock(&publication->lock);
}

void er_reader_unregister(struct er_publication *publication, struct er_reader *reader)
{
    struct er_reader **link = &publication->readers;

    (void)pthread_mutex_lock(&publication->lock);
    while (*link != reader) {
        link = &(*link)->next;
    }
    *link = reader->next;
    (void)pthread_mutex_unlock(&publication->lock);
}

void er_reader_each(struct er_publication *publication, void (*each)(struct er_reader *reader, void *context), void *context)
{
    (void)pthread_mutex_lock(&publication->lock);
    for (struct er_reader *reader = publication->readers; reader != NULL; reader = reader->next) {
        each(reader, context);
    }
    (void)pthread_mutex_unlock(&publication->lock);
}

struct er_side *er_reader_move(struct er_publication *publication, struct er_reader *reader)
{
    struct er_side *side = atomic_load(&publication->current);

    for (;;) {
        struct er_side *now;

        atomic_store(&reader->pinned, side);
        now = atomic_load(&publication->current);
        if (now == side) {
            return side;
        }
        side = now;
    }
}

struct er_side *er_reader_pin(struct er_publication *publication, struct er_reader *reader)
{
    assert(atomic_load_explicit(&reader->pinned, memory_order_relaxed) == NULL);
    return er_reader_move(publication, reader);
}

void er_reader_unpin(struct er_reader *reader)
{
    atomic_store_explicit(&reader->pinned, NULL, memory_order_release);
}

/* One event, most often microseconds: look a few times, give way a few times, then sleep between looks. */
static void pause_longer(unsigned *round)
{
    const struct timespec nap = { .tv_nsec = 50000 };

    ++*round;
    if (*round < 64) {
        return;
    }
    if (*round < 128) {
        (void)sched_yield();
    } else {
        (void)nanosleep(&nap, NULL);
    }
}

void er_publication_switch(struct er_publication *publication, struct er_side *side)
{
    atomic_store(&publication->current, side);
}

bool er_publication_is_left(struct er_publication *publication, const struct er_side *side)
{
    bool left = true;

    (void)pthread_mutex_lock(&publication->lock);
    for (struct er_reader *reader = publication->readers; reader != NULL && left; reader = reader->next) {
        left = atomic_load(&reader->pinned) != side;
    }
    (void)pthread_mutex_unlock(&publication->lock);
    return left;
}

void er_publication_await(struct er_publication *publication, const struct er_side *side)
{
    for (unsigned round = 0; !er_publication_is_left(publication, side);) {
        pause_longer(&round);
    }
}
