#include "admin/event_body.h"

#include <stdio.h>
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"

enum { MAX_NAMES = 16 };

struct reader {
    struct er_call *call;
    struct er_record *out;
};

typedef void read_member(struct reader *reader, const struct er_json *value, struct er_str pointer);

static read_member read_event, read_value, read_topic, read_partition, read_key, read_headers, read_timestamp;

static const struct {
    const char *name;
    read_member *read;
} members[] = {
    { "event", read_event }, { "value", read_value },     { "topic", read_topic },         { "partition", read_partition },
    { "key", read_key },     { "headers", read_headers }, { "timestamp", read_timestamp },
};
enum { MEMBERS = sizeof members / sizeof *members, FIRST_OF_ENVELOPE = 2 };

static void problem(struct reader *reader, const struct er_json *value, struct er_str pointer, const char *expected)
{
    er_problems_add(&reader->call->problems, ER_E_RULE_TYPE, pointer, ER_NO_OFFSET, NULL, "expected %s, found %s", expected,
                    er_json_type_name(value->type));
}

struct er_str er_event_body_text(const struct er_call *call, const struct er_json *value)
{
    return (struct er_str){ call->request->body.p + value->offset, value->end - value->offset };
}

static void read_event(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    (void)pointer;
    reader->out->value = er_event_body_text(reader->call, value);
    reader->out->has_value = true;
}

static void read_value(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    if (value->type == ER_JSON_STRING) {
        reader->out->value = value->text;
        reader->out->has_value = true;
    } else if (value->type != ER_JSON_NULL) {
        problem(reader, value, pointer, "the event's text in a string, or null for a tombstone");
    }
}

static void read_topic(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    if (value->type == ER_JSON_STRING) {
        reader->out->topic = value->text;
    } else {
        problem(reader, value, pointer, "a string");
    }
}

static void read_key(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    if (value->type == ER_JSON_STRING) {
        reader->out->key = value->text;
        reader->out->has_key = true;
    } else if (value->type != ER_JSON_NULL) {
        problem(reader, value, pointer, "a string or null");
    }
}

/* Digits alone, so that it is what $kafka would say. */
static bool read_number(struct reader *reader, const struct er_json *value, struct er_str pointer, int64_t max, int64_t *out)
{
    int64_t n = 0;
    bool fine = value->type == ER_JSON_NUMBER;

    for (size_t i = 0; fine && i < value->text.n; i++) {
        char c = value->text.p[i];

        fine = c >= '0' && c <= '9' && n <= (max - (c - '0')) / 10;
        n = fine ? n * 10 + (c - '0') : n;
    }
    if (!fine) {
        er_problems_add(&reader->call->problems, ER_E_RULE_TYPE, pointer, ER_NO_OFFSET, NULL, "expected a whole number from 0 on");
        return false;
    }
    *out = n;
    return true;
}

static void read_partition(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    int64_t n;

    if (read_number(reader, value, pointer, INT32_MAX, &n)) {
        reader->out->partition = (int32_t)n;
    }
}

static void read_timestamp(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    (void)read_number(reader, value, pointer, INT64_MAX, &reader->out->timestamp_ms);
}

static void read_header(struct reader *reader, const struct er_json *entry, struct er_str pointer, bool array,
                        struct er_header *out)
{
    const struct er_json *name = array ? er_json_member(entry, ER_STR("name")) : NULL;
    const struct er_json *value = array ? er_json_member(entry, ER_STR("value")) : entry;
    bool fine = value != NULL && (value->type == ER_JSON_STRING || value->type == ER_JSON_NULL);

    if (array && (name == NULL || name->type != ER_JSON_STRING || !fine)) {
        problem(reader, entry, pointer, "{\"name\": string, \"value\": string or null}");
    } else if (!fine) {
        problem(reader, entry, pointer, "a string or null");
    } else {
        *out = (struct er_header){ array ? name->text : entry->key, value->text, value->type == ER_JSON_NULL };
    }
}

static void read_headers(struct reader *reader, const struct er_json *value, struct er_str pointer)
{
    struct er_arena *arena = reader->call->arena;
    bool array = value->type == ER_JSON_ARRAY;
    struct er_header *headers;
    size_t i = 0;

    if (!array && value->type != ER_JSON_OBJECT) {
        problem(reader, value, pointer, "an object of name and text, or an array of {\"name\", \"value\"}");
        return;
    }
    headers = er_arena_calloc(arena, value->n + 1, sizeof *headers);
    if (headers == NULL) {
        reader->call->problems.no_memory = true;
        return;
    }
    for (const struct er_json *entry = value->first; entry != NULL; entry = entry->next, i++) {
        struct er_str at = array ? er_pointer_push_index(arena, pointer, i) : er_pointer_push(arena, pointer, entry->key);

        read_header(reader, entry, at, array, &headers[i]);
    }
    reader->out->headers = headers;
    reader->out->n_headers = value->n;
}

/* ---- all members */

static void unknown(struct reader *reader, const struct er_event_body *body, const struct er_json *member, struct er_str pointer)
{
    const char *names[MAX_NAMES];
    const char *near;
    char hint[64];
    size_t n = 0;

    for (size_t i = body->needs_value ? 0 : FIRST_OF_ENVELOPE; i < MEMBERS; i++) {
        names[n++] = members[i].name;
    }
    for (size_t i = 0; body->others[i] != NULL && n < MAX_NAMES; i++) {
        names[n++] = body->others[i];
    }
    near = er_suggest(member->key, names, n);
    if (near != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
    }
    er_problems_add(&reader->call->problems, ER_E_RULE_UNKNOWN_MEMBER, pointer, ER_NO_OFFSET, near != NULL ? hint : NULL,
                    "unknown member \"%.*s\"", ER_STR_ARG(er_utf8_cut(member->key, 120)));
}

/* Row of members, or MEMBERS. */
static size_t find_member(struct er_str name)
{
    size_t i = 0;

    while (i < MEMBERS && !er_str_eq(name, er_str_of(members[i].name))) {
        i++;
    }
    return i;
}

static bool is_other(const struct er_event_body *body, struct er_str name)
{
    size_t i = 0;

    while (body->others[i] != NULL && !er_str_eq(name, er_str_of(body->others[i]))) {
        i++;
    }
    return body->others[i] != NULL;
}

bool er_event_body_is_event(const struct er_call *call, const struct er_event_body *body)
{
    const struct er_json *member = call->body->type == ER_JSON_OBJECT ? call->body->first : NULL;
    bool strange = member != NULL;

    for (; strange && member != NULL; member = member->next) {
        strange = find_member(member->key) == MEMBERS && !is_other(body, member->key);
    }
    return strange;
}

static void read_one(struct reader *reader, const struct er_event_body *body, const struct er_json *member)
{
    struct er_str pointer = er_pointer_push(reader->call->arena, ER_STR(""), member->key);
    size_t row = find_member(member->key);

    if (member->duplicate) {
        er_problems_add(&reader->call->problems, ER_E_JSON_DUPLICATE_KEY, pointer, ER_NO_OFFSET, "keep one of them",
                        "the key \"%.*s\" is there twice", ER_STR_ARG(er_utf8_cut(member->key, 120)));
        return;
    }
    if (row < MEMBERS && (row >= FIRST_OF_ENVELOPE || body->needs_value)) {
        members[row].read(reader, member, pointer);
    } else if (!is_other(body, member->key)) {
        unknown(reader, body, member, pointer);
    }
}

bool er_event_body_refused(struct er_call *call)
{
    struct er_err err;

    if (call->problems.no_memory) {
        call->problems.n = 0;
        (void)er_err_set(&err, ER_E_NOMEM, "out of memory");
        er_call_refuse(call, err.code, &err);
        return true;
    }
    if (call->problems.n > 0) {
        (void)er_err_set(&err, call->problems.first->code, "the request cannot be read");
        er_call_refuse(call, err.code, &err);
        return true;
    }
    return false;
}

void er_event_body_read(struct er_call *call, const struct er_event_body *body, struct er_record *out)
{
    struct reader reader = { call, out };
    bool event = er_json_member(call->body, ER_STR("event")) != NULL, value = er_json_member(call->body, ER_STR("value")) != NULL;

    *out = (struct er_record){ .partition = -1, .timestamp_ms = -1 };
    if (call->body->type != ER_JSON_OBJECT) {
        problem(&reader, call->body, ER_STR(""), "an object");
    } else if (body->needs_value && event == value) {
        er_problems_add(&call->problems, ER_E_RULE_REQUIRED, ER_STR(""), ER_NO_OFFSET,
                        "\"event\" is the event as JSON, \"value\" its text in a string, or null for a tombstone",
                        event ? "event and value are both there" : "the event is missing");
    }
    for (const struct er_json *member = call->body->first; call->body->type == ER_JSON_OBJECT && member != NULL;
         member = member->next) {
        read_one(&reader, body, member);
    }
}

size_t er_event_body_limit(struct er_call *call, size_t fallback, size_t max)
{
    const struct er_json *value = er_json_member(call->body, ER_STR("limit"));
    struct reader reader = { call, NULL };
    int64_t n = 0;

    if (value == NULL) {
        return fallback;
    }
    if (read_number(&reader, value, ER_STR("/limit"), INT32_MAX, &n) && (n < 1 || (uint64_t)n > max)) {
        er_problems_add(&call->problems, ER_E_RULE_LIMIT, ER_STR("/limit"), ER_NO_OFFSET, NULL, "limit is a number from 1 to %zu",
                        max);
    }
    return (size_t)n;
}

/* ---- answers */

void er_event_write_text(struct er_json_writer *w, const char *key, struct er_str text)
{
    er_jw_key(w, er_str_of(key));
    if (text.p == NULL) {
        er_jw_null(w);
    } else {
        er_jw_string(w, text);
    }
}
