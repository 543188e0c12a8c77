/* Rules of other systems into subscription documents: what the readers of each system share.
 *
 * Every document is read back by the reader of rules before it is written, so what comes out is valid. A rule that lost a condition would
 * accept more than the original did: it comes out disabled.
 */
#ifndef ER_ADMIN_CTL_CONVERT_H
#define ER_ADMIN_CTL_CONVERT_H

#include "admin/ctl_output.h"
#include "rules/base/json.h"
#include "rules/base/json_write.h"

enum er_convert_kind {
    ER_CONVERT_LOST,   /* a condition, or a whole rule, that could not be carried over */
    ER_CONVERT_DIFFERS /* carried over, but it means something else in some cases; or no condition */
};

/* A conversion. One rule at a time: begin, any number of notes, end. */
struct er_convert {
    struct er_arena *arena;
    const char *subscriber; /* for all rules, or NULL */
    const char *place;      /* where the current rule stands */
    struct er_str name;     /* of the current rule */
    struct er_buf documents, report;
    bool json_report;
    bool lost_here; /* the current rule lost a condition */
    bool no_memory;
    size_t n, notes, lost;
    struct er_str *ids; /* taken */
    size_t n_ids, ids_capacity;
};

/* What a document is made of. Texts may be empty; JSON parts are complete values, n = 0: none. */
struct er_convert_rule {
    struct er_str subscriber; /* the other system's name of the receiver; "": the rule's name */
    struct er_str description;
    struct er_str types, regex, pattern; /* JSON */
    bool disabled;
};

/* name: "" when the rule has none. */
void er_convert_begin(struct er_convert *convert, const char *place, struct er_str name);
void er_convert_note(struct er_convert *convert, enum er_convert_kind kind, struct er_str pointer, const char *format, ...)
    ER_PRINTF(4, 5);
void er_convert_end(struct er_convert *convert, const struct er_convert_rule *rule);

/* One rule, or a document that holds several. */
void er_convert_eventbridge(struct er_convert *convert, const struct er_json *value, const char *place);
void er_convert_knative(struct er_convert *convert, const struct er_json *value, const char *place);
void er_convert_hermes(struct er_convert *convert, const struct er_json *value, const char *place);

/* Helpers: the string member of an object, p = NULL when there is none; a buffer's text kept in the arena. */
struct er_str er_convert_text(const struct er_json *object, const char *member);
struct er_str er_convert_keep(struct er_convert *convert, struct er_buf *text);

#endif
