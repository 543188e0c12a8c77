/* What the parts of lint share. */
#ifndef ER_RULES_LANGUAGE_LINT_IMPL_H
#define ER_RULES_LANGUAGE_LINT_IMPL_H

#include "rules/language/lint.h"

/* A text that two nodes share only if they ask the same: children sorted, plain numbers by value, $and taken apart. In arena; p is NULL
 * without memory. */
struct er_str er_lint_canon(struct er_arena *arena, const struct er_pattern *node);

/* The texts of all conditions that are ANDed in a node: itself, or those of the children of an ALL, and so on. Sorted, each once. */
struct er_str *er_lint_conjuncts(struct er_arena *arena, const struct er_pattern *node, size_t *n);

/* Does a node hold always or never, whatever the event? ER_UNDECIDED: it depends (or no memory). */
enum er_truth er_lint_fixed(struct er_arena *arena, const struct er_pattern *node);

/* One regex, wherever it stands; in_pattern: as an operator. */
void er_lint_regex(const struct er_regex *regex, bool in_pattern, struct er_str pointer, struct er_problems *out);

bool er_lint_type_seen(const struct er_lint_seen *seen, struct er_str entry);
bool er_lint_path_seen(const struct er_lint_seen *seen, struct er_str pointer);

#endif
