/* eventrouterctl rule lint: what is legal but odd about the rules of files. */
#include "admin/ctl_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include "admin/ctl_events.h"
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"
#include "rules/engine/explain.h"
#include "rules/engine/tree.h"
#include "rules/language/lint.h"

struct lint {
    bool json;
    const char *file;
    const struct er_ctl_rules *rules;
    struct er_arena *arena;
    struct er_problems *found; /* one list per rule */
    struct er_lint_seen *seen; /* NULL: no --events */
    struct er_tree *tree;
    struct er_buf out;
    size_t findings, n_rules;
    bool first; /* of the JSON array */
};

static bool no_memory(void)
{
    er_ctl_error(ER_E_NOMEM, "out of memory");
    return false;
}

/* ---- Events */

/* A bad event says nothing about fields; rule test is there to find it. */
static bool see(void *ctx, const struct er_ctl_event *event)
{
    struct lint *lint = ctx;
    struct er_err err;
    const struct er_json *type;
    enum er_code code = er_tree_read(lint->tree, event->record, &err);

    if (code == ER_E_NOMEM) {
        return no_memory();
    }
    if (code != ER_OK) {
        (void)fprintf(stderr, "warning[%s]: event %zu is left out: %s\n", er_code_name(code), event->line, err.text);
        return true;
    }
    type = er_tree_type(lint->tree);
    return er_lint_seen_add(lint->seen, type == NULL ? (struct er_str){ NULL, 0 } : type->text, er_tree_root(lint->tree)) ||
           no_memory();
}

static bool read_events(struct lint *lint, const struct er_ctl_args *args)
{
    const struct er_record envelope = { .partition = -1, .timestamp_ms = -1 };
    const struct er_ruleset_options options = er_ruleset_default_options();
    const char *events = er_ctl_value(args, "events");

    if (events == NULL) {
        return true;
    }
    lint->seen = er_lint_seen_new();
    lint->tree = er_tree_new(&options);
    if (lint->seen == NULL || lint->tree == NULL) {
        return no_memory();
    }
    return er_ctl_events_lines(events, &envelope, see, lint);
}

/* ---- Rules */

static void found_pair(void *ctx, enum er_code code, size_t rule, size_t other)
{
    struct lint *lint = ctx;

    er_lint_pair_problem(code, lint->rules->rules[other], ER_STR(""), &lint->found[rule]);
}

static bool look(struct lint *lint, const struct er_ruleset *set)
{
    const struct er_ctl_rules *rules = lint->rules;

    lint->found = er_arena_calloc(lint->arena, rules->n + 1, sizeof *lint->found);
    if (lint->found == NULL) {
        return no_memory();
    }
    for (size_t i = 0; i < rules->n; i++) {
        struct er_ruleset_activity activity;

        er_problems_init(&lint->found[i], lint->arena);
        er_lint_rule(rules->rules[i], lint->seen, ER_STR(""), &lint->found[i]);
        if (er_ruleset_activity(set, rules->rules[i]->id, &activity) && activity.unindexed) {
            er_lint_unindexed(rules->rules[i], ER_STR(""), &lint->found[i]);
        }
    }
    return er_lint_pairs(rules->rules, rules->n, found_pair, lint) == ER_OK || no_memory();
}

static void write_finding(struct lint *lint, const struct er_rule *rule, size_t line, const struct er_problem *problem)
{
    struct er_json_writer w;

    er_buf_add(&lint->out, lint->first ? ER_STR("[") : ER_STR(",\n "));
    lint->first = false;
    er_jw_init(&w, &lint->out);
    er_jw_object(&w);
    er_jw_member_string(&w, "file", er_str_of(lint->file));
    er_jw_member_uint(&w, "line", line);
    er_jw_member_string(&w, "subscription", rule->id);
    er_jw_member_string(&w, "code", er_str_of(er_code_name(problem->code)));
    er_jw_member_string(&w, "pointer", problem->pointer);
    er_jw_member_string(&w, "detail", problem->detail);
    er_jw_member_string(&w, "hint", problem->hint);
    if (problem->offset != ER_NO_OFFSET) {
        er_jw_member_uint(&w, "offset", problem->offset);
    }
    er_jw_end(&w);
}

static void print_finding(struct lint *lint, const struct er_rule *rule, size_t line, const struct er_problem *problem)
{
    er_buf_printf(&lint->out, "lint[%s]: %s line %zu: %.*s: ", er_code_name(problem->code), lint->file, line, ER_STR_ARG(rule->id));
    if (problem->pointer.n > 0) {
        er_buf_printf(&lint->out, "%.*s: ", ER_STR_ARG(problem->pointer));
    }
    er_buf_add(&lint->out, problem->detail);
    if (problem->offset != ER_NO_OFFSET) {
        er_buf_printf(&lint->out, " (offset %zu)", problem->offset);
    }
    er_buf_printf(&lint->out, "; %.*s\n", ER_STR_ARG(problem->hint));
}

static bool print(struct lint *lint)
{
    for (size_t i = 0; i < lint->rules->n; i++) {
        lint->findings += lint->found[i].total;
        if (lint->found[i].no_memory) {
            return no_memory();
        }
        for (const struct er_problem *p = lint->found[i].first; p != NULL; p = p->next) {
            if (lint->json) {
                write_finding(lint, lint->rules->rules[i], lint->rules->lines[i], p);
            } else {
                print_finding(lint, lint->rules->rules[i], lint->rules->lines[i], p);
            }
        }
    }
    if (lint->out.failed) {
        return no_memory();
    }
    er_ctl_put(er_buf_str(&lint->out));
    er_buf_clear(&lint->out);
    return true;
}

static bool lint_file(struct lint *lint, const char *name)
{
    struct er_ctl_rules rules;
    struct er_ruleset *set = NULL;
    bool fine = er_ctl_rules_read_quietly(name, &rules) == ER_CTL_OK && (set = er_ctl_rules_set(&rules)) != NULL;

    lint->file = name;
    lint->rules = &rules;
    lint->n_rules += rules.n;
    er_arena_reset(lint->arena);
    fine = fine && look(lint, set) && print(lint);
    er_ruleset_free(set);
    er_ctl_rules_free(&rules);
    return fine;
}

static enum er_ctl_exit lint_files(struct lint *lint, const struct er_ctl_args *args)
{
    enum er_ctl_exit result = ER_CTL_OK;
    size_t n = er_ctl_operands(args);

    if (!read_events(lint, args)) {
        return ER_CTL_USAGE;
    }
    for (size_t i = 0; i < n || (n == 0 && i == 0); i++) {
        if (!lint_file(lint, n == 0 ? "-" : er_ctl_operand(args, i))) {
            result = ER_CTL_USAGE;
        }
    }
    if (result == ER_CTL_OK && lint->json) {
        (void)printf("%s]\n", lint->first ? "[" : "");
    } else if (result == ER_CTL_OK && lint->findings == 0) {
        (void)printf("%zu rule%s, nothing to say\n", lint->n_rules, lint->n_rules == 1 ? "" : "s");
    }
    return result == ER_CTL_OK && lint->findings > 0 ? ER_CTL_NEGATIVE : result;
}

enum er_ctl_exit er_ctl_run_rule_lint(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct lint lint = { .json = ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL,
                         .first = true,
                         .arena = er_arena_new(0) };
    enum er_ctl_exit result = lint.arena == NULL && !no_memory() ? ER_CTL_USAGE : lint_files(&lint, args);

    er_tree_free(lint.tree);
    er_lint_seen_free(lint.seen);
    er_arena_free(lint.arena);
    er_buf_free(&lint.out);
    return result;
}
