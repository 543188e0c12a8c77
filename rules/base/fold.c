#include "rules/base/fold.h"

#include "rules/base/utf8.h"

struct run {
    uint32_t first, last, step;
    int32_t delta;
};

static const struct run runs[] = {
#define ER_FOLD(first, last, step, delta) { first, last, step, delta },
#include "rules/base/fold.def"
#undef ER_FOLD
};

uint32_t er_fold_char(uint32_t c)
{
    size_t low = 0, high = sizeof runs / sizeof runs[0];

    if (c < 0x80) {
        return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c > runs[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == sizeof runs / sizeof runs[0] || c < runs[low].first || (c - runs[low].first) % runs[low].step != 0) {
        return c;
    }
    return (uint32_t)((int32_t)c + runs[low].delta);
}

/* The character at p, of `length` bytes. */
static uint32_t decode(const char *p, size_t length)
{
    const unsigned char *s = (const unsigned char *)p;
    uint32_t c;

    if (length == 1) {
        return s[0];
    }
    c = s[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        c = c << 6 | (s[i] & 0x3Fu);
    }
    return c;
}

static size_t length_at(const char *p)
{
    unsigned char lead = (unsigned char)*p;

    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Takes the first character off text, folded. */
static uint32_t take_first(struct er_str *text)
{
    size_t length = length_at(text->p);
    uint32_t c = er_fold_char(decode(text->p, length));

    *text = (struct er_str){ text->p + length, text->n - length };
    return c;
}

/* The same with the last one. */
static uint32_t take_last(struct er_str *text)
{
    size_t length = 1;

    while (length < text->n && ((unsigned char)text->p[text->n - length] & 0xC0) == 0x80) {
        length++;
    }
    text->n -= length;
    return er_fold_char(decode(text->p + text->n, length));
}

size_t er_fold(struct er_str text, char *out)
{
    const char *end = text.p + text.n;
    char *p = out;

    while (text.n > 0) {
        for (; text.p < end && (unsigned char)*text.p < 0x80; text.p++) {
            *p++ = (char)(*text.p >= 'A' && *text.p <= 'Z' ? *text.p + ('a' - 'A') : *text.p);
        }
        text.n = (size_t)(end - text.p);
        if (text.n > 0) {
            p += er_utf8_encode(take_first(&text), p);
        }
    }
    return (size_t)(p - out);
}

size_t er_fold_max(size_t bytes)
{
    /* Only two characters grow, both from 2 bytes to 3: U+023A and U+023E. */
    return bytes + bytes / 2;
}

bool er_fold_starts(struct er_str text, struct er_str prefix)
{
    while (prefix.n > 0) {
        if (text.n == 0 || take_first(&text) != take_first(&prefix)) {
            return false;
        }
    }
    return true;
}

bool er_fold_ends(struct er_str text, struct er_str suffix)
{
    while (suffix.n > 0) {
        if (text.n == 0 || take_last(&text) != take_last(&suffix)) {
            return false;
        }
    }
    return true;
}

bool er_fold_eq(struct er_str a, struct er_str b)
{
    while (a.n > 0 && b.n > 0) {
        if (take_first(&a) != take_first(&b)) {
            return false;
        }
    }
    return a.n == b.n;
}
