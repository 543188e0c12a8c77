/* Explanations as JSON and as text. */
#include "rules/base/utf8.h"
#include "rules/engine/explain_impl.h"
#include "rules/language/operator.h"

/* Longer values are cut. */
enum { ACTUAL_BYTES = 256, EXPECTED_BYTES = 1024 };

/* One explanation while it is written. */
struct sheet {
    struct er_explainer *explainer;
    const struct er_explanation *explanation;
    const struct er_json *pattern; /* of the rule, as written; NULL: none, or no memory */
};

const char *er_truth_name(enum er_truth truth)
{
    static const char *const names[] = { [ER_FALSE] = "failed", [ER_TRUE] = "matched", [ER_UNDECIDED] = "undecided" };

    return names[truth];
}

const char *er_outcome_name(enum er_outcome outcome)
{
    static const char *const names[] = { [ER_OUTCOME_FAILED] = "failed",
                                         [ER_OUTCOME_OK] = "ok",
                                         [ER_OUTCOME_UNDECIDED] = "undecided",
                                         [ER_OUTCOME_NOT_REACHED] = "not reached" };

    return names[outcome];
}

/* ---- what a condition is about ---- */

static const char *operator_of(const struct er_condition *condition)
{
    const struct er_pattern *node = condition->node;
    static const char *const logic[] = {
        [ER_PATTERN_ALL] = "all of", [ER_PATTERN_ANY] = "any of", [ER_PATTERN_NOT] = "not", [ER_PATTERN_WITHIN] = "within"
    };

    if (condition->kind != ER_CONDITION_PATTERN) {
        return condition->kind == ER_CONDITION_TYPES ? "types" : "regex";
    }
    if (node->kind != ER_PATTERN_LEAF) {
        return logic[node->kind];
    }
    if (node->n_entries > 1) {
        return "one of";
    }
    return node->entries[0].but ? "anything-but" : er_operator_name(node->entries[0].op);
}

/* A key as paths of `regex` write it. */
static void add_key(struct er_buf *out, struct er_str key, bool first)
{
    bool bare = key.n > 0 && memchr(key.p, '.', key.n) == NULL && memchr(key.p, '"', key.n) == NULL &&
                !(first && (key.p[0] == '$' || key.p[0] == '/'));
    struct er_json_writer w;

    if (!first) {
        er_buf_addc(out, '.');
    }
    if (bare) {
        er_buf_add(out, key);
    } else {
        er_jw_init(&w, out);
        er_jw_string(&w, key);
    }
}

static void add_event_path(struct er_buf *out, const struct er_pattern *node)
{
    const struct er_pattern *keys[256];
    size_t n = 0;

    for (; node != NULL && n < sizeof keys / sizeof *keys; node = node->parent) {
        if (node->kind == ER_PATTERN_WITHIN || node->kind == ER_PATTERN_LEAF) {
            keys[n++] = node;
        }
    }
    for (size_t i = n; i > 0; i--) {
        add_key(out, keys[i - 1]->key, i == n);
    }
}

/* Empty for the event itself. */
static void add_path(struct er_buf *out, const struct er_condition *condition)
{
    static const char *const envelope[] = { [ER_PATH_KAFKA_TOPIC] = "$kafka.topic",
                                            [ER_PATH_KAFKA_PARTITION] = "$kafka.partition",
                                            [ER_PATH_KAFKA_KEY] = "$kafka.key",
                                            [ER_PATH_KAFKA_TIMESTAMP] = "$kafka.timestamp",
                                            [ER_PATH_KAFKA_HEADER] = "$kafka.headers" };

    if (condition->kind == ER_CONDITION_TYPES) {
        er_buf_add(out, ER_STR("type"));
    } else if (condition->kind == ER_CONDITION_REGEX) {
        er_buf_add(out, condition->regex->path_text);
    } else if (condition->node->kind != ER_PATTERN_LEAF || condition->node->root == ER_PATH_EVENT) {
        add_event_path(out, condition->node);
    } else {
        er_buf_add(out, er_str_of(envelope[condition->node->root]));
        if (condition->node->root == ER_PATH_KAFKA_HEADER) {
            add_key(out, condition->node->key, false);
        }
    }
}

/* What a JSON Pointer names, or NULL. */
static const struct er_json *resolve(struct er_arena *arena, const struct er_json *value, struct er_str pointer)
{
    size_t at = 0;

    while (value != NULL && at < pointer.n) {
        char *token = er_arena_alloc(arena, pointer.n);
        size_t n = 0, index = 0;

        if (token == NULL) {
            return NULL;
        }
        for (at++; at < pointer.n && pointer.p[at] != '/'; at++) {
            char c = pointer.p[at];

            if (c == '~' && at + 1 < pointer.n) {
                c = pointer.p[++at] == '0' ? '~' : '/';
            }
            index = index * 10 + (size_t)(c - '0');
            token[n++] = c;
        }
        if (value->type == ER_JSON_ARRAY) {
            for (value = value->first; value != NULL && index > 0; index--) {
                value = value->next;
            }
        } else {
            value = er_json_member(value, (struct er_str){ token, n });
        }
    }
    return value;
}

/* The leaf as the rule says it. */
static const struct er_json *leaf_of(const struct sheet *sheet, const struct er_condition *condition)
{
    static const struct er_str root = { "/pattern", 8 };
    struct er_arena *arena = sheet->explainer->arena;
    struct er_str pointer = er_pattern_pointer(condition->node, arena);

    if (pointer.p == NULL || pointer.n < root.n || sheet->pattern == NULL) {
        return NULL;
    }
    return resolve(arena, sheet->pattern, (struct er_str){ pointer.p + root.n, pointer.n - root.n });
}

static void open_sheet(struct sheet *sheet, struct er_explainer *explainer, const struct er_explanation *explanation)
{
    struct er_json *pattern;
    struct er_err err;

    *sheet = (struct sheet){ .explainer = explainer, .explanation = explanation };
    if (explanation->rule->pattern_text.n > 0 &&
        er_json_parse(explainer->arena, explanation->rule->pattern_text, (size_t)-1, &pattern, &err) == ER_OK) {
        sheet->pattern = pattern;
    }
}

static bool add_expected(struct er_buf *out, const struct sheet *sheet, const struct er_condition *condition)
{
    const struct er_rule *rule = sheet->explanation->rule;
    const struct er_json *leaf;
    struct er_json_writer w;

    er_jw_init(&w, out);
    if (condition->kind == ER_CONDITION_REGEX) {
        er_jw_string(&w, er_regex_text(condition->regex->regex));
    } else if (condition->kind == ER_CONDITION_TYPES) {
        er_jw_array(&w);
        for (size_t i = 0; i < rule->n_types; i++) {
            er_jw_string(&w, rule->types[i]);
        }
        er_jw_end(&w);
    } else {
        leaf = condition->node->kind == ER_PATTERN_LEAF ? leaf_of(sheet, condition) : NULL;
        if (leaf == NULL) {
            return false;
        }
        er_jw_json(&w, leaf);
    }
    return true;
}

/* JSON of a value, cut off where it is too long. Only so much of it is looked at. */
static void add_actual(struct er_buf *out, const struct sheet *sheet, const struct er_json *actual, bool *cut)
{
    struct er_json_writer w;
    struct er_str text = actual->text;

    er_jw_init(&w, out);
    *cut = false;
    if (actual->type == ER_JSON_OBJECT || actual->type == ER_JSON_ARRAY) {
        text = er_tree_text(sheet->explainer->tree, actual);
    } else if (actual->type != ER_JSON_STRING && actual->type != ER_JSON_NUMBER) {
        er_jw_json(&w, actual);
        return;
    }
    *cut = text.n > ACTUAL_BYTES;
    if (*cut || actual->type == ER_JSON_STRING) {
        er_jw_string(&w, er_utf8_cut(text, ACTUAL_BYTES));
    } else {
        er_jw_raw(&w, text);
    }
}

/* ---- JSON ---- */

static void write_expected(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w)
{
    struct er_buf text = { 0 };

    if (add_expected(&text, sheet, condition)) {
        bool cut = text.n > EXPECTED_BYTES;

        er_jw_key(w, ER_STR("expected"));
        if (cut) {
            er_jw_string(w, er_utf8_cut(er_buf_str(&text), EXPECTED_BYTES));
            er_jw_member_bool(w, "expected_truncated", true);
        } else {
            er_jw_raw(w, er_buf_str(&text));
        }
    }
    w->buf->failed = w->buf->failed || text.failed;
    er_buf_free(&text);
}

static bool is_field(const struct er_condition *condition)
{
    return condition->kind != ER_CONDITION_PATTERN || condition->node->kind == ER_PATTERN_LEAF;
}

/* Of a field always, `absent` where there is nothing; of an object's key only where no object is, which explains much. */
static bool shows_actual(const struct er_condition *condition)
{
    const struct er_json *actual = condition->actual;

    if (condition->outcome == ER_OUTCOME_NOT_REACHED) {
        return false;
    }
    return is_field(condition) ||
           (condition->node->kind == ER_PATTERN_WITHIN && (actual == NULL || (actual->type != ER_JSON_OBJECT && actual->n == 0)));
}

static void write_actual(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w)
{
    struct er_buf text = { 0 };
    bool cut = false;

    if (condition->actual == NULL) {
        er_jw_member_bool(w, "absent", true);
        return;
    }
    add_actual(&text, sheet, condition->actual, &cut);
    er_jw_key(w, ER_STR("actual"));
    er_jw_raw(w, er_buf_str(&text));
    if (cut) {
        er_jw_member_bool(w, "actual_truncated", true);
    }
    w->buf->failed = w->buf->failed || text.failed;
    er_buf_free(&text);
}

static void write_cost(const struct er_condition *condition, struct er_json_writer *w)
{
    er_jw_key(w, ER_STR("cost"));
    er_jw_object(w);
    er_jw_member_uint(w, "values", condition->values);
    if (condition->ns > 0) {
        er_jw_member_uint(w, "ns", condition->ns);
    }
    er_jw_end(w);
}

static void write_pointer(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w)
{
    struct er_arena *arena = sheet->explainer->arena;
    struct er_str pointer = condition->kind == ER_CONDITION_TYPES ? ER_STR("/types")
                            : condition->kind == ER_CONDITION_REGEX
                                ? er_pointer_push(arena, ER_STR("/regex"), condition->regex->path_text)
                                : er_pattern_pointer(condition->node, arena);

    er_jw_member_string(w, "pointer", pointer.p == NULL ? ER_STR("") : pointer);
}

/* An object with one field, or a list with one alternative, is not worth a level of its own. */
static const struct er_condition *worth_showing(const struct er_condition *condition)
{
    while (condition->kind == ER_CONDITION_PATTERN && condition->node->kind == ER_PATTERN_ALL && condition->node->n_children == 1) {
        condition++;
    }
    return condition;
}

/* The writer has room for 64 levels, a rule may have more: what is deeper stands beside, with its own pointer. */
enum { MAX_LEVELS = 20 };

static void write_condition(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w, int level);

static void write_below(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w, int level)
{
    for (size_t i = 1; i < condition->size; i += condition[i].size) {
        write_condition(sheet, worth_showing(&condition[i]), w, level + 1);
    }
}

static void write_condition(const struct sheet *sheet, const struct er_condition *condition, struct er_json_writer *w, int level)
{
    struct er_buf path = { 0 };

    add_path(&path, condition);
    er_jw_object(w);
    write_pointer(sheet, condition, w);
    if (path.n > 0) {
        er_jw_member_string(w, "path", er_buf_str(&path));
    }
    er_jw_member_string(w, "operator", er_str_of(operator_of(condition)));
    er_jw_member_string(w, "outcome", er_str_of(er_outcome_name(condition->outcome)));
    if (condition->reason != NULL) {
        er_jw_member_string(w, "reason", er_str_of(condition->reason));
    }
    write_expected(sheet, condition, w);
    if (shows_actual(condition)) {
        write_actual(sheet, condition, w);
    }
    if (condition->element != ER_NO_ELEMENT) {
        er_jw_member_uint(w, "element", condition->element);
    }
    if (is_field(condition)) {
        write_cost(condition, w);
    } else if (level < MAX_LEVELS) {
        er_jw_key(w, ER_STR("conditions"));
        er_jw_array(w);
        write_below(sheet, condition, w, level);
        er_jw_end(w);
    }
    er_jw_end(w);
    if (!is_field(condition) && level >= MAX_LEVELS) {
        write_below(sheet, condition, w, level);
    }
    w->buf->failed = w->buf->failed || path.failed;
    er_buf_free(&path);
}

void er_explanation_write(struct er_explainer *explainer, const struct er_explanation *explanation, struct er_json_writer *w)
{
    struct sheet sheet;

    open_sheet(&sheet, explainer, explanation);
    er_jw_member_string(w, "outcome", er_str_of(explanation->rule->enabled ? er_truth_name(explanation->truth) : "disabled"));
    if (!explanation->rule->enabled) {
        er_jw_member_string(w, "would_be", er_str_of(er_truth_name(explanation->truth)));
    }
    er_jw_member_uint(w, "failed", explanation->failed);
    if (explanation->reason != NULL) {
        er_jw_member_string(w, "reason", er_str_of(explanation->reason));
    }
    er_jw_key(w, ER_STR("conditions"));
    er_jw_array(w);
    for (size_t i = 0; i < explanation->n; i += explanation->conditions[i].size) {
        write_condition(&sheet, worth_showing(&explanation->conditions[i]), w, 0);
    }
    er_jw_end(w);
}

/* ---- text ---- */

static void print_field(struct sheet *sheet, const struct er_condition *condition, struct er_buf *out)
{
    size_t start;
    bool cut = false;

    er_buf_addc(out, ' ');
    start = out->n;
    if (add_expected(out, sheet, condition) && out->n - start > EXPECTED_BYTES) {
        out->n = start + er_utf8_cut((struct er_str){ out->p + start, out->n - start }, EXPECTED_BYTES).n;
        er_buf_add(out, ER_STR("..."));
    }
    if (condition->outcome == ER_OUTCOME_NOT_REACHED) {
        return;
    }
    er_buf_add(out, ER_STR(", found "));
    if (condition->actual == NULL) {
        er_buf_add(out, ER_STR("nothing"));
        return;
    }
    add_actual(out, sheet, condition->actual, &cut);
    if (cut) {
        er_buf_add(out, ER_STR("..."));
    }
}

static void print_condition(struct sheet *sheet, const struct er_condition *condition, struct er_buf *out, size_t indent)
{
    er_buf_printf(out, "%*s%-11s ", (int)indent, "", er_outcome_name(condition->outcome));
    add_path(out, condition);
    if (condition->kind != ER_CONDITION_TYPES) {
        er_buf_printf(out, "%s%s", out->p != NULL && out->p[out->n - 1] == ' ' ? "" : " ", operator_of(condition));
    }
    if (is_field(condition)) {
        print_field(sheet, condition, out);
    } else if (shows_actual(condition)) {
        er_buf_add(out, condition->actual == NULL ? ER_STR(", found nothing") : ER_STR(", found no object"));
    }
    if (condition->element != ER_NO_ELEMENT) {
        er_buf_printf(out, " (element %zu)", condition->element);
    }
    if (condition->reason != NULL) {
        er_buf_printf(out, ": %s", condition->reason);
    }
    er_buf_addc(out, '\n');
    for (size_t i = 1; i < condition->size; i += condition[i].size) {
        print_condition(sheet, worth_showing(&condition[i]), out, indent + 2);
    }
}

void er_explanation_print(struct er_explainer *explainer, const struct er_explanation *explanation, struct er_buf *out)
{
    struct sheet sheet;

    open_sheet(&sheet, explainer, explanation);
    for (size_t i = 0; i < explanation->n; i += explanation->conditions[i].size) {
        print_condition(&sheet, worth_showing(&explanation->conditions[i]), out, 2);
    }
}
