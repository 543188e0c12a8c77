/* Triggers of Knative Eventing: spec.filter.attributes, spec.filters. Attributes of CloudEvents are top-level fields here. */
#include "admin/ctl_convert.h"

#include "rules/language/problem.h"

/* Writes one filter as an object of our pattern. False: nothing could be carried over. */
static bool write_filter(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct er_json_writer *w);

/* {"exact": {"type": "x"}}: every attribute must fit. op NULL: the value itself. */
static bool write_attributes(struct er_convert *convert, const struct er_json *attributes, struct er_str pointer, const char *op,
                             struct er_json_writer *w)
{
    bool any = false;

    er_jw_object(w);
    for (const struct er_json *attribute = attributes->first; attribute != NULL; attribute = attribute->next) {
        if (attribute->type != ER_JSON_STRING) {
            er_convert_note(convert, ER_CONVERT_LOST, er_pointer_push(convert->arena, pointer, attribute->key),
                            "an attribute is compared with a text, not with %s", er_json_type_name(attribute->type));
            continue;
        }
        any = true;
        er_jw_key(w, attribute->key);
        er_jw_array(w);
        if (op == NULL) {
            er_jw_string(w, attribute->text);
        } else {
            er_jw_object(w);
            er_jw_member_string(w, op, attribute->text);
            er_jw_end(w);
        }
        er_jw_end(w);
    }
    er_jw_end(w);
    return any;
}

/* [filter, ...] as "$and" or "$or"; those that cannot be carried over are left out. */
static bool write_list(struct er_convert *convert, const struct er_json *filters, struct er_str pointer, const char *key,
                       struct er_json_writer *w)
{
    struct er_buf parts = { 0 };
    struct er_str kept;
    size_t n = 0, index = 0;
    bool or = strcmp(key, "$or") == 0;

    for (const struct er_json *filter = filters->first; filter != NULL; filter = filter->next, index++) {
        struct er_buf part = { 0 };
        struct er_json_writer pw;

        er_jw_init(&pw, &part);
        if (write_filter(convert, filter, er_pointer_push_index(convert->arena, pointer, index), &pw)) {
            er_buf_add(&parts, n++ > 0 ? ER_STR(",") : ER_STR(""));
            er_buf_add(&parts, er_buf_str(&part));
        }
        convert->no_memory = convert->no_memory || part.failed;
        er_buf_free(&part);
    }
    kept = er_convert_keep(convert, &parts);
    if (n == 0 || kept.p == NULL) {
        er_jw_object(w);
        er_jw_end(w);
        return false;
    }
    er_jw_object(w);
    er_jw_key(w, or &&n > 1 ? ER_STR("$or") : ER_STR("$and"));
    er_jw_raw(w, er_arena_printf(convert->arena, "[%.*s]", ER_STR_ARG(kept)));
    er_jw_end(w);
    return true;
}

static bool write_not(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct er_json_writer *w)
{
    struct er_buf part = { 0 };
    struct er_json_writer pw;
    struct er_str kept;
    bool fine;

    er_jw_init(&pw, &part);
    fine = write_filter(convert, filter, pointer, &pw);
    kept = er_convert_keep(convert, &part);
    er_jw_object(w);
    if (fine && kept.p != NULL) {
        er_jw_key(w, ER_STR("$not"));
        er_jw_raw(w, kept);
    }
    er_jw_end(w);
    return fine && kept.p != NULL;
}

static bool write_dialect(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct er_json_writer *w)
{
    static const struct {
        const char *name, *op;
    } attributes[] = { { "exact", NULL }, { "prefix", "prefix" }, { "suffix", "suffix" } };

    pointer = er_pointer_push(convert->arena, pointer, filter->key);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (er_str_eq(filter->key, er_str_of(attributes[i].name)) && filter->type == ER_JSON_OBJECT) {
            return write_attributes(convert, filter, pointer, attributes[i].op, w);
        }
    }
    if (er_str_eq(filter->key, ER_STR("all")) && filter->type == ER_JSON_ARRAY) {
        return write_list(convert, filter, pointer, "$and", w);
    }
    if (er_str_eq(filter->key, ER_STR("any")) && filter->type == ER_JSON_ARRAY) {
        return write_list(convert, filter, pointer, "$or", w);
    }
    if (er_str_eq(filter->key, ER_STR("not")) && filter->type == ER_JSON_OBJECT) {
        return write_not(convert, filter, pointer, w);
    }
    if (er_str_eq(filter->key, ER_STR("cesql")) || er_str_eq(filter->key, ER_STR("sql"))) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer,
                        "CloudEvents SQL is not carried over: say the same with types, regex or pattern");
    } else {
        er_convert_note(convert, ER_CONVERT_LOST, pointer, "unknown filter \"%.*s\"", ER_STR_ARG(filter->key));
    }
    er_jw_object(w);
    er_jw_end(w);
    return false;
}

static bool write_filter(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct er_json_writer *w)
{
    if (filter->type != ER_JSON_OBJECT || filter->n != 1) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer, "a filter is an object with one dialect");
        er_jw_object(w);
        er_jw_end(w);
        return false;
    }
    return write_dialect(convert, filter->first, pointer, w);
}

/* ---- spec */

/* An empty text stands for any value. */
static void read_attributes(struct er_convert *convert, const struct er_json *attributes, struct er_convert_rule *rule)
{
    struct er_buf types = { 0 }, pattern = { 0 };
    struct er_json_writer tw, pw;
    size_t n = 0;

    er_jw_init(&tw, &types);
    er_jw_init(&pw, &pattern);
    er_jw_object(&pw);
    for (const struct er_json *attribute = attributes->first; attribute != NULL; attribute = attribute->next) {
        struct er_str text = attribute->text;

        if (attribute->type != ER_JSON_STRING) {
            er_convert_note(convert, ER_CONVERT_LOST,
                            er_pointer_push(convert->arena, ER_STR("/spec/filter/attributes"), attribute->key),
                            "an attribute is compared with a text, not with %s", er_json_type_name(attribute->type));
        } else if (text.n > 0 && er_str_eq(attribute->key, ER_STR("type")) && memchr(text.p, '*', text.n) == NULL) {
            er_jw_array(&tw);
            er_jw_string(&tw, text);
            er_jw_end(&tw);
        } else {
            n++;
            er_jw_key(&pw, attribute->key);
            er_jw_array(&pw);
            if (text.n > 0) {
                er_jw_string(&pw, text);
            } else {
                er_jw_object(&pw);
                er_jw_member_bool(&pw, "exists", true);
                er_jw_end(&pw);
            }
            er_jw_end(&pw);
        }
    }
    er_jw_end(&pw);
    rule->types = er_convert_keep(convert, &types);
    rule->pattern = er_convert_keep(convert, &pattern);
    rule->pattern.n = n > 0 ? rule->pattern.n : 0;
}

static void read_filters(struct er_convert *convert, const struct er_json *filters, struct er_convert_rule *rule)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;
    bool fine;

    er_jw_init(&w, &text);
    fine = write_list(convert, filters, ER_STR("/spec/filters"), "$and", &w);
    rule->pattern = er_convert_keep(convert, &text);
    rule->pattern.n = fine ? rule->pattern.n : 0;
}

static void read_spec(struct er_convert *convert, const struct er_json *spec, struct er_convert_rule *rule)
{
    const struct er_json *filters = er_json_member(spec, ER_STR("filters"));
    const struct er_json *attributes = er_json_member(er_json_member(spec, ER_STR("filter")), ER_STR("attributes"));
    const struct er_json *subscriber = er_json_member(spec, ER_STR("subscriber"));
    struct er_str name = er_convert_text(er_json_member(subscriber, ER_STR("ref")), "name");

    rule->subscriber = name.p != NULL ? name : ER_STR("");
    if (er_convert_text(subscriber, "uri").p != NULL) {
        er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR("/spec/subscriber/uri"),
                        "events are not sent to an address: the subscriber reads its own topic");
    }
    if (er_json_member(spec, ER_STR("delivery")) != NULL) {
        er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR("/spec/delivery"),
                        "retries and dead letters are settings of the router, not of a rule");
    }
    if (filters != NULL && filters->type == ER_JSON_ARRAY && filters->n > 0) { /* they supersede filter */
        read_filters(convert, filters, rule);
    } else if (attributes != NULL) {
        read_attributes(convert, attributes, rule);
    }
}

static void convert_trigger(struct er_convert *convert, const struct er_json *value, const char *place)
{
    struct er_convert_rule rule = { .disabled = false };
    struct er_str kind = er_convert_text(value, "kind");
    struct er_str name = er_convert_text(er_json_member(value, ER_STR("metadata")), "name");

    er_convert_begin(convert, place, name.p == NULL ? ER_STR("") : name);
    if (!er_str_eq(kind, ER_STR("Trigger"))) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR("/kind"), "only triggers are rules, this is \"%.*s\"", ER_STR_ARG(kind));
        return;
    }
    read_spec(convert, er_json_member(value, ER_STR("spec")), &rule);
    er_convert_end(convert, &rule);
}

void er_convert_knative(struct er_convert *convert, const struct er_json *value, const char *place)
{
    const struct er_json *items = er_json_member(value, ER_STR("items"));

    if (items == NULL || items->type != ER_JSON_ARRAY) {
        if (value->type != ER_JSON_NULL) { /* an empty YAML document */
            convert_trigger(convert, value, place);
        }
        return;
    }
    for (const struct er_json *item = items->first; item != NULL; item = item->next) {
        convert_trigger(convert, item, place);
    }
}
