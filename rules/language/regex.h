/* Bounded regular expressions; the only user of PCRE2.
 *
 * Patterns are unanchored, UTF without UCP, newline LF, \R any Unicode line end, `$` only at the end of the subject. Every search
 * is bounded in steps, memory and time (the calling thread's CPU time): long ones run in chunks of start positions, because PCRE2's
 * match limit counts per start position and so does not stop a pattern that is slow at each of many.
 */
#ifndef ER_RULES_LANGUAGE_REGEX_H
#define ER_RULES_LANGUAGE_REGEX_H

#include <stdbool.h>
#include <stdint.h>
#include "rules/base/err.h"
#include "rules/base/str.h"

#define ER_REGEX_MAX_BYTES 4096

/* Kleene's three values: a rule is undecided only if its answer depends on an undecided test. */
enum er_truth { ER_FALSE, ER_TRUE, ER_UNDECIDED };

struct er_regex;         /* compiled pattern: immutable, reference counted (atomic), shared between threads */
struct er_regex_scratch; /* one per thread: match data, JIT stack, budget */

/* Returns one reference in *out. Errors with the byte offset in pattern: ER_E_REGEX_TOO_LONG, ER_E_REGEX_FORBIDDEN (\C, \G,
 * callouts, start options and backtracking verbs), ER_E_REGEX_COMPILE; ER_E_NOMEM. pattern is copied and is valid UTF-8. */
enum er_code er_regex_compile(struct er_str pattern, struct er_regex **out, struct er_err *err) ER_MUST_CHECK;
struct er_regex *er_regex_ref(struct er_regex *regex);
void er_regex_unref(struct er_regex *regex); /* NULL is fine; any thread */

/* Pattern text; valid as long as the regex. */
struct er_str er_regex_text(const struct er_regex *regex);

/* Literals (bytes) that every matching subject contains, found conservatively on the pattern text: none when unsure. Case-insensitive
 * parts give none. They may overlap or repeat. Valid as long as the regex. */
#define ER_REGEX_LITERALS 8u
const struct er_str *er_regex_literals(const struct er_regex *regex, size_t *n);

/* The longest of them; n = 0 when there is none. */
struct er_str er_regex_literal(const struct er_regex *regex);

/* The literal that every matching subject starts with, n = 0 when none is known. Valid as long as the regex. */
struct er_str er_regex_prefix(const struct er_regex *regex);

/* Will a search in a subject of so many bytes be short, and undecided only when the event's budget is spent before it? */
bool er_regex_is_quick(const struct er_regex *regex, size_t subject_bytes);

struct er_regex_limits {
    uint32_t match_limit; /* steps per start position; 100000 */
    uint32_t heap_kib;    /* 1024 */
    uint64_t value_ns;    /* CPU time for one value; 5 ms */
    uint64_t event_ns;    /* CPU time of one event; 20 ms. Searches end a little before, what is left has to be looked at */
};
struct er_regex_limits er_regex_default_limits(void);

struct er_regex_scratch *er_regex_scratch_new(const struct er_regex_limits *limits);
void er_regex_scratch_free(struct er_regex_scratch *scratch);

/* Starts the event's time budget (limits.event_ns) anew. */
void er_regex_scratch_begin_event(struct er_regex_scratch *scratch);

/* So much of it was used before. Only for a budget that was just started. */
void er_regex_scratch_spend(struct er_regex_scratch *scratch, uint64_t ns);

/* Other work for the event (so many bytes looked at) counts too. True when its budget is spent: what is left is undecided. */
bool er_regex_scratch_charge(struct er_regex_scratch *scratch, size_t bytes);

/* True when it was found to be spent; looks at no clock. */
bool er_regex_scratch_spent(const struct er_regex_scratch *scratch);

/* Is there a match anywhere in subject (valid UTF-8)? ER_UNDECIDED: over a limit or the event's budget is spent. Same answer with
 * and without JIT. No allocation after warm-up except PCRE2's bounded heap. */
enum er_truth er_regex_search(struct er_regex *regex, struct er_regex_scratch *scratch, struct er_str subject);

/* The last search was undecided because of a limit of its own, not for want of the event's time. */
bool er_regex_scratch_overran(const struct er_regex_scratch *scratch);

/* Why the last search was undecided: static text such as "match limit reached"; NULL after a decided one. */
const char *er_regex_scratch_reason(const struct er_regex_scratch *scratch);

#endif
