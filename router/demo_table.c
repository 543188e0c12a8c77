#include "router/demo_table.h"

#include <inttypes.h>

#define NAME_COLUMNS 22
#define TOPIC_COLUMNS 28

/* End of a table line: what an older, longer text left on the screen is cleared (ECMA-48 EL). */
static void end_line(struct er_buf *out, size_t *lines)
{
    er_buf_add(out, ER_STR("\x1b[K\n"));
    ++*lines;
}

/* Not in the form of er_demo_balance_line: that line stands once in the output, at its end. */
static void add_balance(const struct er_balance *balance, struct er_buf *out)
{
    er_buf_printf(out, "%" PRIu64 " received, %" PRIu64 " routed, %" PRIu64 " unmatched, %" PRIu64 " dead-lettered",
                  balance->received, balance->routed, balance->unmatched, balance->dead_lettered);
}

size_t er_demo_draw(const struct er_demo_view *view, size_t previous, struct er_buf *out)
{
    size_t lines = 0;

    if (previous > 0)
        er_buf_printf(out, "\x1b[%zuA\r", previous);
    er_buf_printf(out, "%-*s %-*s %10s %8s", NAME_COLUMNS, "subscriber", TOPIC_COLUMNS, "topic", "matched", "per s");
    end_line(out, &lines);
    for (size_t i = 0; i < view->n; i++) {
        const struct er_demo_row *row = &view->rows[i];

        er_buf_printf(out, "%-*.*s %-*.*s %10" PRIu64 " %8.1f", NAME_COLUMNS, NAME_COLUMNS, row->subscriber, TOPIC_COLUMNS,
                      TOPIC_COLUMNS, row->topic, row->matched, row->rate);
        end_line(out, &lines);
    }
    end_line(out, &lines);
    er_buf_printf(out, "%.0f s, %" PRIu64 " published, %.1f events per second", view->seconds, view->published, view->rate);
    end_line(out, &lines);
    add_balance(&view->balance, out);
    end_line(out, &lines);
    /* Rows of subscribers that are gone. */
    if (lines < previous)
        er_buf_add(out, ER_STR("\x1b[J"));
    return lines;
}

void er_demo_line(const struct er_demo_view *view, struct er_buf *out)
{
    er_buf_printf(out, "%.0f s: ", view->seconds);
    add_balance(&view->balance, out);
    er_buf_printf(out, "; %.1f per second;", view->rate);
    for (size_t i = 0; i < view->n; i++)
        er_buf_printf(out, " %s=%" PRIu64, view->rows[i].subscriber, view->rows[i].matched);
    er_buf_addc(out, '\n');
}

void er_demo_balance_line(const struct er_balance *balance, struct er_buf *out)
{
    er_buf_printf(out, "received %" PRIu64 " = routed %" PRIu64 " + unmatched %" PRIu64 " + dead-lettered %" PRIu64,
                  balance->received, balance->routed, balance->unmatched, balance->dead_lettered);
}
