#include "rules/engine/index_kinds.h"

static uint32_t tag_of(const struct er_index *index, uint32_t node, struct er_str value)
{
    return er_hash_tag(er_hash_with(er_hash(value, index->catalog->seed), node));
}

bool er_exact_add(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    if (!er_table_reserve(&index->exact, 1)) {
        return false;
    }
    er_table_add(&index->exact, tag_of(index, test->node, test->text), id);
    path->exact++;
    return true;
}

void er_exact_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    er_table_remove(&index->exact, tag_of(index, test->node, test->text), id);
    path->exact--;
}

void er_exact_probe(const struct er_index *index, uint32_t node, struct er_str value, struct er_hits *hits)
{
    uint32_t tag = tag_of(index, node, value);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->exact, tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);

        if (test->node == node && er_str_eq(test->text, value)) {
            hits->hit(hits, id, true);
            return;
        }
    }
}
