/* Structured log lines on standard error: logfmt or JSON. Any thread; one write(2) per line. */
#ifndef ER_ROUTER_LOG_H
#define ER_ROUTER_LOG_H

#include <stdint.h>
#include "router/config.h"

struct er_log;

/* fd is borrowed. NULL without memory. */
struct er_log *er_log_new(int fd, enum er_log_level level, enum er_log_format format);
void er_log_free(struct er_log *log);
void er_log_set_level(struct er_log *log, enum er_log_level level); /* any thread */
enum er_log_level er_log_level(const struct er_log *log);

/* One key and value of a line; made with the macros. */
enum er_log_kind { ER_LOG_FIELD_STR, ER_LOG_FIELD_INT };
struct er_log_field {
    const char *key;
    enum er_log_kind kind;
    struct er_str text;
    int64_t number;
};
#define ER_LF(name, zero_terminated)                                                                                               \
    {                                                                                                                              \
        (name), ER_LOG_FIELD_STR, er_str_of(zero_terminated), 0                                                                    \
    }
#define ER_LFS(name, er_string)                                                                                                    \
    {                                                                                                                              \
        (name), ER_LOG_FIELD_STR, (er_string), 0                                                                                   \
    }
#define ER_LFI(name, integer)                                                                                                      \
    {                                                                                                                              \
        (name), ER_LOG_FIELD_INT, { NULL, 0 }, (int64_t)(integer)                                                                  \
    }
#define ER_LM(message) ER_LF("msg", message) /* first: lower case, no full stop */

/* er_log_write(log, ER_LOG_WARN, ER_LM("destination is missing"), ER_LF("topic", topic), ER_LFI("partition", 3));
 * log may be NULL. Values are escaped and cut at 1 KiB. */
void er_log_fields(struct er_log *log, enum er_log_level level, const struct er_log_field *fields, size_t n);
#define er_log_write(log, level, ...)                                                                                              \
    do {                                                                                                                           \
        if ((log) != NULL && (level) <= er_log_level(log)) {                                                                       \
            const struct er_log_field er_log_fields_[] = { __VA_ARGS__ };                                                          \
            er_log_fields((log), (level), er_log_fields_, sizeof er_log_fields_ / sizeof *er_log_fields_);                         \
        }                                                                                                                          \
    } while (0)

#endif
