#define _GNU_SOURCE /* memmem */
#include "rules/engine/test.h"

#include <stdlib.h>
#include "rules/engine/hash.h"

/* Overruns after which a regex is run no more, and the runs that halve the number of them. */
#define QUARANTINE_AFTER 10u
#define DECAY_RUNS 1024u

/* ---- making ---- */

/* The longest run between stars. */
static struct er_str glob_literal(struct er_str glob)
{
    struct er_str best = { glob.p, 0 };

    for (size_t i = 0, start = 0; i <= glob.n; i++) {
        if (i == glob.n || glob.p[i] == ER_GLOB_STAR) {
            if (i - start > best.n) {
                best = (struct er_str){ glob.p + start, i - start };
            }
            start = i + 1;
        }
    }
    return best;
}

static enum er_index_kind index_kind(const struct er_test *test)
{
    static const uint8_t kinds[ER_OPS] = {
        [ER_OP_ANY] = ER_INDEX_EVERY,         [ER_OP_EXACT] = ER_INDEX_EXACT,       [ER_OP_NUMBER] = ER_INDEX_EXACT,
        [ER_OP_PREFIX] = ER_INDEX_AFFIX,      [ER_OP_SUFFIX] = ER_INDEX_AFFIX,      [ER_OP_FOLD_EXACT] = ER_INDEX_EXACT,
        [ER_OP_FOLD_PREFIX] = ER_INDEX_AFFIX, [ER_OP_FOLD_SUFFIX] = ER_INDEX_AFFIX, [ER_OP_CIDR] = ER_INDEX_CIDR,
        [ER_OP_RANGE] = ER_INDEX_RANGE,       [ER_OP_CONTAINS] = ER_INDEX_GRAM,     [ER_OP_GLOB] = ER_INDEX_GRAM,
        [ER_OP_REGEX] = ER_INDEX_GRAM,        [ER_OP_SET] = ER_INDEX_NONE,          [ER_OP_BUT] = ER_INDEX_EVERY,
        [ER_OP_PRESENT] = ER_INDEX_PRESENT,   [ER_OP_ABSENT] = ER_INDEX_NONE
    };
    enum er_index_kind kind = (enum er_index_kind)kinds[test->op];

    if (kind == ER_INDEX_GRAM && test->u.search->literal.n == 0) {
        return ER_INDEX_EVERY;
    }
    if (kind == ER_INDEX_RANGE && test->u.bounds->different) {
        return ER_INDEX_EVERY;
    }
    return kind;
}

static bool init_search(struct er_test *test, const struct er_question *question)
{
    bool is_regex = question->op == ER_OP_REGEX;
    struct er_search *search = calloc(1, sizeof *search + (is_regex ? 0 : question->text.n));

    if (search == NULL) {
        return false;
    }
    atomic_init(&search->decided, 0);
    atomic_init(&search->overruns, 0);
    if (is_regex) {
        search->regex = er_regex_ref(question->regex);
        test->text = er_regex_text(question->regex);
        search->literal = er_regex_literal(question->regex);
    } else {
        memcpy(search + 1, question->text.p, question->text.n);
        test->text = (struct er_str){ (const char *)(search + 1), question->text.n };
        search->literal = question->op == ER_OP_GLOB ? glob_literal(test->text) : test->text;
    }
    test->u.search = search;
    return true;
}

static bool init_bounds(struct er_test *test, const struct er_question *question)
{
    struct er_str low = question->numeric->low, high = question->numeric->high;
    struct er_bounds *bounds = malloc(sizeof *bounds + question->text.n + low.n + high.n);
    char *text;

    if (bounds == NULL) {
        return false;
    }
    text = (char *)(bounds + 1);
    memcpy(text, question->text.p, question->text.n);
    test->text = (struct er_str){ text, question->text.n };
    text += question->text.n;
    if (low.n > 0) {
        low.p = memcpy(text, low.p, low.n);
    }
    if (high.n > 0) {
        high.p = memcpy(text + low.n, high.p, high.n);
    }
    *bounds =
        (struct er_bounds){ .range = er_range_of(low, question->numeric->low_included, high, question->numeric->high_included),
                            .different = question->numeric->different,
                            .literals = low.n + high.n };
    test->u.bounds = bounds;
    return true;
}

static bool init_text(struct er_test *test, const struct er_question *question)
{
    char *copy = question->text.n <= ER_TEST_SMALL ? test->u.small : malloc(question->text.n);

    if (copy == NULL) {
        return false;
    }
    if (question->text.n > 0) {
        memcpy(copy, question->text.p, question->text.n);
    }
    test->text = (struct er_str){ copy, question->text.n };
    return true;
}

/* A table at most half full; er_set_enter enters the members. */
static bool init_set(struct er_test *test, const struct er_question *question)
{
    size_t n = question->text.n / sizeof(uint32_t), slots = 4;
    struct er_set *set;

    while (slots < 2 * n) {
        slots *= 2;
    }
    set = calloc(1, sizeof *set + slots * sizeof set->slots[0] + question->text.n);
    if (set == NULL) {
        return false;
    }
    set->mask = (uint32_t)slots - 1;
    memcpy(set->slots + slots, question->text.p, question->text.n);
    test->text = (struct er_str){ (const char *)(set->slots + slots), question->text.n };
    test->u.set = set;
    return true;
}

bool er_test_init(struct er_test *test, const struct er_question *question)
{
    bool done;

    test->node = question->node;
    test->op = (uint8_t)question->op;
    test->accepts = (uint8_t)question->accepts;
    switch (question->op) {
    case ER_OP_CONTAINS:
    case ER_OP_GLOB:
    case ER_OP_REGEX:
        done = init_search(test, question);
        break;
    case ER_OP_RANGE:
        done = init_bounds(test, question);
        break;
    case ER_OP_SET:
        done = init_set(test, question);
        break;
    case ER_OP_BUT:
        done = question->text.n > 0 && init_text(test, question);
        break;
    case ER_OP_ANY:
    case ER_OP_EXACT:
    case ER_OP_NUMBER:
    case ER_OP_PREFIX:
    case ER_OP_SUFFIX:
    case ER_OP_FOLD_EXACT:
    case ER_OP_FOLD_PREFIX:
    case ER_OP_FOLD_SUFFIX:
    case ER_OP_CIDR:
    case ER_OP_PRESENT:
    case ER_OP_ABSENT:
    case ER_OPS:
    default:
        done = init_text(test, question);
        break;
    }
    test->index = done ? (uint8_t)index_kind(test) : 0;
    return done;
}

static bool has_small_text(const struct er_test *test)
{
    return test->text.p == test->u.small;
}

void er_test_fini(struct er_test *test)
{
    if (has_small_text(test)) {
        return;
    }
    switch ((enum er_test_op)test->op) {
    case ER_OP_CONTAINS:
    case ER_OP_GLOB:
    case ER_OP_REGEX:
        er_regex_unref(test->u.search->regex);
        free(test->u.search);
        break;
    case ER_OP_RANGE:
        free(test->u.bounds);
        break;
    case ER_OP_SET:
        free(test->u.set);
        break;
    case ER_OP_ANY:
    case ER_OP_EXACT:
    case ER_OP_NUMBER:
    case ER_OP_PREFIX:
    case ER_OP_SUFFIX:
    case ER_OP_FOLD_EXACT:
    case ER_OP_FOLD_PREFIX:
    case ER_OP_FOLD_SUFFIX:
    case ER_OP_CIDR:
    case ER_OP_BUT:
    case ER_OP_PRESENT:
    case ER_OP_ABSENT:
    case ER_OPS:
    default:
        free((void *)(uintptr_t)test->text.p);
        break;
    }
}

size_t er_test_bytes(const struct er_test *test)
{
    switch ((enum er_test_op)test->op) {
    case ER_OP_REGEX:
        return sizeof *test->u.search;
    case ER_OP_CONTAINS:
    case ER_OP_GLOB:
        return sizeof *test->u.search + test->text.n;
    case ER_OP_RANGE:
        return sizeof *test->u.bounds + test->text.n + test->u.bounds->literals;
    case ER_OP_SET:
        return sizeof *test->u.set + ((size_t)test->u.set->mask + 1) * sizeof test->u.set->slots[0] + test->text.n;
    case ER_OP_ANY:
    case ER_OP_EXACT:
    case ER_OP_NUMBER:
    case ER_OP_PREFIX:
    case ER_OP_SUFFIX:
    case ER_OP_FOLD_EXACT:
    case ER_OP_FOLD_PREFIX:
    case ER_OP_FOLD_SUFFIX:
    case ER_OP_CIDR:
    case ER_OP_BUT:
    case ER_OP_PRESENT:
    case ER_OP_ABSENT:
    case ER_OPS:
    default:
        return has_small_text(test) ? 0 : test->text.n;
    }
}

bool er_test_asks(const struct er_test *test, const struct er_question *question)
{
    return test->node == question->node && test->op == (uint8_t)question->op && test->accepts == (uint8_t)question->accepts &&
           er_str_eq(test->text, question->text);
}

/* ---- sets ---- */

void er_set_enter(struct er_test *test, size_t member, uint64_t hash)
{
    struct er_set *set = test->u.set;
    uint32_t at = er_hash_tag(hash) & set->mask;

    while (set->slots[at] != 0) {
        at = (at + 1) & set->mask;
    }
    set->slots[at] = (uint32_t)member + 1;
}

size_t er_set_next(const struct er_test *test, uint64_t hash, size_t *step)
{
    const struct er_set *set = test->u.set;
    uint32_t slot = set->slots[(er_hash_tag(hash) + (*step)++) & set->mask];

    return slot == 0 ? test->text.n / sizeof(uint32_t) : slot - 1;
}

/* ---- asking ---- */

static bool starts_with(struct er_str s, struct er_str start)
{
    return s.n >= start.n && memcmp(s.p, start.p, start.n) == 0;
}

static bool ends_with(struct er_str s, struct er_str end)
{
    return s.n >= end.n && memcmp(s.p + (s.n - end.n), end.p, end.n) == 0;
}

/* Where the part stands, or NULL. */
static const char *find_part(struct er_str s, struct er_str part)
{
    if (part.n == 0) {
        return s.p;
    }
    return s.n >= part.n ? memmem(s.p, s.n, part.p, part.n) : NULL;
}

static bool contains(struct er_str s, struct er_str part)
{
    return part.n == 0 || find_part(s, part) != NULL;
}

/* The parts between stars one after the other, each at the first place: the first part stands at the start, the last one at the end. */
static bool glob_accepts(struct er_str glob, struct er_str s)
{
    const char *star = memchr(glob.p, (unsigned char)ER_GLOB_STAR, glob.n);
    struct er_str part = { glob.p, (size_t)(star - glob.p) };

    if (!starts_with(s, part)) {
        return false;
    }
    for (;;) {
        s = (struct er_str){ s.p + part.n, s.n - part.n };
        glob = (struct er_str){ star + 1, glob.n - (size_t)(star + 1 - glob.p) };
        star = glob.n > 0 ? memchr(glob.p, (unsigned char)ER_GLOB_STAR, glob.n) : NULL;
        if (star == NULL) {
            return ends_with(s, glob);
        }
        part = (struct er_str){ glob.p, (size_t)(star - glob.p) };
        if (part.n > 0) {
            const char *at = find_part(s, part);

            if (at == NULL) {
                return false;
            }
            s = (struct er_str){ at, s.n - (size_t)(at - s.p) };
        }
    }
}

static bool range_accepts(const struct er_bounds *bounds, const struct er_decimal *number)
{
    return bounds->different ? er_decimal_compare(number, &bounds->range.low) != 0 : er_range_contains(&bounds->range, number);
}

struct er_cidr er_test_cidr(const struct er_test *test)
{
    struct er_cidr cidr = { .network = { .v6 = test->text.n > 5 }, .length = (uint8_t)test->text.p[test->text.n - 1] };

    memcpy(cidr.network.bytes, test->text.p, test->text.n - 1);
    return cidr;
}

static bool cidr_accepts(const struct er_test *test, struct er_scalar *value)
{
    struct er_cidr cidr;
    struct er_address address;

    if (!er_scalar_address(value, &address)) {
        return false;
    }
    cidr = er_test_cidr(test);
    return er_cidr_contains(&cidr, &address);
}

/* Without all of them there is no match: the index has asked for one, so whichever way a test is found, the answer is the same. */
static bool has_literals(const struct er_regex *regex, struct er_str value)
{
    size_t n;
    const struct er_str *literals = er_regex_literals(regex, &n);

    for (size_t i = 0; i < n; i++) {
        if (!contains(value, literals[i])) {
            return false;
        }
    }
    return true;
}

bool er_test_quarantined(const struct er_test *test)
{
    return test->op == ER_OP_REGEX && atomic_load_explicit(&test->u.search->overruns, memory_order_relaxed) >= QUARANTINE_AFTER;
}

/* An overrun counts; many good runs after it make up for it. Regexes without overruns touch nothing that threads share. */
static void note_run(struct er_search *search, bool overrun, bool *last)
{
    unsigned overruns = atomic_load_explicit(&search->overruns, memory_order_relaxed);

    if (overrun) {
        overruns = atomic_fetch_add_explicit(&search->overruns, 1, memory_order_relaxed) + 1;
        *last = overruns == QUARANTINE_AFTER;
    } else if (overruns > 0 &&
               atomic_fetch_add_explicit(&search->decided, 1, memory_order_relaxed) % DECAY_RUNS == DECAY_RUNS - 1) {
        (void)atomic_compare_exchange_strong(&search->overruns, &overruns, overruns / 2);
    }
}

static enum er_truth regex_accepts(const struct er_test *test, struct er_asking *asking, struct er_str value)
{
    struct er_search *search = test->u.search;
    bool quarantined = er_test_quarantined(test);
    enum er_truth truth;

    if ((quarantined || !er_regex_is_quick(search->regex, value.n)) && !has_literals(search->regex, value)) {
        return ER_FALSE;
    }
    if (quarantined) {
        asking->reason = "the regex is in quarantine: it went over its limits again and again";
        return ER_UNDECIDED;
    }
    truth = er_regex_search(search->regex, asking->scratch, value);
    asking->ran = true;
    note_run(search, er_regex_scratch_overran(asking->scratch), &asking->quarantined);
    asking->reason = er_regex_scratch_reason(asking->scratch);
    return truth;
}

static bool accepts(const struct er_test *test, struct er_scalar *value)
{
    switch ((enum er_test_op)test->op) {
    case ER_OP_ANY:
        return true;
    case ER_OP_EXACT:
        return er_str_eq(value->text, test->text);
    case ER_OP_NUMBER:
        return er_str_eq(er_scalar_key(value), test->text);
    case ER_OP_PREFIX:
        return starts_with(value->text, test->text);
    case ER_OP_SUFFIX:
        return ends_with(value->text, test->text);
    case ER_OP_FOLD_EXACT:
        return er_str_eq(er_scalar_folded(value), test->text);
    case ER_OP_FOLD_PREFIX:
        return starts_with(er_scalar_folded(value), test->text);
    case ER_OP_FOLD_SUFFIX:
        return ends_with(er_scalar_folded(value), test->text);
    case ER_OP_CIDR:
        return cidr_accepts(test, value);
    case ER_OP_RANGE:
        return range_accepts(test->u.bounds, er_scalar_decimal(value));
    case ER_OP_CONTAINS:
        return contains(value->text, test->text);
    case ER_OP_GLOB:
        return glob_accepts(test->text, value->text);
    case ER_OP_PRESENT:
        return true;
    case ER_OP_REGEX:
    case ER_OP_SET:
    case ER_OP_BUT:
    case ER_OP_ABSENT:
    case ER_OPS:
    default:
        return false;
    }
}

enum er_truth er_test_accepts(const struct er_test *test, struct er_asking *asking, struct er_scalar *value)
{
    if (!er_test_accepts_kind(test, value->kind)) {
        return ER_FALSE;
    }
    if (test->op == ER_OP_REGEX) {
        return regex_accepts(test, asking, value->text);
    }
    return accepts(test, value) ? ER_TRUE : ER_FALSE;
}
