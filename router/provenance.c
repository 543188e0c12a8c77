#include "router/provenance.h"

#include <stdlib.h>

bool er_headers_reserve(struct er_headers *headers, size_t capacity)
{
    struct er_header *items;

    if (capacity <= headers->capacity) {
        return true;
    }
    capacity = capacity < 16 ? 16 : capacity + capacity / 2;
    items = realloc(headers->items, capacity * sizeof *items);
    if (items == NULL) {
        return false;
    }
    headers->items = items;
    headers->capacity = capacity;
    return true;
}

void er_headers_free(struct er_headers *headers)
{
    free(headers->items);
    *headers = (struct er_headers){ 0 };
}

size_t er_decimal(char out[20], uint64_t n)
{
    char digits[20];
    char *p = digits + sizeof digits;
    size_t length;

    for (; n >= 10; n /= 10) {
        *--p = (char)('0' + n % 10);
    }
    *--p = (char)('0' + n);
    length = (size_t)(digits + sizeof digits - p);
    memcpy(out, p, length);
    return length;
}

/* Saturates, so that no length of digits can wrap around the guard. 0: not a number. */
static unsigned parse_hops(struct er_str text)
{
    unsigned hops = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return 0;
        }
        hops = hops * 10 + (unsigned)(text.p[i] - '0');
        hops = hops > 1000 ? 1000 : hops;
    }
    return hops;
}

enum er_code er_hops_next(const struct er_record *record, unsigned *hops, struct er_err *err)
{
    const struct er_header *arrived;
    unsigned n;

    *hops = 0;
    if (record->n_headers == 0 || er_record_header(record, ER_HEADER_SOURCE) == NULL) {
        return ER_OK;
    }
    arrived = er_record_header(record, ER_HEADER_HOPS);
    n = arrived == NULL || arrived->null_value ? 0 : parse_hops(arrived->value);
    n = n == 0 ? 1 : n;
    if (n >= ER_HOPS_MAX) {
        return er_err_set(
            err, ER_E_EVENT_LOOP,
            "the event has passed %u routers or more; break the loop of routers or remove its eventrouter-hops header",
            ER_HOPS_MAX);
    }
    *hops = n + 1;
    return ER_OK;
}

static bool is_replaced(struct er_str name, const struct er_header *added, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (er_str_eq(name, added[i].name)) {
            return true;
        }
    }
    return false;
}

bool er_provenance_headers(struct er_headers *headers, const struct er_record *record, struct er_provenance_marks *marks)
{
    struct er_header added[4];
    size_t n = 0;

    if (!er_headers_reserve(headers, record->n_headers + 4)) {
        return false;
    }
    if (marks->level != ER_PROVENANCE_OFF) {
        added[n++] = (struct er_header){ ER_HEADER_SOURCE, marks->source, false };
    }
    if (marks->hops > 0) {
        added[n++] = (struct er_header){ ER_HEADER_HOPS, { marks->number[0], er_decimal(marks->number[0], marks->hops) }, false };
    }
    if (marks->level == ER_PROVENANCE_FULL) {
        if (marks->subscriptions.n > 0) {
            added[n++] = (struct er_header){ ER_HEADER_SUBSCRIPTIONS, marks->subscriptions, false };
        }
        added[n++] =
            (struct er_header){ ER_HEADER_REVISION, { marks->number[1], er_decimal(marks->number[1], marks->revision) }, false };
    }
    headers->n = 0;
    for (size_t i = 0; i < record->n_headers; i++) {
        if (!is_replaced(record->headers[i].name, added, n)) {
            headers->items[headers->n++] = record->headers[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        headers->items[headers->n++] = added[i];
    }
    return true;
}
