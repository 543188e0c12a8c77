#include "rules/engine/scalar.h"

#include <stdlib.h>
#include "rules/base/fold.h"

#define KEEP_ROOM 65536u

enum form { FORM_FOLDED = 1, FORM_KEY = 2, FORM_DECIMAL = 4, FORM_ADDRESS = 8 };

void er_scalar_fini(struct er_scalar *value)
{
    free(value->fold_room.p);
    free(value->key_room.p);
    *value = (struct er_scalar){ 0 };
}

/* True the first time that this form of the value is asked for. */
static bool is_new(struct er_scalar *value, enum form form)
{
    if ((value->known & form) != 0) {
        return false;
    }
    value->known |= (uint8_t)form;
    return true;
}

/* One enormous value is no reason to keep the room for ever. */
static char *room(struct er_scalar *value, struct er_scalar_room *room, size_t n)
{
    if (n > room->n || (room->n > KEEP_ROOM && n <= KEEP_ROOM)) {
        size_t wanted = n + n / 2 + 64;

        free(room->p);
        room->p = malloc(wanted);
        room->n = room->p != NULL ? wanted : 0;
        if (room->p == NULL) {
            value->no_memory = true;
        }
    }
    return room->p;
}

struct er_str er_scalar_folded(struct er_scalar *value)
{
    if (is_new(value, FORM_FOLDED)) {
        char *out = room(value, &value->fold_room, er_fold_max(value->text.n));

        value->folded = out != NULL ? (struct er_str){ out, er_fold(value->text, out) } : (struct er_str){ NULL, 0 };
    }
    return value->folded;
}

const struct er_decimal *er_scalar_decimal(struct er_scalar *value)
{
    if (is_new(value, FORM_DECIMAL)) {
        value->decimal = er_decimal_of(value->text);
    }
    return &value->decimal;
}

struct er_str er_scalar_key(struct er_scalar *value)
{
    if (is_new(value, FORM_KEY)) {
        char *out = room(value, &value->key_room, er_decimal_key_max(value->text.n));

        value->key =
            out != NULL ? (struct er_str){ out, er_decimal_key(er_scalar_decimal(value), out) } : (struct er_str){ NULL, 0 };
    }
    return value->key;
}

bool er_scalar_address(struct er_scalar *value, struct er_address *out)
{
    if (is_new(value, FORM_ADDRESS)) {
        value->is_address = er_address_parse(value->text, &value->address);
    }
    if (value->is_address) {
        *out = value->address;
    }
    return value->is_address;
}
