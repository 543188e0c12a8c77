/* Subscriptions of Hermes: filters of JSONPath or header and a regex, which must match all of the text there. */
#include "admin/ctl_convert.h"

#include "rules/language/problem.h"

/* The regexes of one path, joined to one. */
struct field {
    struct er_str path;
    struct er_str text; /* "(?:...)" */
    bool numbered;      /* refers to its groups by number */
    struct field *next;
};

/* A key as our paths have it. */
static void add_key(struct er_buf *path, struct er_str key)
{
    bool bare = key.n > 0 && memchr(key.p, '.', key.n) == NULL && memchr(key.p, '"', key.n) == NULL &&
                !(path->n == 0 && (key.p[0] == '$' || key.p[0] == '/'));
    struct er_json_writer w;

    if (path->n > 0) {
        er_buf_addc(path, '.');
    }
    if (bare) {
        er_buf_add(path, key);
    } else {
        er_jw_init(&w, path);
        er_jw_string(&w, key);
    }
}

/* ---- JSONPath */

static bool is_name(char c)
{
    return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

/* ['key'] or [*] at i; returns what follows, 0: something else. */
static size_t read_bracket(struct er_str text, size_t i, struct er_buf *path, bool *many)
{
    char quote = i + 1 < text.n ? text.p[i + 1] : '\0';
    const char *end;

    if (i + 2 < text.n && quote == '*' && text.p[i + 2] == ']') {
        *many = true;
        return i + 3;
    }
    if (quote != '\'' && quote != '"') {
        return 0;
    }
    end = memchr(text.p + i + 2, quote, text.n - i - 2);
    if (end == NULL || end + 1 == text.p + text.n || end[1] != ']' ||
        memchr(text.p + i + 2, '\\', (size_t)(end - text.p) - i - 2) != NULL) {
        return 0;
    }
    add_key(path, (struct er_str){ text.p + i + 2, (size_t)(end - text.p) - i - 2 });
    return (size_t)(end - text.p) + 2;
}

/* `$.a.b`, `$['a'].b`, `$.items[*].sku`. *many: it may lead to several values. False: more than our paths can say. */
static bool read_jsonpath(struct er_str text, struct er_buf *path, bool *many)
{
    size_t i = 1;

    *many = false;
    if (text.n < 2 || text.p[0] != '$') {
        return false;
    }
    while (i < text.n) {
        if (text.p[i] == '[') {
            i = read_bracket(text, i, path, many);
            if (i == 0) {
                return false;
            }
        } else {
            size_t start = i + 1;

            for (i = start; i < text.n && is_name(text.p[i]); i++) {
            }
            if (text.p[start - 1] != '.' || i == start) {
                return false;
            }
            add_key(path, (struct er_str){ text.p + start, i - start });
        }
    }
    return path->n > 0;
}

/* ---- filters */

static bool is_numbered(struct er_str regex)
{
    for (size_t i = 0; i + 1 < regex.n; i++) {
        if (regex.p[i] == '\\' && regex.p[++i] >= '1' && regex.p[i] <= '9') {
            return true;
        }
    }
    return false;
}

/* Several regexes of one field look ahead one after the other. */
static void add_regex(struct er_convert *convert, struct field **fields, struct er_str path, struct er_str regex,
                      struct er_str pointer)
{
    struct field *field = *fields;
    bool numbered = is_numbered(regex);

    while (field != NULL && !er_str_eq(field->path, path)) {
        field = field->next;
    }
    if (field == NULL) {
        field = er_arena_calloc(convert->arena, 1, sizeof *field);
        if (field == NULL) {
            convert->no_memory = true;
            return;
        }
        *field = (struct field){ path, er_arena_printf(convert->arena, "(?:%.*s)", ER_STR_ARG(regex)), numbered, *fields };
        *fields = field;
        return;
    }
    if (numbered) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer, "a second regex on one field cannot refer to its groups by number");
        return;
    }
    field->text = er_arena_printf(convert->arena, "(?=(?:%.*s)$)%.*s", ER_STR_ARG(regex), ER_STR_ARG(field->text));
    if (field->numbered) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer,
                        "the first regex on this field refers to its groups by number, so a second one does not fit");
    }
}

static void read_json_filter(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct field **fields)
{
    struct er_str text = er_convert_text(filter, "path"), strategy = er_convert_text(filter, "matchingStrategy");
    struct er_buf path = { 0 };
    struct er_str kept;
    bool many = false;

    if (text.p == NULL || !read_jsonpath(text, &path, &many)) {
        er_convert_note(convert, ER_CONVERT_LOST, er_pointer_push(convert->arena, pointer, ER_STR("path")),
                        "the path %.*s is more than keys and [*]", ER_STR_ARG(text));
        er_buf_free(&path);
        return;
    }
    kept = er_convert_keep(convert, &path);
    if (many && !er_str_eq(strategy, ER_STR("any")) && !er_str_eq(strategy, ER_STR("ANY"))) {
        er_convert_note(convert, ER_CONVERT_LOST, er_pointer_push(convert->arena, pointer, ER_STR("matchingStrategy")),
                        "all values of %.*s must match; here one of them is enough", ER_STR_ARG(text));
        return;
    }
    add_regex(convert, fields, kept, er_convert_text(filter, "matcher"), pointer);
}

static void read_header_filter(struct er_convert *convert, const struct er_json *filter, struct er_str pointer,
                               struct field **fields)
{
    struct er_str header = er_convert_text(filter, "header");
    struct er_buf path = { 0 };

    if (header.n == 0) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer, "the filter names no header");
        return;
    }
    er_buf_add(&path, ER_STR("$kafka.headers"));
    add_key(&path, header);
    add_regex(convert, fields, er_convert_keep(convert, &path), er_convert_text(filter, "matcher"), pointer);
}

static void read_filter(struct er_convert *convert, const struct er_json *filter, struct er_str pointer, struct field **fields)
{
    struct er_str type = er_convert_text(filter, "type");

    if (er_convert_text(filter, "matcher").p == NULL) {
        er_convert_note(convert, ER_CONVERT_LOST, pointer, "the filter has no matcher");
    } else if (er_str_eq(type, ER_STR("jsonpath"))) {
        read_json_filter(convert, filter, pointer, fields);
    } else if (er_str_eq(type, ER_STR("header"))) {
        read_header_filter(convert, filter, pointer, fields);
    } else {
        er_convert_note(convert, ER_CONVERT_LOST, er_pointer_push(convert->arena, pointer, ER_STR("type")),
                        "filters of type \"%.*s\" are not carried over", ER_STR_ARG(type));
    }
}

static struct er_str write_regexes(struct er_convert *convert, const struct field *fields)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;

    if (fields == NULL) {
        return ER_STR("");
    }
    er_jw_init(&w, &text);
    er_jw_object(&w);
    for (; fields != NULL; fields = fields->next) {
        er_jw_key(&w, fields->path);
        er_jw_string(&w, er_arena_printf(convert->arena, "^%.*s$", ER_STR_ARG(fields->text)));
    }
    er_jw_end(&w);
    return er_convert_keep(convert, &text);
}

/* ---- subscriptions */

static struct er_str write_topic(struct er_convert *convert, struct er_str topic)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;

    er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR("/topicName"),
                    "the rule asks for the source topic %.*s, which source.topics must have", ER_STR_ARG(topic));
    er_jw_init(&w, &text);
    er_jw_object(&w);
    er_jw_key(&w, ER_STR("$kafka"));
    er_jw_object(&w);
    er_jw_key(&w, ER_STR("topic"));
    er_jw_array(&w);
    er_jw_string(&w, topic);
    er_jw_end(&w);
    er_jw_end(&w);
    er_jw_end(&w);
    return er_convert_keep(convert, &text);
}

static void convert_subscription(struct er_convert *convert, const struct er_json *value, const char *place)
{
    const struct er_json *filters = er_json_member(value, ER_STR("filters"));
    struct er_str name = er_convert_text(value, "name"), topic = er_convert_text(value, "topicName");
    struct er_convert_rule rule = { .description = er_convert_text(value, "description"), .subscriber = name };
    struct er_str state = er_convert_text(value, "state");
    struct field *fields = NULL;
    size_t index = 0;

    er_convert_begin(convert, place, name.p == NULL ? ER_STR("") : name);
    if (value->type != ER_JSON_OBJECT || name.p == NULL) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR("/name"), "a subscription has a name");
        return;
    }
    for (const struct er_json *filter = filters == NULL ? NULL : filters->first; filter != NULL; filter = filter->next, index++) {
        read_filter(convert, filter, er_pointer_push_index(convert->arena, ER_STR("/filters"), index), &fields);
    }
    if (er_json_member(value, ER_STR("endpoint")) != NULL) {
        er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR("/endpoint"),
                        "events are not sent to an address: the subscriber reads its own topic");
    }
    rule.regex = write_regexes(convert, fields);
    if (topic.n > 0) {
        rule.pattern = write_topic(convert, topic);
    }
    rule.disabled = er_str_eq(state, ER_STR("SUSPENDED"));
    er_convert_end(convert, &rule);
}

void er_convert_hermes(struct er_convert *convert, const struct er_json *value, const char *place)
{
    convert_subscription(convert, value, place);
}
