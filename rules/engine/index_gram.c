#include "rules/engine/index_kinds.h"

#include <stdlib.h>

#define FILTER_BITS_FIRST 512u
#define BITS_PER_GRAM 16u
#define PLACES_TRIED 64u

static uint64_t gram_mask(uint32_t length)
{
    return length >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * length)) - 1;
}

static uint64_t gram_hash(const struct er_index *index, uint64_t gram)
{
    return (gram ^ index->catalog->seed) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t gram_tag(const struct er_index *index, uint32_t node, uint32_t length, uint64_t gram)
{
    uint64_t hash = gram_hash(index, gram);

    return er_hash_tag(er_hash_with(hash ^ hash >> 32, (uint64_t)node << 8 | length));
}

static struct er_gram *gram_at(const struct er_index *index, uint32_t id)
{
    return er_stable_at(&index->gram_items, id);
}

static uint32_t gram_find(const struct er_index *index, uint32_t node, uint32_t length, uint64_t bytes)
{
    uint32_t tag = gram_tag(index, node, length, bytes);
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(&index->gram, tag, &step)) != ER_NONE;) {
        const struct er_gram *gram = gram_at(index, id);

        if (gram->bytes == bytes && gram->node == node && gram->length == length) {
            break;
        }
    }
    return id;
}

/* A gram that a test could stand under. */
struct candidate {
    struct er_str literal;
    uint64_t bytes;
    size_t at;
    uint32_t length;
    uint64_t cost;
};

/* The best of one literal's grams, if it beats *best. From the end: what tells literals apart mostly stands there. */
static void consider(const struct er_index *index, uint32_t node, struct er_str literal, struct candidate *best)
{
    uint32_t length = literal.n < ER_GRAM_MAX ? (uint32_t)literal.n : ER_GRAM_MAX;
    size_t last = literal.n - length;
    uint64_t weight = er_index_rarity(length);

    for (size_t i = 0; i <= last && i < PLACES_TRIED && best->cost > weight; i++) {
        uint64_t bytes = er_gram_load(literal.p + (last - i), length);
        uint32_t id = gram_find(index, node, length, bytes);
        uint64_t cost = weight * (id == ER_NONE ? 1 : (uint64_t)er_idlist_n(&gram_at(index, id)->tests) + 1);

        if (cost < best->cost) {
            *best = (struct candidate){ literal, bytes, last - i, length, cost };
        }
    }
}

void er_gram_place(const struct er_index *index, struct er_test *test)
{
    struct candidate best = { .cost = UINT64_MAX };

    consider(index, test->node, test->u.search->literal, &best);
    if (test->op == ER_OP_REGEX) {
        size_t n;
        const struct er_str *literals = er_regex_literals(test->u.search->regex, &n);

        for (size_t i = 0; i < n; i++) {
            consider(index, test->node, literals[i], &best);
        }
    }
    test->u.search->literal = best.literal;
    test->u.search->gram = best.bytes;
    test->u.search->gram_at = (uint16_t)best.at;
    test->u.search->gram_bytes = (uint8_t)best.length;
}

/* ---- the filter of one set ---- */

static size_t filter_bits(const struct er_gram_set *set)
{
    return set->filter == NULL ? 0 : (size_t)1 << (64 - set->shift);
}

static void filter_mark(const struct er_index *index, struct er_gram_set *set, uint64_t gram)
{
    uint64_t bit = gram_hash(index, gram) >> set->shift;

    set->filter[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool filter_marked(const struct er_gram_set *set, uint64_t hash)
{
    uint64_t bit = hash >> set->shift;

    return (set->filter[bit / 64] >> (bit % 64) & 1) != 0;
}

static void filter_fill(const struct er_index *index, struct er_gram_set *set)
{
    memset(set->filter, 0, filter_bits(set) / 8);
    for (uint32_t id = set->first; id != ER_NONE; id = gram_at(index, id)->next) {
        filter_mark(index, set, gram_at(index, id)->bytes);
    }
    set->stale = 0;
}

/* Room for one gram more. */
static bool filter_reserve(const struct er_index *index, struct er_gram_set *set)
{
    size_t bits = filter_bits(set);
    uint64_t *filter;

    if (bits >= ((size_t)set->n + 1) * BITS_PER_GRAM) {
        return true;
    }
    bits = bits == 0 ? FILTER_BITS_FIRST : bits * 4;
    filter = malloc(bits / 8);
    if (filter == NULL) {
        return false;
    }
    free(set->filter);
    set->filter = filter;
    set->shift = 64u - (uint32_t)__builtin_ctzll(bits);
    filter_fill(index, set);
    return true;
}

/* ---- adding and removing ---- */

static uint32_t gram_new(struct er_index *index, struct er_gram_set *set, const struct er_test *test)
{
    uint32_t tag = gram_tag(index, test->node, test->u.search->gram_bytes, test->u.search->gram);
    uint32_t id = ER_NONE;
    struct er_gram *gram;

    if (er_table_reserve(&index->gram, tag, 1) && filter_reserve(index, set)) {
        id = er_stable_take(&index->gram_items);
    }
    if (id == ER_NONE) {
        return ER_NONE;
    }
    gram = gram_at(index, id);
    *gram = (struct er_gram){ .bytes = test->u.search->gram,
                              .node = test->node,
                              .length = test->u.search->gram_bytes,
                              .next = set->first,
                              .previous = ER_NONE };
    if (set->first != ER_NONE) {
        gram_at(index, set->first)->previous = id;
    }
    set->first = id;
    set->n++;
    filter_mark(index, set, test->u.search->gram);
    er_table_add(&index->gram, tag, id);
    return id;
}

static void gram_free(struct er_index *index, struct er_gram_set *set, uint32_t id)
{
    struct er_gram *gram = gram_at(index, id);

    er_table_remove(&index->gram, gram_tag(index, gram->node, gram->length, gram->bytes), id);
    if (gram->next != ER_NONE) {
        gram_at(index, gram->next)->previous = gram->previous;
    }
    *(gram->previous != ER_NONE ? &gram_at(index, gram->previous)->next : &set->first) = gram->next;
    er_idlist_fini(&gram->tests);
    er_stable_give(&index->gram_items, id);
    set->n--;
    set->stale++;
    if (set->stale > set->n + 64) {
        filter_fill(index, set);
    }
}

static struct er_gram_set *set_open(struct er_path_index *path, uint32_t length)
{
    if (path->grams == NULL) {
        path->grams = calloc(ER_GRAM_MAX + 1, sizeof *path->grams);
    }
    if (path->grams == NULL) {
        return NULL;
    }
    if (path->grams[length].n == 0) {
        path->grams[length].first = ER_NONE;
    }
    return &path->grams[length];
}

static void set_close(struct er_path_index *path, uint32_t length)
{
    if (path->grams[length].n == 0) {
        free(path->grams[length].filter);
        path->grams[length] = (struct er_gram_set){ 0 };
        path->gram_lengths &= ~(UINT32_C(1) << length);
    }
    if (path->gram_lengths == 0) {
        free(path->grams);
        path->grams = NULL;
    }
}

bool er_gram_add(struct er_index *index, struct er_path_index *path, uint32_t test_id)
{
    const struct er_test *test = er_catalog_test(index->catalog, test_id);
    struct er_gram_set *set = set_open(path, test->u.search->gram_bytes);
    uint32_t id = gram_find(index, test->node, test->u.search->gram_bytes, test->u.search->gram);

    if (set == NULL) {
        return false;
    }
    if (id == ER_NONE) {
        id = gram_new(index, set, test);
    }
    if (id == ER_NONE || !er_places_add(&index->places, &gram_at(index, id)->tests, er_index_owner(ER_LIST_GRAM, id), test_id)) {
        set_close(path, test->u.search->gram_bytes);
        return false;
    }
    path->gram_lengths |= UINT32_C(1) << test->u.search->gram_bytes;
    return true;
}

void er_gram_remove(struct er_index *index, struct er_path_index *path, uint32_t test_id)
{
    const struct er_test *test = er_catalog_test(index->catalog, test_id);
    uint32_t id = gram_find(index, test->node, test->u.search->gram_bytes, test->u.search->gram);

    er_places_remove(&index->places, &gram_at(index, id)->tests, er_index_owner(ER_LIST_GRAM, id), test_id);
    if (er_idlist_n(&gram_at(index, id)->tests) == 0) {
        gram_free(index, &path->grams[test->u.search->gram_bytes], id);
        set_close(path, test->u.search->gram_bytes);
    }
}

void er_gram_fini(struct er_index *index, struct er_path_index *path)
{
    for (uint32_t left = path->gram_lengths; left != 0; left &= left - 1) {
        const struct er_gram_set *set = &path->grams[__builtin_ctz(left)];

        for (uint32_t id = set->first; id != ER_NONE; id = gram_at(index, id)->next) {
            er_idlist_fini(&gram_at(index, id)->tests);
        }
        free(set->filter);
    }
    free(path->grams);
}

size_t er_gram_bytes(const struct er_index *index)
{
    return er_stable_bytes(&index->gram_items) + index->gram_items.n * (BITS_PER_GRAM / 8);
}

/* ---- probing ---- */

/* The gram stands at value.p + at: do the whole literals around it stand there too? */
static void confirm(const struct er_index *index, uint32_t id, const struct er_scalar *whole, size_t at, struct er_hits *hits)
{
    const struct er_gram *gram = gram_at(index, id);
    struct er_str value = whole->text;
    const uint32_t *tests = er_idlist_ids(&gram->tests);
    uint32_t n = er_idlist_n(&gram->tests);
    bool all_hit = true, all_settled = true;

    for (uint32_t i = 0; i < n; i++) {
        const struct er_test *test = er_catalog_test(index->catalog, tests[i]);
        const struct er_search *search = test->u.search;

        if (!er_test_accepts_kind(test, whole->kind)) {
            all_settled = false;
            continue;
        }
        if (at >= search->gram_at && value.n - (at - search->gram_at) >= search->literal.n &&
            memcmp(value.p + (at - search->gram_at), search->literal.p, search->literal.n) == 0) {
            all_settled = hits->hit(hits, tests[i], test->op == ER_OP_CONTAINS) && all_settled;
        } else {
            all_hit = false;
        }
    }
    if (all_hit) {
        hits->marks[id] = all_settled ? hits->event : hits->value;
    }
}

struct gram_probe {
    const struct er_index *index;
    const struct er_gram_set *set;
    uint32_t node, length;
    const struct er_scalar *value;
    struct er_hits *hits;
    uint64_t last; /* the gram that was found last, or ER_NONE; a run of one byte is full of it */
    uint32_t last_id;
};

static inline void probe_at(struct gram_probe *probe, uint64_t bytes, size_t at)
{
    uint32_t id;

    if (!filter_marked(probe->set, gram_hash(probe->index, bytes))) {
        return;
    }
    if (bytes != probe->last || probe->last_id == ER_NONE) {
        probe->last = bytes;
        probe->last_id = gram_find(probe->index, probe->node, probe->length, bytes);
    }
    id = probe->last_id;
    if (id != ER_NONE && probe->hits->marks[id] != probe->hits->value && probe->hits->marks[id] != probe->hits->event) {
        confirm(probe->index, id, probe->value, at, probe->hits);
    }
}

static void probe_length(struct gram_probe *probe)
{
    uint64_t mask = gram_mask(probe->length);
    struct er_str value = probe->value->text;
    size_t whole = value.n >= 8 ? value.n - 7 : 0; /* positions where 8 bytes can be read */
    size_t at = 0;

    probe->last_id = ER_NONE;
    for (; at < whole; at++) {
        probe_at(probe, er_gram_load(value.p + at, 8) & mask, at);
    }
    for (; at + probe->length <= value.n; at++) {
        probe_at(probe, er_gram_load(value.p + at, value.n - at) & mask, at);
    }
}

void er_gram_probe(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits)
{
    struct gram_probe probe = { .index = index, .node = path->node, .value = value, .hits = hits };

    for (uint32_t left = path->gram_lengths; left != 0; left &= left - 1) {
        probe.length = (uint32_t)__builtin_ctz(left);
        probe.set = &path->grams[probe.length];
        if (probe.length <= value->text.n) {
            probe_length(&probe);
        }
    }
}
