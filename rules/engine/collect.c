#include "rules/engine/collect.h"

#include <stdlib.h>
#include "rules/engine/grow.h"

#define INSERTION_MAX 12u

static void list_free(struct er_found_list *list)
{
    free(list->items);
    free(list->ids);
}

void er_collector_fini(struct er_collector *collector)
{
    list_free(&collector->matched);
    list_free(&collector->undecided);
    free(collector->proxies);
    free(collector->ids);
    free(collector->subscribers);
    free(collector->left);
    *collector = (struct er_collector){ 0 };
}

void er_collector_begin(struct er_collector *collector)
{
    collector->matched.n = 0;
    collector->undecided.n = 0;
}

static bool reserve(struct er_found_list *list, uint32_t n)
{
    return n == 0 || er_grow(&list->items, &list->capacity, sizeof *list->items, n - 1);
}

bool er_collector_add(struct er_collector *collector, const struct er_found *found)
{
    struct er_found_list *list = found->reason == NULL ? &collector->matched : &collector->undecided;

    if (list->n == list->capacity && !reserve(list, list->n + 1)) {
        return false;
    }
    list->items[list->n++] = *found;
    return true;
}

/* ---- order ---- */

/* What stands for a found subscription while sorting: the first bytes of its subscriber's id decide nearly always. */
struct er_proxy {
    uint64_t key;
    uint32_t index;
};

static uint64_t key_of(struct er_str id)
{
    uint64_t key = 0;

    for (size_t i = 0; i < sizeof key; i++) {
        key = key << 8 | (i < id.n ? (unsigned char)id.p[i] : 0);
    }
    return key;
}

static int compare_found(const struct er_found *a, const struct er_found *b)
{
    int order = a->subscriber == b->subscriber ? 0 : er_str_cmp(a->subscriber->id, b->subscriber->id);

    return order != 0 ? order : er_str_cmp(a->id, b->id);
}

static inline bool is_behind(const struct er_found *items, const struct er_proxy *a, const struct er_proxy *b)
{
    return a->key != b->key ? a->key > b->key : compare_found(&items[a->index], &items[b->index]) > 0;
}

static void sort_few(const struct er_found *items, struct er_proxy *proxies, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct er_proxy proxy = proxies[i];
        uint32_t at = i;

        for (; at > 0 && is_behind(items, &proxies[at - 1], &proxy); at--) {
            proxies[at] = proxies[at - 1];
        }
        proxies[at] = proxy;
    }
}

struct run {
    const struct er_proxy *from;
    struct er_proxy *to;
    uint32_t middle, n;
};

static void merge(const struct er_found *items, const struct run *run)
{
    uint32_t a = 0, b = run->middle;

    for (uint32_t i = 0; i < run->n; i++) {
        bool first = b == run->n || (a < run->middle && !is_behind(items, &run->from[a], &run->from[b]));

        run->to[i] = first ? run->from[a++] : run->from[b++];
    }
}

/* Merge sort, because qsort may allocate; from one half of the proxies to the other. Returns the sorted half. */
static struct er_proxy *sort_proxies(const struct er_found *items, struct er_proxy *from, struct er_proxy *to, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += INSERTION_MAX) {
        sort_few(items, from + i, n - i < INSERTION_MAX ? n - i : INSERTION_MAX);
    }
    for (uint64_t width = INSERTION_MAX; width < n; width *= 2) {
        struct er_proxy *swap = from;

        for (uint64_t i = 0; i < n; i += 2 * width) {
            uint64_t left = n - i;

            merge(items, &(struct run){ from + i, to + i, (uint32_t)(width < left ? width : left),
                                        (uint32_t)(2 * width < left ? 2 * width : left) });
        }
        from = to;
        to = swap;
    }
    return from;
}

/* Of a list that is not empty. NULL without memory. */
static const struct er_proxy *sort(struct er_collector *collector, const struct er_found_list *list)
{
    if (list->n > UINT32_MAX / 2 ||
        !er_grow(&collector->proxies, &collector->proxies_capacity, sizeof *collector->proxies, 2 * list->n - 1)) {
        return NULL;
    }
    if (list->n == 1) {
        collector->proxies[0].index = 0;
        return collector->proxies;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        collector->proxies[i] = (struct er_proxy){ key_of(list->items[i].subscriber->id), i };
    }
    return sort_proxies(list->items, collector->proxies, collector->proxies + list->n, list->n);
}

/* ---- results ---- */

static bool group_matched(struct er_collector *collector, struct er_match *match)
{
    const struct er_found_list *list = &collector->matched;
    const struct er_proxy *order = sort(collector, list);
    size_t n = 0;

    if (order == NULL || !er_grow(&collector->ids, &collector->ids_capacity, sizeof *collector->ids, list->n - 1) ||
        !er_grow(&collector->subscribers, &collector->subscribers_capacity, sizeof *collector->subscribers, list->n - 1)) {
        return false;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct er_found *found = &list->items[order[i].index];

        collector->ids[i] = found->id;
        if (n == 0 || collector->subscribers[n - 1].subscriber != found->subscriber) {
            collector->subscribers[n++] = (struct er_match_subscriber){ found->subscriber, &collector->ids[i], 0 };
        }
        collector->subscribers[n - 1].n_subscriptions++;
    }
    match->subscribers = collector->subscribers;
    match->n_subscribers = n;
    return true;
}

/* Both lists are sorted: those that matched anyway are left out on the way. */
static bool group_undecided(struct er_collector *collector, struct er_match *match)
{
    const struct er_found_list *list = &collector->undecided;
    const struct er_proxy *order = sort(collector, list);
    size_t n = 0, matched = 0;

    if (order == NULL || !er_grow(&collector->left, &collector->left_capacity, sizeof *collector->left, list->n - 1)) {
        return false;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct er_found *found = &list->items[order[i].index];

        while (matched < match->n_subscribers &&
               er_str_cmp(match->subscribers[matched].subscriber->id, found->subscriber->id) < 0) {
            matched++;
        }
        if ((matched < match->n_subscribers && match->subscribers[matched].subscriber == found->subscriber) ||
            (n > 0 && collector->left[n - 1].subscriber == found->subscriber)) {
            continue;
        }
        collector->left[n++] = (struct er_match_undecided){ found->subscriber, found->id, found->reason };
    }
    match->undecided = collector->left;
    match->n_undecided = n;
    return true;
}

bool er_collector_finish(struct er_collector *collector, struct er_match *match)
{
    match->n_subscribers = match->n_undecided = 0;
    return (collector->matched.n == 0 || group_matched(collector, match)) &&
           (collector->undecided.n == 0 || group_undecided(collector, match));
}

static int compare_ids(const void *a, const void *b)
{
    return er_str_cmp(*(const struct er_str *)a, *(const struct er_str *)b);
}

const struct er_str *er_found_ids(struct er_found_list *list, size_t *n)
{
    *n = list->n;
    if (list->n == 0 || !er_grow(&list->ids, &list->ids_capacity, sizeof *list->ids, list->n - 1)) {
        return NULL;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        list->ids[i] = list->items[i].id;
    }
    qsort(list->ids, *n, sizeof *list->ids, compare_ids);
    return list->ids;
}
