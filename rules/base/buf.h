/* Growing output buffer with a sticky failure: write freely, check once at the end. Not thread safe. */
#ifndef ER_RULES_BASE_BUF_H
#define ER_RULES_BASE_BUF_H

#include "rules/base/err.h"
#include "rules/base/str.h"

/* Initialise with {0}; the bytes belong to the buffer until er_buf_free or er_buf_take. */
struct er_buf {
    char *p;
    size_t n;
    size_t capacity;
    bool failed; /* an append found no memory; later appends do nothing */
};

void er_buf_free(struct er_buf *buf);  /* also resets to {0} */
void er_buf_clear(struct er_buf *buf); /* n = 0, failed = false, memory kept */
void er_buf_add(struct er_buf *buf, struct er_str s);
void er_buf_addc(struct er_buf *buf, char c);
void er_buf_printf(struct er_buf *buf, const char *format, ...) ER_PRINTF(2, 3);
static inline struct er_str er_buf_str(const struct er_buf *buf)
{
    return (struct er_str){ buf->p, buf->n };
}

/* NUL-terminated text (the NUL is not counted); NULL when failed. Returns owned (free()); buf becomes {0}. */
char *er_buf_take(struct er_buf *buf);

#endif
