/* A stored subscription as a rule, for routes that look at few of them. */
#ifndef ER_ADMIN_STORED_RULE_H
#define ER_ADMIN_STORED_RULE_H

#include "rules/language/rule.h"
#include "rules/store/store.h"

/* One reference in *out. ER_E_NOT_FOUND when there is none; ER_E_STORE when this version cannot read it. arena: for the reading. */
enum er_code er_stored_rule(struct er_store *store, struct er_str id, struct er_arena *arena, struct er_rule **out,
                            struct er_err *err) ER_MUST_CHECK;

#endif
