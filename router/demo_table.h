/* What the demo shows while it runs: a table that is redrawn in place on a terminal, else one line per call. Pure text. */
#ifndef ER_ROUTER_DEMO_TABLE_H
#define ER_ROUTER_DEMO_TABLE_H

#include "router/router.h"
#include "rules/base/buf.h"

struct er_demo_row {
    char subscriber[104];
    char topic[256];
    uint64_t matched; /* copies in the topic */
    double rate;      /* per second */
};

struct er_demo_view {
    const struct er_demo_row *rows;
    size_t n;
    struct er_balance balance;
    uint64_t published;
    double rate;    /* received per second */
    double seconds; /* since the first event */
};

/* previous: lines of the table drawn before, 0 for the first; it is overwritten. Returns the lines drawn. */
size_t er_demo_draw(const struct er_demo_view *view, size_t previous, struct er_buf *out);

/* The same in one line. */
void er_demo_line(const struct er_demo_view *view, struct er_buf *out);

/* "received R = routed A + unmatched B + dead-lettered C" */
void er_demo_balance_line(const struct er_balance *balance, struct er_buf *out);

#endif
