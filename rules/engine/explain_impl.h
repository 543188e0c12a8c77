/* An explainer from inside; shared by explain.c and explain_write.c. */
#ifndef ER_RULES_ENGINE_EXPLAIN_IMPL_H
#define ER_RULES_ENGINE_EXPLAIN_IMPL_H

#include "rules/engine/explain.h"
#include "rules/engine/tree.h"

struct er_explainer {
    struct er_tree *tree;
    struct er_regex_scratch *scratch;
    struct er_arena *arena; /* of one rule */
    struct er_condition *conditions;
    uint32_t capacity;
    uint32_t n;
    bool no_memory;
};

#endif
