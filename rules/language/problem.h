/* A list of everything that is wrong with (or odd about) a document: all problems at once, each with code, JSON Pointer, sentence,
 * regex offset and hint, as RFC 9457's errors[] members. Lives in an arena; not thread safe. */
#ifndef ER_RULES_LANGUAGE_PROBLEM_H
#define ER_RULES_LANGUAGE_PROBLEM_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/base/json_write.h"
#include "rules/base/str.h"

struct er_problem {
    enum er_code code;
    struct er_str pointer; /* RFC 6901 into the document; "" = the whole document */
    struct er_str detail;  /* one sentence: what is wrong */
    struct er_str hint;    /* what to do; may be empty */
    size_t offset;         /* byte offset inside a regex, or in malformed JSON; ER_NO_OFFSET */
    struct er_problem *next;
};

/* Initialise with er_problems_init. At most ER_PROBLEMS_MAX are kept; `total` counts all. */
#define ER_PROBLEMS_MAX 100
struct er_problems {
    struct er_arena *arena; /* borrowed */
    struct er_problem *first;
    struct er_problem **end;
    size_t n;     /* kept */
    size_t total; /* seen */
    bool no_memory;
};

void er_problems_init(struct er_problems *problems, struct er_arena *arena);

/* Adds one; pointer and hint are copied (hint may be NULL). offset: ER_NO_OFFSET when there is none. */
void er_problems_add(struct er_problems *problems, enum er_code code, struct er_str pointer, size_t offset, const char *hint,
                     const char *format, ...) ER_PRINTF(6, 7);

/* Writes the array [{code, pointer, detail, offset?, hint?}, ...]. */
void er_problems_write(const struct er_problems *problems, struct er_json_writer *w);

/* Where reading is at, as a chain on the stack: the text of a pointer is made only for a problem. */
struct er_place {
    const struct er_place *up; /* NULL: `key` is a finished pointer, "" or "/pattern" */
    struct er_str key;         /* decoded key of a member */
    size_t index;              /* of an element of an array, when key.p is NULL */
};
static inline struct er_place er_place_of(struct er_str pointer)
{
    return (struct er_place){ NULL, pointer, 0 };
}
static inline struct er_place er_place_key(const struct er_place *up, struct er_str key)
{
    return (struct er_place){ up, key.p == NULL ? (struct er_str){ "", 0 } : key, 0 };
}
static inline struct er_place er_place_index(const struct er_place *up, size_t index)
{
    return (struct er_place){ up, { NULL, 0 }, index };
}

/* The pointer of a place for er_problems_add, in the problems' arena. Empty when the list is full, so that a document with very many
 * problems stays cheap. */
struct er_str er_place_pointer(struct er_problems *problems, const struct er_place *place);

/* pointer + "/" + escaped token (RFC 6901: ~ becomes ~0, / becomes ~1), in arena. */
struct er_str er_pointer_push(struct er_arena *arena, struct er_str pointer, struct er_str token);
struct er_str er_pointer_push_index(struct er_arena *arena, struct er_str pointer, size_t index);

#endif
