/* eventrouterctl: finds the command, parses its flags, runs it. `help`, --help and did-you-mean come from the same tables. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "admin/ctl_args.h"
#include "admin/ctl_output.h"
#include "rules/base/suggest.h"

#define DEFAULT_SOCKET "/run/eventrouter/admin.sock"

static const struct er_ctl_noun *const nouns[] = {
    &er_ctl_subscription, &er_ctl_subscriber, &er_ctl_explain,   &er_ctl_dead_letter, &er_ctl_status, &er_ctl_health,
    &er_ctl_config,       &er_ctl_reload,     &er_ctl_log_level, &er_ctl_drain,       &er_ctl_rule,   &er_ctl_version,
};
#define NOUNS (sizeof nouns / sizeof *nouns)

static const char *const formats[] = { "table", "wide", "json", "jsonl", "name" };
#define FORMATS (sizeof formats / sizeof *formats)

static enum er_ctl_exit run_version(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    (void)args;
    if (ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL) {
        (void)printf("{\"name\":\"eventrouterctl\",\"version\":\"%s\"}\n", ER_VERSION);
    } else {
        (void)printf("eventrouterctl %s\n", ER_VERSION);
    }
    return ER_CTL_OK;
}

static const struct er_ctl_command version_commands[] = {
    { NULL, "", "prints the version of this program", NULL, 0, 0, run_version },
    { 0 },
};
const struct er_ctl_noun er_ctl_version = { "version", NULL, "version of this program", version_commands };

static void print_flags(FILE *file, const char *title, const struct er_ctl_flag *flags)
{
    if (flags == NULL || flags->name == NULL) {
        return;
    }
    (void)fprintf(file, "\n%s:\n", title);
    for (; flags->name != NULL; flags++) {
        char name[64];

        (void)snprintf(name, sizeof name, "--%s%s%s%s", flags->name, flags->value != NULL ? " " : "",
                       flags->value != NULL ? flags->value : "", flags->kind == ER_CTL_VALUES ? " ..." : "");
        (void)fprintf(file, "  %c%c%c %-26s %s\n", flags->letter ? '-' : ' ', flags->letter ? flags->letter : ' ',
                      flags->letter ? ',' : ' ', name, flags->help);
    }
}

static void help_all(FILE *file)
{
    (void)fputs("usage: eventrouterctl [-s SOCKET] [-o FORMAT] NOUN [VERB] [NAME] [flags]\n\ncommands:\n", file);
    for (size_t i = 0; i < NOUNS; i++) {
        for (const struct er_ctl_command *c = nouns[i]->commands; c->run != NULL; c++) {
            char name[48];

            (void)snprintf(name, sizeof name, "%s%s%s", nouns[i]->name, c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "");
            (void)fprintf(file, "  %-20s %s\n", name, c->help);
        }
    }
    (void)fprintf(file, "  %-20s %s\n", "help", "this text, or that of a command: help NOUN [VERB]");
    print_flags(file, "flags of every command", er_ctl_global_flags);
    (void)fputs("\nexit codes: 0 done, 1 negative answer, 2 wrong usage or invalid document, 3 refused by the server,\n"
                "            4 daemon unreachable, 5 timeout\n",
                file);
}

static void help_noun(FILE *file, const struct er_ctl_noun *noun)
{
    (void)fprintf(file, "usage: eventrouterctl %s VERB [flags]\n\n%s\n\nverbs:\n", noun->name, noun->help);
    for (const struct er_ctl_command *c = noun->commands; c->run != NULL; c++) {
        (void)fprintf(file, "  %-10s %s\n", c->verb, c->help);
    }
    if (noun->alias != NULL) {
        (void)fprintf(file, "\nalias: %s\n", noun->alias);
    }
}

static void help_command(FILE *file, const struct er_ctl_noun *noun, const struct er_ctl_command *command)
{
    (void)fprintf(file, "usage: eventrouterctl %s%s%s%s%s%s\n\n%s\n", noun->name, command->verb != NULL ? " " : "",
                  command->verb != NULL ? command->verb : "", *command->usage != '\0' ? " " : "", command->usage,
                  command->flags != NULL ? " [flags]" : "", command->help);
    print_flags(file, "flags", command->flags);
    print_flags(file, "flags of every command", er_ctl_global_flags);
}

static const struct er_ctl_noun *find_noun(const char *word)
{
    const char *names[2 * NOUNS + 1] = { "help" };
    size_t n = 1;
    const char *near;

    for (size_t i = 0; i < NOUNS; i++) {
        if (strcmp(nouns[i]->name, word) == 0 || (nouns[i]->alias != NULL && strcmp(nouns[i]->alias, word) == 0)) {
            return nouns[i];
        }
        names[n++] = nouns[i]->name;
    }
    near = er_suggest(er_str_of(word), names, n);
    if (near != NULL) {
        er_ctl_error(ER_E_USAGE, "%s: no such command; did you mean %s?", word, near);
    } else {
        er_ctl_error(ER_E_USAGE, "%s: no such command; see eventrouterctl help", word);
    }
    return NULL;
}

static const struct er_ctl_command *find_command(const struct er_ctl_noun *noun, const char *verb)
{
    const char *verbs[32];
    size_t n = 0;
    const char *near;

    for (const struct er_ctl_command *c = noun->commands; c->run != NULL; c++) {
        if (c->verb == NULL || (verb != NULL && strcmp(c->verb, verb) == 0)) {
            return c;
        }
        verbs[n++] = c->verb;
    }
    if (verb == NULL) {
        er_ctl_error(ER_E_USAGE, "%s needs a verb; see eventrouterctl help %s", noun->name, noun->name);
        return NULL;
    }
    near = er_suggest(er_str_of(verb), verbs, n);
    if (near != NULL) {
        er_ctl_error(ER_E_USAGE, "%s %s: no such verb; did you mean %s?", noun->name, verb, near);
    } else {
        er_ctl_error(ER_E_USAGE, "%s %s: no such verb; see eventrouterctl help %s", noun->name, verb, noun->name);
    }
    return NULL;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* help [NOUN [VERB]] */
static enum er_ctl_exit help(int argc, char *const *argv, int from)
{
    const struct er_ctl_noun *noun;
    const struct er_ctl_command *command;

    if (from >= argc || is_help(argv[from])) {
        help_all(stdout);
        return ER_CTL_OK;
    }
    noun = find_noun(argv[from]);
    if (noun == NULL) {
        return ER_CTL_USAGE;
    }
    if ((from + 1 >= argc || is_help(argv[from + 1])) && noun->commands->verb != NULL) {
        help_noun(stdout, noun);
        return ER_CTL_OK;
    }
    command = find_command(noun, from + 1 < argc ? argv[from + 1] : NULL);
    if (command == NULL) {
        return ER_CTL_USAGE;
    }
    help_command(stdout, noun, command);
    return ER_CTL_OK;
}

static bool set_format(struct er_ctl *ctl, const char *word)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i], word) == 0) {
            ctl->format = (enum er_ctl_format)i;
            ctl->format_given = true;
            return true;
        }
    }
    er_ctl_error(ER_E_USAGE, "-o %s: the formats are table, wide, json, jsonl and name", word);
    return false;
}

/* Flags before the noun. Returns the index of the noun, or -1 after an error. */
static int leading_flags(struct er_ctl *ctl, int argc, char *const *argv)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        const char *word = argv[i];
        bool socket = strncmp(word, "-s", 2) == 0 || strcmp(word, "--socket") == 0 || strncmp(word, "--socket=", 9) == 0;
        bool output = strncmp(word, "-o", 2) == 0 || strcmp(word, "--output") == 0 || strncmp(word, "--output=", 9) == 0;
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        const char *value = equals != NULL ? equals + 1 : (word[1] != '-' && word[2] != '\0' ? word + 2 : NULL);

        if (!socket && !output) {
            return i; /* --help, --version, or unknown: the caller's business */
        }
        if (value == NULL) {
            i++;
            value = i < argc ? argv[i] : NULL;
        }
        if (value == NULL) {
            er_ctl_error(ER_E_USAGE, "%s needs a value", word);
            return -1;
        }
        if (socket) {
            ctl->socket = value;
        } else if (!set_format(ctl, value)) {
            return -1;
        }
        i++;
    }
    return i;
}

static enum er_ctl_exit run(struct er_ctl *ctl, const struct er_ctl_noun *noun, const struct er_ctl_command *command,
                            const struct er_ctl_args *args)
{
    size_t n = er_ctl_operands(args);

    if (er_ctl_has(args, "help")) {
        help_command(stdout, noun, command);
        return ER_CTL_OK;
    }
    if (er_ctl_has(args, "socket")) {
        ctl->socket = er_ctl_value(args, "socket");
    }
    if (er_ctl_has(args, "output") && !set_format(ctl, er_ctl_value(args, "output"))) {
        return ER_CTL_USAGE;
    }
    if (n < command->min_operands || n > command->max_operands) {
        er_ctl_error(ER_E_USAGE, "%s arguments; usage: eventrouterctl %s%s%s %s",
                     n < command->min_operands ? "too few" : "too many", noun->name, command->verb != NULL ? " " : "",
                     command->verb != NULL ? command->verb : "", command->usage);
        return ER_CTL_USAGE;
    }
    return command->run(ctl, args);
}

static enum er_ctl_exit dispatch(struct er_ctl *ctl, int argc, char *const *argv)
{
    int at = leading_flags(ctl, argc, argv);
    const struct er_ctl_noun *noun;
    const struct er_ctl_command *command;
    struct er_ctl_args *args;
    enum er_ctl_exit code;
    const char *verb;

    if (at < 0) {
        return ER_CTL_USAGE;
    }
    if (at >= argc) {
        help_all(stderr);
        return ER_CTL_USAGE;
    }
    if (is_help(argv[at])) {
        return help(argc, argv, at + 1);
    }
    noun = strcmp(argv[at], "--version") == 0 ? &er_ctl_version : find_noun(argv[at]);
    if (noun == NULL) {
        return ER_CTL_USAGE;
    }
    verb = noun->commands->verb != NULL && at + 1 < argc ? argv[at + 1] : NULL;
    if (verb != NULL && is_help(verb)) {
        help_noun(stdout, noun);
        return ER_CTL_OK;
    }
    command = find_command(noun, verb);
    args = command == NULL ? NULL : er_ctl_args_parse(argc, argv, at + (verb != NULL ? 2 : 1), command->flags);
    code = args == NULL ? ER_CTL_USAGE : run(ctl, noun, command, args);
    er_ctl_args_free(args);
    return code;
}

int main(int argc, char **argv)
{
    const char *socket = getenv("EVENTROUTER_SOCKET");
    const char *no_color = getenv("NO_COLOR");
    struct er_ctl ctl = {
        .socket = socket != NULL && *socket != '\0' ? socket : DEFAULT_SOCKET,
        .format = ER_CTL_TABLE,
        .color = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0'),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write */
    return (int)er_ctl_finish(dispatch(&ctl, argc, argv));
}
