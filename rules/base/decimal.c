#include "rules/base/decimal.h"

#define HEAD_DIGITS 19u /* the most that always fit 64 bits */

static const uint64_t powers[HEAD_DIGITS + 1] = { UINT64_C(1),
                                                  UINT64_C(10),
                                                  UINT64_C(100),
                                                  UINT64_C(1000),
                                                  UINT64_C(10000),
                                                  UINT64_C(100000),
                                                  UINT64_C(1000000),
                                                  UINT64_C(10000000),
                                                  UINT64_C(100000000),
                                                  UINT64_C(1000000000),
                                                  UINT64_C(10000000000),
                                                  UINT64_C(100000000000),
                                                  UINT64_C(1000000000000),
                                                  UINT64_C(10000000000000),
                                                  UINT64_C(100000000000000),
                                                  UINT64_C(1000000000000000),
                                                  UINT64_C(10000000000000000),
                                                  UINT64_C(100000000000000000),
                                                  UINT64_C(1000000000000000000),
                                                  UINT64_C(10000000000000000000) };

__extension__ typedef __int128 wide;

static unsigned digit_at(const char *p)
{
    return (unsigned)(unsigned char)*p - '0';
}

/* ---- reading ---- */

/* Adds digits to the head until it is full; *n counts them from the first that is not 0. */
static const char *take_digits(const char *p, const char *end, struct er_decimal *number, unsigned *n)
{
    uint64_t head = number->head;
    unsigned taken = *n;

    while (p < end && digit_at(p) <= 9 && taken < HEAD_DIGITS) {
        head = head * 10 + digit_at(p++);
        taken += head != 0;
    }
    number->head = head;
    *n = taken;
    return p;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && digit_at(p) <= 9) {
        p++;
    }
    return p;
}

static struct er_str trim_end(const char *p, const char *end)
{
    while (end > p && (end[-1] == '0' || end[-1] == '.')) {
        end--;
    }
    return (struct er_str){ p, (size_t)(end - p) };
}

/* Sign, digits and point of [p, end); returns one past them. */
static const char *read_digits(const char *p, const char *end, struct er_decimal *number)
{
    const char *start, *full, *stop;
    unsigned n = 0;

    number->sign = *p == '-' ? -1 : 1;
    start = p + (*p == '-');
    full = take_digits(start, end, number, &n);
    stop = skip_digits(full, end);
    number->scale = n > 0 ? stop - start : 0;
    if (stop < end && *stop == '.') {
        const char *fraction = ++stop;

        if (n < HEAD_DIGITS) {
            bool first = n == 0;

            full = stop = take_digits(fraction, end, number, &n);
            number->scale -= first ? (stop - fraction) - (int64_t)n : 0;
        }
        stop = skip_digits(stop, end);
    }
    if (n == HEAD_DIGITS) {
        number->rest = trim_end(full, stop);
    } else {
        number->head *= powers[HEAD_DIGITS - n];
    }
    return stop;
}

/* digits: of the exponent, without leading zeros, more than 18. */
static void set_long_exponent(struct er_decimal *number, struct er_str digits, bool negative)
{
    if (digits.n == HEAD_DIGITS) {
        struct er_decimal all = { .head = 0 };
        unsigned n = 0;
        wide scale;

        take_digits(digits.p, digits.p + digits.n, &all, &n);
        scale = (negative ? -(wide)all.head : (wide)all.head) + number->scale;
        if (scale < INT64_MAX && scale > -INT64_MAX) {
            number->scale = (int64_t)scale;
            return;
        }
    }
    number->exponent = digits;
    number->shift = negative ? -number->scale : number->scale;
    number->scale = negative ? -INT64_MAX : INT64_MAX;
}

/* p is after the 'e'. */
static void read_exponent(const char *p, const char *end, struct er_decimal *number)
{
    bool negative = *p == '-';
    int64_t exponent = 0;

    p += *p == '-' || *p == '+';
    while (p < end && *p == '0') {
        p++;
    }
    if ((size_t)(end - p) >= HEAD_DIGITS) {
        set_long_exponent(number, (struct er_str){ p, (size_t)(end - p) }, negative);
        return;
    }
    for (; p < end; p++) {
        exponent = exponent * 10 + (int64_t)digit_at(p);
    }
    number->scale += negative ? -exponent : exponent;
}

struct er_decimal er_decimal_of(struct er_str literal)
{
    struct er_decimal number = { .head = 0 };
    const char *end = literal.p + literal.n;
    const char *p = read_digits(literal.p, end, &number);

    if (number.head == 0) {
        return (struct er_decimal){ .sign = 0 };
    }
    if (p < end) {
        read_exponent(p + 1, end, &number);
    }
    return number;
}

/* ---- comparing ---- */

static struct er_str cut(struct er_str s, size_t n)
{
    return (struct er_str){ s.p + n, s.n - n };
}

/* Length of the digits before the next decimal point. */
static size_t run_length(struct er_str digits)
{
    const char *point = memchr(digits.p, '.', digits.n);

    return point != NULL ? (size_t)(point - digits.p) : digits.n;
}

static int compare_rest(struct er_str a, struct er_str b)
{
    while (a.n > 0 && b.n > 0) {
        size_t of_a = run_length(a), of_b = run_length(b);
        size_t n = of_a < of_b ? of_a : of_b;
        int order = memcmp(a.p, b.p, n);

        if (order != 0) {
            return order > 0 ? 1 : -1;
        }
        a = cut(a, n + (of_a == n && a.n > n));
        b = cut(b, n + (of_b == n && b.n > n));
    }
    return (a.n > 0) - (b.n > 0); /* the last digit of a rest is never 0 */
}

/* exponent + shift of both. The difference of the exponents is exact as long as it matters. */
static int compare_exponents(const struct er_decimal *a, const struct er_decimal *b)
{
    size_t n = a->exponent.n > b->exponent.n ? a->exponent.n : b->exponent.n;
    wide difference = 0, enough = (wide)INT64_MAX * 4;

    for (size_t left = n; left > 0 && difference < enough && difference > -enough; left--) {
        difference *= 10;
        difference += left <= a->exponent.n ? digit_at(a->exponent.p + (a->exponent.n - left)) : 0;
        difference -= left <= b->exponent.n ? digit_at(b->exponent.p + (b->exponent.n - left)) : 0;
    }
    difference += (wide)a->shift - b->shift;
    return (difference > 0) - (difference < 0);
}

/* Of the absolute values; neither is 0. */
static int compare_magnitude(const struct er_decimal *a, const struct er_decimal *b)
{
    if (a->scale != b->scale) {
        return a->scale > b->scale ? 1 : -1;
    }
    if (a->exponent.n > 0) {
        int order = compare_exponents(a, b);

        if (order != 0) {
            return a->scale > 0 ? order : -order;
        }
    }
    if (a->head != b->head) {
        return a->head > b->head ? 1 : -1;
    }
    return a->rest.n + b->rest.n > 0 ? compare_rest(a->rest, b->rest) : 0;
}

int er_decimal_compare(const struct er_decimal *a, const struct er_decimal *b)
{
    int64_t rank_a = er_decimal_rank(a), rank_b = er_decimal_rank(b);

    if (rank_a != rank_b) {
        return rank_a > rank_b ? 1 : -1;
    }
    if (a->sign != b->sign) { /* 0 and numbers next to it share a rank */
        return a->sign > b->sign ? 1 : -1;
    }
    return a->sign == 0 ? 0 : a->sign * compare_magnitude(a, b);
}

/* ---- keys ---- */

#define KEY_SCALE 62 /* scales from -62 to 62 need no byte of their own */

/* The low bits of the first byte: how the scale is written. The high bit is the sign. */
enum key_form {
    KEY_ZERO,
    KEY_SHORT,      /* this + KEY_SCALE + scale */
    KEY_LONG = 126, /* 8 bytes */
    KEY_TEXT        /* '+' or '-', digits, ';' */
};

/* Copies the exponent with shift added: a carry runs from the end as far as it must. Returns its length. */
static size_t put_exponent(const struct er_decimal *number, char *out)
{
    size_t n = number->exponent.n;
    int64_t carry = number->shift;
    size_t zeros = 0;

    out[0] = '0'; /* room for a last carry */
    memcpy(out + 1, number->exponent.p, n);
    for (size_t i = n + 1; carry != 0;) {
        int64_t sum = (out[--i] - '0') + carry;
        int64_t digit = (sum % 10 + 10) % 10;

        out[i] = (char)('0' + digit);
        carry = (sum - digit) / 10;
    }
    while (out[zeros] == '0') {
        zeros++;
    }
    memmove(out, out + zeros, n + 1 - zeros);
    return n + 1 - zeros;
}

static size_t put_scale(const struct er_decimal *number, char *out)
{
    int sign = number->sign < 0 ? 0x80 : 0;
    size_t n;

    if (number->scale >= -KEY_SCALE && number->scale <= KEY_SCALE) {
        out[0] = (char)(sign | (int)(number->scale + KEY_SCALE + KEY_SHORT));
        return 1;
    }
    if (number->exponent.n == 0) {
        out[0] = (char)(sign | KEY_LONG);
        memcpy(out + 1, &number->scale, sizeof number->scale);
        return 1 + sizeof number->scale;
    }
    out[0] = (char)(sign | KEY_TEXT);
    out[1] = number->scale < 0 ? '-' : '+';
    n = 2 + put_exponent(number, out + 2);
    out[n] = ';';
    return n + 1;
}

size_t er_decimal_key(const struct er_decimal *number, char *out)
{
    struct er_str rest = number->rest;
    size_t n;

    if (number->sign == 0) {
        out[0] = KEY_ZERO;
        return 1;
    }
    n = put_scale(number, out);
    memcpy(out + n, &number->head, sizeof number->head);
    n += sizeof number->head;
    while (rest.n > 0) {
        size_t run = run_length(rest);

        memcpy(out + n, rest.p, run);
        n += run;
        rest = cut(rest, run + (run < rest.n));
    }
    return n;
}
