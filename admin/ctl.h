/* eventrouterctl: what its commands share. A command is a row: noun, verb, flags, function.
 *
 * Data goes to standard output, everything else to standard error; errors read `error[E301]: what, where, what to do`.
 */
#ifndef ER_ADMIN_CTL_H
#define ER_ADMIN_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include "rules/base/err.h"
#include "rules/base/str.h"

/* Exit codes; fixed. */
enum er_ctl_exit {
    ER_CTL_OK = 0,          /* done, matched, healthy */
    ER_CTL_NEGATIVE = 1,    /* no match, differs, unhealthy */
    ER_CTL_USAGE = 2,       /* wrong usage or an invalid document */
    ER_CTL_REFUSED = 3,     /* by the server */
    ER_CTL_UNREACHABLE = 4, /* no daemon */
    ER_CTL_TIMEOUT = 5
};

enum er_ctl_format { ER_CTL_TABLE, ER_CTL_WIDE, ER_CTL_JSON, ER_CTL_JSONL, ER_CTL_NAME };

/* What every command gets. */
struct er_ctl {
    const char *socket; /* -s, EVENTROUTER_SOCKET, or the default */
    enum er_ctl_format format;
    bool format_given; /* -o was there */
    bool color;        /* standard output is a terminal and NO_COLOR is not set */
};

enum er_ctl_flag_kind {
    ER_CTL_SWITCH, /* --dry-run */
    ER_CTL_VALUE,  /* --limit N; the last one counts */
    ER_CTL_VALUES  /* --type T, any number of times */
};

/* One flag: `name` without dashes; `letter` 0 when it has no short form; `value` names the value in the help text. A table of flags ends
 * with a row whose name is NULL. */
struct er_ctl_flag {
    const char *name;
    char letter;
    enum er_ctl_flag_kind kind;
    const char *value;
    const char *help;
};

struct er_ctl_args;

struct er_ctl_command {
    const char *verb;                /* NULL: the noun alone is the command */
    const char *usage;               /* operands, for example "ID..." */
    const char *help;                /* one line */
    const struct er_ctl_flag *flags; /* NULL: none */
    size_t min_operands;
    size_t max_operands; /* (size_t)-1: any number */
    enum er_ctl_exit (*run)(const struct er_ctl *ctl, const struct er_ctl_args *args);
};

struct er_ctl_noun {
    const char *name;
    const char *alias; /* or NULL */
    const char *help;
    const struct er_ctl_command *commands; /* ends with a row whose run is NULL */
};

/* The nouns, one file each. */
extern const struct er_ctl_noun er_ctl_subscription;
extern const struct er_ctl_noun er_ctl_subscriber;
extern const struct er_ctl_noun er_ctl_explain;
extern const struct er_ctl_noun er_ctl_dead_letter;
extern const struct er_ctl_noun er_ctl_status;
extern const struct er_ctl_noun er_ctl_health;
extern const struct er_ctl_noun er_ctl_config; /* ctl_control.c */
extern const struct er_ctl_noun er_ctl_reload;
extern const struct er_ctl_noun er_ctl_log_level;
extern const struct er_ctl_noun er_ctl_drain;
extern const struct er_ctl_noun er_ctl_rule;
extern const struct er_ctl_noun er_ctl_version;

/* Arguments after parsing. Values are those of argv. */
size_t er_ctl_operands(const struct er_ctl_args *args);
const char *er_ctl_operand(const struct er_ctl_args *args, size_t i);
bool er_ctl_has(const struct er_ctl_args *args, const char *flag);
const char *er_ctl_value(const struct er_ctl_args *args, const char *flag); /* last one, or NULL */
size_t er_ctl_count(const struct er_ctl_args *args, const char *flag);
const char *er_ctl_nth(const struct er_ctl_args *args, const char *flag, size_t i); /* in order, i < er_ctl_count */

#endif
