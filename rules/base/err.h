/* Error values. A function that can fail returns enum er_code (ER_OK is 0) and fills a caller-owned struct er_err.
 *
 * Every code is a row of rules/base/errors.def; schemas/errors.json documents the same rows (checked by make docs-check).
 */
#ifndef ER_RULES_BASE_ERR_H
#define ER_RULES_BASE_ERR_H

#include <stddef.h>

#define ER_MUST_CHECK __attribute__((warn_unused_result))
#define ER_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

enum er_code {
    ER_OK = 0,
#define ER_ERROR(symbol, number, http_status, title) symbol,
#include "rules/base/errors.def"
#undef ER_ERROR
    ER_CODE_COUNT
};

#define ER_NO_OFFSET ((size_t)-1)

/* Plain value, owned by the caller; needs no release. */
struct er_err {
    enum er_code code;
    size_t offset;  /* byte position in the input that was read, or ER_NO_OFFSET */
    char text[256]; /* what, where, what to do; zero terminated, cut on a character boundary */
};

/* Fills err (which may be NULL) and returns code, so that `return er_err_set(...)` reads well. offset becomes ER_NO_OFFSET. */
enum er_code er_err_set(struct er_err *err, enum er_code code, const char *format, ...) ER_PRINTF(3, 4);

/* The same with a byte position. */
enum er_code er_err_at(struct er_err *err, enum er_code code, size_t offset, const char *format, ...) ER_PRINTF(4, 5);

/* Stable public name of a code, for example "E301"; "OK" for ER_OK. Static storage. */
const char *er_code_name(enum er_code code);

/* Short title of a code in lower case, for example "regex does not compile". Static storage. */
const char *er_code_title(enum er_code code);

/* HTTP status that an admin answer with this code has (RFC 9110), for example 422. */
int er_code_http_status(enum er_code code);

#endif
