#include "rules/base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for `more` bytes and a NUL. */
static bool reserve(struct er_buf *buf, size_t more)
{
    size_t need, capacity;
    char *p;

    if (buf->failed) {
        return false;
    }
    if (more >= SIZE_MAX / 4 || buf->n >= SIZE_MAX / 4) {
        buf->failed = true;
        return false;
    }
    need = buf->n + more + 1;
    if (need <= buf->capacity) {
        return true;
    }
    capacity = buf->capacity < 128 ? 256 : buf->capacity * 2;
    if (capacity < need) {
        capacity = need;
    }
    p = realloc(buf->p, capacity);
    if (p == NULL) {
        buf->failed = true;
        return false;
    }
    buf->p = p;
    buf->capacity = capacity;
    return true;
}

void er_buf_free(struct er_buf *buf)
{
    free(buf->p);
    *buf = (struct er_buf){ 0 };
}

void er_buf_clear(struct er_buf *buf)
{
    buf->n = 0;
    buf->failed = false;
}

void er_buf_add(struct er_buf *buf, struct er_str s)
{
    if (s.n > 0 && reserve(buf, s.n)) {
        memcpy(buf->p + buf->n, s.p, s.n);
        buf->n += s.n;
    }
}

void er_buf_addc(struct er_buf *buf, char c)
{
    if (reserve(buf, 1)) {
        buf->p[buf->n++] = c;
    }
}

void er_buf_printf(struct er_buf *buf, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buf->failed = true;
    } else if (reserve(buf, (size_t)length)) {
        va_start(args, format);
        (void)vsnprintf(buf->p + buf->n, (size_t)length + 1, format, args);
        va_end(args);
        buf->n += (size_t)length;
    }
}

char *er_buf_take(struct er_buf *buf)
{
    char *p;

    if (!reserve(buf, 0)) {
        er_buf_free(buf);
        return NULL;
    }
    p = buf->p;
    p[buf->n] = '\0';
    *buf = (struct er_buf){ 0 };
    return p;
}
