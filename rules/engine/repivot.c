#include "rules/engine/repivot.h"

#include "rules/engine/cover.h"

/* Tests of candidates that one look may cost, besides the last candidate's. */
#define LOOK_TESTS 1024u

/* ---- noting ---- */

static void note_test(struct er_repivot *repivot, const struct er_side *side, uint32_t id)
{
    struct er_test *test = er_catalog_test(side->catalog, id);
    uint8_t level = er_cover_level(er_cover_users(side, id));

    if (level > test->level && er_side_posted(side, id) > 0) {
        if (repivot->n == ER_REPIVOT_TESTS) {
            return;
        }
        repivot->tests[repivot->n++] = id;
    }
    /* One that fell by a step only may be about to rise again. */
    if (level > test->level || level + 1 < test->level) {
        test->level = level;
    }
}

void er_repivot_note(struct er_repivot *repivot, const struct er_side *side, uint32_t id)
{
    const struct er_term *term = er_catalog_term(side->catalog, id);
    struct er_term_walk walk = { 0 };

    for (uint32_t test; er_term_next(term, &walk, &test);) {
        note_test(repivot, side, test);
    }
    if (term->n > 0 && term->pivot != ER_NONE && (term->pivot & ER_PIVOT_COVER) != 0) {
        struct er_pivot_tests members = er_pivot_tests(side->catalog, term, term->pivot);

        for (uint32_t i = 0; i < members.n; i++) {
            note_test(repivot, side, members.ids[i]);
        }
    }
}

/* ---- looking ---- */

static void next_test(struct er_repivot *repivot)
{
    repivot->n--;
    repivot->left = 0;
    memmove(repivot->tests, repivot->tests + 1, repivot->n * sizeof *repivot->tests);
}

/* The next entry to look at, or ER_NONE: no more under this test. Entries move while terms come and go, and a test's id may stand for
 * another one by now: then the wrong ones are looked at, which does no harm. */
static uint32_t next_entry(struct er_repivot *repivot, const struct er_side *side)
{
    uint32_t test = repivot->tests[0], posted = er_side_posted(side, test);

    if (repivot->left == 0 || repivot->left > posted + 1) {
        repivot->left = posted + 1;
    }
    if (--repivot->left == 0) {
        return ER_NONE;
    }
    return er_idlist_ids(er_side_posting(side, test))[repivot->left - 1] & ER_POSTED_TERM;
}

static bool move(struct er_side *side, uint32_t id, uint32_t to, struct er_move *out)
{
    struct er_term *term = er_catalog_term(side->catalog, id);

    if (!er_side_post(side, id, to)) {
        er_pivot_free(side->catalog, to);
        return false;
    }
    *out = (struct er_move){ .term = id, .from = term->pivot, .to = to };
    term->pivot = to;
    return true;
}

size_t er_repivot_look(struct er_repivot *repivot, struct er_side *side, struct er_move *moves, size_t n)
{
    size_t looked = 0, moved = 0;

    while (repivot->n > 0 && looked < LOOK_TESTS && moved < n) {
        uint32_t term = next_entry(repivot, side);
        uint32_t to;

        looked++;
        if (term == ER_NONE) {
            next_test(repivot);
            continue;
        }
        to = er_cover_better(side, er_catalog_term(side->catalog, term), &looked);
        moved += to != ER_NONE && move(side, term, to, &moves[moved]);
    }
    return moved;
}

/* ---- moving ---- */

bool er_moves_begin(struct er_side *side, const struct er_move *moves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!er_side_post(side, moves[i].term, moves[i].to)) {
            while (i-- > 0) {
                er_side_unpost(side, moves[i].term, moves[i].to);
            }
            return false;
        }
    }
    return true;
}

void er_moves_end(struct er_side *side, const struct er_move *moves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        er_side_unpost(side, moves[i].term, moves[i].from);
    }
}

void er_moves_done(struct er_catalog *catalog, const struct er_move *moves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        er_pivot_free(catalog, moves[i].from);
    }
}
