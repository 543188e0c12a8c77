/* The main thread's event loop: descriptors, timers, signals. Hides libevent. Main thread only. */
#ifndef ER_ADMIN_LOOP_H
#define ER_ADMIN_LOOP_H

#include <stdint.h>
#include "rules/base/err.h"

struct er_loop;
struct event_base;

typedef void er_loop_cb(void *ctx);

/* NULL without memory. SIGPIPE is ignored from here on, unless somebody handles it. */
struct er_loop *er_loop_new(void);
void er_loop_free(struct er_loop *loop);

/* Registrations live until the loop is freed. */
enum er_code er_loop_on_readable(struct er_loop *loop, int fd, er_loop_cb *cb, void *ctx) ER_MUST_CHECK;
enum er_code er_loop_every(struct er_loop *loop, uint32_t period_ms, er_loop_cb *cb, void *ctx) ER_MUST_CHECK;
enum er_code er_loop_on_signal(struct er_loop *loop, int signal_number, er_loop_cb *cb, void *ctx) ER_MUST_CHECK;

/* Work that is done in pieces: er_loop_task_start has cb called once, after what is waiting now has had its turn; more starts before
 * that count once. Freed before the loop; NULL without memory. */
struct er_loop_task;
struct er_loop_task *er_loop_task_new(struct er_loop *loop, er_loop_cb *cb, void *ctx);
void er_loop_task_free(struct er_loop_task *task); /* NULL is fine */
void er_loop_task_start(struct er_loop_task *task);

/* Runs until er_loop_stop, which takes effect after the callback that called it (a call before er_loop_run has no effect). */
void er_loop_run(struct er_loop *loop);
void er_loop_stop(struct er_loop *loop);

/* For admin's own files only. */
struct event_base *er_loop_base(struct er_loop *loop);

#endif
