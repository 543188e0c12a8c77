/* Does a term hold on the current event? By structural recursion, three-valued.
 *
 * DESIGN  the list of leaves first: the tests' answers about the event as a whole. When the values of all objects stand in no array (most
 * events), the tree needs nothing else either. Otherwise it is walked object by object: WITHIN tries every object at its path that stands
 * in the object at hand, and one object without fields for everything there that is none. Values are found by cursors, one per path,
 * which mostly move forward: an array of n objects costs n steps for each leaf.
 */
#ifndef ER_RULES_ENGINE_VERIFY_H
#define ER_RULES_ENGINE_VERIFY_H

#include "rules/engine/answers.h"

/* Where the values of a path that stand in one object begin; of the path with that head of the fields. */
struct er_cursor {
    uint32_t stamp;  /* of the event */
    uint32_t parent; /* the object asked for last */
    uint32_t at;     /* the first value in it, or in a later one, or ER_NONE */
};

/* Initialise with {0}. */
struct er_verifier {
    struct er_cursor *cursors; /* per slot of the fields' heads */
    uint32_t capacity;
    uint32_t stamp;
    struct er_answers *answers;
};

void er_verifier_fini(struct er_verifier *verifier);

/* After er_answers_begin. False without memory. */
bool er_verifier_begin(struct er_verifier *verifier, struct er_answers *answers);

/* *reason: static text, when it is undecided. */
enum er_truth er_verify(struct er_verifier *verifier, const struct er_term *term, const char **reason);

/* How many conditions of the term are false (not more than *n, how many there are). */
uint32_t er_verify_failed(struct er_verifier *verifier, const struct er_term *term, uint32_t *n);

#endif
