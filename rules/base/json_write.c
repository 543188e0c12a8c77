#include "rules/base/json_write.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <time.h>
#include "rules/base/utf8.h"

#define MAX_LEVELS 64

void er_jw_init(struct er_json_writer *w, struct er_buf *buf)
{
    *w = (struct er_json_writer){ .buf = buf };
}

static uint64_t level_bit(const struct er_json_writer *w)
{
    return UINT64_C(1) << (w->depth - 1);
}

/* Comma before every value but the first; inside an object a value follows its key without one. */
static void begin_value(struct er_json_writer *w)
{
    if (w->depth == 0) {
        return;
    }
    if ((w->is_object & level_bit(w)) != 0) {
        assert(w->after_key);
        w->after_key = false;
        return;
    }
    if ((w->has_items & level_bit(w)) != 0) {
        er_buf_addc(w->buf, ',');
    }
    w->has_items |= level_bit(w);
}

static void open_level(struct er_json_writer *w, bool object)
{
    begin_value(w);
    assert(w->depth < MAX_LEVELS);
    w->depth++;
    w->has_items &= ~level_bit(w);
    if (object) {
        w->is_object |= level_bit(w);
    } else {
        w->is_object &= ~level_bit(w);
    }
    er_buf_addc(w->buf, object ? '{' : '[');
}

void er_jw_object(struct er_json_writer *w)
{
    open_level(w, true);
}

void er_jw_array(struct er_json_writer *w)
{
    open_level(w, false);
}

void er_jw_end(struct er_json_writer *w)
{
    assert(w->depth > 0 && !w->after_key);
    er_buf_addc(w->buf, (w->is_object & level_bit(w)) != 0 ? '}' : ']');
    w->depth--;
}

/* Length of the run at p that can be written as it is; 0 at a byte that cannot. */
static size_t plain_run(const char *p, const char *end)
{
    const char *start = p;

    while (p < end && (unsigned char)*p >= ' ' && *p != '"' && *p != '\\') {
        size_t length = er_utf8_sequence(p, end);

        if (length == 0) {
            break;
        }
        p += length;
    }
    return (size_t)(p - start);
}

static void add_special(struct er_buf *buf, char c)
{
    static const char letters[] = "btnfr"; /* of \b \t \n \f \r */
    static const char controls[] = "\b\t\n\f\r";
    const char *control = c == '\0' ? NULL : strchr(controls, c);

    if (c == '"' || c == '\\') {
        er_buf_addc(buf, '\\');
        er_buf_addc(buf, c);
    } else if (control != NULL) {
        er_buf_addc(buf, '\\');
        er_buf_addc(buf, letters[control - controls]);
    } else if ((unsigned char)c < ' ') {
        er_buf_printf(buf, "\\u%04x", (unsigned)(unsigned char)c);
    } else {
        er_buf_add(buf, ER_STR("\xEF\xBF\xBD"));
    }
}

static void add_quoted(struct er_buf *buf, struct er_str s)
{
    const char *p = s.p;
    const char *end = s.n == 0 ? s.p : s.p + s.n;

    er_buf_addc(buf, '"');
    while (p < end) {
        size_t run = plain_run(p, end);

        er_buf_add(buf, (struct er_str){ p, run });
        p += run;
        if (p < end) {
            add_special(buf, *p++);
        }
    }
    er_buf_addc(buf, '"');
}

void er_jw_key(struct er_json_writer *w, struct er_str key)
{
    assert(w->depth > 0 && (w->is_object & level_bit(w)) != 0 && !w->after_key);
    if ((w->has_items & level_bit(w)) != 0) {
        er_buf_addc(w->buf, ',');
    }
    w->has_items |= level_bit(w);
    add_quoted(w->buf, key);
    er_buf_addc(w->buf, ':');
    w->after_key = true;
}

void er_jw_string(struct er_json_writer *w, struct er_str s)
{
    begin_value(w);
    add_quoted(w->buf, s);
}

void er_jw_uint(struct er_json_writer *w, uint64_t n)
{
    begin_value(w);
    er_buf_printf(w->buf, "%" PRIu64, n);
}

void er_jw_int(struct er_json_writer *w, int64_t n)
{
    begin_value(w);
    er_buf_printf(w->buf, "%" PRId64, n);
}

void er_jw_double(struct er_json_writer *w, double n)
{
    if (!isfinite(n)) {
        er_jw_null(w);
        return;
    }
    begin_value(w);
    er_buf_printf(w->buf, "%.6g", n);
}

void er_jw_bool(struct er_json_writer *w, bool b)
{
    er_jw_raw(w, b ? ER_STR("true") : ER_STR("false"));
}

void er_jw_null(struct er_json_writer *w)
{
    er_jw_raw(w, ER_STR("null"));
}

void er_jw_raw(struct er_json_writer *w, struct er_str json)
{
    begin_value(w);
    er_buf_add(w->buf, json);
}

/* A parsed tree may be deeper than the writer's levels, so it is written without them. */
static void add_tree(struct er_buf *buf, const struct er_json *value)
{
    bool object = value->type == ER_JSON_OBJECT;

    switch (value->type) {
    case ER_JSON_STRING:
        add_quoted(buf, value->text);
        return;
    case ER_JSON_NUMBER:
        er_buf_add(buf, value->text);
        return;
    case ER_JSON_NULL:
    case ER_JSON_FALSE:
    case ER_JSON_TRUE:
        er_buf_add(buf, er_str_of(er_json_type_name(value->type)));
        return;
    case ER_JSON_ARRAY:
    case ER_JSON_OBJECT:
        break;
    }
    er_buf_addc(buf, object ? '{' : '[');
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        if (child != value->first) {
            er_buf_addc(buf, ',');
        }
        if (object) {
            add_quoted(buf, child->key);
            er_buf_addc(buf, ':');
        }
        add_tree(buf, child);
    }
    er_buf_addc(buf, object ? '}' : ']');
}

void er_jw_json(struct er_json_writer *w, const struct er_json *value)
{
    begin_value(w);
    add_tree(w->buf, value);
}

void er_jw_member_string(struct er_json_writer *w, const char *key, struct er_str s)
{
    er_jw_key(w, er_str_of(key));
    er_jw_string(w, s);
}

void er_jw_member_uint(struct er_json_writer *w, const char *key, uint64_t n)
{
    er_jw_key(w, er_str_of(key));
    er_jw_uint(w, n);
}

void er_jw_member_strings(struct er_json_writer *w, const char *key, const struct er_str *items, size_t n)
{
    er_jw_key(w, er_str_of(key));
    er_jw_array(w);
    for (size_t i = 0; i < n; i++) {
        er_jw_string(w, items[i]);
    }
    er_jw_end(w);
}

void er_jw_member_bool(struct er_json_writer *w, const char *key, bool b)
{
    er_jw_key(w, er_str_of(key));
    er_jw_bool(w, b);
}

void er_jw_member_time(struct er_json_writer *w, const char *key, int64_t unix_ms)
{
    int64_t ms = unix_ms % 1000;
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;

    er_jw_key(w, er_str_of(key));
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        er_jw_null(w);
        return;
    }
    begin_value(w);
    er_buf_printf(w->buf, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                  tm.tm_min, tm.tm_sec, (int)ms);
}

void er_jw_member_error(struct er_json_writer *w, enum er_code code, const struct er_err *err)
{
    er_jw_key(w, ER_STR("error"));
    if (code == ER_OK) {
        er_jw_null(w);
        return;
    }
    er_jw_object(w);
    er_jw_member_string(w, "code", er_str_of(er_code_name(code)));
    er_jw_key(w, ER_STR("offset"));
    if (err->offset == ER_NO_OFFSET) {
        er_jw_null(w);
    } else {
        er_jw_uint(w, err->offset);
    }
    er_jw_member_string(w, "detail", er_str_of(err->text));
    er_jw_end(w);
}
