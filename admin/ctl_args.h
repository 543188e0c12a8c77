/* Parsing of the command line of eventrouterctl against a command's table of flags. */
#ifndef ER_ADMIN_CTL_ARGS_H
#define ER_ADMIN_CTL_ARGS_H

#include "admin/ctl.h"

/* Flags that every command knows: -s/--socket, -o/--output, -h/--help. */
extern const struct er_ctl_flag er_ctl_global_flags[];

/* Splits argv[from..argc) into flags (of `flags` and the global ones) and operands. Flags may stand anywhere; "--" ends them; "-" is an
 * operand; `--flag=value`, `--flag value`, `-f value` and `-fvalue` are the same. Says what is wrong on standard error and returns NULL;
 * also without memory. flags may be NULL. Returns owned. */
struct er_ctl_args *er_ctl_args_parse(int argc, char *const *argv, int from, const struct er_ctl_flag *flags);
void er_ctl_args_free(struct er_ctl_args *args);

#endif
