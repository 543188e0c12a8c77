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
    list_free(&collector->scratch);
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

static int compare(const struct er_found *a, const struct er_found *b)
{
    int order = a->subscriber == b->subscriber ? 0 : er_str_cmp(a->subscriber->id, b->subscriber->id);

    return order != 0 ? order : er_str_cmp(a->id, b->id);
}

static void sort_few(struct er_found *items, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct er_found item = items[i];
        uint32_t at = i;

        for (; at > 0 && compare(&items[at - 1], &item) > 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
}

static void merge(const struct er_found *from, struct er_found *to, uint32_t middle, uint32_t n)
{
    uint32_t a = 0, b = middle;

    for (uint32_t i = 0; i < n; i++) {
        to[i] = b == n || (a < middle && compare(&from[a], &from[b]) <= 0) ? from[a++] : from[b++];
    }
}

/* Merge sort, because qsort may allocate. */
static bool sort(struct er_collector *collector, struct er_found_list *list)
{
    struct er_found *from = list->items, *to;

    if (list->n <= INSERTION_MAX) {
        sort_few(list->items, list->n);
        return true;
    }
    if (!reserve(&collector->scratch, list->n)) {
        return false;
    }
    to = collector->scratch.items;
    for (uint32_t i = 0; i < list->n; i += INSERTION_MAX) {
        sort_few(from + i, list->n - i < INSERTION_MAX ? list->n - i : INSERTION_MAX);
    }
    for (uint64_t width = INSERTION_MAX; width < list->n; width *= 2) {
        struct er_found *swap = from;

        for (uint64_t i = 0; i < list->n; i += 2 * width) {
            uint64_t left = list->n - i;

            merge(from + i, to + i, (uint32_t)(width < left ? width : left), (uint32_t)(2 * width < left ? 2 * width : left));
        }
        from = to;
        to = swap;
    }
    if (from != list->items) {
        memcpy(list->items, from, list->n * sizeof *from);
    }
    return true;
}

/* A rule that several tests of one leaf found is there several times. */
static void drop_repetitions(struct er_found_list *list)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->n; i++) {
        if (kept == 0 || compare(&list->items[kept - 1], &list->items[i]) != 0) {
            list->items[kept++] = list->items[i];
        }
    }
    list->n = kept;
}

/* ---- results ---- */

static bool group_matched(struct er_collector *collector, struct er_match *match)
{
    const struct er_found_list *list = &collector->matched;
    size_t n = 0;

    if (list->n > 0 &&
        (!er_grow(&collector->ids, &collector->ids_capacity, sizeof *collector->ids, list->n - 1) ||
         !er_grow(&collector->subscribers, &collector->subscribers_capacity, sizeof *collector->subscribers, list->n - 1))) {
        return false;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct er_found *found = &list->items[i];

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
    size_t n = 0, matched = 0;

    if (list->n > 0 && !er_grow(&collector->left, &collector->left_capacity, sizeof *collector->left, list->n - 1)) {
        return false;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct er_found *found = &list->items[i];

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
    if (!sort(collector, &collector->matched) || !sort(collector, &collector->undecided)) {
        return false;
    }
    drop_repetitions(&collector->matched);
    drop_repetitions(&collector->undecided);
    return group_matched(collector, match) && group_undecided(collector, match);
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
