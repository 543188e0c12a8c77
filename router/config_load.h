/* Inside of the configuration reader: shared by config.c, config_source.c, config_value.c and config_check.c only. */
#ifndef ER_ROUTER_CONFIG_LOAD_H
#define ER_ROUTER_CONFIG_LOAD_H

#include "router/config.h"
#include "router/option.h"
#include "rules/base/arena.h"

/* Where a value came from; a later one overrides an earlier one. */
enum er_rank { ER_RANK_DEFAULT, ER_RANK_FILE, ER_RANK_ENVIRONMENT, ER_RANK_OVERRIDE };

struct er_setting {
    const char *value;
    const char *origin; /* "default", "FILE:LINE", "environment NAME", "-o" */
    enum er_rank rank;
};

/* Properties of one librdkafka section in the order of their first mention. */
struct er_property_list {
    struct er_property *items;
    enum er_rank *ranks;
    size_t n, capacity;
};

/* struct er_config is the first member: er_config_free gets back from it to the whole. */
struct er_loaded {
    struct er_config config;
    struct er_arena *arena;      /* owns all strings and itself holds this struct */
    struct er_setting *settings; /* one per option, same order */
    struct er_property_list properties[ER_SCOPE_COUNT];
};

struct er_loader {
    struct er_loaded *loaded;
    struct er_buf *errors;
    enum er_code first; /* code of the first error */
    bool no_memory;
};

/* Appends "ORIGIN: error[CODE]: text\n", control characters replaced. */
void er_loader_error(struct er_loader *loader, const char *origin, enum er_code code, const char *format, ...) ER_PRINTF(4, 5);

/* Sets one key; an unknown one is an error. Strings are copied. */
struct er_assignment {
    struct er_str section, key, value;
    const char *origin; /* lives in the arena */
    enum er_rank rank;
    const char *variable; /* of the environment, or NULL */
};
void er_loader_set(struct er_loader *loader, const struct er_assignment *assignment);

/* Copy in the arena; "" and no_memory set without memory. */
const char *er_loader_text(struct er_loader *loader, struct er_str text);

struct er_str er_loader_trim(struct er_str text); /* without white space around it */
void er_loader_one_line(char *text);              /* '?' for each control character */

/* The three sources (config_source.c). */
void er_loader_file(struct er_loader *loader, const char *path, bool required);
void er_loader_environment(struct er_loader *loader, char *const *environment);
void er_loader_override(struct er_loader *loader, const char *assignment);

/* Converts a text to the type of the option and stores it in config (config_value.c). Errors: ER_E_CONFIG_VALUE, ER_E_NOMEM. */
enum er_code er_option_store(const struct er_option *option, const char *text, struct er_arena *arena, struct er_config *config,
                             struct er_err *err) ER_MUST_CHECK;

/* Rules between values (config_check.c); the values themselves are legal. */
void er_loader_check(struct er_loader *loader);

#endif
