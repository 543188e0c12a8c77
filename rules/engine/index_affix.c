#include "rules/engine/index_kinds.h"

#include "rules/engine/grow.h"

static uint32_t tag_of(const struct er_index *index, uint32_t node, enum er_test_op op, struct er_str part)
{
    return er_hash_tag(er_hash_with(er_hash(part, index->catalog->seed), (uint64_t)node << 8 | (uint64_t)op));
}

static struct er_lengths *lengths_of(struct er_path_index *path, const struct er_test *test)
{
    return test->op == ER_OP_PREFIX ? &path->prefix : &path->suffix;
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

    if (!er_table_reserve(&index->affix, 1) || !lengths_add(lengths_of(path, test), test->text.n)) {
        return false;
    }
    er_table_add(&index->affix, tag_of(index, test->node, (enum er_test_op)test->op, test->text), id);
    return true;
}

void er_affix_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    er_table_remove(&index->affix, tag_of(index, test->node, (enum er_test_op)test->op, test->text), id);
    lengths_remove(lengths_of(path, test), test->text.n);
}

static void probe_part(const struct er_index *index, const struct er_question *asked, struct er_hits *hits)
{
    uint32_t tag = tag_of(index, asked->node, asked->op, asked->text);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->affix, tag, &step)) != ER_NONE;) {
        if (er_test_asks(er_catalog_test(index->catalog, id), asked)) {
            hits->hit(hits, id, true);
            return;
        }
    }
}

void er_affix_probe(const struct er_index *index, uint32_t node, struct er_str value, struct er_hits *hits)
{
    const struct er_path_index *path = index->paths[node];
    struct er_question asked = { .node = node };

    asked.op = ER_OP_PREFIX;
    for (uint32_t i = 0; i < path->prefix.n && path->prefix.items[i].n <= value.n; i++) {
        asked.text = (struct er_str){ value.p, path->prefix.items[i].n };
        probe_part(index, &asked, hits);
    }
    asked.op = ER_OP_SUFFIX;
    for (uint32_t i = 0; i < path->suffix.n && path->suffix.items[i].n <= value.n; i++) {
        asked.text = (struct er_str){ value.p + (value.n - path->suffix.items[i].n), path->suffix.items[i].n };
        probe_part(index, &asked, hits);
    }
}
