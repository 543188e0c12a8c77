/* "Did you mean": the nearest of a list of names. */
#ifndef ER_RULES_BASE_SUGGEST_H
#define ER_RULES_BASE_SUGGEST_H

#include "rules/base/str.h"

/* The candidate with the smallest edit distance (Damerau-Levenshtein, case ignored) to word, or NULL when none is within a third
 * of the length of word (at least 1, at most 4). candidates are zero-terminated; the result is one of them. word over 64 bytes:
 * NULL. */
const char *er_suggest(struct er_str word, const char *const *candidates, size_t count);

#endif
