/* What a matcher needs of a rule set beyond its public contract. */
#ifndef ER_RULES_ENGINE_RULESET_SIDES_H
#define ER_RULES_ENGINE_RULESET_SIDES_H

#include "rules/engine/publish.h"
#include "rules/engine/ruleset.h"
#include "rules/engine/side.h"

/* Nodes that are read whatever the rules are; both sides hold them live. */
struct er_event_nodes {
    uint32_t type_path; /* event.type_path */
    uint32_t type;      /* `type` and `specversion` at the top level, for CloudEvents */
    uint32_t specversion;
};

struct er_publication *er_ruleset_publication(struct er_ruleset *ruleset);
const struct er_catalog *er_ruleset_catalog(const struct er_ruleset *ruleset); /* writer thread */
const struct er_event_nodes *er_ruleset_event_nodes(const struct er_ruleset *ruleset);

/* Of er_catalog.freed, with the publication as context: what was counted for an id that is free now. */
void er_activity_forget(void *publication, uint32_t id, const struct er_test *test);

#endif
