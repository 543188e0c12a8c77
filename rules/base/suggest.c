#include "rules/base/suggest.h"

#define MAX_WORD 64

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance (adjacent swaps, no substring edited twice): three rows of the usual table. */
static size_t distance(struct er_str a, struct er_str b)
{
    size_t rows[3][MAX_WORD + 1] = { { 0 } };

    for (size_t j = 0; j <= b.n; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);

            now[j] = least(above[j - 1] + (x != y), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && lower(a.p[i - 2]) == y) {
                now[j] = least(now[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a.n % 3][b.n];
}

const char *er_suggest(struct er_str word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t limit = word.n / 3;

    if (word.n > MAX_WORD) {
        return NULL;
    }
    limit = limit < 1 ? 1 : least(limit, 4);
    for (size_t i = 0; i < count; i++) {
        struct er_str candidate = er_str_of(candidates[i]);
        size_t edits = candidate.n > MAX_WORD ? limit + 1 : distance(word, candidate);

        if (edits <= limit && (best == NULL || edits < limit)) {
            best = candidates[i];
            limit = edits;
        }
    }
    return best;
}
