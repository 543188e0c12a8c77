/* The event that a request body describes, for explain and test:
 *
 *   {"event": JSON | "value": "text as it is" | null, "topic", "partition", "key", "headers", "timestamp"}
 *
 * headers: an object of name and string (or null), or an array of {"name", "value"} where names may repeat.
 */
#ifndef ER_ADMIN_EVENT_BODY_H
#define ER_ADMIN_EVENT_BODY_H

#include "admin/call.h"
#include "rules/engine/record.h"

/* Members that a body may have besides those of the event. Ends with NULL. */
struct er_event_body {
    const char *const *others;
    bool needs_value; /* one of event and value must be there */
};

/* Reads call->body into out, which borrows from it and from call->arena. Problems go to call->problems, all of them. */
void er_event_body_read(struct er_call *call, const struct er_event_body *body, struct er_record *out);

/* The body is no such description but an event as it is: it has members, none of which a description has. */
bool er_event_body_is_event(const struct er_call *call, const struct er_event_body *body);

/* A JSON value of the body as the bytes that were sent. */
struct er_str er_event_body_text(const struct er_call *call, const struct er_json *value);

/* "limit" of the body: 1 to max, fallback when absent. A problem otherwise. */
size_t er_event_body_limit(struct er_call *call, size_t fallback, size_t max);

/* Ends the call with its problems, if there are any: 422. */
bool er_event_body_refused(struct er_call *call) ER_MUST_CHECK;

/* A string, or null when p is NULL. */
void er_event_write_text(struct er_json_writer *w, const char *key, struct er_str text);

#endif
