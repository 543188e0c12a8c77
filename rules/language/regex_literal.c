/* DESIGN  A pattern is read as a sequence of atoms, each with its quantifier. Atoms that are one plain character, one after the
 * other, make a run; every run of a sequence without alternatives is in every match. All runs share one text, so that a repeated
 * atom can end one run and start the next:
 *
 *     x a + b        text: x a b        runs: "xa" and "ab"
 *
 * Found runs are put on a list. A sequence that turns out to be optional, or one of several alternatives, takes its own off again.
 *
 * Whatever is not understood for sure makes the whole answer "none".
 */
#include "rules/language/regex_syntax.h"

#include "rules/base/utf8.h"

#define MAX_DEPTH 256 /* PCRE2 compiles at most 250 levels of parentheses */

struct run {
    size_t start;
    size_t n;
};

struct finder {
    struct er_str s;
    size_t at;
    char *text;
    size_t n; /* of text */
    struct run runs[ER_REGEX_LITERALS];
    size_t n_runs;
    unsigned depth;
    bool quoted; /* between \Q and \E */
    bool unsure;
};

enum atom {
    ATOM_CHAR,       /* appended to the text */
    ATOM_ZERO_WIDTH, /* an assertion: what is around it stays adjacent */
    ATOM_GROUP,      /* its own runs count if it must occur */
    ATOM_OTHER,
    ATOM_FLAGS /* an option setting, nothing to match */
};

enum quantifier { QUANTIFIER_NONE, QUANTIFIER_OPTIONAL, QUANTIFIER_REPEAT };

static void read_sequence(struct finder *finder, struct er_regex_flags flags);

static char peek(const struct finder *finder, size_t ahead)
{
    return ahead < finder->s.n - finder->at ? finder->s.p[finder->at + ahead] : '\0';
}

static bool looking_at(const struct finder *finder, const char *text)
{
    size_t n = strlen(text);

    return finder->s.n - finder->at >= n && memcmp(finder->s.p + finder->at, text, n) == 0;
}

/* Moves behind the next c; unsure when there is none. */
static void skip_past(struct finder *finder, char c)
{
    const char *found = memchr(finder->s.p + finder->at, c, finder->s.n - finder->at);

    if (found == NULL) {
        finder->unsure = true;
        finder->at = finder->s.n;
    } else {
        finder->at = (size_t)(found - finder->s.p) + 1;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Comments, white space of extended mode, \Q and \E: nothing of these comes between an atom and its quantifier. */
static void skip_ignored(struct finder *finder, const struct er_regex_flags *flags)
{
    while (finder->at < finder->s.n) {
        if (looking_at(finder, "\\E")) {
            finder->quoted = false;
            finder->at += 2;
        } else if (finder->quoted) {
            return;
        } else if (looking_at(finder, "\\Q")) {
            finder->quoted = true;
            finder->at += 2;
        } else if (looking_at(finder, "(?#")) {
            skip_past(finder, ')');
        } else if (flags->extended && peek(finder, 0) == '#') {
            const char *line_end = memchr(finder->s.p + finder->at, '\n', finder->s.n - finder->at);

            finder->at = line_end == NULL ? finder->s.n : (size_t)(line_end - finder->s.p) + 1;
        } else if (flags->extended && is_space(peek(finder, 0))) {
            finder->at++;
        } else {
            return;
        }
    }
}

static enum atom add_char(struct finder *finder, const struct er_regex_flags *flags, const char *bytes, size_t n)
{
    if (flags->caseless) {
        return ATOM_OTHER;
    }
    memcpy(finder->text + finder->n, bytes, n);
    finder->n += n;
    return ATOM_CHAR;
}

/* The character at the current position stands for itself. */
static enum atom literal_char(struct finder *finder, const struct er_regex_flags *flags)
{
    const char *p = finder->s.p + finder->at;
    size_t n = er_utf8_sequence(p, finder->s.p + finder->s.n);

    /* Extended mode ignores some white space outside ASCII too. */
    if (n == 0 || (n > 1 && flags->extended && !finder->quoted)) {
        finder->unsure = true;
        return ATOM_OTHER;
    }
    finder->at += n;
    return add_char(finder, flags, p, n);
}

/* After \x: one or two digits, or any number of them in braces. */
static enum atom hex_char(struct finder *finder, const struct er_regex_flags *flags)
{
    bool braces = peek(finder, 0) == '{';
    uint32_t c = 0;
    size_t digits = 0;
    char bytes[4];

    finder->at += braces;
    for (; hex_value(peek(finder, 0)) >= 0 && c <= 0x10FFFF && (braces || digits < 2); digits++) {
        c = c * 16 + (uint32_t)hex_value(peek(finder, 0));
        finder->at++;
    }
    if (digits == 0 || c > 0x10FFFF || (braces && peek(finder, 0) != '}')) {
        finder->unsure = true;
        return ATOM_OTHER;
    }
    finder->at += braces;
    return add_char(finder, flags, bytes, er_utf8_encode(c, bytes));
}

/* After \p or \P: a letter, or a name in braces. */
static enum atom property(struct finder *finder)
{
    if (peek(finder, 0) == '{') {
        skip_past(finder, '}');
    } else {
        finder->at++;
    }
    return ATOM_OTHER;
}

static enum atom escape(struct finder *finder, const struct er_regex_flags *flags)
{
    static const char controls[] = "n\nr\rt\tf\fe\033a\a";
    char c = peek(finder, 1);

    finder->at++;
    if (!is_digit(c) && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')) {
        /* An escaped character that is no letter or digit stands for itself, white space in extended mode too. */
        struct er_regex_flags plain = { .caseless = flags->caseless };

        return literal_char(finder, &plain);
    }
    finder->at++;
    if (memchr("bBAZzK", c, 6) != NULL) {
        return ATOM_ZERO_WIDTH;
    }
    if (memchr("dDwWsShHvVRX", c, 12) != NULL || (c == 'N' && peek(finder, 0) != '{') ||
        (c >= '1' && c <= '9' && !is_digit(peek(finder, 0)))) {
        return ATOM_OTHER;
    }
    if (c == 'p' || c == 'P') {
        return property(finder);
    }
    if (c == 'x') {
        return hex_char(finder, flags);
    }
    for (size_t i = 0; i + 1 < sizeof controls; i += 2) {
        if (controls[i] == c) {
            return add_char(finder, flags, &controls[i + 1], 1);
        }
    }
    finder->unsure = true;
    return ATOM_OTHER;
}

/* A group whose inside says nothing about the subject: an assertion, a condition, a script run. */
static enum atom opaque_group(struct finder *finder, struct er_regex_flags flags)
{
    size_t n = finder->n, n_runs = finder->n_runs;

    read_sequence(finder, flags);
    finder->n = n;
    finder->n_runs = n_runs;
    return ATOM_OTHER;
}

static enum atom plain_group(struct finder *finder, struct er_regex_flags flags)
{
    read_sequence(finder, flags);
    return ATOM_GROUP;
}

/* After "(?", when it is no option setting. */
static enum atom special_group(struct finder *finder, const struct er_regex_flags *flags)
{
    char c = peek(finder, 0);

    if (looking_at(finder, "P>") || looking_at(finder, "P=") || memchr("R&+-0123456789", c, 14) != NULL) {
        skip_past(finder, ')'); /* a reference */
        return ATOM_OTHER;
    }
    if (memchr("=!*(", c, 4) != NULL || looking_at(finder, "<=") || looking_at(finder, "<!") || looking_at(finder, "<*")) {
        finder->at += c == '<' ? 2 : c != '(';
        return opaque_group(finder, *flags);
    }
    if (c == '>' || c == '|') {
        finder->at++;
    } else if (c == '\'') {
        finder->at++;
        skip_past(finder, '\'');
    } else if (c == '<' || looking_at(finder, "P<")) {
        skip_past(finder, '>');
    } else {
        finder->unsure = true;
        return ATOM_OTHER;
    }
    return plain_group(finder, *flags);
}

/* At "(". */
static enum atom group(struct finder *finder, struct er_regex_flags *flags)
{
    struct er_regex_flags inner = *flags;
    char stop;

    if (looking_at(finder, "(*")) {
        finder->at += 2;
        return opaque_group(finder, *flags);
    }
    if (!looking_at(finder, "(?")) {
        finder->at++;
        return plain_group(finder, *flags);
    }
    finder->at += 2;
    stop = er_regex_read_flags(finder->s, &finder->at, &inner);
    if (stop == ')') {
        *flags = inner;
        return ATOM_FLAGS;
    }
    return stop == ':' ? plain_group(finder, inner) : special_group(finder, flags);
}

static enum atom read_atom(struct finder *finder, struct er_regex_flags *flags)
{
    if (finder->quoted) {
        return literal_char(finder, flags);
    }
    switch (peek(finder, 0)) {
    case '\\':
        return escape(finder, flags);
    case '(':
        return group(finder, flags);
    case '[':
        finder->at = er_regex_class_end(finder->s, finder->at, flags->extended_more);
        return ATOM_OTHER;
    case '.':
        finder->at++;
        return ATOM_OTHER;
    case '^':
    case '$':
        finder->at++;
        return ATOM_ZERO_WIDTH;
    case '*':
    case '+':
    case '?':
        finder->unsure = true;
        return ATOM_OTHER;
    default:
        return literal_char(finder, flags);
    }
}

/* At "{": 0 when it is an ordinary character, else the length of the quantifier with its minimum in *min. Forms that only some
 * versions of PCRE2 read as a quantifier make the answer unsure. */
static size_t brace_quantifier(struct finder *finder, bool *optional)
{
    size_t n = 1, digits = 0;

    *optional = true;
    for (; is_digit(peek(finder, n)); n++, digits++) {
        *optional = *optional && peek(finder, n) == '0';
    }
    if (digits > 0 && peek(finder, n) == ',') {
        n++;
        while (is_digit(peek(finder, n))) {
            n++;
        }
    }
    if (digits > 0 && peek(finder, n) == '}') {
        return n + 1;
    }
    for (n = 1; is_digit(peek(finder, n)) || (peek(finder, n) != '\0' && memchr(", \t", peek(finder, n), 3) != NULL); n++) {
    }
    if (peek(finder, n) == '}' && n > 1) {
        finder->unsure = true;
    }
    return 0;
}

static enum quantifier one_quantifier(struct finder *finder)
{
    bool optional = false;
    size_t n = 0;
    char c = peek(finder, 0);

    if (finder->quoted || finder->at == finder->s.n) {
        return QUANTIFIER_NONE;
    }
    if (c == '*' || c == '?' || c == '+') {
        optional = c != '+';
        n = 1;
    } else if (c == '{') {
        n = brace_quantifier(finder, &optional);
    }
    if (n == 0) {
        return QUANTIFIER_NONE;
    }
    finder->at += n;
    if (peek(finder, 0) == '+' || peek(finder, 0) == '?') {
        finder->at++; /* possessive, lazy */
    }
    return optional ? QUANTIFIER_OPTIONAL : QUANTIFIER_REPEAT;
}

static enum quantifier read_quantifier(struct finder *finder, const struct er_regex_flags *flags)
{
    enum quantifier quantifier;

    skip_ignored(finder, flags);
    quantifier = one_quantifier(finder);
    if (quantifier != QUANTIFIER_NONE) {
        skip_ignored(finder, flags);
        if (one_quantifier(finder) != QUANTIFIER_NONE) {
            finder->unsure = true; /* a quantified quantifier */
        }
    }
    return quantifier;
}

/* Puts the text from start to end on the list; `first` is where the sequence's own runs begin. A full list keeps the longer ones. */
static void keep(struct finder *finder, size_t first, size_t start, size_t end)
{
    size_t shortest = first;

    if (end == start) {
        return;
    }
    if (finder->n_runs < ER_REGEX_LITERALS) {
        finder->runs[finder->n_runs++] = (struct run){ start, end - start };
        return;
    }
    for (size_t i = first; i < finder->n_runs; i++) {
        shortest = finder->runs[i].n < finder->runs[shortest].n ? i : shortest;
    }
    if (shortest < finder->n_runs && end - start > finder->runs[shortest].n) {
        finder->runs[shortest] = (struct run){ start, end - start };
    }
}

/* Takes one atom with its quantifier into account; *run_start is where the current run begins in the text. */
static void add_atom(struct finder *finder, struct er_regex_flags *flags, size_t first, size_t *run_start)
{
    size_t before = finder->n, runs_before = finder->n_runs;
    enum atom atom = read_atom(finder, flags);
    enum quantifier quantifier;

    if (atom == ATOM_FLAGS || finder->unsure) {
        return;
    }
    quantifier = read_quantifier(finder, flags);
    if (atom == ATOM_ZERO_WIDTH || (atom == ATOM_CHAR && quantifier == QUANTIFIER_NONE)) {
        return;
    }
    if (atom == ATOM_GROUP && quantifier == QUANTIFIER_OPTIONAL) {
        finder->n_runs = runs_before;
    }
    keep(finder, first, *run_start, atom == ATOM_CHAR && quantifier == QUANTIFIER_REPEAT ? finder->n : before);
    if (atom == ATOM_CHAR && quantifier == QUANTIFIER_REPEAT) {
        *run_start = before;
        return;
    }
    if (atom == ATOM_CHAR) {
        finder->n = before; /* it may be absent */
    }
    *run_start = finder->n;
}

/* Reads alternatives up to the end or the closing parenthesis, which is consumed. */
static void read_sequence(struct finder *finder, struct er_regex_flags flags)
{
    size_t first = finder->n_runs;
    size_t run_start = finder->n;
    bool alternatives = false;

    if (++finder->depth > MAX_DEPTH) {
        finder->unsure = true;
    }
    for (;;) {
        skip_ignored(finder, &flags);
        if (finder->unsure || finder->at == finder->s.n || (!finder->quoted && peek(finder, 0) == ')')) {
            break;
        }
        if (!finder->quoted && peek(finder, 0) == '|') {
            alternatives = true;
            finder->at++;
        } else {
            add_atom(finder, &flags, first, &run_start);
        }
    }
    finder->depth--;
    /* Only the outermost sequence ends with the pattern. */
    finder->unsure = finder->unsure || (finder->depth > 0) != (finder->at < finder->s.n);
    finder->at += finder->at < finder->s.n;
    keep(finder, first, run_start, finder->n);
    if (alternatives) {
        finder->n_runs = first;
    }
}

size_t er_regex_find_literals(struct er_str pattern, char *text, struct er_str *literals)
{
    struct finder finder = { .s = pattern, .text = text };

    read_sequence(&finder, (struct er_regex_flags){ 0 });
    for (size_t i = 0; i < finder.n_runs; i++) {
        literals[i] = (struct er_str){ text + finder.runs[i].start, finder.runs[i].n };
    }
    return finder.unsure ? 0 : finder.n_runs;
}
