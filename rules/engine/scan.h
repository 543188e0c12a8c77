/* One strict pass over an event (RFC 8259, UTF-8): all of it is checked, and the values that live rules read become fields.
 *
 * DESIGN  bytes --lexer--> keys and values; every key steps down the trie of live paths, or to "nobody reads this". Arrays are looked
 * through: their elements stand where the array stands. No tree is built and nothing is copied, except strings with escapes that
 * somebody reads, which are decoded into the arena. A duplicate key replaces the whole earlier value: its fields die.
 */
#ifndef ER_RULES_ENGINE_SCAN_H
#define ER_RULES_ENGINE_SCAN_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/engine/fields.h"
#include "rules/engine/trie.h"

struct er_scanner; /* working memory of one thread */

struct er_scanner *er_scanner_new(void); /* returns owned, or NULL without memory */
void er_scanner_free(struct er_scanner *scanner);

/* Looks at so many bytes at once: 8, 16 or 32; a new scanner has the most that the processor can. False if it cannot. For tests. */
bool er_scanner_set_width(struct er_scanner *scanner, size_t bytes);

struct er_scan {
    const struct er_trie *trie;
    struct er_fields *fields;
    struct er_arena *arena;
    struct er_str text;
    size_t max_depth; /* objects and arrays open at once; the event itself is 1 */
    uint32_t root;    /* where the keys of the event stand; ER_NONE: nobody reads */
    /* Results. */
    size_t duplicates;      /* keys that replaced an earlier one, in the whole text */
    size_t first_duplicate; /* offset of its opening quote */
};

/* Fields point into text and arena. Errors: ER_E_JSON_* with the same codes and offsets as er_json_parse, then
 * ER_E_EVENT_NOT_OBJECT (offset of the value); ER_E_NOMEM. */
enum er_code er_scanner_run(struct er_scanner *scanner, struct er_scan *scan, struct er_err *err) ER_MUST_CHECK;

#endif
