/* From a value to the tests that may accept it, without asking the others.
 *
 * DESIGN  one index per kind, none shares anything with another; per path a small record of what each of them holds there.
 *
 *     exact   hash table of whole values, of keys of numbers, of folded text
 *     affix   the same for prefixes and suffixes, one look-up per length in use; also for what globs and regexes start with
 *     gram    up to 8 bytes of a literal that every accepted value contains; a bit filter in front lets most positions pass by
 *     range   a tree of intervals per path
 *     cidr    hash table of blocks, one look-up per length in use
 *     every   no key: asked for each value of the path
 *
 * One writer while nobody reads, or many readers. Adding and removing cost one entry; nothing is ever rebuilt as a whole.
 */
#ifndef ER_RULES_ENGINE_INDEX_H
#define ER_RULES_ENGINE_INDEX_H

#include "rules/engine/catalog.h"
#include "rules/engine/cidrs.h"
#include "rules/engine/pages.h"
#include "rules/engine/places.h"
#include "rules/engine/ranges.h"

/* Lengths in use at one path, ascending. */
struct er_lengths {
    struct er_length {
        uint32_t n;
        uint32_t uses;
    } * items;
    uint32_t n;
    uint32_t capacity;
};

/* The grams of one length at one path. */
struct er_gram_set {
    uint64_t *filter;
    uint32_t shift; /* 64 - log2 of the filter's bits */
    uint32_t n;     /* grams */
    uint32_t stale; /* grams that left their bit behind */
    uint32_t first; /* list of the grams, or ER_NONE */
};

/* Bits of what there is at a path. */
#define ER_INDEX_EXACTS 1u
#define ER_INDEX_AFFIXES 2u
#define ER_INDEX_RANGES 4u
#define ER_INDEX_CIDRS 8u
#define ER_INDEX_SEARCHED 16u /* grams, or tests without a key */
#define ER_INDEX_PRESENCE 32u

struct er_path_index {
    uint32_t node;
    uint32_t kinds;
    uint32_t exact;   /* tests for the text of strings, true, false, null */
    uint32_t texts;   /* those of them and of the affixes that look at the text of numbers too */
    uint32_t numbers; /* tests for equal numbers */
    uint32_t folded;  /* tests on folded text, affixes too */
    uint64_t lengths; /* bit n % 64: a test of n bytes is among those three, or was */
    uint32_t present; /* the test for presence, or ER_NONE */
    struct er_lengths prefix, suffix, fold_prefix, fold_suffix;
    uint32_t gram_lengths;     /* bit L: grams of L bytes exist */
    struct er_gram_set *grams; /* one per length, NULL while there are none */
    struct er_ranges ranges;
    struct er_cidr_path cidrs;
    struct er_idlist every;
};

struct er_gram {
    uint64_t bytes;
    uint32_t node;
    uint32_t length;
    uint32_t next, previous; /* in its set */
    struct er_idlist tests;
};

/* Initialise with er_index_init. */
struct er_index {
    const struct er_catalog *catalog;
    struct er_pages paths; /* struct er_path_index * per node; NULL: no test there */
    struct er_table exact, affix, gram;
    struct er_stable gram_items; /* struct er_gram */
    struct er_places places;     /* of the tests of grams and of paths */
    struct er_cidrs cidrs;
    size_t path_bytes;
};

void er_index_init(struct er_index *index, const struct er_catalog *catalog);
void er_index_fini(struct er_index *index);

/* Chooses where a new GLOB, CONTAINS or REGEX stands: under what it starts with, or a gram, the one that stands for the fewest others. */
void er_index_place(const struct er_index *index, struct er_test *test);

/* How often a key of so many bytes is found in a value, relative. */
uint64_t er_index_rarity(size_t length);

/* What one more rule behind this test costs, relative: how likely a value is a hit. */
uint64_t er_index_weight(const struct er_test *test);

bool er_index_add(struct er_index *index, uint32_t test); /* false without memory: nothing has changed */
void er_index_remove(struct er_index *index, uint32_t test);

size_t er_index_bytes(const struct er_index *index);

/* A key that a table is to be asked for. */
struct er_lookup {
    const struct er_table *table; /* of the index: exact or affix */
    struct er_str text;
    uint32_t tag, node;
    uint32_t field;
    uint8_t op;   /* enum er_test_op */
    uint8_t kind; /* of the value; enum er_field_kind */
};

#define ER_LOOKUPS 32u
#define ER_LOOKUP_ROOM 512u

/* Look-ups whose slots in memory are on their way. */
struct er_lookups {
    struct er_lookup items[ER_LOOKUPS];
    uint32_t n;
    uint32_t used;             /* of the room */
    char room[ER_LOOKUP_ROOM]; /* for keys that do not stand in the event */
};

/* Receives what a value leads to. The marks save asking again: one literal repeated in a long text, or in a long array, would be confirmed
 * for every rule at every place. */
struct er_hits {
    /* A test that may accept the value. `sure`: accepted, no need to ask the test. Returns whether the test's answer for this event is
     * settled. */
    bool (*hit)(struct er_hits *hits, uint32_t test, bool sure);
    uint32_t field; /* of the value */
    struct er_lookups *lookups;
    bool at_once;    /* no look-up is kept, its tests come at once */
    uint32_t *marks; /* per gram: the number of the value, or of the event, that has no more use for it */
    uint32_t value;  /* numbers are never 0 */
    uint32_t event;
};

/* Those of all look-ups that are kept, which then are no more. */
void er_index_found(const struct er_index *index, struct er_hits *hits);

/* Those of one look-up. */
void er_index_found_one(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits);

/* Where the next look-up is written; then er_index_keep takes it. */
static inline struct er_lookup *er_index_room(const struct er_index *index, struct er_hits *hits)
{
    if (hits->lookups->n == ER_LOOKUPS) {
        er_index_found(index, hits);
    }
    return &hits->lookups->items[hits->lookups->n];
}

/* Its text is there as long as the event. */
static inline void er_index_keep(const struct er_index *index, const struct er_lookup *lookup, struct er_hits *hits)
{
    size_t step = 0;

    if (!hits->at_once) {
        hits->lookups->n++;
        er_table_prefetch(lookup->table, lookup->tag);
    } else if (er_table_next(lookup->table, lookup->tag, &step) != ER_NONE) {
        er_index_found_one(index, lookup, hits);
    }
}

/* The same of a text that may go at any time. */
void er_index_keep_copy(const struct er_index *index, struct er_lookup *lookup, struct er_hits *hits);

/* The tests that have a key and may accept the value, which may be a mark of an empty array, come to `hit`, or are kept as look-ups, but
 * for those that are found by searching. A test may come more than once. path: that of the value. */
void er_index_look(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits);

/* Those that are found by searching for literals in the value. */
void er_index_search(const struct er_index *index, const struct er_path_index *path, struct er_scalar *value, struct er_hits *hits);

/* What there is at a node, or NULL. */
static inline struct er_path_index *er_index_path(const struct er_index *index, uint32_t node)
{
    return er_pages_has(&index->paths, node) ? *er_pages_at(&index->paths, node, struct er_path_index *) : NULL;
}

#endif
