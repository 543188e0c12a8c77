/* Dead-letter records: the event as it was, plus why it could not be routed or delivered. Not thread safe. */
#ifndef ER_ROUTER_DEAD_LETTER_H
#define ER_ROUTER_DEAD_LETTER_H

#include "router/provenance.h"
#include "rules/store/letters.h"

enum er_stage { ER_STAGE_PARSE, ER_STAGE_MATCH, ER_STAGE_PRODUCE };

/* How much of the event is left out because the dead-letter topic refused it for its size. */
enum er_dead_letter_cut {
    ER_CUT_NOTHING,
    ER_CUT_VALUE,
    ER_CUT_HEADERS, /* and value */
    ER_CUT_KEY,     /* and value and headers */
    ER_CUT_LAST = ER_CUT_KEY
};

/* Everything is borrowed for the call. */
struct er_dead_letter {
    enum er_code code;
    enum er_stage stage;
    struct er_str message;
    struct er_str source; /* "topic/partition/offset" */
    uint32_t attempts;
    int64_t first_failed_ms;    /* Unix time */
    size_t error_offset;        /* ER_NO_OFFSET: none */
    struct er_str subscriber;   /* n = 0: not about a copy */
    struct er_str subscription; /* n = 0: none */
    enum er_dead_letter_cut cut;
    bool retimed; /* the topic refused the event's timestamp: use now_ms */
    int64_t now_ms;
};

/* Memory of er_dead_letter_build; initialise with {0}. */
struct er_dead_letter_scratch {
    struct er_headers headers;
    char time[32];
    char number[4][21];
};
void er_dead_letter_scratch_free(struct er_dead_letter_scratch *scratch);

/* Makes the record in *out (borrowing from event, letter and scratch). Arriving headers of a dead letter's names are left out: a
 * dead letter that was sent back must not keep old reasons. False without memory. */
bool er_dead_letter_build(struct er_dead_letter_scratch *scratch, const struct er_record *event,
                          const struct er_dead_letter *letter, struct er_record *out);

/* "parse", "match", "produce". Static. */
struct er_str er_stage_name(enum er_stage stage);

/* The other way: what a record of the dead-letter topic says, and the event in it. Borrows from record; headers: room for all of the
 * record's, out keeps them. A header that says nothing sensible counts as absent; the last of a name counts. */
void er_dead_letter_read(const struct er_record *record, struct er_header *headers, struct er_letter *out);

/* The event once more for its subscriber: as it was, with eventrouter-source and eventrouter-attempts raised by one. Borrows from letter
 * and scratch. False without memory. */
bool er_dead_letter_again(struct er_dead_letter_scratch *scratch, const struct er_letter *letter, struct er_record *out);

#endif
