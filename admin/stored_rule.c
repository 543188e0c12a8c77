#include "admin/stored_rule.h"

enum { MAX_EVENT_DEPTH = 1000 };

struct reading {
    struct er_arena *arena;
    struct er_rule *rule;
    enum er_code code;
    struct er_err *err;
};

/* What was accepted when it came is not asked for its limits again. */
static bool read_row(void *ctx, const struct er_store_subscription *row)
{
    struct reading *reading = ctx;
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .pointer = ER_STR("") };
    struct er_problems problems;
    struct er_json *document;
    struct er_str text = er_arena_dup(reading->arena, row->document);

    er_rule_limits_set_event_depth(&limits, MAX_EVENT_DEPTH);
    er_problems_init(&problems, reading->arena);
    reading->code = text.p == NULL ? ER_E_NOMEM : er_json_parse(reading->arena, text, limits.max_depth, &document, reading->err);
    if (reading->code == ER_OK) {
        source.document = document;
        reading->code = er_rule_read(&source, &limits, &reading->rule, &problems, NULL);
    }
    return false;
}

enum er_code er_stored_rule(struct er_store *store, struct er_str id, struct er_arena *arena, struct er_rule **out,
                            struct er_err *err)
{
    struct reading reading = { .arena = arena, .err = err };
    enum er_code code = er_store_get_subscription(store, id, read_row, &reading, err);

    *out = reading.rule;
    if (code != ER_OK) {
        return code;
    }
    if (reading.code == ER_E_NOMEM) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    return reading.code == ER_OK
               ? ER_OK
               : er_err_set(err, ER_E_STORE, "stored subscription %.*s cannot be used by this version", ER_STR_ARG(id));
}
