#include "rules/base/json.h"

#include <stdlib.h>
#include "rules/base/json_lex.h"

/* An open object or array. Frames are kept when closed: a text of many small objects needs only as many as its depth. */
struct frame {
    struct frame *up;
    struct frame *down;
    struct er_json *node;
    struct er_json **tail; /* where the next child is linked */
};

struct parser {
    struct er_arena *arena;
    const char *start, *end;
    const char *p;
    struct frame *top;   /* innermost open container, NULL at the top level */
    struct frame *spare; /* outermost frame, for reuse when nothing is open */
    size_t depth, max_depth;
    struct er_json *root;
    struct er_lex_fault fault;
};

enum step { STEP_VALUE, STEP_AFTER, STEP_DONE, STEP_FAILED };

static enum step failed(struct parser *parser, enum er_code code, const char *what)
{
    parser->fault = (struct er_lex_fault){ code, parser->p, what };
    return STEP_FAILED;
}

static enum step unexpected(struct parser *parser, const char *what)
{
    (void)er_lex_unexpected(parser->p, parser->end, what, &parser->fault);
    return STEP_FAILED;
}

static bool at(const struct parser *parser, char c)
{
    return parser->p < parser->end && *parser->p == c;
}

static void skip_space(struct parser *parser)
{
    parser->p = er_lex_space(parser->p, parser->end);
}

/* p is at an opening quote. Leaves the decoded text in *out. */
static bool read_string(struct parser *parser, struct er_str *out)
{
    bool escaped;
    const char *text = parser->p + 1;
    const char *quote = er_lex_string(text, parser->end, &escaped, &parser->fault);

    if (quote == NULL) {
        return false;
    }
    *out = (struct er_str){ text, (size_t)(quote - text) };
    if (escaped) {
        char *decoded = er_arena_alloc(parser->arena, out->n);

        if (decoded == NULL) {
            (void)failed(parser, ER_E_NOMEM, "out of memory");
            return false;
        }
        *out = (struct er_str){ decoded, er_lex_decode(*out, decoded) };
    }
    parser->p = quote + 1;
    return true;
}

static struct frame *frame_open(struct parser *parser)
{
    struct frame *frame = parser->top != NULL ? parser->top->down : parser->spare;

    if (frame == NULL) {
        frame = er_arena_calloc(parser->arena, 1, sizeof *frame);
        if (frame == NULL) {
            return NULL;
        }
        frame->up = parser->top;
        *(parser->top != NULL ? &parser->top->down : &parser->spare) = frame;
    }
    parser->top = frame;
    return frame;
}

/* Later of two members with one key sorts behind the earlier one. */
static int compare_members(const void *a, const void *b)
{
    const struct er_json *x = *(struct er_json *const *)a;
    const struct er_json *y = *(struct er_json *const *)b;
    int order = er_str_cmp(x->key, y->key);

    return order != 0 ? order : (x->key_offset > y->key_offset) - (x->key_offset < y->key_offset);
}

static void mark_few(struct er_json *object)
{
    for (struct er_json *member = object->first; member != NULL; member = member->next) {
        for (struct er_json *earlier = object->first; earlier != member && !member->duplicate; earlier = earlier->next) {
            member->duplicate = er_str_eq(earlier->key, member->key);
        }
    }
}

/* Sorting keeps an object of many keys from costing the square of their number. */
static bool mark_duplicates(struct parser *parser, struct er_json *object)
{
    struct er_json **members;
    size_t n = 0;

    if (object->n <= 16) {
        mark_few(object);
        return true;
    }
    members = er_arena_calloc(parser->arena, object->n, sizeof *members);
    if (members == NULL) {
        return false;
    }
    for (struct er_json *member = object->first; member != NULL; member = member->next) {
        members[n++] = member;
    }
    qsort(members, n, sizeof *members, compare_members);
    for (size_t i = 1; i < n; i++) {
        members[i]->duplicate = er_str_eq(members[i - 1]->key, members[i]->key);
    }
    return true;
}

static enum step close_container(struct parser *parser)
{
    struct er_json *node = parser->top->node;

    node->end = (size_t)(++parser->p - parser->start);
    if (node->type == ER_JSON_OBJECT && !mark_duplicates(parser, node)) {
        return failed(parser, ER_E_NOMEM, "out of memory");
    }
    parser->top = parser->top->up;
    parser->depth--;
    return STEP_AFTER;
}

static enum step open_container(struct parser *parser, struct er_json *node, enum er_json_type type)
{
    struct frame *frame;

    if (parser->depth == parser->max_depth) {
        return failed(parser, ER_E_JSON_DEPTH, "too many objects and arrays are open at once");
    }
    frame = frame_open(parser);
    if (frame == NULL) {
        return failed(parser, ER_E_NOMEM, "out of memory");
    }
    node->type = type;
    frame->node = node;
    frame->tail = &node->first;
    parser->depth++;
    parser->p++;
    skip_space(parser);
    return at(parser, type == ER_JSON_OBJECT ? '}' : ']') ? close_container(parser) : STEP_VALUE;
}

static enum step read_number(struct parser *parser, struct er_json *node)
{
    const char *stop = er_lex_number(parser->p, parser->end, &parser->fault);

    if (stop == NULL) {
        return STEP_FAILED;
    }
    node->type = ER_JSON_NUMBER;
    node->text = (struct er_str){ parser->p, (size_t)(stop - parser->p) };
    parser->p = stop;
    return STEP_AFTER;
}

static enum step read_literal(struct parser *parser, struct er_json *node)
{
    const char *stop = er_lex_literal(parser->p, parser->end, &parser->fault);

    if (stop == NULL) {
        return STEP_FAILED;
    }
    node->type = *parser->p == 't' ? ER_JSON_TRUE : *parser->p == 'f' ? ER_JSON_FALSE : ER_JSON_NULL;
    parser->p = stop;
    return STEP_AFTER;
}

static enum step read_value(struct parser *parser, struct er_json *node)
{
    if (parser->p == parser->end) {
        return unexpected(parser, "expected a value");
    }
    switch (*parser->p) {
    case '{':
        return open_container(parser, node, ER_JSON_OBJECT);
    case '[':
        return open_container(parser, node, ER_JSON_ARRAY);
    case '"':
        node->type = ER_JSON_STRING;
        return read_string(parser, &node->text) ? STEP_AFTER : STEP_FAILED;
    case 't':
    case 'f':
    case 'n':
        return read_literal(parser, node);
    default:
        if (*parser->p == '-' || (*parser->p >= '0' && *parser->p <= '9')) {
            return read_number(parser, node);
        }
        return unexpected(parser, "expected a value");
    }
}

static bool read_key(struct parser *parser, struct er_json *node)
{
    if (!at(parser, '"')) {
        (void)unexpected(parser, "expected a key in double quotes");
        return false;
    }
    node->key_offset = (size_t)(parser->p - parser->start);
    if (!read_string(parser, &node->key)) {
        return false;
    }
    skip_space(parser);
    if (!at(parser, ':')) {
        (void)unexpected(parser, "expected a colon after the key");
        return false;
    }
    parser->p++;
    skip_space(parser);
    return true;
}

/* One value (with its key inside an object); a container is only opened. */
static enum step step_value(struct parser *parser)
{
    struct er_json *node = er_arena_calloc(parser->arena, 1, sizeof *node);
    enum step step;

    if (node == NULL) {
        return failed(parser, ER_E_NOMEM, "out of memory");
    }
    if (parser->top == NULL) {
        parser->root = node;
    } else {
        if (parser->top->node->type == ER_JSON_OBJECT && !read_key(parser, node)) {
            return STEP_FAILED;
        }
        *parser->top->tail = node;
        parser->top->tail = &node->next;
        parser->top->node->n++;
    }
    node->offset = (size_t)(parser->p - parser->start);
    step = read_value(parser, node);
    if (node->type < ER_JSON_ARRAY) {
        node->end = (size_t)(parser->p - parser->start);
    }
    return step;
}

/* What follows a complete value. */
static enum step step_after(struct parser *parser)
{
    bool object;

    skip_space(parser);
    if (parser->top == NULL) {
        return parser->p == parser->end ? STEP_DONE : failed(parser, ER_E_JSON_TRAILING, "expected nothing after the document");
    }
    object = parser->top->node->type == ER_JSON_OBJECT;
    if (at(parser, object ? '}' : ']')) {
        return close_container(parser);
    }
    if (!at(parser, ',')) {
        return unexpected(parser, object ? "expected a comma or a closing brace" : "expected a comma or a closing bracket");
    }
    parser->p++;
    skip_space(parser);
    return STEP_VALUE;
}

enum er_code er_json_parse(struct er_arena *arena, struct er_str text, size_t max_depth, struct er_json **out, struct er_err *err)
{
    const char *start = text.n == 0 ? "" : text.p;
    struct parser parser = { .arena = arena, .start = start, .end = start + text.n, .max_depth = max_depth };
    enum step step = STEP_VALUE;

    *out = NULL;
    parser.p = er_lex_begin(start, parser.end, &parser.fault);
    if (parser.p == NULL) {
        step = STEP_FAILED;
    }
    while (step != STEP_DONE && step != STEP_FAILED) {
        step = step == STEP_VALUE ? step_value(&parser) : step_after(&parser);
    }
    if (step == STEP_FAILED) {
        return er_lex_error(err, &parser.fault, start);
    }
    *out = parser.root;
    return ER_OK;
}

const struct er_json *er_json_member(const struct er_json *object, struct er_str key)
{
    const struct er_json *found = NULL;

    if (object == NULL || object->type != ER_JSON_OBJECT) {
        return NULL;
    }
    for (const struct er_json *member = object->first; member != NULL; member = member->next) {
        if (er_str_eq(member->key, key)) {
            found = member;
        }
    }
    return found;
}

static size_t distinct_keys(const struct er_json *object)
{
    size_t n = 0;

    for (const struct er_json *member = object->first; member != NULL; member = member->next) {
        n += !member->duplicate;
    }
    return n;
}

static bool objects_equal(const struct er_json *a, const struct er_json *b)
{
    if (distinct_keys(a) != distinct_keys(b)) {
        return false;
    }
    for (const struct er_json *member = a->first; member != NULL; member = member->next) {
        const struct er_json *other;

        if (member->duplicate) {
            continue;
        }
        other = er_json_member(b, member->key);
        if (other == NULL || !er_json_equal(er_json_member(a, member->key), other)) {
            return false;
        }
    }
    return true;
}

static bool arrays_equal(const struct er_json *a, const struct er_json *b)
{
    const struct er_json *y = b->first;

    if (a->n != b->n) {
        return false;
    }
    for (const struct er_json *x = a->first; x != NULL; x = x->next, y = y->next) {
        if (!er_json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

bool er_json_equal(const struct er_json *a, const struct er_json *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case ER_JSON_NUMBER:
    case ER_JSON_STRING:
        return er_str_eq(a->text, b->text);
    case ER_JSON_ARRAY:
        return arrays_equal(a, b);
    case ER_JSON_OBJECT:
        return objects_equal(a, b);
    case ER_JSON_NULL:
    case ER_JSON_FALSE:
    case ER_JSON_TRUE:
        break;
    }
    return true;
}

const char *er_json_type_name(enum er_json_type type)
{
    static const char *const names[] = {
        [ER_JSON_NULL] = "null",     [ER_JSON_FALSE] = "false", [ER_JSON_TRUE] = "true",     [ER_JSON_NUMBER] = "number",
        [ER_JSON_STRING] = "string", [ER_JSON_ARRAY] = "array", [ER_JSON_OBJECT] = "object",
    };

    return names[type];
}

void er_json_position(struct er_str text, size_t offset, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            ++*line;
            *column = 1;
        } else {
            ++*column;
        }
    }
}
