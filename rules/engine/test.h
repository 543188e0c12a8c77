/* One test: a path, an operator, an operand. It exists once however many rules use it, and is immutable while it does.
 *
 * A `types` entry, an entry of `regex` and a wildcard are read for what they ask: `^u123$` is an equality, `@example\.org$` a suffix,
 * `order.*` a prefix. Such tests need no regex engine, and each has an index of its own kind.
 *
 * Two tests stand for others: SET accepts what one of many plain values accepts, BUT holds when there is a value that none of its
 * operands accepts. Their text is the list of these tests' ids.
 */
#ifndef ER_RULES_ENGINE_TEST_H
#define ER_RULES_ENGINE_TEST_H

#include <stdatomic.h>
#include <stdint.h>
#include "rules/base/range.h"
#include "rules/engine/scalar.h"
#include "rules/language/cidr.h"
#include "rules/language/pattern.h"
#include "rules/language/regex.h"

enum er_test_op {
    ER_OP_ANY,    /* every value of the kinds it accepts */
    ER_OP_EXACT,  /* the text of a string; also true, false, null */
    ER_OP_NUMBER, /* text: the key of an exact decimal */
    ER_OP_PREFIX,
    ER_OP_SUFFIX,
    ER_OP_FOLD_EXACT, /* the same on folded text */
    ER_OP_FOLD_PREFIX,
    ER_OP_FOLD_SUFFIX,
    ER_OP_CIDR, /* text: bytes of the address, then the length */
    ER_OP_RANGE,
    ER_OP_CONTAINS,
    ER_OP_GLOB, /* ER_GLOB_STAR stands for any run */
    ER_OP_REGEX,
    ER_OP_SET,
    ER_OP_BUT,
    ER_OP_PRESENT,
    ER_OP_ABSENT,
    ER_OPS
};

/* A byte that no UTF-8 text holds. */
#define ER_GLOB_STAR ((char)0xFF)

/* Which index finds the values a test may accept. */
enum er_index_kind {
    ER_INDEX_EXACT,
    ER_INDEX_AFFIX,
    ER_INDEX_GRAM,
    ER_INDEX_RANGE,
    ER_INDEX_CIDR,
    ER_INDEX_PRESENT,
    ER_INDEX_EVERY, /* no key: asked for every value of its path */
    ER_INDEX_NONE,  /* no value can be a sign that it holds; or others are indexed in its place (SET) */
    ER_INDEX_KINDS
};

#define ER_GRAM_MAX 8u

/* Bits of er_question.accepts: kinds of values. */
#define ER_ACCEPTS(kind) (1u << (kind))
#define ER_ACCEPTS_STRING ER_ACCEPTS(ER_FIELD_STRING)
#define ER_ACCEPTS_NUMBER ER_ACCEPTS(ER_FIELD_NUMBER)
#define ER_ACCEPTS_TEXT (ER_ACCEPTS_STRING | ER_ACCEPTS_NUMBER | ER_ACCEPTS(ER_FIELD_BOOL)) /* what entries of `regex` look at */
#define ER_ACCEPTS_ALL (ER_ACCEPTS_TEXT | ER_ACCEPTS(ER_FIELD_NULL) | ER_ACCEPTS(ER_FIELD_OBJECT))

/* What a test asks, before it has an id. Borrows. */
struct er_question {
    uint32_t node; /* the path: a node of the catalog */
    enum er_test_op op;
    unsigned accepts;                 /* kinds of values that it can hold on */
    struct er_str text;               /* operand */
    struct er_regex *regex;           /* ER_OP_REGEX */
    const struct er_numeric *numeric; /* ER_OP_RANGE; text is er_numeric_text of it */
};

#define ER_TEST_SMALL 16u

/* How a CONTAINS, GLOB or REGEX is found. The text of the first two follows. */
struct er_search {
    struct er_str literal; /* every accepted value contains it, or starts with it; placing may choose another one */
    uint64_t gram;         /* up to 8 bytes of the literal, little endian whatever the machine */
    struct er_regex *regex;
    uint16_t gram_at; /* place of the gram in the literal */
    uint8_t gram_bytes;
    atomic_uint decided;  /* runs since an overrun that ended with an answer */
    atomic_uint overruns; /* runs that ended at a limit of one value */
};

/* The bounds of an ER_OP_RANGE; they borrow the literals that follow. */
struct er_bounds {
    struct er_range range;
    bool different; /* every number but the lower bound */
    size_t literals;
};

/* A hash table of members: slots hold their place in the list of ids plus 1, or 0. */
struct er_set {
    uint32_t mask;
    uint32_t slots[];
};

struct er_test {
    struct er_str text; /* operand; for a regex its pattern */
    union {
        char small[ER_TEST_SMALL]; /* a short operand itself */
        struct er_search *search;
        struct er_bounds *bounds;
        struct er_set *set;
    } u;
    uint32_t node;
    uint32_t refs; /* terms and tests that use it; writer only */
    uint32_t tag;  /* of the table that finds equal tests; writer only */
    uint8_t op;    /* enum er_test_op */
    uint8_t accepts;
    uint8_t index; /* enum er_index_kind */
    uint8_t level; /* 0: has no gram yet; else 1 + log2 of refs when terms posted under it were last looked at; writer only */
};

/* What an entry of `types` and an entry of `regex` ask. scratch has room for so many bytes and outlives the question's use. */
struct er_question er_question_of_type(uint32_t node, struct er_str entry, char *scratch);
struct er_question er_question_of_regex(uint32_t node, struct er_regex *regex, unsigned accepts, char *scratch);

/* What one operand of a pattern's entry asks. ER_OPERATOR_EXISTS has none. scratch has er_question_room bytes. */
struct er_question er_question_of_operand(uint32_t node, enum er_operator op, const struct er_operand *operand, char *scratch);
size_t er_question_room(enum er_operator op, const struct er_operand *operand);

/* Fills a zeroed test: copies the operand, references the regex. false without memory. */
bool er_test_init(struct er_test *test, const struct er_question *question);
void er_test_fini(struct er_test *test);
bool er_test_asks(const struct er_test *test, const struct er_question *question);

/* Bytes that the test holds outside itself, about. */
size_t er_test_bytes(const struct er_test *test);

/* SET and BUT: the tests that it stands for. */
static inline const uint32_t *er_test_members(const struct er_test *test, size_t *n)
{
    *n = test->op == ER_OP_SET || test->op == ER_OP_BUT ? test->text.n / sizeof(uint32_t) : 0;
    return (const uint32_t *)(const void *)test->text.p;
}

static inline bool er_test_accepts_kind(const struct er_test *test, unsigned kind)
{
    return (test->accepts >> kind & 1u) != 0;
}

/* Whoever asks, and why the last answer was undecided: static text. */
struct er_asking {
    struct er_regex_scratch *scratch;
    const char *reason;
    bool ran;         /* set when a regex was run */
    bool quarantined; /* set when that was its last time */
};

/* Does the test, which stands for no others, hold on this value? The index may have answered already, then nobody asks. */
enum er_truth er_test_accepts(const struct er_test *test, struct er_asking *asking, struct er_scalar *value);

/* SET: the members are entered by the hash of their text. The place of the next one with such a hash, *step starts at 0; the number of
 * members at the end. */
void er_set_enter(struct er_test *set, size_t member, uint64_t hash);
size_t er_set_next(const struct er_test *set, uint64_t hash, size_t *step);

/* The block of an ER_OP_CIDR. */
struct er_cidr er_test_cidr(const struct er_test *test);

/* A regex that has gone over its limits for one value again and again is run no more: the test is undecided. */
bool er_test_quarantined(const struct er_test *test);

/* Up to 8 bytes at p as one number. */
static inline uint64_t er_gram_load(const char *p, size_t n)
{
    uint64_t gram = 0;

    memcpy(&gram, p, n);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    gram = __builtin_bswap64(gram);
#endif
    return gram;
}

#endif
