/* Simple case folding of UTF-8 text: CaseFolding.txt of Unicode 15.0, statuses C and S. Symmetric: two texts are equal ignoring case
 * exactly if their folded forms are the same bytes. Folding may change the length of a character (KELVIN SIGN has 3 bytes, k has 1).
 * No allocation, no state; any thread. */
#ifndef ER_RULES_BASE_FOLD_H
#define ER_RULES_BASE_FOLD_H

#include <stdint.h>
#include "rules/base/str.h"

/* One character. */
uint32_t er_fold_char(uint32_t c);

/* text is valid UTF-8; out has room for er_fold_max(text.n) bytes. Returns the bytes written. */
size_t er_fold(struct er_str text, char *out);
size_t er_fold_max(size_t bytes);

/* Comparisons ignoring case, without a folded copy; both texts are valid UTF-8. */
bool er_fold_eq(struct er_str a, struct er_str b);
bool er_fold_starts(struct er_str text, struct er_str prefix);
bool er_fold_ends(struct er_str text, struct er_str suffix);

#endif
