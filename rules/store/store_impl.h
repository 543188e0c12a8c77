/* What the files of rules/store share about the store. Not for others. */
#ifndef ER_RULES_STORE_STORE_IMPL_H
#define ER_RULES_STORE_STORE_IMPL_H

#include "rules/store/sql.h"
#include "rules/store/store.h"

/* Deepest nesting of a stored document that its readers accept: no rule limit is higher. */
#define ER_STORE_MAX_DEPTH 4096

/* Of a column's text. */
enum er_subscriber_state er_store_state_of(struct er_str text);

struct er_store {
    struct er_sql *sql;
    char *path;        /* as the file system knows it, symbolic links resolved */
    int lock_fd;       /* holds the advisory lock for life; -1 none */
    uint64_t revision; /* of the last committed change */
};

#endif
