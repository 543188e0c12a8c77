#include "admin/uri.h"

#include "rules/base/suggest.h"
#include "rules/base/utf8.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum er_code er_uri_decode(struct er_arena *arena, struct er_str text, bool plus, struct er_str *out, struct er_err *err)
{
    char *p = er_arena_alloc(arena, text.n + 1);
    size_t n = 0;

    if (p == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while reading the request");
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '%') {
            int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? hex(text.p[i + 2]) : -1;

            if (high < 0 || low < 0 || high + low == 0) {
                return er_err_set(err, ER_E_REQUEST, "malformed percent escape in \"%.*s\"; write %%XX with two hex digits",
                                  (int)(text.n < 80 ? text.n : 80), text.p);
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        p[n++] = c;
    }
    p[n] = '\0';
    *out = (struct er_str){ p, n };
    if (er_utf8_check(*out) != n) {
        return er_err_set(err, ER_E_REQUEST, "\"%.*s\" is not UTF-8 after percent decoding", (int)(text.n < 80 ? text.n : 80),
                          text.p);
    }
    return ER_OK;
}

static enum er_code unknown(struct er_str name, const char *const *names, size_t n, struct er_err *err)
{
    const char *near = er_suggest(name, names, n);
    int shown = name.n < 40 ? (int)name.n : 40;

    if (near != NULL) {
        return er_err_set(err, ER_E_REQUEST, "unknown query parameter \"%.*s\"; did you mean \"%s\"?", shown, name.p, near);
    }
    return er_err_set(err, ER_E_REQUEST, "unknown query parameter \"%.*s\"", shown, name.p);
}

static enum er_code read_pair(struct er_arena *arena, struct er_str pair, const char *const *names, size_t n,
                              struct er_uri_param *params, struct er_err *err)
{
    const char *equals = memchr(pair.p, '=', pair.n);
    struct er_str key = { pair.p, equals == NULL ? pair.n : (size_t)(equals - pair.p) };
    struct er_str name;
    enum er_code code = er_uri_decode(arena, key, true, &name, err);
    size_t at = 0;

    if (code != ER_OK) {
        return code;
    }
    while (at < n && !er_str_eq(name, er_str_of(names[at]))) {
        at++;
    }
    if (at == n) {
        return unknown(name, names, n, err);
    }
    if (params[at].given) {
        return er_err_set(err, ER_E_REQUEST, "query parameter \"%s\" is given twice", names[at]);
    }
    params[at].given = true;
    if (equals == NULL) {
        return ER_OK;
    }
    return er_uri_decode(arena, (struct er_str){ equals + 1, pair.n - key.n - 1 }, true, &params[at].value, err);
}

enum er_code er_uri_query(struct er_arena *arena, struct er_str query, const char *const *names, size_t n,
                          struct er_uri_param *params, struct er_err *err)
{
    enum er_code code = ER_OK;

    for (size_t i = 0; i < n; i++) {
        params[i] = (struct er_uri_param){ 0 };
    }
    while (query.n > 0 && code == ER_OK) {
        const char *end = memchr(query.p, '&', query.n);
        struct er_str pair = { query.p, end == NULL ? query.n : (size_t)(end - query.p) };
        size_t step = pair.n + (end != NULL);

        if (pair.n > 0) {
            code = read_pair(arena, pair, names, n, params, err);
        }
        query.p += step;
        query.n -= step;
    }
    return code;
}
