/* Terms that are posted under a test that has become popular since, on their way to a better one.
 *
 * DESIGN  when a term comes, each of its tests that twice as many terms read as when it was last looked at is noted. Later, when the writer
 * has time, the terms posted under noted tests are looked at, so many at a time, and those that would cost at most half elsewhere move.
 * So a term is looked at again only after as many others have come to ask for the same, and no change does more than a bounded piece.
 *
 *     note: test 7 is read by 1,024 terms     look: terms posted under 7 --cover--> moves (term, from, to)
 *
 * A move is made on each side in two steps, as a change is: what may fail (the new posting), then the rest (the old one goes).
 */
#ifndef ER_RULES_ENGINE_REPIVOT_H
#define ER_RULES_ENGINE_REPIVOT_H

#include "rules/engine/side.h"

struct er_move {
    uint32_t term;
    uint32_t from, to; /* pivots; to is the term's own */
};

#define ER_REPIVOT_TESTS 64u

/* Initialise with {0}. */
struct er_repivot {
    uint32_t tests[ER_REPIVOT_TESTS]; /* the first is being looked at */
    uint32_t n;
    uint32_t left; /* entries of its posting that are left, or 0: all; the last ones first */
};

/* Writer: the side has this term now. A test that finds no room is noted when the next term comes. */
void er_repivot_note(struct er_repivot *repivot, const struct er_side *side, uint32_t term);

static inline bool er_repivot_is_due(const struct er_repivot *repivot)
{
    return repivot->n > 0;
}

/* Looks at about so many tests, of terms that both sides have. Fills moves, at most n; their first step is done on this side. */
size_t er_repivot_look(struct er_repivot *repivot, struct er_side *side, struct er_move *moves, size_t n);

/* The first step on the other side (false without memory: nothing has changed), the second on any, and what remains after both. */
bool er_moves_begin(struct er_side *side, const struct er_move *moves, size_t n);
void er_moves_end(struct er_side *side, const struct er_move *moves, size_t n);
void er_moves_done(struct er_catalog *catalog, const struct er_move *moves, size_t n);

#endif
