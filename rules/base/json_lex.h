/* The one strict JSON lexer (RFC 8259): used by the document reader (json.c) and by the event scanner (rules/engine/scan.c).
 *
 * Every function reads [p, end), never a byte more, and returns the position where it stopped, or NULL with *fault filled.
 * No state, no allocation; any thread. Strings are scanned in blocks of 16 bytes where SSE2 is available; plain ASCII never leaves
 * the inline part.
 */
#ifndef ER_RULES_BASE_JSON_LEX_H
#define ER_RULES_BASE_JSON_LEX_H

#include <stdint.h>
#include "rules/base/err.h"
#include "rules/base/str.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#define ER_LEX_BLOCK 16
#else
#define ER_LEX_BLOCK 8
#endif

/* Why and where: `at` points into the text that was read. */
struct er_lex_fault {
    enum er_code code; /* ER_E_JSON_* */
    const char *at;
    const char *what; /* static text, for example "expected a comma or a closing brace" */
};

/* First byte that is not white space (space, tab, LF, CR), or end. */
static inline const char *er_lex_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    return p;
}

/* Start of a document: refuses a byte order mark, skips white space. */
const char *er_lex_begin(const char *p, const char *end, struct er_lex_fault *fault);

#if defined(__SSE2__)
/* Bit per byte of the block at p: not a plain string byte. */
static inline unsigned er_lex_special(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    /* Signed compare: non-ASCII bytes are negative, so they are not above the controls either. */
    unsigned plain = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_set1_epi8(' ' - 1)));

    return (unsigned)_mm_movemask_epi8(special) | (plain ^ 0xFFFFu);
}
#endif

/* Length of the run of plain string bytes at p (not a quote, backslash, control or non-ASCII byte). */
static inline size_t er_lex_plain(const char *p, const char *end)
{
    const char *start = p;

#if defined(__SSE2__)
    while (end - p >= ER_LEX_BLOCK) {
        unsigned mask = er_lex_special(p);

        if (mask != 0) {
            return (size_t)(p - start) + (size_t)__builtin_ctz(mask);
        }
        p += ER_LEX_BLOCK;
    }
#else
    while (end - p >= ER_LEX_BLOCK) {
        const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
        uint64_t v, quote, slash;

        memcpy(&v, p, sizeof v);
        quote = v ^ (ones * '"');
        slash = v ^ (ones * '\\');
        /* The usual "has a zero byte" and "has a byte below" tests; a false alarm only costs the byte loop below. */
        if ((((quote - ones) | (slash - ones) | (v - ones * ' ') | v) & high) != 0) {
            break;
        }
        p += ER_LEX_BLOCK;
    }
#endif
    while (p < end && *p >= ' ' && *p != '"' && *p != '\\' && (unsigned char)*p < 0x80) {
        p++;
    }
    return (size_t)(p - start);
}

/* The rest of a string from its first byte that is not plain; use er_lex_string. */
const char *er_lex_string_rest(const char *p, const char *end, bool *escaped, struct er_lex_fault *fault);

/* p is just after an opening quote. Checks UTF-8, escapes, surrogate pairs and control characters; returns the address of the
 * closing quote. *escaped says whether the raw text [p, result) needs er_lex_decode. */
static inline const char *er_lex_string(const char *p, const char *end, bool *escaped, struct er_lex_fault *fault)
{
    const char *stop;

    *escaped = false;
#if defined(__SSE2__)
    if (end - p >= ER_LEX_BLOCK) {
        unsigned mask = er_lex_special(p);

        if (mask != 0 && p[__builtin_ctz(mask)] == '"') {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    stop = p + er_lex_plain(p, end);
    if (stop < end && *stop == '"') {
        return stop;
    }
    return er_lex_string_rest(stop, end, escaped, fault);
}

/* Decodes raw text that er_lex_string accepted into out, which has room for raw.n bytes. Returns the decoded length (never more).
 */
size_t er_lex_decode(struct er_str raw, char *out);

/* p is at '-' or a digit. Returns one past the number's last byte; `007`, `1.`, `-`, `1e` are faults. */
const char *er_lex_number(const char *p, const char *end, struct er_lex_fault *fault);

/* p is at 't', 'f' or 'n'. Returns one past true, false or null. */
const char *er_lex_literal(const char *p, const char *end, struct er_lex_fault *fault);

/* Always NULL: fills fault for a byte at p that cannot stand there (or the end of the text), with the code that says why:
 * truncated, invalid UTF-8, a number that does not start like one, or plain bad syntax. what: static text "expected ...". */
const char *er_lex_unexpected(const char *p, const char *end, const char *what, struct er_lex_fault *fault);

/* Fills err (may be NULL) with the fault; start is the first byte of the text, for the offset. Returns the code. */
enum er_code er_lex_error(struct er_err *err, const struct er_lex_fault *fault, const char *start);

#endif
