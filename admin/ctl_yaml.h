/* YAML 1.1 as trees of JSON values; the only user of libyaml. */
#ifndef ER_ADMIN_CTL_YAML_H
#define ER_ADMIN_CTL_YAML_H

#include "rules/base/json.h"

/* All documents of a text, as the elements of one array in *out. Plain scalars are null, true, false, numbers (as JSON writes them) or
 * strings; keys are strings. Values have no positions. At most 100 levels and 1,000,000 values, aliases counted as often as they are used.
 * Errors: ER_E_JSON_SYNTAX with line and column, ER_E_JSON_DEPTH, ER_E_TOO_LARGE, ER_E_NOMEM. */
enum er_code er_ctl_yaml_parse(struct er_arena *arena, struct er_str text, struct er_json **out, struct er_err *err) ER_MUST_CHECK;

#endif
