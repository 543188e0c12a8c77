/* One record as a tree: what rules see of it, all of it, for explanations. Routing reads only what live rules ask for (event.h); the forms
 * of an event, its type, its envelope and its errors are the same here.
 */
#ifndef ER_RULES_ENGINE_TREE_H
#define ER_RULES_ENGINE_TREE_H

#include "rules/base/json.h"
#include "rules/engine/record.h"
#include "rules/engine/ruleset.h"

struct er_tree;

/* options: type_path and the limits of events; copied as far as they are used. NULL without memory. */
struct er_tree *er_tree_new(const struct er_ruleset_options *options);
void er_tree_free(struct er_tree *tree);

/* Errors as er_matcher_match: ER_E_EVENT_*, ER_E_JSON_* with the offset in the value, ER_E_NOMEM. Borrows the record until the next
 * read. */
enum er_code er_tree_read(struct er_tree *tree, const struct er_record *record, struct er_err *err) ER_MUST_CHECK;

/* The event's type, a string; NULL: none. */
const struct er_json *er_tree_type(const struct er_tree *tree);

/* The object that holds the event's keys; NULL: a tombstone, which has none. */
const struct er_json *er_tree_root(const struct er_tree *tree);

/* The member of an object (the last one of that key), or NULL; object may be NULL or anything else. In constant time. */
const struct er_json *er_tree_member(const struct er_tree *tree, const struct er_json *object, struct er_str key);

/* A field of the envelope, or NULL when it is absent. name: of a header. NULL also without memory, which er_tree_no_memory tells. */
const struct er_json *er_tree_envelope(struct er_tree *tree, enum er_path_root root, struct er_str name);
bool er_tree_no_memory(const struct er_tree *tree);

/* The text of a value as it stands in the event, for objects and arrays. */
struct er_str er_tree_text(const struct er_tree *tree, const struct er_json *value);

#endif
