/* eventrouterctl rule test: one line of JSON per event. */
#include "admin/ctl_rule.h"

#include <stdio.h>
#include "admin/ctl_events.h"
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"
#include "rules/base/json_write.h"
#include "rules/engine/match.h"

struct tester {
    struct er_matcher *matcher;
    struct er_buf line; /* of output */
    bool bad_event;
};

/* err->code says whether the event could be read. */
static bool print_event(struct tester *tester, const struct er_ctl_event *event, const struct er_err *err)
{
    const struct er_str *matched = NULL, *undecided = NULL;
    size_t n_matched = 0, n_undecided = 0;
    struct er_json_writer w;

    if (err->code == ER_OK) {
        matched = er_matcher_matched_ids(tester->matcher, &n_matched);
        undecided = er_matcher_undecided_ids(tester->matcher, &n_undecided);
    }
    if ((matched == NULL && n_matched > 0) || (undecided == NULL && n_undecided > 0)) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return false;
    }
    er_buf_clear(&tester->line);
    er_jw_init(&w, &tester->line);
    er_jw_object(&w);
    er_ctl_event_write_name(&w, event);
    er_jw_member_strings(&w, "matched", matched, n_matched);
    er_jw_member_strings(&w, "undecided", undecided, n_undecided);
    er_jw_member_error(&w, err->code, err);
    er_jw_end(&w);
    er_buf_addc(&tester->line, '\n');
    return !tester->line.failed && fwrite(tester->line.p, 1, tester->line.n, stdout) == tester->line.n;
}

/* False ends the run. */
static bool test_event(void *ctx, const struct er_ctl_event *event)
{
    struct tester *tester = ctx;
    struct er_match match;
    struct er_err err = { 0 };
    enum er_code code = er_matcher_match(tester->matcher, event->record, &match, &err);

    if (code == ER_E_NOMEM) {
        er_ctl_error(code, "out of memory");
        return false;
    }
    err.code = code;
    tester->bad_event = tester->bad_event || code != ER_OK;
    return print_event(tester, event, &err);
}

static enum er_ctl_exit test_set(struct er_ruleset *set, const struct er_ctl_args *args)
{
    struct tester tester = { .bad_event = false };
    struct er_record envelope;
    enum er_ctl_exit result = ER_CTL_USAGE;
    struct er_err err;
    enum er_code code;

    if (!er_ctl_envelope(args, &envelope)) {
        return ER_CTL_USAGE;
    }
    code = er_matcher_new(set, &tester.matcher, &err);
    if (code == ER_OK) {
        (void)er_matcher_pin(tester.matcher);
        if (er_ctl_events_each(args, &envelope, test_event, &tester)) {
            result = tester.bad_event ? ER_CTL_NEGATIVE : ER_CTL_OK;
        }
        er_matcher_unpin(tester.matcher);
        er_matcher_free(tester.matcher);
    } else {
        er_ctl_error(code, "%s", err.text);
    }
    er_buf_free(&tester.line);
    er_ctl_envelope_free(&envelope);
    return result;
}

enum er_ctl_exit er_ctl_run_rule_test(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_rules rules;
    struct er_ruleset *set = NULL;
    enum er_ctl_exit result;

    (void)ctl;
    if (!er_ctl_events_check(args)) {
        return ER_CTL_USAGE;
    }
    result = er_ctl_rules_read(er_ctl_value(args, "rules"), &rules);
    if (result == ER_CTL_OK) {
        set = er_ctl_rules_set(&rules);
        result = set == NULL ? ER_CTL_USAGE : test_set(set, args);
    }
    er_ruleset_free(set);
    er_ctl_rules_free(&rules);
    return result;
}
