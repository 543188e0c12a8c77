/* eventrouterctl rule: offline work on rule files, with the engine of the router and without a daemon. */
#include "admin/ctl_rule.h"

#include <stdio.h>
#include "admin/ctl_events.h"
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"

struct totals {
    size_t subscriptions, errors, warnings;
};

static enum er_ctl_exit check_file(const char *name, bool say, struct totals *totals)
{
    struct er_ctl_rules rules;
    enum er_ctl_exit result = er_ctl_rules_read(name, &rules);
    struct er_ruleset *set = result == ER_CTL_OK ? er_ctl_rules_set(&rules) : NULL;

    if (set != NULL && say) {
        (void)printf("%s: %zu %s, no errors\n", name, rules.n, rules.n == 1 ? "rule" : "rules");
    }
    totals->subscriptions += rules.n;
    totals->errors += rules.errors;
    totals->warnings += rules.warnings;
    er_ruleset_free(set);
    er_ctl_rules_free(&rules);
    return set != NULL ? ER_CTL_OK : ER_CTL_USAGE;
}

static enum er_ctl_exit run_check(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    bool json = ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL;
    enum er_ctl_exit result = ER_CTL_OK;
    struct totals totals = { 0 };

    for (size_t i = 0; i < er_ctl_operands(args); i++) {
        enum er_ctl_exit one = check_file(er_ctl_operand(args, i), !json, &totals);

        result = one != ER_CTL_OK ? one : result;
    }
    if (json) {
        (void)printf("{\"subscriptions\":%zu,\"errors\":%zu,\"warnings\":%zu}\n", totals.subscriptions, totals.errors,
                     totals.warnings);
    }
    return result;
}

static enum er_ctl_exit run_schema(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    static const char schema[] = {
#include "schemas/subscription.schema.json.inc"
    };

    (void)ctl;
    (void)args;
    (void)fwrite(schema, 1, sizeof schema, stdout);
    return ER_CTL_OK;
}

static const struct er_ctl_flag test_flags[] = {
    { "rules", 0, ER_CTL_VALUE, "RULES.jsonl", "the rules, one document per line (required)" },
    { "events", 0, ER_CTL_VALUE, "EVENTS.jsonl", "each line is one event" },
    ER_CTL_ENVELOPE_FLAGS,
    { 0 },
};

static const struct er_ctl_flag explain_flags[] = {
    { "rules", 0, ER_CTL_VALUE, "RULES.jsonl", "the rules, one document per line (required)" },
    { "events", 0, ER_CTL_VALUE, "EVENTS.jsonl", "each line is one event" },
    { "subscription", 0, ER_CTL_VALUES, "ID", "only these rules" },
    { "limit", 0, ER_CTL_VALUE, "N", "shows so many rules per event (default 100)" },
    ER_CTL_ENVELOPE_FLAGS,
    { 0 },
};

static const struct er_ctl_flag lint_flags[] = {
    { "events", 0, ER_CTL_VALUE, "EVENTS.jsonl", "also says which types and fields none of these events has" },
    { 0 },
};

static const struct er_ctl_flag bench_flags[] = {
    { "rules", 0, ER_CTL_VALUE, "RULES.jsonl", "the rules, one document per line (required)" },
    { "events", 0, ER_CTL_VALUE, "EVENTS.jsonl", "each line is one event (required)" },
    { "json", 0, ER_CTL_SWITCH, NULL, "prints one JSON object" },
    { 0 },
};

static const struct er_ctl_flag convert_flags[] = {
    { "from", 0, ER_CTL_VALUE, "SYSTEM", "eventbridge, knative (YAML or JSON) or hermes (required)" },
    { "report", 0, ER_CTL_VALUE, "FILE", "writes what was lost or differs as JSON lines (default: text on standard error)" },
    { "subscriber", 0, ER_CTL_VALUE, "NAME", "subscriber of all rules (default: what the other system says, or the rule's name)" },
    { 0 },
};

static const struct er_ctl_command commands[] = {
    { "check", "FILE...", "checks rule files: one document per line, or one document or an array in a .json file", NULL, 1,
      (size_t)-1, run_check },
    { "test", "[FILE...]", "says for each event which rules match: the lines of --events first, then each FILE as one event",
      test_flags, 0, (size_t)-1, er_ctl_run_rule_test },
    { "explain", "[FILE...]", "says for each event which rules match, and which conditions of the others fail", explain_flags, 0,
      (size_t)-1, er_ctl_run_rule_explain },
    { "lint", "[FILE...]", "says what is legal but odd about rules; exit 1 if there is anything", lint_flags, 0, (size_t)-1,
      er_ctl_run_rule_lint },
    { "bench", "", "measures what the engine costs with these rules and events", bench_flags, 0, 0, er_ctl_run_rule_bench },
    { "convert", "[FILE]", "turns rules of other systems into subscriptions; exit 1 if something was lost", convert_flags, 0, 1,
      er_ctl_run_rule_convert },
    { "schema", "", "prints the JSON Schema of a subscription", NULL, 0, 0, run_schema },
    { 0 },
};

const struct er_ctl_noun er_ctl_rule = { "rule", "rules", "checks and tries rules from files, without a daemon", commands };
