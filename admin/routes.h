/* The one table of routes: everything that the admin server answers is a row, and 404, 405 + Allow, 415, body limits and the check of query
 * parameters follow from it. schemas/admin.openapi.yaml has the same rows (a test compares them). */
#ifndef ER_ADMIN_ROUTES_H
#define ER_ADMIN_ROUTES_H

#include "admin/call.h"

enum er_route_flags {
    ER_ROUTE_PUBLIC = 1, /* also on the read-only TCP listener */
    ER_ROUTE_CHANGE = 2, /* refused while draining */
    ER_ROUTE_BODY = 4,   /* needs a JSON body */
    ER_ROUTE_PATCH = 8,  /* its body may also be application/merge-patch+json */
    ER_ROUTE_BULK = 16   /* body limit admin.bulk_bytes instead of 1 MiB */
};

struct er_route {
    const char *method; /* GET answers HEAD too */
    const char *path;   /* "{id}" or another name in braces stands for one segment */
    void (*handle)(struct er_call *call);
    unsigned flags;
    const char *query[ER_CALL_MAX_PARAMS + 1];
};

const struct er_route *er_routes(size_t *n);

/* The most body bytes a request may have. */
size_t er_routes_body_limit(const struct er_api *api, const struct er_http_request *request);

/* Answers one request; done is called exactly once, now or later, and request is borrowed until then. */
void er_routes_handle(struct er_api *api, const struct er_http_request *request, er_call_done_cb *done, void *ctx);

/* The handlers, by file. */
void er_api_list_subscriptions(struct er_call *call); /* api_subscriptions.c */
void er_api_get_subscription(struct er_call *call);
void er_api_post_subscription(struct er_call *call);
void er_api_put_subscription(struct er_call *call);
void er_api_patch_subscription(struct er_call *call);
void er_api_delete_subscription(struct er_call *call);
void er_api_bulk_subscriptions(struct er_call *call); /* api_bulk.c */
void er_api_list_subscribers(struct er_call *call);   /* api_subscribers.c */
void er_api_get_subscriber(struct er_call *call);
void er_api_put_subscriber(struct er_call *call);
void er_api_pause_subscriber(struct er_call *call);
void er_api_resume_subscriber(struct er_call *call);
void er_api_delete_subscriber(struct er_call *call);
void er_api_list_dead_letters(struct er_call *call); /* api_dead_letters.c */
void er_api_get_dead_letter(struct er_call *call);
void er_api_retry_dead_letter(struct er_call *call); /* api_retry.c */
void er_api_retry_dead_letters(struct er_call *call);
void er_api_validate(struct er_call *call); /* api_validate.c */
void er_api_test(struct er_call *call);     /* api_test.c */
void er_api_explain(struct er_call *call);  /* api_explain.c */
void er_api_config(struct er_call *call);   /* api_control.c */
void er_api_put_log_level(struct er_call *call);
void er_api_reload(struct er_call *call);
void er_api_drain(struct er_call *call);
void er_api_status(struct er_call *call); /* api_status.c */
void er_api_livez(struct er_call *call);
void er_api_readyz(struct er_call *call);
void er_api_metrics(struct er_call *call);
void er_api_version(struct er_call *call);
void er_api_openapi(struct er_call *call);

#endif
