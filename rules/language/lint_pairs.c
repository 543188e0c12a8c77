/* Rules of one subscriber beside each other.
 *
 * DESIGN  a rule is a list of texts that are ANDed (its conjuncts) and a list of types that are ORed. A rule is contained in another one
 * if all conjuncts of the other are among its own and all its types are accepted by the other's. Every rule is registered under its
 * first conjunct, so only rules that share one are compared; each is compared with at most MAX_COMPARED others.
 */
#include <stdlib.h>

#include "rules/base/buf.h"
#include "rules/language/lint_impl.h"

enum { MAX_COMPARED = 256 };

struct facts {
    const struct er_rule *rule;
    size_t index;
    struct er_str *conjuncts; /* sorted, each once */
    size_t n;
    struct er_str *types; /* sorted */
    struct er_str key;    /* conjunct that it is registered under; "" when it has none */
    bool done;            /* something was said about it */
};

struct pairs {
    struct er_arena *arena;
    struct facts *items; /* by subscriber, key, number of conjuncts, index */
    size_t n;
    er_lint_pair_cb *cb;
    void *ctx;
};

static int compare_texts(const void *a, const void *b)
{
    return er_str_cmp(*(const struct er_str *)a, *(const struct er_str *)b);
}

static struct er_str regex_text(struct er_arena *arena, const struct er_rule_regex *entry)
{
    struct er_buf out = { 0 };
    struct er_str kept;

    er_buf_printf(&out, "R%d", (int)entry->path.root);
    for (size_t i = 0; i < entry->path.n; i++) {
        er_buf_printf(&out, ",%zu:", entry->path.keys[i].n);
        er_buf_add(&out, entry->path.keys[i]);
    }
    er_buf_addc(&out, '=');
    er_buf_add(&out, er_regex_text(entry->regex));
    kept = out.failed ? (struct er_str){ NULL, 0 } : er_arena_dup(arena, er_buf_str(&out));
    er_buf_free(&out);
    return kept;
}

static bool read_conjuncts(struct er_arena *arena, struct facts *facts)
{
    const struct er_rule *rule = facts->rule;
    struct er_str *of_pattern = NULL;
    size_t n_pattern = 0;

    if (rule->pattern != NULL) {
        of_pattern = er_lint_conjuncts(arena, rule->pattern, &n_pattern);
        if (of_pattern == NULL) {
            return false;
        }
    }
    facts->n = n_pattern + rule->n_regexes;
    facts->conjuncts = er_arena_calloc(arena, facts->n + 1, sizeof *facts->conjuncts);
    if (facts->conjuncts == NULL) {
        return false;
    }
    for (size_t i = 0; i < rule->n_regexes; i++) {
        facts->conjuncts[i] = regex_text(arena, &rule->regexes[i]);
        if (facts->conjuncts[i].p == NULL) {
            return false;
        }
    }
    if (n_pattern > 0) {
        memcpy(facts->conjuncts + rule->n_regexes, of_pattern, n_pattern * sizeof *of_pattern);
    }
    qsort(facts->conjuncts, facts->n, sizeof *facts->conjuncts, compare_texts);
    return true;
}

static bool read_facts(struct er_arena *arena, const struct er_rule *rule, size_t index, struct facts *out)
{
    *out = (struct facts){ .rule = rule, .index = index };
    out->types = er_arena_calloc(arena, rule->n_types + 1, sizeof *out->types);
    if (out->types == NULL || !read_conjuncts(arena, out)) {
        return false;
    }
    if (rule->n_types > 0) {
        memcpy(out->types, rule->types, rule->n_types * sizeof *out->types);
        qsort(out->types, rule->n_types, sizeof *out->types, compare_texts);
    }
    out->key = out->n > 0 ? out->conjuncts[0] : ER_STR("");
    return true;
}

/* ---- order ---- */

static int compare_keys(const struct facts *a, struct er_str subscriber, struct er_str key)
{
    int order = er_str_cmp(a->rule->subscriber, subscriber);

    return order != 0 ? order : er_str_cmp(a->key, key);
}

static int compare_facts(const void *a, const void *b)
{
    const struct facts *x = a, *y = b;
    int order = compare_keys(x, y->rule->subscriber, y->key);

    if (order == 0) {
        order = (x->n > y->n) - (x->n < y->n);
    }
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* The first one registered under a key, or pairs->n. */
static size_t first_of(const struct pairs *pairs, struct er_str subscriber, struct er_str key)
{
    size_t low = 0, high = pairs->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_keys(&pairs->items[middle], subscriber, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- comparison ---- */

static bool covers_types(const struct facts *wide, const struct facts *narrow)
{
    if (!wide->rule->has_types) {
        return true;
    }
    for (size_t i = 0; i < narrow->rule->n_types; i++) {
        bool covered = false;

        /* The stars of a narrow glob are never taken for text, because the parts of the wide one hold none. */
        for (size_t k = 0; k < wide->rule->n_types && !covered; k++) {
            covered = er_type_glob_match(wide->types[k], narrow->types[i]);
        }
        if (!covered) {
            return false;
        }
    }
    return narrow->rule->has_types;
}

static bool covers(const struct facts *wide, const struct facts *narrow)
{
    size_t at = 0;

    for (size_t i = 0; i < wide->n; i++) {
        while (at < narrow->n && er_str_cmp(narrow->conjuncts[at], wide->conjuncts[i]) < 0) {
            at++;
        }
        if (at == narrow->n || !er_str_eq(narrow->conjuncts[at], wide->conjuncts[i])) {
            return false;
        }
    }
    return covers_types(wide, narrow);
}

/* Looks at the rules under one key. */
static void compare_with(struct pairs *pairs, struct facts *narrow, struct er_str key)
{
    struct er_str subscriber = narrow->rule->subscriber;
    size_t compared = 0;

    for (size_t i = first_of(pairs, subscriber, key);
         !narrow->done && compared < MAX_COMPARED && i < pairs->n && compare_keys(&pairs->items[i], subscriber, key) == 0; i++) {
        struct facts *wide = &pairs->items[i];
        bool mutual;

        if (wide == narrow || wide->n > narrow->n) {
            continue;
        }
        compared++;
        if (!covers(wide, narrow)) {
            continue;
        }
        mutual = covers(narrow, wide);
        if (mutual && wide->index > narrow->index) {
            continue;
        }
        narrow->done = true;
        pairs->cb(pairs->ctx, mutual ? ER_E_LINT_SAME : ER_E_LINT_CONTAINED, narrow->index, wide->index);
    }
}

static int compare_index(const void *a, const void *b)
{
    const struct facts *x = *(struct facts *const *)a, *y = *(struct facts *const *)b;

    return (x->index > y->index) - (x->index < y->index);
}

static bool compare_all(struct pairs *pairs)
{
    struct facts **order = er_arena_calloc(pairs->arena, pairs->n + 1, sizeof(struct facts *));

    if (order == NULL) {
        return false;
    }
    for (size_t i = 0; i < pairs->n; i++) {
        order[i] = &pairs->items[i];
    }
    qsort(order, pairs->n, sizeof(struct facts *), compare_index);
    for (size_t i = 0; i < pairs->n; i++) {
        compare_with(pairs, order[i], ER_STR(""));
        for (size_t k = 0; k < order[i]->n; k++) {
            compare_with(pairs, order[i], order[i]->conjuncts[k]);
        }
    }
    return true;
}

enum er_code er_lint_pairs(struct er_rule *const *rules, size_t n, er_lint_pair_cb *cb, void *ctx)
{
    struct pairs pairs = { .arena = er_arena_new(0), .cb = cb, .ctx = ctx };
    bool fine = pairs.arena != NULL;

    pairs.items = fine ? er_arena_calloc(pairs.arena, n + 1, sizeof *pairs.items) : NULL;
    fine = pairs.items != NULL;
    for (size_t i = 0; i < n && fine; i++) {
        if (rules[i] != NULL && rules[i]->enabled) {
            fine = read_facts(pairs.arena, rules[i], i, &pairs.items[pairs.n++]);
        }
    }
    if (fine) {
        qsort(pairs.items, pairs.n, sizeof *pairs.items, compare_facts);
        fine = compare_all(&pairs);
    }
    er_arena_free(pairs.arena);
    return fine ? ER_OK : ER_E_NOMEM;
}
