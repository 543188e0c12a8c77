#include "rules/base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void er_base64_add(struct er_buf *out, struct er_str bytes)
{
    for (size_t at = 0; at < bytes.n; at += 3) {
        size_t n = bytes.n - at < 3 ? bytes.n - at : 3;
        uint32_t group = 0;
        char text[4];

        for (size_t i = 0; i < 3; i++) {
            group = group << 8 | (i < n ? (unsigned char)bytes.p[at + i] : 0u);
        }
        for (size_t i = 0; i < 4; i++) {
            text[i] = i <= n ? digits[group >> (18 - 6 * i) & 63] : '=';
        }
        er_buf_add(out, (struct er_str){ text, 4 });
    }
}

/* How many bytes a group of four holds: 3, or less when it ends in padding. */
static size_t bytes_of(const char *group, bool last)
{
    if (!last || group[3] != '=') {
        return 3;
    }
    return group[2] == '=' ? 1 : 2;
}

bool er_base64_decode(struct er_buf *out, struct er_str text)
{
    if (text.n % 4 != 0) {
        return false;
    }
    for (size_t at = 0; at < text.n; at += 4) {
        size_t n = bytes_of(text.p + at, at + 4 == text.n);
        uint32_t group = 0;

        for (size_t i = 0; i < 4; i++) {
            const char *digit = i > n ? digits : text.p[at + i] == '\0' ? NULL : strchr(digits, text.p[at + i]);

            if (digit == NULL) {
                return false;
            }
            group = group << 6 | (uint32_t)(digit - digits);
        }
        if (n < 3 && (group & (n == 1 ? 0xffffu : 0xffu)) != 0) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            er_buf_addc(out, (char)(group >> (16 - 8 * i) & 0xff));
        }
    }
    return true;
}
