/* eventrouterctl rule explain: for each event every rule, the matching ones first, with the conditions that decide. */
#include "admin/ctl_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include "admin/ctl_call.h"
#include "admin/ctl_events.h"
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"
#include "rules/engine/explain.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000000 };

/* Where a rule stands in the list. */
struct place {
    size_t rank; /* 0 matched, 1 undecided, 1 + number of failed conditions, the last: disabled */
    const struct er_rule *rule;
};

struct totals {
    size_t matched, undecided, failed, disabled;
};

struct explain {
    const struct er_ctl_args *args;
    struct er_explainer *explainer;
    struct place *places;
    size_t n; /* rules that are asked for */
    size_t limit;
    struct totals totals; /* of one event */
    struct er_buf out;
    bool json;
    bool negative; /* some event is bad, or no rule matches it */
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return er_str_cmp(x->rule->id, y->rule->id);
}

static bool failed(enum er_code code, const struct er_err *err)
{
    if (code != ER_OK) {
        er_ctl_error(code, "%s", err->text);
    }
    return code != ER_OK;
}

/* ---- One event */

static bool rank(struct explain *explain, struct place *place)
{
    struct totals *totals = &explain->totals;
    struct er_explanation explanation;
    struct er_err err;

    if (failed(er_explainer_run(explain->explainer, place->rule, &explanation, &err), &err)) {
        return false;
    }
    if (!place->rule->enabled) {
        place->rank = (size_t)-1;
        totals->disabled++;
    } else if (explanation.truth == ER_TRUE) {
        place->rank = 0;
        totals->matched++;
    } else if (explanation.truth == ER_UNDECIDED) {
        place->rank = 1;
        totals->undecided++;
    } else {
        place->rank = 1 + explanation.failed;
        totals->failed++;
    }
    return true;
}

static void print_rule(struct explain *explain, const struct er_explanation *explanation)
{
    const struct er_rule *rule = explanation->rule;

    er_buf_printf(&explain->out, "%-9s %.*s (subscriber %.*s)", rule->enabled ? er_truth_name(explanation->truth) : "disabled",
                  ER_STR_ARG(rule->id), ER_STR_ARG(rule->subscriber));
    if (rule->enabled && explanation->truth == ER_FALSE) {
        er_buf_printf(&explain->out, ": %zu condition%s failed", explanation->failed, explanation->failed == 1 ? "" : "s");
    } else if (rule->enabled && explanation->reason != NULL) {
        er_buf_printf(&explain->out, ": %s", explanation->reason);
    }
    er_buf_addc(&explain->out, '\n');
    er_explanation_print(explain->explainer, explanation, &explain->out);
}

static bool add_rules(struct explain *explain, struct er_json_writer *w)
{
    for (size_t i = 0; i < explain->n && i < explain->limit; i++) {
        const struct er_rule *rule = explain->places[i].rule;
        struct er_explanation explanation;
        struct er_err err;

        if (failed(er_explainer_run(explain->explainer, rule, &explanation, &err), &err)) {
            return false;
        }
        if (explain->json) {
            er_jw_object(w);
            er_jw_member_string(w, "subscription", rule->id);
            er_jw_member_string(w, "subscriber", rule->subscriber);
            er_explanation_write(explain->explainer, &explanation, w);
            er_jw_end(w);
        } else {
            print_rule(explain, &explanation);
        }
    }
    return true;
}

static void add_totals(struct explain *explain, struct er_json_writer *w)
{
    er_jw_key(w, ER_STR("totals"));
    er_jw_object(w);
    er_jw_member_uint(w, "subscriptions", explain->n);
    er_jw_member_uint(w, "matched", explain->totals.matched);
    er_jw_member_uint(w, "undecided", explain->totals.undecided);
    er_jw_member_uint(w, "failed", explain->totals.failed);
    er_jw_member_uint(w, "disabled", explain->totals.disabled);
    er_jw_end(w);
    er_jw_member_bool(w, "truncated", explain->n > explain->limit);
}

static bool add_json(struct explain *explain, const struct er_ctl_event *event, const struct er_err *err)
{
    struct er_json_writer w;
    struct er_str type;
    bool fine = true;

    er_jw_init(&w, &explain->out);
    er_jw_object(&w);
    er_ctl_event_write_name(&w, event);
    er_jw_member_error(&w, err->code, err);
    if (err->code == ER_OK) {
        type = er_explainer_type(explain->explainer);
        er_jw_key(&w, ER_STR("type"));
        if (type.p == NULL) {
            er_jw_null(&w);
        } else {
            er_jw_string(&w, type);
        }
        add_totals(explain, &w);
        er_jw_key(&w, ER_STR("items"));
        er_jw_array(&w);
        fine = add_rules(explain, &w);
        er_jw_end(&w);
    }
    er_jw_end(&w);
    er_buf_addc(&explain->out, '\n');
    return fine;
}

static bool add_text(struct explain *explain, const struct er_ctl_event *event, const struct er_err *err)
{
    struct er_buf *out = &explain->out;

    if (event->file != NULL) {
        er_buf_printf(out, "event %s: ", event->file);
    } else {
        er_buf_printf(out, "event %zu: ", event->line);
    }
    if (err->code != ER_OK) {
        er_buf_printf(out, "error[%s]: %s\n", er_code_name(err->code), err->text);
        return true;
    }
    er_buf_printf(out, "%zu of %zu rule%s match", explain->totals.matched, explain->n, explain->n == 1 ? "" : "s");
    if (explain->totals.undecided > 0) {
        er_buf_printf(out, ", %zu undecided", explain->totals.undecided);
    }
    er_buf_addc(out, '\n');
    if (!add_rules(explain, NULL)) {
        return false;
    }
    if (explain->n > explain->limit) {
        er_buf_printf(out, "... and %zu more; --limit shows them\n", explain->n - explain->limit);
    }
    return true;
}

static bool explain_event(void *ctx, const struct er_ctl_event *event)
{
    struct explain *explain = ctx;
    struct er_err err = { .code = ER_OK };
    enum er_code code = er_explainer_read(explain->explainer, event->record, &err);
    bool fine = code != ER_E_NOMEM;

    err.code = code;
    explain->totals = (struct totals){ 0 };
    for (size_t i = 0; code == ER_OK && fine && i < explain->n; i++) {
        fine = rank(explain, &explain->places[i]);
    }
    if (!fine) {
        return false;
    }
    if (code == ER_OK) {
        qsort(explain->places, explain->n, sizeof *explain->places, compare_places);
    }
    explain->negative = explain->negative || code != ER_OK || explain->totals.matched == 0;
    er_buf_clear(&explain->out);
    if (!(explain->json ? add_json(explain, event, &err) : add_text(explain, event, &err)) || explain->out.failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return false;
    }
    return fwrite(explain->out.p, 1, explain->out.n, stdout) == explain->out.n;
}

/* ---- The command */

static bool is_asked(const struct er_ctl_args *args, struct er_str id)
{
    size_t n = er_ctl_count(args, "subscription");

    for (size_t i = 0; i < n; i++) {
        if (er_str_eq(er_str_of(er_ctl_nth(args, "subscription", i)), id)) {
            return true;
        }
    }
    return n == 0;
}

static bool choose(struct explain *explain, const struct er_ctl_rules *rules)
{
    explain->places = calloc(rules->n + 1, sizeof *explain->places);
    if (explain->places == NULL) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return false;
    }
    for (size_t i = 0; i < rules->n; i++) {
        if (is_asked(explain->args, rules->rules[i]->id)) {
            explain->places[explain->n++].rule = rules->rules[i];
        }
    }
    if (explain->n < er_ctl_count(explain->args, "subscription")) {
        er_ctl_error(ER_E_NOT_FOUND, "--subscription: the rules have %zu of the %zu that are asked for", explain->n,
                     er_ctl_count(explain->args, "subscription"));
        return false;
    }
    return true;
}

static enum er_ctl_exit explain_rules(struct explain *explain, const struct er_ctl_rules *rules)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_record envelope;
    enum er_ctl_exit result = ER_CTL_USAGE;
    struct er_err err;

    if (!choose(explain, rules) || failed(er_explainer_new(&options, &explain->explainer, &err), &err)) {
        return ER_CTL_USAGE;
    }
    if (er_ctl_envelope(explain->args, &envelope)) {
        if (er_ctl_events_each(explain->args, &envelope, explain_event, explain)) {
            result = explain->negative ? ER_CTL_NEGATIVE : ER_CTL_OK;
        }
        er_ctl_envelope_free(&envelope);
    }
    return result;
}

enum er_ctl_exit er_ctl_run_rule_explain(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct explain explain = { .args = args,
                               .limit = DEFAULT_LIMIT,
                               .json = ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL };
    const char *limit = er_ctl_value(args, "limit");
    struct er_ctl_rules rules;
    enum er_ctl_exit result;

    if (limit != NULL) {
        explain.limit = er_ctl_number("limit", limit, MAX_LIMIT);
    }
    if (explain.limit == 0 || !er_ctl_events_check(args)) {
        return ER_CTL_USAGE;
    }
    result = er_ctl_rules_read(er_ctl_value(args, "rules"), &rules);
    if (result == ER_CTL_OK) {
        result = explain_rules(&explain, &rules);
    }
    er_explainer_free(explain.explainer);
    free(explain.places);
    er_buf_free(&explain.out);
    er_ctl_rules_free(&rules);
    return result;
}
