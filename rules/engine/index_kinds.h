/* The kinds of index behind index.h, one file each. `path` is the record of the test's path. add: false without memory, nothing done. */
#ifndef ER_RULES_ENGINE_INDEX_KINDS_H
#define ER_RULES_ENGINE_INDEX_KINDS_H

#include "rules/engine/index.h"

/* Owners of lists, for their places. */
enum er_index_list { ER_LIST_GRAM, ER_LIST_EVERY };

static inline uint64_t er_index_owner(enum er_index_list kind, uint32_t id)
{
    return (uint64_t)kind << 32 | id;
}

bool er_exact_add(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_exact_remove(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_exact_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits);
void er_exact_found(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits);

bool er_affix_add(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_affix_remove(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_affix_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits);
void er_affix_found(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits);

/* Has a new GLOB or REGEX a prefix that tells it better from others than a gram would? Then that is its literal. */
bool er_affix_place(const struct er_index *index, struct er_test *test);

bool er_gram_add(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_gram_remove(struct er_index *index, struct er_path_index *path, uint32_t test);
void er_gram_probe(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits);
void er_gram_place(const struct er_index *index, struct er_test *test);
void er_gram_fini(struct er_index *index, struct er_path_index *path);
size_t er_gram_bytes(const struct er_index *index);

#endif
