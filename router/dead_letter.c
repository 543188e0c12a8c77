#include "router/dead_letter.h"

#include <stdio.h>
#include <time.h>
#include "rules/base/when.h"

/* All headers that a dead letter may set. */
enum field { CODE, STAGE, MESSAGE, SOURCE, ATTEMPTS, FIRST_FAILED, OFFSET, SUBSCRIBER, SUBSCRIPTION, TRUNCATED, TIMESTAMP, FIELDS };
#define NAME(text)                                                                                                                 \
    {                                                                                                                              \
        text, sizeof(text) - 1                                                                                                     \
    }
static const struct er_str names[FIELDS] = {
    [CODE] = NAME("eventrouter-error-code"),
    [STAGE] = NAME("eventrouter-error-stage"),
    [MESSAGE] = NAME("eventrouter-error-message"),
    [SOURCE] = NAME("eventrouter-source"),
    [ATTEMPTS] = NAME("eventrouter-attempts"),
    [FIRST_FAILED] = NAME("eventrouter-first-failed-at"),
    [OFFSET] = NAME("eventrouter-error-offset"),
    [SUBSCRIBER] = NAME("eventrouter-subscriber"),
    [SUBSCRIPTION] = NAME("eventrouter-subscription"),
    [TRUNCATED] = NAME("eventrouter-error-truncated"),
    [TIMESTAMP] = NAME("eventrouter-original-timestamp"),
};

struct er_str er_stage_name(enum er_stage stage)
{
    static const struct er_str stages[] = { NAME("parse"), NAME("match"), NAME("produce") };

    return stages[stage];
}

void er_dead_letter_scratch_free(struct er_dead_letter_scratch *scratch)
{
    er_headers_free(&scratch->headers);
}

/* FIELDS: it is none of them. */
static enum field field_of(struct er_str name)
{
    enum field field = 0;

    while (field < FIELDS && !er_str_eq(name, names[field])) {
        field++;
    }
    return field;
}

/* RFC 3339, UTC, milliseconds. */
static struct er_str time_text(char out[32], int64_t unix_ms)
{
    int64_t ms = (unix_ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm tm;
    size_t n;

    if (gmtime_r(&seconds, &tm) == NULL) {
        return ER_STR("1970-01-01T00:00:00.000Z");
    }
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(out + n, 32 - n, ".%03uZ", (unsigned)ms);
    return (struct er_str){ out, n };
}

static struct er_str number_text(char out[21], uint64_t n)
{
    return (struct er_str){ out, er_decimal(out, n) };
}

static struct er_str signed_text(char out[21], int64_t n)
{
    int length = snprintf(out, 21, "%lld", (long long)n);

    return (struct er_str){ out, (size_t)length };
}

/* Headers of the event that stay; returns how many bytes of it are cut away. */
static uint64_t keep_event(struct er_headers *headers, const struct er_record *event, enum er_dead_letter_cut cut)
{
    uint64_t lost = cut >= ER_CUT_VALUE ? event->value.n : 0;

    for (size_t i = 0; i < event->n_headers; i++) {
        const struct er_header *h = &event->headers[i];

        if (field_of(h->name) != FIELDS) {
            continue;
        }
        if (cut >= ER_CUT_HEADERS) {
            lost += h->name.n + h->value.n;
        } else {
            headers->items[headers->n++] = *h;
        }
    }
    return lost + (cut >= ER_CUT_KEY ? event->key.n : 0);
}

bool er_dead_letter_build(struct er_dead_letter_scratch *scratch, const struct er_record *event,
                          const struct er_dead_letter *letter, struct er_record *out)
{
    struct er_headers *headers = &scratch->headers;
    uint64_t lost;

    if (!er_headers_reserve(headers, event->n_headers + FIELDS)) {
        return false;
    }
    headers->n = 0;
    lost = keep_event(headers, event, letter->cut);
    er_headers_add(headers, names[CODE], er_str_of(er_code_name(letter->code)));
    er_headers_add(headers, names[STAGE], er_stage_name(letter->stage));
    er_headers_add(headers, names[MESSAGE], letter->message);
    er_headers_add(headers, names[SOURCE], letter->source);
    er_headers_add(headers, names[ATTEMPTS], number_text(scratch->number[0], letter->attempts));
    er_headers_add(headers, names[FIRST_FAILED], time_text(scratch->time, letter->first_failed_ms));
    if (letter->error_offset != ER_NO_OFFSET) {
        er_headers_add(headers, names[OFFSET], number_text(scratch->number[1], letter->error_offset));
    }
    if (letter->subscriber.n > 0) {
        er_headers_add(headers, names[SUBSCRIBER], letter->subscriber);
    }
    if (letter->subscription.n > 0) {
        er_headers_add(headers, names[SUBSCRIPTION], letter->subscription);
    }
    if (letter->cut != ER_CUT_NOTHING) {
        er_headers_add(headers, names[TRUNCATED], number_text(scratch->number[2], lost));
    }
    if (letter->retimed) {
        er_headers_add(headers, names[TIMESTAMP], signed_text(scratch->number[3], event->timestamp_ms));
    }
    *out = *event;
    out->headers = headers->items;
    out->n_headers = headers->n;
    if (letter->cut >= ER_CUT_VALUE) {
        out->has_value = false;
        out->value = (struct er_str){ NULL, 0 };
    }
    if (letter->cut >= ER_CUT_KEY) {
        out->has_key = false;
        out->key = (struct er_str){ NULL, 0 };
    }
    out->timestamp_ms = letter->retimed ? letter->now_ms : event->timestamp_ms;
    return true;
}

/* ---- Reading */

/* A decimal number of up to 18 digits; -1: it is none. */
static int64_t number_of(struct er_str text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || i >= 18) {
            return -1;
        }
        n = n * 10 + (text.p[i] - '0');
    }
    return text.n == 0 ? -1 : n;
}

static void read_timestamp(struct er_letter *out, struct er_str text)
{
    bool negative = text.n > 1 && text.p[0] == '-';
    int64_t n = number_of(negative ? (struct er_str){ text.p + 1, text.n - 1 } : text);

    if (n >= 0) {
        out->event.timestamp_ms = negative ? -n : n;
    }
}

static void read_field(struct er_letter *out, enum field field, struct er_str value)
{
    struct er_str *const texts[FIELDS] = {
        [CODE] = &out->code,     [STAGE] = &out->stage,           [MESSAGE] = &out->message,
        [SOURCE] = &out->source, [SUBSCRIBER] = &out->subscriber, [SUBSCRIPTION] = &out->subscription,
    };
    int64_t *const numbers[FIELDS] = { [ATTEMPTS] = &out->attempts, [OFFSET] = &out->error_offset, [TRUNCATED] = &out->truncated };

    if (texts[field] != NULL) {
        *texts[field] = value;
    } else if (numbers[field] != NULL) {
        *numbers[field] = number_of(value);
    } else if (field == FIRST_FAILED) {
        (void)er_when_parse(value, &out->first_failed_ms);
    } else {
        read_timestamp(out, value);
    }
}

void er_dead_letter_read(const struct er_record *record, struct er_header *headers, struct er_letter *out)
{
    *out = (struct er_letter){ .place = { record->partition, record->offset },
                               .attempts = -1,
                               .error_offset = -1,
                               .truncated = -1,
                               .first_failed_ms = ER_LETTER_NO_TIME,
                               .event = *record,
                               .value_bytes = record->value.n,
                               .key_bytes = record->key.n };
    out->event.headers = headers;
    out->event.n_headers = 0;
    for (size_t i = 0; i < record->n_headers; i++) {
        enum field field = field_of(record->headers[i].name);

        if (field == FIELDS) {
            headers[out->event.n_headers++] = record->headers[i];
        } else {
            read_field(out, field, record->headers[i].value);
        }
    }
}

bool er_dead_letter_again(struct er_dead_letter_scratch *scratch, const struct er_letter *letter, struct er_record *out)
{
    struct er_headers *headers = &scratch->headers;
    const struct er_record *event = &letter->event;
    uint64_t attempts = letter->attempts < 0 ? 1 : (uint64_t)letter->attempts + 1;

    if (!er_headers_reserve(headers, event->n_headers + 2)) {
        return false;
    }
    headers->n = 0;
    for (size_t i = 0; i < event->n_headers; i++) {
        headers->items[headers->n++] = event->headers[i];
    }
    if (letter->source.n > 0) {
        er_headers_add(headers, names[SOURCE], letter->source);
    }
    er_headers_add(headers, names[ATTEMPTS], number_text(scratch->number[0], attempts));
    *out = *event;
    out->headers = headers->items;
    out->n_headers = headers->n;
    return true;
}
