/* Simple regexes without PCRE2: most of those that select events are a few literals, classes and alternatives. Used by regex.c.
 *
 * Read are characters, classes of ASCII characters and their complements, `.`, groups and alternatives, quantifiers of a character or
 * class, optional groups, `^` at the start, `$` at the end, `\b` at both. Every other pattern has no automaton. The answer is PCRE2's for
 * UTF without UCP, newline LF, `$` only at the end of the subject, always decided, in time that grows with the subject alone.
 *
 * Source: Glushkov, "The abstract theory of automata" (1961); Navarro, Raffinot, "Fast and simple character classes and bounded gaps
 * pattern matching" (2003) for the simulation by bits.
 */
#ifndef ER_RULES_LANGUAGE_REGEX_AUTOMATON_H
#define ER_RULES_LANGUAGE_REGEX_AUTOMATON_H

#include <stdbool.h>
#include "rules/base/str.h"

struct er_automaton; /* immutable */

/* The automaton of a pattern that PCRE2 compiles, or NULL in *out when it is not simple. False without memory. */
bool er_automaton_new(struct er_str pattern, struct er_automaton **out);
void er_automaton_free(struct er_automaton *automaton); /* NULL is fine */

/* Is there a match anywhere in subject (valid UTF-8)? */
bool er_automaton_accepts(const struct er_automaton *automaton, struct er_str subject);

/* The literal that every accepted subject starts with; n = 0 when there is none. Valid as long as the automaton. */
struct er_str er_automaton_prefix(const struct er_automaton *automaton);

#endif
