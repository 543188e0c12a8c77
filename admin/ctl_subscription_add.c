/* eventrouterctl subscription add: a document from flags, from a file, or from both. */
#include "admin/ctl_subscription.h"

#include "admin/ctl_documents.h"
#include "admin/ctl_print.h"
#include "rules/base/json_write.h"

/* Members that flags gave, each once; what the file says about them is a conflict. */
struct builder {
    const struct er_ctl_args *args;
    const struct er_json *file; /* NULL: none */
    struct er_arena *arena;
    struct er_json_writer w;
    bool failed;
};

static void complain(struct builder *b, const char *text, const char *what)
{
    er_ctl_error(ER_E_USAGE, "%s %s", text, what);
    b->failed = true;
}

/* Opens the member, unless the file has it. */
static bool open_member(struct builder *b, const char *name, const char *flag)
{
    if (er_json_member(b->file, er_str_of(name)) != NULL) {
        er_ctl_error(ER_E_USAGE, "--%s is given, and the file has \"%s\" too; leave one of them out", flag, name);
        b->failed = true;
        return false;
    }
    er_jw_key(&b->w, er_str_of(name));
    return true;
}

static void add_text(struct builder *b, const char *name, const char *flag, const char *value)
{
    if (value != NULL && open_member(b, name, flag)) {
        er_jw_string(&b->w, er_str_of(value));
    }
}

/* The operand may repeat what the file says. */
static void add_subscriber(struct builder *b)
{
    const struct er_json *own = er_json_member(b->file, ER_STR("subscriber"));
    const char *operand = er_ctl_operands(b->args) > 0 ? er_ctl_operand(b->args, 0) : NULL;

    if (operand == NULL && b->file == NULL) {
        complain(b, "SUBSCRIBER is missing;", "say who shall get the events, or give a document with --file");
    } else if (operand != NULL && own == NULL) {
        add_text(b, "subscriber", "subscriber", operand);
    } else if (operand != NULL && (own->type != ER_JSON_STRING || !er_str_eq(own->text, er_str_of(operand)))) {
        complain(b, operand, "is not the subscriber in the file; leave one of them out");
    }
}

static void add_types(struct builder *b)
{
    size_t n = er_ctl_count(b->args, "type");

    if (n == 0 || !open_member(b, "types", "type")) {
        return;
    }
    er_jw_array(&b->w);
    for (size_t i = 0; i < n; i++) {
        er_jw_string(&b->w, er_str_of(er_ctl_nth(b->args, "type", i)));
    }
    er_jw_end(&b->w);
}

/* The '=' that ends a path: the first outside quotes; a quote may stand in a JSON string escape. */
static const char *end_of_path(const char *text)
{
    bool quoted = false;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\' && quoted && p[1] != '\0') {
            p++;
        } else if (*p == '"' && *text != '/') {
            quoted = !quoted;
        } else if (*p == '=' && !quoted) {
            return p;
        }
    }
    return NULL;
}

/* --regex and --label: "key=value" each. */
static void add_pairs(struct builder *b, const char *flag, const char *member, bool path)
{
    size_t n = er_ctl_count(b->args, flag);

    if (n == 0 || !open_member(b, member, flag)) {
        return;
    }
    er_jw_object(&b->w);
    for (size_t i = 0; i < n; i++) {
        const char *pair = er_ctl_nth(b->args, flag, i);
        const char *equals = path ? end_of_path(pair) : strchr(pair, '=');

        if (equals == NULL) {
            complain(b, pair, path ? "has no '='; write --regex PATH=PATTERN" : "has no '='; write --label KEY=VALUE");
        } else {
            er_jw_key(&b->w, (struct er_str){ pair, (size_t)(equals - pair) });
            er_jw_string(&b->w, er_str_of(equals + 1));
        }
    }
    er_jw_end(&b->w);
}

static void add_pattern(struct builder *b)
{
    const char *text = er_ctl_value(b->args, "pattern");
    struct er_json *json;
    struct er_err err;
    enum er_code code;

    if (text == NULL) {
        return;
    }
    code = er_json_parse(b->arena, er_str_of(text), 1000, &json, &err);
    if (code != ER_OK) {
        er_ctl_error(code, "--pattern: %s", err.text);
        b->failed = true;
    } else if (open_member(b, "pattern", "pattern")) {
        er_jw_raw(&b->w, (struct er_str){ text + json->offset, json->end - json->offset });
    }
}

/* Duplicate keys and odd numbers of the file go on as they are: the check reads the result. */
static void copy_file(struct builder *b, struct er_str text)
{
    for (const struct er_json *member = b->file == NULL ? NULL : b->file->first; member != NULL; member = member->next) {
        er_jw_key(&b->w, member->key);
        er_jw_raw(&b->w, (struct er_str){ text.p + member->offset, member->end - member->offset });
    }
}

/* The document of --file, if there is one. */
static bool read_file(const struct er_ctl_args *args, struct er_ctl_documents *documents)
{
    const char *name = er_ctl_value(args, "file");

    if (name == NULL) {
        return true;
    }
    er_ctl_documents_read(documents, name);
    if (documents->errors == 0 && (documents->n != 1 || documents->items[0].json->type != ER_JSON_OBJECT)) {
        er_ctl_error(ER_E_USAGE, "%s must hold one document, an object; for several use: eventrouterctl subscription apply -f %s",
                     name, name);
        documents->errors++;
    }
    return documents->errors == 0;
}

/* Builds the document into text; false: said why. */
static bool build(const struct er_ctl_args *args, struct er_ctl_documents *documents, struct er_buf *text)
{
    const struct er_ctl_document *file = documents->n == 0 ? NULL : &documents->items[0];
    struct builder b = { .args = args, .file = file == NULL ? NULL : file->json, .arena = documents->arena };

    er_jw_init(&b.w, text);
    er_jw_object(&b.w);
    /* Offsets of a tree count from the text that was parsed, which may have begun before the document. */
    copy_file(&b, file == NULL ? ER_STR("") : (struct er_str){ file->text.p - file->json->offset, 0 });
    add_text(&b, "id", "id", er_ctl_value(args, "id"));
    add_subscriber(&b);
    add_text(&b, "description", "description", er_ctl_value(args, "description"));
    add_types(&b);
    add_pairs(&b, "regex", "regex", true);
    add_pattern(&b);
    add_pairs(&b, "label", "labels", false);
    if (er_ctl_has(args, "disabled") && open_member(&b, "enabled", "disabled")) {
        er_jw_bool(&b.w, false);
    }
    er_jw_end(&b.w);
    if (text->failed) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
    }
    return !b.failed && !text->failed;
}

static enum er_ctl_exit send(const struct er_ctl *ctl, const struct er_ctl_args *args, struct er_str body)
{
    const struct er_ctl_request request = { .method = "POST",
                                            .target = er_ctl_has(args, "dry-run") ? "/v1/subscriptions?dry_run=true"
                                                                                  : "/v1/subscriptions",
                                            .body = body };

    return er_ctl_call_once(ctl, args, &request, NULL);
}

enum er_ctl_exit er_ctl_run_subscription_add(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct er_ctl_documents file, checked;
    struct er_buf text = { 0 };
    enum er_ctl_exit result = ER_CTL_USAGE;

    if (!er_ctl_documents_new(&file) || !er_ctl_documents_new(&checked)) {
        er_ctl_documents_free(&file);
        return ER_CTL_NEGATIVE;
    }
    if (read_file(args, &file) && build(args, &file, &text)) {
        er_ctl_documents_add(&checked, er_buf_str(&text), "");
        er_ctl_documents_check(&checked);
        result = checked.errors == 0 ? send(ctl, args, er_buf_str(&text)) : ER_CTL_USAGE;
    }
    er_ctl_documents_free(&checked);
    er_ctl_documents_free(&file);
    er_buf_free(&text);
    return result;
}
