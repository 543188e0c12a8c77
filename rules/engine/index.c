#include "rules/engine/index.h"

#include <stdlib.h>
#include "rules/engine/index_kinds.h"

static bool every_add(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    uint32_t node = er_catalog_test(index->catalog, test)->node;

    return er_places_add(&index->places, &path->every, er_index_owner(ER_LIST_EVERY, node), test);
}

static void every_remove(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    uint32_t node = er_catalog_test(index->catalog, test)->node;

    er_places_remove(&index->places, &path->every, er_index_owner(ER_LIST_EVERY, node), test);
}

static bool present_add(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    (void)index;
    path->present = test; /* there is one such test at a path */
    return true;
}

static void present_remove(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    (void)index;
    (void)test;
    path->present = ER_NONE;
}

static bool range_add(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    return er_ranges_add(&path->ranges, &er_catalog_test(index->catalog, test)->u.bounds->range, test);
}

static void range_remove(struct er_index *index, struct er_path_index *path, uint32_t test)
{
    er_ranges_remove(&path->ranges, &er_catalog_test(index->catalog, test)->u.bounds->range);
}

static bool cidr_add(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    struct er_cidr cidr = er_test_cidr(test);

    index->cidrs.seed = index->catalog->seed; /* which has none yet when the index is made */
    return er_cidrs_add(&index->cidrs, &path->cidrs, &cidr, id);
}

static void cidr_remove(struct er_index *index, struct er_path_index *path, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    struct er_cidr cidr = er_test_cidr(test);

    er_cidrs_remove(&index->cidrs, &path->cidrs, &cidr, id);
}

/* For ranges and blocks. */
static void found(void *hits, uint32_t test)
{
    (void)((struct er_hits *)hits)->hit(hits, test, true);
}

static const struct {
    bool (*add)(struct er_index *index, struct er_path_index *path, uint32_t test);
    void (*remove)(struct er_index *index, struct er_path_index *path, uint32_t test);
} kinds[ER_INDEX_KINDS] = {
    [ER_INDEX_EXACT] = { er_exact_add, er_exact_remove }, [ER_INDEX_AFFIX] = { er_affix_add, er_affix_remove },
    [ER_INDEX_GRAM] = { er_gram_add, er_gram_remove },    [ER_INDEX_RANGE] = { range_add, range_remove },
    [ER_INDEX_CIDR] = { cidr_add, cidr_remove },          [ER_INDEX_PRESENT] = { present_add, present_remove },
    [ER_INDEX_EVERY] = { every_add, every_remove }
};

void er_index_init(struct er_index *index, const struct er_catalog *catalog)
{
    *index = (struct er_index){ .catalog = catalog };
    er_stable_init(&index->gram_items, sizeof(struct er_gram));
    er_cidrs_init(&index->cidrs, catalog->seed);
}

static void path_free(struct er_index *index, uint32_t node)
{
    struct er_path_index *path = er_index_path(index, node);

    free(path->prefix.items);
    free(path->suffix.items);
    free(path->fold_prefix.items);
    free(path->fold_suffix.items);
    free(path);
    *er_pages_at(&index->paths, node, struct er_path_index *) = NULL;
    index->path_bytes -= sizeof *path;
}

void er_index_fini(struct er_index *index)
{
    for (uint32_t i = 0; i < index->paths.capacity * ER_PAGE_ELEMENTS; i++) {
        struct er_path_index *path = er_index_path(index, i);

        if (path != NULL) {
            er_gram_fini(index, path);
            er_ranges_fini(&path->ranges);
            er_cidr_path_fini(&path->cidrs);
            er_idlist_fini(&path->every);
            path_free(index, i);
        }
    }
    er_pages_fini(&index->paths);
    er_cidrs_fini(&index->cidrs);
    er_table_fini(&index->exact);
    er_table_fini(&index->affix);
    er_table_fini(&index->gram);
    er_stable_fini(&index->gram_items);
    er_places_fini(&index->places);
}

static struct er_path_index *path_open(struct er_index *index, uint32_t node)
{
    struct er_path_index *path;

    if (!er_pages_reserve(&index->paths, sizeof path, node)) {
        return NULL;
    }
    path = er_index_path(index, node);
    if (path == NULL) {
        path = calloc(1, sizeof *path);
        if (path == NULL) {
            return NULL;
        }
        path->present = ER_NONE;
        path->node = node;
        path->cidrs.node = node;
        *er_pages_at(&index->paths, node, struct er_path_index *) = path;
        index->path_bytes += sizeof *path;
    }
    return path;
}

static uint32_t kinds_of(const struct er_path_index *path)
{
    uint32_t affixes = path->prefix.n + path->suffix.n + path->fold_prefix.n + path->fold_suffix.n;

    return (path->exact + path->numbers + path->folded > 0 ? ER_INDEX_EXACTS : 0) | (affixes > 0 ? ER_INDEX_AFFIXES : 0) |
           (er_ranges_is_empty(&path->ranges) ? 0 : ER_INDEX_RANGES) | (path->cidrs.n > 0 ? ER_INDEX_CIDRS : 0) |
           (path->gram_lengths != 0 || path->every.u.word != 0 ? ER_INDEX_SEARCHED : 0) |
           (path->present != ER_NONE ? ER_INDEX_PRESENCE : 0);
}

/* After a change there. */
static void path_settle(struct er_index *index, uint32_t node)
{
    struct er_path_index *path = er_index_path(index, node);

    path->kinds = kinds_of(path);
    if (path->kinds == 0) {
        path_free(index, node);
    }
}

bool er_index_add(struct er_index *index, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);
    struct er_path_index *path = path_open(index, test->node);
    bool done;

    if (path == NULL) {
        return false;
    }
    done = kinds[test->index].add(index, path, id);
    path_settle(index, test->node);
    return done;
}

void er_index_remove(struct er_index *index, uint32_t id)
{
    const struct er_test *test = er_catalog_test(index->catalog, id);

    kinds[test->index].remove(index, er_index_path(index, test->node), id);
    path_settle(index, test->node);
}

void er_index_place(const struct er_index *index, struct er_test *test)
{
    if (test->index == ER_INDEX_GRAM && er_affix_place(index, test)) {
        test->index = ER_INDEX_AFFIX;
    } else if (test->index == ER_INDEX_GRAM) {
        er_gram_place(index, test);
    }
}

uint64_t er_index_rarity(size_t length)
{
    static const uint8_t by_length[] = { 255, 96, 24, 6, 2 };

    return by_length[length < 4 ? length : 4];
}

/* A block is the rarer the longer it is; half the bits of IPv6 say which network. */
static uint64_t cidr_weight(const struct er_test *test)
{
    struct er_cidr cidr = er_test_cidr(test);
    unsigned quarters = cidr.network.v6 ? cidr.length / 16u : cidr.length / 8u;

    return er_index_rarity(quarters);
}

static uint64_t affix_weight(const struct er_test *test)
{
    switch ((int)test->op) {
    case ER_OP_PREFIX:
    case ER_OP_SUFFIX:
        return er_index_rarity(test->text.n);
    case ER_OP_FOLD_PREFIX:
    case ER_OP_FOLD_SUFFIX:
        return er_index_rarity(test->text.n) + 2;
    default: /* a search, to be run for what it starts with */
        return er_index_rarity(test->u.search->literal.n) + 1;
    }
}

uint64_t er_index_weight(const struct er_test *test)
{
    switch ((enum er_index_kind)test->index) {
    case ER_INDEX_EXACT:
        return test->op == ER_OP_FOLD_EXACT ? 2 : test->node == ER_NODE_TYPE ? 5 : 1; /* of types there are few */
    case ER_INDEX_AFFIX:
        return affix_weight(test);
    case ER_INDEX_GRAM: /* a regex costs a run for each value that contains its literal */
        return test->op == ER_OP_CONTAINS ? er_index_rarity(test->u.search->literal.n) + 1
                                          : 2 * er_index_rarity(test->u.search->literal.n);
    case ER_INDEX_CIDR:
        return cidr_weight(test);
    case ER_INDEX_RANGE:
        return er_range_decades(&test->u.bounds->range) < 0.1 ? 12 : er_range_decades(&test->u.bounds->range) < 1.0 ? 60 : 300;
    case ER_INDEX_PRESENT:
        return 600;
    case ER_INDEX_EVERY:
    case ER_INDEX_NONE:
    case ER_INDEX_KINDS:
    default:
        return 1000;
    }
}

void er_index_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits)
{
    struct er_address address;

    if ((path->kinds & ER_INDEX_PRESENCE) != 0) {
        hits->hit(hits, path->present, true);
    }
    if ((path->kinds & ER_INDEX_EXACTS) != 0) {
        er_exact_look(index, path, value, hits);
    }
    if ((path->kinds & ER_INDEX_AFFIXES) != 0) {
        er_affix_look(index, path, value, hits);
    }
    if ((path->kinds & ER_INDEX_RANGES) != 0 && value->kind == ER_FIELD_NUMBER) {
        er_ranges_find(&path->ranges, er_scalar_decimal(value), found, hits);
    }
    if ((path->kinds & ER_INDEX_CIDRS) != 0 && value->kind == ER_FIELD_STRING && er_scalar_address(value, &address)) {
        er_cidrs_find(&index->cidrs, &path->cidrs, &address, found, hits);
    }
}

void er_index_found_one(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits)
{
    if (lookup->table == &index->exact) {
        er_exact_found(index, lookup, hits);
    } else {
        er_affix_found(index, lookup, hits);
    }
}

void er_index_found(const struct er_index *index, struct er_hits *hits)
{
    uint32_t field = hits->field;

    for (uint32_t i = 0; i < hits->lookups->n; i++) {
        hits->field = hits->lookups->items[i].field;
        er_index_found_one(index, &hits->lookups->items[i], hits);
    }
    hits->field = field;
    hits->lookups->n = 0;
    hits->lookups->used = 0;
}

void er_index_keep_copy(const struct er_index *index, struct er_lookup *lookup, struct er_hits *hits)
{
    struct er_lookups *lookups = hits->lookups;

    if (hits->at_once || lookup->text.n > ER_LOOKUP_ROOM) {
        er_index_found_one(index, lookup, hits);
        return;
    }
    if (lookup->text.n > ER_LOOKUP_ROOM - lookups->used) {
        struct er_lookup moved = *lookup;

        er_index_found(index, hits);
        lookup = er_index_room(index, hits);
        *lookup = moved;
    }
    if (lookup->text.n > 0) {
        lookup->text.p = memcpy(lookups->room + lookups->used, lookup->text.p, lookup->text.n);
        lookups->used += (uint32_t)lookup->text.n;
    }
    er_index_keep(index, lookup, hits);
}

void er_index_search(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits)
{
    if (value->kind <= ER_FIELD_BOOL) {
        er_gram_probe(index, path, value, hits);
    }
}

size_t er_index_bytes(const struct er_index *index)
{
    return index->path_bytes + er_pages_bytes(&index->paths, sizeof(struct er_path_index *)) + er_gram_bytes(index) +
           er_places_bytes(&index->places) + index->exact.bytes + index->affix.bytes + index->gram.bytes +
           er_cidrs_bytes(&index->cidrs);
}
