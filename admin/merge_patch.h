/* JSON merge patch (RFC 7396) on parsed trees. */
#ifndef ER_ADMIN_MERGE_PATCH_H
#define ER_ADMIN_MERGE_PATCH_H

#include "rules/base/json.h"

/* What target becomes under patch: null removes, objects merge, everything else replaces. Numbers keep their literal text. The result lives in
 * arena and shares nodes with both trees. Duplicate keys: the last one of the target counts; a patch with duplicate keys gives a result that
 * is marked as such (member `duplicate`), so that whoever reads it as a document refuses it. NULL without memory. */
const struct er_json *er_merge_patch(struct er_arena *arena, const struct er_json *target,
                                     const struct er_json *patch) ER_MUST_CHECK;

/* Bytes of value as compact JSON, escapes not counted. */
size_t er_merge_patch_bytes(const struct er_json *value);

#endif
