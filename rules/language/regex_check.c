#include "rules/language/regex_syntax.h"

#include "rules/language/regex.h"

static bool has(struct er_str s, size_t at, const char *text)
{
    size_t n = strlen(text);

    return at <= s.n && s.n - at >= n && memcmp(s.p + at, text, n) == 0;
}

static size_t find(struct er_str s, size_t at, const char *text)
{
    while (at < s.n && !has(s, at, text)) {
        at++;
    }
    return at;
}

static size_t at_most(size_t at, size_t n)
{
    return at < n ? at : n;
}

char er_regex_read_flags(struct er_str pattern, size_t *at, struct er_regex_flags *flags)
{
    struct er_regex_flags new_flags = *flags;
    bool on = true;
    size_t i = *at;

    if (has(pattern, i, "^")) {
        new_flags = (struct er_regex_flags){ 0 };
        i++;
    }
    for (; i < pattern.n && memchr("imnsxJU-", pattern.p[i], 8) != NULL; i++) {
        bool twice = has(pattern, i, "xx");

        if (pattern.p[i] == '-') {
            on = false;
        } else if (pattern.p[i] == 'i') {
            new_flags.caseless = on;
        } else if (pattern.p[i] == 'x') {
            new_flags.extended = on;
            new_flags.extended_more = on && twice;
            i += twice;
        }
    }
    if (i == pattern.n || (pattern.p[i] != ')' && pattern.p[i] != ':')) {
        return 0;
    }
    *flags = new_flags;
    *at = i + 1;
    return pattern.p[i];
}

/* at is after "[:", "[." or "[=" in a class; returns the offset after the closing ":]" or 0 when it is none. The same steps as
 * PCRE2's check_posix_syntax. */
static size_t posix_class_end(struct er_str s, size_t at)
{
    char mark = s.p[at - 1];

    for (; at + 1 < s.n; at++) {
        if (s.p[at] == '\\' && (s.p[at + 1] == ']' || s.p[at + 1] == '\\')) {
            at++;
        } else if (s.p[at] == ']' || (s.p[at] == '[' && s.p[at + 1] == mark)) {
            return 0;
        } else if (s.p[at] == mark && s.p[at + 1] == ']') {
            return at + 2;
        }
    }
    return 0;
}

/* at is a backslash. */
static size_t escape_end(struct er_str s, size_t at)
{
    if (has(s, at, "\\Q")) {
        return at_most(find(s, at + 2, "\\E") + 2, s.n);
    }
    return at_most(at + (has(s, at, "\\c") ? 3 : 2), s.n);
}

/* One item of a class that is not its closing bracket. */
static size_t class_item_end(struct er_str s, size_t at)
{
    if (s.p[at] == '\\') {
        return escape_end(s, at);
    }
    if (has(s, at, "[:") || has(s, at, "[.") || has(s, at, "[=")) {
        size_t end = posix_class_end(s, at + 2);

        return end != 0 ? end : at + 1;
    }
    return at + 1;
}

size_t er_regex_class_end(struct er_str pattern, size_t at, bool extended_more)
{
    bool negated = false;

    at++;
    while (at < pattern.n) {
        if (has(pattern, at, "\\E")) {
            at += 2;
        } else if (has(pattern, at, "\\Q\\E")) {
            at += 4;
        } else if (!negated && pattern.p[at] == '^') {
            negated = true;
            at++;
        } else if (extended_more && (pattern.p[at] == ' ' || pattern.p[at] == '\t')) {
            at++;
        } else {
            break;
        }
    }
    if (at < pattern.n) {
        at = class_item_end(pattern, at); /* a ] in the first place is an ordinary member */
    }
    while (at < pattern.n && pattern.p[at] != ']') {
        at = class_item_end(pattern, at);
    }
    return at_most(at + 1, pattern.n);
}

struct walk {
    struct er_str s;
    size_t at;
    struct er_regex_flags flags;
    struct er_regex_flags *outer; /* flags of the groups around, room for every parenthesis */
    size_t depth;
    struct er_err *err;
};

static enum er_code forbidden(struct walk *walk, const char *feature)
{
    return er_err_at(walk->err, ER_E_REGEX_FORBIDDEN, walk->at, "%s at byte %zu cannot be used here", feature, walk->at);
}

static void push(struct walk *walk)
{
    walk->outer[walk->depth++] = walk->flags;
}

/* at is "(". */
static enum er_code check_group(struct walk *walk)
{
    struct er_str s = walk->s;
    struct er_regex_flags flags = walk->flags;
    size_t after = walk->at + 2;
    char next = after < s.n ? s.p[after] : '\0';
    char stop;

    if (has(s, walk->at, "(*")) {
        if (next == ':' || (next >= 'A' && next <= 'Z')) {
            return forbidden(walk, "a start option or backtracking verb (*...)");
        }
        push(walk);
        walk->at = after;
        return ER_OK;
    }
    if (!has(s, walk->at, "(?")) {
        push(walk);
        walk->at++;
        return ER_OK;
    }
    if (next == 'C') {
        return forbidden(walk, "a callout (?C...)");
    }
    if (next == '#') {
        walk->at = at_most(find(s, after, ")") + 1, s.n);
        return ER_OK;
    }
    stop = er_regex_read_flags(s, &after, &flags);
    if (stop != ')') {
        push(walk);
    }
    walk->flags = flags;
    walk->at = after;
    return ER_OK;
}

static enum er_code check_item(struct walk *walk)
{
    struct er_str s = walk->s;

    switch (s.p[walk->at]) {
    case '\\':
        if (has(s, walk->at, "\\C")) {
            return forbidden(walk, "\\C (a single byte)");
        }
        if (has(s, walk->at, "\\G")) {
            return forbidden(walk, "\\G (start of the search)");
        }
        walk->at = escape_end(s, walk->at);
        return ER_OK;
    case '[':
        walk->at = er_regex_class_end(s, walk->at, walk->flags.extended_more);
        return ER_OK;
    case '(':
        return check_group(walk);
    case ')':
        if (walk->depth > 0) {
            walk->flags = walk->outer[--walk->depth];
        }
        walk->at++;
        return ER_OK;
    case '#':
        walk->at = walk->flags.extended ? at_most(find(s, walk->at, "\n") + 1, s.n) : walk->at + 1;
        return ER_OK;
    default:
        walk->at++;
        return ER_OK;
    }
}

enum er_code er_regex_check_features(struct er_str pattern, struct er_err *err)
{
    struct er_regex_flags outer[ER_REGEX_MAX_BYTES];
    struct walk walk = { .s = pattern, .outer = outer, .err = err };
    enum er_code code = ER_OK;

    if (pattern.n > ER_REGEX_MAX_BYTES) {
        return er_err_set(err, ER_E_REGEX_TOO_LONG, "the regex has %zu bytes, at most %d are allowed", pattern.n,
                          ER_REGEX_MAX_BYTES);
    }
    while (code == ER_OK && walk.at < pattern.n) {
        code = check_item(&walk);
    }
    return code;
}
