/* Reading a PCRE2 pattern as text: what may not be in it, and which literal every match contains. No PCRE2 calls; used by regex.c.
 * It follows the parser of PCRE2 10.42; where a newer one might read a construct differently, it answers "unsure". */
#ifndef ER_RULES_LANGUAGE_REGEX_SYNTAX_H
#define ER_RULES_LANGUAGE_REGEX_SYNTAX_H

#include "rules/base/err.h"
#include "rules/base/str.h"
#include "rules/language/regex.h"

/* The inline options that change how the text is read. */
struct er_regex_flags {
    bool caseless;      /* i */
    bool extended;      /* x: white space and # comments are ignored */
    bool extended_more; /* xx: also space and tab in a class */
};

/* at is just after "(?". When an option setting such as `i)`, `x-i:` or `^s)` stands there, applies it to *flags and returns its
 * last character, ')' or ':', with *at after it. Otherwise returns 0 and changes nothing. */
char er_regex_read_flags(struct er_str pattern, size_t *at, struct er_regex_flags *flags);

/* at is the '[' of a character class; returns the offset after its ']', or pattern.n when it has none. */
size_t er_regex_class_end(struct er_str pattern, size_t at, bool extended_more);

/* ER_E_REGEX_FORBIDDEN with the offset for \C, \G, callouts, and (* followed by an upper-case letter or a colon. */
enum er_code er_regex_check_features(struct er_str pattern, struct er_err *err) ER_MUST_CHECK;

/* Literals that every subject that matches contains, at most ER_REGEX_LITERALS; returns how many, 0 when unsure. They point into text,
 * which has room for pattern.n bytes. The pattern compiles and passed er_regex_check_features. */
size_t er_regex_find_literals(struct er_str pattern, char *text, struct er_str *literals);

#endif
