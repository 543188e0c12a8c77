/* Strict JSON (RFC 8259) reader for documents: rules, admin bodies. A tree with positions, exact numbers and duplicate keys kept.
 *
 * Accepts exactly one value. Refuses, with the byte offset: invalid UTF-8, a BOM, raw control characters, lone surrogate escapes,
 * numbers outside the grammar, text after the value, more than max_depth open objects and arrays.
 * The scanner of events (rules/engine/scan.h) uses the same lexer (rules/base/json_lex.h) and gives the same verdicts.
 */
#ifndef ER_RULES_BASE_JSON_H
#define ER_RULES_BASE_JSON_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/base/str.h"

enum er_json_type { ER_JSON_NULL, ER_JSON_FALSE, ER_JSON_TRUE, ER_JSON_NUMBER, ER_JSON_STRING, ER_JSON_ARRAY, ER_JSON_OBJECT };

/* Read-only for users; lives in the arena given to er_json_parse. Strings are decoded; numbers are their literal text. */
struct er_json {
    enum er_json_type type;
    bool duplicate;        /* an earlier sibling has the same key */
    struct er_str key;     /* decoded; only for members of an object */
    size_t key_offset;     /* of the opening quote of the key */
    size_t offset;         /* of the first byte of the value */
    size_t end;            /* one past its last byte */
    struct er_str text;    /* string: decoded characters; number: literal */
    size_t n;              /* children of an array or object */
    struct er_json *first; /* in document order */
    struct er_json *next;
};

/* Parses all of text. Strings without escapes point into text, so text must outlive the tree. *out lives in arena.
 * Errors: ER_E_JSON_* with offset, ER_E_NOMEM. Duplicate keys are not an error here: see the member `duplicate`. */
enum er_code er_json_parse(struct er_arena *arena, struct er_str text, size_t max_depth, struct er_json **out,
                           struct er_err *err) ER_MUST_CHECK;

/* Last member with that key, or NULL. object may be NULL or no object. */
const struct er_json *er_json_member(const struct er_json *object, struct er_str key);

/* Deep equality: object members in any order (last duplicate counts), numbers by literal text. */
bool er_json_equal(const struct er_json *a, const struct er_json *b);

/* Name of the type as users read it: "null", "true", "number", "string", "array", "object". Static storage. */
const char *er_json_type_name(enum er_json_type type);

/* 1-based line and column (bytes) of an offset in text. */
void er_json_position(struct er_str text, size_t offset, size_t *line, size_t *column);

#endif
