#include "rules/engine/catalog.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "rules/base/arena.h"

/* ---- nodes ---- */

static bool nodes_init(struct er_catalog *catalog)
{
    for (uint32_t i = 0; i < ER_NODES_FIXED; i++) {
        uint32_t id = er_stable_take(&catalog->nodes);

        if (id == ER_NONE) {
            return false;
        }
        er_catalog_node(catalog, id)->parent = ER_NONE;
        er_catalog_node(catalog, id)->refs = 1;
    }
    return true;
}

static bool copy_text(struct er_catalog *catalog, struct er_str *to, struct er_str from)
{
    char *copy = malloc(from.n + 1);

    if (copy == NULL) {
        return false;
    }
    if (from.n > 0) {
        memcpy(copy, from.p, from.n);
    }
    *to = (struct er_str){ copy, from.n };
    catalog->text_bytes += from.n;
    return true;
}

static void free_text(struct er_catalog *catalog, struct er_str text)
{
    catalog->text_bytes -= text.n;
    free((void *)(uintptr_t)text.p);
}

static uint32_t node_new(struct er_catalog *catalog, uint32_t parent, struct er_str key, uint32_t tag)
{
    uint32_t id = ER_NONE;
    struct er_node *node;

    if (er_table_reserve(&catalog->node_table, tag, 1)) {
        id = er_stable_take(&catalog->nodes);
    }
    if (id == ER_NONE) {
        return ER_NONE;
    }
    node = er_catalog_node(catalog, id);
    if (!copy_text(catalog, &node->key, key)) {
        er_stable_give(&catalog->nodes, id);
        return ER_NONE;
    }
    node->parent = parent;
    node->refs = 1;
    node->tag = tag;
    er_catalog_node(catalog, parent)->refs++;
    er_table_add(&catalog->node_table, tag, id);
    return id;
}

static uint32_t node_child(struct er_catalog *catalog, uint32_t parent, struct er_str key)
{
    uint32_t tag = er_node_tag(parent, er_hash(key, catalog->seed));
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&catalog->node_table, tag, &step)) != ER_NONE;) {
        struct er_node *node = er_catalog_node(catalog, id);

        if (node->parent == parent && er_str_eq(node->key, key)) {
            node->refs++;
            return id;
        }
    }
    return node_new(catalog, parent, key, tag);
}

void er_catalog_node_unref(struct er_catalog *catalog, uint32_t id)
{
    while (id != ER_NONE) {
        struct er_node *node = er_catalog_node(catalog, id);
        uint32_t parent = node->parent;

        if (--node->refs > 0) {
            return;
        }
        er_table_remove(&catalog->node_table, node->tag, id);
        free_text(catalog, node->key);
        er_stable_give(&catalog->nodes, id);
        id = parent;
    }
}

static uint32_t root_node(const struct er_path *path)
{
    static const uint32_t roots[] = { [ER_PATH_EVENT] = ER_NODE_EVENT,
                                      [ER_PATH_KAFKA_TOPIC] = ER_NODE_TOPIC,
                                      [ER_PATH_KAFKA_PARTITION] = ER_NODE_PARTITION,
                                      [ER_PATH_KAFKA_KEY] = ER_NODE_KEY,
                                      [ER_PATH_KAFKA_TIMESTAMP] = ER_NODE_TIMESTAMP,
                                      [ER_PATH_KAFKA_HEADER] = ER_NODE_HEADERS };

    return roots[path->root];
}

uint32_t er_catalog_path(struct er_catalog *catalog, const struct er_path *path)
{
    bool has_keys = path->root == ER_PATH_EVENT || path->root == ER_PATH_KAFKA_HEADER;
    uint32_t id = root_node(path);

    er_catalog_node(catalog, id)->refs++;
    for (size_t i = 0; has_keys && i < path->n; i++) {
        uint32_t child = node_child(catalog, id, path->keys[i]);

        er_catalog_node_unref(catalog, id);
        if (child == ER_NONE) {
            return ER_NONE;
        }
        id = child;
    }
    return id;
}

uint32_t er_catalog_child(struct er_catalog *catalog, uint32_t parent, enum er_path_root root, struct er_str key)
{
    struct er_path path = { .root = root, .keys = &key, .n = 1 };

    return root == ER_PATH_EVENT ? node_child(catalog, parent, key) : er_catalog_path(catalog, &path);
}

/* ---- tests ---- */

static uint32_t question_tag(const struct er_catalog *catalog, const struct er_question *question)
{
    uint64_t what = (uint64_t)question->node << 16 | (uint64_t)question->accepts << 8 | (uint64_t)question->op;

    return er_hash_tag(er_hash_with(er_hash(question->text, catalog->seed), what));
}

/* The tests that a new one stands for. */
static void take_members(struct er_catalog *catalog, struct er_test *test)
{
    size_t n;
    const uint32_t *members = er_test_members(test, &n);

    for (size_t i = 0; i < n; i++) {
        struct er_test *member = er_catalog_test(catalog, members[i]);

        member->refs++;
        if (test->op == ER_OP_SET) {
            er_set_enter(test, i, er_catalog_hash(catalog, member->text));
        }
    }
}

static uint32_t test_new(struct er_catalog *catalog, const struct er_question *question, uint32_t tag)
{
    uint32_t id = ER_NONE;
    struct er_test *test;

    if (er_table_reserve(&catalog->test_table, tag, 1)) {
        id = er_stable_take(&catalog->tests);
    }
    if (id == ER_NONE) {
        return ER_NONE;
    }
    test = er_catalog_test(catalog, id);
    if (!er_test_init(test, question)) {
        er_stable_give(&catalog->tests, id);
        return ER_NONE;
    }
    test->tag = tag;
    test->refs = 1;
    er_catalog_node(catalog, question->node)->refs++;
    take_members(catalog, test);
    catalog->text_bytes += er_test_bytes(test);
    er_table_add(&catalog->test_table, tag, id);
    return id;
}

uint32_t er_catalog_test_intern(struct er_catalog *catalog, const struct er_question *question)
{
    uint32_t tag = question_tag(catalog, question);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&catalog->test_table, tag, &step)) != ER_NONE;) {
        if (er_test_asks(er_catalog_test(catalog, id), question)) {
            er_catalog_test(catalog, id)->refs++;
            return id;
        }
    }
    return test_new(catalog, question, tag);
}

void er_catalog_test_unref(struct er_catalog *catalog, uint32_t id)
{
    struct er_test *test = er_catalog_test(catalog, id);
    const uint32_t *members;
    size_t n;

    if (--test->refs > 0) {
        return;
    }
    members = er_test_members(test, &n);
    for (size_t i = 0; i < n; i++) { /* at most a BUT of a SET of plain values */
        er_catalog_test_unref(catalog, members[i]);
    }
    er_table_remove(&catalog->test_table, test->tag, id);
    er_catalog_node_unref(catalog, test->node);
    catalog->text_bytes -= er_test_bytes(test);
    if (test->op == ER_OP_REGEX && catalog->freed != NULL) {
        catalog->freed(catalog->freed_context, id, test);
    }
    er_test_fini(test);
    er_stable_give(&catalog->tests, id);
}

/* ---- subscriptions ---- */

static uint32_t id_tag(const struct er_catalog *catalog, struct er_str id)
{
    return er_hash_tag(er_hash(id, catalog->seed));
}

_Static_assert(ER_SUB_SMALL >= sizeof(char *), "the union is as long as its text");

/* Ids have up to 100 characters. */
static bool copy_id(struct er_catalog *catalog, struct er_sub *sub, struct er_str id)
{
    char *to = sub->u.few;

    if (id.n > UINT8_MAX) {
        return false;
    }
    if (id.n > ER_SUB_SMALL) {
        to = malloc(id.n);
        if (to == NULL) {
            return false;
        }
        sub->u.many = to;
        catalog->text_bytes += id.n;
    }
    memcpy(to, id.p, id.n);
    sub->n = (uint8_t)id.n;
    return true;
}

static void free_id(struct er_catalog *catalog, struct er_sub *sub)
{
    if (sub->n > ER_SUB_SMALL) {
        catalog->text_bytes -= sub->n;
        free(sub->u.many);
    }
}

uint32_t er_catalog_sub_new(struct er_catalog *catalog, const struct er_rule *rule, uint32_t slot)
{
    uint32_t id = er_stable_take(&catalog->subs);
    struct er_sub *sub;

    if (id == ER_NONE) {
        return ER_NONE;
    }
    sub = er_catalog_sub(catalog, id);
    if (!copy_id(catalog, sub, rule->id)) {
        er_stable_give(&catalog->subs, id);
        return ER_NONE;
    }
    sub->term = er_term_of_rule(catalog, rule);
    if (sub->term == ER_NONE) {
        free_id(catalog, sub);
        er_stable_give(&catalog->subs, id);
        return ER_NONE;
    }
    sub->subscriber = slot;
    sub->tag = id_tag(catalog, rule->id);
    return id;
}

void er_catalog_sub_free(struct er_catalog *catalog, uint32_t id)
{
    struct er_sub *sub = er_catalog_sub(catalog, id);

    er_term_unref(catalog, sub->term);
    free_id(catalog, sub);
    er_stable_give(&catalog->subs, id);
}

uint32_t er_catalog_sub_find(const struct er_catalog *catalog, struct er_str id)
{
    uint32_t sub;

    for (size_t step = 0; (sub = er_table_next(&catalog->sub_table, id_tag(catalog, id), &step)) != ER_NONE;) {
        if (er_str_eq(er_sub_id(er_catalog_sub(catalog, sub)), id)) {
            return sub;
        }
    }
    return ER_NONE;
}

bool er_catalog_sub_reserve(struct er_catalog *catalog, struct er_str id)
{
    return er_table_reserve(&catalog->sub_table, id_tag(catalog, id), 1);
}

void er_catalog_sub_name(struct er_catalog *catalog, uint32_t sub, uint32_t instead_of)
{
    uint32_t tag = er_catalog_sub(catalog, sub)->tag;

    if (instead_of != ER_NONE) {
        er_table_replace(&catalog->sub_table, tag, instead_of, sub);
    } else {
        er_table_add(&catalog->sub_table, tag, sub);
    }
}

void er_catalog_sub_unname(struct er_catalog *catalog, uint32_t sub, uint32_t gives_way_to)
{
    uint32_t tag = er_catalog_sub(catalog, sub)->tag;

    if (gives_way_to != ER_NONE) {
        er_table_replace(&catalog->sub_table, tag, sub, gives_way_to);
    } else {
        er_table_remove(&catalog->sub_table, tag, sub);
    }
}

/* ---- subscribers ---- */

uint32_t er_catalog_slot_find(const struct er_catalog *catalog, struct er_str id)
{
    uint32_t slot;

    for (size_t step = 0; (slot = er_table_next(&catalog->slot_table, id_tag(catalog, id), &step)) != ER_NONE;) {
        if (er_str_eq(er_catalog_slot(catalog, slot)->first->id, id)) {
            return slot;
        }
    }
    return ER_NONE;
}

uint32_t er_catalog_slot_new(struct er_catalog *catalog, struct er_subscriber *first)
{
    uint32_t slot = ER_NONE, tag = id_tag(catalog, first->id);

    if (er_table_reserve(&catalog->slot_table, tag, 1)) {
        slot = er_stable_take(&catalog->slots);
    }
    if (slot == ER_NONE) {
        return ER_NONE;
    }
    er_catalog_slot(catalog, slot)->first = er_subscriber_ref(first);
    er_catalog_slot(catalog, slot)->tag = tag;
    er_table_add(&catalog->slot_table, tag, slot);
    return slot;
}

void er_catalog_slot_unname(struct er_catalog *catalog, uint32_t slot)
{
    er_table_remove(&catalog->slot_table, er_catalog_slot(catalog, slot)->tag, slot);
}

void er_catalog_slot_free(struct er_catalog *catalog, uint32_t slot)
{
    er_subscriber_unref(er_catalog_slot(catalog, slot)->first);
    er_stable_give(&catalog->slots, slot);
}

/* ---- the whole ---- */

static uint64_t random_seed(void)
{
    uint64_t seed;

    if (getentropy(&seed, sizeof seed) != 0) {
        struct timespec now = { 0 };

        (void)clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_nsec * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)now.tv_sec;
    }
    return seed;
}

bool er_catalog_init(struct er_catalog *catalog)
{
    *catalog = (struct er_catalog){ .seed = random_seed() };
    er_stable_init(&catalog->nodes, sizeof(struct er_node));
    er_stable_init(&catalog->tests, sizeof(struct er_test));
    er_stable_init(&catalog->terms, sizeof(struct er_term));
    er_stable_init(&catalog->subs, sizeof(struct er_sub));
    er_stable_init(&catalog->slots, sizeof(struct er_slot));
    er_stable_init(&catalog->covers, ER_COVER_BYTES);
    catalog->scratch = er_arena_new(0);
    return catalog->scratch != NULL && nodes_init(catalog);
}

static void free_named_subs(struct er_catalog *catalog)
{
    uint64_t at = 0;

    for (uint32_t id; (id = er_table_each(&catalog->sub_table, &at)) != ER_NONE;) {
        er_catalog_sub_free(catalog, id);
    }
}

static void free_slots(struct er_catalog *catalog)
{
    uint64_t at = 0;

    for (uint32_t id; (id = er_table_each(&catalog->slot_table, &at)) != ER_NONE;) {
        er_subscriber_unref(er_catalog_slot(catalog, id)->first);
    }
}

void er_catalog_fini(struct er_catalog *catalog)
{
    struct er_table *tables[] = { &catalog->node_table, &catalog->test_table, &catalog->term_table, &catalog->sub_table,
                                  &catalog->slot_table };
    struct er_stable *vectors[] = { &catalog->nodes, &catalog->tests, &catalog->terms,
                                    &catalog->subs,  &catalog->slots, &catalog->covers };

    free_named_subs(catalog);
    free_slots(catalog);
    er_arena_free(catalog->scratch);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        er_table_fini(tables[i]);
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        er_stable_fini(vectors[i]);
    }
}

size_t er_catalog_bytes(const struct er_catalog *catalog)
{
    size_t tables = catalog->node_table.bytes + catalog->test_table.bytes + catalog->term_table.bytes + catalog->sub_table.bytes +
                    catalog->slot_table.bytes;

    return catalog->text_bytes + tables + er_stable_bytes(&catalog->nodes) + er_stable_bytes(&catalog->tests) +
           er_stable_bytes(&catalog->terms) + er_stable_bytes(&catalog->subs) + er_stable_bytes(&catalog->slots) +
           er_stable_bytes(&catalog->covers);
}
