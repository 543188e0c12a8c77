#define _GNU_SOURCE /* memmem */
#include "rules/language/wildcard.h"

static enum er_code malformed(struct er_err *err, size_t offset, const char *what)
{
    return er_err_at(err, ER_E_PATTERN_WILDCARD, offset, "malformed wildcard at byte %zu: %s", offset, what);
}

/* Checks text and counts its stars. */
static enum er_code count_stars(struct er_str text, size_t *stars, struct er_err *err)
{
    *stars = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '*') {
            if (i + 1 < text.n && text.p[i + 1] == '*') {
                return malformed(err, i, "two stars in a row mean no more than one");
            }
            ++*stars;
        } else if (text.p[i] == '\\') {
            if (i + 1 == text.n || (text.p[i + 1] != '*' && text.p[i + 1] != '\\')) {
                return malformed(err, i, "a backslash stands only before * and another backslash");
            }
            i++;
        }
    }
    return ER_OK;
}

enum er_code er_wildcard_parse(struct er_arena *arena, struct er_str text, struct er_wildcard *out, struct er_err *err)
{
    size_t stars, n = 0;
    struct er_str *parts;
    char *bytes, *start;
    enum er_code code = count_stars(text, &stars, err);

    *out = (struct er_wildcard){ NULL, 0 };
    if (code != ER_OK) {
        return code;
    }
    parts = er_arena_calloc(arena, stars + 1, sizeof *parts);
    start = bytes = er_arena_alloc(arena, text.n);
    if (parts == NULL || bytes == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '*') {
            parts[n++] = (struct er_str){ start, (size_t)(bytes - start) };
            start = bytes;
        } else {
            i += text.p[i] == '\\';
            *bytes++ = text.p[i];
        }
    }
    parts[n++] = (struct er_str){ start, (size_t)(bytes - start) };
    *out = (struct er_wildcard){ parts, n };
    return ER_OK;
}

static bool begins(struct er_str subject, struct er_str part)
{
    return part.n <= subject.n && (part.n == 0 || memcmp(subject.p, part.p, part.n) == 0);
}

bool er_wildcard_match(const struct er_wildcard *wildcard, struct er_str subject)
{
    struct er_str first = wildcard->parts[0], last = wildcard->parts[wildcard->n - 1];

    if (wildcard->n == 1) {
        return er_str_eq(subject, first);
    }
    if (subject.n < first.n + last.n || !begins(subject, first)) {
        return false;
    }
    if (last.n > 0 && memcmp(subject.p + (subject.n - last.n), last.p, last.n) != 0) {
        return false;
    }
    if (wildcard->n == 2) {
        return true;
    }
    /* The leftmost place of a part leaves most room for the others. */
    subject = (struct er_str){ subject.n == 0 ? "" : subject.p + first.n, subject.n - first.n - last.n };
    for (size_t i = 1; i < wildcard->n - 1; i++) {
        struct er_str part = wildcard->parts[i];
        const char *found = memmem(subject.p, subject.n, part.p, part.n);

        if (found == NULL) {
            return false;
        }
        subject = (struct er_str){ found + part.n, subject.n - part.n - (size_t)(found - subject.p) };
    }
    return true;
}
