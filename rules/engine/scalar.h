/* One value of the event as tests see it, with its other forms made once and only when somebody asks: folded text, the key of a number,
 * an address. */
#ifndef ER_RULES_ENGINE_SCALAR_H
#define ER_RULES_ENGINE_SCALAR_H

#include "rules/base/decimal.h"
#include "rules/base/str.h"
#include "rules/engine/fields.h"
#include "rules/language/cidr.h"

struct er_scalar_room {
    char *p;
    size_t n;
};

/* Initialise with {0}. */
struct er_scalar {
    struct er_str text;
    uint8_t kind;  /* enum er_field_kind */
    uint8_t known; /* bits of the forms below that were made */
    bool is_address;
    bool no_memory; /* a form could not be made: what was answered is not to be trusted */
    uint32_t field; /* which one; ER_NONE */
    struct er_str folded;
    struct er_str key;
    struct er_decimal decimal;
    struct er_address address;
    struct er_scalar_room fold_room, key_room;
};

void er_scalar_fini(struct er_scalar *value);

/* Makes it stand for a field. Cheap; the same one again keeps its forms. */
static inline void er_scalar_set(struct er_scalar *value, const struct er_fields *fields, uint32_t field)
{
    if (value->field != field) {
        value->text = fields->items[field].text;
        value->kind = fields->items[field].kind;
        value->known = 0;
        value->field = field;
    }
}

/* Of a string. */
struct er_str er_scalar_folded(struct er_scalar *value);
bool er_scalar_address(struct er_scalar *value, struct er_address *out);

/* Of a number. */
const struct er_decimal *er_scalar_decimal(struct er_scalar *value);
struct er_str er_scalar_key(struct er_scalar *value);

#endif
