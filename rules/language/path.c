#include "rules/language/path.h"

#include "rules/base/json_lex.h"
#include "rules/base/suggest.h"

struct reader {
    struct er_arena *arena;
    struct er_str text;
    size_t at;
    struct er_str *keys; /* room for every key that text can hold */
    size_t *starts;      /* where each key begins in text */
    size_t n;
    bool pointer;      /* JSON Pointer notation */
    bool first_quoted; /* keys[0] was in quotes: never a reserved word */
    struct er_err *err;
};

static enum er_code no_memory(struct reader *reader)
{
    return er_err_set(reader->err, ER_E_NOMEM, "out of memory");
}

static enum er_code malformed(struct reader *reader, size_t offset, const char *what)
{
    return er_err_at(reader->err, ER_E_PATH_SYNTAX, offset, "malformed path at byte %zu: %s", offset, what);
}

static char byte_at(const struct reader *reader)
{
    return reader->text.p[reader->at];
}

static void add_key(struct reader *reader, size_t start, struct er_str key)
{
    reader->starts[reader->n] = start;
    reader->keys[reader->n++] = key;
}

static enum er_code quoted_key(struct reader *reader)
{
    const char *start = reader->text.p + reader->at + 1;
    struct er_lex_fault fault;
    bool escaped;
    const char *quote = er_lex_string(start, reader->text.p + reader->text.n, &escaped, &fault);
    struct er_str key;

    if (quote == NULL) {
        return malformed(reader, (size_t)(fault.at - reader->text.p),
                         fault.code == ER_E_JSON_TRUNCATED ? "the closing quote is missing" : fault.what);
    }
    key = (struct er_str){ start, (size_t)(quote - start) };
    if (escaped) {
        char *decoded = er_arena_alloc(reader->arena, key.n);

        if (decoded == NULL) {
            return no_memory(reader);
        }
        key = (struct er_str){ decoded, er_lex_decode(key, decoded) };
    }
    reader->first_quoted = reader->first_quoted || reader->n == 0;
    add_key(reader, reader->at, key);
    reader->at = (size_t)(quote + 1 - reader->text.p);
    return ER_OK;
}

static enum er_code bare_key(struct reader *reader)
{
    size_t start = reader->at;

    while (reader->at < reader->text.n && byte_at(reader) != '.' && byte_at(reader) != '"') {
        reader->at++;
    }
    if (reader->at == start) {
        return malformed(reader, start, "a key is missing, write the empty key as \"\"");
    }
    add_key(reader, start, (struct er_str){ reader->text.p + start, reader->at - start });
    return ER_OK;
}

static enum er_code dotted_path(struct reader *reader)
{
    for (;;) {
        bool quoted = reader->at < reader->text.n && byte_at(reader) == '"';
        enum er_code code = quoted ? quoted_key(reader) : bare_key(reader);

        if (code != ER_OK || reader->at == reader->text.n) {
            return code;
        }
        if (byte_at(reader) != '.') {
            return malformed(reader, reader->at,
                             "expected a dot or the end, put a key with special characters in quotes as a whole");
        }
        reader->at++;
    }
}

/* One token of a JSON Pointer (RFC 6901): ~0 is ~, ~1 is /. */
static enum er_code pointer_token(struct reader *reader)
{
    size_t start = ++reader->at;
    size_t end = start;
    char *key, *out;

    while (end < reader->text.n && reader->text.p[end] != '/') {
        end++;
    }
    key = out = er_arena_alloc(reader->arena, end - start);
    if (key == NULL) {
        return no_memory(reader);
    }
    for (; reader->at < end; reader->at++) {
        char c = byte_at(reader);

        if (c == '~') {
            char next = reader->at + 1 < end ? reader->text.p[reader->at + 1] : '\0';

            if (next != '0' && next != '1') {
                return malformed(reader, reader->at, "in a JSON Pointer ~ is written ~0 and / is written ~1");
            }
            c = next == '0' ? '~' : '/';
            reader->at++;
        }
        *out++ = c;
    }
    add_key(reader, start, (struct er_str){ key, (size_t)(out - key) });
    return ER_OK;
}

static enum er_code pointer_path(struct reader *reader)
{
    enum er_code code = ER_OK;

    while (code == ER_OK && reader->at < reader->text.n) {
        code = pointer_token(reader);
    }
    return code;
}

static enum er_code unknown_field(struct reader *reader)
{
    static const char *const fields[] = { "topic", "partition", "key", "timestamp", "headers" };
    const char *nearest = er_suggest(reader->keys[1], fields, sizeof fields / sizeof fields[0]);

    if (nearest != NULL) {
        return er_err_at(reader->err, ER_E_PATH_RESERVED, reader->starts[1], "unknown envelope field, did you mean \"$kafka.%s\"?",
                         nearest);
    }
    return er_err_at(reader->err, ER_E_PATH_RESERVED, reader->starts[1],
                     "unknown envelope field, $kafka has topic, partition, key, timestamp and headers.NAME");
}

static enum er_code envelope(struct reader *reader, struct er_path *out)
{
    static const struct {
        const char *name;
        enum er_path_root root;
    } fields[] = {
        { "topic", ER_PATH_KAFKA_TOPIC },
        { "partition", ER_PATH_KAFKA_PARTITION },
        { "key", ER_PATH_KAFKA_KEY },
        { "timestamp", ER_PATH_KAFKA_TIMESTAMP },
    };

    if (reader->n == 1) {
        return er_err_at(reader->err, ER_E_PATH_RESERVED, 0,
                         "$kafka alone is no field, name one: $kafka.topic, .partition, .key, .timestamp or .headers.NAME");
    }
    if (er_str_eq(reader->keys[1], ER_STR("headers"))) {
        if (reader->n != 3) {
            return er_err_at(reader->err, ER_E_PATH_RESERVED, reader->n < 3 ? 0 : reader->starts[3],
                             "$kafka.headers takes exactly one header name, put a dotted name in quotes: $kafka.headers.\"a.b\"");
        }
        *out = (struct er_path){ ER_PATH_KAFKA_HEADER, reader->keys + 2, 1 };
        return ER_OK;
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!er_str_eq(reader->keys[1], er_str_of(fields[i].name))) {
            continue;
        }
        if (reader->n > 2) {
            return er_err_at(reader->err, ER_E_PATH_RESERVED, reader->starts[2], "$kafka.%s has no fields below it",
                             fields[i].name);
        }
        *out = (struct er_path){ fields[i].root, NULL, 0 };
        return ER_OK;
    }
    return unknown_field(reader);
}

static enum er_code finish(struct reader *reader, struct er_path *out)
{
    static const char *const logic[] = { "$or", "$and", "$not" };

    *out = (struct er_path){ ER_PATH_EVENT, reader->keys, reader->n };
    if (reader->pointer || reader->first_quoted) {
        return ER_OK;
    }
    if (er_str_eq(reader->keys[0], ER_STR("$kafka"))) {
        return envelope(reader, out);
    }
    for (size_t i = 0; i < sizeof logic / sizeof logic[0]; i++) {
        if (er_str_eq(reader->keys[0], er_str_of(logic[i]))) {
            return er_err_at(reader->err, ER_E_PATH_RESERVED, 0, "%s is reserved, put it in quotes to name a key of the event",
                             logic[i]);
        }
    }
    return ER_OK;
}

enum er_code er_path_parse(struct er_arena *arena, struct er_str text, struct er_path *out, struct er_err *err)
{
    struct reader reader = { .arena = arena, .err = err };
    size_t room = 1;
    enum er_code code;

    *out = (struct er_path){ ER_PATH_EVENT, NULL, 0 };
    if (text.n == 0) {
        return malformed(&reader, 0, "it is empty");
    }
    reader.text = er_arena_dup(arena, text);
    reader.pointer = text.p[0] == '/';
    for (size_t i = 0; i < text.n; i++) {
        room += text.p[i] == (reader.pointer ? '/' : '.');
    }
    reader.keys = er_arena_calloc(arena, room, sizeof *reader.keys);
    reader.starts = er_arena_calloc(arena, room, sizeof *reader.starts);
    if (reader.text.p == NULL || reader.keys == NULL || reader.starts == NULL) {
        return no_memory(&reader);
    }
    code = reader.pointer ? pointer_path(&reader) : dotted_path(&reader);
    return code == ER_OK ? finish(&reader, out) : code;
}

bool er_path_eq(const struct er_path *a, const struct er_path *b)
{
    if (a->root != b->root || a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!er_str_eq(a->keys[i], b->keys[i])) {
            return false;
        }
    }
    return true;
}
