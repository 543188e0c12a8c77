/* Wildcards of patterns: `*` is any run of characters, also none; `\*` and `\\` are the characters themselves. Immutable. */
#ifndef ER_RULES_LANGUAGE_WILDCARD_H
#define ER_RULES_LANGUAGE_WILDCARD_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/base/str.h"

/* The texts between the stars, decoded: the first begins the subject, the last ends it, the others come in between in this order. Both
 * ends may be empty; without a star there is one part, the whole subject. */
struct er_wildcard {
    const struct er_str *parts;
    size_t n;
};

/* Reads text into arena. Errors with the byte offset: ER_E_PATTERN_WILDCARD for `**` and other escapes; ER_E_NOMEM. */
enum er_code er_wildcard_parse(struct er_arena *arena, struct er_str text, struct er_wildcard *out,
                               struct er_err *err) ER_MUST_CHECK;

/* Each part is searched for once, from where the one before ended: never back. No allocation. */
bool er_wildcard_match(const struct er_wildcard *wildcard, struct er_str subject);

#endif
