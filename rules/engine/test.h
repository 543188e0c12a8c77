/* One test: a path, an operator, an operand. It exists once however many rules use it, and is immutable while it does.
 *
 * A `types` entry and an entry of `regex` are read for what they ask: `^u123$` is an equality, `@example\.org$` a suffix, `order.*` a
 * prefix. Such tests need no regex engine, and each has an index of its own kind.
 */
#ifndef ER_RULES_ENGINE_TEST_H
#define ER_RULES_ENGINE_TEST_H

#include <stdint.h>
#include "rules/language/regex.h"

enum er_test_op {
    ER_OP_ANY, /* every value */
    ER_OP_EXACT,
    ER_OP_PREFIX,
    ER_OP_SUFFIX,
    ER_OP_CONTAINS,
    ER_OP_GLOB,
    ER_OP_REGEX
};

/* Which index finds the values a test may accept. */
enum er_index_kind {
    ER_INDEX_EXACT,
    ER_INDEX_AFFIX,
    ER_INDEX_GRAM,
    ER_INDEX_EVERY, /* none: asked for every value of its path */
    ER_INDEX_KINDS
};

#define ER_GRAM_MAX 8u

/* What a test asks, before it has an id. Borrows. */
struct er_question {
    uint32_t node; /* the path: a node of the catalog */
    enum er_test_op op;
    struct er_str text;     /* operand; the text of a glob or regex */
    struct er_regex *regex; /* only ER_OP_REGEX */
};

#define ER_TEST_SMALL 16u

/* One cache line; the order of the members has no gaps. */
struct er_test {
    struct er_str text;    /* operand; for a regex its pattern */
    struct er_str literal; /* ER_INDEX_GRAM: every accepted value contains it; placing may choose another one */
    union {
        char small[ER_TEST_SMALL]; /* exact, prefix, suffix: a short operand itself */
        struct {
            uint64_t gram; /* ER_INDEX_GRAM: up to 8 bytes of the literal, little endian whatever the machine */
            struct er_regex *regex;
        } search;
    } u;
    uint32_t node;
    uint32_t refs;     /* terms that use it; writer only */
    uint32_t tag;      /* of the table that finds equal tests; writer only */
    uint16_t gram_at;  /* place of the gram in the literal */
    uint8_t op;        /* enum er_test_op */
    uint8_t index : 3; /* enum er_index_kind */
    uint8_t gram_bytes : 4;
    uint8_t placed : 1; /* gram chosen; writer only */
};

/* What an entry of `types` and an entry of `regex` ask. scratch has room for entry.n bytes and outlives the question's use. */
struct er_question er_question_of_type(uint32_t node, struct er_str entry);
struct er_question er_question_of_regex(uint32_t node, struct er_regex *regex, char *scratch);

/* Fills a zeroed test: copies the operand, references the regex. false without memory. */
bool er_test_init(struct er_test *test, const struct er_question *question);
void er_test_fini(struct er_test *test);
bool er_test_asks(const struct er_test *test, const struct er_question *question);

/* Does the test accept this value? The index may have answered already, then nobody asks. */
enum er_truth er_test_accepts(const struct er_test *test, struct er_regex_scratch *scratch, struct er_str value);

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
