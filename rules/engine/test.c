#define _GNU_SOURCE /* memmem */
#include "rules/engine/test.h"

#include <stdlib.h>
#include "rules/language/rule.h"

static size_t count_stars(struct er_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '*';
    }
    return n;
}

/* Takes the stars off both ends. */
static struct er_str trim_stars(struct er_str s)
{
    while (s.n > 0 && s.p[0] == '*') {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && s.p[s.n - 1] == '*') {
        s.n--;
    }
    return s;
}

struct er_question er_question_of_type(uint32_t node, struct er_str entry)
{
    struct er_str core = trim_stars(entry);
    bool open_start = entry.n > 0 && entry.p[0] == '*';
    bool open_end = entry.n > 0 && entry.p[entry.n - 1] == '*';
    enum er_test_op op = open_start && open_end ? ER_OP_CONTAINS
                         : open_start           ? ER_OP_SUFFIX
                         : open_end             ? ER_OP_PREFIX
                                                : ER_OP_EXACT;

    if (core.n == 0) {
        op = entry.n > 0 ? ER_OP_ANY : ER_OP_EXACT;
    } else if (count_stars(core) > 0) {
        op = ER_OP_GLOB;
        core = entry;
    }
    return (struct er_question){ .node = node, .op = op, .text = core };
}

/* Characters that stand for themselves in every PCRE2 pattern without options. */
static bool is_plain(char c)
{
    return strchr("\\^$.|?*+()[]{}", c) == NULL || c == '\0';
}

static bool is_escapable(char c)
{
    return c > ' ' && c < 0x7F && !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
}

/* Writes the one text that a pattern of plain and escaped characters matches; false when the pattern is more than that. */
static bool unescape(struct er_str pattern, char *out, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];

        if (c == '\\' && i + 1 < pattern.n && is_escapable(pattern.p[i + 1])) {
            c = pattern.p[++i];
        } else if (!is_plain(c)) {
            return false;
        }
        out[(*n)++] = c;
    }
    return true;
}

struct er_question er_question_of_regex(uint32_t node, struct er_regex *regex, char *scratch)
{
    static const enum er_test_op ops[2][2] = { { ER_OP_CONTAINS, ER_OP_SUFFIX }, { ER_OP_PREFIX, ER_OP_EXACT } };
    struct er_str pattern = er_regex_text(regex);
    struct er_str core = pattern;
    bool start = core.n > 0 && core.p[0] == '^';
    bool end;
    size_t n;

    if (start) {
        core.p++;
        core.n--;
    }
    /* The dollar of `\$` is text; then what is left ends in a backslash and does not unescape. */
    end = core.n > 0 && core.p[core.n - 1] == '$';
    core.n -= end;
    if (!unescape(core, scratch, &n)) {
        return (struct er_question){ .node = node, .op = ER_OP_REGEX, .text = pattern, .regex = regex };
    }
    return (
        struct er_question){ .node = node, .op = n == 0 && !(start && end) ? ER_OP_ANY : ops[start][end], .text = { scratch, n } };
}

/* The longest run between stars. */
static struct er_str glob_literal(struct er_str glob)
{
    struct er_str best = { glob.p, 0 };

    for (size_t i = 0, start = 0; i <= glob.n; i++) {
        if (i == glob.n || glob.p[i] == '*') {
            if (i - start > best.n) {
                best = (struct er_str){ glob.p + start, i - start };
            }
            start = i + 1;
        }
    }
    return best;
}

static enum er_index_kind index_kind(const struct er_test *test)
{
    switch ((enum er_test_op)test->op) {
    case ER_OP_EXACT:
        return ER_INDEX_EXACT;
    case ER_OP_PREFIX:
    case ER_OP_SUFFIX:
        return ER_INDEX_AFFIX;
    case ER_OP_CONTAINS:
    case ER_OP_GLOB:
    case ER_OP_REGEX:
        return test->literal.n > 0 ? ER_INDEX_GRAM : ER_INDEX_EVERY;
    case ER_OP_ANY:
    default:
        return ER_INDEX_EVERY;
    }
}

/* Where the operand of a test without regex is kept, or NULL without memory. */
static char *operand_room(struct er_test *test, size_t n)
{
    bool small = n <= ER_TEST_SMALL && (test->op == ER_OP_EXACT || test->op == ER_OP_PREFIX || test->op == ER_OP_SUFFIX);

    return small ? test->u.small : malloc(n + 1);
}

bool er_test_init(struct er_test *test, const struct er_question *question)
{
    test->node = question->node;
    test->op = question->op & 0xFF;
    if (question->op == ER_OP_REGEX) {
        test->u.search.regex = er_regex_ref(question->regex);
        test->text = er_regex_text(question->regex);
        test->literal = er_regex_literal(question->regex);
    } else {
        char *copy = operand_room(test, question->text.n);

        if (copy == NULL) {
            return false;
        }
        if (question->text.n > 0) {
            memcpy(copy, question->text.p, question->text.n);
        }
        test->text = (struct er_str){ copy, question->text.n };
        test->literal = question->op == ER_OP_GLOB ? glob_literal(test->text) : test->text;
    }
    test->index = index_kind(test) & 7;
    return true;
}

void er_test_fini(struct er_test *test)
{
    if (test->op == ER_OP_REGEX) {
        er_regex_unref(test->u.search.regex);
    } else if (test->text.p != test->u.small) {
        free((void *)(uintptr_t)test->text.p);
    }
}

bool er_test_asks(const struct er_test *test, const struct er_question *question)
{
    return test->node == question->node && test->op == question->op && er_str_eq(test->text, question->text);
}

static bool starts_with(struct er_str s, struct er_str start)
{
    return s.n >= start.n && memcmp(s.p, start.p, start.n) == 0;
}

static bool ends_with(struct er_str s, struct er_str end)
{
    return s.n >= end.n && memcmp(s.p + (s.n - end.n), end.p, end.n) == 0;
}

static bool contains(struct er_str s, struct er_str part)
{
    return s.n >= part.n && memmem(s.p, s.n, part.p, part.n) != NULL;
}

/* Without all of them there is no match: the index has asked for one, so whichever way a test is found, the answer is the same. */
static bool has_literals(const struct er_regex *regex, struct er_str value)
{
    size_t n;
    const struct er_str *literals = er_regex_literals(regex, &n);

    for (size_t i = 0; i < n; i++) {
        if (!contains(value, literals[i])) {
            return false;
        }
    }
    return true;
}

enum er_truth er_test_accepts(const struct er_test *test, struct er_regex_scratch *scratch, struct er_str value)
{
    switch ((enum er_test_op)test->op) {
    case ER_OP_ANY:
        return ER_TRUE;
    case ER_OP_EXACT:
        return er_str_eq(value, test->text) ? ER_TRUE : ER_FALSE;
    case ER_OP_PREFIX:
        return starts_with(value, test->text) ? ER_TRUE : ER_FALSE;
    case ER_OP_SUFFIX:
        return ends_with(value, test->text) ? ER_TRUE : ER_FALSE;
    case ER_OP_CONTAINS:
        return contains(value, test->text) ? ER_TRUE : ER_FALSE;
    case ER_OP_GLOB:
        return er_type_glob_match(test->text, value) ? ER_TRUE : ER_FALSE;
    case ER_OP_REGEX:
    default:
        return has_literals(test->u.search.regex, value) ? er_regex_search(test->u.search.regex, scratch, value) : ER_FALSE;
    }
}
