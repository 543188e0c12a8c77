/* Dead letters are read, and their events sent again, by a thread of their own, with a consumer and a producer of its own: routing does
 * not notice. Thread and clients are made when they are first needed; the clients go when nobody has asked for a while.
 *
 *   main thread --request--> [ queue ] --> letters thread: list, read (kafka_letter_reader), send (kafka_sink)
 *   main thread <--eventfd, er_kafka_dead_letters_dispatch calls request->done-- [ answers ]
 *
 * All functions: main thread.
 */
#ifndef ER_ROUTER_KAFKA_DEAD_LETTERS_H
#define ER_ROUTER_KAFKA_DEAD_LETTERS_H

#include "router/config.h"
#include "router/log.h"
#include "rules/store/letters.h"

struct er_kafka_dead_letters;

struct er_kafka_dead_letters_options {
    const struct er_config *config; /* borrowed, as is log */
    struct er_log *log;
    int wakeup_fd;        /* an eventfd of the caller that is written when there are answers */
    uint64_t patience_ms; /* from submit to the answer, give or take a second; 0: 10 s */
};

/* options are copied. */
enum er_code er_kafka_dead_letters_new(const struct er_kafka_dead_letters_options *options, struct er_kafka_dead_letters **out,
                                       struct er_err *err) ER_MUST_CHECK;
/* The thread ends as soon as it can, in the background; what has no answer yet gets ER_E_UNAVAILABLE from dispatch or free. */
void er_kafka_dead_letters_stop(struct er_kafka_dead_letters *letters);
void er_kafka_dead_letters_free(struct er_kafka_dead_letters *letters);

/* Resets what belongs to the answer. More than 64 at once are refused (ER_E_TOO_MANY; done is called before this returns). */
void er_kafka_dead_letters_submit(struct er_kafka_dead_letters *letters, struct er_letters_request *request);
void er_kafka_dead_letters_dispatch(struct er_kafka_dead_letters *letters);

/* Sends that were answered, by how they ended. */
struct er_letters_stats {
    uint64_t sent, failed, unknown;
};
void er_kafka_dead_letters_stats(const struct er_kafka_dead_letters *letters, struct er_letters_stats *out);

#endif
