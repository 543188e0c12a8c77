#include "rules/engine/index_kinds.h"

#include "rules/engine/grow.h"

/* Bytes of a part that are hashed, at its open end: a long text is not read again for every length in use. */
#define HASHED_BYTES 64u

static uint32_t tag_of(const struct er_index *index, uint32_t node, enum er_test_op op, struct er_str part)
{
    bool at_end = op == ER_OP_SUFFIX || op == ER_OP_FOLD_SUFFIX;
    struct er_str hashed = part;

    if (part.n > HASHED_BYTES) {
        hashed = (struct er_str){ part.p + (at_end ? 0 : part.n - HASHED_BYTES), HASHED_BYTES };
    }
    return er_hash_tag(er_hash_with(er_hash(hashed, index->catalog->seed), (uint64_t)node << 8 | (uint64_t)op) + part.n);
}

static struct er_lengths *lengths_of(struct er_path_index *path, const struct er_test *test)
{
    bool fold = test->op == ER_OP_FOLD_PREFIX || test->op == ER_OP_FOLD_SUFFIX;

    if (test->op == ER_OP_PREFIX || test->op == ER_OP_FOLD_PREFIX) {
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
    uint32_t tag = tag_of(index, test->node, (enum er_test_op)test->op, test->text);

    if (!er_table_reserve(&index->affix, tag, 1) || !lengths_add(lengths_of(path, test), test->text.n)) {
        return false;
    }
    er_table_add(&index->affix, tag, id);
    return true;
}

void er_affix_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    er_table_remove(&index->affix, tag_of(index, test->node, (enum er_test_op)test->op, test->text), id);
    lengths_remove(lengths_of(path, test), test->text.n);
}

static void probe_part(const struct er_index *index, const struct er_question *asked, unsigned kind, struct er_hits *hits)
{
    uint32_t tag = tag_of(index, asked->node, asked->op, asked->text);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->affix, tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);

        er_hits_prefetch(hits, id);
        if (test->node == asked->node && test->op == (uint8_t)asked->op && er_test_accepts_kind(test, kind) &&
            er_str_eq(test->text, asked->text)) {
            hits->hit(hits, id, true);
        }
    }
}

/* Every length in use that fits, at the start or at the end of the text. */
static void probe_lengths(const struct er_index *index, const struct er_lengths *lengths, struct er_question asked, unsigned kind,
                          struct er_hits *hits)
{
    struct er_str text = asked.text;
    bool at_end = asked.op == ER_OP_SUFFIX || asked.op == ER_OP_FOLD_SUFFIX;

    for (uint32_t i = 0; i < lengths->n && lengths->items[i].n <= text.n; i++) {
        size_t n = lengths->items[i].n;

        asked.text = (struct er_str){ text.p + (at_end ? text.n - n : 0), n };
        probe_part(index, &asked, kind, hits);
    }
}

static void probe_both(const struct er_index *index, struct er_question asked, unsigned kind, struct er_hits *hits)
{
    const struct er_path_index *path = er_index_path(index, asked.node);
    bool fold = asked.op == ER_OP_FOLD_PREFIX;

    probe_lengths(index, fold ? &path->fold_prefix : &path->prefix, asked, kind, hits);
    asked.op = fold ? ER_OP_FOLD_SUFFIX : ER_OP_SUFFIX;
    probe_lengths(index, fold ? &path->fold_suffix : &path->suffix, asked, kind, hits);
}

void er_affix_probe(const struct er_index *index, uint32_t node, struct er_scalar *value, struct er_hits *hits)
{
    const struct er_path_index *path = er_index_path(index, node);

    if (value->kind <= ER_FIELD_BOOL) {
        probe_both(index, (struct er_question){ .node = node, .op = ER_OP_PREFIX, .text = value->text }, value->kind, hits);
    }
    if (value->kind == ER_FIELD_STRING && path->fold_prefix.n + path->fold_suffix.n > 0) {
        probe_both(index, (struct er_question){ .node = node, .op = ER_OP_FOLD_PREFIX, .text = er_scalar_folded(value) },
                   value->kind, hits);
    }
}
