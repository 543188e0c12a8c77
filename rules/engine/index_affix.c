#include "rules/engine/index_kinds.h"

#include "rules/engine/grow.h"

/* Bytes of a part that are hashed, at its open end: a long text is not read again for every length in use. */
#define HASHED_BYTES 64u

/* Lengths of prefixes at a path from which on searches bring no new one. */
#define SEARCH_LENGTHS 16u

static uint32_t tag_of(const struct er_index *index, uint32_t node, enum er_test_op op, struct er_str part)
{
    bool at_end = op == ER_OP_SUFFIX || op == ER_OP_FOLD_SUFFIX;
    struct er_str hashed = part;

    if (part.n > HASHED_BYTES) {
        hashed = (struct er_str){ part.p + (at_end ? 0 : part.n - HASHED_BYTES), HASHED_BYTES };
    }
    return er_hash_tag(er_hash_with(er_hash(hashed, index->catalog->seed), (uint64_t)node << 8 | (uint64_t)op) + part.n);
}

/* A part of a value. */
struct part {
    enum er_test_op op; /* which part */
    struct er_str text;
};

/* What a value must have to be one for the test. */
static struct part part_of(const struct er_test *test)
{
    bool search = test->op == ER_OP_GLOB || test->op == ER_OP_REGEX;

    return search ? (struct part){ ER_OP_PREFIX, test->u.search->literal } : (struct part){ (enum er_test_op)test->op, test->text };
}

static struct er_lengths *lengths_of(struct er_path_index *path, enum er_test_op op)
{
    bool fold = op == ER_OP_FOLD_PREFIX || op == ER_OP_FOLD_SUFFIX;

    if (op == ER_OP_PREFIX || op == ER_OP_FOLD_PREFIX) {
        return fold ? &path->fold_prefix : &path->prefix;
    }
    return fold ? &path->fold_suffix : &path->suffix;
}

/* Position of the first length that is not below n. */
static uint32_t position(const struct er_lengths *lengths, size_t n)
{
    uint32_t low = 0, high = lengths->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (lengths->items[middle].n < n) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool lengths_add(struct er_lengths *lengths, size_t n)
{
    uint32_t at = position(lengths, n);

    if (at == lengths->n || lengths->items[at].n != n) {
        if (!er_grow(&lengths->items, &lengths->capacity, sizeof *lengths->items, lengths->n)) {
            return false;
        }
        memmove(lengths->items + at + 1, lengths->items + at, (lengths->n - at) * sizeof *lengths->items);
        lengths->items[at] = (struct er_length){ (uint32_t)n, 0 };
        lengths->n++;
    }
    lengths->items[at].uses++;
    return true;
}

static void lengths_remove(struct er_lengths *lengths, size_t n)
{
    uint32_t at = position(lengths, n);

    if (--lengths->items[at].uses == 0) {
        lengths->n--;
        memmove(lengths->items + at, lengths->items + at + 1, (lengths->n - at) * sizeof *lengths->items);
    }
}

bool er_affix_add(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    struct part part = part_of(test);
    uint32_t tag = tag_of(index, test->node, part.op, part.text);

    if (!er_table_reserve(&index->affix, tag, 1) || !lengths_add(lengths_of(path, part.op), part.text.n)) {
        return false;
    }
    er_table_add(&index->affix, tag, id);
    return true;
}

void er_affix_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    struct part part = part_of(test);

    er_table_remove(&index->affix, tag_of(index, test->node, part.op, part.text), id);
    lengths_remove(lengths_of(path, part.op), part.text.n);
}

/* ---- searches ---- */

/* A text that everything that the test accepts starts with. */
static struct er_str prefix_of(const struct er_test *test)
{
    const char *star;

    if (test->op == ER_OP_REGEX) {
        return er_regex_prefix(test->u.search->regex);
    }
    star = test->op == ER_OP_GLOB ? memchr(test->text.p, (unsigned char)ER_GLOB_STAR, test->text.n) : NULL;
    return (struct er_str){ test->text.p, star == NULL ? 0 : (size_t)(star - test->text.p) };
}

/* Does a test stand under this prefix? */
static bool is_taken(const struct er_index *index, uint32_t node, struct er_str prefix)
{
    uint32_t tag = tag_of(index, node, ER_OP_PREFIX, prefix);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->affix, tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);
        struct part part = part_of(test);

        if (test->node == node && part.op == ER_OP_PREFIX && er_str_eq(part.text, prefix)) {
            return true;
        }
    }
    return false;
}

/* Every length in use costs each value a look-up. */
static bool is_cheap_length(const struct er_path_index *path, size_t n)
{
    const struct er_lengths *lengths = path != NULL ? &path->prefix : NULL;
    uint32_t at = lengths != NULL ? position(lengths, n) : 0;

    return lengths == NULL || lengths->n < SEARCH_LENGTHS || (at < lengths->n && lengths->items[at].n == n);
}

bool er_affix_place(const struct er_index *index, struct er_test *test)
{
    struct er_str prefix = prefix_of(test);
    size_t wanted = test->u.search->literal.n < ER_GRAM_MAX ? test->u.search->literal.n : ER_GRAM_MAX;

    if (prefix.n == 0 || prefix.n < wanted || is_taken(index, test->node, prefix) ||
        !is_cheap_length(er_index_path(index, test->node), prefix.n)) {
        return false;
    }
    test->u.search->literal = prefix;
    return true;
}

/* ---- probing ---- */

void er_affix_found(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits)
{
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->affix, lookup->tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);
        struct part part = part_of(test);

        if (test->node == lookup->node && part.op == (enum er_test_op)lookup->op && er_test_accepts_kind(test, lookup->kind) &&
            er_str_eq(part.text, lookup->text)) {
            hits->hit(hits, id, part.op == (enum er_test_op)test->op);
        }
    }
}

/* The texts of a value that have parts. */
struct whole {
    uint32_t node;
    enum er_test_op op;
    uint8_t kind;
    struct er_str text;
};

/* Every length in use that fits, at the start or at the end of the text. The value's own text lasts, another form of it does not. */
static void look_each(const struct er_index *index, const struct er_lengths *lengths, const struct whole *whole,
                      struct er_hits *hits)
{
    bool at_end = whole->op == ER_OP_SUFFIX || whole->op == ER_OP_FOLD_SUFFIX;
    bool lasting = whole->op == ER_OP_PREFIX || whole->op == ER_OP_SUFFIX;

    for (uint32_t i = 0; i < lengths->n && lengths->items[i].n <= whole->text.n; i++) {
        size_t n = lengths->items[i].n;
        struct er_str text = { whole->text.p + (at_end ? whole->text.n - n : 0), n };
        struct er_lookup *lookup = er_index_room(index, hits);

        lookup->table = &index->affix;
        lookup->text = text;
        lookup->tag = tag_of(index, whole->node, whole->op, text);
        lookup->node = whole->node;
        lookup->field = hits->field;
        lookup->op = (uint8_t)whole->op;
        lookup->kind = whole->kind;
        if (lasting) {
            er_index_keep(index, lookup, hits);
        } else {
            er_index_keep_copy(index, lookup, hits);
        }
    }
}

/* Can the folded form of so many bytes be as long as a length in use? Two bytes may become three. */
static bool may_fold(const struct er_path_index *path, size_t n)
{
    return (path->fold_prefix.n > 0 && path->fold_prefix.items[0].n <= n + n / 2) ||
           (path->fold_suffix.n > 0 && path->fold_suffix.items[0].n <= n + n / 2);
}

static inline void look_lengths(const struct er_index *index, const struct er_lengths *lengths, const struct whole *whole,
                                struct er_hits *hits)
{
    if (lengths->n > 0 && lengths->items[0].n <= whole->text.n) {
        look_each(index, lengths, whole, hits);
    }
}

void er_affix_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits)
{
    struct whole whole = { .node = path->node, .kind = value->kind, .text = value->text };

    if (value->kind <= ER_FIELD_BOOL) {
        whole.op = ER_OP_PREFIX;
        look_lengths(index, &path->prefix, &whole, hits);
        whole.op = ER_OP_SUFFIX;
        look_lengths(index, &path->suffix, &whole, hits);
    }
    if (value->kind == ER_FIELD_STRING && may_fold(path, value->text.n)) {
        whole.text = er_scalar_folded(value);
        whole.op = ER_OP_FOLD_PREFIX;
        look_lengths(index, &path->fold_prefix, &whole, hits);
        whole.op = ER_OP_FOLD_SUFFIX;
        look_lengths(index, &path->fold_suffix, &whole, hits);
    }
}
