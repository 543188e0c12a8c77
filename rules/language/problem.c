#include "rules/language/problem.h"

#include <stdarg.h>
#include <stdio.h>

void er_problems_init(struct er_problems *problems, struct er_arena *arena)
{
    *problems = (struct er_problems){ .arena = arena };
    problems->end = &problems->first;
}

static ER_PRINTF(2, 0) struct er_str format_detail(struct er_arena *arena, const char *format, va_list args)
{
    va_list again;
    int length;
    char *p = NULL;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length >= 0) {
        p = er_arena_alloc(arena, (size_t)length + 1);
    }
    if (p == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    (void)vsnprintf(p, (size_t)length + 1, format, args);
    return (struct er_str){ p, (size_t)length };
}

void er_problems_add(struct er_problems *problems, enum er_code code, struct er_str pointer, size_t offset, const char *hint,
                     const char *format, ...)
{
    struct er_problem *problem;
    va_list args;

    problems->total++;
    if (problems->n == ER_PROBLEMS_MAX) {
        return;
    }
    problem = er_arena_calloc(problems->arena, 1, sizeof *problem);
    if (problem == NULL) {
        problems->no_memory = true;
        return;
    }
    problem->code = code;
    problem->offset = offset;
    problem->pointer = er_arena_dup(problems->arena, pointer);
    problem->hint = er_arena_dup(problems->arena, er_str_of(hint == NULL ? "" : hint));
    va_start(args, format);
    problem->detail = format_detail(problems->arena, format, args);
    va_end(args);
    if (problem->pointer.p == NULL || problem->hint.p == NULL || problem->detail.p == NULL) {
        problems->no_memory = true;
        return;
    }
    *problems->end = problem;
    problems->end = &problem->next;
    problems->n++;
}

void er_problems_write(const struct er_problems *problems, struct er_json_writer *w)
{
    er_jw_array(w);
    for (const struct er_problem *problem = problems->first; problem != NULL; problem = problem->next) {
        er_jw_object(w);
        er_jw_member_string(w, "code", er_str_of(er_code_name(problem->code)));
        er_jw_member_string(w, "pointer", problem->pointer);
        er_jw_member_string(w, "detail", problem->detail);
        if (problem->offset != ER_NO_OFFSET) {
            er_jw_member_uint(w, "offset", problem->offset);
        }
        if (problem->hint.n > 0) {
            er_jw_member_string(w, "hint", problem->hint);
        }
        er_jw_end(w);
    }
    er_jw_end(w);
}

static size_t escaped_length(struct er_str token)
{
    size_t n = token.n;

    for (size_t i = 0; i < token.n; i++) {
        n += token.p[i] == '~' || token.p[i] == '/';
    }
    return n;
}

static char *escape(char *out, struct er_str token)
{
    for (size_t i = 0; i < token.n; i++) {
        bool special = token.p[i] == '~' || token.p[i] == '/';

        *out++ = special ? '~' : token.p[i];
        if (special) {
            *out++ = token.p[i] == '~' ? '0' : '1';
        }
    }
    return out;
}

struct er_str er_pointer_push(struct er_arena *arena, struct er_str pointer, struct er_str token)
{
    size_t n = pointer.n + 1 + escaped_length(token);
    char *p = er_arena_alloc(arena, n + 1);

    if (p == NULL) {
        return (struct er_str){ "", 0 };
    }
    if (pointer.n > 0) {
        memcpy(p, pointer.p, pointer.n);
    }
    p[pointer.n] = '/';
    *escape(p + pointer.n + 1, token) = '\0';
    return (struct er_str){ p, n };
}

struct er_str er_pointer_push_index(struct er_arena *arena, struct er_str pointer, size_t index)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%zu", index);

    return er_pointer_push(arena, pointer, (struct er_str){ text, (size_t)n });
}

static struct er_str token_of(const struct er_place *place, char number[24])
{
    if (place->key.p != NULL) {
        return place->key;
    }
    return (struct er_str){ number, (size_t)snprintf(number, 24, "%zu", place->index) };
}

struct er_str er_place_pointer(struct er_problems *problems, const struct er_place *place)
{
    char number[24];
    size_t n = 0;
    char *p;

    if (problems->n == ER_PROBLEMS_MAX) {
        return (struct er_str){ "", 0 };
    }
    for (const struct er_place *at = place; at != NULL; at = at->up) {
        n += at->up == NULL ? at->key.n : 1 + escaped_length(token_of(at, number));
    }
    p = er_arena_alloc(problems->arena, n + 1);
    if (p == NULL) {
        problems->no_memory = true;
        return (struct er_str){ "", 0 };
    }
    p += n;
    *p = '\0';
    for (; place->up != NULL; place = place->up) {
        struct er_str token = token_of(place, number);

        p -= escaped_length(token);
        (void)escape(p, token);
        *--p = '/';
    }
    p -= place->key.n;
    if (place->key.n > 0) {
        memcpy(p, place->key.p, place->key.n);
    }
    return (struct er_str){ p, n };
}
