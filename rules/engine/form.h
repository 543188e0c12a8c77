/* Which form a record has, by its headers; see event.h for what follows from it. No state; any thread. */
#ifndef ER_RULES_ENGINE_FORM_H
#define ER_RULES_ENGINE_FORM_H

#include "rules/engine/record.h"

enum er_form {
    ER_FORM_PLAIN, /* or structured, which only the body says: a string `specversion` at its top level */
    ER_FORM_STRUCTURED,
    ER_FORM_BINARY,
    ER_FORM_TOMBSTONE
};

enum er_form er_form_of(const struct er_record *record);

/* Text of a header (NULL is fine), p = NULL when it is absent: null, or not UTF-8. */
struct er_str er_header_text(const struct er_header *header);

/* That of the last header of a name. */
struct er_str er_form_header(const struct er_record *record, struct er_str name);

/* The attribute of a binary CloudEvent that a header of this name is, n = 0 when it is none. `data` is the value's place. */
struct er_str er_form_attribute(struct er_str header_name);

#endif
