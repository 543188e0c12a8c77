/* Offline rule files: one subscription document per line (.jsonl), or one document or an array of them in a .json file. */
#ifndef ER_ADMIN_CTL_RULE_FILE_H
#define ER_ADMIN_CTL_RULE_FILE_H

#include "admin/ctl.h"
#include "rules/engine/ruleset.h"

struct er_ctl_rules {
    struct er_rule **rules; /* one reference each, in the file's order */
    size_t *lines;          /* line of each, from 0; index in an array */
    size_t n, capacity;
    size_t errors, warnings; /* that were printed */
};

/* Is the line only spaces, tabs and carriage returns? */
bool er_ctl_line_blank(struct er_str line);

/* Reads and checks all documents of a file ("-" = standard input) and prints every error and warning on standard error, with line
 * and JSON Pointer. A document without `subscriber` takes its id as subscriber; one without `id` is called after subscriber and
 * line. Returns ER_CTL_OK, or ER_CTL_USAGE when there is any error. Release with er_ctl_rules_free in both cases. */
enum er_ctl_exit er_ctl_rules_read(const char *name, struct er_ctl_rules *out);
/* The same, but warnings are only counted: for lint, which says them in its own way. */
enum er_ctl_exit er_ctl_rules_read_quietly(const char *name, struct er_ctl_rules *out);
void er_ctl_rules_free(struct er_ctl_rules *rules);

/* A rule set of these rules with the default options and no limit of rules without index (over the default limit: a warning).
 * Prints and counts what fails. Returns owned, or NULL. */
struct er_ruleset *er_ctl_rules_set(struct er_ctl_rules *rules);

#endif
