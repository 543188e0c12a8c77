#include "rules/engine/draft.h"

#include <stdlib.h>
#include "rules/base/arena.h"
#include "rules/engine/catalog.h"
#include "rules/engine/term.h"

/* Words of one condition. p = NULL: no memory. */
struct words {
    uint32_t *p;
    uint32_t n;
    uint32_t cost; /* of asking, relative */
};

static const struct words none = { NULL, 0, 0 };

struct word_list {
    struct words *items;
    uint32_t n;
    uint32_t capacity;
    bool no_memory;
};

static void list_add(struct er_draft *draft, struct word_list *list, struct words words)
{
    if (words.p == NULL) {
        list->no_memory = true;
        return;
    }
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity * 2 + 4;
        struct words *items = er_arena_alloc(draft->arena, capacity * sizeof *items);

        if (items == NULL) {
            list->no_memory = true;
            return;
        }
        if (list->n > 0) {
            memcpy(items, list->items, list->n * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = words;
}

static int compare_words(const void *a, const void *b)
{
    const struct words *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;

    if (x->cost != y->cost) {
        return x->cost < y->cost ? -1 : 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (x->p[i] != y->p[i]) {
            return x->p[i] < y->p[i] ? -1 : 1;
        }
    }
    return (x->n > y->n) - (x->n < y->n);
}

/* Cheap ones first; each once. */
static void list_sort(struct word_list *list)
{
    uint32_t kept = 0;

    if (list->n > 1) {
        qsort(list->items, list->n, sizeof *list->items, compare_words);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        if (kept == 0 || compare_words(&list->items[kept - 1], &list->items[i]) != 0) {
            list->items[kept++] = list->items[i];
        }
    }
    list->n = kept;
}

/* ---- tests ---- */

/* Room for one more. */
static bool hold_more(struct er_draft *draft)
{
    uint32_t capacity = draft->held_capacity * 2 + 16;
    uint32_t *held;

    if (draft->n_held < draft->held_capacity) {
        return true;
    }
    held = er_arena_alloc(draft->arena, capacity * sizeof *held);
    if (held == NULL) {
        return false;
    }
    if (draft->n_held > 0) {
        memcpy(held, draft->held, draft->n_held * sizeof *held);
    }
    draft->held = held;
    draft->held_capacity = capacity;
    return true;
}

/* The test with that question, held until the draft is done, or ER_NONE. */
static uint32_t hold(struct er_draft *draft, const struct er_question *question)
{
    uint32_t id;

    if (!hold_more(draft)) {
        return ER_NONE;
    }
    id = er_catalog_test_intern(draft->catalog, question);
    if (id != ER_NONE) {
        draft->held[draft->n_held++] = id;
    }
    return id;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorts and drops repetitions; returns how many are left. */
static uint32_t sort_ids(uint32_t *ids, uint32_t n)
{
    uint32_t kept = 0;

    if (n > 1) {
        qsort(ids, n, sizeof *ids, compare_ids);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (kept == 0 || ids[kept - 1] != ids[i]) {
            ids[kept++] = ids[i];
        }
    }
    return kept;
}

static uint32_t test_cost(const struct er_catalog *catalog, uint32_t id)
{
    static const uint8_t costs[ER_OPS] = {
        [ER_OP_CIDR] = 1,     [ER_OP_RANGE] = 1, [ER_OP_FOLD_EXACT] = 1, [ER_OP_FOLD_PREFIX] = 1, [ER_OP_FOLD_SUFFIX] = 1,
        [ER_OP_CONTAINS] = 2, [ER_OP_GLOB] = 2,  [ER_OP_SET] = 2,        [ER_OP_REGEX] = 9
    };
    const struct er_test *test = er_catalog_test(catalog, id);
    uint32_t cost = costs[test->op];
    size_t n = 0;
    const uint32_t *members = test->op == ER_OP_BUT ? er_test_members(test, &n) : NULL;

    for (size_t i = 0; i < n; i++) {
        uint32_t member = test_cost(catalog, members[i]) + 1;

        cost = member > cost ? member : cost;
    }
    return cost;
}

/* One leaf of these tests; NULL among them: no memory. */
static struct words leaf_of(struct er_draft *draft, uint32_t *ids, uint32_t n)
{
    struct words leaf = none;
    uint32_t *words;

    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == ER_NONE) {
            return none;
        }
    }
    n = sort_ids(ids, n);
    words = er_arena_alloc(draft->arena, (n + 1) * sizeof *words);
    if (words == NULL) {
        return none;
    }
    words[0] = er_word_head(ER_WORD_LEAF, n);
    memcpy(words + 1, ids, n * sizeof *ids);
    leaf = (struct words){ words, n + 1, 0 };
    for (uint32_t i = 0; i < n; i++) {
        uint32_t cost = test_cost(draft->catalog, ids[i]);

        leaf.cost = cost > leaf.cost ? cost : leaf.cost;
    }
    leaf.cost += n >= ER_SET_MIN ? 1 : 0;
    return leaf;
}

/* ---- combining ---- */

/* Opens nested conditions of the same kind; of an ANY, gathers the tests of all leaves. */
static void open_children(struct er_draft *draft, enum er_word_kind kind, struct words from, struct word_list *to)
{
    uint32_t end = 1 + er_word_length(from.p[0]);

    if (er_word_kind(from.p[0]) != kind) {
        list_add(draft, to, from);
        return;
    }
    for (uint32_t at = 1, next; at < end; at = next) {
        next = at + 1 + er_word_length(from.p[at]);
        list_add(draft, to, (struct words){ from.p + at, next - at, from.cost });
    }
}

static void join_leaves(struct er_draft *draft, struct word_list *list)
{
    uint32_t n = 0, kept = 0, leaves = 0;
    uint32_t *ids;

    for (uint32_t i = 0; i < list->n; i++) {
        if (er_word_kind(list->items[i].p[0]) == ER_WORD_LEAF) {
            n += er_word_length(list->items[i].p[0]);
            leaves++;
        }
    }
    if (leaves < 2) {
        return;
    }
    ids = er_arena_alloc(draft->arena, n * sizeof *ids);
    if (ids == NULL) {
        list->no_memory = true;
        return;
    }
    n = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        struct words words = list->items[i];

        if (er_word_kind(words.p[0]) == ER_WORD_LEAF) {
            memcpy(ids + n, words.p + 1, (words.n - 1) * sizeof *ids);
            n += words.n - 1;
        } else {
            list->items[kept++] = words;
        }
    }
    list->n = kept;
    list_add(draft, list, leaf_of(draft, ids, n));
}

/* kind, the words in front of the children, the children. */
static struct words encode(struct er_draft *draft, enum er_word_kind kind, const uint32_t *node, const struct word_list *children)
{
    struct words out = { .n = node != NULL ? 2 : 1 };

    for (uint32_t i = 0; i < children->n; i++) {
        out.n += children->items[i].n;
        out.cost = children->items[i].cost > out.cost ? children->items[i].cost : out.cost;
    }
    out.cost += 1;
    out.p = er_arena_alloc(draft->arena, out.n * sizeof *out.p);
    if (out.p == NULL || out.n > ER_WORD_LENGTH) {
        return none;
    }
    out.p[0] = er_word_head(kind, out.n - 1);
    if (node != NULL) {
        out.p[1] = *node;
    }
    for (uint32_t i = 0, at = node != NULL ? 2 : 1; i < children->n; i++) {
        memcpy(out.p + at, children->items[i].p, children->items[i].n * sizeof *out.p);
        at += children->items[i].n;
    }
    return out;
}

/* ALL or ANY. */
static struct words combine(struct er_draft *draft, enum er_word_kind kind, const struct word_list *children)
{
    struct word_list list = { .no_memory = children->no_memory };

    for (uint32_t i = 0; i < children->n; i++) {
        open_children(draft, kind, children->items[i], &list);
    }
    if (kind == ER_WORD_ANY) {
        join_leaves(draft, &list);
    }
    if (list.no_memory) {
        return none;
    }
    list_sort(&list);
    return list.n == 1 ? list.items[0] : encode(draft, kind, NULL, &list);
}

static struct words negate(struct er_draft *draft, struct words child)
{
    if (child.p != NULL && er_word_kind(child.p[0]) == ER_WORD_NOT) {
        return (struct words){ child.p + 1, child.n - 1, child.cost };
    }
    return child.p == NULL ? none : encode(draft, ER_WORD_NOT, NULL, &(struct word_list){ .items = &child, .n = 1 });
}

/* ---- leaves ---- */

static uint32_t operand_test(struct er_draft *draft, uint32_t node, enum er_operator op, const struct er_operand *operand)
{
    char *scratch = er_arena_alloc(draft->arena, er_question_room(op, operand));
    uint32_t id = ER_NONE;

    if (scratch != NULL) {
        struct er_question question = er_question_of_operand(node, op, operand, scratch);

        id = hold(draft, &question);
    }
    return id;
}

/* SET or BUT over these tests. */
static uint32_t test_over(struct er_draft *draft, uint32_t node, enum er_test_op op, const uint32_t *ids, uint32_t n)
{
    struct er_question question = {
        .node = node, .op = op, .accepts = ER_ACCEPTS_ALL, .text = { (const char *)ids, n * sizeof *ids }
    };

    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == ER_NONE) {
            return ER_NONE;
        }
    }
    return hold(draft, &question);
}

/* The tests of an entry's operands: ORed, they say "one of the operands accepts". Returns how many. */
static uint32_t operand_tests(struct er_draft *draft, uint32_t node, const struct er_entry *entry, uint32_t *ids)
{
    uint32_t n = (uint32_t)entry->n;

    for (uint32_t i = 0; i < n; i++) {
        ids[i] = operand_test(draft, node, entry->op, &entry->operands[i]);
        if (ids[i] == ER_NONE) {
            ids[0] = ER_NONE;
            return 1;
        }
    }
    n = sort_ids(ids, n);
    if (entry->op == ER_OPERATOR_EQUALS && n >= ER_SET_MIN) {
        ids[0] = test_over(draft, node, ER_OP_SET, ids, n);
        n = 1;
    }
    return n;
}

static uint32_t entry_tests(struct er_draft *draft, uint32_t node, const struct er_entry *entry, uint32_t *ids)
{
    uint32_t n;

    if (entry->op == ER_OPERATOR_EXISTS) {
        struct er_question question = {
            .node = node, .op = entry->exists ? ER_OP_PRESENT : ER_OP_ABSENT, .accepts = ER_ACCEPTS_ALL, .text = ER_STR("")
        };

        ids[0] = hold(draft, &question);
        return 1;
    }
    n = operand_tests(draft, node, entry, ids);
    if (entry->but) {
        ids[0] = test_over(draft, node, ER_OP_BUT, ids, n);
        n = 1;
    }
    return n;
}

static struct words pattern_leaf(struct er_draft *draft, const struct er_pattern *pattern, uint32_t parent)
{
    uint32_t node = er_catalog_child(draft->catalog, parent, pattern->root, pattern->key);
    size_t room = 0;
    uint32_t n = 0;
    uint32_t *ids;

    for (size_t i = 0; i < pattern->n_entries; i++) {
        room += pattern->entries[i].n + 1;
    }
    ids = er_arena_alloc(draft->arena, room * sizeof *ids);
    for (size_t i = 0; ids != NULL && node != ER_NONE && i < pattern->n_entries; i++) {
        n += entry_tests(draft, node, &pattern->entries[i], ids + n);
    }
    struct words leaf = n > 0 ? leaf_of(draft, ids, n) : none;

    er_catalog_node_unref(draft->catalog, node); /* the tests have their own references now */
    return leaf;
}

/* ---- patterns ---- */

static struct words pattern_words(struct er_draft *draft, const struct er_pattern *pattern, uint32_t node);

static struct words pattern_children(struct er_draft *draft, const struct er_pattern *pattern, uint32_t node)
{
    struct word_list children = { 0 };

    for (size_t i = 0; i < pattern->n_children && !children.no_memory; i++) {
        list_add(draft, &children, pattern_words(draft, &pattern->children[i], node));
    }
    return combine(draft, pattern->kind == ER_PATTERN_ANY ? ER_WORD_ANY : ER_WORD_ALL, &children);
}

static struct words pattern_within(struct er_draft *draft, const struct er_pattern *pattern, uint32_t parent)
{
    uint32_t node = er_catalog_child(draft->catalog, parent, ER_PATH_EVENT, pattern->key);
    struct words child = node != ER_NONE ? pattern_words(draft, pattern->children, node) : none;

    if (child.p != NULL) {
        child = encode(draft, ER_WORD_WITHIN, &node, &(struct word_list){ .items = &child, .n = 1 });
    }
    er_catalog_node_unref(draft->catalog, node);
    return child;
}

static struct words pattern_words(struct er_draft *draft, const struct er_pattern *pattern, uint32_t node)
{
    switch (pattern->kind) {
    case ER_PATTERN_LEAF:
        return pattern_leaf(draft, pattern, node);
    case ER_PATTERN_WITHIN:
        return pattern_within(draft, pattern, node);
    case ER_PATTERN_NOT:
        return negate(draft, pattern_words(draft, pattern->children, node));
    case ER_PATTERN_ALL:
    case ER_PATTERN_ANY:
    default:
        return pattern_children(draft, pattern, node);
    }
}

/* ---- types and regex ---- */

/* Any of the entries. `*` makes the others idle. */
static struct words types_leaf(struct er_draft *draft, const struct er_rule *rule)
{
    uint32_t *ids = er_arena_alloc(draft->arena, rule->n_types * sizeof *ids);
    struct words leaf = none;
    uint32_t n = 0;

    for (size_t i = 0; ids != NULL && i < rule->n_types; i++) {
        char *scratch = er_arena_alloc(draft->arena, rule->types[i].n + 1);
        struct er_question question = { .op = ER_OP_ANY };

        ids[n++] = ER_NONE;
        if (scratch != NULL) {
            question = er_question_of_type(ER_NODE_TYPE, rule->types[i], scratch);
            ids[n - 1] = hold(draft, &question);
        }
        if (ids[n - 1] == ER_NONE) {
            break;
        }
        if (question.op == ER_OP_ANY) {
            ids[0] = ids[n - 1];
            n = 1;
            break;
        }
    }
    if (ids != NULL) {
        leaf = leaf_of(draft, ids, n);
    }
    return leaf;
}

static struct words regex_leaf(struct er_draft *draft, const struct er_rule_regex *entry)
{
    uint32_t node = er_catalog_path(draft->catalog, &entry->path);
    char *scratch = er_arena_alloc(draft->arena, er_regex_text(entry->regex).n + 1);
    uint32_t id = ER_NONE;

    if (node != ER_NONE && scratch != NULL) {
        struct er_question question = er_question_of_regex(node, entry->regex, ER_ACCEPTS_TEXT, scratch);

        id = hold(draft, &question);
    }
    er_catalog_node_unref(draft->catalog, node);
    return leaf_of(draft, &id, 1);
}

/* ---- list and tree ---- */

/* What collect has seen below a condition. */
struct seen {
    uint32_t leaves;
    bool absent; /* a test for absence in an object below the event */
    bool logic;  /* ANY or NOT */
};

/* Adds the leaves that must hold whenever the condition does. */
static void collect(struct er_draft *draft, struct words words, bool inside, struct word_list *list, struct seen *seen)
{
    uint32_t end = 1 + er_word_length(words.p[0]);

    switch (er_word_kind(words.p[0])) {
    case ER_WORD_LEAF: {
        struct words leaf = { er_arena_alloc(draft->arena, words.n * sizeof *words.p), words.n, words.cost };

        seen->leaves++;
        for (uint32_t i = 1; leaf.p != NULL && i < words.n; i++) {
            bool open = inside && er_catalog_test(draft->catalog, words.p[i])->op == ER_OP_ABSENT;

            leaf.p[i] = words.p[i] | (open ? ER_LEAF_OPEN : 0);
            seen->absent = seen->absent || open;
        }
        if (leaf.p != NULL) {
            leaf.p[0] = words.p[0];
        }
        list_add(draft, list, leaf);
        return;
    }
    case ER_WORD_WITHIN:
        collect(draft, (struct words){ words.p + 2, words.n - 2, words.cost }, true, list, seen);
        return;
    case ER_WORD_ALL:
        for (uint32_t at = 1, next; at < end; at = next) {
            next = at + 1 + er_word_length(words.p[at]);
            collect(draft, (struct words){ words.p + at, next - at, words.cost }, inside, list, seen);
        }
        return;
    case ER_WORD_ANY:
    case ER_WORD_NOT:
    default:
        seen->logic = true;
    }
}

/* Takes a condition of the whole event: into the list, and into the tree what the list cannot say. */
static void place(struct er_draft *draft, struct words words, struct word_list *list, struct word_list *tree)
{
    struct seen seen = { 0 };
    bool top = er_word_kind(words.p[0]) == ER_WORD_LEAF;

    collect(draft, words, false, list, &seen);
    if (seen.logic || (!top && (seen.leaves > 1 || seen.absent))) {
        list_add(draft, tree, words);
        draft->tree = true;
        draft->always = draft->always || seen.logic;
    }
}

static bool write_out(struct er_draft *draft, const struct word_list *list, struct words tree)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < list->n; i++) {
        n += list->items[i].n - 1;
    }
    draft->words = er_arena_alloc(draft->arena, (n + 1 + tree.n) * sizeof *draft->words);
    if (draft->words == NULL) {
        return false;
    }
    if (draft->tree) {
        draft->words[draft->n++] = n;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        memcpy(draft->words + draft->n, list->items[i].p + 1, (list->items[i].n - 1) * sizeof *draft->words);
        draft->n += list->items[i].n - 1;
        draft->words[draft->n - 1] |= ER_LEAF_END;
    }
    if (draft->tree) {
        memcpy(draft->words + draft->n, tree.p, tree.n * sizeof *draft->words);
        draft->n += tree.n;
    }
    return true;
}

/* All conditions of the rule, each about the whole event. */
static void conditions(struct er_draft *draft, const struct er_rule *rule, struct word_list *all)
{
    if (rule->has_types) {
        list_add(draft, all, types_leaf(draft, rule));
    }
    for (size_t i = 0; i < rule->n_regexes && !all->no_memory; i++) {
        list_add(draft, all, regex_leaf(draft, &rule->regexes[i]));
    }
    if (rule->pattern != NULL && !all->no_memory) {
        struct words pattern = pattern_words(draft, rule->pattern, ER_NODE_EVENT);

        if (pattern.p == NULL) {
            all->no_memory = true;
        } else {
            open_children(draft, ER_WORD_ALL, pattern, all);
        }
    }
}

bool er_draft_init(struct er_draft *draft, struct er_catalog *catalog, const struct er_rule *rule)
{
    struct word_list all = { 0 }, list = { 0 }, left = { 0 };
    struct words tree = none;

    *draft = (struct er_draft){ .catalog = catalog, .arena = catalog->scratch };
    conditions(draft, rule, &all);
    if (all.no_memory) {
        return false;
    }
    for (uint32_t i = 0; i < all.n; i++) {
        place(draft, all.items[i], &list, &left);
    }
    if (draft->tree) {
        tree = combine(draft, ER_WORD_ALL, &left);
    }
    if (list.no_memory || left.no_memory || (draft->tree && tree.p == NULL)) {
        return false;
    }
    list_sort(&list);
    return write_out(draft, &list, tree);
}

void er_draft_fini(struct er_draft *draft)
{
    for (uint32_t i = 0; i < draft->n_held; i++) {
        er_catalog_test_unref(draft->catalog, draft->held[i]);
    }
    er_arena_reset(draft->arena);
}
