/* Subscription documents: an accepted one has a canonical text that is accepted and stays the same, and what a pattern's entry asks for
 * is accepted by it. */
#include <stdint.h>
#include <stdlib.h>
#include "rules/language/operator.h"
#include "rules/language/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct er_rule *read_rule(struct er_arena *arena, struct er_str text)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document_bytes = text.n };
    struct er_problems problems, warnings;
    struct er_json *document;
    struct er_rule *rule = NULL;
    enum er_code code;

    if (er_json_parse(arena, text, limits.max_depth, &document, NULL) != ER_OK) {
        return NULL;
    }
    source.document = document;
    er_problems_init(&problems, arena);
    er_problems_init(&warnings, arena);
    code = er_rule_read(&source, &limits, &rule, &problems, &warnings);
    if ((code == ER_OK) != (rule != NULL) || (code == ER_OK) != (problems.total == 0)) {
        abort();
    }
    return rule;
}

static void write_rule(struct er_buf *buf, const struct er_rule *rule)
{
    struct er_json_writer w;

    er_jw_init(&w, buf);
    er_jw_object(&w);
    er_rule_write_members(rule, &w);
    er_jw_end(&w);
}

/* The value that an operand names; a bound of a range. */
static struct er_value value_of(const struct er_entry *entry, const struct er_operand *operand)
{
    if (entry->op == ER_OPERATOR_NUMERIC) {
        return (struct er_value){ ER_JSON_NUMBER, operand->numeric.low.n > 0 ? operand->numeric.low : operand->numeric.high };
    }
    return (struct er_value){ operand->type, operand->text };
}

/* Does an operand accept that value? ER_UNDECIDED: that depends. */
static enum er_truth accepts_itself(const struct er_entry *entry, const struct er_operand *operand)
{
    const struct er_numeric *numeric = &operand->numeric;

    switch (entry->op) {
    case ER_OPERATOR_EQUALS:
    case ER_OPERATOR_PREFIX:
    case ER_OPERATOR_SUFFIX:
    case ER_OPERATOR_EQUALS_IGNORE_CASE:
    case ER_OPERATOR_PREFIX_IGNORE_CASE:
    case ER_OPERATOR_SUFFIX_IGNORE_CASE:
        return ER_TRUE;
    case ER_OPERATOR_WILDCARD: /* with its stars as characters, unless it has escapes */
        return operand->text.n > 0 && memchr(operand->text.p, '\\', operand->text.n) != NULL ? ER_UNDECIDED : ER_TRUE;
    case ER_OPERATOR_CIDR:
        return ER_FALSE; /* a block is no address */
    case ER_OPERATOR_NUMERIC:
        return !numeric->different && (numeric->low.n > 0 ? numeric->low_included : numeric->high_included) ? ER_TRUE : ER_FALSE;
    case ER_OPERATOR_REGEX:
    case ER_OPERATOR_EXISTS:
        break;
    }
    return ER_UNDECIDED;
}

static void check_entry(const struct er_entry *entry, struct er_regex_scratch *scratch)
{
    const struct er_value object = { .type = ER_JSON_OBJECT };
    enum er_truth holds = er_entry_accepts(entry, &object, scratch);

    if (holds != (entry->but || entry->exists ? ER_TRUE : ER_FALSE) ||
        (er_entry_accepts(entry, NULL, scratch) == ER_TRUE) != (entry->op == ER_OPERATOR_EXISTS && !entry->exists)) {
        abort();
    }
    for (size_t i = 0; i < entry->n; i++) {
        const struct er_value value = value_of(entry, &entry->operands[i]);
        enum er_truth expected = accepts_itself(entry, &entry->operands[i]);

        holds = er_operand_accepts(entry->op, &entry->operands[i], &value, scratch);
        if (expected != ER_UNDECIDED && holds != expected) {
            abort();
        }
        if (holds == ER_TRUE && er_entry_accepts(entry, &value, scratch) != (entry->but ? ER_FALSE : ER_TRUE)) {
            abort();
        }
    }
}

static void check_pattern(const struct er_pattern *node, struct er_arena *arena, struct er_regex_scratch *scratch)
{
    struct er_str pointer = er_pattern_pointer(node, arena);

    if (pointer.n < 8 || memcmp(pointer.p, "/pattern", 8) != 0 || (node->kind == ER_PATTERN_LEAF) != (node->n_entries > 0) ||
        (node->kind == ER_PATTERN_LEAF) != (node->n_children == 0)) {
        abort();
    }
    for (size_t i = 0; i < node->n_entries; i++) {
        check_entry(&node->entries[i], scratch);
    }
    for (size_t i = 0; i < node->n_children; i++) {
        check_pattern(&node->children[i], arena, scratch);
    }
}

static void check_tree(const struct er_rule *rule, struct er_arena *arena)
{
    struct er_regex_limits limits = er_regex_default_limits();
    struct er_regex_scratch *scratch = er_regex_scratch_new(&limits);

    if (scratch == NULL) {
        abort();
    }
    if (rule->pattern != NULL) {
        check_pattern(rule->pattern, arena, scratch);
    }
    er_regex_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_rule *rule = read_rule(arena, (struct er_str){ (const char *)data, size });
    struct er_rule *named = rule == NULL ? NULL : er_rule_with_id(rule, rule->id.n > 0 ? rule->id : ER_STR("x"));
    struct er_buf once = { 0 }, twice = { 0 };

    if (named != NULL) {
        struct er_rule *again;

        check_tree(named, arena);
        write_rule(&once, named);
        again = read_rule(arena, er_buf_str(&once));
        /* Canonical text may be longer than what was sent, so it may go over the limit of the document. */
        if (again == NULL && once.n <= 65536) {
            abort();
        }
        if (again != NULL) {
            write_rule(&twice, again);
        }
        if (again != NULL && !er_str_eq(er_buf_str(&once), er_buf_str(&twice))) {
            abort();
        }
        er_rule_unref(again);
    }
    er_rule_unref(named);
    er_rule_unref(rule);
    er_buf_free(&once);
    er_buf_free(&twice);
    er_arena_free(arena);
    return 0;
}
