#include "admin/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

struct registration {
    struct event *event;
    er_loop_cb *cb;
    void *ctx;
    struct registration *next;
};

struct er_loop {
    struct event_base *base;
    struct registration *first;
};

/* A peer that hangs up must be an error of write(), not the end of the process. A handler that somebody set stays. */
static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &now, NULL);
    }
}

struct er_loop *er_loop_new(void)
{
    struct er_loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL) {
        return NULL;
    }
    loop->base = event_base_new();
    if (loop->base == NULL) {
        free(loop);
        return NULL;
    }
    ignore_sigpipe();
    return loop;
}

void er_loop_free(struct er_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->first != NULL) {
        struct registration *registration = loop->first;

        loop->first = registration->next;
        event_free(registration->event);
        free(registration);
    }
    event_base_free(loop->base);
    free(loop);
}

static void fire(evutil_socket_t fd, short what, void *arg)
{
    struct registration *registration = arg;

    (void)fd;
    (void)what;
    registration->cb(registration->ctx);
}

static enum er_code add(struct er_loop *loop, int fd, short what, const struct timeval *period, er_loop_cb *cb, void *ctx)
{
    struct registration *registration = calloc(1, sizeof *registration);

    if (registration == NULL) {
        return ER_E_NOMEM;
    }
    registration->cb = cb;
    registration->ctx = ctx;
    registration->event = event_new(loop->base, fd, (short)(what | EV_PERSIST), fire, registration);
    if (registration->event == NULL || event_add(registration->event, period) != 0) {
        if (registration->event != NULL) {
            event_free(registration->event);
        }
        free(registration);
        return ER_E_SYSTEM;
    }
    registration->next = loop->first;
    loop->first = registration;
    return ER_OK;
}

enum er_code er_loop_on_readable(struct er_loop *loop, int fd, er_loop_cb *cb, void *ctx)
{
    return add(loop, fd, EV_READ, NULL, cb, ctx);
}

enum er_code er_loop_every(struct er_loop *loop, uint32_t period_ms, er_loop_cb *cb, void *ctx)
{
    struct timeval period = { .tv_sec = (time_t)(period_ms / 1000), .tv_usec = (suseconds_t)(period_ms % 1000) * 1000 };

    return add(loop, -1, EV_TIMEOUT, &period, cb, ctx);
}

enum er_code er_loop_on_signal(struct er_loop *loop, int signal_number, er_loop_cb *cb, void *ctx)
{
    return add(loop, signal_number, EV_SIGNAL, NULL, cb, ctx);
}

/* ---- Tasks */

struct er_loop_task {
    struct event *event;
    er_loop_cb *cb;
    void *ctx;
};

static void fire_task(evutil_socket_t fd, short what, void *arg)
{
    struct er_loop_task *task = arg;

    (void)fd;
    (void)what;
    task->cb(task->ctx);
}

struct er_loop_task *er_loop_task_new(struct er_loop *loop, er_loop_cb *cb, void *ctx)
{
    struct er_loop_task *task = calloc(1, sizeof *task);

    if (task == NULL) {
        return NULL;
    }
    task->cb = cb;
    task->ctx = ctx;
    task->event = event_new(loop->base, -1, 0, fire_task, task);
    if (task->event == NULL) {
        free(task);
        return NULL;
    }
    return task;
}

void er_loop_task_free(struct er_loop_task *task)
{
    if (task != NULL) {
        event_free(task->event);
        free(task);
    }
}

/* A timeout of nothing: the loop looks at its descriptors first. */
void er_loop_task_start(struct er_loop_task *task)
{
    const struct timeval now = { 0, 0 };

    (void)event_add(task->event, &now);
}

void er_loop_run(struct er_loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void er_loop_stop(struct er_loop *loop)
{
    (void)event_base_loopbreak(loop->base);
}

struct event_base *er_loop_base(struct er_loop *loop)
{
    return loop->base;
}
