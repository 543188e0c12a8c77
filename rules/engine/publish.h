/* One writer shows readers one of two sides; readers pin it without locks and without waiting.
 *
 * DESIGN  a reader says which side it is about to use and then looks whether that is still the published one; a writer publishes and
 * then, before it touches the old one, looks who says he uses it. Both in sequentially consistent order, so one of the two always sees
 * the other. Publishing waits for nobody: a reader that looks afterwards is on the new side.
 */
#ifndef ER_RULES_ENGINE_PUBLISH_H
#define ER_RULES_ENGINE_PUBLISH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct er_side;

/* One per reading thread, on a cache line of its own. */
struct er_reader {
    _Alignas(64) _Atomic(struct er_side *) pinned; /* NULL: not reading */
    struct er_reader *next;
};

struct er_publication {
    _Alignas(64) _Atomic(struct er_side *) current;
    _Alignas(64) pthread_mutex_t lock; /* of the list; readers never take it to read */
    struct er_reader *readers;
    atomic_size_t quarantined; /* regexes that are run no more; counted here because all readers share it */
};

bool er_publication_init(struct er_publication *publication, struct er_side *side);
void er_publication_fini(struct er_publication *publication);

/* Any thread. */
void er_reader_register(struct er_publication *publication, struct er_reader *reader);
void er_reader_unregister(struct er_publication *publication, struct er_reader *reader);

/* Reader's thread. Not nested. */
struct er_side *er_reader_pin(struct er_publication *publication, struct er_reader *reader);
void er_reader_unpin(struct er_reader *reader);

/* Reader's thread, pinned: the side that is published now; one load where that is `side`, the one pinned. */
struct er_side *er_reader_move(struct er_publication *publication, struct er_reader *reader);
static inline struct er_side *er_reader_refresh(struct er_publication *publication, struct er_reader *reader, struct er_side *side)
{
    return atomic_load_explicit(&publication->current, memory_order_relaxed) == side ? side : er_reader_move(publication, reader);
}

/* Any thread: calls back for every reader, which cannot leave meanwhile. */
void er_reader_each(struct er_publication *publication, void (*each)(struct er_reader *reader, void *context), void *context);

/* Writer. Publishes side. */
void er_publication_switch(struct er_publication *publication, struct er_side *side);

/* Writer, of the side that is not published: is nobody left on it? And: returns when nobody is. */
bool er_publication_is_left(struct er_publication *publication, const struct er_side *side);
void er_publication_await(struct er_publication *publication, const struct er_side *side);

#endif
