#include "rules/language/lint.h"

#include "rules/base/utf8.h"
#include "rules/language/lint_impl.h"

struct lint {
    const struct er_rule *rule;
    const struct er_lint_seen *seen;
    struct er_str pointer;
    struct er_problems *out;
    struct er_arena *arena; /* of the problems */
};

static struct er_str place(const struct lint *lint, struct er_str rest)
{
    struct er_str pointer = er_arena_printf(lint->arena, "%.*s%.*s", ER_STR_ARG(lint->pointer), ER_STR_ARG(rest));

    return pointer.p == NULL ? lint->pointer : pointer;
}

static struct er_str place_of(const struct lint *lint, const struct er_pattern *node)
{
    struct er_str pointer = er_pattern_pointer(node, lint->arena);

    return place(lint, pointer.p == NULL ? ER_STR("/pattern") : pointer);
}

/* ---- types ---- */

static void check_types(const struct lint *lint)
{
    for (size_t i = 0; i < lint->rule->n_types && lint->seen != NULL; i++) {
        struct er_str entry = lint->rule->types[i];

        if (!er_lint_type_seen(lint->seen, entry)) {
            er_problems_add(lint->out, ER_E_LINT_TYPE_UNSEEN, er_pointer_push_index(lint->arena, place(lint, ER_STR("/types")), i),
                            ER_NO_OFFSET, "compare it with the types that services publish",
                            "none of the events has a type that \"%.*s\" accepts", ER_STR_ARG(er_utf8_cut(entry, 120)));
        }
    }
}

/* ---- fields ---- */

static void check_path(const struct lint *lint, struct er_str path, struct er_str pointer)
{
    if (path.p != NULL && !er_lint_path_seen(lint->seen, path)) {
        er_problems_add(lint->out, ER_E_LINT_FIELD_UNSEEN, pointer, ER_NO_OFFSET,
                        "compare it with the fields that services publish", "none of the events has the field %.*s",
                        ER_STR_ARG(er_utf8_cut(path, 120)));
    }
}

static void check_regex(const struct lint *lint, const struct er_rule_regex *entry)
{
    struct er_str pointer = er_pointer_push(lint->arena, place(lint, ER_STR("/regex")), entry->path_text);
    struct er_str path = ER_STR("");

    er_lint_regex(entry->regex, false, pointer, lint->out);
    for (size_t i = 0; i < entry->path.n; i++) {
        path = er_pointer_push(lint->arena, path, entry->path.keys[i]);
    }
    if (lint->seen != NULL && entry->path.root == ER_PATH_EVENT) {
        check_path(lint, path, pointer);
    }
}

static struct er_str path_of(const struct lint *lint, const struct er_pattern *node)
{
    struct er_str up = node->parent == NULL ? ER_STR("") : path_of(lint, node->parent);
    bool key = node->kind == ER_PATTERN_WITHIN || node->kind == ER_PATTERN_LEAF;

    return key && up.p != NULL ? er_pointer_push(lint->arena, up, node->key) : up;
}

static void check_operand(const struct lint *lint, const struct er_entry *entry, const struct er_operand *operand,
                          struct er_str pointer)
{
    struct er_cidr cidr;
    bool host_bits = false;

    switch (entry->op) {
    case ER_OPERATOR_PREFIX:
    case ER_OPERATOR_SUFFIX:
    case ER_OPERATOR_PREFIX_IGNORE_CASE:
    case ER_OPERATOR_SUFFIX_IGNORE_CASE:
        if (operand->text.n == 0) {
            er_problems_add(lint->out, ER_E_LINT_ALWAYS, pointer, ER_NO_OFFSET,
                            "to ask whether the field is there, write {\"exists\": true}", "every string has the empty %s",
                            entry->op == ER_OPERATOR_PREFIX || entry->op == ER_OPERATOR_PREFIX_IGNORE_CASE ? "prefix" : "suffix");
        }
        break;
    case ER_OPERATOR_CIDR:
        if (er_cidr_parse(operand->text, &cidr, &host_bits) && host_bits) {
            er_problems_add(lint->out, ER_E_LINT_HOST_BITS, pointer, ER_NO_OFFSET, "clear them, or use /32 or /128 for one address",
                            "the bits after the length are ignored in %.*s", ER_STR_ARG(operand->text));
        }
        break;
    case ER_OPERATOR_REGEX:
        er_lint_regex(operand->regex, true, pointer, lint->out);
        break;
    case ER_OPERATOR_EQUALS:
    case ER_OPERATOR_EQUALS_IGNORE_CASE:
    case ER_OPERATOR_WILDCARD:
    case ER_OPERATOR_NUMERIC:
    case ER_OPERATOR_EXISTS:
        break;
    }
}

static bool wants_absence(const struct er_pattern *leaf)
{
    for (size_t i = 0; i < leaf->n_entries; i++) {
        if (leaf->entries[i].op == ER_OPERATOR_EXISTS && !leaf->entries[i].exists) {
            return true;
        }
    }
    return false;
}

static void check_leaf(const struct lint *lint, const struct er_pattern *leaf)
{
    struct er_str pointer = place_of(lint, leaf);

    for (size_t i = 0; i < leaf->n_entries; i++) {
        for (size_t k = 0; k < leaf->entries[i].n; k++) {
            check_operand(lint, &leaf->entries[i], &leaf->entries[i].operands[k], pointer);
        }
    }
    if (lint->seen != NULL && leaf->root == ER_PATH_EVENT && !wants_absence(leaf)) {
        check_path(lint, path_of(lint, leaf), pointer);
    }
}

static void check_leaves(const struct lint *lint, const struct er_pattern *node)
{
    if (node->kind == ER_PATTERN_LEAF) {
        check_leaf(lint, node);
    }
    for (size_t i = 0; i < node->n_children; i++) {
        check_leaves(lint, &node->children[i]);
    }
}

/* ---- always and never ---- */

/* Says it at the topmost node that does not depend on the event. */
static void check_fixed(const struct lint *lint, const struct er_pattern *node)
{
    enum er_truth fixed = er_lint_fixed(lint->arena, node);
    bool root = node->parent == NULL;

    if (fixed == ER_FALSE) {
        er_problems_add(lint->out, ER_E_LINT_NEVER, place_of(lint, node), ER_NO_OFFSET,
                        "two of its conditions exclude each other, or one is the $not of another: take one away",
                        root ? "no event fits the pattern: the rule never matches" : "this part of the pattern never holds");
        return;
    }
    if (fixed == ER_TRUE) {
        er_problems_add(lint->out, ER_E_LINT_EVERY_EVENT, place_of(lint, node), ER_NO_OFFSET, "leave it out",
                        root ? "every event fits the pattern" : "this part of the pattern always holds");
        return;
    }
    for (size_t i = 0; i < node->n_children; i++) {
        check_fixed(lint, &node->children[i]);
    }
}

void er_lint_rule(const struct er_rule *rule, const struct er_lint_seen *seen, struct er_str pointer, struct er_problems *out)
{
    const struct lint lint = { rule, seen, pointer, out, out->arena };

    if (!rule->has_types && rule->n_regexes == 0 && rule->pattern == NULL) {
        er_problems_add(out, ER_E_LINT_EVERY_EVENT, pointer, ER_NO_OFFSET, "if that is not meant, add types, regex or pattern",
                        "the rule has no condition: it accepts every event");
    }
    check_types(&lint);
    for (size_t i = 0; i < rule->n_regexes; i++) {
        check_regex(&lint, &rule->regexes[i]);
    }
    if (rule->pattern != NULL) {
        check_fixed(&lint, rule->pattern);
        check_leaves(&lint, rule->pattern);
    }
}

void er_lint_unindexed(const struct er_rule *rule, struct er_str pointer, struct er_problems *out)
{
    (void)rule;
    er_problems_add(out, ER_E_LINT_UNINDEXED, pointer, ER_NO_OFFSET,
                    "add types, a plain value, a prefix or suffix, or text that every match of a regex contains",
                    "no index can serve the rule: it is tried on every event, and a router accepts only so many of them "
                    "(limits.unindexed_rules)");
}

void er_lint_pair_problem(enum er_code code, const struct er_rule *other, struct er_str pointer, struct er_problems *out)
{
    if (code == ER_E_LINT_SAME) {
        er_problems_add(out, code, pointer, ER_NO_OFFSET,
                        "a subscriber gets an event once however many of its rules match: remove one",
                        "the rule asks the same as \"%.*s\"", ER_STR_ARG(other->id));
    } else {
        er_problems_add(out, code, pointer, ER_NO_OFFSET,
                        "a subscriber gets an event once however many of its rules match: remove this one, or narrow the other",
                        "\"%.*s\" accepts every event that this rule accepts", ER_STR_ARG(other->id));
    }
}
