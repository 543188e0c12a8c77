#define _GNU_SOURCE /* memmem: linear in the text */
#include "rules/language/operator.h"

#include "rules/base/decimal.h"
#include "rules/base/fold.h"

static bool numbers_equal(struct er_str a, struct er_str b)
{
    struct er_decimal x = er_decimal_of(a), y = er_decimal_of(b);

    return er_decimal_compare(&x, &y) == 0;
}

static bool equals(const struct er_operand *operand, const struct er_value *value)
{
    /* Operands are scalars; the three without a text are their type. */
    if (operand->type != value->type || (value->type == ER_JSON_STRING && !er_str_eq(operand->text, value->text))) {
        return false;
    }
    return value->type != ER_JSON_NUMBER || numbers_equal(operand->text, value->text);
}

bool er_numeric_accepts(const struct er_numeric *numeric, struct er_str literal)
{
    struct er_decimal number = er_decimal_of(literal);

    if (numeric->low.n > 0) {
        struct er_decimal low = er_decimal_of(numeric->low);
        int order = er_decimal_compare(&number, &low);

        if (numeric->different) {
            return order != 0;
        }
        if (order < 0 || (order == 0 && !numeric->low_included)) {
            return false;
        }
    }
    if (numeric->high.n > 0) {
        struct er_decimal high = er_decimal_of(numeric->high);
        int order = er_decimal_compare(&number, &high);

        return order < 0 || (order == 0 && numeric->high_included);
    }
    return true;
}

static bool starts(struct er_str text, struct er_str prefix)
{
    return prefix.n <= text.n && (prefix.n == 0 || memcmp(text.p, prefix.p, prefix.n) == 0);
}

static bool ends(struct er_str text, struct er_str suffix)
{
    return suffix.n <= text.n && (suffix.n == 0 || memcmp(text.p + (text.n - suffix.n), suffix.p, suffix.n) == 0);
}

static bool lies_in(const struct er_cidr *cidr, struct er_str text)
{
    struct er_address address;

    return er_address_parse(text, &address) && er_cidr_contains(cidr, &address);
}

static bool string_accepted(enum er_operator op, const struct er_operand *operand, struct er_str text)
{
    switch (op) {
    case ER_OPERATOR_PREFIX:
        return starts(text, operand->text);
    case ER_OPERATOR_SUFFIX:
        return ends(text, operand->text);
    case ER_OPERATOR_EQUALS_IGNORE_CASE:
        return er_fold_eq(text, operand->text);
    case ER_OPERATOR_PREFIX_IGNORE_CASE:
        return er_fold_starts(text, operand->text);
    case ER_OPERATOR_SUFFIX_IGNORE_CASE:
        return er_fold_ends(text, operand->text);
    case ER_OPERATOR_WILDCARD:
        return er_wildcard_match(&operand->wildcard, text);
    case ER_OPERATOR_CIDR:
        return lies_in(&operand->cidr, text);
    case ER_OPERATOR_EQUALS:
    case ER_OPERATOR_REGEX:
    case ER_OPERATOR_NUMERIC:
    case ER_OPERATOR_EXISTS:
        break;
    }
    return false;
}

enum er_truth er_regex_accepts(struct er_regex *regex, struct er_regex_scratch *scratch, struct er_str text)
{
    size_t n;
    const struct er_str *literals = er_regex_literals(regex, &n);

    for (size_t i = 0; i < n; i++) {
        if (text.n < literals[i].n || memmem(text.p, text.n, literals[i].p, literals[i].n) == NULL) {
            return ER_FALSE;
        }
    }
    return er_regex_search(regex, scratch, text);
}

static enum er_truth truth_of(bool holds)
{
    return holds ? ER_TRUE : ER_FALSE;
}

enum er_truth er_operand_accepts(enum er_operator op, const struct er_operand *operand, const struct er_value *value,
                                 struct er_regex_scratch *scratch)
{
    if (op == ER_OPERATOR_EQUALS) {
        return truth_of(equals(operand, value));
    }
    if (op == ER_OPERATOR_NUMERIC) {
        return truth_of(value->type == ER_JSON_NUMBER && er_numeric_accepts(&operand->numeric, value->text));
    }
    if (value->type != ER_JSON_STRING) {
        return ER_FALSE;
    }
    if (op == ER_OPERATOR_REGEX) {
        return er_regex_accepts(operand->regex, scratch, value->text);
    }
    return truth_of(string_accepted(op, operand, value->text));
}

enum er_truth er_entry_accepts(const struct er_entry *entry, const struct er_value *value, struct er_regex_scratch *scratch)
{
    enum er_truth any = ER_FALSE;

    if (entry->op == ER_OPERATOR_EXISTS) {
        return truth_of(entry->exists == (value != NULL));
    }
    if (value == NULL || value->type == ER_JSON_ARRAY) {
        return ER_FALSE;
    }
    for (size_t i = 0; i < entry->n && any != ER_TRUE; i++) {
        enum er_truth one = er_operand_accepts(entry->op, &entry->operands[i], value, scratch);

        any = one == ER_FALSE ? any : one;
    }
    if (entry->but && any != ER_UNDECIDED) {
        return truth_of(any == ER_FALSE);
    }
    return any;
}

const char *er_operator_name(enum er_operator op)
{
    static const char *const names[] = {
        [ER_OPERATOR_EQUALS] = "equals",
        [ER_OPERATOR_PREFIX] = "prefix",
        [ER_OPERATOR_SUFFIX] = "suffix",
        [ER_OPERATOR_EQUALS_IGNORE_CASE] = "equals-ignore-case",
        [ER_OPERATOR_PREFIX_IGNORE_CASE] = "prefix equals-ignore-case",
        [ER_OPERATOR_SUFFIX_IGNORE_CASE] = "suffix equals-ignore-case",
        [ER_OPERATOR_WILDCARD] = "wildcard",
        [ER_OPERATOR_REGEX] = "regex",
        [ER_OPERATOR_NUMERIC] = "numeric",
        [ER_OPERATOR_CIDR] = "cidr",
        [ER_OPERATOR_EXISTS] = "exists",
    };

    return names[op];
}
