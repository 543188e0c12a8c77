#include "rules/engine/index_kinds.h"

static uint32_t tag_of(const struct er_index *index, uint32_t node, enum er_test_op op, struct er_str value)
{
    return er_hash_tag(er_hash_with(er_hash(value, index->catalog->seed), (uint64_t)node << 8 | (uint64_t)op));
}

static uint32_t *count_of(struct er_path_index *path, const struct er_test *test)
{
    return test->op == ER_OP_NUMBER ? &path->numbers : test->op == ER_OP_FOLD_EXACT ? &path->folded : &path->exact;
}

static bool is_text(const struct er_test *test)
{
    return test->op == ER_OP_EXACT && er_test_accepts_kind(test, ER_FIELD_NUMBER);
}

bool er_exact_add(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    uint32_t tag = tag_of(index, test->node, (enum er_test_op)test->op, test->text);

    if (!er_table_reserve(&index->exact, tag, 1)) {
        return false;
    }
    er_table_add(&index->exact, tag, id);
    ++*count_of(path, test);
    path->texts += is_text(test);
    return true;
}

void er_exact_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    er_table_remove(&index->exact, tag_of(index, test->node, (enum er_test_op)test->op, test->text), id);
    --*count_of(path, test);
    path->texts -= is_text(test);
}

/* Tests with one text differ in the kinds of values that they accept. */
static void probe(const struct er_index *index, const struct er_question *asked, unsigned kind, struct er_hits *hits)
{
    uint32_t tag = tag_of(index, asked->node, asked->op, asked->text);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->exact, tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);

        er_hits_prefetch(hits, id);
        if (test->node == asked->node && test->op == (uint8_t)asked->op && er_test_accepts_kind(test, kind) &&
            er_str_eq(test->text, asked->text)) {
            hits->hit(hits, id, true);
        }
    }
}

void er_exact_probe(const struct er_index *index, uint32_t node, struct er_scalar *value, struct er_hits *hits)
{
    const struct er_path_index *path = er_index_path(index, node);
    struct er_question asked = { .node = node, .op = ER_OP_EXACT, .text = value->text };
    bool number = value->kind == ER_FIELD_NUMBER;

    if (path->exact > 0 && value->kind <= ER_FIELD_NULL && (!number || path->texts > 0)) {
        probe(index, &asked, value->kind, hits);
    }
    if (path->numbers > 0 && number) {
        asked.op = ER_OP_NUMBER;
        asked.text = er_scalar_key(value);
        probe(index, &asked, value->kind, hits);
    }
    if (path->folded > 0 && value->kind == ER_FIELD_STRING) {
        asked.op = ER_OP_FOLD_EXACT;
        asked.text = er_scalar_folded(value);
        probe(index, &asked, value->kind, hits);
    }
}
