#include "rules/base/buf.h"
#include "rules/language/regex.h"

#include <pthread.h>
#include <time.h>
#include "tests/unit/test.h"
#include "rules/language/regex_syntax.h"

static struct er_regex *compile(const char *pattern)
{
    struct er_regex *regex;
    struct er_err err;

    if (er_regex_compile(er_str_of(pattern), &regex, &err) != ER_OK) {
        fail_msg("%s: %s", pattern, err.text);
    }
    return regex;
}

static int setup(void **state)
{
    struct er_regex_limits limits = er_regex_default_limits();

    *state = er_regex_scratch_new(&limits);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    er_regex_scratch_free(*state);
    return 0;
}

static const struct {
    const char *pattern;
    const char *subject;
    enum er_truth answer;
} searches[] = {
    { "", "", ER_TRUE },
    { "", "x", ER_TRUE },
    { "a", "", ER_FALSE },
    { "^12", "123", ER_TRUE },
    { "^12", "0123", ER_FALSE },
    { "b", "abc", ER_TRUE },
    { "c$", "abc", ER_TRUE },
    { "c$", "abc\n", ER_FALSE }, /* $ only at the end */
    { "(?m)c$", "abc\nx", ER_TRUE },
    { "^x", "a\nx", ER_FALSE },
    { "(?m)^x", "a\nx", ER_TRUE },
    { "(?m)^x", "a\rx", ER_FALSE }, /* newline is LF */
    { "a.b", "a\nb", ER_FALSE },
    { "a.b", "a\rb", ER_TRUE },
    { "a\\Rb", "a\rb", ER_TRUE },
    { "a\\Rb",
      "a\xE2\x80\xA8"
      "b",
      ER_TRUE }, /* \R is any Unicode line end */
    { "(?i)STRASSE", "strasse", ER_TRUE },
    { "(?i)\xC3\x84", "\xC3\xA4", ER_TRUE }, /* case is Unicode */
    { "(?i)k", "\xE2\x84\xAA", ER_TRUE },
    { "(?i)abc", "xxABC", ER_TRUE },
    { "^\\d$", "\xD9\xA1", ER_FALSE }, /* \d \w \s are ASCII */
    { "^\\w$", "\xC3\xA4", ER_FALSE },
    { "^\\s$", "\xC2\xA0", ER_FALSE },
    { "^[[:alpha:]]$", "\xC3\xA4", ER_FALSE },
    { "\\bx", "\xC3\xA4x", ER_TRUE },
    { "^\\p{L}$", "\xC3\xA4", ER_TRUE },
    { "^.$", "\xF0\x9F\x98\x80", ER_TRUE },
    { "^(.)\\1$", "\xC3\xA4\xC3\xA4", ER_TRUE },
    { "(?=x)", "y", ER_FALSE },
    { "(?<=a)b", "ab", ER_TRUE },
    { "(?<!a)b", "ab", ER_FALSE },
    { "(*pla:b)b", "ab", ER_TRUE },
    { "@example\\.(com|org)$", "me@example.org", ER_TRUE },
    { "@example\\.(com|org)$", "me@example.orga", ER_FALSE },
    { "--\\b", "a---b", ER_TRUE }, /* the match begins within another beginning */
};

static void check_searches(struct er_regex_scratch *scratch, int times)
{
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        struct er_regex *regex = compile(searches[i].pattern);

        for (int n = 0; n < times; n++) {
            er_regex_scratch_begin_event(scratch);
            if (er_regex_search(regex, scratch, er_str_of(searches[i].subject)) != searches[i].answer) {
                fail_msg("/%s/ on \"%s\", search %d", searches[i].pattern, searches[i].subject, n);
            }
            assert_null(er_regex_scratch_reason(scratch));
        }
        er_regex_unref(regex);
    }
}

static void semantics(void **state)
{
    check_searches(*state, 1);
}

static void the_same_with_machine_code(void **state)
{
    check_searches(*state, 600);
}

static void a_subject_may_hold_nul(void **state)
{
    struct er_regex *regex = compile("^a\\x00b$");

    assert_int_equal(er_regex_search(regex, *state, (struct er_str){ "a\0b", 3 }), ER_TRUE);
    assert_int_equal(er_regex_search(regex, *state, (struct er_str){ NULL, 0 }), ER_FALSE);
    er_regex_unref(regex);
}

static const struct {
    const char *pattern;
    enum er_code code;
    size_t offset;
} refused[] = {
    { "a\\Cb", ER_E_REGEX_FORBIDDEN, 1 },
    { "\\Ga", ER_E_REGEX_FORBIDDEN, 0 },
    { "\\\\\\C", ER_E_REGEX_FORBIDDEN, 2 },
    { "a(?C)", ER_E_REGEX_FORBIDDEN, 1 },
    { "a(?C1)", ER_E_REGEX_FORBIDDEN, 1 },
    { "a(?C\"x\")", ER_E_REGEX_FORBIDDEN, 1 },
    { "(?(?C9)(?=a)b|c)", ER_E_REGEX_FORBIDDEN, 2 },
    { "(*UTF)a", ER_E_REGEX_FORBIDDEN, 0 },
    { "(*LIMIT_MATCH=1)a", ER_E_REGEX_FORBIDDEN, 0 },
    { "(*CRLF)(*UCP)a", ER_E_REGEX_FORBIDDEN, 0 },
    { "a(*ACCEPT)b", ER_E_REGEX_FORBIDDEN, 1 },
    { "a(*:name)b", ER_E_REGEX_FORBIDDEN, 1 },
    { "a(*F)", ER_E_REGEX_FORBIDDEN, 1 },
    { "(?x)a # comment\n\\C", ER_E_REGEX_FORBIDDEN, 16 },
    { "# \\C", ER_E_REGEX_FORBIDDEN, 2 },
    { "(?x:a)# \\C", ER_E_REGEX_FORBIDDEN, 8 },
    { "((?x)a)# \\C", ER_E_REGEX_FORBIDDEN, 9 },
    { "(?x)(?-x)# \\C", ER_E_REGEX_FORBIDDEN, 11 },
    { "(?x)(?^)# \\C", ER_E_REGEX_FORBIDDEN, 10 },
    { "\\Qa\\E\\C", ER_E_REGEX_FORBIDDEN, 5 },
    { "(?#a)\\C", ER_E_REGEX_FORBIDDEN, 5 },
    { "[a]\\C", ER_E_REGEX_FORBIDDEN, 3 },
    { "[]\\C]\\C", ER_E_REGEX_FORBIDDEN, 5 },
    { "[[:alpha:]]\\C", ER_E_REGEX_FORBIDDEN, 11 },
    { "\\cG\\G", ER_E_REGEX_FORBIDDEN, 3 },
    { "a(b", ER_E_REGEX_COMPILE, 3 },
    { "a)", ER_E_REGEX_COMPILE, 1 },
    { "[a", ER_E_REGEX_COMPILE, 2 },
    { "a**", ER_E_REGEX_COMPILE, 2 },
    { "*", ER_E_REGEX_COMPILE, 0 },
    { "\\p{Nope}", ER_E_REGEX_COMPILE, 8 },
    { "(?<=a+)b", ER_E_REGEX_COMPILE, 0 },
    { "\\", ER_E_REGEX_COMPILE, 1 },
    { "(?<n>a)(?<n>b)", ER_E_REGEX_COMPILE, 12 },
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct er_regex *regex = NULL;
        struct er_err err = { 0 };
        enum er_code code = er_regex_compile(er_str_of(refused[i].pattern), &regex, &err);

        if (code != refused[i].code || err.offset != refused[i].offset || regex != NULL) {
            fail_msg("/%s/: %s at %zu: %s", refused[i].pattern, er_code_name(code), err.offset, err.text);
        }
    }
}

/* The letters of a forbidden feature where they mean something else. */
static const char *const allowed[] = {
    "\\Q\\C\\G(*UTF)(?C)\\E",
    "\\Q(*ACCEPT)",
    "[(*A)]",
    "[]\\Q\\C]\\E]",
    "[^](*A)]",
    "[[:alpha:](*A]",
    "(?#\\C \\G (*A (?C)",
    "(?x)a # \\C \\G (*A)(?C)\n b",
    "(?x: a # \\C\n)",
    "(?i)(?x)a#(*A",
    "(?xx)[ ](*A]",
    "(?-i)(?x)a#(*A",
    "(?x)(a#\\C\n)#\\G",
    "\\\\C",
    "\\\\(*\\)?a)",
    "\\cC\\cG",
    "\\(*A)?",
    "(*pla:a)",
    "(*atomic:a)",
    "(*napla:a)",
    "(a)(?R)?",
    "\\(?C",
};

static void allows_the_letters_elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        struct er_err err = { 0 };

        if (er_regex_check_features(er_str_of(allowed[i]), &err) != ER_OK) {
            fail_msg("/%s/: %s", allowed[i], err.text);
        }
    }
}

static void length_is_bounded(void **state)
{
    char pattern[ER_REGEX_MAX_BYTES + 1];
    struct er_regex *regex;
    struct er_err err;

    (void)state;
    memset(pattern, 'a', sizeof pattern);
    assert_int_equal(er_regex_compile((struct er_str){ pattern, ER_REGEX_MAX_BYTES }, &regex, &err), ER_OK);
    assert_int_equal(er_regex_literal(regex).n, ER_REGEX_MAX_BYTES);
    er_regex_unref(regex);
    assert_int_equal(er_regex_compile((struct er_str){ pattern, ER_REGEX_MAX_BYTES + 1 }, &regex, &err), ER_E_REGEX_TOO_LONG);
    memset(pattern, '(', sizeof pattern);
    assert_int_equal(er_regex_compile((struct er_str){ pattern, ER_REGEX_MAX_BYTES }, &regex, &err), ER_E_REGEX_COMPILE);
    assert_int_equal(er_regex_compile(er_str_of("(?:(?:a{999}){999}){999}"), &regex, &err), ER_E_REGEX_COMPILE);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct er_str repeated(const char *text, size_t bytes)
{
    size_t n = strlen(text);
    char *p = malloc(bytes);

    assert_non_null(p);
    for (size_t i = 0; i < bytes; i++) {
        p[i] = text[i % n];
    }
    return (struct er_str){ p, bytes };
}

static const struct {
    const char *pattern;
    const char *unit;
    size_t bytes;
} catastrophic[] = {
    { "(?:a{0,60}){3}[bc]", "a", 16384 },
    { "(?:a{0,60}){3}[bc]", "a", 400 },
    { "(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 60 },
    { "(?:a|a|a|a)*[xy][xy]", "a", 1000 },
    { "(?:.*.*.*[xz]){2}", "y", 3000 },
    { "a+a+a+a+c[de]", "a", 1 << 20 },
    { "(?:[a-z]*[0-9]?)*[!?]", "abc1", 5000 },
    { "a++[bc]", "a", 1 << 20 },
    { "a*?a*?a*?a*?[bc]", "a", 1 << 20 }, /* every step reads the rest of the subject */
    { "^a*?a*?a*?a*?[bc]", "a", 1 << 20 },
    { "a*?a*?a*?a*?[bc]", "a", 50000 },
    { "(a?){200}a{200}[xy]", "a", 1 << 20 },
};

/* The bound has room for a slow machine and sanitizers; without chunks these run for seconds to hours. */
static void a_catastrophic_search_is_undecided_in_time(void **state)
{
    for (size_t i = 0; i < sizeof catastrophic / sizeof catastrophic[0]; i++) {
        struct er_regex *regex = compile(catastrophic[i].pattern);
        struct er_str subject = repeated(catastrophic[i].unit, catastrophic[i].bytes);

        for (int n = 0; n < 2; n++) {
            uint64_t before = cpu_ns();
            enum er_truth answer;
            uint64_t took;

            er_regex_scratch_begin_event(*state);
            answer = er_regex_search(regex, *state, subject);
            took = cpu_ns() - before;
            if (getenv("ER_TEST_PRINT") != NULL) {
                printf("/%s/: answer %d in %zu us\n", catastrophic[i].pattern, (int)answer, (size_t)(took / 1000));
            }
            if (answer != ER_UNDECIDED || er_regex_scratch_reason(*state) == NULL || took > 100000000) {
                fail_msg("/%s/: answer %d in %zu us", catastrophic[i].pattern, (int)answer, (size_t)(took / 1000));
            }
            for (int warm = 0; warm < 600; warm++) {
                (void)er_regex_search(regex, *state, ER_STR("x")); /* and again with machine code */
            }
        }
        free((void *)(uintptr_t)subject.p);
        er_regex_unref(regex);
    }
}

static void long_subjects_are_decided(void **state)
{
    static const struct {
        const char *pattern;
        const char *unit;
        const char *tail;
        enum er_truth answer;
    } rows[] = {
        { "needle", "hay ", "needle", ER_TRUE },
        { "needle", "hay ", "needl", ER_FALSE },
        { "(?i)NEEDLE", "hay ", "needle", ER_TRUE },
        { "(?i)NEEDLE", "hay ", "nope", ER_FALSE },
        { "needle$", "needle ", "needle", ER_TRUE },
        { "^hay", "hay ", "", ER_TRUE },
        { "^needle", "hay ", "needle", ER_FALSE },
        { "(?m)^needle", "hay ", "\nneedle", ER_TRUE },
        { "(?m)^needle", "hay ", "needle", ER_FALSE },
        { "n.*e$", "hay ", "needle", ER_TRUE },
        { "x\\d+", "hay ", "x1", ER_TRUE },
        { "[nm]eedle", "hay ", "meedle", ER_TRUE },
        { "(?<=y )\xC3\xA4", "hay ", "\xC3\xA4", ER_TRUE },
        { "\\z", "hay ", "", ER_TRUE },
        { "(?s).*needle", "hay ", "needle", ER_TRUE },
    };
    static const size_t sizes[] = { 511, 512, 513, 5000, 100000 };
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch;

    (void)state;
    limits.value_ns = limits.event_ns = UINT64_C(60000000000); /* this is about length; a sanitizer stretches time */
    scratch = er_regex_scratch_new(&limits);
    assert_non_null(scratch);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_regex *regex = compile(rows[i].pattern);

        for (size_t n = 0; n < sizeof sizes / sizeof sizes[0] * 2; n++) {
            size_t tail = strlen(rows[i].tail);
            size_t bytes = sizes[n / 2] / 4 * 4;
            struct er_str subject = repeated(rows[i].unit, bytes + tail);
            char *p = (char *)(uintptr_t)subject.p;

            p[bytes - 1] = ' '; /* a unit of another length may have been cut */
            memcpy(p + bytes, rows[i].tail, tail);
            er_regex_scratch_begin_event(scratch);
            if (er_regex_search(regex, scratch, subject) != rows[i].answer) {
                fail_msg("/%s/ on %zu bytes: %s", rows[i].pattern, bytes, er_regex_scratch_reason(scratch));
            }
            for (int warm = 0; n == 0 && warm < 600; warm++) {
                (void)er_regex_search(regex, scratch, ER_STR("x"));
            }
            free(p);
        }
        er_regex_unref(regex);
    }
    er_regex_scratch_free(scratch);
}

static void a_spent_event_leaves_the_rest_undecided(void **state)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch;
    struct er_regex *slow = compile("(?:[a-z]*[0-9]?)*[!?]");
    struct er_regex *fast = compile("a");
    struct er_str subject = repeated("abc1", 5000);
    bool spent = false;

    (void)state;
    limits.event_ns = 2000000;
    limits.value_ns = 1000000000;
    scratch = er_regex_scratch_new(&limits);
    assert_non_null(scratch);
    er_regex_scratch_begin_event(scratch);
    for (int i = 0; i < 10000 && !spent; i++) {
        assert_int_equal(er_regex_search(slow, scratch, subject), ER_UNDECIDED);
        spent = er_regex_scratch_spent(scratch); /* a search that would not fit into the rest leaves it to others */
    }
    assert_true(spent);
    assert_int_equal(er_regex_search(fast, scratch, ER_STR("a")), ER_UNDECIDED);
    assert_string_equal(er_regex_scratch_reason(scratch), "time limit of one event reached");
    er_regex_scratch_begin_event(scratch);
    assert_int_equal(er_regex_search(fast, scratch, ER_STR("a")), ER_TRUE);
    assert_null(er_regex_scratch_reason(scratch));
    er_regex_scratch_free(scratch);
    er_regex_unref(slow);
    er_regex_unref(fast);
    free((void *)(uintptr_t)subject.p);
}

static void what_was_used_before_counts(void **state)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    struct er_regex *regex = compile("a");

    (void)state;
    assert_non_null(scratch);
    er_regex_scratch_begin_event(scratch);
    er_regex_scratch_spend(scratch, limits.event_ns / 2);
    assert_int_equal(er_regex_search(regex, scratch, ER_STR("a")), ER_TRUE);
    er_regex_scratch_begin_event(scratch);
    er_regex_scratch_spend(scratch, limits.event_ns);
    assert_true(er_regex_scratch_spent(scratch));
    assert_int_equal(er_regex_search(regex, scratch, ER_STR("a")), ER_UNDECIDED);
    assert_string_equal(er_regex_scratch_reason(scratch), "time limit of one event reached");
    assert_false(er_regex_scratch_overran(scratch));
    er_regex_scratch_begin_event(scratch);
    assert_int_equal(er_regex_search(regex, scratch, ER_STR("a")), ER_TRUE);
    er_regex_scratch_free(scratch);
    er_regex_unref(regex);
}

static const struct {
    const char *pattern;
    const char *literal;
} literals[] = {
    { "abc", "abc" },
    { "^abc$", "abc" },
    { "@example\\.(com|org)$", "@example." },
    { "a|b", "" },
    { "abc|abd", "" },
    { "ab?cde", "cde" },
    { "abc*de", "ab" },
    { "abcd{0}ef", "abc" },
    { "abcd{0,3}ef", "abc" },
    { "abcd{2}ef", "abcd" },
    { "xa+bcd", "abcd" },
    { "ab{,3}cdef", "" },
    { "ab{x}", "ab{x}" },
    { "a.bcd", "bcd" },
    { "[abc]def", "def" },
    { "[]abc]d", "d" },
    { "[^]abc]d", "d" },
    { "[[:alpha:]]d", "d" },
    { "(abcd)ef", "abcd" },
    { "(?:abcd)?ef", "ef" },
    { "(?:abcd){0}ef", "ef" },
    { "(?:abcd)+ef", "abcd" },
    { "(?:ab|abcd)ef", "ef" },
    { "(?<name>abcd)ef", "abcd" },
    { "(?'name'abcd)ef", "abcd" },
    { "(?P<name>abcd)ef", "abcd" },
    { "(?>abcd)ef", "abcd" },
    { "(?|abcd)ef", "abcd" },
    { "(?=abcd)a", "a" },
    { "(?!abcd)e", "e" },
    { "(?<!abcd)e", "e" },
    { "(?<=abcd)e", "e" },
    { "(*pla:abcd)e", "e" },
    { "(a)?(?(1)bcd|e)f", "f" },
    { "(?(DEFINE)(?<n>abcd))e", "e" },
    { "(a)\\1bc", "bc" },
    { "(a)(?1)bc", "bc" },
    { "(?i)abc", "" },
    { "(?i)abc(?-i)de", "de" },
    { "(?i:abc)de", "de" },
    { "((?i)abc)de", "de" },
    { "ab(?#comment)cd", "abcd" },
    { "ab(?#comment)*cd", "cd" },
    { "(?x)ab cd # ef\n g", "abcdg" },
    { "(?x)ab *cde", "cde" },
    { "(?x)ab # c\n *cde", "cde" },
    { "(?x)ab\\ cd", "ab cd" },
    { "(?x)ab\xE2\x80\xA8*cd", "" },
    { "\\Qa.b*\\E", "a.b*" },
    { "\\Qabc\\E*de", "ab" },
    { "\\Qabc\\E\\Q\\E*de", "ab" },
    { "\\Qab", "ab" },
    { "a\\x41\\x{e4}b", "aA\xC3\xA4"
                        "b" },
    { "a\\n\\tb", "a\n\tb" },
    { "a\\d+b", "a" },
    { "ab\\bcd", "abcd" },
    { "ab\\Kcd", "abcd" },
    { "a\\012", "" },
    { "\\N{U+41}bc", "" },
    { "\\p{Lu}bc", "bc" },
    { "\\pLbc", "bc" },
    { "\\cAbc", "" },
    { "\xC3\xA4\xC3\xB6?x", "\xC3\xA4" },
    { "\\/\\-\\@", "/-@" },
    { "", "" },
    { ".*", "" },
    { "a{2,}bc", "abc" },
    { "((((abc))))", "abc" },
    { "(abc(de|fg)hij)", "abc" },
    { "x(y)z*", "y" },
};

static void required_literals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        struct er_regex *regex = compile(literals[i].pattern);
        struct er_str literal = er_regex_literal(regex);

        if (!er_str_eq(literal, er_str_of(literals[i].literal))) {
            fail_msg("/%s/: \"%.*s\", expected \"%s\"", literals[i].pattern, ER_STR_ARG(literal), literals[i].literal);
        }
        er_regex_unref(regex);
    }
}

/* All of them, joined by blanks, in the order in which their runs end; the list keeps the longer ones. */
static void all_required_literals(void **state)
{
    static const struct {
        const char *pattern;
        const char *literals;
    } rows[] = {
        { "^user17(-[a-z]+)?@example\\.org$", "user17 @example.org" },
        { "^u0*123(-x)?$", "u 123" },
        { "abc.*def", "abc def" },
        { "xa+bc", "xa abc" },
        { "a(bc|de)f", "a f" },
        { "a(bc(de)?fg)h", "bc fg a h" },
        { "(a(bc)?)?d", "d" },
        { "(?:ab.cd|ef.gh)", "" },
        { "(?=ab.cd)ef", "ef" },
        { "(?i)ab.(?-i)cd", "cd" },
        { "a.b.c.d.e.f.g.h.ij.k", "ij b c d e f g h" },
        { "((a.b.c.d.e.f.g.h)?).xyz", "xyz" },
        { "a.b.c.d.e.f.g.h(xy|z)", "a b c d e f g h" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_regex *regex = compile(rows[i].pattern);
        struct er_buf buf = { 0 };
        size_t n;
        const struct er_str *found = er_regex_literals(regex, &n);

        for (size_t k = 0; k < n; k++) {
            er_buf_printf(&buf, "%s%.*s", k > 0 ? " " : "", ER_STR_ARG(found[k]));
        }
        if (!er_str_eq(er_buf_str(&buf), er_str_of(rows[i].literals))) {
            fail_msg("/%s/: \"%.*s\", expected \"%s\"", rows[i].pattern, ER_STR_ARG(er_buf_str(&buf)), rows[i].literals);
        }
        er_buf_free(&buf);
        er_regex_unref(regex);
    }
}

static void *search_often(void *arg)
{
    struct er_regex *regex = arg;
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    uintptr_t wrong = scratch == NULL;

    for (int i = 0; i < 2000 && wrong == 0; i++) {
        wrong += er_regex_search(regex, scratch, ER_STR("order-123@example.com")) != ER_TRUE;
        wrong += er_regex_search(regex, scratch, ER_STR("order-x@example.com")) != ER_FALSE;
        er_regex_scratch_begin_event(scratch);
    }
    er_regex_scratch_free(scratch);
    er_regex_unref(regex);
    return (void *)wrong;
}

static void threads_share_a_regex(void **state)
{
    pthread_t threads[4];
    struct er_regex *regex = compile("^order-\\d+@");

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, er_regex_ref(regex)), 0);
    }
    er_regex_unref(regex);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(semantics, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_with_machine_code, setup, teardown),
        cmocka_unit_test_setup_teardown(a_subject_may_hold_nul, setup, teardown),
        cmocka_unit_test(refuses),
        cmocka_unit_test(allows_the_letters_elsewhere),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test_setup_teardown(a_catastrophic_search_is_undecided_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(long_subjects_are_decided, setup, teardown),
        cmocka_unit_test(a_spent_event_leaves_the_rest_undecided),
        cmocka_unit_test(what_was_used_before_counts),
        cmocka_unit_test(required_literals),
        cmocka_unit_test(all_required_literals),
        cmocka_unit_test(threads_share_a_regex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
