/* Conditions as comparable texts, and what follows from that. */
#include "rules/base/buf.h"
#include "rules/base/decimal.h"
#include "rules/language/lint_impl.h"

#include <stdlib.h>

struct texts {
    struct er_arena *arena;
    struct er_str *items;
    size_t n, capacity;
    bool no_memory;
};

static void add(struct texts *texts, struct er_str text)
{
    if (texts->n == texts->capacity) {
        size_t capacity = texts->capacity == 0 ? 8 : texts->capacity * 2;
        struct er_str *items = er_arena_calloc(texts->arena, capacity, sizeof *items);

        if (items == NULL) {
            texts->no_memory = true;
            return;
        }
        if (texts->n > 0) {
            memcpy(items, texts->items, texts->n * sizeof *items);
        }
        texts->items = items;
        texts->capacity = capacity;
    }
    texts->no_memory = texts->no_memory || text.p == NULL;
    texts->items[texts->n++] = text;
}

static int compare(const void *a, const void *b)
{
    return er_str_cmp(*(const struct er_str *)a, *(const struct er_str *)b);
}

static void sort_once(struct texts *texts)
{
    size_t n = 0;

    if (texts->no_memory || texts->n == 0) {
        return;
    }
    qsort(texts->items, texts->n, sizeof *texts->items, compare);
    for (size_t i = 0; i < texts->n; i++) {
        if (n == 0 || !er_str_eq(texts->items[n - 1], texts->items[i])) {
            texts->items[n++] = texts->items[i];
        }
    }
    texts->n = n;
}

/* kind, length and all texts, each with its length: no text can look like another structure. */
static struct er_str join(struct texts *texts, char kind, struct er_str key)
{
    struct er_buf out = { 0 };
    struct er_str kept;

    er_buf_printf(&out, "%c%zu:", kind, key.n);
    er_buf_add(&out, key);
    for (size_t i = 0; i < texts->n && !texts->no_memory; i++) {
        er_buf_printf(&out, ",%zu:", texts->items[i].n);
        er_buf_add(&out, texts->items[i]);
    }
    kept = out.failed || texts->no_memory ? (struct er_str){ NULL, 0 } : er_arena_dup(texts->arena, er_buf_str(&out));
    er_buf_free(&out);
    return kept;
}

/* ---- fields ---- */

static struct er_str number_key(struct er_arena *arena, struct er_str literal)
{
    struct er_decimal number = er_decimal_of(literal);
    char *key = er_arena_alloc(arena, er_decimal_key_max(literal.n));

    return key == NULL ? (struct er_str){ NULL, 0 } : (struct er_str){ key, er_decimal_key(&number, key) };
}

static struct er_str numeric_text(struct er_arena *arena, const struct er_numeric *numeric)
{
    struct texts texts = { .arena = arena };
    char flags[4] = { numeric->low_included ? 'i' : 'x', numeric->high_included ? 'i' : 'x', numeric->different ? 'd' : 'r', '\0' };

    add(&texts, numeric->low.n > 0 ? number_key(arena, numeric->low) : ER_STR("-"));
    add(&texts, numeric->high.n > 0 ? number_key(arena, numeric->high) : ER_STR("-"));
    return join(&texts, 'N', er_str_of(flags));
}

static struct er_str cidr_text(struct er_arena *arena, const struct er_cidr *cidr)
{
    struct texts texts = { .arena = arena };
    struct er_str kept = er_arena_dup(arena, (struct er_str){ (const char *)cidr->network.bytes, cidr->network.v6 ? 16 : 4 });

    add(&texts, kept);
    return join(&texts, (char)cidr->length, ER_STR(""));
}

static struct er_str operand_text(struct er_arena *arena, const struct er_entry *entry, const struct er_operand *operand)
{
    struct texts texts = { .arena = arena };
    char kind[4] = { (char)('a' + (int)entry->op), entry->but ? '!' : '=', '0', '\0' };

    if (entry->op == ER_OPERATOR_NUMERIC) {
        add(&texts, numeric_text(arena, &operand->numeric));
    } else if (entry->op == ER_OPERATOR_CIDR) {
        add(&texts, cidr_text(arena, &operand->cidr));
    } else if (entry->op == ER_OPERATOR_REGEX) {
        add(&texts, er_regex_text(operand->regex));
    } else {
        kind[2] = (char)('0' + (int)operand->type);
        add(&texts, operand->type == ER_JSON_NUMBER ? number_key(arena, operand->text)
                    : operand->text.p == NULL       ? ER_STR("")
                                                    : operand->text);
    }
    return join(&texts, 'O', er_str_of(kind));
}

static void add_entry(struct texts *texts, const struct er_entry *entry)
{
    struct texts operands = { .arena = texts->arena };

    if (entry->op == ER_OPERATOR_EXISTS) {
        add(texts, entry->exists ? ER_STR("present") : ER_STR("absent"));
        return;
    }
    for (size_t i = 0; i < entry->n; i++) {
        add(entry->but ? &operands : texts, operand_text(texts->arena, entry, &entry->operands[i]));
    }
    if (entry->but) {
        sort_once(&operands);
        add(texts, join(&operands, '!', ER_STR("")));
    }
}

static struct er_str leaf_text(struct er_arena *arena, const struct er_pattern *leaf)
{
    struct texts texts = { .arena = arena };

    for (size_t i = 0; i < leaf->n_entries; i++) {
        add_entry(&texts, &leaf->entries[i]);
    }
    sort_once(&texts);
    return join(&texts, (char)('0' + (int)leaf->root), leaf->key);
}

/* ---- logic ---- */

/* The children of a node and of those below it that have the same kind: ALL in ALL, ANY in ANY. */
static void add_flat(struct texts *texts, const struct er_pattern *node, enum er_pattern_kind kind)
{
    if (node->kind == kind || (node->kind == ER_PATTERN_ALL && node->n_children == 1)) {
        for (size_t i = 0; i < node->n_children; i++) {
            add_flat(texts, &node->children[i], kind);
        }
    } else {
        add(texts, er_lint_canon(texts->arena, node));
    }
}

struct er_str er_lint_canon(struct er_arena *arena, const struct er_pattern *node)
{
    struct texts texts = { .arena = arena };

    switch (node->kind) {
    case ER_PATTERN_ALL:
    case ER_PATTERN_ANY:
        add_flat(&texts, node, node->kind);
        sort_once(&texts);
        return texts.n == 1 && !texts.no_memory ? texts.items[0]
                                                : join(&texts, node->kind == ER_PATTERN_ALL ? '&' : '|', ER_STR(""));
    case ER_PATTERN_NOT:
        add(&texts, er_lint_canon(arena, &node->children[0]));
        return join(&texts, '~', ER_STR(""));
    case ER_PATTERN_WITHIN:
        add(&texts, er_lint_canon(arena, &node->children[0]));
        return join(&texts, 'W', node->key);
    case ER_PATTERN_LEAF:
    default:
        return leaf_text(arena, node);
    }
}

struct er_str *er_lint_conjuncts(struct er_arena *arena, const struct er_pattern *node, size_t *n)
{
    struct texts texts = { .arena = arena };

    add_flat(&texts, node, ER_PATTERN_ALL);
    sort_once(&texts);
    *n = texts.n;
    return texts.no_memory ? NULL : texts.items;
}

/* ---- always and never ---- */

struct flat {
    const struct er_pattern *items[256]; /* as many as a rule may have tests; what is more is not looked at */
    size_t n;
    bool more;
};

static void collect(struct flat *flat, const struct er_pattern *node, enum er_pattern_kind kind)
{
    if (node->kind == kind || (node->kind == ER_PATTERN_ALL && node->n_children == 1)) {
        for (size_t i = 0; i < node->n_children; i++) {
            collect(flat, &node->children[i], kind);
        }
    } else if (flat->n < sizeof flat->items / sizeof *flat->items) {
        flat->items[flat->n++] = node;
    } else {
        flat->more = true;
    }
}

static void presence(const struct er_pattern *leaf, bool *when_present, bool *when_absent)
{
    *when_present = *when_absent = false;
    for (size_t i = 0; i < leaf->n_entries; i++) {
        bool exists = leaf->entries[i].op == ER_OPERATOR_EXISTS;

        *when_absent = *when_absent || (exists && !leaf->entries[i].exists);
        *when_present = *when_present || !exists || leaf->entries[i].exists;
    }
}

/* Two leaves on one field of one object: one wants it there, the other one wants it absent. */
static bool exclude(const struct er_pattern *a, const struct er_pattern *b)
{
    bool a_present, a_absent, b_present, b_absent;

    if (a->kind != ER_PATTERN_LEAF || b->kind != ER_PATTERN_LEAF || a->root != b->root || !er_str_eq(a->key, b->key)) {
        return false;
    }
    presence(a, &a_present, &a_absent);
    presence(b, &b_present, &b_absent);
    return (!a_present && !b_absent) || (!b_present && !a_absent);
}

/* One is the $not of the other. */
static bool oppose(struct er_arena *arena, const struct er_pattern *a, const struct er_pattern *b)
{
    struct er_str x, y;

    if (a->kind != ER_PATTERN_NOT) {
        return b->kind == ER_PATTERN_NOT && oppose(arena, b, a);
    }
    x = er_lint_canon(arena, &a->children[0]);
    y = er_lint_canon(arena, b);
    return x.p != NULL && y.p != NULL && er_str_eq(x, y);
}

static enum er_truth fixed_list(struct er_arena *arena, const struct er_pattern *node)
{
    enum er_truth decides = node->kind == ER_PATTERN_ALL ? ER_FALSE : ER_TRUE;
    enum er_truth all = node->kind == ER_PATTERN_ALL ? ER_TRUE : ER_FALSE;
    struct flat flat = { .n = 0 };

    collect(&flat, node, node->kind);
    for (size_t i = 0; i < flat.n; i++) {
        enum er_truth one = er_lint_fixed(arena, flat.items[i]);

        if (one == decides) {
            return decides;
        }
        all = one == all ? all : ER_UNDECIDED;
        for (size_t k = 0; k < i; k++) {
            if (oppose(arena, flat.items[i], flat.items[k]) ||
                (node->kind == ER_PATTERN_ALL && exclude(flat.items[i], flat.items[k]))) {
                return decides;
            }
        }
    }
    return flat.more ? ER_UNDECIDED : all;
}

static bool leaf_always(const struct er_pattern *leaf)
{
    bool present = false, absent = false;

    for (size_t i = 0; i < leaf->n_entries; i++) {
        if (leaf->entries[i].op == ER_OPERATOR_EXISTS) {
            present = present || leaf->entries[i].exists;
            absent = absent || !leaf->entries[i].exists;
        }
    }
    return present && absent;
}

enum er_truth er_lint_fixed(struct er_arena *arena, const struct er_pattern *node)
{
    enum er_truth below;

    switch (node->kind) {
    case ER_PATTERN_ALL:
    case ER_PATTERN_ANY:
        return fixed_list(arena, node);
    case ER_PATTERN_NOT:
        below = er_lint_fixed(arena, &node->children[0]);
        return below == ER_UNDECIDED ? ER_UNDECIDED : below == ER_TRUE ? ER_FALSE : ER_TRUE;
    case ER_PATTERN_WITHIN: /* there is always an object to look at, if only one without fields */
        return er_lint_fixed(arena, &node->children[0]);
    case ER_PATTERN_LEAF:
    default:
        return leaf_always(node) ? ER_TRUE : ER_UNDECIDED;
    }
}
