/* Reads the dead-letter topic: backwards page by page, or single records. Outside of the group, what is committed only.
 *
 *   partition   low |.......[ next stretch ][ this stretch ]| before
 *                            <- pages go this way, each stretch is read forwards
 *
 * One thread at a time; every call comes back by its deadline, give or take a second.
 */
#ifndef ER_ROUTER_KAFKA_LETTER_READER_H
#define ER_ROUTER_KAFKA_LETTER_READER_H

#include <stdatomic.h>
#include "router/config.h"
#include "router/log.h"
#include "rules/store/letters.h"

struct er_kafka_letter_reader;

/* No connection is made yet. config, log and stop (a wish to end early, from any thread) are borrowed. */
enum er_code er_kafka_letter_reader_new(const struct er_config *config, struct er_log *log, const atomic_bool *stop,
                                        struct er_kafka_letter_reader **out, struct er_err *err) ER_MUST_CHECK;
void er_kafka_letter_reader_free(struct er_kafka_letter_reader *reader);

/* Fill the request's answer and return its code. A page ends after some seconds or some ten thousand records, full or not. */
enum er_code er_kafka_letter_reader_list(struct er_kafka_letter_reader *reader, struct er_letters_request *request);
enum er_code er_kafka_letter_reader_read(struct er_kafka_letter_reader *reader, struct er_letters_request *request);

#endif
