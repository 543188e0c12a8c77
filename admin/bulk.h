/* What the bulk PUT and validate share. */
#ifndef ER_ADMIN_BULK_H
#define ER_ADMIN_BULK_H

#include "admin/call.h"

/* Plans call->rules against the store as it is and throws the plan away: conflicts (the same id twice, a topic that is taken) go to
 * call->problems. Returns the first refusal. */
enum er_code er_bulk_find_conflicts(struct er_call *call, struct er_err *err) ER_MUST_CHECK;

#endif
