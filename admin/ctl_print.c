#include "admin/ctl_print.h"

#include <string.h>
#include "rules/base/json_write.h"

enum { MAX_COLUMNS = 16, INDENT = 2 };

/* ---- JSON */

static void out_of_memory(void)
{
    er_ctl_error(ER_E_NOMEM, "out of memory");
}

static void put_compact(const struct er_json *value)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;

    er_jw_init(&w, &buf);
    er_jw_json(&w, value);
    if (buf.failed) {
        out_of_memory();
    }
    er_ctl_put(er_buf_str(&buf));
    er_buf_free(&buf);
}

static void put_quoted(struct er_str text)
{
    const struct er_json value = { .type = ER_JSON_STRING, .text = text };

    put_compact(&value);
}

/* Indented; depth is bounded by the parser's limit. */
static void put_pretty(const struct er_json *value, int depth)
{
    bool object = value->type == ER_JSON_OBJECT;

    if ((!object && value->type != ER_JSON_ARRAY) || value->n == 0) {
        put_compact(value);
        return;
    }
    er_ctl_put(object ? ER_STR("{\n") : ER_STR("[\n"));
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        (void)printf("%*s", (depth + 1) * INDENT, "");
        if (object) {
            put_quoted(child->key);
            er_ctl_put(ER_STR(": "));
        }
        put_pretty(child, depth + 1);
        er_ctl_put(child->next != NULL ? ER_STR(",\n") : ER_STR("\n"));
    }
    (void)printf("%*s%c", depth * INDENT, "", object ? '}' : ']');
}

static bool skipped(struct er_str key, const char *const *skip)
{
    for (; skip != NULL && *skip != NULL; skip++) {
        if (er_str_eq(key, er_str_of(*skip))) {
            return true;
        }
    }
    return false;
}

void er_ctl_print_line(const struct er_json *document, const char *const *skip)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;

    er_jw_init(&w, &buf);
    if (document->type != ER_JSON_OBJECT) {
        er_jw_json(&w, document);
    } else {
        er_jw_object(&w);
        for (const struct er_json *member = document->first; member != NULL; member = member->next) {
            if (!skipped(member->key, skip)) {
                er_jw_key(&w, member->key);
                er_jw_json(&w, member);
            }
        }
        er_jw_end(&w);
    }
    er_buf_addc(&buf, '\n');
    if (buf.failed) {
        out_of_memory();
    }
    er_ctl_put(er_buf_str(&buf));
    er_buf_free(&buf);
}

/* ---- Cells */

/* Arrays and objects on one line: "a,b" and "key=value,key=value". */
static void add_cell_text(struct er_buf *buf, const struct er_json *value)
{
    static const char *const words[] = { [ER_JSON_NULL] = "-", [ER_JSON_FALSE] = "false", [ER_JSON_TRUE] = "true" };

    if (value->type <= ER_JSON_TRUE) {
        er_buf_add(buf, er_str_of(words[value->type]));
        return;
    }
    if (value->type == ER_JSON_NUMBER || value->type == ER_JSON_STRING) {
        er_buf_add(buf, value->text);
        return;
    }
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        if (value->type == ER_JSON_OBJECT) {
            er_buf_add(buf, child->key);
            er_buf_addc(buf, '=');
        }
        add_cell_text(buf, child);
        if (child->next != NULL) {
            er_buf_addc(buf, ',');
        }
    }
}

static const struct er_json *lookup(const struct er_json *document, const char *path)
{
    const char *dot = strchr(path, '.');
    struct er_str key = { path, dot == NULL ? strlen(path) : (size_t)(dot - path) };
    const struct er_json *member = er_json_member(document, key);

    return dot == NULL || member == NULL ? member : lookup(member, dot + 1);
}

/* A pattern stays JSON: 300 and "300" are two things in it, and its lists are alternatives. */
static bool stays_json(struct er_str name)
{
    return er_str_eq(name, ER_STR("pattern"));
}

static void add_cell(struct er_ctl_table *table, const struct er_json *value, bool json)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;

    er_jw_init(&w, &buf);
    if (value != NULL && json) {
        er_jw_json(&w, value);
    } else if (value != NULL) {
        add_cell_text(&buf, value);
    }
    er_ctl_table_cell(table, buf.n > 0 ? er_buf_str(&buf) : ER_STR("-"));
    er_buf_free(&buf);
}

static struct er_str id_of(const struct er_json *document)
{
    const struct er_json *id = er_json_member(document, ER_STR("id"));

    id = id == NULL ? er_json_member(document, ER_STR("ref")) : id; /* of a dead letter */

    return id != NULL && id->type == ER_JSON_STRING ? id->text : ER_STR("-");
}

/* ---- Lists */

static bool is_table(const struct er_ctl *ctl)
{
    return ctl->format == ER_CTL_TABLE || ctl->format == ER_CTL_WIDE;
}

static bool shown(const struct er_ctl *ctl, const struct er_ctl_column *column)
{
    return !column->wide || ctl->format == ER_CTL_WIDE;
}

void er_ctl_list_begin(struct er_ctl_list *list, const struct er_ctl *ctl, const struct er_ctl_column *columns)
{
    *list = (struct er_ctl_list){ .ctl = ctl, .columns = columns };
}

/* The table begins with its first row, or at the end: a failed call shows no empty one. */
static void begin_table(struct er_ctl_list *list)
{
    const char *headers[MAX_COLUMNS];
    size_t n = 0;

    if (list->table != NULL) {
        return;
    }
    for (const struct er_ctl_column *column = list->columns; column->header != NULL && n < MAX_COLUMNS; column++) {
        if (shown(list->ctl, column)) {
            headers[n++] = column->header;
        }
    }
    list->table = er_ctl_table_new(headers, n);
}

bool er_ctl_list_item(void *ctx, const struct er_json *item)
{
    struct er_ctl_list *list = ctx;

    if (is_table(list->ctl)) {
        begin_table(list);
        for (const struct er_ctl_column *column = list->columns; column->header != NULL; column++) {
            if (shown(list->ctl, column)) {
                add_cell(list->table, lookup(item, column->path), stays_json(er_str_of(column->path)));
            }
        }
    } else if (list->ctl->format == ER_CTL_NAME) {
        er_ctl_put(id_of(item));
        er_ctl_put(ER_STR("\n"));
    } else if (list->ctl->format == ER_CTL_JSONL) {
        er_ctl_print_line(item, NULL);
    } else {
        (void)printf("%s\n%*s", list->n > 0 ? "," : "[", INDENT, "");
        put_pretty(item, 1);
    }
    list->n++;
    return true;
}

void er_ctl_list_end(struct er_ctl_list *list, bool whole)
{
    if (!whole && list->n == 0) {
        return;
    }
    if (is_table(list->ctl)) {
        begin_table(list);
        er_ctl_table_print(list->table, stdout, list->ctl->color);
        list->table = NULL;
    } else if (list->ctl->format == ER_CTL_JSON) {
        er_ctl_put(list->n > 0 ? ER_STR("\n]\n") : ER_STR("[]\n"));
    }
}

/* ---- One document */

static void add_lines(struct er_ctl_table *table, const struct er_json *parent, struct er_str prefix);

/* Objects, and arrays of them, are opened into their members: "status.state", "workers.0.state". */
static bool opens(const struct er_json *value)
{
    return value->n > 0 &&
           (value->type == ER_JSON_OBJECT || (value->type == ER_JSON_ARRAY && value->first->type == ER_JSON_OBJECT));
}

static void add_line(struct er_ctl_table *table, const struct er_json *value, struct er_str name)
{
    bool json = stays_json(name);

    if (opens(value) && !json) {
        add_lines(table, value, name);
    } else {
        er_ctl_table_cell(table, name);
        add_cell(table, value, json);
    }
}

static void add_lines(struct er_ctl_table *table, const struct er_json *parent, struct er_str prefix)
{
    struct er_buf name = { 0 };
    size_t i = 0;

    for (const struct er_json *child = parent->first; child != NULL; child = child->next, i++) {
        er_buf_clear(&name);
        er_buf_printf(&name, "%.*s%s", ER_STR_ARG(prefix), prefix.n > 0 ? "." : "");
        if (parent->type == ER_JSON_OBJECT) {
            er_buf_add(&name, child->key);
        } else {
            er_buf_printf(&name, "%zu", i);
        }
        add_line(table, child, er_buf_str(&name));
    }
    er_buf_free(&name);
}

void er_ctl_print_document(const struct er_ctl *ctl, const struct er_json *document)
{
    static const char *const headers[] = { "MEMBER", "VALUE" };
    struct er_ctl_table *table;

    if (document == NULL) {
        return;
    }
    switch (ctl->format) {
    case ER_CTL_TABLE:
    case ER_CTL_WIDE:
        table = er_ctl_table_new(headers, 2);
        add_lines(table, document, ER_STR(""));
        er_ctl_table_print(table, stdout, ctl->color);
        break;
    case ER_CTL_JSON:
        put_pretty(document, 0);
        er_ctl_put(ER_STR("\n"));
        break;
    case ER_CTL_JSONL:
        er_ctl_print_line(document, NULL);
        break;
    case ER_CTL_NAME:
    default:
        er_ctl_put(id_of(document));
        er_ctl_put(ER_STR("\n"));
        break;
    }
}

/* ---- Changes */

void er_ctl_print_change(const struct er_ctl *ctl, const char *verb, struct er_str id)
{
    switch (ctl->format) {
    case ER_CTL_NAME:
        er_ctl_put(id);
        er_ctl_put(ER_STR("\n"));
        break;
    case ER_CTL_JSON:
    case ER_CTL_JSONL:
        (void)printf("{\"%s\":", verb);
        put_quoted(id);
        er_ctl_put(ER_STR("}\n"));
        break;
    case ER_CTL_TABLE:
    case ER_CTL_WIDE:
    default:
        (void)printf("%-9s  %.*s\n", verb, ER_STR_ARG(id));
        break;
    }
}
