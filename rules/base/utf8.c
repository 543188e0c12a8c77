#include "rules/base/utf8.h"

/* Length of the ASCII run at p. */
static size_t ascii_run(const char *p, const char *end)
{
    const char *start = p;

    while (end - p >= 8) {
        uint64_t v;

        memcpy(&v, p, sizeof v);
        if ((v & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
        p += 8;
    }
    while (p < end && (unsigned char)*p < 0x80) {
        p++;
    }
    return (size_t)(p - start);
}

size_t er_utf8_check(struct er_str s)
{
    size_t at = 0;

    while (at < s.n) {
        size_t length;

        at += ascii_run(s.p + at, s.p + s.n);
        if (at == s.n) {
            break;
        }
        length = er_utf8_sequence(s.p + at, s.p + s.n);
        if (length == 0) {
            break;
        }
        at += length;
    }
    return at;
}

size_t er_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

struct er_str er_utf8_cut(struct er_str s, size_t max)
{
    if (s.n <= max) {
        return s;
    }
    while (max > 0 && ((unsigned char)s.p[max] & 0xC0) == 0x80) {
        max--;
    }
    return (struct er_str){ s.p, max };
}
