/* Exact numbers, against an evaluation that writes them out digit by digit. */
#include "tests/unit/random.h"

#include "rules/base/decimal.h"
#include "rules/base/json_lex.h"

static int sign_of(int64_t order)
{
    return (order > 0) - (order < 0);
}

static struct er_str key_of(const struct er_decimal *number, size_t literal_bytes)
{
    char *key = malloc(er_decimal_key_max(literal_bytes)); /* its own block, so that a byte too many is seen */

    assert_non_null(key);
    return (struct er_str){ key, er_decimal_key(number, key) };
}

static void free_key(struct er_str key)
{
    char *p;

    memcpy(&p, &key.p, sizeof p);
    free(p);
}

/* The order of two literals by every way there is: both directions, keys, ranks. */
static void check_order(struct er_str a, struct er_str b, int expected)
{
    struct er_decimal x = er_decimal_of(a), y = er_decimal_of(b);
    struct er_str key_x = key_of(&x, a.n), key_y = key_of(&y, b.n);
    int64_t rank_x = er_decimal_rank(&x), rank_y = er_decimal_rank(&y);

    if (sign_of(er_decimal_compare(&x, &y)) != expected || sign_of(er_decimal_compare(&y, &x)) != -expected ||
        er_str_eq(key_x, key_y) != (expected == 0) || (rank_x != rank_y && sign_of(rank_x > rank_y ? 1 : -1) != expected)) {
        fail_msg("%.200s and %.200s: expected %d, got %d and %d, keys %s, ranks %" PRId64 " %" PRId64, a.p, b.p, expected,
                 er_decimal_compare(&x, &y), er_decimal_compare(&y, &x), er_str_eq(key_x, key_y) ? "equal" : "differ", rank_x,
                 rank_y);
    }
    assert_true(rank_x > -INT64_MAX && rank_x < INT64_MAX);
    free_key(key_x);
    free_key(key_y);
}

static void check_texts(const char *a, const char *b, int expected)
{
    check_order(er_str_of(a), er_str_of(b), expected);
}

static void equal_values_are_equal(void **state)
{
    static const char *const groups[][8] = {
        { "0", "-0", "0.0", "0e5", "-0.000e-99999999999999999999", "0E+1", "0.0e400" },
        { "300", "300.0", "3.0e2", "3e2", "3E02", "0.3e3", "30000e-2", "0.00003e+7" },
        { "-1.5", "-15e-1", "-0.15e1", "-1.50000", "-150e-2" },
        { "9999999999999999999", "9999999999999999999.0", "0.9999999999999999999e19", "99999999999999999990e-1" },
        { "12345678901234567890123", "12345678901234567890.123e3", "1.2345678901234567890123e22", "12345678901234567890123000e-3" },
        { "1e99999999999999999999", "10e99999999999999999998", "0.1e100000000000000000000", "1.00e+099999999999999999999" },
        { "1e-99999999999999999999", "0.01e-99999999999999999997", "100e-100000000000000000001" },
        { "1e9223372036854775806", "10e9223372036854775805", "0.1e9223372036854775807", "0.001e9223372036854775809" },
        { "1e9223372036854775809", "0.0001e9223372036854775813", "10000e9223372036854775805" },
        { "1e999999999999999999", "0.1e1000000000000000000", "10e999999999999999998" },
        { "1e-1000000000000000000", "0.1e-999999999999999999" },
    };

    (void)state;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (size_t i = 0; i < 8 && groups[g][i] != NULL; i++) {
            for (size_t k = 0; k < 8 && groups[g][k] != NULL; k++) {
                check_texts(groups[g][i], groups[g][k], 0);
            }
        }
    }
}

static void different_values_are_ordered(void **state)
{
    static const char *const ascending[] = {
        "-1e99999999999999999999",
        "-1e99999999999999999998",
        "-1e401",
        "-1e400",
        "-9007199254740993",
        "-9007199254740992",
        "-10",
        "-9",
        "-1",
        "-1e-400",
        "-1e-99999999999999999999",
        "-1e-999999999999999999990",
        "0",
        "1e-999999999999999999990",
        "1e-99999999999999999999",
        "1e-9223372036854775809",
        "1e-9223372036854775808",
        "1e-9223372036854775807",
        "1e-9223372036854775806",
        "1e-1000",
        "1e-513",
        "1e-512",
        "1e-511",
        "1e-510",
        "1e-400",
        "0.1",
        "0.99999999999999999999999999999999999999999",
        "1",
        "1.00000000000000000001",
        "1.00000000000000000002",
        "1.000000000000000000021",
        "9",
        "10",
        "11",
        "9007199254740992",
        "9007199254740993",
        "9999999999999999999",
        "9999999999999999999.1",
        "9999999999999999999.10000000001",
        "10000000000000000000",
        "1e400",
        "1e401",
        "1e508",
        "1e509",
        "1e510",
        "1e511",
        "1e9223372036854775805",
        "1e9223372036854775806",
        "1e9223372036854775807",
        "1e9223372036854775808",
        "1e99999999999999999998",
        "1e99999999999999999999",
        "0.8e100000000000000000001",
        "9e100000000000000000000",
        "1e100000000000000000001",
    };
    size_t n = sizeof ascending / sizeof *ascending;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            check_texts(ascending[i], ascending[k], (i > k) - (i < k));
        }
    }
}

static void short_numbers_have_short_keys_and_own_ranks(void **state)
{
    char key[64];
    struct er_decimal zero = er_decimal_of(ER_STR("-0.0")), price = er_decimal_of(ER_STR("-19.99"));
    struct er_decimal a = er_decimal_of(ER_STR("0.00123456789012345")), b = er_decimal_of(ER_STR("0.00123456789012346"));

    (void)state;
    assert_int_equal(er_decimal_key(&zero, key), 1);
    assert_int_equal(er_decimal_key(&price, key), 9);
    assert_true(er_decimal_rank(&a) < er_decimal_rank(&b));
    assert_int_equal(er_decimal_rank(&zero), 0);
}

/* ---- random values, known by how they are made ---- */

__extension__ typedef __int128 wide;

/* sign * 0.DIGITS * 10^scale, no zero at either end of the digits; no digits: zero. */
struct model {
    int sign;
    wide scale;
    char digits[64];
};

static int model_order(const struct model *a, const struct model *b)
{
    int order;

    if (a->sign != b->sign || a->sign == 0) {
        return (a->sign > b->sign) - (a->sign < b->sign);
    }
    order = a->scale != b->scale ? (a->scale > b->scale ? 1 : -1) : sign_of(strcmp(a->digits, b->digits));
    return a->sign * order;
}

static void trim_digits(struct model *model)
{
    size_t n = strlen(model->digits), zeros = strspn(model->digits, "0");

    while (n > zeros && model->digits[n - 1] == '0') {
        n--;
    }
    memmove(model->digits, model->digits + zeros, n - zeros);
    model->digits[n - zeros] = '\0';
    if (n == zeros) {
        *model = (struct model){ .sign = 0 };
    }
}

static void random_model(struct model *model, uint64_t *seed)
{
    /* Scales around every limit of the representation: the key's, the rank's, 18 and 19 digits, 64 bits. */
    static const int64_t centres[] = { 0, 0, 0, 0, 62, 511, 999999999999999999, 5000000000000000000, INT64_MAX, INT64_MAX };
    static const unsigned lengths[] = { 3, 6, 20, 45 };
    uint32_t n = 1 + random_below(seed, lengths[random_below(seed, 4)]);
    uint32_t letters = random_below(seed, 2) == 0 ? 2 : 10; /* few make zeros and equal beginnings */

    for (uint32_t i = 0; i < n; i++) {
        model->digits[i] = letters == 2 ? "09"[random_below(seed, 2)] : (char)('0' + random_below(seed, 10));
    }
    model->digits[n] = '\0';
    model->sign = random_below(seed, 2) == 0 ? 1 : -1;
    model->scale = (wide)centres[random_below(seed, 10)] + random_below(seed, 7) - 3;
    model->scale *= random_below(seed, 20) == 0 ? 1000000007 : 1;
    model->scale *= random_below(seed, 2) == 0 ? 1 : -1;
    trim_digits(model);
}

/* Something next to the model, or the model. */
static void change_model(struct model *model, uint64_t *seed)
{
    size_t n = strlen(model->digits);

    switch (random_below(seed, 5)) {
    case 0:
        model->digits[random_below(seed, (uint32_t)n + 1)] = (char)('0' + random_below(seed, 10));
        break;
    case 1:
        memset(model->digits + n, '0', 8);
        model->digits[n + random_below(seed, 8)] = '1';
        break;
    case 2:
        model->scale += random_below(seed, 3) - (wide)1;
        break;
    case 3:
        model->sign = -model->sign;
        break;
    default:
        break;
    }
    model->sign = model->sign == 0 ? 1 : model->sign;
    model->digits[sizeof model->digits - 1] = '\0';
    trim_digits(model);
}

static size_t put_wide(char *out, wide number)
{
    char reversed[48];
    size_t n = 0, k = 0;

    if (number < 0) {
        out[k++] = '-';
        number = -number;
    }
    do {
        reversed[n++] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number != 0);
    while (n > 0) {
        out[k++] = reversed[--n];
    }
    return k;
}

static size_t put_exponent(char *out, wide exponent, uint64_t *seed)
{
    size_t n = 0;

    out[n++] = "eE"[random_below(seed, 2)];
    if (exponent < 0) {
        out[n++] = '-';
        exponent = -exponent;
    } else if (random_below(seed, 2) == 0) {
        out[n++] = '+';
    }
    if (random_below(seed, 4) == 0) {
        n += (size_t)sprintf(out + n, "%.*s", (int)random_below(seed, 30), "000000000000000000000000000000");
    }
    return n + put_wide(out + n, exponent);
}

/* One of the many literals of a value, in a block of its own. */
static struct er_str random_literal(const struct model *model, uint64_t *seed)
{
    char digits[256] = { 0 }, text[400];
    size_t all, whole, n = 0, zeros = random_below(seed, 3) == 0 ? random_below(seed, 40) : 0;
    wide exponent;
    char *block;

    memset(digits, '0', zeros);
    strcpy(digits + zeros, model->digits[0] != '\0' ? model->digits : "0");
    all = strlen(digits);
    memset(digits + all, '0', random_below(seed, 4));
    all = strlen(digits);
    whole = random_below(seed, (uint32_t)all + 1);
    exponent = model->scale + (wide)zeros - (wide)whole;
    n += (size_t)sprintf(text, "%s", model->sign < 0 || (model->sign == 0 && random_below(seed, 2) == 0) ? "-" : "");
    n += strspn(digits, "0") < whole
             ? (size_t)sprintf(text + n, "%.*s", (int)(whole - strspn(digits, "0")), digits + strspn(digits, "0"))
             : (size_t)sprintf(text + n, "0");
    n += whole < all ? (size_t)sprintf(text + n, ".%s", digits + whole) : 0;
    n += exponent != 0 || random_below(seed, 4) == 0 ? put_exponent(text + n, exponent, seed) : 0;
    block = malloc(n + 1);
    assert_non_null(block);
    memcpy(block, text, n);
    block[n] = '\0';
    return (struct er_str){ block, n };
}

static void check_pair(const struct model *a, const struct model *b, uint64_t *seed)
{
    struct er_str text_a = random_literal(a, seed), text_b = random_literal(b, seed);
    struct er_lex_fault fault;

    assert_ptr_equal(er_lex_number(text_a.p, text_a.p + text_a.n, &fault), text_a.p + text_a.n);
    check_order(text_a, text_b, model_order(a, b));
    free_key(text_a);
    free_key(text_b);
}

static void random_values_are_ordered(void **state)
{
    uint64_t seed = random_seed();
    struct model a = { 0 }, b = { 0 };

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        random_model(&a, &seed);
        if (round % 4 == 0) {
            random_model(&b, &seed);
        } else {
            b = a;
            change_model(&b, &seed);
        }
        check_pair(&a, &b, &seed);
    }
}

/* ---- very long literals ---- */

#define LONG (1u << 20)

/* `first`, then n times c, then `last`. */
static struct er_str long_literal(const char *first, size_t n, char c, const char *last)
{
    char *block = malloc(strlen(first) + n + strlen(last) + 1);

    assert_non_null(block);
    strcpy(block, first);
    memset(block + strlen(first), c, n);
    strcpy(block + strlen(first) + n, last);
    return er_str_of(block);
}

static void check_long(struct er_str a, struct er_str b, int expected)
{
    check_order(a, b, expected);
    free_key(a);
    free_key(b);
}

static void long_literals_are_exact(void **state)
{
    (void)state;
    check_long(long_literal("1.", LONG, '3', "1"), long_literal("1.", LONG, '3', "2"), -1);
    check_long(long_literal("1.", LONG, '3', "1"), long_literal("0.1", LONG, '3', "1000e1"), 0);
    check_long(long_literal("-1", LONG, '3', "1"), long_literal("-1", LONG, '3', ".99"), -1);
    check_long(long_literal("1", LONG, '0', ""), long_literal("1e104857", 0, '0', "6"), 0);
    check_long(long_literal("0.", LONG, '0', "1"), long_literal("1e-104857", 0, '0', "7"), 0);
    check_long(long_literal("1e", LONG, '9', "8"), long_literal("1e", LONG, '9', "9"), -1);
    check_long(long_literal("1e9", LONG, '9', ""), long_literal("0.01e1", LONG, '0', "1"), 0);
    check_long(long_literal("1e-", LONG, '9', "8"), long_literal("1e-", LONG, '9', "9"), 1);
    check_long(long_literal("1e-1", LONG, '0', ""), long_literal("10e-1", LONG, '0', ""), -1);
    check_long(long_literal("0e", LONG, '9', ""), long_literal("-0.", LONG, '0', "0"), 0);
    check_long(long_literal("1e", LONG, '0', "5"), long_literal("10000", 0, '0', "0"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_equal),
        cmocka_unit_test(different_values_are_ordered),
        cmocka_unit_test(short_numbers_have_short_keys_and_own_ranks),
        cmocka_unit_test(random_values_are_ordered),
        cmocka_unit_test(long_literals_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
