/* How eventrouterctl speaks: errors, files, tables. */
#ifndef ER_ADMIN_CTL_OUTPUT_H
#define ER_ADMIN_CTL_OUTPUT_H

#include <stdio.h>
#include "admin/ctl.h"
#include "rules/base/buf.h"
#include "rules/language/problem.h"

/* One line `error[E800]: ...` on standard error. */
void er_ctl_error(enum er_code code, const char *format, ...) ER_PRINTF(2, 3);

/* One line per problem: `error[E301]: WHERE: POINTER: detail (offset N); hint`, or `warning[...]`. where may be "". */
void er_ctl_problems(const struct er_problems *problems, bool warning, const char *where);

/* " (offset N)" on standard error, where the detail does not name the byte itself. offset is decimal. */
void er_ctl_put_offset(struct er_str detail, struct er_str offset);

/* Text on standard output; an empty one need not have an address. */
void er_ctl_put(struct er_str text);

/* Reads all of a file, "-" = standard input. Errors: ER_E_FILE with the name and the reason, ER_E_NOMEM. */
enum er_code er_ctl_read_file(const char *name, struct er_buf *out, struct er_err *err) ER_MUST_CHECK;

/* Flushes standard output; a write that failed (disk full, closed pipe) turns code into ER_CTL_NEGATIVE with a message. */
enum er_ctl_exit er_ctl_finish(enum er_ctl_exit code);

/* Asks on a terminal ("remove 3 subscriptions? [y/N] "). ER_CTL_OK: yes, or `yes` is given and nothing is asked. ER_CTL_NEGATIVE: no.
 * ER_CTL_USAGE: there is no terminal; says that --yes is needed. */
enum er_ctl_exit er_ctl_ask(bool yes, const char *format, ...) ER_PRINTF(2, 3);

/* Text table: columns padded to the widest cell, two spaces between. All cells are copied. */
struct er_ctl_table;
struct er_ctl_table *er_ctl_table_new(const char *const *headers, size_t columns); /* NULL without memory */
void er_ctl_table_cell(struct er_ctl_table *table,
                       struct er_str text); /* row by row, left to right; control characters become '?' */
void er_ctl_table_print(struct er_ctl_table *table, FILE *file, bool color); /* and frees; NULL is fine */

#endif
