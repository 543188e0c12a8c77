#include "router/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "rules/base/buf.h"
#include "rules/base/json_write.h"
#include "rules/base/utf8.h"

#define VALUE_MAX_BYTES 1024
#define LINE_MAX_BYTES 16384

struct er_log {
    int fd;
    enum er_log_format format;
    _Atomic int level;
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

struct er_log *er_log_new(int fd, enum er_log_level level, enum er_log_format format)
{
    struct er_log *log = malloc(sizeof *log);

    if (log == NULL)
        return NULL;
    log->fd = fd;
    log->format = format;
    atomic_init(&log->level, (int)level);
    return log;
}

void er_log_free(struct er_log *log)
{
    free(log);
}

void er_log_set_level(struct er_log *log, enum er_log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

enum er_log_level er_log_level(const struct er_log *log)
{
    return (enum er_log_level)atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* Lines are built on the stack: a log line must come out even without memory. A full line is cut, never split. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t n;
};

static void add(struct line *line, const char *p, size_t n)
{
    size_t room = sizeof line->text - 1 - line->n; /* the last byte is for the line end */

    if (n > room)
        n = room;
    memcpy(line->text + line->n, p, n);
    line->n += n;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

static void add_time(struct line *line)
{
    struct timespec now = { 0 };
    struct tm tm = { 0 };
    char day[32], text[48];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof text, "%s.%03ldZ", day, now.tv_nsec / 1000000);
    add_text(line, text);
}

/* Quoted as JSON, which logfmt readers understand too; bytes that are not UTF-8 become U+FFFD. */
static void add_quoted(struct line *line, struct er_str s)
{
    add_text(line, "\"");
    while (s.n > 0) {
        size_t good = er_utf8_check(s);
        char escape[8];

        for (size_t i = 0; i < good; i++) {
            unsigned char c = (unsigned char)s.p[i];

            if (c == '"' || c == '\\')
                (void)snprintf(escape, sizeof escape, "\\%c", c);
            else if (c == '\n')
                (void)snprintf(escape, sizeof escape, "\\n");
            else if (c < 0x20 || c == 0x7f)
                (void)snprintf(escape, sizeof escape, "\\u%04x", c);
            else {
                add(line, &s.p[i], 1);
                continue;
            }
            add_text(line, escape);
        }
        if (good < s.n) {
            add_text(line, "\xEF\xBF\xBD");
            good++;
        }
        s = (struct er_str){ s.p + good, s.n - good };
    }
    add_text(line, "\"");
}

/* At most max bytes without splitting a character; the text need not be UTF-8. */
static struct er_str cut(struct er_str s, size_t max)
{
    size_t n = max;

    if (s.n <= max)
        return s;
    while (n > max - 4 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return (struct er_str){ s.p, n };
}

/* logfmt: a plain word needs no quotes. */
static bool plain(struct er_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return s.n > 0;
}

static void add_field(struct line *line, const struct er_log *log, const struct er_log_field *field)
{
    char number[32];
    struct er_str text = cut(field->text, VALUE_MAX_BYTES);

    if (log->format == ER_LOG_JSON) {
        add_text(line, ",\"");
        add_text(line, field->key);
        add_text(line, "\":");
    } else {
        add_text(line, " ");
        add_text(line, field->key);
        add_text(line, "=");
    }
    if (field->kind == ER_LOG_FIELD_INT) {
        (void)snprintf(number, sizeof number, "%lld", (long long)field->number);
        add_text(line, number);
    } else if (log->format == ER_LOG_LOGFMT && plain(text)) {
        add(line, text.p, text.n);
    } else {
        add_quoted(line, text);
    }
}

/* One write, so that lines of several threads never mix. What the descriptor does not take is lost: logging must not block. */
static void write_line(int fd, const struct line *line)
{
    ssize_t n;

    do {
        n = write(fd, line->text, line->n);
    } while (n < 0 && errno == EINTR);
}

void er_log_fields(struct er_log *log, enum er_log_level level, const struct er_log_field *fields, size_t n)
{
    /* A field needs up to 6 bytes per byte of its value; a line that could overflow ends early but well formed. */
    const size_t field_room = (size_t)6 * VALUE_MAX_BYTES + 128;
    struct line line;
    int saved = errno;

    if (log == NULL || level > er_log_level(log))
        return;
    line.n = 0;
    add_text(&line, log->format == ER_LOG_JSON ? "{\"time\":\"" : "time=");
    add_time(&line);
    add_text(&line, log->format == ER_LOG_JSON ? "\",\"level\":\"" : " level=");
    add_text(&line, level_names[level]);
    add_text(&line, log->format == ER_LOG_JSON ? "\"" : "");
    for (size_t i = 0; i < n && line.n + field_room < sizeof line.text; i++)
        add_field(&line, log, &fields[i]);
    add_text(&line, log->format == ER_LOG_JSON ? "}" : "");
    line.text[line.n++] = '\n';
    write_line(log->fd, &line);
    errno = saved;
}
