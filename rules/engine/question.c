#include "rules/engine/test.h"

#include "rules/base/fold.h"

static struct er_question ask(uint32_t node, enum er_test_op op, unsigned accepts, struct er_str text)
{
    return (struct er_question){ .node = node, .op = op, .accepts = accepts, .text = text };
}

/* Turns a text with stars into the simplest test that asks the same. */
static struct er_question question_of_stars(uint32_t node, struct er_str text)
{
    struct er_str core = text;
    bool open_start = text.n > 0 && text.p[0] == ER_GLOB_STAR;
    bool open_end = text.n > 0 && text.p[text.n - 1] == ER_GLOB_STAR;
    enum er_test_op op = open_start && open_end ? ER_OP_CONTAINS
                         : open_start           ? ER_OP_SUFFIX
                         : open_end             ? ER_OP_PREFIX
                                                : ER_OP_EXACT;

    while (core.n > 0 && core.p[0] == ER_GLOB_STAR) {
        core.p++;
        core.n--;
    }
    while (core.n > 0 && core.p[core.n - 1] == ER_GLOB_STAR) {
        core.n--;
    }
    if (core.n == 0) {
        return ask(node, text.n > 0 ? ER_OP_ANY : ER_OP_EXACT, ER_ACCEPTS_STRING, core);
    }
    if (memchr(core.p, (unsigned char)ER_GLOB_STAR, core.n) != NULL) {
        return ask(node, ER_OP_GLOB, ER_ACCEPTS_STRING, text);
    }
    return ask(node, op, ER_ACCEPTS_STRING, core);
}

struct er_question er_question_of_type(uint32_t node, struct er_str entry, char *scratch)
{
    for (size_t i = 0; i < entry.n; i++) {
        scratch[i] = entry.p[i] == '*' ? ER_GLOB_STAR : entry.p[i];
    }
    return question_of_stars(node, (struct er_str){ scratch, entry.n });
}

/* `\*` and `\\` are the characters themselves; the reader has refused other escapes. */
static struct er_question question_of_wildcard(uint32_t node, struct er_str wildcard, char *scratch)
{
    size_t n = 0;

    for (size_t i = 0; i < wildcard.n; i++) {
        char c = wildcard.p[i];

        if (c == '\\' && i + 1 < wildcard.n) {
            c = wildcard.p[++i];
        } else if (c == '*') {
            c = ER_GLOB_STAR;
        }
        scratch[n++] = c;
    }
    return question_of_stars(node, (struct er_str){ scratch, n });
}

/* ---- regex ---- */

/* Characters that stand for themselves in every PCRE2 pattern without options. */
static bool is_plain(char c)
{
    return strchr("\\^$.|?*+()[]{}", c) == NULL || c == '\0';
}

static bool is_escapable(char c)
{
    return c > ' ' && c < 0x7F && !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
}

/* Writes the one text that a pattern of plain and escaped characters matches; false when the pattern is more than that. */
static bool unescape(struct er_str pattern, char *out, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];

        if (c == '\\' && i + 1 < pattern.n && is_escapable(pattern.p[i + 1])) {
            c = pattern.p[++i];
        } else if (!is_plain(c)) {
            return false;
        }
        out[(*n)++] = c;
    }
    return true;
}

struct er_question er_question_of_regex(uint32_t node, struct er_regex *regex, unsigned accepts, char *scratch)
{
    static const enum er_test_op ops[2][2] = { { ER_OP_CONTAINS, ER_OP_SUFFIX }, { ER_OP_PREFIX, ER_OP_EXACT } };
    struct er_str pattern = er_regex_text(regex);
    struct er_str core = pattern;
    bool start = core.n > 0 && core.p[0] == '^';
    bool end;
    size_t n;

    if (start) {
        core.p++;
        core.n--;
    }
    /* The dollar of `\$` is text; then what is left ends in a backslash and does not unescape. */
    end = core.n > 0 && core.p[core.n - 1] == '$';
    core.n -= end;
    if (!unescape(core, scratch, &n)) {
        struct er_question question = ask(node, ER_OP_REGEX, accepts, pattern);

        question.regex = regex;
        return question;
    }
    return ask(node, n == 0 && !(start && end) ? ER_OP_ANY : ops[start][end], accepts, (struct er_str){ scratch, n });
}

/* ---- operands of patterns ---- */

static struct er_question question_of_value(uint32_t node, const struct er_operand *operand, char *scratch)
{
    switch (operand->type) {
    case ER_JSON_NUMBER: {
        struct er_decimal number = er_decimal_of(operand->text);

        return ask(node, ER_OP_NUMBER, ER_ACCEPTS_NUMBER, (struct er_str){ scratch, er_decimal_key(&number, scratch) });
    }
    case ER_JSON_TRUE:
        return ask(node, ER_OP_EXACT, ER_ACCEPTS(ER_FIELD_BOOL), ER_STR("true"));
    case ER_JSON_FALSE:
        return ask(node, ER_OP_EXACT, ER_ACCEPTS(ER_FIELD_BOOL), ER_STR("false"));
    case ER_JSON_NULL:
        return ask(node, ER_OP_EXACT, ER_ACCEPTS(ER_FIELD_NULL), ER_STR("null"));
    case ER_JSON_STRING:
    case ER_JSON_ARRAY:
    case ER_JSON_OBJECT:
    default:
        return ask(node, ER_OP_EXACT, ER_ACCEPTS_STRING, operand->text);
    }
}

/* A bound as text, so that equal ones are equal whatever the literals. */
static size_t bound_key(struct er_str literal, char *out)
{
    size_t n = 0;

    if (literal.n > 0) {
        struct er_decimal number = er_decimal_of(literal);

        n = er_decimal_key(&number, out + 1 + sizeof(uint32_t));
    }
    out[0] = literal.n > 0 ? 'b' : 'n';
    memcpy(out + 1, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
    return n + 1 + sizeof(uint32_t);
}

static bool is_one_number(const struct er_numeric *numeric)
{
    struct er_decimal low, high;

    if (numeric->different || numeric->low.n == 0 || numeric->high.n == 0) {
        return false;
    }
    low = er_decimal_of(numeric->low);
    high = er_decimal_of(numeric->high);
    return er_decimal_compare(&low, &high) == 0;
}

static struct er_question question_of_numeric(uint32_t node, const struct er_numeric *numeric, char *scratch)
{
    struct er_question question;
    size_t n;

    if (is_one_number(numeric)) {
        return question_of_value(node, &(struct er_operand){ .type = ER_JSON_NUMBER, .text = numeric->low }, scratch);
    }
    n = bound_key(numeric->low, scratch);
    n += bound_key(numeric->high, scratch + n);
    scratch[n++] = (char)('0' + (numeric->low_included ? 1 : 0) + (numeric->high_included ? 2 : 0) + (numeric->different ? 4 : 0));
    question = ask(node, ER_OP_RANGE, ER_ACCEPTS_NUMBER, (struct er_str){ scratch, n });
    question.numeric = numeric;
    return question;
}

static struct er_question question_of_cidr(uint32_t node, const struct er_cidr *cidr, char *scratch)
{
    size_t bytes = cidr->network.v6 ? 16 : 4;

    memcpy(scratch, cidr->network.bytes, bytes);
    scratch[bytes] = (char)cidr->length;
    return ask(node, ER_OP_CIDR, ER_ACCEPTS_STRING, (struct er_str){ scratch, bytes + 1 });
}

static struct er_question question_of_folded(uint32_t node, enum er_test_op op, struct er_str text, char *scratch)
{
    struct er_str folded = { scratch, er_fold(text, scratch) };

    return ask(node, op != ER_OP_FOLD_EXACT && folded.n == 0 ? ER_OP_ANY : op, ER_ACCEPTS_STRING, folded);
}

static struct er_question question_of_affix(uint32_t node, enum er_test_op op, struct er_str text)
{
    return ask(node, text.n == 0 ? ER_OP_ANY : op, ER_ACCEPTS_STRING, text);
}

size_t er_question_room(enum er_operator op, const struct er_operand *operand)
{
    size_t n = 64 + er_fold_max(operand->text.n) + er_decimal_key_max(operand->text.n);

    if (op == ER_OPERATOR_NUMERIC) {
        n += er_decimal_key_max(operand->numeric.low.n) + er_decimal_key_max(operand->numeric.high.n);
    }
    return op == ER_OPERATOR_REGEX ? n + er_regex_text(operand->regex).n : n;
}

struct er_question er_question_of_operand(uint32_t node, enum er_operator op, const struct er_operand *operand, char *scratch)
{
    switch (op) {
    case ER_OPERATOR_PREFIX:
        return question_of_affix(node, ER_OP_PREFIX, operand->text);
    case ER_OPERATOR_SUFFIX:
        return question_of_affix(node, ER_OP_SUFFIX, operand->text);
    case ER_OPERATOR_EQUALS_IGNORE_CASE:
        return question_of_folded(node, ER_OP_FOLD_EXACT, operand->text, scratch);
    case ER_OPERATOR_PREFIX_IGNORE_CASE:
        return question_of_folded(node, ER_OP_FOLD_PREFIX, operand->text, scratch);
    case ER_OPERATOR_SUFFIX_IGNORE_CASE:
        return question_of_folded(node, ER_OP_FOLD_SUFFIX, operand->text, scratch);
    case ER_OPERATOR_WILDCARD:
        return question_of_wildcard(node, operand->text, scratch);
    case ER_OPERATOR_REGEX:
        return er_question_of_regex(node, operand->regex, ER_ACCEPTS_STRING, scratch);
    case ER_OPERATOR_NUMERIC:
        return question_of_numeric(node, &operand->numeric, scratch);
    case ER_OPERATOR_CIDR:
        return question_of_cidr(node, &operand->cidr, scratch);
    case ER_OPERATOR_EQUALS:
    case ER_OPERATOR_EXISTS:
    default:
        return question_of_value(node, operand, scratch);
    }
}
