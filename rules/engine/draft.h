/* The words of a term (see term.h) on their way from a rule: its conditions in canonical order, its tests interned. */
#ifndef ER_RULES_ENGINE_DRAFT_H
#define ER_RULES_ENGINE_DRAFT_H

#include <stdbool.h>
#include <stdint.h>
#include "rules/language/rule.h"

struct er_catalog;
struct er_arena;

struct er_draft {
    struct er_catalog *catalog;
    struct er_arena *arena; /* the catalog's, as is all that follows */
    uint32_t *words;
    uint32_t n;
    bool tree, always; /* as in struct er_term */
    uint32_t *held;    /* one reference of each test */
    uint32_t n_held;
    uint32_t held_capacity;
};

/* More plain values than these in one leaf are one SET. */
#define ER_SET_MIN 9u

/* False without memory. er_draft_fini in any case. */
bool er_draft_init(struct er_draft *draft, struct er_catalog *catalog, const struct er_rule *rule);
void er_draft_fini(struct er_draft *draft);

#endif
