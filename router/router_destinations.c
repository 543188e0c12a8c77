/* How destinations are, over all workers: for one subscriber, and those with trouble for the status. */
#include <stdio.h>
#include <stdlib.h>
#include "router/router.h"
#include "router/router_internal.h"

/* Of two workers the one that is worse off speaks for the destination. */
static unsigned badness(enum er_breaker_state state)
{
    static const unsigned order[] = {
        [ER_BREAKER_CLOSED] = 0, [ER_BREAKER_HALF_OPEN] = 1, [ER_BREAKER_ENSURE] = 2, [ER_BREAKER_OPEN] = 3
    };

    return order[state];
}

static void merge(struct er_destination_state *into, const struct er_lane_view *view)
{
    into->waiting += view->waiting;
    if (view->since_ms != 0 && (into->since_ms == 0 || view->since_ms < into->since_ms))
        into->since_ms = view->since_ms;
    if (badness(view->breaker) <= badness(into->breaker))
        return;
    into->breaker = view->breaker;
    into->code = view->code;
    into->probe_ms = view->probe_ms;
    snprintf(into->reason, sizeof into->reason, "%s", view->text);
}

struct search {
    struct er_str topic;
    struct er_destination_state *state;
};

static void look(void *ctx, const struct er_lane_view *view)
{
    const struct search *search = ctx;

    if (er_str_eq(view->topic, search->topic))
        merge(search->state, view);
}

void er_router_destination(const struct er_router *router, struct er_str subscriber, struct er_str topic,
                           struct er_destination_state *out)
{
    struct search search = { topic, out };

    *out = (struct er_destination_state){ .ready = er_topic_watch_ready(router->watch, subscriber, topic) };
    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_each_lane(router->workers[i], look, &search);
}

/* ---- those with trouble ---- */

struct named {
    char topic[256];
    struct er_destination_state state;
};

struct list {
    struct named *items;
    size_t n, room;
};

static void collect(void *ctx, const struct er_lane_view *view)
{
    struct list *list = ctx;
    struct named *item = NULL;

    for (size_t i = 0; i < list->n && item == NULL; i++)
        item = er_str_eq(er_str_of(list->items[i].topic), view->topic) ? &list->items[i] : NULL;
    if (item == NULL && list->n == list->room) {
        size_t room = list->room == 0 ? 16 : 2 * list->room;
        struct named *items = realloc(list->items, room * sizeof *items);

        if (items == NULL)
            return;
        list->items = items;
        list->room = room;
    }
    if (item == NULL) {
        item = &list->items[list->n++];
        *item = (struct named){ .topic = "" };
        snprintf(item->topic, sizeof item->topic, "%.*s", ER_STR_ARG(view->topic));
    }
    merge(&item->state, view);
}

static int by_topic(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->topic, ((const struct named *)b)->topic);
}

void er_router_each_trouble(const struct er_router *router, er_trouble_cb *cb, void *ctx)
{
    struct list list = { NULL, 0, 0 };

    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_each_lane(router->workers[i], collect, &list);
    if (list.n > 0)
        qsort(list.items, list.n, sizeof *list.items, by_topic);
    for (size_t i = 0; i < list.n; i++)
        cb(ctx, list.items[i].topic, &list.items[i].state);
    free(list.items);
}
