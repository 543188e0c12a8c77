/* A checked subscription rule: the result of reading one subscription document. */
#ifndef ER_RULES_LANGUAGE_RULE_H
#define ER_RULES_LANGUAGE_RULE_H

#include "rules/base/json.h"
#include "rules/base/json_write.h"
#include "rules/language/limits.h"
#include "rules/language/path.h"
#include "rules/language/pattern.h"
#include "rules/language/problem.h"
#include "rules/language/regex.h"

/* One entry of `regex`: the path's text as written, the parsed path, the compiled pattern. */
struct er_rule_regex {
    struct er_str path_text;
    struct er_path path;
    struct er_regex *regex; /* one reference held by the rule */
};

struct er_label {
    struct er_str key;
    struct er_str value;
};

/* Immutable, reference counted (atomic), shared between threads. All strings live as long as the rule. */
struct er_rule {
    struct er_str id;
    struct er_str subscriber;
    struct er_str description;
    bool has_description;
    bool enabled;
    bool has_types;             /* false: every event, also one without a type */
    const struct er_str *types; /* as written: exact, or a glob if it holds '*' */
    size_t n_types;
    const struct er_rule_regex *regexes; /* ANDed; sorted by path text */
    size_t n_regexes;
    const struct er_pattern *pattern; /* NULL: none */
    struct er_str pattern_text;       /* as compact JSON, in its own order */
    const struct er_label *labels;    /* sorted by key */
    size_t n_labels;
};

/* Limits of names: id [a-z0-9][a-z0-9._-]{0,99}; subscriber [A-Za-z0-9][A-Za-z0-9._-]{0,99}. */
bool er_rule_id_valid(struct er_str id);
bool er_subscriber_id_valid(struct er_str id);

/* Reads one document (a tree from er_json_parse). document_bytes is its size as sent (checked against the limit). pointer is put in
 * front of every pointer ("" or "/3" for the fourth of an array).
 * id and subscriber: required unless default_id / default_subscriber (n > 0) supply them; a missing id with no default gives a rule
 * whose id has n = 0 (the caller makes one).
 * All errors go to problems, oddities (server members, lint) to warnings (may be NULL). Members that the server adds (revision,
 * created_at, updated_at, status) are ignored with a warning.
 * Returns ER_OK and one reference in *out, or the code of the first problem (*out = NULL), or ER_E_NOMEM. */
struct er_rule_source {
    const struct er_json *document;
    size_t document_bytes;
    struct er_str pointer;
    struct er_str default_id;
    struct er_str default_subscriber;
    bool for_matching; /* pattern_text is left out: nobody will write this rule */
};
enum er_code er_rule_read(const struct er_rule_source *source, const struct er_rule_limits *limits, struct er_rule **out,
                          struct er_problems *problems, struct er_problems *warnings) ER_MUST_CHECK;

/* The same rule under another id (the server-made one). Returns one reference, or NULL without memory. */
struct er_rule *er_rule_with_id(const struct er_rule *rule, struct er_str id);

struct er_rule *er_rule_ref(struct er_rule *rule);
void er_rule_unref(struct er_rule *rule); /* NULL is fine */

/* Members of the canonical document (id, subscriber, description, types, regex, pattern, labels, enabled) inside an object that the
 * caller opens and closes, so that it can add its own. Canonical: fixed member order, `regex` and `labels` sorted by key, `pattern` in
 * the order and with the numbers as written (explain shows it so), absent parts left out, `enabled` always written. Two rules are the
 * same exactly if this text is the same. */
void er_rule_write_members(const struct er_rule *rule, struct er_json_writer *w);

/* Does one `types` entry accept a type? `*` stands for any run of characters; no escape. */
bool er_type_glob_match(struct er_str glob, struct er_str type);

#endif
