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

static uint64_t length_bit(size_t n)
{
    return UINT64_C(1) << n % 64;
}

bool er_exact_add(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    uint32_t tag = tag_of(index, test->node, (enum er_test_op)test->op, test->text);

    if (!er_table_reserve(&index->exact, tag, 1)) {
        return false;
    }
    er_table_add(&index->exact, tag, id);
    path->lengths |= length_bit(test->text.n);
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
    if (path->exact + path->numbers + path->folded == 0) {
        path->lengths = 0;
    }
}

/* Tests with one text differ in the kinds of values that they accept. */
void er_exact_found(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits)
{
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->exact, lookup->tag, &step)) != ER_NONE;) {
        const struct er_test *test = er_catalog_test(index->catalog, id);

        if (test->node == lookup->node && test->op == lookup->op && er_test_accepts_kind(test, lookup->kind) &&
            er_str_eq(test->text, lookup->text)) {
            hits->hit(hits, id, true);
        }
    }
}

/* Can the folded form of so many bytes have a length in use? Three bytes may become one, and two three. */
static bool may_fold(const struct er_path_index *path, size_t n)
{
    size_t least = (n + 2) / 3, most = n + n / 2;

    return most >= 64 || path->lengths >> least << least << (63 - most) != 0;
}

/* A look-up of the hits' field, or NULL: no test has so many bytes. */
static struct er_lookup *look_for(const struct er_index *index, const struct er_path_index *path, enum er_test_op op,
                                  struct er_str text, struct er_hits *hits)
{
    struct er_lookup *lookup;

    if ((path->lengths & length_bit(text.n)) == 0) {
        return NULL;
    }
    lookup = er_index_room(index, hits);
    lookup->table = &index->exact;
    lookup->text = text;
    lookup->tag = tag_of(index, path->node, op, text);
    lookup->node = path->node;
    lookup->field = hits->field;
    lookup->op = (uint8_t)op;
    return lookup;
}

void er_exact_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits)
{
    bool number = value->kind == ER_FIELD_NUMBER;
    struct er_lookup *lookup;

    if (path->exact > 0 && value->kind <= ER_FIELD_NULL && (!number || path->texts > 0) &&
        (lookup = look_for(index, path, ER_OP_EXACT, value->text, hits)) != NULL) {
        lookup->kind = value->kind;
        er_index_keep(index, lookup, hits);
    }
    if (path->numbers > 0 && number && (lookup = look_for(index, path, ER_OP_NUMBER, er_scalar_key(value), hits)) != NULL) {
        lookup->kind = value->kind;
        er_index_keep_copy(index, lookup, hits);
    }
    if (path->folded > 0 && value->kind == ER_FIELD_STRING && may_fold(path, value->text.n) &&
        (lookup = look_for(index, path, ER_OP_FOLD_EXACT, er_scalar_folded(value), hits)) != NULL) {
        lookup->kind = value->kind;
        er_index_keep_copy(index, lookup, hits);
    }
}
