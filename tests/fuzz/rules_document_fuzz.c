/* Subscription documents: an accepted one has a canonical text that is accepted and stays the same. */
#include <stdint.h>
#include <stdlib.h>
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_rule *rule = read_rule(arena, (struct er_str){ (const char *)data, size });
    struct er_rule *named = rule == NULL ? NULL : er_rule_with_id(rule, rule->id.n > 0 ? rule->id : ER_STR("x"));
    struct er_buf once = { 0 }, twice = { 0 };

    if (named != NULL) {
        struct er_rule *again;

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
