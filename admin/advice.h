/* Lint of the documents of a request, for validate. */
#ifndef ER_ADMIN_ADVICE_H
#define ER_ADMIN_ADVICE_H

#include "admin/call.h"

/* Looks at call->rules (NULL where a document is bad): each by itself, beside each other, and a single one beside the stored ones of its
 * subscriber (a bounded number). What call->warnings say already is left out. pointer of rule i: "" or "/i". ER_OK or ER_E_NOMEM, or what
 * the store says. */
enum er_code er_advice(struct er_call *call, struct er_problems *out, struct er_err *err) ER_MUST_CHECK;

#endif
