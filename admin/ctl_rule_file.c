#include "admin/ctl_rule_file.h"

#include <stdio.h>
#include <stdlib.h>
#include "admin/ctl_output.h"

enum { ID_PREFIX = 90 /* bytes of the subscriber in a made-up id */ };

struct by_id {
    struct er_str id;
    size_t line;
};

struct loader {
    const char *name;
    struct er_arena *arena; /* of one document */
    struct er_arena *kept;  /* of the ids */
    struct by_id *ids;      /* of all documents that have one, also of bad ones */
    size_t n_ids, ids_capacity;
    struct er_ctl_rules *out;
    struct er_rule_limits limits;
    bool lines; /* one document per line, else one per array element */
    bool quiet; /* warnings are not printed */
};

bool er_ctl_line_blank(struct er_str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r') {
            return false;
        }
    }
    return true;
}

static void out_of_memory(struct loader *loader)
{
    er_ctl_error(ER_E_NOMEM, "%s: out of memory", loader->name);
    loader->out->errors++;
}

static bool append(struct er_ctl_rules *rules, struct er_rule *rule, size_t line)
{
    if (rules->n == rules->capacity) {
        size_t capacity = rules->capacity == 0 ? 64 : rules->capacity * 2;
        struct er_rule **more = realloc(rules->rules, capacity * sizeof(struct er_rule *));
        size_t *more_lines;

        if (more == NULL) {
            return false;
        }
        rules->rules = more;
        more_lines = realloc(rules->lines, capacity * sizeof *more_lines);
        if (more_lines == NULL) {
            return false;
        }
        rules->lines = more_lines;
        rules->capacity = capacity;
    }
    rules->rules[rules->n] = rule;
    rules->lines[rules->n++] = line;
    return true;
}

/* "FILE line N" for lines; an array element is named by its pointer. */
static const char *place(const struct loader *loader, size_t line)
{
    struct er_str text = { NULL, 0 };

    if (loader->lines) {
        text = er_arena_printf(loader->arena, "%s line %zu", loader->name, line);
    }
    return text.p != NULL ? text.p : loader->name;
}

static bool remember_id(struct loader *loader, struct er_str id, size_t line)
{
    if (!er_rule_id_valid(id)) {
        return true;
    }
    if (loader->n_ids == loader->ids_capacity) {
        size_t capacity = loader->ids_capacity == 0 ? 64 : loader->ids_capacity * 2;
        struct by_id *more = realloc(loader->ids, capacity * sizeof *more);

        if (more == NULL) {
            return false;
        }
        loader->ids = more;
        loader->ids_capacity = capacity;
    }
    id = er_arena_dup(loader->kept, id);
    if (id.p == NULL) {
        return false;
    }
    loader->ids[loader->n_ids++] = (struct by_id){ id, line };
    return true;
}

static struct er_str string_member(const struct er_json *document, const char *name)
{
    const struct er_json *member = er_json_member(document, er_str_of(name));

    return member != NULL && member->type == ER_JSON_STRING ? member->text : (struct er_str){ NULL, 0 };
}

static struct er_str default_id(const struct loader *loader, struct er_str subscriber, size_t line)
{
    struct er_str cut = { subscriber.p, subscriber.n < ID_PREFIX ? subscriber.n : ID_PREFIX };
    struct er_str id = er_arena_printf(loader->arena, "%.*s-%zu", ER_STR_ARG(cut), line);
    char *p = er_arena_alloc(loader->arena, id.n);

    if (!er_subscriber_id_valid(subscriber) || p == NULL || id.p == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    for (size_t i = 0; i < id.n; i++) {
        p[i] = id.p[i] >= 'A' && id.p[i] <= 'Z' ? (char)(id.p[i] - 'A' + 'a') : id.p[i];
    }
    return (struct er_str){ p, id.n };
}

static void read_document(struct loader *loader, const struct er_json *document, size_t bytes, struct er_str pointer, size_t line)
{
    struct er_problems problems, warnings;
    struct er_str id = string_member(document, "id");
    struct er_str subscriber = string_member(document, "subscriber");
    struct er_rule_source source = { .document = document, .document_bytes = bytes, .pointer = pointer, .default_subscriber = id };
    struct er_rule *rule;
    enum er_code code;

    source.default_id = default_id(loader, subscriber, line);
    er_problems_init(&problems, loader->arena);
    er_problems_init(&warnings, loader->arena);
    code = er_rule_read(&source, &loader->limits, &rule, &problems, &warnings);
    er_ctl_problems(&problems, false, place(loader, line));
    if (!loader->quiet) {
        er_ctl_problems(&warnings, true, place(loader, line));
    }
    loader->out->errors += problems.total;
    loader->out->warnings += warnings.total;
    if (!remember_id(loader, code == ER_OK ? rule->id : id.n > 0 ? id : source.default_id, line)) {
        out_of_memory(loader);
    }
    if (code == ER_OK && !append(loader->out, rule, line)) {
        er_rule_unref(rule);
        code = ER_E_NOMEM;
    }
    if (code == ER_E_NOMEM) {
        out_of_memory(loader);
    }
}

static void syntax_error(struct loader *loader, const struct er_err *err, size_t line, const char *hint)
{
    er_ctl_error(err->code, "%s: %s%s", place(loader, line), err->text, hint);
    loader->out->errors++;
}

/* Does a document that is cut go on, as it looks, on the next line? */
static bool goes_on(struct er_str line)
{
    while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t' || line.p[line.n - 1] == '\r')) {
        line.n--;
    }
    return line.n > 0 && memchr("{[,:", line.p[line.n - 1], 4) != NULL;
}

static void read_line(struct loader *loader, struct er_str text, size_t line)
{
    struct er_json *document;
    struct er_err err;

    if (er_ctl_line_blank(text)) {
        return;
    }
    if (er_json_parse(loader->arena, text, loader->limits.max_depth, &document, &err) == ER_OK) {
        read_document(loader, document, document->end - document->offset, (struct er_str){ "", 0 }, line);
    } else {
        syntax_error(loader, &err, line,
                     err.code == ER_E_JSON_TRUNCATED && goes_on(text)
                         ? "; each line is a document here, one over several lines goes into a file called *.json"
                         : "");
    }
    er_arena_reset(loader->arena);
}

static void read_lines(struct loader *loader, struct er_str text)
{
    size_t line = 0;

    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.p);

        read_line(loader, (struct er_str){ text.p, n }, line++);
        n += end != NULL;
        text.p += n;
        text.n -= n;
    }
}

static void read_elements(struct loader *loader, const struct er_json *array)
{
    struct er_arena *whole = loader->arena;
    size_t i = 0;

    loader->arena = er_arena_new(0);
    if (loader->arena == NULL) {
        loader->arena = whole;
        out_of_memory(loader);
        return;
    }
    for (const struct er_json *document = array->first; document != NULL; document = document->next, i++) {
        struct er_str pointer = er_pointer_push_index(loader->arena, (struct er_str){ "", 0 }, i);

        read_document(loader, document, document->end - document->offset, pointer, i);
        er_arena_reset(loader->arena);
    }
    er_arena_free(loader->arena);
    loader->arena = whole;
}

/* A .json file is one document or an array; when text follows the first document, it holds lines after all. */
static bool read_whole(struct loader *loader, struct er_str text)
{
    size_t n = strlen(loader->name);
    struct er_json *document;
    struct er_err err;
    enum er_code code;

    if (n < 5 || strcmp(loader->name + n - 5, ".json") != 0) {
        return false;
    }
    code = er_json_parse(loader->arena, text, loader->limits.max_depth + 1, &document, &err);
    if (code == ER_E_JSON_TRAILING) {
        er_arena_reset(loader->arena);
        return false;
    }
    loader->lines = false;
    if (code != ER_OK) {
        syntax_error(loader, &err, 0, "");
    } else if (document->type == ER_JSON_ARRAY) {
        read_elements(loader, document);
    } else {
        read_document(loader, document, document->end - document->offset, (struct er_str){ "", 0 }, 0);
    }
    return true;
}

static int compare_by_id(const void *a, const void *b)
{
    const struct by_id *x = a, *y = b;
    int order = er_str_cmp(x->id, y->id);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static void report_same_ids(struct loader *loader)
{
    struct by_id *sorted = loader->ids;

    qsort(sorted, loader->n_ids, sizeof *sorted, compare_by_id);
    for (size_t i = 1; i < loader->n_ids; i++) {
        if (er_str_eq(sorted[i - 1].id, sorted[i].id)) {
            char element[24] = "";

            if (!loader->lines) {
                (void)snprintf(element, sizeof element, "/%zu", sorted[i].line);
            }
            er_ctl_error(ER_E_RULE_DUPLICATE_ID, "%s: %s/id: the id \"%.*s\" is also that of %s %zu; ids are unique",
                         place(loader, sorted[i].line), element, ER_STR_ARG(sorted[i].id), loader->lines ? "line" : "element",
                         sorted[i - 1].line);
            loader->out->errors++;
        }
    }
}

static enum er_ctl_exit read_rules(const char *name, bool quiet, struct er_ctl_rules *out)
{
    struct loader loader = { .name = name, .out = out, .limits = er_rule_default_limits(), .lines = true, .quiet = quiet };
    struct er_buf text = { 0 };
    struct er_err err;
    enum er_code code;

    *out = (struct er_ctl_rules){ 0 };
    loader.arena = er_arena_new(0);
    loader.kept = er_arena_new(0);
    if (loader.arena == NULL || loader.kept == NULL) {
        er_arena_free(loader.arena);
        er_arena_free(loader.kept);
        out_of_memory(&loader);
        return ER_CTL_USAGE;
    }
    code = er_ctl_read_file(name, &text, &err);
    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        out->errors++;
    } else if (!read_whole(&loader, er_buf_str(&text))) {
        read_lines(&loader, er_buf_str(&text));
    }
    if (loader.n_ids > 1) {
        report_same_ids(&loader);
    }
    free(loader.ids);
    er_arena_free(loader.kept);
    er_arena_free(loader.arena);
    er_buf_free(&text);
    return out->errors == 0 ? ER_CTL_OK : ER_CTL_USAGE;
}

enum er_ctl_exit er_ctl_rules_read(const char *name, struct er_ctl_rules *out)
{
    return read_rules(name, false, out);
}

enum er_ctl_exit er_ctl_rules_read_quietly(const char *name, struct er_ctl_rules *out)
{
    return read_rules(name, true, out);
}

void er_ctl_rules_free(struct er_ctl_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        er_rule_unref(rules->rules[i]);
    }
    free(rules->rules);
    free(rules->lines);
    *rules = (struct er_ctl_rules){ 0 };
}

static int compare_subscribers(const void *a, const void *b)
{
    return er_str_cmp(*(const struct er_str *)a, *(const struct er_str *)b);
}

/* Each subscriber of the rules once. Returns an array of references that the caller releases, or NULL without memory. */
static struct er_subscriber **make_subscribers(const struct er_ctl_rules *rules, size_t *n)
{
    struct er_str *names = calloc(rules->n + 1, sizeof *names);
    struct er_subscriber **subscribers = calloc(rules->n + 1, sizeof(struct er_subscriber *));
    bool ok = names != NULL && subscribers != NULL;

    *n = 0;
    for (size_t i = 0; ok && i < rules->n; i++) {
        names[i] = rules->rules[i]->subscriber;
    }
    if (ok) {
        qsort(names, rules->n, sizeof *names, compare_subscribers);
    }
    for (size_t i = 0; ok && i < rules->n; i++) {
        if (i == 0 || !er_str_eq(names[i - 1], names[i])) {
            subscribers[*n] = er_subscriber_new(names[i], names[i]);
            ok = subscribers[*n] != NULL;
            *n += ok;
        }
    }
    free(names);
    if (!ok) {
        for (size_t i = 0; i < *n; i++) {
            er_subscriber_unref(subscribers[i]);
        }
        free(subscribers);
        return NULL;
    }
    return subscribers;
}

static enum er_code fill(struct er_ruleset *set, const struct er_ctl_rules *rules, struct er_err *err)
{
    struct er_ruleset_change change = { .revision = 1, .put = rules->rules, .n_put = rules->n };
    struct er_subscriber **subscribers = make_subscribers(rules, &change.n_put_subscribers);
    enum er_code code;

    if (subscribers == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    change.put_subscribers = subscribers;
    code = er_ruleset_prepare(set, &change, err);
    if (code == ER_OK) {
        er_ruleset_publish(set);
    }
    for (size_t i = 0; i < change.n_put_subscribers; i++) {
        er_subscriber_unref(subscribers[i]);
    }
    free(subscribers);
    return code;
}

struct er_ruleset *er_ctl_rules_set(struct er_ctl_rules *rules)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    size_t limit = options.unindexed_rules;
    struct er_ruleset_stats stats;
    struct er_ruleset *set = NULL;
    struct er_err err;
    enum er_code code;

    options.unindexed_rules = (size_t)-1;
    code = er_ruleset_new(&options, &set, &err);
    if (code == ER_OK) {
        code = fill(set, rules, &err);
    }
    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
        rules->errors++;
        er_ruleset_free(set);
        return NULL;
    }
    er_ruleset_stats(set, &stats);
    if (stats.unindexed > limit) {
        (void)fprintf(stderr,
                      "warning[%s]: no index can serve %zu of the rules, a router accepts %zu; add a type or a longer literal\n",
                      er_code_name(ER_E_RULE_UNINDEXED), stats.unindexed, limit);
        rules->warnings++;
    }
    return set;
}
