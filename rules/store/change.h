/* A change request on its way through the one queue of the main thread:
 *
 *   submit -> build (plan) -> destinations made -> store (durable) -> rule set published on every worker -> done
 *
 * The requester (admin) and the executor (router/change_queue) share only this header.
 */
#ifndef ER_RULES_STORE_CHANGE_H
#define ER_RULES_STORE_CHANGE_H

#include "rules/store/plan.h"

struct er_change_result {
    enum er_code code;          /* ER_OK: durable and active (or a dry run that would be) */
    const struct er_err *err;   /* when code is not ER_OK */
    uint64_t revision;          /* of the rule set now */
    const struct er_plan *plan; /* NULL when build failed; for er_plan_summary */
};

/* Owned by the requester until done has returned. All calls on the main thread. */
struct er_change_request {
    /* Fills the plan; an error ends the request. Called once, when the request is at the head of the queue. */
    enum er_code (*build)(void *arg, struct er_plan *plan, struct er_err *err);
    /* Called exactly once, also at shutdown (ER_E_UNAVAILABLE); may be called before submit returns. */
    void (*done)(void *arg, const struct er_change_result *result);
    void *arg;
    bool dry_run; /* build only: no destination made, nothing stored */
    struct er_actor actor;
    struct er_change_request *next; /* the queue's link */
};

#endif
