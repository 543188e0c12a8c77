/* What the verbs of `eventrouterctl dead-letter` share. */
#ifndef ER_ADMIN_CTL_DEAD_LETTER_H
#define ER_ADMIN_CTL_DEAD_LETTER_H

#include "admin/ctl_call.h"

enum er_ctl_exit er_ctl_run_dead_letter_retry(const struct er_ctl *ctl, const struct er_ctl_args *args);

/* The flags that choose dead letters, for tables of flags. */
#define ER_CTL_LETTER_FILTER_FLAGS                                                                                                 \
    { "reason", 0, ER_CTL_VALUE, "CODE", "only those with this error code, for example E604" },                                    \
        { "stage", 0, ER_CTL_VALUE, "STAGE", "only those of stage parse, match or produce" },                                      \
        { "subscriber", 0, ER_CTL_VALUE, "SUBSCRIBER", "only those about copies for this subscriber" },                            \
        { "since", 0, ER_CTL_VALUE, "TIME", "only what failed since then: 2026-11-21T09:05:40Z, or 90s, 15m, 2h, 7d ago" },        \
    {                                                                                                                              \
        "until", 0, ER_CTL_VALUE, "TIME", "only what failed before then"                                                           \
    }

/* Appends the path of the list with what these flags say. */
void er_ctl_letter_target(const struct er_ctl_args *args, bool brief, struct er_buf *target);
/* Is any of them given? */
bool er_ctl_letter_filtered(const struct er_ctl_args *args);

#endif
