#include "rules/engine/ruleset.h"

#include <assert.h>
#include <stdlib.h>
#include "rules/engine/grow.h"
#include "rules/engine/repivot.h"
#include "rules/engine/ruleset_sides.h"

#define MOVES_AT_ONCE 256u

/* A change in terms of the catalog. Prepare applies it to the hidden side, catching up to the other one after that was left. */
struct change {
    uint64_t revision;
    uint32_t *adds;     /* new subscriptions */
    uint32_t *replaced; /* per add: whose name it took, or ER_NONE */
    size_t n_adds;
    uint32_t adds_room, replaced_room, dooms_room, puts_room, vacated_room;
    size_t applied;  /* adds that the hidden side has */
    uint32_t *dooms; /* subscriptions that leave */
    size_t n_dooms;
    struct slot_put {
        uint32_t slot;
        bool fresh; /* made by this change */
        struct er_subscriber *subscriber;
    } * puts;
    size_t n_puts;
    uint32_t *vacated; /* slots whose subscriber leaves */
    size_t n_vacated;
    bool counted;          /* in the slots */
    bool whole;            /* nothing more is gathered */
    struct er_move *moves; /* terms that are posted elsewhere; then there is nothing else */
    size_t n_moves;
};

/* Of the state after the change that is being prepared. */
struct counts {
    size_t subscriptions;
    size_t subscribers;
    size_t unindexed;
};

struct er_ruleset {
    struct er_ruleset_options options;
    char *type_path; /* the bytes of options.type_path */
    struct er_catalog catalog;
    struct er_event_nodes nodes;
    struct er_side sides[2];
    struct er_side *hidden;
    struct er_publication publication;
    struct change *prepared; /* gathered, and once prepared on the hidden side only */
    struct change *backlog;  /* published, but not yet on the side that is hidden now */
    struct er_repivot repivot;
    uint64_t reposted;    /* terms */
    struct counts counts; /* published */
    struct counts next;
};

struct er_ruleset_options er_ruleset_default_options(void)
{
    return (struct er_ruleset_options){ .type_path = ER_STR("type"),
                                        .max_bytes = 1048576,
                                        .max_depth = 128,
                                        .unindexed_rules = 1000,
                                        .regex = er_regex_default_limits() };
}

struct er_publication *er_ruleset_publication(struct er_ruleset *ruleset)
{
    return &ruleset->publication;
}

const struct er_catalog *er_ruleset_catalog(const struct er_ruleset *ruleset)
{
    return &ruleset->catalog;
}

const struct er_ruleset_options *er_ruleset_options(const struct er_ruleset *ruleset)
{
    return &ruleset->options;
}

const struct er_event_nodes *er_ruleset_event_nodes(const struct er_ruleset *ruleset)
{
    return &ruleset->nodes;
}

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory for the rule set");
}

/* ---- birth and death ---- */

/* A node that both sides keep live. */
static enum er_code open_node(struct er_ruleset *ruleset, struct er_str text, uint32_t *node, struct er_err *err)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_path path;
    enum er_code code;

    if (arena == NULL) {
        return no_memory(err);
    }
    code = er_path_parse(arena, text, &path, err);
    if (code == ER_OK) {
        *node = er_catalog_path(&ruleset->catalog, &path);
        if (*node == ER_NONE) {
            code = no_memory(err);
        }
    }
    er_arena_free(arena);
    for (size_t i = 0; code == ER_OK && i < 2; i++) {
        if (!er_trie_add(&ruleset->sides[i].trie, *node)) {
            code = no_memory(err);
        }
    }
    return code;
}

static enum er_code open_nodes(struct er_ruleset *ruleset, struct er_err *err)
{
    enum er_code code = open_node(ruleset, ruleset->options.type_path, &ruleset->nodes.type_path, err);

    if (code == ER_OK) {
        code = open_node(ruleset, ER_STR("type"), &ruleset->nodes.type, err);
    }
    if (code == ER_OK) {
        code = open_node(ruleset, ER_STR("specversion"), &ruleset->nodes.specversion, err);
    }
    return code;
}

enum er_code er_ruleset_new(const struct er_ruleset_options *options, struct er_ruleset **out, struct er_err *err)
{
    struct er_ruleset *ruleset = aligned_alloc(_Alignof(struct er_ruleset), sizeof *ruleset);
    enum er_code code = ER_OK;

    *out = NULL;
    if (ruleset == NULL) {
        return no_memory(err);
    }
    memset(ruleset, 0, sizeof *ruleset);
    ruleset->options = *options;
    ruleset->nodes = (struct er_event_nodes){ ER_NONE, ER_NONE, ER_NONE };
    ruleset->type_path = malloc(options->type_path.n + 1);
    er_side_init(&ruleset->sides[0], &ruleset->catalog);
    er_side_init(&ruleset->sides[1], &ruleset->catalog);
    ruleset->hidden = &ruleset->sides[1];
    if (!er_publication_init(&ruleset->publication, &ruleset->sides[0]) || !er_catalog_init(&ruleset->catalog) ||
        ruleset->type_path == NULL) {
        code = no_memory(err);
    } else {
        ruleset->catalog.freed = er_activity_forget;
        ruleset->catalog.freed_context = &ruleset->publication;
        memcpy(ruleset->type_path, options->type_path.p, options->type_path.n);
        ruleset->options.type_path.p = ruleset->type_path;
        code = open_nodes(ruleset, err);
    }
    if (code != ER_OK) {
        er_ruleset_free(ruleset);
        return code;
    }
    *out = ruleset;
    return ER_OK;
}

static void change_free(struct change *change)
{
    for (size_t i = 0; i < change->n_puts; i++) {
        er_subscriber_unref(change->puts[i].subscriber);
    }
    free(change->adds);
    free(change->replaced);
    free(change->dooms);
    free(change->puts);
    free(change->vacated);
    free(change->moves);
    free(change);
}

/* Both sides are through with it: what left may go. */
static void change_done(struct er_ruleset *ruleset, struct change *change)
{
    for (size_t i = 0; i < change->n_dooms; i++) {
        er_catalog_sub_free(&ruleset->catalog, change->dooms[i]);
    }
    for (size_t i = 0; i < change->n_vacated; i++) {
        er_catalog_slot_free(&ruleset->catalog, change->vacated[i]);
    }
    er_moves_done(&ruleset->catalog, change->moves, change->n_moves);
    change_free(change);
}

void er_ruleset_free(struct er_ruleset *ruleset)
{
    if (ruleset == NULL) {
        return;
    }
    if (ruleset->prepared != NULL) {
        er_ruleset_abandon(ruleset);
    }
    if (ruleset->backlog != NULL) {
        change_done(ruleset, ruleset->backlog);
    }
    er_side_fini(&ruleset->sides[0]);
    er_side_fini(&ruleset->sides[1]);
    er_catalog_node_unref(&ruleset->catalog, ruleset->nodes.type_path);
    er_catalog_node_unref(&ruleset->catalog, ruleset->nodes.type);
    er_catalog_node_unref(&ruleset->catalog, ruleset->nodes.specversion);
    ruleset->catalog.freed = NULL;
    er_catalog_fini(&ruleset->catalog);
    er_publication_fini(&ruleset->publication);
    free(ruleset->type_path);
    free(ruleset);
}

/* ---- a change on one side ---- */

static void undo_adds(struct er_side *side, struct change *change)
{
    while (change->applied > 0) {
        er_side_remove(side, change->adds[--change->applied]);
    }
}

/* Everything that may fail; undone on failure. */
static bool apply_adds(struct er_side *side, struct change *change)
{
    change->applied = 0;
    for (size_t i = 0; i < change->n_puts; i++) {
        if (!er_side_reserve_slot(side, change->puts[i].slot)) {
            return false;
        }
    }
    while (change->applied < change->n_adds) {
        if (!er_side_add(side, change->adds[change->applied])) {
            undo_adds(side, change);
            return false;
        }
        change->applied++;
    }
    return true;
}

/* The rest; cannot fail. */
static void complete(struct er_side *side, const struct change *change)
{
    for (size_t i = 0; i < change->n_dooms; i++) {
        er_side_remove(side, change->dooms[i]);
    }
    for (size_t i = 0; i < change->n_puts; i++) {
        er_side_set_subscriber(side, change->puts[i].slot, change->puts[i].subscriber);
    }
    for (size_t i = 0; i < change->n_vacated; i++) {
        er_side_set_subscriber(side, change->vacated[i], NULL);
    }
    er_moves_end(side, change->moves, change->n_moves);
    side->revision = change->revision;
}

/* Brings the hidden side up to what is published, once nobody is on it. */
static bool catch_up(struct er_ruleset *ruleset)
{
    struct change *change = ruleset->backlog;

    if (change == NULL) {
        return true;
    }
    er_publication_await(&ruleset->publication, ruleset->hidden);
    if (!er_moves_begin(ruleset->hidden, change->moves, change->n_moves) || !apply_adds(ruleset->hidden, change)) {
        return false;
    }
    complete(ruleset->hidden, change);
    ruleset->backlog = NULL;
    change_done(ruleset, change);
    return true;
}

/* ---- preparing ---- */

/* Room for one more part. */
static bool change_grow(struct change *change, const struct er_ruleset_change *part)
{
    size_t adds = change->n_adds + part->n_put, dooms = change->n_dooms + 2 * part->n_put + part->n_remove;
    size_t puts = change->n_puts + part->n_put_subscribers, vacated = part->n_remove_subscribers;

    return (part->n_put == 0 || (er_grow(&change->adds, &change->adds_room, sizeof *change->adds, (uint32_t)adds) &&
                                 er_grow(&change->replaced, &change->replaced_room, sizeof *change->replaced, (uint32_t)adds))) &&
           (part->n_put + part->n_remove == 0 ||
            er_grow(&change->dooms, &change->dooms_room, sizeof *change->dooms, (uint32_t)dooms)) &&
           (part->n_put_subscribers == 0 || er_grow(&change->puts, &change->puts_room, sizeof *change->puts, (uint32_t)puts)) &&
           (vacated == 0 || er_grow(&change->vacated, &change->vacated_room, sizeof *change->vacated, (uint32_t)vacated));
}

static void count_sub(struct er_ruleset *ruleset, const struct er_sub *sub, size_t by)
{
    er_catalog_slot(&ruleset->catalog, sub->subscriber)->subs += (uint32_t)by;
    ruleset->next.subscriptions += by;
    if (er_catalog_term(&ruleset->catalog, sub->term)->unindexed) {
        ruleset->next.unindexed += by;
    }
}

static void doom(struct er_ruleset *ruleset, struct change *change, uint32_t id)
{
    struct er_sub *sub;

    if (id != ER_NONE && !(sub = er_catalog_sub(&ruleset->catalog, id))->doomed) {
        sub->doomed = true;
        change->dooms[change->n_dooms++] = id;
    }
}

static enum er_code put_subscriber(struct er_ruleset *ruleset, struct er_subscriber *subscriber, struct er_err *err)
{
    struct change *change = ruleset->prepared;
    uint32_t slot = er_catalog_slot_find(&ruleset->catalog, subscriber->id);
    bool fresh = slot == ER_NONE;

    if (fresh) {
        slot = er_catalog_slot_new(&ruleset->catalog, subscriber);
        if (slot == ER_NONE) {
            return no_memory(err);
        }
        ruleset->next.subscribers++;
    }
    change->puts[change->n_puts++] = (struct slot_put){ slot, fresh, er_subscriber_ref(subscriber) };
    return ER_OK;
}

static enum er_code put_rule(struct er_ruleset *ruleset, struct er_rule *rule, struct er_err *err)
{
    struct er_catalog *catalog = &ruleset->catalog;
    struct change *change = ruleset->prepared;
    uint32_t slot = er_catalog_slot_find(catalog, rule->subscriber);
    uint32_t old = er_catalog_sub_find(catalog, rule->id);
    uint32_t sub;

    if (slot == ER_NONE) {
        return er_err_set(err, ER_E_INTERNAL, "rule %.*s names subscriber %.*s, which the rule set does not know",
                          ER_STR_ARG(rule->id), ER_STR_ARG(rule->subscriber));
    }
    doom(ruleset, change, old);
    if (!rule->enabled) {
        return ER_OK;
    }
    sub = er_catalog_sub_reserve(catalog, rule->id) ? er_catalog_sub_new(catalog, rule, slot) : ER_NONE;
    if (sub == ER_NONE) {
        return no_memory(err);
    }
    er_catalog_sub_name(catalog, sub, old);
    change->adds[change->n_adds] = sub;
    change->replaced[change->n_adds++] = old;
    return ER_OK;
}

static enum er_code build(struct er_ruleset *ruleset, const struct er_ruleset_change *from, struct er_err *err)
{
    enum er_code code = ER_OK;

    for (size_t i = 0; code == ER_OK && i < from->n_put_subscribers; i++) {
        code = put_subscriber(ruleset, from->put_subscribers[i], err);
    }
    for (size_t i = 0; code == ER_OK && i < from->n_remove; i++) {
        doom(ruleset, ruleset->prepared, er_catalog_sub_find(&ruleset->catalog, from->remove[i]));
    }
    for (size_t i = 0; code == ER_OK && i < from->n_put; i++) {
        code = put_rule(ruleset, from->put[i], err);
    }
    return code;
}

/* Names the first new rule that no index can serve. */
static enum er_code refuse_unindexed(const struct er_ruleset *ruleset, struct er_err *err)
{
    const struct change *change = ruleset->prepared;

    for (size_t i = 0; i < change->n_adds; i++) {
        const struct er_sub *sub = er_catalog_sub(&ruleset->catalog, change->adds[i]);

        if (!sub->doomed && er_catalog_term(&ruleset->catalog, sub->term)->unindexed) {
            return er_err_set(
                err, ER_E_RULE_UNINDEXED,
                "rule %.*s: no index can serve it and %zu such rules would be more than limits.unindexed_rules = %zu; "
                "add `types`, an exact value, a prefix or suffix, a range, or a wildcard or regex that contains a fixed text",
                ER_STR_ARG(er_sub_id(sub)), ruleset->next.unindexed, ruleset->options.unindexed_rules);
        }
    }
    return ER_OK;
}

static enum er_code vacate(struct er_ruleset *ruleset, const struct er_ruleset_change *from, struct er_err *err)
{
    struct change *change = ruleset->prepared;

    for (size_t i = 0; i < from->n_remove_subscribers; i++) {
        struct er_str id = from->remove_subscribers[i];
        uint32_t slot = er_catalog_slot_find(&ruleset->catalog, id);

        if (slot == ER_NONE) {
            continue;
        }
        if (er_catalog_slot(&ruleset->catalog, slot)->subs > 0) {
            return er_err_set(err, ER_E_IN_USE, "subscriber %.*s still has subscriptions", ER_STR_ARG(id));
        }
        if (!er_catalog_slot(&ruleset->catalog, slot)->doomed) {
            er_catalog_slot(&ruleset->catalog, slot)->doomed = true;
            change->vacated[change->n_vacated++] = slot;
            ruleset->next.subscribers--;
        }
    }
    return ER_OK;
}

static void count_change(struct er_ruleset *ruleset, struct change *change, size_t by)
{
    for (size_t i = 0; i < change->n_adds; i++) {
        count_sub(ruleset, er_catalog_sub(&ruleset->catalog, change->adds[i]), by);
    }
    for (size_t i = 0; i < change->n_dooms; i++) {
        count_sub(ruleset, er_catalog_sub(&ruleset->catalog, change->dooms[i]), 0 - by);
    }
    change->counted = !change->counted;
}

static enum er_code check(struct er_ruleset *ruleset, const struct er_ruleset_change *from, struct er_err *err)
{
    count_change(ruleset, ruleset->prepared, 1);
    if (ruleset->next.unindexed > ruleset->options.unindexed_rules && ruleset->next.unindexed > ruleset->counts.unindexed) {
        enum er_code code = refuse_unindexed(ruleset, err);

        if (code != ER_OK) {
            return code;
        }
    }
    return vacate(ruleset, from, err);
}

static enum er_code begin(struct er_ruleset *ruleset, struct er_err *err)
{
    if (ruleset->prepared != NULL) {
        return ER_OK;
    }
    if (!catch_up(ruleset) || (ruleset->prepared = calloc(1, sizeof *ruleset->prepared)) == NULL) {
        return no_memory(err);
    }
    ruleset->next = ruleset->counts;
    return ER_OK;
}

static enum er_code gather(struct er_ruleset *ruleset, const struct er_ruleset_change *part, struct er_err *err)
{
    enum er_code code = begin(ruleset, err);

    if (code != ER_OK) {
        return code;
    }
    assert(!ruleset->prepared->whole);
    code = change_grow(ruleset->prepared, part) ? build(ruleset, part, err) : no_memory(err);
    if (code != ER_OK) {
        er_ruleset_abandon(ruleset);
    }
    return code;
}

enum er_code er_ruleset_gather(struct er_ruleset *ruleset, const struct er_ruleset_change *part, struct er_err *err)
{
    assert(part->n_remove_subscribers == 0);
    return gather(ruleset, part, err);
}

enum er_code er_ruleset_prepare(struct er_ruleset *ruleset, const struct er_ruleset_change *from, struct er_err *err)
{
    enum er_code code = gather(ruleset, from, err);

    if (code != ER_OK) {
        return code;
    }
    ruleset->prepared->revision = from->revision;
    ruleset->prepared->whole = true;
    if (!apply_adds(ruleset->hidden, ruleset->prepared)) {
        code = no_memory(err);
    }
    if (code == ER_OK) {
        code = check(ruleset, from, err);
    }
    if (code != ER_OK) {
        er_ruleset_abandon(ruleset);
    }
    return code;
}

/* ---- ending ---- */

void er_ruleset_abandon(struct er_ruleset *ruleset)
{
    struct er_catalog *catalog = &ruleset->catalog;
    struct change *change = ruleset->prepared;

    undo_adds(ruleset->hidden, change);
    if (change->counted) {
        count_change(ruleset, change, 0 - (size_t)1);
    }
    for (size_t i = change->n_adds; i > 0; i--) {
        er_catalog_sub_unname(catalog, change->adds[i - 1], change->replaced[i - 1]);
    }
    for (size_t i = 0; i < change->n_dooms; i++) {
        er_catalog_sub(catalog, change->dooms[i])->doomed = false;
    }
    for (size_t i = 0; i < change->n_adds; i++) {
        er_catalog_sub_free(catalog, change->adds[i]);
    }
    for (size_t i = 0; i < change->n_vacated; i++) {
        er_catalog_slot(catalog, change->vacated[i])->doomed = false;
    }
    for (size_t i = 0; i < change->n_puts; i++) {
        if (change->puts[i].fresh) {
            er_catalog_slot_unname(catalog, change->puts[i].slot);
            er_catalog_slot_free(catalog, change->puts[i].slot);
        }
    }
    change_free(change);
    ruleset->prepared = NULL;
}

static void forget_names(struct er_catalog *catalog, const struct change *change)
{
    for (size_t i = 0; i < change->n_dooms; i++) {
        if (er_catalog_sub_find(catalog, er_sub_id(er_catalog_sub(catalog, change->dooms[i]))) == change->dooms[i]) {
            er_catalog_sub_unname(catalog, change->dooms[i], ER_NONE);
        }
    }
    for (size_t i = 0; i < change->n_vacated; i++) {
        er_catalog_slot_unname(catalog, change->vacated[i]);
    }
}

/* The change is on the hidden side but for what cannot fail: readers get to see it. */
static void show(struct er_ruleset *ruleset, struct change *change)
{
    struct er_side *next = ruleset->hidden;

    complete(next, change);
    ruleset->backlog = change;
    er_publication_switch(&ruleset->publication, next);
    ruleset->hidden = next == &ruleset->sides[0] ? &ruleset->sides[1] : &ruleset->sides[0];
}

static const struct er_side *published(const struct er_ruleset *ruleset)
{
    return ruleset->hidden == &ruleset->sides[0] ? &ruleset->sides[1] : &ruleset->sides[0];
}

void er_ruleset_publish(struct er_ruleset *ruleset)
{
    struct change *change = ruleset->prepared;

    assert(change != NULL && change->whole);
    ruleset->prepared = NULL;
    ruleset->counts = ruleset->next;
    forget_names(&ruleset->catalog, change);
    show(ruleset, change);
    for (size_t i = 0; i < change->n_adds; i++) {
        er_repivot_note(&ruleset->repivot, published(ruleset), er_catalog_sub(&ruleset->catalog, change->adds[i])->term);
    }
}

/* ---- what may wait ---- */

/* One more piece. It is no change of the rules: the revision stays. */
static void repivot(struct er_ruleset *ruleset)
{
    struct change *change = calloc(1, sizeof *change);

    if (change == NULL) {
        return;
    }
    change->revision = published(ruleset)->revision;
    change->moves = calloc(MOVES_AT_ONCE, sizeof *change->moves);
    if (change->moves != NULL) {
        change->n_moves = er_repivot_look(&ruleset->repivot, ruleset->hidden, change->moves, MOVES_AT_ONCE);
    }
    if (change->n_moves == 0) {
        change_free(change);
    } else {
        ruleset->reposted += change->n_moves;
        show(ruleset, change);
    }
}

bool er_ruleset_tidy(struct er_ruleset *ruleset)
{
    assert(ruleset->prepared == NULL);
    if (ruleset->backlog == NULL && er_repivot_is_due(&ruleset->repivot)) {
        repivot(ruleset);
    } else if (ruleset->backlog != NULL && er_publication_is_left(&ruleset->publication, ruleset->hidden)) {
        /* Without memory now, the next one tries again; readers do not notice. */
        (void)catch_up(ruleset);
    }
    return ruleset->backlog != NULL || er_repivot_is_due(&ruleset->repivot);
}

void er_ruleset_stats(const struct er_ruleset *ruleset, struct er_ruleset_stats *out)
{
    *out = (struct er_ruleset_stats){ .revision = published(ruleset)->revision,
                                      .reposted = ruleset->reposted,
                                      .subscriptions = ruleset->counts.subscriptions,
                                      .subscribers = ruleset->counts.subscribers,
                                      .unindexed = ruleset->counts.unindexed,
                                      .tests = ruleset->catalog.tests.n,
                                      .quarantined = atomic_load_explicit(&ruleset->publication.quarantined, memory_order_relaxed),
                                      .bytes = sizeof *ruleset + er_catalog_bytes(&ruleset->catalog) +
                                               er_side_bytes(&ruleset->sides[0]) + er_side_bytes(&ruleset->sides[1]) };
}
