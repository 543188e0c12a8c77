/* The headers of a copy: those of the event, plus where it came from.
 *
 * A header that the router sets replaces the arriving ones of that name; all others pass in their order. Not thread safe.
 */
#ifndef ER_ROUTER_PROVENANCE_H
#define ER_ROUTER_PROVENANCE_H

#include "router/config.h"
#include "rules/base/err.h"
#include "rules/engine/record.h"

#define ER_HEADER_SOURCE ER_STR("eventrouter-source")
#define ER_HEADER_HOPS ER_STR("eventrouter-hops")
#define ER_HEADER_SUBSCRIPTIONS ER_STR("eventrouter-subscriptions")
#define ER_HEADER_REVISION ER_STR("eventrouter-revision")

#define ER_HOPS_MAX 8

/* Growing header list; initialise with {0}. Kept between events, so that it allocates nothing after warm-up. */
struct er_headers {
    struct er_header *items;
    size_t n;
    size_t capacity;
};
bool er_headers_reserve(struct er_headers *headers, size_t capacity); /* false without memory */
void er_headers_free(struct er_headers *headers);
/* Into reserved room. Borrows both strings. */
static inline void er_headers_add(struct er_headers *headers, struct er_str name, struct er_str value)
{
    headers->items[headers->n++] = (struct er_header){ name, value, false };
}

/* Decimal text without terminator; returns its length (at most 20). */
size_t er_decimal(char out[20], uint64_t n);

/* The loop guard. Number of routers that the event's copies will have passed: 0 when it arrived without eventrouter-source (no
 * eventrouter-hops on the copies then), otherwise the arrived number plus 1. A number that is missing, empty or not decimal counts
 * as 1. ER_E_EVENT_LOOP when it arrived with ER_HOPS_MAX or more. */
enum er_code er_hops_next(const struct er_record *record, unsigned *hops, struct er_err *err) ER_MUST_CHECK;

/* What to add to a copy. */
struct er_provenance_marks {
    enum er_provenance level;
    struct er_str source;        /* "topic/partition/offset" */
    struct er_str subscriptions; /* full: ids, comma separated; n = 0: none (unmatched topic) */
    uint64_t revision;           /* full */
    unsigned hops;               /* 0 = none */
    char number[2][20];          /* room for the texts of hops and revision */
};

/* Fills headers (borrowing from record and marks). False without memory. */
bool er_provenance_headers(struct er_headers *headers, const struct er_record *record, struct er_provenance_marks *marks);

#endif
