/* Explanations from the daemon as lines for people: the same as er_explanation_print makes offline. */
#ifndef ER_ADMIN_CTL_EXPLAINED_H
#define ER_ADMIN_CTL_EXPLAINED_H

#include "rules/base/buf.h"
#include "rules/base/json.h"

/* The "conditions" of an object of /v1/explain or /v1/test. */
void er_ctl_explained_conditions(struct er_buf *out, const struct er_json *item);

/* ": 2 conditions failed", or ": " and why it is undecided, or nothing. */
void er_ctl_explained_summary(struct er_buf *out, const struct er_json *item);

/* The member's text, "" when it has none. */
struct er_str er_ctl_explained_text(const struct er_json *object, const char *member);

#endif
