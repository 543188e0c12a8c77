/* Events from the command line and from files: the lines of --events, then each FILE as one event, all with the same envelope. */
#ifndef ER_ADMIN_CTL_EVENTS_H
#define ER_ADMIN_CTL_EVENTS_H

#include "admin/ctl.h"
#include "rules/base/json_write.h"
#include "rules/engine/record.h"

/* The flags that say more about every event, for tables of flags. */
#define ER_CTL_ENVELOPE_FLAGS                                                                                                      \
    { "topic", 0, ER_CTL_VALUE, "T", "$kafka.topic of every event" },                                                              \
        { "key", 0, ER_CTL_VALUE, "K", "$kafka.key of every event" },                                                              \
    {                                                                                                                              \
        "header", 0, ER_CTL_VALUES, "NAME=VALUE", "a header of every event"                                                        \
    }

/* Names an event in the output: a line from 0, or a FILE argument. */
struct er_ctl_event {
    size_t line;
    const char *file; /* NULL: use line */
    const struct er_record *record;
};

/* Says what is wrong with --rules, --events and the operands, as far as it can be known before reading. False: something is. */
bool er_ctl_events_check(const struct er_ctl_args *args);

/* The envelope of --topic, --key, --header. False after an error, which was said. Free with er_ctl_envelope_free. */
bool er_ctl_envelope(const struct er_ctl_args *args, struct er_record *out);
void er_ctl_envelope_free(struct er_record *envelope);

/* Calls back for each event. cb returns false on a failure that it has said, which ends the run. False after any failure. */
typedef bool er_ctl_event_cb(void *ctx, const struct er_ctl_event *event);
bool er_ctl_events_each(const struct er_ctl_args *args, const struct er_record *envelope, er_ctl_event_cb *cb, void *ctx);

/* The lines of one file alone. */
bool er_ctl_events_lines(const char *file_name, const struct er_record *envelope, er_ctl_event_cb *cb, void *ctx);

/* The member "event": its name. */
void er_ctl_event_write_name(struct er_json_writer *w, const struct er_ctl_event *event);

#endif
