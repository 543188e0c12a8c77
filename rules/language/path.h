/* Field paths of the `regex` member and the command line: `user.email`, `a."b.c"`, `/user/email` (JSON Pointer), `$kafka.topic`.
 * The grammar is docs/rules.md "Paths". Immutable after parsing. */
#ifndef ER_RULES_LANGUAGE_PATH_H
#define ER_RULES_LANGUAGE_PATH_H

#include <stdint.h>
#include "rules/base/arena.h"
#include "rules/base/err.h"
#include "rules/base/str.h"

enum er_path_root {
    ER_PATH_EVENT, /* keys of the event */
    ER_PATH_KAFKA_TOPIC,
    ER_PATH_KAFKA_PARTITION,
    ER_PATH_KAFKA_KEY,
    ER_PATH_KAFKA_TIMESTAMP,
    ER_PATH_KAFKA_HEADER /* keys[0] is the header's name */
};

struct er_path {
    enum er_path_root root;
    const struct er_str *keys; /* decoded */
    size_t n;
};

/* Parses text; everything lands in arena. Errors: ER_E_PATH_SYNTAX, ER_E_PATH_RESERVED with the byte offset, ER_E_NOMEM. */
enum er_code er_path_parse(struct er_arena *arena, struct er_str text, struct er_path *out, struct er_err *err) ER_MUST_CHECK;

bool er_path_eq(const struct er_path *a, const struct er_path *b);

#endif
