#include "admin/ctl_args.h"

#include <stdlib.h>
#include <string.h>

#include "admin/ctl_output.h"
#include "rules/base/suggest.h"

const struct er_ctl_flag er_ctl_global_flags[] = {
    { "socket", 's', ER_CTL_VALUE, "SOCKET", "admin socket of the daemon (also EVENTROUTER_SOCKET)" },
    { "output", 'o', ER_CTL_VALUE, "FORMAT", "table, wide, json, jsonl or name" },
    { "help", 'h', ER_CTL_SWITCH, NULL, "this text" },
    { 0 },
};

struct given {
    const struct er_ctl_flag *flag;
    const char *value;
};

struct er_ctl_args {
    const struct er_ctl_flag *flags;
    struct given *given;
    size_t n_given;
    const char **operands;
    size_t n_operands;
};

static const struct er_ctl_flag *find(const struct er_ctl_flag *flags, struct er_str name, char letter)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (letter != 0 ? flags->letter == letter : er_str_eq(er_str_of(flags->name), name)) {
            return flags;
        }
    }
    return NULL;
}

static const struct er_ctl_flag *find_any(const struct er_ctl_args *args, struct er_str name, char letter)
{
    const struct er_ctl_flag *flag = find(args->flags, name, letter);

    return flag != NULL ? flag : find(er_ctl_global_flags, name, letter);
}

static void unknown_flag(const struct er_ctl_args *args, const char *word, struct er_str name)
{
    const char *names[64];
    size_t n = 0;
    const char *near;

    for (const struct er_ctl_flag *f = args->flags; f != NULL && f->name != NULL && n < 60; f++) {
        names[n++] = f->name;
    }
    for (const struct er_ctl_flag *f = er_ctl_global_flags; f->name != NULL; f++) {
        names[n++] = f->name;
    }
    near = er_suggest(name, names, n);
    if (near != NULL) {
        er_ctl_error(ER_E_USAGE, "%s: no such flag here; did you mean --%s?", word, near);
    } else {
        er_ctl_error(ER_E_USAGE, "%s: no such flag here; --help lists them", word);
    }
}

/* Takes one word that starts with a dash, perhaps with the next as its value. Returns how many words it took, 0 after an error. */
static int take_flag(struct er_ctl_args *args, const char *word, const char *next)
{
    bool is_long = word[1] == '-';
    const char *text = word + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(text, '=') : NULL;
    struct er_str name = { text, equals != NULL ? (size_t)(equals - text) : strlen(text) };
    const struct er_ctl_flag *flag = find_any(args, name, is_long ? 0 : text[0]);
    const char *value = equals != NULL ? equals + 1 : (!is_long && text[1] != '\0' ? text + 1 : NULL);
    int took = 1;

    if (flag == NULL) {
        unknown_flag(args, word, name);
        return 0;
    }
    if (flag->kind == ER_CTL_SWITCH && value != NULL) {
        er_ctl_error(ER_E_USAGE, "--%s takes no value", flag->name);
        return 0;
    }
    if (flag->kind != ER_CTL_SWITCH && value == NULL) {
        if (next == NULL) {
            er_ctl_error(ER_E_USAGE, "--%s needs a value: --%s %s", flag->name, flag->name, flag->value);
            return 0;
        }
        value = next;
        took = 2;
    }
    args->given[args->n_given++] = (struct given){ flag, value };
    return took;
}

struct er_ctl_args *er_ctl_args_parse(int argc, char *const *argv, int from, const struct er_ctl_flag *flags)
{
    struct er_ctl_args *args = calloc(1, sizeof *args);
    bool flags_end = false;

    if (args != NULL) {
        args->given = calloc((size_t)argc + 1, sizeof *args->given);
        args->operands = calloc((size_t)argc + 1, sizeof *args->operands);
        args->flags = flags;
    }
    if (args == NULL || args->given == NULL || args->operands == NULL) {
        er_ctl_error(ER_E_NOMEM, "no memory for the command line");
        er_ctl_args_free(args);
        return NULL;
    }
    for (int i = from; i < argc;) {
        const char *word = argv[i];
        int took = 1;

        if (flags_end || word[0] != '-' || word[1] == '\0') {
            args->operands[args->n_operands++] = word;
        } else if (strcmp(word, "--") == 0) {
            flags_end = true;
        } else {
            took = take_flag(args, word, i + 1 < argc ? argv[i + 1] : NULL);
        }
        if (took == 0) {
            er_ctl_args_free(args);
            return NULL;
        }
        i += took;
    }
    return args;
}

void er_ctl_args_free(struct er_ctl_args *args)
{
    if (args != NULL) {
        free(args->given);
        free(args->operands);
        free(args);
    }
}

size_t er_ctl_operands(const struct er_ctl_args *args)
{
    return args->n_operands;
}

const char *er_ctl_operand(const struct er_ctl_args *args, size_t i)
{
    return args->operands[i];
}

const char *er_ctl_nth(const struct er_ctl_args *args, const char *flag, size_t i)
{
    for (size_t k = 0; k < args->n_given; k++) {
        if (strcmp(args->given[k].flag->name, flag) == 0 && i-- == 0) {
            return args->given[k].value;
        }
    }
    return NULL;
}

size_t er_ctl_count(const struct er_ctl_args *args, const char *flag)
{
    size_t n = 0;

    for (size_t k = 0; k < args->n_given; k++) {
        n += strcmp(args->given[k].flag->name, flag) == 0;
    }
    return n;
}

bool er_ctl_has(const struct er_ctl_args *args, const char *flag)
{
    return er_ctl_count(args, flag) > 0;
}

const char *er_ctl_value(const struct er_ctl_args *args, const char *flag)
{
    size_t n = er_ctl_count(args, flag);

    return n > 0 ? er_ctl_nth(args, flag, n - 1) : NULL;
}
