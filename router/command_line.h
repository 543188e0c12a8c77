/* The daemon's command line: eventrouterd [-c FILE] [-o section.key=value]... [--check-config | --print-config | --demo ...]. */
#ifndef ER_ROUTER_COMMAND_LINE_H
#define ER_ROUTER_COMMAND_LINE_H

#include "rules/base/buf.h"
#include "rules/base/err.h"

enum er_action { ER_ACTION_RUN, ER_ACTION_CHECK_CONFIG, ER_ACTION_PRINT_CONFIG, ER_ACTION_VERSION, ER_ACTION_HELP };

/* Strings point into argv; release with er_command_line_fini. */
struct er_command_line {
    enum er_action action;
    const char *file; /* -c, or NULL */
    const char **overrides;
    size_t n_overrides;
    bool demo;
    unsigned demo_seconds; /* 0 = until a signal */
};

/* ER_E_USAGE: every mistake is a line in errors. ER_E_NOMEM. */
enum er_code er_command_line_parse(int argc, char *const *argv, struct er_command_line *out, struct er_buf *errors) ER_MUST_CHECK;
void er_command_line_fini(struct er_command_line *line);

/* The text of --help. */
void er_command_line_help(struct er_buf *out);

#endif
