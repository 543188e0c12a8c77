/* Dead letters in requests and answers, for api_dead_letters.c: refs, JSON, the key under which the store remembers retries. */
#ifndef ER_ADMIN_LETTER_H
#define ER_ADMIN_LETTER_H

#include "rules/base/json_write.h"
#include "rules/store/letters.h"
#include "rules/store/store.h"

/* "PARTITION-OFFSET". */
bool er_letter_ref_read(struct er_str text, struct er_letter_place *out);
#define ER_LETTER_REF_MAX 32
struct er_str er_letter_ref_write(struct er_letter_place place, char out[ER_LETTER_REF_MAX]);

/* Refs with commas between, in arena. ER_E_REQUEST: one of them is none; ER_E_NOMEM. */
struct er_letter_refs {
    struct er_letter_place *places;
    size_t n;
};
enum er_code er_letter_refs_read(struct er_arena *arena, struct er_str text, struct er_letter_refs *out) ER_MUST_CHECK;
struct er_str er_letter_refs_write(struct er_arena *arena, const struct er_letter_place *places,
                                   size_t n); /* p = NULL without memory */

/* Another letter at the same place has another key. Borrows from letter. */
struct er_store_letter er_letter_key(const struct er_letter *letter);

/* The document; brief: without what the event holds. */
void er_letter_write(struct er_json_writer *w, const struct er_letter *letter, const struct er_store_retry *retry, bool brief);

#endif
