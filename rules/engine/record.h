/* One Kafka record as the engine and the router see it. Borrows every byte. */
#ifndef ER_RULES_ENGINE_RECORD_H
#define ER_RULES_ENGINE_RECORD_H

#include <stdint.h>
#include "rules/base/str.h"

struct er_header {
    struct er_str name;
    struct er_str value;
    bool null_value;
};

struct er_record {
    struct er_str topic; /* n = 0: no envelope (offline without --topic) */
    int32_t partition;   /* -1: absent */
    int64_t offset;
    int64_t timestamp_ms; /* -1: absent */
    struct er_str key;
    bool has_key; /* an empty key is a key */
    struct er_str value;
    bool has_value;                  /* false: tombstone */
    const struct er_header *headers; /* in arrival order */
    size_t n_headers;
    void *owner; /* whoever owns the bytes (the source's message); the engine ignores it */
};

/* The last header with that name, or NULL. */
const struct er_header *er_record_header(const struct er_record *record, struct er_str name);

#endif
