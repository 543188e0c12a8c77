#include "admin/ctl_convert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "rules/base/utf8.h"
#include "rules/language/rule.h"

enum { ID_BYTES = 90 /* so that a number fits behind it */ };

struct er_str er_convert_text(const struct er_json *object, const char *member)
{
    const struct er_json *value = er_json_member(object, er_str_of(member));

    return value != NULL && value->type == ER_JSON_STRING ? value->text : (struct er_str){ NULL, 0 };
}

struct er_str er_convert_keep(struct er_convert *convert, struct er_buf *text)
{
    struct er_str kept = text->failed ? (struct er_str){ NULL, 0 } : er_arena_dup(convert->arena, er_buf_str(text));

    convert->no_memory = convert->no_memory || kept.p == NULL;
    er_buf_free(text);
    return kept;
}

/* ---- report */

void er_convert_begin(struct er_convert *convert, const char *place, struct er_str name)
{
    convert->place = place;
    convert->name = name;
    convert->lost_here = false;
}

static void report_json(struct er_convert *convert, enum er_convert_kind kind, struct er_str pointer, struct er_str reason)
{
    struct er_json_writer w;

    er_jw_init(&w, &convert->report);
    er_jw_object(&w);
    er_jw_member_string(&w, "place", er_str_of(convert->place));
    er_jw_member_string(&w, "rule", convert->name);
    er_jw_member_string(&w, "kind", kind == ER_CONVERT_LOST ? ER_STR("lost") : ER_STR("differs"));
    er_jw_member_string(&w, "pointer", pointer);
    er_jw_member_string(&w, "reason", reason);
    er_jw_end(&w);
    er_buf_addc(&convert->report, '\n');
}

void er_convert_note(struct er_convert *convert, enum er_convert_kind kind, struct er_str pointer, const char *format, ...)
{
    char reason[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    convert->notes++;
    convert->lost += kind == ER_CONVERT_LOST;
    convert->lost_here = convert->lost_here || kind == ER_CONVERT_LOST;
    if (convert->json_report) {
        report_json(convert, kind, pointer, er_str_of(reason));
    } else {
        er_buf_printf(&convert->report, "%s: %s: %.*s: %.*s%s%s\n", kind == ER_CONVERT_LOST ? "lost" : "differs", convert->place,
                      ER_STR_ARG(er_utf8_cut(convert->name, 200)), ER_STR_ARG(pointer), pointer.n > 0 ? ": " : "", reason);
    }
}

/* ---- names */

/* Letters, digits, dots, dashes and underscores of a name; the rest becomes a dash. */
static struct er_str make_name(struct er_convert *convert, struct er_str name, bool lower)
{
    char *out = er_arena_alloc(convert->arena, ID_BYTES + 1);
    size_t n = 0;

    for (size_t i = 0; out != NULL && i < name.n && n < ID_BYTES; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        bool plain = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (plain) {
            out[n++] = upper && lower ? (char)(c - 'A' + 'a') : c;
        } else if (n > 0 && (c == '.' || c == '_' || out[n - 1] != '-')) {
            out[n++] = c == '.' || c == '_' ? c : '-';
        }
    }
    while (n > 0 && out[n - 1] == '-') {
        n--;
    }
    convert->no_memory = convert->no_memory || out == NULL;
    return out == NULL || n == 0 ? ER_STR("rule") : (struct er_str){ out, n };
}

static bool is_taken(const struct er_convert *convert, struct er_str id)
{
    for (size_t i = 0; i < convert->n_ids; i++) {
        if (er_str_eq(convert->ids[i], id)) {
            return true;
        }
    }
    return false;
}

static struct er_str make_id(struct er_convert *convert)
{
    struct er_str base = make_name(convert, convert->name, true), id = base;

    for (size_t i = 2; is_taken(convert, id); i++) {
        id = er_arena_printf(convert->arena, "%.*s-%zu", ER_STR_ARG(base), i);
    }
    if (convert->n_ids == convert->ids_capacity) {
        size_t capacity = convert->ids_capacity == 0 ? 64 : convert->ids_capacity * 2;
        struct er_str *ids = realloc(convert->ids, capacity * sizeof *ids);

        if (ids == NULL) {
            convert->no_memory = true;
            return id;
        }
        convert->ids = ids;
        convert->ids_capacity = capacity;
    }
    convert->ids[convert->n_ids++] = id;
    return id;
}

/* ---- documents */

static void add_part(struct er_json_writer *w, const char *key, struct er_str json)
{
    if (json.n > 0) {
        er_jw_key(w, er_str_of(key));
        er_jw_raw(w, json);
    }
}

static struct er_str write_document(struct er_convert *convert, const struct er_convert_rule *rule, struct er_str id)
{
    struct er_str subscriber = convert->subscriber != NULL ? er_str_of(convert->subscriber)
                               : rule->subscriber.n > 0    ? rule->subscriber
                                                           : id;
    struct er_buf text = { 0 };
    struct er_json_writer w;

    er_jw_init(&w, &text);
    er_jw_object(&w);
    er_jw_member_string(&w, "id", id);
    er_jw_member_string(&w, "subscriber", make_name(convert, subscriber, false));
    if (rule->description.n > 0) {
        er_jw_member_string(&w, "description", rule->description);
    }
    add_part(&w, "types", rule->types);
    add_part(&w, "regex", rule->regex);
    add_part(&w, "pattern", rule->pattern);
    if (rule->disabled || convert->lost_here) {
        er_jw_member_bool(&w, "enabled", false);
    }
    er_jw_end(&w);
    return er_convert_keep(convert, &text);
}

/* Reads what was written; what our language refuses could not be carried over. */
static bool read_back(struct er_convert *convert, struct er_str text)
{
    const struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document_bytes = text.n, .pointer = ER_STR("") };
    struct er_problems problems;
    struct er_json *document;
    struct er_rule *rule = NULL;
    struct er_err err;
    enum er_code code = er_json_parse(convert->arena, text, limits.max_depth, &document, &err);

    er_problems_init(&problems, convert->arena);
    if (code != ER_OK) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR(""), "%s", err.text);
        return false;
    }
    source.document = document;
    code = er_rule_read(&source, &limits, &rule, &problems, NULL);
    for (const struct er_problem *p = problems.first; p != NULL; p = p->next) {
        er_convert_note(convert, ER_CONVERT_LOST, p->pointer, "%.*s%s%.*s", ER_STR_ARG(p->detail), p->hint.n > 0 ? "; " : "",
                        ER_STR_ARG(p->hint));
    }
    er_rule_unref(rule);
    convert->no_memory = convert->no_memory || code == ER_E_NOMEM;
    return code == ER_OK;
}

void er_convert_end(struct er_convert *convert, const struct er_convert_rule *rule)
{
    struct er_str id = make_id(convert);
    struct er_str text = write_document(convert, rule, id);

    if (convert->no_memory || !read_back(convert, text)) {
        return;
    }
    if (convert->lost_here) {
        er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR(""),
                        "without what was lost it would accept too much, so it is disabled: %.*s", ER_STR_ARG(id));
    }
    er_buf_add(&convert->documents, text);
    er_buf_addc(&convert->documents, '\n');
    convert->n++;
}
