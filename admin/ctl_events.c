#include "admin/ctl_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"

/* ---- Names */

void er_ctl_event_write_name(struct er_json_writer *w, const struct er_ctl_event *event)
{
    er_jw_key(w, ER_STR("event"));
    if (event->file != NULL) {
        er_jw_string(w, er_str_of(event->file));
    } else {
        er_jw_uint(w, event->line);
    }
}

/* ---- Reading */

struct reading {
    const struct er_record *envelope;
    er_ctl_event_cb *cb;
    void *ctx;
};

static bool one_event(const struct reading *reading, struct er_ctl_event *event, struct er_str value)
{
    struct er_record record = *reading->envelope;

    record.value = value;
    record.has_value = true;
    event->record = &record;
    return reading->cb(reading->ctx, event);
}

static bool read_lines(const struct reading *reading, const char *file_name)
{
    FILE *file = strcmp(file_name, "-") == 0 ? stdin : fopen(file_name, "r");
    struct er_ctl_event event = { 0 };
    char *text = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;

    if (file == NULL) {
        er_ctl_error(ER_E_FILE, "%s: %s", file_name, strerror(errno));
        return false;
    }
    errno = 0;
    for (; ok && (n = getline(&text, &capacity, file)) >= 0; event.line++) {
        struct er_str line = { text, (size_t)n - (n > 0 && text[n - 1] == '\n') };

        ok = er_ctl_line_blank(line) || one_event(reading, &event, line);
    }
    if (ok && !feof(file)) {
        er_ctl_error(ER_E_FILE, "%s: %s", file_name, strerror(errno == 0 ? EIO : errno));
        ok = false;
    }
    free(text);
    if (file != stdin) {
        (void)fclose(file);
    }
    return ok;
}

static bool read_file(const struct reading *reading, const char *file_name)
{
    struct er_ctl_event event = { .file = file_name };
    struct er_buf text = { 0 };
    struct er_err err;
    enum er_code code = er_ctl_read_file(file_name, &text, &err);
    bool ok = code == ER_OK && one_event(reading, &event, er_buf_str(&text));

    if (code != ER_OK) {
        er_ctl_error(code, "%s", err.text);
    }
    er_buf_free(&text);
    return ok;
}

bool er_ctl_events_lines(const char *file_name, const struct er_record *envelope, er_ctl_event_cb *cb, void *ctx)
{
    const struct reading reading = { envelope, cb, ctx };

    return read_lines(&reading, file_name);
}

bool er_ctl_events_each(const struct er_ctl_args *args, const struct er_record *envelope, er_ctl_event_cb *cb, void *ctx)
{
    const struct reading reading = { envelope, cb, ctx };
    const char *events = er_ctl_value(args, "events");
    bool ok = events == NULL || read_lines(&reading, events);

    for (size_t i = 0; ok && i < er_ctl_operands(args); i++) {
        ok = read_file(&reading, er_ctl_operand(args, i));
    }
    return ok;
}

/* ---- Arguments */

bool er_ctl_events_check(const struct er_ctl_args *args)
{
    const char *names[2] = { er_ctl_value(args, "rules"), er_ctl_value(args, "events") };
    size_t n = er_ctl_operands(args), stdin_uses = 0;

    if (names[0] == NULL) {
        er_ctl_error(ER_E_USAGE, "--rules is missing: give the file with the rules");
        return false;
    }
    if (names[1] == NULL && n == 0) {
        er_ctl_error(ER_E_USAGE, "no events: give --events EVENTS.jsonl or one FILE per event");
        return false;
    }
    for (size_t i = 0; i < n + 2; i++) {
        const char *name = i < 2 ? names[i] : er_ctl_operand(args, i - 2);

        if (name != NULL && strcmp(name, "-") == 0) {
            stdin_uses++;
        } else if (name != NULL && access(name, R_OK) != 0) {
            er_ctl_error(ER_E_FILE, "%s: %s", name, strerror(errno));
            return false;
        }
    }
    if (stdin_uses > 1) {
        er_ctl_error(ER_E_USAGE, "standard input (-) can be read only once");
        return false;
    }
    return true;
}

/* The headers of --header, or NULL after an error; the caller frees. */
static struct er_header *read_headers(const struct er_ctl_args *args, size_t *n)
{
    struct er_header *headers;

    *n = er_ctl_count(args, "header");
    headers = calloc(*n + 1, sizeof *headers);
    if (headers == NULL) {
        er_ctl_error(ER_E_NOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < *n; i++) {
        const char *text = er_ctl_nth(args, "header", i);
        const char *equals = strchr(text, '=');

        if (equals == NULL) {
            er_ctl_error(ER_E_USAGE, "--header %s: write NAME=VALUE", text);
            free(headers);
            return NULL;
        }
        headers[i].name = (struct er_str){ text, (size_t)(equals - text) };
        headers[i].value = er_str_of(equals + 1);
    }
    return headers;
}

bool er_ctl_envelope(const struct er_ctl_args *args, struct er_record *out)
{
    const char *topic = er_ctl_value(args, "topic");
    const char *key = er_ctl_value(args, "key");

    *out = (struct er_record){ .partition = -1, .timestamp_ms = -1 };
    out->headers = read_headers(args, &out->n_headers);
    out->topic = topic == NULL ? (struct er_str){ NULL, 0 } : er_str_of(topic);
    out->key = key == NULL ? (struct er_str){ NULL, 0 } : er_str_of(key);
    out->has_key = key != NULL;
    return out->headers != NULL;
}

void er_ctl_envelope_free(struct er_record *envelope)
{
    free((void *)(uintptr_t)envelope->headers);
    envelope->headers = NULL;
}
