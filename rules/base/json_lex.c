#include "rules/base/json_lex.h"

#include "rules/base/utf8.h"

static const char *fail(struct er_lex_fault *fault, enum er_code code, const char *at, const char *what)
{
    fault->code = code;
    fault->at = at;
    fault->what = what;
    return NULL;
}

const char *er_lex_begin(const char *p, const char *end, struct er_lex_fault *fault)
{
    static const char marks[][4] = { "\xEF\xBB\xBF", "\xFE\xFF", "\xFF\xFE" };

    if (p == end || (unsigned char)*p < 0xEF) { /* the usual case, on every event */
        return er_lex_space(p, end);
    }
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t n = strlen(marks[i]);

        if ((size_t)(end - p) >= n && memcmp(p, marks[i], n) == 0) {
            return fail(fault, ER_E_JSON_BOM, p, "a byte order mark is not allowed, send plain UTF-8");
        }
    }
    return er_lex_space(p, end);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
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

/* Four hex digits at p (which are there) as a number, or -1. */
static int hex4(const char *p)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);

        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int c)
{
    return c >= 0xD800 && c <= 0xDBFF;
}

static bool is_low_surrogate(int c)
{
    return c >= 0xDC00 && c <= 0xDFFF;
}

/* p is at "u" and at least one byte is there. */
static const char *unicode_escape(const char *p, const char *end, struct er_lex_fault *fault)
{
    const char *slash = p - 1;
    int c;

    for (int i = 1; i <= 4; i++) {
        if (p + i == end) {
            return fail(fault, ER_E_JSON_TRUNCATED, end, "the text ends inside a string");
        }
        if (hex_value(p[i]) < 0) {
            return fail(fault, ER_E_JSON_ESCAPE, slash, "\\u needs four hexadecimal digits");
        }
    }
    c = hex4(p + 1);
    p += 5;
    if (is_low_surrogate(c)) {
        return fail(fault, ER_E_JSON_ESCAPE, slash, "a low surrogate escape without its high surrogate");
    }
    if (!is_high_surrogate(c)) {
        return p;
    }
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !is_low_surrogate(hex4(p + 2))) {
        return fail(fault, ER_E_JSON_ESCAPE, slash, "a high surrogate escape without its low surrogate");
    }
    return p + 6;
}

/* p is just after a backslash. */
static const char *escape(const char *p, const char *end, struct er_lex_fault *fault)
{
    if (p == end) {
        return fail(fault, ER_E_JSON_TRUNCATED, end, "the text ends inside a string");
    }
    switch (*p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 1;
    case 'u':
        return unicode_escape(p, end, fault);
    default:
        return fail(fault, ER_E_JSON_ESCAPE, p - 1, "unknown escape, JSON has only \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    }
}

const char *er_lex_string_rest(const char *p, const char *end, bool *escaped, struct er_lex_fault *fault)
{
    for (;;) {
        size_t length;

        if (p == end) {
            return fail(fault, ER_E_JSON_TRUNCATED, end, "the text ends inside a string");
        }
        if (*p == '"') {
            return p;
        }
        if (*p == '\\') {
            *escaped = true;
            p = escape(p + 1, end, fault);
            if (p == NULL) {
                return NULL;
            }
        } else if ((unsigned char)*p < ' ') {
            return fail(fault, ER_E_JSON_CONTROL, p, "a raw control character in a string, write it as \\u00XX");
        } else {
            length = er_utf8_sequence(p, end);
            if (length == 0) {
                return fail(fault, ER_E_JSON_UTF8, p, "these bytes are not UTF-8");
            }
            p += length;
        }
        /* Text in other scripts stays in the branch above; only a longer plain run is worth the block scan. */
        if (p < end && (unsigned char)*p < 0x80) {
            p += er_lex_plain(p, end);
        }
    }
}

/* p is at a checked \u escape's "u"; writes the character and returns the position after the escape. */
static const char *decode_unicode(const char *p, char **out)
{
    uint32_t c = (uint32_t)hex4(p + 1);

    p += 5;
    if (is_high_surrogate((int)c)) {
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2) - 0xDC00);
        p += 6;
    }
    *out += er_utf8_encode(c, *out);
    return p;
}

static char plain_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

size_t er_lex_decode(struct er_str raw, char *out)
{
    const char *p = raw.p;
    const char *end = raw.p + raw.n;
    char *start = out;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((slash != NULL ? slash : end) - p);

        memcpy(out, p, run);
        out += run;
        p += run;
        if (p == end) {
            break;
        }
        p++;
        if (*p == 'u') {
            p = decode_unicode(p, &out);
        } else {
            *out++ = plain_escape(*p++);
        }
    }
    return (size_t)(out - start);
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

static const char *need_digit(const char *p, const char *end, struct er_lex_fault *fault)
{
    if (p == end || !is_digit(*p)) {
        return fail(fault, ER_E_JSON_NUMBER, p, "a number needs a digit here");
    }
    return digits(p, end);
}

const char *er_lex_number(const char *p, const char *end, struct er_lex_fault *fault)
{
    if (p < end && *p == '-') {
        p++;
    }
    if (p < end && *p == '0') {
        p++;
        if (p < end && is_digit(*p)) {
            return fail(fault, ER_E_JSON_NUMBER, p, "a number has no leading zeros");
        }
    } else {
        p = need_digit(p, end, fault);
    }
    if (p != NULL && p < end && *p == '.') {
        p = need_digit(p + 1, end, fault);
    }
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }
        p = need_digit(p, end, fault);
    }
    return p;
}

const char *er_lex_literal(const char *p, const char *end, struct er_lex_fault *fault)
{
    const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";

    for (; *word != '\0'; word++, p++) {
        if (p == end || *p != *word) {
            return er_lex_unexpected(p, end, "expected true, false or null", fault);
        }
    }
    return p;
}

const char *er_lex_unexpected(const char *p, const char *end, const char *what, struct er_lex_fault *fault)
{
    if (p == end) {
        return fail(fault, ER_E_JSON_TRUNCATED, end, "the text ends before the value is complete");
    }
    if (er_utf8_sequence(p, end) == 0) {
        return fail(fault, ER_E_JSON_UTF8, p, "these bytes are not UTF-8");
    }
    if (*p == '+' || *p == '.') {
        return fail(fault, ER_E_JSON_NUMBER, p, "a number starts with a digit or a minus sign");
    }
    return fail(fault, ER_E_JSON_SYNTAX, p, what);
}

enum er_code er_lex_error(struct er_err *err, const struct er_lex_fault *fault, const char *start)
{
    size_t offset = (size_t)(fault->at - start);

    return er_err_at(err, fault->code, offset, "%s at byte %zu: %s", er_code_title(fault->code), offset, fault->what);
}
