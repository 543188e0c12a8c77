/* JSON writer into a struct er_buf: commas and quoting are its job. Compact output, no spaces.
 *
 *   er_jw_object(&w); er_jw_key(&w, ER_STR("id")); er_jw_string(&w, id); er_jw_end(&w);
 *
 * At most 64 levels. Wrong nesting is a programmer error (assert). Bytes that are not UTF-8 are written as U+FFFD.
 */
#ifndef ER_RULES_BASE_JSON_WRITE_H
#define ER_RULES_BASE_JSON_WRITE_H

#include <stdint.h>
#include "rules/base/buf.h"
#include "rules/base/err.h"
#include "rules/base/json.h"

/* Initialise with er_jw_init; borrows the buffer. No release needed. */
struct er_json_writer {
    struct er_buf *buf;
    uint64_t is_object; /* bit per level */
    uint64_t has_items; /* bit per level */
    unsigned depth;
    bool after_key;
};

void er_jw_init(struct er_json_writer *w, struct er_buf *buf);
void er_jw_object(struct er_json_writer *w);
void er_jw_array(struct er_json_writer *w);
void er_jw_end(struct er_json_writer *w); /* closes the innermost object or array */
void er_jw_key(struct er_json_writer *w, struct er_str key);
void er_jw_string(struct er_json_writer *w, struct er_str s);
void er_jw_uint(struct er_json_writer *w, uint64_t n);
void er_jw_int(struct er_json_writer *w, int64_t n);
void er_jw_double(struct er_json_writer *w, double n); /* shortest of up to 6 significant digits; not finite: null */
void er_jw_bool(struct er_json_writer *w, bool b);
void er_jw_null(struct er_json_writer *w);
void er_jw_raw(struct er_json_writer *w, struct er_str json);           /* one complete JSON value, trusted */
void er_jw_json(struct er_json_writer *w, const struct er_json *value); /* a parsed tree, numbers as their literal */

/* Shorthand: key and value. */
void er_jw_member_string(struct er_json_writer *w, const char *key, struct er_str s);
void er_jw_member_uint(struct er_json_writer *w, const char *key, uint64_t n);
void er_jw_member_strings(struct er_json_writer *w, const char *key, const struct er_str *items, size_t n);
void er_jw_member_bool(struct er_json_writer *w, const char *key, bool b);

/* Key, then an RFC 3339 UTC time with milliseconds as a string: "2026-11-21T09:05:40.123Z". unix_ms may be any value from year
 * 0 to 9999; outside it is null. */
void er_jw_member_time(struct er_json_writer *w, const char *key, int64_t unix_ms);

/* Key "error", then {code, offset, detail}, offset null where there is none; null for ER_OK. */
void er_jw_member_error(struct er_json_writer *w, enum er_code code, const struct er_err *err);

#endif
