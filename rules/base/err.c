#include "rules/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "rules/base/utf8.h"

static const struct {
    const char *name;
    const char *title;
    int http_status;
} codes[ER_CODE_COUNT] = {
    [ER_OK] = { "OK", "no error", 200 },
#define ER_ERROR(symbol, number, status, title_text) [symbol] = { number, title_text, status },
#include "rules/base/errors.def"
#undef ER_ERROR
};

static ER_PRINTF(2, 0) void set_text(struct er_err *err, const char *format, va_list args)
{
    int length = vsnprintf(err->text, sizeof err->text, format, args);

    if (length < 0) {
        err->text[0] = '\0';
    } else if ((size_t)length >= sizeof err->text) {
        /* The cut may have split a character: drop what is left of it. */
        size_t keep = sizeof err->text - 1;
        size_t start = keep;

        while (start > 0 && keep - start < 4 && ((unsigned char)err->text[start - 1] & 0xC0) == 0x80) {
            start--;
        }
        if (start > 0 && ((unsigned char)err->text[start - 1] & 0xC0) == 0xC0) {
            start--;
        }
        if (start < keep && er_utf8_sequence(err->text + start, err->text + keep) != keep - start) {
            err->text[start] = '\0';
        }
    }
}

enum er_code er_err_set(struct er_err *err, enum er_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        err->code = code;
        err->offset = ER_NO_OFFSET;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
    }
    return code;
}

enum er_code er_err_at(struct er_err *err, enum er_code code, size_t offset, const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        err->code = code;
        err->offset = offset;
        va_start(args, format);
        set_text(err, format, args);
        va_end(args);
    }
    return code;
}

static size_t row(enum er_code code)
{
    return (size_t)code < ER_CODE_COUNT ? (size_t)code : (size_t)ER_E_INTERNAL;
}

const char *er_code_name(enum er_code code)
{
    return codes[row(code)].name;
}

const char *er_code_title(enum er_code code)
{
    return codes[row(code)].title;
}

int er_code_http_status(enum er_code code)
{
    return codes[row(code)].http_status;
}
