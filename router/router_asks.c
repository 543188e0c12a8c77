/* What workers ask about topics: are they there, have they leaders, how large may a record be? */
#include <stdlib.h>
#include "router/kafka_describe.h"
#include "router/router_internal.h"

enum {
    ENSURE_BUDGET_MS = 5000,  /* for a destination that a worker misses */
    INSPECT_BUDGET_MS = 1000, /* for a look at one that does not answer */
};

struct er_router_ask {
    struct er_router_ask *next; /* in router->describes */
    struct er_topics_job job;
    struct er_topic item;
    struct er_router *router;
    struct er_worker_thread *thread;
    enum er_worker_ask_kind kind;
    char topic[];
};

static void answer(const struct er_router_ask *ask, const struct er_topic *item)
{
    er_worker_thread_answer(ask->thread, &(struct er_worker_ask){ er_str_of(ask->topic), ask->kind },
                            &(struct er_worker_answer){ item->code, item->text, item->max_bytes });
}

/* ---- about one topic ---- */

static void ask_done(void *arg, struct er_topics_job *job)
{
    struct er_router_ask *ask = arg;

    (void)job;
    if (ask->item.code == ER_OK && ask->kind == ER_ASK_ENSURE)
        er_topic_watch_found(ask->router->watch, er_str_of(ask->topic));
    answer(ask, &ask->item);
    free(ask);
}

static void submit(struct er_router_ask *ask)
{
    struct er_router *router = ask->router;
    bool inspect = ask->kind == ER_ASK_INSPECT;

    ask->item.name = ask->topic;
    ask->item.inspect = inspect;
    if (!inspect)
        ask->item.create = er_topic_watch_report(router->watch, er_str_of(ask->topic), &ask->item.partitions) &&
                           router->options.config->destination_create;
    ask->job.items = &ask->item;
    ask->job.n = 1;
    ask->job.budget_ms = inspect ? INSPECT_BUDGET_MS : ENSURE_BUDGET_MS;
    ask->job.done = ask_done;
    ask->job.arg = ask;
    er_kafka_topics_submit(router->topics, &ask->job);
}

/* ---- about the sizes of many, one request at a time ---- */

struct round {
    struct er_topics_job job;
    struct er_router *router;
    struct er_router_ask *asks[ER_KAFKA_DESCRIBE_BATCH];
    struct er_topic items[ER_KAFKA_DESCRIBE_BATCH];
};

static void round_done(void *arg, struct er_topics_job *job)
{
    struct round *round = arg;

    for (size_t i = 0; i < job->n; i++) {
        answer(round->asks[i], &round->items[i]);
        free(round->asks[i]);
    }
    round->router->describing = false;
    free(round);
}

static void start_round(struct er_router *router)
{
    struct round *round;

    if (router->describing || router->describes == NULL || router->stopping)
        return;
    round = calloc(1, sizeof *round);
    if (round == NULL)
        return;
    for (; router->describes != NULL && round->job.n < ER_KAFKA_DESCRIBE_BATCH; round->job.n++) {
        struct er_router_ask *ask = router->describes;

        router->describes = ask->next;
        round->asks[round->job.n] = ask;
        round->items[round->job.n].name = ask->topic;
    }
    round->router = router;
    round->job.items = round->items;
    round->job.describe = true;
    round->job.done = round_done;
    round->job.arg = round;
    router->describing = true;
    er_kafka_topics_submit(router->topics, &round->job);
}

static void on_ask(void *ctx, struct er_worker_thread *thread, const struct er_worker_ask *question)
{
    struct er_router *router = ctx;
    struct er_str topic = question->topic;
    struct er_router_ask *ask = calloc(1, sizeof *ask + topic.n + 1);

    if (ask == NULL) {
        er_worker_thread_answer(thread, question, &(struct er_worker_answer){ ER_E_NOMEM, "out of memory", 0 });
        return;
    }
    memcpy(ask->topic, topic.p, topic.n);
    ask->router = router;
    ask->thread = thread;
    ask->kind = question->kind;
    if (ask->kind == ER_ASK_DESCRIBE) {
        ask->next = router->describes;
        router->describes = ask;
    } else {
        submit(ask);
    }
}

void er_router_take_asks(struct er_router *router)
{
    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_each_ask(router->workers[i], on_ask, router);
    start_round(router);
}

void er_router_drop_asks(struct er_router *router)
{
    while (router->describes != NULL) {
        struct er_router_ask *ask = router->describes;

        router->describes = ask->next;
        free(ask);
    }
}
