#include "rules/engine/verify.h"

#include <stdlib.h>

/* Objects are named by their field; these two have none. */
#define THE_EVENT ER_NONE
#define NO_FIELDS (ER_NONE - 1) /* what stands for an absent object and for a value that is none */

/* Steps that count as much as looking at so many bytes. */
#define STEP_BYTES 16u

/* Of a list, looked at when the time is over. */
#define CHEAP_WORDS 8u

void er_verifier_fini(struct er_verifier *verifier)
{
    free(verifier->cursors);
    *verifier = (struct er_verifier){ 0 };
}

bool er_verifier_begin(struct er_verifier *verifier, struct er_answers *answers)
{
    verifier->answers = answers;
    if (!answers->fields->structured) {
        return true;
    }
    if (++verifier->stamp == 0) {
        memset(verifier->cursors, 0, verifier->capacity * sizeof *verifier->cursors);
        verifier->stamp = 1;
    }
    return er_grow(&verifier->cursors, &verifier->capacity, sizeof *verifier->cursors, (1u << answers->fields->heads_bits) - 1);
}

/* ---- Kleene's logic, with the reason of the first undecided part ---- */

struct verdict {
    enum er_truth truth;
    const char *reason;
};

static const struct verdict yes = { ER_TRUE, NULL }, no = { ER_FALSE, NULL };

static struct verdict verdict_of(bool truth)
{
    return truth ? yes : no;
}

static struct verdict opposite(struct verdict v)
{
    return v.truth == ER_UNDECIDED ? v : verdict_of(v.truth == ER_FALSE);
}

/* Takes one part more into an OR. True when that decides it. */
static bool or_with(struct verdict *all, struct verdict part)
{
    if (part.truth == ER_TRUE || (part.truth == ER_UNDECIDED && all->truth == ER_FALSE)) {
        *all = part;
    }
    return all->truth == ER_TRUE;
}

static struct verdict answer_of(struct er_answers *answers, uint32_t test)
{
    struct verdict v = { er_answers_of(answers, test), NULL };

    if (v.truth == ER_UNDECIDED) {
        v.reason = er_answers_reason(answers, test);
    }
    return v;
}

/* ---- values of one object ---- */

static bool is_before(uint32_t parent, uint32_t other)
{
    return other != THE_EVENT && (parent == THE_EVENT || parent < other);
}

/* The first value of the node that stands in the object or below it, by looking at the object's own part of the fields. */
static uint32_t find_inside(const struct er_fields *fields, uint32_t node, uint32_t object)
{
    for (uint32_t i = object + 1; i < fields->n; i++) {
        const struct er_field *field = &fields->items[i];

        if (field->parent == THE_EVENT || field->parent < object) {
            break;
        }
        if (field->node == node && !field->dead) {
            return i;
        }
    }
    return ER_NONE;
}

/* The first value of the node that stands in the object, or ER_NONE; the others follow it. */
static uint32_t find_values(struct er_verifier *verifier, uint32_t node, uint32_t object)
{
    const struct er_fields *fields = verifier->answers->fields;
    const struct er_field_head *head = er_fields_head(fields, node);
    struct er_cursor *cursor = &verifier->cursors[head - fields->heads];
    uint32_t at;

    if (object == NO_FIELDS || head->stamp != fields->stamp) {
        return ER_NONE;
    }
    if (cursor->stamp != verifier->stamp) {
        *cursor = (struct er_cursor){ verifier->stamp, THE_EVENT, head->first };
    }
    at = cursor->at;
    if (is_before(object, cursor->parent)) {
        at = head->first;
        if (at != ER_NONE && is_before(fields->items[at].parent, object)) {
            at = find_inside(fields, node, object);
            if (at == ER_NONE) {
                return ER_NONE; /* what comes later is not known: the cursor stays */
            }
        }
    }
    while (at != ER_NONE && is_before(fields->items[at].parent, object)) {
        at = fields->items[at].next;
    }
    *cursor = (struct er_cursor){ verifier->stamp, object, at };
    return at != ER_NONE && fields->items[at].parent == object ? at : ER_NONE;
}

/* ---- the tree ---- */

static struct verdict test_in(struct er_verifier *verifier, uint32_t id, uint32_t object)
{
    struct er_answers *answers = verifier->answers;
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);
    struct verdict all = no;

    if (object == THE_EVENT) {
        return answer_of(answers, id);
    }
    if (test->op == ER_OP_PRESENT || test->op == ER_OP_ABSENT) {
        return verdict_of((find_values(verifier, test->node, object) != ER_NONE) == (test->op == ER_OP_PRESENT));
    }
    /* What holds on no value holds on none of these. */
    if (object == NO_FIELDS || er_answers_of(answers, id) == ER_FALSE) {
        return no;
    }
    for (uint32_t i = find_values(verifier, test->node, object); i != ER_NONE && answers->fields->items[i].parent == object;
         i = answers->fields->items[i].next) {
        struct verdict one = { ER_FALSE, NULL };

        one.truth = er_answers_value(answers, id, i, &one.reason);
        if (or_with(&all, one)) {
            break;
        }
    }
    return all;
}

static struct verdict eval(struct er_verifier *verifier, const uint32_t *words, uint32_t object);

static struct verdict leaf(struct er_verifier *verifier, const uint32_t *words, uint32_t object)
{
    struct verdict all = no;
    const char *reason = NULL;

    if (object != THE_EVENT && er_answers_charge(verifier->answers, STEP_BYTES, &reason)) {
        return (struct verdict){ ER_UNDECIDED, reason };
    }
    for (uint32_t i = 1; i <= er_word_length(words[0]) && !or_with(&all, test_in(verifier, words[i], object)); i++) {
    }
    return all;
}

/* One object that makes the child hold. */
static struct verdict within(struct er_verifier *verifier, const uint32_t *words, uint32_t object)
{
    const struct er_fields *fields = verifier->answers->fields;
    uint32_t at = find_values(verifier, words[1], object);
    struct verdict all = no;
    bool empty = at == ER_NONE;

    for (; at != ER_NONE && fields->items[at].parent == object; at = fields->items[at].next) {
        if (fields->items[at].kind != ER_FIELD_OBJECT) {
            empty = true;
        } else if (or_with(&all, eval(verifier, words + 2, at))) {
            return all;
        }
    }
    if (empty) {
        (void)or_with(&all, eval(verifier, words + 2, NO_FIELDS));
    }
    return all;
}

/* ANY of the children or of the negated children. */
static struct verdict any(struct er_verifier *verifier, const uint32_t *words, uint32_t object, bool negated)
{
    const uint32_t *end = words + 1 + er_word_length(words[0]);
    struct verdict all = no;

    for (const uint32_t *child = words + 1; child < end; child += 1 + er_word_length(child[0])) {
        struct verdict one = eval(verifier, child, object);

        if (or_with(&all, negated ? opposite(one) : one)) {
            break;
        }
    }
    return all;
}

/* In an event without arrays of objects every object at hand is the only one at its path, so it need not be looked for. */
static struct verdict eval(struct er_verifier *verifier, const uint32_t *words, uint32_t object)
{
    switch (er_word_kind(words[0])) {
    case ER_WORD_ALL:
        return opposite(any(verifier, words, object, true));
    case ER_WORD_ANY:
        return any(verifier, words, object, false);
    case ER_WORD_NOT:
        return opposite(eval(verifier, words + 1, object));
    case ER_WORD_WITHIN:
        return verifier->answers->fields->structured ? within(verifier, words, object) : eval(verifier, words + 2, object);
    case ER_WORD_LEAF:
    default:
        return leaf(verifier, words, object);
    }
}

/* ---- the list ---- */

/* The leaf that starts there. */
static struct verdict list_leaf(struct er_answers *answers, const uint32_t *words, uint32_t at, bool structured)
{
    struct verdict all = no;

    for (;; at++) {
        bool open = structured && (words[at] & ER_LEAF_OPEN) != 0;

        if (or_with(&all, open ? yes : answer_of(answers, words[at] & ER_WORD_TEST)) || (words[at] & ER_LEAF_END) != 0) {
            return all;
        }
    }
}

static bool needs_tree(const struct er_verifier *verifier, const struct er_term *term)
{
    return term->always || (term->tree && verifier->answers->fields->structured);
}

/* A large term when the event's time is over: no, if one of its first conditions says so. Small ones are looked at as ever: what is known
 * costs nothing, and what is not comes out undecided. */
static enum er_truth verify_cheaply(struct er_answers *answers, const struct er_term *term)
{
    const uint32_t *words = er_term_words(term);
    uint32_t at, end = er_term_list(term, &at);

    end = end - at > CHEAP_WORDS ? at + CHEAP_WORDS : end;
    while (at < end && (words[at] & ER_LEAF_END) != 0 && (words[at] & ER_LEAF_OPEN) == 0) {
        if (er_answers_of(answers, words[at++] & ER_WORD_TEST) == ER_FALSE) {
            return ER_FALSE;
        }
    }
    return ER_UNDECIDED;
}

enum er_truth er_verify(struct er_verifier *verifier, const struct er_term *term, const char **reason)
{
    bool structured = verifier->answers->fields->structured;
    const uint32_t *words = er_term_words(term);
    struct verdict none_false = yes, leaf = no;
    uint32_t at, end = er_term_list(term, &at);

    if (er_answers_charge(verifier->answers, term->n * sizeof *words, reason) && (term->tree || term->n > CHEAP_WORDS)) {
        return verify_cheaply(verifier->answers, term);
    }
    while (at < end) {
        uint32_t word = words[at++];
        bool open = structured && (word & ER_LEAF_OPEN) != 0;
        enum er_truth truth = open ? ER_TRUE : er_answers_of(verifier->answers, word & ER_WORD_TEST);

        if (truth == ER_TRUE) {
            at = (word & ER_LEAF_END) != 0 ? at : er_term_leaf_end(term, at);
            leaf = no;
            continue;
        }
        if (truth == ER_UNDECIDED && leaf.truth == ER_FALSE) {
            leaf = (struct verdict){ ER_UNDECIDED, er_answers_reason(verifier->answers, word & ER_WORD_TEST) };
        }
        if ((word & ER_LEAF_END) != 0) {
            if (leaf.truth == ER_FALSE) {
                return ER_FALSE;
            }
            none_false = none_false.truth == ER_TRUE ? leaf : none_false;
            leaf = no;
        }
    }
    if (needs_tree(verifier, term)) {
        struct verdict tree = eval(verifier, words + end, THE_EVENT);

        if (tree.truth == ER_FALSE) {
            return ER_FALSE;
        }
        none_false = none_false.truth == ER_TRUE ? tree : none_false;
    }
    *reason = none_false.reason;
    return none_false.truth;
}

uint32_t er_verify_failed(struct er_verifier *verifier, const struct er_term *term, uint32_t *n)
{
    bool structured = verifier->answers->fields->structured;
    const uint32_t *words = er_term_words(term);
    uint32_t failed = 0;
    uint32_t at, end = er_term_list(term, &at);

    for (*n = 0; at < end; at = er_term_leaf_end(term, at)) {
        failed += list_leaf(verifier->answers, words, at, structured).truth == ER_FALSE;
        ++*n;
    }
    if (term->tree) {
        /* Its leaves are in the list as well: only what they do not say counts. */
        *n += 1;
        failed += failed == 0 && needs_tree(verifier, term) && eval(verifier, words + end, THE_EVENT).truth == ER_FALSE;
    }
    return failed;
}
