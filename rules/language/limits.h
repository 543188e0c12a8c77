/* What a rule may cost at most; checked when its document is read. */
#ifndef ER_RULES_LANGUAGE_LIMITS_H
#define ER_RULES_LANGUAGE_LIMITS_H

#include <stddef.h>

struct er_rule_limits {
    size_t document_bytes; /* 65536, as sent */
    size_t max_depth;      /* of the document, for er_json_parse: event_depth plus what a subscription's own levels and the nesting
                            * of logic can add */
    size_t event_depth;    /* event.max_depth, 128: of the event that a pattern mirrors */
    size_t nesting;        /* 64: $or, $and and $not around one condition */
    size_t branches;       /* 1024: of a pattern in disjunctive normal form, counted on the text */
    size_t tests;          /* 256: entries of `regex` and of `pattern` together */
    size_t regex_bytes;    /* ER_REGEX_MAX_BYTES */
};

struct er_rule_limits er_rule_default_limits(void);

/* Sets event_depth, and max_depth with it. */
void er_rule_limits_set_event_depth(struct er_rule_limits *limits, size_t event_depth);

#endif
