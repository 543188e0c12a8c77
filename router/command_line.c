#include "router/command_line.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "rules/base/suggest.h"

#define DEMO_SECONDS_MAX 864000 /* ten days: with a unit forgotten by far enough for every script */

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz._-"
#define DEMO_OWNS "kafka.bootstrap.servers="

struct parser {
    struct er_command_line *line;
    struct er_buf *errors;
    bool failed;
};

typedef void take_fn(struct parser *p, const char *value);

static void usage(struct parser *p, const char *format, ...) ER_PRINTF(2, 3);
static void usage(struct parser *p, const char *format, ...)
{
    struct er_err err;
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)er_err_set(&err, ER_E_USAGE, "%s", text); /* cuts on a character boundary */
    er_buf_printf(p->errors, "error[%s]: %s\n", er_code_name(ER_E_USAGE), err.text);
    p->failed = true;
}

static void take_file(struct parser *p, const char *value)
{
    if (p->line->file != NULL)
        usage(p, "-c is given twice; keep one");
    p->line->file = value;
}

static void take_override(struct parser *p, const char *value)
{
    if (strchr(value, '=') == NULL)
        usage(p, "-o %.*s has no equals sign; write -o section.key=value", (int)strspn(value, NAME_CHARS),
              value);                                   /* not a secret behind it */
    p->line->overrides[p->line->n_overrides++] = value; /* room for argc of them */
}

/* --help and --version win over everything, --print-config (which checks too) over --check-config. */
static void take_action(struct parser *p, enum er_action action)
{
    if (p->line->action < action)
        p->line->action = action;
}

static void take_check(struct parser *p, const char *value)
{
    (void)value;
    take_action(p, ER_ACTION_CHECK_CONFIG);
}

static void take_print(struct parser *p, const char *value)
{
    (void)value;
    take_action(p, ER_ACTION_PRINT_CONFIG);
}

static void take_version(struct parser *p, const char *value)
{
    (void)value;
    take_action(p, ER_ACTION_VERSION);
}

static void take_help(struct parser *p, const char *value)
{
    (void)value;
    take_action(p, ER_ACTION_HELP);
}

static void take_demo(struct parser *p, const char *value)
{
    (void)value;
    p->line->demo = true;
}

static void take_seconds(struct parser *p, const char *value)
{
    unsigned long seconds = 0;

    for (const char *c = value; *c != '\0'; c++)
        seconds = isdigit((unsigned char)*c) && seconds <= DEMO_SECONDS_MAX ? seconds * 10 + (unsigned long)(*c - '0')
                                                                            : DEMO_SECONDS_MAX + 1UL;
    if (seconds < 1 || seconds > DEMO_SECONDS_MAX)
        usage(p, "--demo-seconds \"%s\" is not legal; expected a whole number from 1 to %d", value, DEMO_SECONDS_MAX);
    else
        p->line->demo_seconds = (unsigned)seconds;
}

static const struct row {
    char letter;          /* 0 = none */
    const char *name;     /* NULL = none */
    const char *argument; /* NULL = takes none */
    take_fn *take;
    const char *text;
} rows[] = {
    { 'c', NULL, "FILE", take_file, "configuration file (default /etc/eventrouter/eventrouter.ini if it exists)" },
    { 'o', NULL, "SECTION.KEY=VALUE", take_override, "set one key; goes before environment and file; may be repeated" },
    { 0, "--check-config", NULL, take_check, "check the configuration and leave" },
    { 0, "--print-config", NULL, take_print, "print every value with its origin, secrets masked, and leave" },
    { 0, "--demo", NULL, take_demo, "show the router at work on a Kafka of its own, in a temporary directory" },
    { 0, "--demo-seconds", "N", take_seconds, "end the demo after N seconds" },
    { 0, "--version", NULL, take_version, "print the versions of the router and librdkafka, and leave" },
    { 'h', "--help", NULL, take_help, "print this text and leave" },
};
#define ROW_COUNT (sizeof rows / sizeof *rows)

void er_command_line_help(struct er_buf *out)
{
    er_buf_add(out, ER_STR("usage: eventrouterd [-c FILE] [-o SECTION.KEY=VALUE]... [--check-config | --print-config]\n"
                           "       eventrouterd --demo [--demo-seconds N] [-o SECTION.KEY=VALUE]...\n\n"));
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char option[64];

        (void)snprintf(option, sizeof option, "%s%s%s%s%s",
                       rows[i].letter == 'c'   ? "-c"
                       : rows[i].letter == 'o' ? "-o"
                                               : "",
                       rows[i].letter == 'h' ? "-h, " : "", rows[i].name == NULL ? "" : rows[i].name,
                       rows[i].argument == NULL ? "" : " ", rows[i].argument == NULL ? "" : rows[i].argument);
        er_buf_printf(out, "  %-22s %s\n", option, rows[i].text);
    }
    er_buf_add(out,
               ER_STR("\nKeys: eventrouter.ini(5). Exit codes: 0 done, 64 usage, 69 Kafka unavailable, 70 internal, 74 store,\n"
                      "78 configuration.\n"));
}

/* The row of an argument; *value is what follows in the same word ("-cFILE", "--demo-seconds=N"), or NULL. */
static const struct row *find(const char *word, const char **value)
{
    *value = NULL;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t n = rows[i].name == NULL ? 0 : strlen(rows[i].name);

        if (n > 0 && strncmp(word, rows[i].name, n) == 0 && (word[n] == '\0' || word[n] == '=')) {
            *value = word[n] == '=' ? word + n + 1 : NULL;
            return &rows[i];
        }
        if (rows[i].letter != 0 && word[1] == rows[i].letter && (word[2] == '\0' || rows[i].argument != NULL)) {
            *value = word[2] == '\0' ? NULL : word + 2;
            return &rows[i];
        }
    }
    return NULL;
}

static void unknown(struct parser *p, const char *word)
{
    const char *names[ROW_COUNT];
    size_t n = 0;
    const char *near;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].name != NULL)
            names[n++] = rows[i].name;
    }
    near = word[0] == '-' ? er_suggest(er_str_of(word), names, n) : NULL;
    if (word[0] != '-')
        usage(p, "unexpected argument \"%s\"; see eventrouterd --help", word);
    else if (near != NULL)
        usage(p, "unknown option %s; did you mean %s?", word, near);
    else
        usage(p, "unknown option %s; see eventrouterd --help", word);
}

enum er_code er_command_line_parse(int argc, char *const *argv, struct er_command_line *out, struct er_buf *errors)
{
    struct parser p = { .line = out, .errors = errors };

    *out = (struct er_command_line){ .action = ER_ACTION_RUN };
    out->overrides = calloc((size_t)(argc > 0 ? argc : 1), sizeof *out->overrides);
    if (out->overrides == NULL)
        return ER_E_NOMEM;
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        const struct row *row = argv[i][0] == '-' && argv[i][1] != '\0' ? find(argv[i], &value) : NULL;

        if (row == NULL) {
            unknown(&p, argv[i]);
        } else if (row->argument == NULL && value != NULL) {
            usage(&p, "%s takes no value", row->name);
        } else if (row->argument != NULL && value == NULL && i + 1 == argc) {
            usage(&p, "%s needs a value: %s", argv[i], row->argument);
        } else {
            row->take(&p, row->argument != NULL && value == NULL ? argv[++i] : value);
        }
    }
    for (size_t i = 0; out->demo && i < out->n_overrides; i++) {
        if (strncmp(out->overrides[i], DEMO_OWNS, sizeof DEMO_OWNS - 1) == 0)
            usage(&p, "--demo brings a Kafka of its own; remove -o %s", DEMO_OWNS "...");
    }
    if (out->demo_seconds > 0 && !out->demo)
        usage(&p, "--demo-seconds goes with --demo; add it");
    return p.failed ? ER_E_USAGE : ER_OK;
}

void er_command_line_fini(struct er_command_line *line)
{
    free(line->overrides);
    *line = (struct er_command_line){ .action = ER_ACTION_RUN };
}
