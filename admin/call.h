/* One admin request below HTTP: what the handlers (api_*.c) share. Main thread only.
 *
 *   er_routes_handle -> route->handle(call) -> er_call_reply ... er_call_finish
 *                                           -> er_call_submit -> build -> (stored, active) -> answer -> er_call_finish
 *
 * Every handler leads to exactly one er_call_finish, which frees the call.
 */
#ifndef ER_ADMIN_CALL_H
#define ER_ADMIN_CALL_H

#include "admin/env.h"
#include "admin/http_message.h"
#include "admin/reply.h"
#include "admin/uri.h"
#include "rules/store/plan.h"
#include "rules/store/store.h"

struct er_call;
struct er_route;

/* What all calls share; outlives the server while changes are under way. */
struct er_api {
    const struct er_admin_env *env; /* borrowed until er_api_close */
    size_t bulk_bytes;
    bool closed; /* env may not be used any more */
    size_t references;
    /* Calls that work in pieces; wake asks for er_api_step, NULL: they are finished at once. */
    struct er_call *jobs;
    void (*wake)(void *ctx);
    void *wake_ctx;
};
struct er_api *er_api_new(const struct er_admin_env *env, size_t bulk_bytes); /* one reference; NULL without memory */
void er_api_close(struct er_api *api);                                        /* gives the reference back */

/* One piece of the call that waits longest; asks to be woken again while there is one. */
void er_api_step(struct er_api *api);

/* Takes what the reply holds, which is empty afterwards. */
typedef void er_call_done_cb(void *ctx, struct er_reply *reply);

enum { ER_CALL_MAX_PARAMS = 8 };

/* One piece of the work of a call, some ten milliseconds at most. True: the call has ended. */
typedef bool er_call_step(struct er_call *call) ER_MUST_CHECK;

typedef enum er_code er_call_build(struct er_call *call, struct er_plan *plan, struct er_err *err);
typedef void er_call_answer(struct er_call *call, const struct er_change_result *result);

struct er_call {
    struct er_api *api;
    const struct er_route *route;
    const struct er_http_request *request; /* borrowed until er_call_finish */
    struct er_arena *arena;
    struct er_str id; /* {id} of the path, decoded; n = 0 when the path has none */
    struct er_uri_param params[ER_CALL_MAX_PARAMS];
    struct er_problems problems, warnings;
    struct er_reply reply;
    er_call_done_cb *done;
    void *done_ctx;

    /* A change on its way. */
    struct er_change_request change;
    er_call_build *build;
    er_call_answer *answer;
    struct er_precondition precondition;
    const struct er_json *body;
    struct er_rule **rules; /* references; NULL where a document is bad */
    size_t n_rules;
    enum er_put_mode mode;
    enum er_put_result result;
    struct er_str result_id; /* in arena */
    bool flag;               /* prune, cascade, paused */

    /* Work in pieces. */
    er_call_step *step;
    struct er_call *next_job;
    void *work;
    void (*work_free)(void *work); /* NULL: nothing to free */
};

/* NULL without memory. */
struct er_call *er_call_new(struct er_api *api, const struct er_http_request *request, er_call_done_cb *done, void *ctx);
void er_call_finish(struct er_call *call);

/* Query parameters of the route's table. Text: p = NULL when absent or empty. Flag: absent is false, a bare name is true; a value that is not
 * true or false ends the call and gives false in the result. */
struct er_str er_call_text(const struct er_call *call, const char *name);
bool er_call_flag(struct er_call *call, const char *name, bool *out) ER_MUST_CHECK;

/* Ends the call with an error. */
void er_call_fail(struct er_call *call, enum er_code code, const char *detail, const char *hint);
/* The same with what err says, or with all of call->problems when there are any. */
void er_call_refuse(struct er_call *call, enum er_code code, const struct er_err *err);

/* The body as JSON in call->body, levels deeper than a subscription document may be. False: the call has ended. */
bool er_call_read_body(struct er_call *call, size_t levels) ER_MUST_CHECK;
/* If-Match and If-None-Match into call->precondition. False: the call has ended. */
bool er_call_read_precondition(struct er_call *call) ER_MUST_CHECK;
/* Refuses these headers where they mean nothing. False: the call has ended. */
bool er_call_no_precondition(struct er_call *call) ER_MUST_CHECK;

/* Sends the call through the change queue (reads ?dry_run). build runs at its turn; answer fills the reply after success and need not finish
 * the call; all failures are answered here. The call may be gone when this returns. */
void er_call_submit(struct er_call *call, er_call_build *build, er_call_answer *answer);

/* Does the work of a call piece by piece, so that other calls and changes have their turn in between; the first one now. The call may be
 * gone when this returns. */
void er_call_run(struct er_call *call, er_call_step *step);

/* Adds ETag: "rev-N". */
void er_call_etag(struct er_call *call, uint64_t revision);

/* Pages of a list, for api_*.c: limit and page_token of the request. False: the call has ended. */
struct er_page {
    struct er_str after_id; /* p = NULL: from the start */
    size_t limit;
};
bool er_call_page(struct er_call *call, char collection, struct er_page *page) ER_MUST_CHECK;

/* A page while it is written: {"items":[ ... ],"next_page_token":...,"total":N}. */
struct er_page_writer {
    struct er_json_writer w;
    struct er_page page;
    struct er_str last_id; /* in arena */
    size_t written;
    size_t total;
    bool more;
    bool no_memory;
};
void er_page_begin(struct er_call *call, const struct er_page *page, struct er_page_writer *out);
/* Counts one row of the whole list; true when it belongs on this page and must be written now. */
bool er_page_wants(struct er_call *call, struct er_page_writer *out, struct er_str id);
void er_page_end(struct er_call *call, struct er_page_writer *out, char collection);

#endif
