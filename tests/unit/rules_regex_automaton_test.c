#include "rules/language/regex_automaton.h"

#include <stdlib.h>
#include "rules/base/buf.h"
#include "rules/base/utf8.h"
#include "rules/language/regex.h"
#include "tests/unit/test.h"

static struct er_automaton *build(struct er_str pattern)
{
    struct er_automaton *automaton;

    assert_true(er_automaton_new(pattern, &automaton));
    return automaton;
}

static const char *const not_simple[] = {
    "(?i)a",  "a|^b",  "a$|b",       "(a+)+",     "(a){2}",  "(a)*",    "a++",   "a?+",     "a{2}+",  "a{2}{3}",
    "(a)\\1", "(?=a)", "(?<n>a)",    "(?#x)a",    "\\p{L}",  "a\\b-",   "\\Ba",  "\\Qa\\E", "\\x41",  "[[:alpha:]]",
    "[]a]",   "[^]a]", "[\xC3\xA4]", "[a-\\d]",   "[\\d-z]", "[\\x41]", "a{,3}", "a{",      "x{1,2",  "{",
    "\\b",    "\\ba*", "a*\\b",      "(*pla:a)b", "\\R",     "\\h",     "a\\Zb", "a\\Z",    "(a|b$)", "(^a)",
    "a{65}",  "a$b",   "a\\z\\Qb",   "\\xe4",     "\\1",     "[[.a.]]", "\\N",   "a\\K",    "\\cA",   "a{300}",
};

static void only_simple_patterns_have_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof not_simple / sizeof not_simple[0]; i++) {
        struct er_automaton *automaton = build(er_str_of(not_simple[i]));

        if (automaton != NULL) {
            fail_msg("/%s/ has an automaton", not_simple[i]);
        }
    }
}

static const struct {
    const char *pattern, *prefix;
} prefixes[] = {
    { "^u1@example\\.(com|org)$", "u1@example." },
    { "^ab*", "a" },
    { "^ab+c", "ab" },
    { "^ab?", "a" },
    { "^(a|b)c", "" },
    { "abc", "" },
    { "^abc", "abc" },
    { "^a{3}b{2,}", "aaabb" },
    { "^", "" },
    { "^(abc)d", "abcd" },
    { "^\xC3\xA4[x]", "\xC3\xA4" },
    { "\\Ax.y", "x" },
    { "^(abc)?d", "" },
    { "^ab|c", "" },
};

static void anchored_literals_are_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct er_regex *regex;
        struct er_err err;

        assert_int_equal(er_regex_compile(er_str_of(prefixes[i].pattern), &regex, &err), ER_OK);
        if (!er_str_eq(er_regex_prefix(regex), er_str_of(prefixes[i].prefix))) {
            fail_msg("/%s/ starts with \"%.*s\"", prefixes[i].pattern, ER_STR_ARG(er_regex_prefix(regex)));
        }
        er_regex_unref(regex);
    }
}

/* ---- against PCRE2 ---- */

/* xorshift64: the same patterns in every run. */
static unsigned draw(uint64_t *seed, unsigned n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed >> 33) % n;
}

static const char *pick(uint64_t *seed, const char *const *texts, unsigned n)
{
    return texts[draw(seed, n)];
}

#define PICK(seed, texts) pick(seed, texts, sizeof(texts) / sizeof(texts)[0])

static void add(struct er_buf *out, const char *text)
{
    er_buf_add(out, er_str_of(text));
}

static void add_atoms(struct er_buf *out, uint64_t *seed, unsigned depth);

static void add_group(struct er_buf *out, uint64_t *seed, unsigned depth)
{
    static const char *const opens[] = { "(", "(?:" }, *const closes[] = { ")", ")?", ")??", ")" };
    unsigned alternatives = 1 + draw(seed, 3);

    add(out, PICK(seed, opens));
    for (unsigned i = 0; i < alternatives; i++) {
        if (i > 0) {
            er_buf_addc(out, '|');
        }
        add_atoms(out, seed, depth + 1);
    }
    add(out, PICK(seed, closes));
}

static void add_atoms(struct er_buf *out, uint64_t *seed, unsigned depth)
{
    static const char *const atoms[] = {
        "a",   "b",     "-",      "a",   "ab",      "\xC3\xA4", "\\.", ".",       "[ab]",  "[^a]",
        "\\d", "\\W",   "[a-c-]", "\\s", "[\\D.]",  "\\w",      "\\-", "[^\\w-]", "[*-.]", "\xE2\x82\xAC",
        "1",   "[\\n]", "\\n",    "\\D", "[^\\W_]", "#",        "]",   "}",       " "
    };
    static const char *const times[] = { "",    "",      "",     "",   "",   "",   "?",   "*",     "+",
                                         "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "{0}", "{2,3}?" };
    unsigned n = draw(seed, depth == 0 ? 6 : 3);

    for (unsigned i = 0; i < n; i++) {
        if (depth < 3 && draw(seed, 5) == 0) {
            add_group(out, seed, depth);
        } else {
            add(out, PICK(seed, atoms));
            add(out, PICK(seed, times));
        }
    }
}

static void add_pattern(struct er_buf *out, uint64_t *seed)
{
    static const char *const starts[] = { "", "", "^", "\\b", "^\\b", "\\A" }, *const ends[] = {
        "", "", "$", "\\b", "\\b$", "\\z"
    };

    add(out, PICK(seed, starts));
    add_atoms(out, seed, 0);
    if (draw(seed, 6) == 0) {
        er_buf_addc(out, '|');
        add_atoms(out, seed, 0);
    }
    add(out, PICK(seed, ends));
}

static void add_subject(struct er_buf *out, uint64_t *seed)
{
    static const char *const parts[] = { "a", "b", "ab", "-",       ".", "1", "\n", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                         " ", "_", "c",  "\xC3\xA9" };
    unsigned n = draw(seed, 9);

    for (unsigned i = 0; i < n; i++) {
        add(out, PICK(seed, parts));
    }
}

struct pair {
    struct er_regex *plain; /* goes to PCRE2, because a comment is not simple */
    struct er_automaton *automaton;
    struct er_regex_scratch *scratch;
};

static void compare(const struct pair *pair, struct er_str pattern, struct er_str subject)
{
    enum er_truth truth;

    er_regex_scratch_begin_event(pair->scratch);
    truth = er_regex_search(pair->plain, pair->scratch, subject);
    if (truth == ER_UNDECIDED || (truth == ER_TRUE) != er_automaton_accepts(pair->automaton, subject)) {
        fail_msg("/%.*s/ on \"%.*s\": PCRE2 says %d", ER_STR_ARG(pattern), ER_STR_ARG(subject), (int)truth);
    }
}

static unsigned check_pattern(struct er_regex_scratch *scratch, struct er_str pattern, uint64_t *seed)
{
    struct pair pair = { NULL, build(pattern), scratch };
    struct er_buf text = { 0 };
    struct er_err err;

    if (pair.automaton == NULL) {
        return 0;
    }
    er_buf_add(&text, pattern);
    add(&text, "(?#)");
    assert_int_equal(er_regex_compile(er_buf_str(&text), &pair.plain, &err), ER_OK);
    assert_false(er_regex_is_quick(pair.plain, 0));
    for (int i = 0; i < 40; i++) {
        er_buf_clear(&text);
        add_subject(&text, seed);
        compare(&pair, pattern, er_buf_str(&text));
    }
    er_buf_free(&text);
    er_regex_unref(pair.plain);
    er_automaton_free(pair.automaton);
    return 1;
}

static void answers_are_those_of_pcre2(void **state)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);
    struct er_buf pattern = { 0 };
    uint64_t seed = UINT64_C(0x5EED5EED5EED);
    unsigned simple = 0, patterns = 30000;

    (void)state;
    for (unsigned i = 0; i < patterns; i++) {
        er_buf_clear(&pattern);
        add_pattern(&pattern, &seed);
        simple += check_pattern(scratch, er_buf_str(&pattern), &seed);
    }
    assert_true(simple > patterns / 2);
    er_buf_free(&pattern);
    er_regex_scratch_free(scratch);
}

static void long_subjects_are_left_to_pcre2(void **state)
{
    struct er_regex *regex;
    struct er_err err;

    (void)state;
    assert_int_equal(er_regex_compile(ER_STR("^a+b$"), &regex, &err), ER_OK);
    assert_true(er_regex_is_quick(regex, 2048));
    assert_false(er_regex_is_quick(regex, 2049));
    er_regex_unref(regex);
}

/* One byte at a time, whatever the pattern. */
static void takes_time_by_length_only(void **state)
{
    struct er_automaton *automaton = build(ER_STR("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"));
    char text[2048];

    (void)state;
    assert_non_null(automaton);
    memset(text, 'a', sizeof text);
    assert_false(er_automaton_accepts(automaton, (struct er_str){ text, sizeof text }));
    text[sizeof text - 1] = 'b';
    assert_true(er_automaton_accepts(automaton, (struct er_str){ text, sizeof text }));
    er_automaton_free(automaton);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_simple_patterns_have_one), cmocka_unit_test(anchored_literals_are_prefixes),
        cmocka_unit_test(answers_are_those_of_pcre2),    cmocka_unit_test(long_subjects_are_left_to_pcre2),
        cmocka_unit_test(takes_time_by_length_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
