/* Regexes: "PATTERN\0SUBJECT". A match contains the required literal and starts with the prefix; automaton, interpreter and machine code
 * give the same answer; no forbidden feature gets through. */
#include <stdint.h>
#include <stdlib.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "rules/base/utf8.h"
#include "rules/language/regex.h"
#include "rules/language/regex_automaton.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int seen_callout(pcre2_callout_enumerate_block *block, void *data)
{
    (void)block;
    (void)data;
    return 1;
}

static uint32_t information(const pcre2_code *code, uint32_t what)
{
    uint32_t value = 0;

    (void)pcre2_pattern_info(code, what, &value);
    return value;
}

/* What PCRE2 itself knows about the pattern must not show any refused feature. */
static void check_features(struct er_str pattern)
{
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(const void *)pattern.p, pattern.n, PCRE2_UTF, &number, &offset, NULL);
    uint32_t limit;

    if (code == NULL) {
        return;
    }
    if (information(code, PCRE2_INFO_HASBACKSLASHC) != 0 || pcre2_callout_enumerate(code, seen_callout, NULL) != 0 ||
        information(code, PCRE2_INFO_NEWLINE) != PCRE2_NEWLINE_LF || information(code, PCRE2_INFO_BSR) != PCRE2_BSR_UNICODE ||
        (information(code, PCRE2_INFO_ALLOPTIONS) & PCRE2_UCP) != 0 ||
        pcre2_pattern_info(code, PCRE2_INFO_MATCHLIMIT, &limit) != PCRE2_ERROR_UNSET) {
        abort();
    }
    pcre2_code_free(code);
}

static int contains(struct er_str text, struct er_str part)
{
    for (size_t i = 0; part.n > 0 && i + part.n <= text.n; i++) {
        if (memcmp(text.p + i, part.p, part.n) == 0) {
            return 1;
        }
    }
    return part.n == 0;
}

static void check_search(struct er_regex *regex, struct er_str subject)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    enum er_truth first = er_regex_search(regex, scratch, subject);
    enum er_truth second;
    size_t n;
    const struct er_str *literals = er_regex_literals(regex, &n);

    for (size_t i = 0; first == ER_TRUE && i < n; i++) {
        if (literals[i].n == 0 || !contains(subject, literals[i])) {
            abort();
        }
    }
    for (int i = 0; i < 600; i++) {
        er_regex_scratch_begin_event(scratch);
        (void)er_regex_search(regex, scratch, (struct er_str){ "", 0 });
    }
    second = er_regex_search(regex, scratch, subject);
    if (first != ER_UNDECIDED && second != ER_UNDECIDED && first != second) {
        abort();
    }
    er_regex_scratch_free(scratch);
}

/* A comment at the end of a simple pattern leaves it to PCRE2. */
static void check_automaton(struct er_str pattern, struct er_str subject)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    char *text = malloc(pattern.n + 4);
    struct er_automaton *automaton;
    struct er_regex *regex;
    struct er_err err;

    if (scratch == NULL || text == NULL || !er_automaton_new(pattern, &automaton)) {
        abort();
    }
    memcpy(text, pattern.p, pattern.n);
    memcpy(text + pattern.n, "(?#)", 4);
    if (automaton != NULL && er_regex_compile((struct er_str){ text, pattern.n + 4 }, &regex, &err) == ER_OK) {
        enum er_truth truth = er_regex_search(regex, scratch, subject);
        struct er_str prefix = er_automaton_prefix(automaton);
        bool accepts = er_automaton_accepts(automaton, subject);

        if ((truth != ER_UNDECIDED && (truth == ER_TRUE) != accepts) ||
            (accepts && (subject.n < prefix.n || memcmp(subject.p, prefix.p, prefix.n) != 0))) {
            abort();
        }
        er_regex_unref(regex);
    }
    er_automaton_free(automaton);
    er_regex_scratch_free(scratch);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *end = size == 0 ? NULL : memchr(text, 0, size);
    struct er_str pattern = { text, end == NULL ? size : (size_t)(end - text) };
    struct er_str subject = { end == NULL ? "" : end + 1, end == NULL ? 0 : size - pattern.n - 1 };
    struct er_regex *regex;
    struct er_err err = { 0 };
    enum er_code code;

    if (er_utf8_check(pattern) != pattern.n || er_utf8_check(subject) != subject.n) {
        return 0;
    }
    code = er_regex_compile(pattern, &regex, &err);
    if (code != ER_OK) {
        if (err.offset != ER_NO_OFFSET && err.offset > pattern.n) {
            abort();
        }
        return 0;
    }
    check_features(pattern);
    check_search(regex, subject);
    check_automaton(pattern, subject);
    er_regex_unref(regex);
    return 0;
}
