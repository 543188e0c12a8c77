#include "rules/engine/catalog.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TERM_TAG_MASK ((UINT32_C(1) << 30) - 1)

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

    if (er_table_reserve(&catalog->node_table, 1)) {
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

/* ---- tests ---- */

static uint32_t question_tag(const struct er_catalog *catalog, const struct er_question *question)
{
    return er_hash_tag(
        er_hash_with(er_hash(question->text, catalog->seed), (uint64_t)question->node << 8 | (uint64_t)question->op));
}

static uint32_t test_new(struct er_catalog *catalog, const struct er_question *question, uint32_t tag)
{
    uint32_t id = ER_NONE;
    struct er_test *test;

    if (er_table_reserve(&catalog->test_table, 1)) {
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
    catalog->text_bytes += test->op != ER_OP_REGEX ? test->text.n : 0;
    er_table_add(&catalog->test_table, tag, id);
    return id;
}

/* The test that asks this, with one reference more. */
static uint32_t test_intern(struct er_catalog *catalog, const struct er_question *question)
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

static void test_unref(struct er_catalog *catalog, uint32_t id)
{
    struct er_test *test = er_catalog_test(catalog, id);

    if (--test->refs > 0) {
        return;
    }
    er_table_remove(&catalog->test_table, test->tag, id);
    er_catalog_node_unref(catalog, test->node);
    catalog->text_bytes -= test->op != ER_OP_REGEX ? test->text.n : 0;
    er_test_fini(test);
    er_stable_give(&catalog->tests, id);
}

/* ---- terms ---- */

/* A term under construction; holds a reference of each test. */
struct draft {
    struct er_catalog *catalog;
    uint32_t *tests;
    uint32_t n;
};

static bool draft_add(struct draft *draft, const struct er_question *question)
{
    uint32_t id = test_intern(draft->catalog, question);

    if (id == ER_NONE) {
        return false;
    }
    draft->tests[draft->n++] = id;
    return true;
}

static void draft_cut(struct draft *draft, uint32_t n)
{
    while (draft->n > n) {
        test_unref(draft->catalog, draft->tests[--draft->n]);
    }
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorts the tests from `start` on and drops repetitions. */
static void draft_sort(struct draft *draft, uint32_t start)
{
    uint32_t kept = start;

    qsort(draft->tests + start, draft->n - start, sizeof *draft->tests, compare_ids);
    for (uint32_t i = start; i < draft->n; i++) {
        if (kept > start && draft->tests[kept - 1] == draft->tests[i]) {
            test_unref(draft->catalog, draft->tests[i]);
        } else {
            draft->tests[kept++] = draft->tests[i];
        }
    }
    draft->n = kept;
}

/* One leaf: any of the entries. `*` makes the others idle. */
static bool draft_types(struct draft *draft, const struct er_rule *rule)
{
    for (size_t i = 0; i < rule->n_types; i++) {
        struct er_question question = er_question_of_type(ER_NODE_TYPE, rule->types[i]);

        if (question.op == ER_OP_ANY) {
            draft_cut(draft, 0);
            return draft_add(draft, &question);
        }
        if (!draft_add(draft, &question)) {
            return false;
        }
    }
    draft_sort(draft, 0);
    return true;
}

static bool draft_regex(struct draft *draft, const struct er_rule_regex *entry)
{
    uint32_t node = er_catalog_path(draft->catalog, &entry->path);
    char *scratch = malloc(er_regex_text(entry->regex).n + 1);
    bool done = false;

    if (node != ER_NONE && scratch != NULL) {
        struct er_question question = er_question_of_regex(node, entry->regex, scratch);

        done = draft_add(draft, &question);
    }
    free(scratch);
    er_catalog_node_unref(draft->catalog, node); /* the test has its own reference now */
    return done;
}

/* Leaves of one test each, those that need the regex engine last. */
static bool draft_regexes(struct draft *draft, const struct er_rule *rule)
{
    uint32_t start = draft->n;
    uint32_t cheap = start;

    for (size_t i = 0; i < rule->n_regexes; i++) {
        if (!draft_regex(draft, &rule->regexes[i])) {
            return false;
        }
    }
    draft_sort(draft, start);
    for (uint32_t i = start; i < draft->n; i++) {
        if (er_catalog_test(draft->catalog, draft->tests[i])->op != ER_OP_REGEX) {
            uint32_t test = draft->tests[i];

            memmove(draft->tests + cheap + 1, draft->tests + cheap, (i - cheap) * sizeof test);
            draft->tests[cheap++] = test;
        }
    }
    for (uint32_t i = start; i < draft->n; i++) {
        draft->tests[i] |= ER_LEAF_END;
    }
    return true;
}

static bool draft_rule(struct draft *draft, const struct er_rule *rule)
{
    if (rule->has_types) {
        if (!draft_types(draft, rule)) {
            return false;
        }
        draft->tests[draft->n - 1] |= ER_LEAF_END;
    }
    return draft_regexes(draft, rule);
}

static void draft_free(struct draft *draft)
{
    for (uint32_t i = 0; i < draft->n; i++) {
        draft->tests[i] &= ~ER_LEAF_END;
    }
    draft_cut(draft, 0);
    free(draft->tests);
}

static size_t tests_bytes(const struct er_term *term)
{
    return term->n <= ER_TERM_SMALL ? 0 : term->n * sizeof *term->u.many;
}

static uint32_t term_new(struct er_catalog *catalog, const struct draft *draft, uint32_t tag)
{
    uint32_t *many = draft->n > ER_TERM_SMALL ? malloc(draft->n * sizeof *many) : NULL;
    uint32_t id = ER_NONE;
    struct er_term *term;

    if ((draft->n <= ER_TERM_SMALL || many != NULL) && er_table_reserve(&catalog->term_table, 1)) {
        id = er_stable_take(&catalog->terms);
    }
    if (id == ER_NONE) {
        free(many);
        return ER_NONE;
    }
    term = er_catalog_term(catalog, id);
    term->n = draft->n;
    term->refs = 1;
    term->tag = tag & TERM_TAG_MASK;
    if (many != NULL) {
        term->u.many = many;
    }
    for (uint32_t i = 0; i < draft->n; i++) {
        (many != NULL ? many : term->u.few)[i] = draft->tests[i];
        er_catalog_test(catalog, draft->tests[i] & ~ER_LEAF_END)->refs++;
    }
    catalog->text_bytes += tests_bytes(term);
    er_table_add(&catalog->term_table, term->tag, id);
    return id;
}

static uint32_t term_intern(struct er_catalog *catalog, const struct draft *draft)
{
    size_t bytes = draft->n * sizeof *draft->tests;
    uint32_t tag = er_hash_tag(er_hash((struct er_str){ (const char *)draft->tests, bytes }, catalog->seed)) & TERM_TAG_MASK;
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&catalog->term_table, tag, &step)) != ER_NONE;) {
        struct er_term *term = er_catalog_term(catalog, id);

        if (term->n == draft->n && (bytes == 0 || memcmp(er_term_tests(term), draft->tests, bytes) == 0)) {
            term->refs++;
            return id;
        }
    }
    return term_new(catalog, draft, tag);
}

static uint32_t term_of_rule(struct er_catalog *catalog, const struct er_rule *rule)
{
    struct draft draft = { .catalog = catalog };
    uint32_t id = ER_NONE;

    draft.tests = malloc((rule->n_types + rule->n_regexes + 1) * sizeof *draft.tests);
    if (draft.tests == NULL) {
        return ER_NONE;
    }
    if (draft_rule(&draft, rule)) {
        id = term_intern(catalog, &draft);
    }
    draft_free(&draft);
    return id;
}

static void term_unref(struct er_catalog *catalog, uint32_t id)
{
    struct er_term *term = er_catalog_term(catalog, id);

    if (--term->refs > 0) {
        return;
    }
    er_table_remove(&catalog->term_table, term->tag, id);
    for (uint32_t i = 0; i < term->n; i++) {
        test_unref(catalog, er_term_tests(term)[i] & ~ER_LEAF_END);
    }
    catalog->text_bytes -= tests_bytes(term);
    if (term->n > ER_TERM_SMALL) {
        free(term->u.many);
    }
    er_stable_give(&catalog->terms, id);
}

/* ---- subscriptions ---- */

static uint32_t id_tag(const struct er_catalog *catalog, struct er_str id)
{
    return er_hash_tag(er_hash(id, catalog->seed));
}

uint32_t er_catalog_sub_new(struct er_catalog *catalog, struct er_rule *rule, uint32_t slot)
{
    uint32_t id = er_stable_take(&catalog->subs);
    uint32_t term;

    if (id == ER_NONE) {
        return ER_NONE;
    }
    term = term_of_rule(catalog, rule);
    if (term == ER_NONE) {
        er_stable_give(&catalog->subs, id);
        return ER_NONE;
    }
    *er_catalog_sub(catalog, id) = (struct er_sub){
        .rule = er_rule_ref(rule), .id = rule->id, .term = term, .subscriber = slot, .tag = id_tag(catalog, rule->id)
    };
    return id;
}

void er_catalog_sub_free(struct er_catalog *catalog, uint32_t id)
{
    struct er_sub *sub = er_catalog_sub(catalog, id);

    term_unref(catalog, sub->term);
    er_rule_unref(sub->rule);
    er_stable_give(&catalog->subs, id);
}

uint32_t er_catalog_sub_find(const struct er_catalog *catalog, struct er_str id)
{
    uint32_t sub;

    for (size_t step = 0; (sub = er_table_next(&catalog->sub_table, id_tag(catalog, id), &step)) != ER_NONE;) {
        if (er_str_eq(er_catalog_sub(catalog, sub)->id, id)) {
            return sub;
        }
    }
    return ER_NONE;
}

bool er_catalog_sub_reserve(struct er_catalog *catalog, size_t n)
{
    return er_table_reserve(&catalog->sub_table, n);
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
        if (er_str_eq(er_catalog_slot(catalog, slot)->id, id)) {
            return slot;
        }
    }
    return ER_NONE;
}

uint32_t er_catalog_slot_new(struct er_catalog *catalog, struct er_str id)
{
    uint32_t slot = ER_NONE;

    if (er_table_reserve(&catalog->slot_table, 1)) {
        slot = er_stable_take(&catalog->slots);
    }
    if (slot == ER_NONE) {
        return ER_NONE;
    }
    if (!copy_text(catalog, &er_catalog_slot(catalog, slot)->id, id)) {
        er_stable_give(&catalog->slots, slot);
        return ER_NONE;
    }
    er_catalog_slot(catalog, slot)->tag = id_tag(catalog, id);
    er_table_add(&catalog->slot_table, er_catalog_slot(catalog, slot)->tag, slot);
    return slot;
}

void er_catalog_slot_unname(struct er_catalog *catalog, uint32_t slot)
{
    er_table_remove(&catalog->slot_table, er_catalog_slot(catalog, slot)->tag, slot);
}

void er_catalog_slot_free(struct er_catalog *catalog, uint32_t slot)
{
    free_text(catalog, er_catalog_slot(catalog, slot)->id);
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
    return nodes_init(catalog);
}

static void free_named_subs(struct er_catalog *catalog)
{
    for (size_t i = 0; i < catalog->sub_table.capacity; i++) {
        if (catalog->sub_table.slots[i] != 0) {
            er_catalog_sub_free(catalog, (uint32_t)catalog->sub_table.slots[i] - 1);
        }
    }
}

static void free_slots(struct er_catalog *catalog)
{
    for (size_t i = 0; i < catalog->slot_table.capacity; i++) {
        if (catalog->slot_table.slots[i] != 0) {
            free_text(catalog, er_catalog_slot(catalog, (uint32_t)catalog->slot_table.slots[i] - 1)->id);
        }
    }
}

void er_catalog_fini(struct er_catalog *catalog)
{
    struct er_table *tables[] = { &catalog->node_table, &catalog->test_table, &catalog->term_table, &catalog->sub_table,
                                  &catalog->slot_table };
    struct er_stable *vectors[] = { &catalog->nodes, &catalog->tests, &catalog->terms, &catalog->subs, &catalog->slots };

    free_named_subs(catalog);
    free_slots(catalog);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        er_table_fini(tables[i]);
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        er_stable_fini(vectors[i]);
    }
}

size_t er_catalog_bytes(const struct er_catalog *catalog)
{
    size_t slots = catalog->node_table.capacity + catalog->test_table.capacity + catalog->term_table.capacity +
                   catalog->sub_table.capacity + catalog->slot_table.capacity;

    return catalog->text_bytes + slots * sizeof(uint64_t) + er_stable_bytes(&catalog->nodes) + er_stable_bytes(&catalog->tests) +
           er_stable_bytes(&catalog->terms) + er_stable_bytes(&catalog->subs) + er_stable_bytes(&catalog->slots);
}
