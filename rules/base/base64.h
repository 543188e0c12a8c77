/* Base64 (RFC 4648 section 4, with padding): bytes that are no text, inside JSON. */
#ifndef ER_RULES_BASE_BASE64_H
#define ER_RULES_BASE_BASE64_H

#include "rules/base/buf.h"

void er_base64_add(struct er_buf *out, struct er_str bytes);

/* Appends the bytes; false when text is no padded Base64 (what came before the fault may have been added). */
bool er_base64_decode(struct er_buf *out, struct er_str text);

#endif
