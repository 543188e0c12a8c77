/* What is odd about a regex, judged by its text. Unsure: nothing is said. */
#include "rules/language/lint_impl.h"
#include "rules/language/regex_syntax.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- plain text ---- */

/* Reads a regex of plain and escaped characters between optional anchors. */
static bool read_plain(struct er_str text, bool *start, bool *end, size_t *n)
{
    *start = text.n > 0 && text.p[0] == '^';
    *end = false;
    *n = 0;
    for (size_t i = *start ? 1 : 0; i < text.n; i++, ++*n) {
        char c = text.p[i];

        if (c == '$' && i + 1 == text.n) {
            *end = true;
            return true;
        }
        if (c == '\\') {
            i++;
            if (i == text.n || is_letter(text.p[i]) || (text.p[i] >= '0' && text.p[i] <= '9')) {
                return false;
            }
        } else if (strchr("^$.|?*+()[]{}", c) != NULL) {
            return false;
        }
    }
    return true;
}

static bool holds_always(struct er_str text)
{
    static const char *const always[] = { "", "^", "$", ".*", "^.*", ".*$", ".*?", "(?s).*", "[\\s\\S]*", "^[\\s\\S]*$" };

    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (er_str_eq(text, er_str_of(always[i]))) {
            return true;
        }
    }
    return false;
}

static void plain(struct er_str text, bool in_pattern, struct er_str pointer, struct er_problems *out)
{
    static const char *const names[2][2] = { { NULL, "{\"suffix\": ...}" }, { "{\"prefix\": ...}", "the plain value" } };
    bool start, end;
    size_t n;

    if (!read_plain(text, &start, &end, &n) || names[start][end] == NULL || n == 0) {
        return;
    }
    er_problems_add(out, ER_E_LINT_LITERAL, pointer, ER_NO_OFFSET,
                    in_pattern ? "an operator says the same in plain words and cannot be misread"
                               : "in a pattern it says the same in plain words; only numbers and booleans need the regex",
                    "the regex is plain text: write %s", names[start][end]);
}

/* ---- a dot in a host name ---- */

static bool is_domain(struct er_str label)
{
    static const char *const known[] = { "com", "org", "net",   "edu",   "gov",      "int",     "info", "biz",
                                         "dev", "app", "cloud", "local", "internal", "example", "test", "online" };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (er_str_eq(label, er_str_of(known[i]))) {
            return true;
        }
    }
    return label.n == 2 && is_letter(label.p[0]) && is_letter(label.p[1]);
}

/* The dot at i stands between two labels, the last of which is a top level domain that ends there. */
static bool in_host(struct er_str text, size_t i)
{
    size_t from = i, to = i + 1;

    while (from > 0 && is_word(text.p[from - 1])) {
        from--;
    }
    while (to < text.n && is_word(text.p[to])) {
        to++;
    }
    if (i - from < 2 || (from > 0 && text.p[from - 1] == '\\') || !is_letter(text.p[from])) {
        return false;
    }
    if (to < text.n && text.p[to] == '.') {
        return in_host(text, to);
    }
    if (to < text.n && strchr("$)/:|", text.p[to]) == NULL) {
        return false;
    }
    return is_domain((struct er_str){ text.p + i + 1, to - i - 1 });
}

static void dots(struct er_str text, struct er_str pointer, struct er_problems *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\') {
            i += i + 1 < text.n && text.p[i + 1] == 'Q' ? text.n : 1;
        } else if (text.p[i] == '[') {
            i = er_regex_class_end(text, i, true) - 1;
        } else if (text.p[i] == '.' && in_host(text, i)) {
            er_problems_add(out, ER_E_LINT_DOT, pointer, i, "write \\. for a dot; in JSON \\\\.",
                            "the dot stands for any character, and this looks like a host name");
            return;
        }
    }
}

/* ---- quantifiers ---- */

/* Bytes of an unbounded quantifier at i, 0 when none is there. *possessive: it gives nothing back. */
static size_t unbounded(struct er_str text, size_t i, bool *possessive)
{
    size_t n = 0;

    *possessive = false;
    if (i < text.n && (text.p[i] == '*' || text.p[i] == '+')) {
        n = 1;
    } else if (i + 2 < text.n && text.p[i] == '{' && text.p[i + 1] >= '0' && text.p[i + 1] <= '9') {
        size_t at = i + 1;

        while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9') {
            at++;
        }
        n = at + 1 < text.n && text.p[at] == ',' && text.p[at + 1] == '}' ? at + 2 - i : 0;
    }
    if (n > 0 && i + n < text.n && (text.p[i + n] == '+' || text.p[i + n] == '?')) {
        *possessive = text.p[i + n] == '+';
        n++;
    }
    return n;
}

enum { MAX_GROUPS = 64 };

/* A group while it is read. */
struct group {
    bool atomic;
    bool repeats; /* the current alternative holds something that is repeated without bound */
    bool solid;   /* and something that stands there exactly once, which keeps repetitions apart */
    bool loose;   /* some alternative has the first and not the second */
};

struct groups {
    struct group items[MAX_GROUPS + 1];
    size_t depth;
};

static void end_alternative(struct group *group)
{
    group->loose = group->loose || (group->repeats && !group->solid);
    group->repeats = group->solid = false;
}

/* One atom has ended before i. was: the group that it is, or NULL. Returns true when it is the mistake; *n: bytes of its quantifier. */
static bool atom(struct groups *groups, struct er_str text, size_t i, const struct group *was, size_t *n)
{
    struct group *around = &groups->items[groups->depth];
    bool possessive;
    bool loose = was != NULL && was->loose && !was->atomic;

    *n = unbounded(text, i, &possessive);
    if (*n > 0) {
        around->repeats = around->repeats || !possessive;
        return loose && !possessive;
    }
    if (loose) {
        around->repeats = true;
    } else if (i >= text.n || (text.p[i] != '?' && text.p[i] != '{')) {
        around->solid = true;
    }
    return false;
}

/* Where the atom at i ends, or text.n when the reading is over. */
static size_t atom_end(struct er_str text, size_t i)
{
    if (text.p[i] == '[') {
        return er_regex_class_end(text, i, true);
    }
    if (text.p[i] == '\\') {
        return i + 1 < text.n && text.p[i + 1] == 'Q' ? text.n : i + 2;
    }
    return i + 1;
}

static void nested(struct er_str text, struct er_str pointer, struct er_problems *out)
{
    struct groups groups = { .depth = 0 };
    size_t i = 0, n;

    while (i < text.n) {
        struct group *group = &groups.items[groups.depth];
        const struct group *was = NULL;
        char c = text.p[i];

        if (c == '(') {
            if (groups.depth == MAX_GROUPS) {
                return;
            }
            groups.items[++groups.depth] =
                (struct group){ .atomic = i + 2 < text.n && text.p[i + 1] == '?' && text.p[i + 2] == '>' };
            i += i + 2 < text.n && text.p[i + 1] == '?' ? 3 : 1;
            continue;
        }
        if (c == '|' || strchr("^$?", c) != NULL) {
            if (c == '|') {
                end_alternative(group);
            }
            i++;
            continue;
        }
        if (c == ')') {
            if (groups.depth == 0) {
                return;
            }
            end_alternative(group);
            was = group;
            groups.depth--;
        }
        i = atom_end(text, i);
        if (i < text.n && atom(&groups, text, i, was, &n)) {
            er_problems_add(out, ER_E_LINT_NESTED, pointer, i, "repeat only one of them, or make the inner group atomic: (?>...)",
                            "a repeated group holds nothing but repetitions: on some texts that takes very long, and the rule is "
                            "undecided");
            return;
        }
        i += i < text.n ? n : 0;
    }
}

static void leading(struct er_str text, struct er_str pointer, struct er_problems *out)
{
    size_t start = text.n > 0 && text.p[0] == '^' ? 1 : 0;
    size_t n = 2;

    if (text.n < start + 3 || text.p[start] != '.' || text.p[start + 1] != '*') {
        return;
    }
    n += text.p[start + 2] == '?' || text.p[start + 2] == '+';
    if (start + n < text.n && text.p[start + n] != '$') {
        er_problems_add(out, ER_E_LINT_LEADING, pointer, 0, "take it away: a regex looks for its text anywhere",
                        "the regex begins with %.*s, which only makes it slower%s", (int)(start + n), text.p,
                        start > 0 ? " (unless the text has several lines)" : "");
    }
}

void er_lint_regex(const struct er_regex *regex, bool in_pattern, struct er_str pointer, struct er_problems *out)
{
    struct er_str text = er_regex_text(regex);

    if (holds_always(text)) {
        er_problems_add(out, ER_E_LINT_ALWAYS, pointer, ER_NO_OFFSET,
                        "to ask whether the field is there, write {\"exists\": true} in a pattern",
                        "the regex holds on every text");
        return;
    }
    plain(text, in_pattern, pointer, out);
    if (text.n > 1 && text.p[0] == '(' && text.p[1] == '?' && memchr(text.p, 'x', text.n) != NULL) {
        return; /* perhaps the extended syntax */
    }
    dots(text, pointer, out);
    leading(text, pointer, out);
    nested(text, pointer, out);
}
