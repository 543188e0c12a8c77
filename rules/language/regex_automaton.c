/* DESIGN  Each character or class of the pattern is a position; up to 64 of them are the bits of a word. Of each position is known which
 * ones may follow it. A run keeps the set of positions that the text so far can end at, and takes one byte at a time:
 *
 *     ^ab[0-9]+(x|y)?$      a0 -> b1 -> d2 -> d2 x3 y4       first {0}  last {2 3 4}
 *      `chain'
 *
 *     text "ab7":  {0} {1} {2}, and 2 is a last one at the end
 *
 * A chain of literal positions at the front is compared as a whole, and their followers are not stored. Bytes: a class with characters
 * beyond ASCII has all of them, so its position takes the first byte of such a character and stays for its other bytes; nothing else takes
 * these, except the positions of a literal character, one for each byte.
 */
#include "rules/language/regex_automaton.h"

#include <stdint.h>
#include <stdlib.h>
#include "rules/base/utf8.h"

enum { POSITIONS = 64, SETS = 8, DEPTH = 16, MANY = 255 };

/* Bit per byte. */
struct set {
    uint64_t bits[4];
};

struct er_automaton {
    uint64_t first, last; /* bit per position, as in all such words */
    uint64_t classes;     /* positions that take the bytes of a set, not one byte */
    uint64_t wide;        /* classes with the characters beyond ASCII */
    uint8_t n;
    uint8_t chain;   /* leading positions, each of which only the next one follows; the last of them may have any followers */
    uint8_t sure;    /* of them: no other match can begin within these bytes of the chain and be under way behind them */
    bool nullable;   /* matches the empty text */
    bool start, end; /* ^ and $ */
    bool word_start, word_end; /* \b there */
    char *bytes;               /* of each position: the byte it takes, or the number of its set */
    struct set *sets;
    uint64_t *follow; /* of the positions from the last one of the chain on */
    /* these three follow */
};

/* ---- reading the pattern ---- */

struct builder {
    struct er_str s;
    size_t at;
    unsigned depth;
    bool failed; /* not simple */
    struct er_automaton a;
    char bytes[POSITIONS];
    uint64_t follow[POSITIONS];
    struct set sets[SETS];
    uint8_t n_sets;
};

/* Part of the automaton: where it begins and ends. */
struct part {
    uint64_t first, last;
    bool nullable;
};

/* One character, or a class. */
struct atom {
    char bytes[4];
    uint8_t n; /* bytes; 0: the set */
    uint8_t set;
};

struct times {
    uint8_t min, max; /* MANY: without end */
};

static const struct part empty = { 0, 0, true };

static bool at_end(const struct builder *b)
{
    return b->at == b->s.n;
}

static bool looking_at(const struct builder *b, const char *text)
{
    size_t n = strlen(text);

    return b->s.n - b->at >= n && memcmp(b->s.p + b->at, text, n) == 0;
}

static bool skip(struct builder *b, const char *text)
{
    bool there = looking_at(b, text);

    b->at += there ? strlen(text) : 0;
    return there;
}

static uint64_t bit(unsigned position)
{
    return UINT64_C(1) << position;
}

static struct part concatenate(struct builder *b, struct part head, struct part tail)
{
    for (uint64_t left = head.last; left != 0; left &= left - 1) {
        b->follow[__builtin_ctzll(left)] |= tail.first;
    }
    return (struct part){ head.first | (head.nullable ? tail.first : 0), tail.last | (tail.nullable ? head.last : 0),
                          head.nullable && tail.nullable };
}

static struct part add_position(struct builder *b, char byte)
{
    uint64_t here;

    if (b->a.n == POSITIONS) {
        b->failed = true;
        return empty;
    }
    here = bit(b->a.n);
    b->bytes[b->a.n++] = byte;
    return (struct part){ here, here, false };
}

static struct part add_atom(struct builder *b, const struct atom *atom)
{
    struct part all = empty;

    if (atom->n == 0) {
        all = add_position(b, (char)atom->set);
        b->a.classes |= all.first;
        b->a.wide |= (b->sets[atom->set].bits[3] & 1) != 0 ? all.first : 0;
    }
    for (uint8_t i = 0; i < atom->n; i++) {
        all = concatenate(b, all, add_position(b, atom->bytes[i]));
    }
    return all;
}

static struct part add_many(struct builder *b, const struct atom *atom, struct times times)
{
    struct part all = empty;
    unsigned copies = times.max != MANY ? times.max : times.min > 0 ? times.min : 1;

    for (unsigned i = 0; i < copies && !b->failed; i++) {
        struct part one = add_atom(b, atom);

        if (times.max == MANY && i + 1 == copies) {
            (void)concatenate(b, one, one);
        }
        one.nullable = i >= times.min;
        all = concatenate(b, all, one);
    }
    return all;
}

/* ---- classes ---- */

static void set_add(struct set *set, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++) {
        set->bits[c / 64] |= bit(c % 64);
    }
}

/* All first bytes of characters that are not in it; bit 192 stands for those beyond ASCII. */
static void set_invert(struct set *set)
{
    bool wide = (set->bits[3] & 1) == 0;

    *set = (struct set){ { ~set->bits[0], ~set->bits[1], 0, wide ? UINT64_MAX : 0 } };
}

/* Of \d and the like; false: c is none of these letters. */
static bool named_set(char c, struct set *set)
{
    *set = (struct set){ { 0 } };
    switch (c | 0x20) {
    case 'd':
        set_add(set, '0', '9');
        break;
    case 'w':
        set_add(set, '0', '9');
        set_add(set, 'A', 'Z');
        set_add(set, '_', '_');
        set_add(set, 'a', 'z');
        break;
    case 's':
        set_add(set, '\t', '\r');
        set_add(set, ' ', ' ');
        break;
    default:
        return false;
    }
    if ((c & 0x20) == 0) {
        set_invert(set);
    }
    return true;
}

static void use_set(struct builder *b, const struct set *set, struct atom *atom)
{
    atom->n = 0;
    for (atom->set = 0; atom->set < b->n_sets; atom->set++) {
        if (memcmp(&b->sets[atom->set], set, sizeof *set) == 0) {
            return;
        }
    }
    if (b->n_sets == SETS) {
        b->failed = true;
        atom->set = 0;
        return;
    }
    b->sets[b->n_sets++] = *set;
}

/* The character that an escaped one stands for; NUL: none that is simple. */
static char escaped(char c)
{
    static const char controls[] = "n\nr\rt\tf\fe\033a\a";

    for (size_t i = 0; i + 1 < sizeof controls; i += 2) {
        if (controls[i] == c) {
            return controls[i + 1];
        }
    }
    return c > ' ' && c < 0x7F && !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) ? c : '\0';
}

/* One character of a class; NUL, and failed, when it is more than that. */
static char class_char(struct builder *b)
{
    char c = at_end(b) ? '\0' : b->s.p[b->at++];

    if (c == '\\') {
        c = at_end(b) ? '\0' : escaped(b->s.p[b->at++]);
    } else if (c == '[') {
        c = '\0'; /* perhaps [:alpha:] */
    }
    b->failed = b->failed || c == '\0' || (unsigned char)c >= 0x80;
    return c;
}

/* A character, a range or a \d. */
static void class_item(struct builder *b, struct set *set)
{
    struct set named;
    char from, to;

    if (looking_at(b, "\\") && b->s.n - b->at >= 2 && named_set(b->s.p[b->at + 1], &named)) {
        for (size_t i = 0; i < 4; i++) {
            set->bits[i] |= named.bits[i];
        }
        b->at += 2;
        b->failed = b->failed || (looking_at(b, "-") && !looking_at(b, "-]"));
        return;
    }
    from = to = class_char(b);
    if (looking_at(b, "-") && !looking_at(b, "-]")) {
        b->at++;
        b->failed = b->failed || (looking_at(b, "\\") && b->s.n - b->at >= 2 && named_set(b->s.p[b->at + 1], &named));
        to = class_char(b);
    }
    b->failed = b->failed || to < from;
    if (!b->failed) {
        set_add(set, (unsigned char)from, (unsigned char)to);
    }
}

/* After "[". */
static void read_class(struct builder *b, struct atom *atom)
{
    struct set set = { { 0 } };
    bool inverted = skip(b, "^");

    b->failed = b->failed || looking_at(b, "]"); /* a member, where it is the first one */
    while (!b->failed && !skip(b, "]")) {
        class_item(b, &set);
    }
    if (inverted) {
        set_invert(&set);
    }
    use_set(b, &set, atom);
}

/* ---- the rest of the syntax ---- */

static void read_escape(struct builder *b, struct atom *atom)
{
    char c = at_end(b) ? '\0' : b->s.p[b->at++];
    struct set set;

    if (named_set(c, &set)) {
        use_set(b, &set, atom);
        return;
    }
    atom->n = 1;
    atom->bytes[0] = escaped(c);
    b->failed = b->failed || atom->bytes[0] == '\0';
}

static void read_literal(struct builder *b, struct atom *atom)
{
    atom->n = (uint8_t)er_utf8_sequence(b->s.p + b->at, b->s.p + b->s.n);
    memcpy(atom->bytes, b->s.p + b->at, atom->n);
    b->at += atom->n;
    b->failed = b->failed || atom->n == 0;
}

/* Not at the end, and not at a group. */
static void read_atom(struct builder *b, struct atom *atom)
{
    static const struct set line_feed = { { UINT64_C(1) << '\n', 0, 0, 0 } };

    if (skip(b, "\\")) {
        read_escape(b, atom);
    } else if (skip(b, "[")) {
        read_class(b, atom);
    } else if (skip(b, ".")) {
        struct set set = line_feed;

        set_invert(&set);
        use_set(b, &set, atom);
    } else if (memchr("^$*+?{", b->s.p[b->at], 6) != NULL) {
        b->failed = true;
    } else {
        read_literal(b, atom);
    }
}

/* A number below MANY, or MANY when none stands there. */
static uint8_t read_number(struct builder *b)
{
    unsigned n = 0;
    size_t start = b->at;

    for (; !at_end(b) && b->s.p[b->at] >= '0' && b->s.p[b->at] <= '9' && n < MANY; b->at++) {
        n = n * 10 + (unsigned)(b->s.p[b->at] - '0');
    }
    b->failed = b->failed || n >= MANY;
    return b->at == start || n >= MANY ? MANY : (uint8_t)n;
}

/* After "{". */
static struct times read_braces(struct builder *b)
{
    struct times times = { read_number(b), 0 };

    times.max = times.min;
    if (skip(b, ",")) {
        times.max = read_number(b);
    }
    b->failed = b->failed || times.min == MANY || times.max < times.min || !skip(b, "}");
    return times;
}

static struct times read_quantifier(struct builder *b)
{
    struct times times = { 1, 1 };

    if (skip(b, "*")) {
        times = (struct times){ 0, MANY };
    } else if (skip(b, "+")) {
        times = (struct times){ 1, MANY };
    } else if (skip(b, "?")) {
        times = (struct times){ 0, 1 };
    } else if (skip(b, "{")) {
        times = read_braces(b);
    } else {
        return times;
    }
    (void)skip(b, "?"); /* lazy: finds another match, but not whether there is one */
    b->failed = b->failed || looking_at(b, "+") || looking_at(b, "*") || looking_at(b, "?") || looking_at(b, "{");
    return times;
}

static struct part read_alternatives(struct builder *b, unsigned *n);

/* After "(". */
static struct part read_group(struct builder *b)
{
    struct part group;
    struct times times;
    unsigned alternatives;

    if (!skip(b, "?:") && (looking_at(b, "?") || looking_at(b, "*"))) {
        b->failed = true;
        return empty;
    }
    b->depth++;
    b->failed = b->failed || b->depth > DEPTH;
    group = read_alternatives(b, &alternatives);
    b->depth--;
    b->failed = b->failed || !skip(b, ")");
    times = read_quantifier(b);
    b->failed = b->failed || times.max != 1;
    group.nullable = group.nullable || times.min == 0;
    return group;
}

/* What may only stand at the end of the pattern. */
static bool is_end(const struct builder *b)
{
    return looking_at(b, "$") || looking_at(b, "\\z") || looking_at(b, "\\b");
}

static struct part read_sequence(struct builder *b)
{
    struct part all = empty;

    while (!b->failed && !at_end(b) && !looking_at(b, "|") && !looking_at(b, ")") && !is_end(b)) {
        struct part one;

        if (skip(b, "(")) {
            one = read_group(b);
        } else {
            struct atom atom = { .n = 0 };

            read_atom(b, &atom);
            one = b->failed ? empty : add_many(b, &atom, read_quantifier(b));
        }
        all = concatenate(b, all, one);
    }
    return all;
}

static struct part read_alternatives(struct builder *b, unsigned *n)
{
    struct part all = read_sequence(b);

    for (*n = 1; !b->failed && skip(b, "|"); ++*n) {
        struct part other = read_sequence(b);

        all = (struct part){ all.first | other.first, all.last | other.last, all.nullable || other.nullable };
    }
    return all;
}

static void read_start(struct builder *b)
{
    for (;;) {
        if (skip(b, "^") || skip(b, "\\A")) {
            b->a.start = true;
        } else if (skip(b, "\\b")) {
            b->a.word_start = true;
        } else {
            return;
        }
    }
}

static void read_end(struct builder *b)
{
    for (;;) {
        if (skip(b, "$") || skip(b, "\\z")) {
            b->a.end = true;
        } else if (skip(b, "\\b")) {
            b->a.word_end = true;
        } else {
            return;
        }
    }
}

static void read_pattern(struct builder *b)
{
    struct part all;
    unsigned alternatives;
    bool asserted;

    read_start(b);
    all = read_alternatives(b, &alternatives);
    read_end(b);
    asserted = b->a.start || b->a.end || b->a.word_start || b->a.word_end;
    b->failed = b->failed || !at_end(b) || (asserted && alternatives > 1) || (all.nullable && (b->a.word_start || b->a.word_end));
    b->a.first = all.first;
    b->a.last = all.last;
    b->a.nullable = all.nullable;
}

static uint8_t chain_of(const struct builder *b)
{
    uint8_t n = 0;

    if (b->a.nullable || b->a.first != 1) {
        return 0;
    }
    while (n < b->a.n && (b->a.classes & bit(n)) == 0 &&
           (n == 0 || ((b->a.last & bit(n - 1u)) == 0 && b->follow[n - 1] == bit(n)))) {
        n++;
    }
    return n;
}

/* Does the chain end as it begins? */
static bool overlaps(const struct builder *b)
{
    for (size_t n = 1; n < b->a.chain; n++) {
        if (memcmp(b->bytes, b->bytes + (b->a.chain - n), n) == 0) {
            return true;
        }
    }
    return false;
}

bool er_automaton_new(struct er_str pattern, struct er_automaton **out)
{
    struct builder b = { .s = pattern };
    struct er_automaton *a;
    size_t skipped, follow, sets;

    *out = NULL;
    read_pattern(&b);
    if (b.failed) {
        return true;
    }
    b.a.chain = chain_of(&b);
    b.a.sure = overlaps(&b) ? 1 : b.a.chain;
    skipped = b.a.chain > 0 ? b.a.chain - 1u : 0;
    follow = (b.a.n - skipped) * sizeof b.follow[0];
    sets = b.n_sets * sizeof b.sets[0];
    a = malloc(sizeof *a + follow + sets + b.a.n);
    if (a == NULL) {
        return false;
    }
    *a = b.a;
    a->follow = memcpy(a + 1, b.follow + skipped, follow);
    a->sets = memcpy((char *)a->follow + follow, b.sets, sets);
    a->bytes = memcpy((char *)a->sets + sets, b.bytes, b.a.n);
    *out = a;
    return true;
}

void er_automaton_free(struct er_automaton *a)
{
    free(a);
}

struct er_str er_automaton_prefix(const struct er_automaton *a)
{
    return (struct er_str){ a->bytes, a->start ? a->chain : 0u };
}

/* ---- running ---- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static bool is_boundary(struct er_str s, size_t at)
{
    return (at > 0 && is_word(s.p[at - 1])) != (at < s.n && is_word(s.p[at]));
}

static bool may_start(const struct er_automaton *a, struct er_str s, size_t at)
{
    return !a->word_start || is_boundary(s, at);
}

static bool may_end(const struct er_automaton *a, struct er_str s, size_t at)
{
    return (!a->end || at == s.n) && (!a->word_end || is_boundary(s, at));
}

static uint64_t follow(const struct er_automaton *a, unsigned position)
{
    unsigned skipped = a->chain > 0 ? a->chain - 1u : 0;

    return position < skipped ? bit(position + 1) : a->follow[position - skipped];
}

static bool takes(const struct er_automaton *a, unsigned position, unsigned char c)
{
    unsigned char byte = (unsigned char)a->bytes[position];

    return (a->classes >> position & 1) != 0 ? (a->sets[byte].bits[c / 64] >> c % 64 & 1) != 0 : byte == c;
}

/* The positions after one byte more; `enter`: those that a match could begin at. */
static uint64_t step(const struct er_automaton *a, uint64_t active, uint64_t enter, unsigned char c)
{
    uint64_t next = (c & 0xC0) == 0x80 ? active & a->wide : 0;

    for (; active != 0; active &= active - 1) {
        enter |= follow(a, (unsigned)__builtin_ctzll(active));
    }
    for (; enter != 0; enter &= enter - 1) {
        unsigned position = (unsigned)__builtin_ctzll(enter);

        next |= takes(a, position, c) ? bit(position) : 0;
    }
    return next;
}

static bool has_chain(const struct er_automaton *a, struct er_str s, size_t at)
{
    return s.n - at >= a->chain && memcmp(s.p + at, a->bytes, a->chain) == 0;
}

/* Whether a match begins at the start, after which the first bytes have led to the active positions. */
static bool goes_on(const struct er_automaton *a, struct er_str s, size_t at, uint64_t active)
{
    uint64_t enter = active == 0 ? a->first : 0;

    if ((active & a->last) != 0 && may_end(a, s, at)) {
        return true;
    }
    while (at < s.n && (active | enter) != 0) {
        active = step(a, active, enter, (unsigned char)s.p[at++]);
        enter = 0;
        if ((active & a->last) != 0 && may_end(a, s, at)) {
            return true;
        }
    }
    return false;
}

static bool accepts_at_start(const struct er_automaton *a, struct er_str s)
{
    if (!may_start(a, s, 0) || (a->chain > 0 && !has_chain(a, s, 0))) {
        return false;
    }
    if (a->nullable && may_end(a, s, 0)) {
        return true;
    }
    return goes_on(a, s, a->chain, a->chain > 0 ? bit(a->chain - 1u) : 0);
}

/* The next place where the chain stands, or s.n. */
static size_t next_chain(const struct er_automaton *a, struct er_str s, size_t at)
{
    while (at < s.n) {
        const char *found = memchr(s.p + at, (unsigned char)a->bytes[0], s.n - at);

        if (found == NULL) {
            return s.n;
        }
        at = (size_t)(found - s.p);
        if (may_start(a, s, at) && has_chain(a, s, at)) {
            return at;
        }
        at++;
    }
    return s.n;
}

/* While no match is under way, the next one is looked for by its chain. */
static bool accepts_anywhere(const struct er_automaton *a, struct er_str s)
{
    uint64_t active = 0;

    for (size_t at = 0; at < s.n;) {
        if (active == 0 && a->chain > 0) {
            at = next_chain(a, s, at) + a->sure;
            active = bit(a->sure - 1u);
        } else {
            active = step(a, active, may_start(a, s, at) ? a->first : 0, (unsigned char)s.p[at]);
            at++;
        }
        if (at <= s.n && (active & a->last) != 0 && may_end(a, s, at)) {
            return true;
        }
    }
    return false;
}

bool er_automaton_accepts(const struct er_automaton *a, struct er_str s)
{
    if (a->start) {
        return accepts_at_start(a, s);
    }
    /* The empty text stands everywhere, and at the end too. */
    return a->nullable || accepts_anywhere(a, s);
}
