/* One record as rules see it: which form it has, its type, its fields.
 *
 *   content-type header `application/cloudevents+json`        structured CloudEvent: type = top-level `type`
 *   `ce_specversion` header                                   binary CloudEvent: `ce_NAME` headers are the top-level attributes (strings),
 *                                                             the value stands under `data`; type = `ce_type`
 *   top-level `specversion` that is a string                  structured
 *   anything else                                             plain: type = the string at event.type_path
 *
 * A later row counts only if no earlier one holds. The type is one string: it is not looked for inside arrays, and what is not a string
 * is no type. Whatever a datacontenttype says, a value that is not a JSON object is an error. A tombstone has no fields but the
 * envelope's; it has a type when `ce_specversion` and `ce_type` are there. Of repeated headers the last one counts; a header or key
 * that is null or not UTF-8 is absent.
 */
#ifndef ER_RULES_ENGINE_EVENT_H
#define ER_RULES_ENGINE_EVENT_H

#include "rules/engine/fields.h"
#include "rules/engine/record.h"
#include "rules/engine/ruleset_sides.h"
#include "rules/engine/scan.h"

/* Reused from event to event by one thread. Fields and type are valid until the next read, and as long as the record. */
struct er_event {
    struct er_scanner *scanner; /* borrowed: events of one thread share it */
    struct er_arena *arena;
    struct er_fields fields;
    struct er_str type; /* p = NULL: none; else also the value of ER_NODE_TYPE */
    size_t duplicate_keys;
};

enum er_code er_event_init(struct er_event *event, struct er_scanner *scanner, struct er_err *err) ER_MUST_CHECK;
void er_event_fini(struct er_event *event);

/* What the reading depends on beside the record. */
struct er_event_context {
    const struct er_side *side;
    const struct er_ruleset_options *options;
    const struct er_event_nodes *nodes;
};

/* Errors: ER_E_EVENT_*, ER_E_JSON_* with the offset in the value, ER_E_NOMEM. */
enum er_code er_event_read(struct er_event *event, const struct er_event_context *context, const struct er_record *record,
                           struct er_err *err) ER_MUST_CHECK;

#endif
