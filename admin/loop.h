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

/* Runs until er_loop_stop, which takes effect after the callback that called it (a call before er_loop_run has no effect). */
void er_loop_run(struct er_loop *loop);
void er_loop_stop(struct er_loop *loop);

/* For admin's own files only. */
struct event_base *er_loop_base(struct er_loop *loop);

#endif
