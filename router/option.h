/* The table of options: the one place that knows every key of the configuration. Static storage, immutable. */
#ifndef ER_ROUTER_OPTION_H
#define ER_ROUTER_OPTION_H

#include <stdint.h>
#include "rules/base/str.h"

enum er_option_type {
    ER_OPTION_TEXT,      /* const char *; min and max are lengths in bytes */
    ER_OPTION_LIST,      /* comma separated texts, trimmed; only source.topics */
    ER_OPTION_WORD,      /* an enum: the position in `words` */
    ER_OPTION_WORD_BOOL, /* bool: the second of two words is true */
    ER_OPTION_BOOL,      /* true false yes no on off 1 0 */
    ER_OPTION_UNSIGNED,  /* unsigned */
    ER_OPTION_INT32,     /* int32_t */
    ER_OPTION_COUNT,     /* size_t */
    ER_OPTION_SIZE,      /* size_t, bytes, with an optional unit K, M, G (powers of 1024) */
    ER_OPTION_TIME_MS,   /* uint64_t, kept in ms; min and max are ns */
    ER_OPTION_TIME_NS,   /* uint64_t, kept in ns; min and max are ns */
    ER_OPTION_MODE       /* unsigned, octal */
};

struct er_option {
    const char *section;
    const char *key;
    enum er_option_type type;
    const char *fallback; /* the default as a user would write it */
    int64_t min, max;
    size_t at;         /* offset of the member in struct er_config */
    const char *words; /* separated by one space */
    const char *text;  /* one sentence for the manual */
};

const struct er_option *er_options(size_t *n);

/* NULL when there is none. */
const struct er_option *er_option_find(struct er_str section, struct er_str key);

/* Sections whose keys are librdkafka properties: kafka, kafka.consumer, kafka.producer. */
enum er_property_scope { ER_SCOPE_KAFKA, ER_SCOPE_CONSUMER, ER_SCOPE_PRODUCER, ER_SCOPE_COUNT };
const char *er_property_section(enum er_property_scope scope);
bool er_property_scope_of(struct er_str section, enum er_property_scope *scope);

bool er_section_known(struct er_str section);

/* Splits "section.key"; where section names nest, the longest that fits wins. False when no known section fits. */
bool er_option_split(struct er_str name, struct er_str *section, struct er_str *key);

/* The nearest known section or key, or NULL. A key that exists in another section is found there. */
const char *er_section_suggest(struct er_str section);
const struct er_option *er_option_suggest(struct er_str section, struct er_str key);

#endif
