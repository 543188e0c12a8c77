#include "admin/ctl_documents.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "admin/ctl_rule_file.h"
#include "rules/language/rule.h"

bool er_ctl_documents_new(struct er_ctl_documents *out)
{
    *out = (struct er_ctl_documents){ .arena = er_arena_new(1 << 16) };
    if (out->arena == NULL) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    }
    return out->arena != NULL;
}

void er_ctl_documents_free(struct er_ctl_documents *documents)
{
    er_arena_free(documents->arena);
    free(documents->items);
    *documents = (struct er_ctl_documents){ 0 };
}

static void out_of_memory(struct er_ctl_documents *documents)
{
    er_ctl_error(ER_E_NOMEM, "out of memory");
    documents->errors++;
}

static void append(struct er_ctl_documents *documents, struct er_str text, const struct er_json *json, const char *place)
{
    if (documents->n == documents->capacity) {
        size_t capacity = documents->capacity == 0 ? 64 : documents->capacity * 2;
        struct er_ctl_document *items = realloc(documents->items, capacity * sizeof *items);

        if (items == NULL) {
            out_of_memory(documents);
            return;
        }
        documents->items = items;
        documents->capacity = capacity;
    }
    documents->items[documents->n++] = (struct er_ctl_document){ text, json, place };
}

static const char *place_of(struct er_ctl_documents *documents, const char *name, const char *unit, size_t i)
{
    struct er_str place = er_arena_printf(documents->arena, "%s %s %zu", strcmp(name, "-") == 0 ? "standard input" : name, unit, i);

    return place.p == NULL ? name : place.p;
}

static enum er_code parse(struct er_ctl_documents *documents, struct er_str text, struct er_json **out, struct er_err *err)
{
    return er_json_parse(documents->arena, text, er_rule_default_limits().max_depth + 1, out, err);
}

void er_ctl_documents_add(struct er_ctl_documents *documents, struct er_str text, const char *place)
{
    struct er_json *json;
    struct er_err err;
    enum er_code code = parse(documents, text, &json, &err);

    if (code != ER_OK) {
        er_ctl_error(code, "%s%s%s", place, *place == '\0' ? "" : ": ", err.text);
        documents->errors++;
        return;
    }
    append(documents, (struct er_str){ text.p + json->offset, json->end - json->offset }, json, place);
}

/* ---- One file */

static void read_lines(struct er_ctl_documents *documents, const char *name, struct er_str text)
{
    for (size_t line = 0; text.n > 0; line++) {
        const char *end = memchr(text.p, '\n', text.n);
        struct er_str one = { text.p, end == NULL ? text.n : (size_t)(end - text.p) };
        size_t taken = one.n + (end != NULL);

        if (!er_ctl_line_blank(one)) {
            er_ctl_documents_add(documents, one, place_of(documents, name, "line", line));
        }
        text.p += taken;
        text.n -= taken;
    }
}

static void add_elements(struct er_ctl_documents *documents, const char *name, struct er_str text, const struct er_json *array)
{
    size_t i = 0;

    for (const struct er_json *element = array->first; element != NULL; element = element->next, i++) {
        append(documents, (struct er_str){ text.p + element->offset, element->end - element->offset }, element,
               place_of(documents, name, "element", i));
    }
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n > m && strcmp(name + n - m, ending) == 0;
}

/* Whether a text is one value or a line each shows when it is read: text after the first value means lines. */
static void read_text(struct er_ctl_documents *documents, const char *name, struct er_str text)
{
    struct er_json *json;
    struct er_err err;
    enum er_code code = ends_with(name, ".jsonl") ? ER_E_JSON_TRAILING : parse(documents, text, &json, &err);

    if (code == ER_E_JSON_TRAILING) {
        read_lines(documents, name, text);
    } else if (code == ER_OK && json->type == ER_JSON_ARRAY) {
        add_elements(documents, name, text, json);
    } else if (code == ER_OK) {
        append(documents, (struct er_str){ text.p + json->offset, json->end - json->offset }, json,
               strcmp(name, "-") == 0 ? "standard input" : name);
    } else {
        size_t line = 1, column = 1;

        if (err.offset != ER_NO_OFFSET) {
            er_json_position(text, err.offset, &line, &column);
        }
        er_ctl_error(code, "%s line %zu column %zu: %s", strcmp(name, "-") == 0 ? "standard input" : name, line - 1, column,
                     err.text);
        documents->errors++;
    }
}

static void read_file(struct er_ctl_documents *documents, const char *name)
{
    struct er_buf buf = { 0 };
    struct er_err err;
    struct er_str text, kept_name = er_arena_dup(documents->arena, er_str_of(name));
    enum er_code code = er_ctl_read_file(name, &buf, &err);

    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        documents->errors++;
        er_buf_free(&buf);
        return;
    }
    text = er_arena_dup(documents->arena, er_buf_str(&buf)); /* documents point into it */
    er_buf_free(&buf);
    if (text.p == NULL || kept_name.p == NULL) {
        out_of_memory(documents);
        return;
    }
    read_text(documents, kept_name.p, text);
}

/* ---- Directories */

static int wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && (ends_with(entry->d_name, ".json") || ends_with(entry->d_name, ".jsonl"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_directory(struct er_ctl_documents *documents, const char *name)
{
    struct dirent **entries = NULL;
    int n = scandir(name, &entries, wanted, by_bytes);

    if (n <= 0) {
        er_ctl_error(ER_E_FILE, "%s: %s", name, n < 0 ? strerror(errno) : "the directory holds no *.json or *.jsonl file");
        documents->errors++;
    }
    for (int i = 0; i < n; i++) {
        struct er_str path = er_arena_printf(documents->arena, "%s%s%s", name, ends_with(name, "/") ? "" : "/", entries[i]->d_name);

        if (path.p == NULL) {
            out_of_memory(documents);
        } else {
            read_file(documents, path.p);
        }
        free(entries[i]);
    }
    free(entries);
}

void er_ctl_documents_read(struct er_ctl_documents *documents, const char *name)
{
    struct stat st;

    if (strcmp(name, "-") != 0 && stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
        read_directory(documents, name);
    } else {
        read_file(documents, name);
    }
}

/* ---- Checks */

/* The daemon reads the document again and warns then; here only errors count. */
static void check_one(struct er_ctl_documents *documents, const struct er_ctl_document *document, struct er_arena *arena)
{
    const struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document = document->json, .document_bytes = document->text.n, .pointer = ER_STR("") };
    struct er_problems problems;
    struct er_rule *rule;
    enum er_code code;

    er_problems_init(&problems, arena);
    code = er_rule_read(&source, &limits, &rule, &problems, NULL);
    if (code == ER_OK) {
        er_rule_unref(rule);
        return;
    }
    if (code == ER_E_NOMEM || problems.total == 0) {
        er_ctl_error(code, "%s%s%s", document->place, *document->place == '\0' ? "" : ": ", er_code_title(code));
        documents->errors++;
    }
    er_ctl_problems(&problems, false, document->place);
    documents->errors += problems.total;
}

struct by_id {
    struct er_str id;
    const struct er_ctl_document *document;
};

static int compare(const void *a, const void *b)
{
    const struct by_id *x = a, *y = b;
    int order = er_str_cmp(x->id, y->id);

    return order != 0 ? order : (x->document > y->document) - (x->document < y->document);
}

static void check_ids(struct er_ctl_documents *documents)
{
    struct by_id *sorted = calloc(documents->n + 1, sizeof *sorted);
    size_t n = 0;

    if (sorted == NULL) {
        out_of_memory(documents);
        return;
    }
    for (size_t i = 0; i < documents->n; i++) {
        const struct er_json *id = er_json_member(documents->items[i].json, ER_STR("id"));

        if (id != NULL && id->type == ER_JSON_STRING) {
            sorted[n++] = (struct by_id){ id->text, &documents->items[i] };
        }
    }
    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t i = 1; i < n; i++) {
        if (er_str_eq(sorted[i - 1].id, sorted[i].id)) {
            er_ctl_error(ER_E_RULE_DUPLICATE_ID, "%s: /id: \"%.*s\" is also the id of %s; give one of them another id",
                         sorted[i].document->place, ER_STR_ARG(sorted[i].id), sorted[i - 1].document->place);
            documents->errors++;
        }
    }
    free(sorted);
}

void er_ctl_documents_check(struct er_ctl_documents *documents)
{
    struct er_arena *arena = er_arena_new(0);

    if (arena == NULL) {
        out_of_memory(documents);
        return;
    }
    for (size_t i = 0; i < documents->n; i++) {
        check_one(documents, &documents->items[i], arena);
        er_arena_reset(arena);
    }
    er_arena_free(arena);
    if (documents->n > 1) {
        check_ids(documents);
    }
}
