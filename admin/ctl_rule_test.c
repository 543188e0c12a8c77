/* eventrouterctl rule test: one line of JSON per event. */
#include "admin/ctl_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"
#include "rules/base/json_write.h"
#include "rules/engine/match.h"

struct tester {
    struct er_matcher *matcher;
    struct er_record envelope; /* what every event has besides its value */
    struct er_buf line;        /* of output */
    bool bad_event;
};

/* Names an event in the output: a number, or a FILE argument. */
struct event_name {
    size_t line;
    const char *file; /* NULL: use line */
};

static void write_ids(struct er_json_writer *w, const char *key, const struct er_str *ids, size_t n)
{
    er_jw_key(w, er_str_of(key));
    er_jw_array(w);
    for (size_t i = 0; i < n; i++) {
        er_jw_string(w, ids[i]);
    }
    er_jw_end(w);
}

static void write_error(struct er_json_writer *w, const struct er_err *err)
{
    er_jw_key(w, ER_STR("error"));
    if (err->code == ER_OK) {
        er_jw_null(w);
        return;
    }
    er_jw_object(w);
    er_jw_member_string(w, "code", er_str_of(er_code_name(err->code)));
    er_jw_key(w, ER_STR("offset"));
    if (err->offset == ER_NO_OFFSET) {
        er_jw_null(w);
    } else {
        er_jw_uint(w, err->offset);
    }
    er_jw_member_string(w, "detail", er_str_of(err->text));
    er_jw_end(w);
}

/* err->code says whether the event could be read. */
static bool print_event(struct tester *tester, const struct event_name *name, const struct er_err *err)
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
    er_jw_key(&w, ER_STR("event"));
    if (name->file != NULL) {
        er_jw_string(&w, er_str_of(name->file));
    } else {
        er_jw_uint(&w, name->line);
    }
    write_ids(&w, "matched", matched, n_matched);
    write_ids(&w, "undecided", undecided, n_undecided);
    write_error(&w, err);
    er_jw_end(&w);
    er_buf_addc(&tester->line, '\n');
    return !tester->line.failed && fwrite(tester->line.p, 1, tester->line.n, stdout) == tester->line.n;
}

/* False ends the run. */
static bool test_event(struct tester *tester, const struct event_name *name, struct er_str value)
{
    struct er_record record = tester->envelope;
    struct er_match match;
    struct er_err err = { 0 };
    enum er_code code;

    record.value = value;
    record.has_value = true;
    code = er_matcher_match(tester->matcher, &record, &match, &err);
    if (code == ER_E_NOMEM) {
        er_ctl_error(code, "out of memory");
        return false;
    }
    err.code = code;
    tester->bad_event = tester->bad_event || code != ER_OK;
    return print_event(tester, name, &err);
}

static bool test_lines(struct tester *tester, const char *file_name)
{
    FILE *file = strcmp(file_name, "-") == 0 ? stdin : fopen(file_name, "r");
    struct event_name name = { 0, NULL };
    char *text = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;

    if (file == NULL) {
        er_ctl_error(ER_E_FILE, "%s: %s", file_name, strerror(errno));
        return false;
    }
    errno = 0;
    for (; ok && (n = getline(&text, &capacity, file)) >= 0; name.line++) {
        struct er_str line = { text, (size_t)n - (n > 0 && text[n - 1] == '\n') };

        ok = er_ctl_line_blank(line) || test_event(tester, &name, line);
    }
    if (ok && !feof(file)) {
        er_ctl_error(ER_E_FILE, "%s: %s", file_name, strerror(errno == 0 ? EIO : errno));
        ok = false;
    }
    free(text);
    if (file != stdin) {
        (void)fclose(file);
    }
    return ok;
}

static bool test_file(struct tester *tester, const char *file_name)
{
    struct event_name name = { 0, file_name };
    struct er_buf text = { 0 };
    struct er_err err;
    enum er_code code = er_ctl_read_file(file_name, &text, &err);
    bool ok = code == ER_OK && test_event(tester, &name, er_buf_str(&text));

    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
    }
    er_buf_free(&text);
    return ok;
}

/* Everything that can be known to be wrong is said before the first line of output. */
static bool check_inputs(const struct er_ctl_args *args)
{
    const char *names[2] = { er_ctl_value(args, "rules"), er_ctl_value(args, "events") };
    size_t n = er_ctl_operands(args), stdin_uses = 0;

    if (names[0] == NULL) {
        er_ctl_error(ER_E_USAGE, "--rules is missing: give the file with the rules");
        return false;
    }
    if (names[1] == NULL && n == 0) {
        er_ctl_error(ER_E_USAGE, "no events: give --events EVENTS.jsonl or one FILE per event");
        return false;
    }
    for (size_t i = 0; i < n + 2; i++) {
        const char *name = i < 2 ? names[i] : er_ctl_operand(args, i - 2);

        if (name != NULL && strcmp(name, "-") == 0) {
            stdin_uses++;
        } else if (name != NULL && access(name, R_OK) != 0) {
            er_ctl_error(ER_E_FILE, "%s: %s", name, strerror(errno));
            return false;
        }
    }
    if (stdin_uses > 1) {
        er_ctl_error(ER_E_USAGE, "standard input (-) can be read only once");
        return false;
    }
    return true;
}

/* The headers of --header, or NULL after an error; the caller frees. */
static struct er_header *read_headers(const struct er_ctl_args *args, size_t *n)
{
    struct er_header *headers;

    *n = er_ctl_count(args, "header");
    headers = calloc(*n + 1, sizeof *headers);
    if (headers == NULL) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < *n; i++) {
        const char *text = er_ctl_nth(args, "header", i);
        const char *equals = strchr(text, '=');

        if (equals == NULL) {
            er_ctl_error(ER_E_USAGE, "--header %s: write NAME=VALUE", text);
            free(headers);
            return NULL;
        }
        headers[i].name = (struct er_str){ text, (size_t)(equals - text) };
        headers[i].value = er_str_of(equals + 1);
    }
    return headers;
}

static enum er_ctl_exit test_events(struct tester *tester, const struct er_ctl_args *args)
{
    const char *events = er_ctl_value(args, "events");
    bool ok = events == NULL || test_lines(tester, events);

    for (size_t i = 0; ok && i < er_ctl_operands(args); i++) {
        ok = test_file(tester, er_ctl_operand(args, i));
    }
    if (!ok) {
        return ER_CTL_USAGE;
    }
    return tester->bad_event ? ER_CTL_NEGATIVE : ER_CTL_OK;
}

static enum er_ctl_exit test_set(struct er_ruleset *set, const struct er_ctl_args *args)
{
    struct tester tester = { .envelope = { .partition = -1, .timestamp_ms = -1 } };
    const char *topic = er_ctl_value(args, "topic");
    const char *key = er_ctl_value(args, "key");
    struct er_header *headers = read_headers(args, &tester.envelope.n_headers);
    enum er_ctl_exit result = ER_CTL_USAGE;
    struct er_err err;
    enum er_code code;

    if (headers == NULL) {
        return ER_CTL_USAGE;
    }
    tester.envelope.headers = headers;
    tester.envelope.topic = topic == NULL ? (struct er_str){ NULL, 0 } : er_str_of(topic);
    tester.envelope.key = key == NULL ? (struct er_str){ NULL, 0 } : er_str_of(key);
    tester.envelope.has_key = key != NULL;
    code = er_matcher_new(set, &tester.matcher, &err);
    if (code == ER_OK) {
        (void)er_matcher_pin(tester.matcher);
        result = test_events(&tester, args);
        er_matcher_unpin(tester.matcher);
        er_matcher_free(tester.matcher);
    } else {
        er_ctl_error(code, "%s", err.text);
    }
    er_buf_free(&tester.line);
    free(headers);
    return result;
}

enum er_ctl_exit er_ctl_run_rule_test(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_rules rules;
    struct er_ruleset *set = NULL;
    enum er_ctl_exit result;

    (void)ctl;
    if (!check_inputs(args)) {
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
