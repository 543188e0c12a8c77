/* Requests about dead letters on their way:
 *
 *   list: what is on the dead-letter topic, newest first, a page at a time
 *   read: some of them, whole
 *   send: the events of some once more, each to one topic, in their order
 *
 * The requester (admin) and the executor (router/kafka_dead_letters) share only this header. All calls on the main thread.
 */
#ifndef ER_RULES_STORE_LETTERS_H
#define ER_RULES_STORE_LETTERS_H

#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/engine/record.h"

/* A record of the dead-letter topic. */
struct er_letter_place {
    int32_t partition;
    int64_t offset;
};

#define ER_LETTER_NO_TIME INT64_MIN

/* What a dead letter says (docs/dead-letters.md), and the event as it was. Text that it does not have is n = 0, a number is -1. */
struct er_letter {
    struct er_letter_place place;
    struct er_str code, stage, message;
    struct er_str source; /* "topic/partition/offset" */
    struct er_str subscriber, subscription;
    int64_t attempts;
    int64_t error_offset;
    int64_t truncated;       /* bytes that were left out */
    int64_t first_failed_ms; /* ER_LETTER_NO_TIME: none */
    struct er_record event;  /* topic, partition and offset are the dead letter's; headers and timestamp the event's own */
    size_t value_bytes;      /* of the whole value, of which a list has the beginning, */
    size_t key_bytes;        /* and of the key */
    bool headers_cut;        /* a list has only the first headers */
};

struct er_letters_filter { /* n = 0, ER_LETTER_NO_TIME: any */
    struct er_str code, stage, subscriber;
    int64_t since_ms, until_ms; /* of first_failed_ms: since <= it < until */
};

/* One letter of a read or a send. */
struct er_letter_item {
    struct er_letter_place place;   /* read: which one */
    const struct er_letter *letter; /* send: what; read: the answer, in the request's arena */
    struct er_str topic;            /* send: where to */
    /* answer; as long as the request's own code is ER_OK. Read: ER_E_NOT_FOUND, ER_E_LETTER_GONE. Send: what the destination says
     * (ER_E_DESTINATION_*, ER_E_RECORD_*), ER_E_KAFKA, ER_E_KAFKA_TIMEOUT */
    enum er_code code;
    struct er_err err;
    struct er_letter_place sent;
    bool unknown; /* it failed, but the record may be there, or may come yet */
};

enum er_letters_op { ER_LETTERS_LIST, ER_LETTERS_READ, ER_LETTERS_SEND };

/* Owned by the requester until done has returned; the executor's thread reads it and writes its answer meanwhile. */
struct er_letters_request {
    enum er_letters_op op;
    struct er_arena *arena; /* for the answer; nobody else uses it meanwhile */

    /* list */
    struct er_letters_filter filter;
    size_t limit;
    bool brief; /* without keys, headers and values */
    const struct er_letter_place
        *before;     /* per partition: only what is before that offset; a partition that is not named is done */
    size_t n_before; /* 0: all from their ends */
    /* read, send */
    struct er_letter_item *items;
    size_t n_items;

    /* Called exactly once, also at shutdown (ER_E_UNAVAILABLE); may be called before the request is handed over completely. */
    void (*done)(void *arg, struct er_letters_request *request);
    void *arg;

    /* answer. The code is about all of it: ER_E_KAFKA, ER_E_KAFKA_TIMEOUT, ER_E_TOO_MANY, ER_E_TOO_LARGE (read: fewer at once), ER_E_UNAVAILABLE,
     * ER_E_NOMEM; then nothing was sent */
    enum er_code code;
    struct er_err err;
    struct er_letter *letters; /* list: in arena */
    size_t n_letters;
    struct er_letter_place *next; /* list: `before` of the next page, in arena */
    size_t n_next;                /* 0: this was the last one */
    struct er_letter_place *oldest;
    size_t n_oldest; /* list: first offset of every partition */
    uint64_t scanned;

    struct er_letters_request *next_request; /* the executor's, as is the next */
    uint64_t deadline_ms;
};

#endif
