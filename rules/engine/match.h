/* Matching one record against the rule set; one matcher per thread. */
#ifndef ER_RULES_ENGINE_MATCH_H
#define ER_RULES_ENGINE_MATCH_H

#include "rules/engine/record.h"
#include "rules/engine/ruleset.h"

struct er_matcher;

/* One subscriber that accepts the event, with the ids of its matching subscriptions, sorted bytewise. */
struct er_match_subscriber {
    const struct er_subscriber *subscriber;
    const struct er_str *subscriptions;
    size_t n_subscriptions;
};

/* One subscriber that no subscription decided for, and the first (bytewise) undecided one. */
struct er_match_undecided {
    const struct er_subscriber *subscriber;
    struct er_str subscription;
    const char *reason; /* static */
};

/* Valid until the next call on the matcher. */
struct er_match {
    uint64_t revision;
    const struct er_match_subscriber *subscribers; /* each once, in bytewise order of id */
    size_t n_subscribers;
    const struct er_match_undecided *undecided; /* only subscribers that are not in `subscribers` */
    size_t n_undecided;
    size_t duplicate_keys; /* counted over the whole event */
    struct er_str type;    /* the event's type; p = NULL when it has none */
};

/* Any thread; registers a reader with the set, which must outlive it. */
enum er_code er_matcher_new(struct er_ruleset *ruleset, struct er_matcher **out, struct er_err *err) ER_MUST_CHECK;
void er_matcher_free(struct er_matcher *matcher);

/* What this matcher does is no activity of the rules (er_ruleset_activity): it only looks. Before the first pin. */
void er_matcher_set_observer(struct er_matcher *matcher);

/* A reader that has pinned sees one revision until it refreshes or unpins; who changes the rules may have to wait for that, so readers keep
 * it short and unpin before anything that may wait. Returns the revision. */
uint64_t er_matcher_pin(struct er_matcher *matcher);
void er_matcher_unpin(struct er_matcher *matcher);

/* Pinned: goes over to what is published now. Costs a load when there is nothing new: call it between two events. */
uint64_t er_matcher_refresh(struct er_matcher *matcher);

/* Pinned. Says which record will be matched after those that were said before; the first one is the very next. Then its memory is fetched
 * and its event read while others are decided. Only a hint: some may be left out, and one that was not said may come, which loses the
 * others. More than ER_MATCHER_AHEAD at a time are ignored. Borrows the record and its bytes until it or a later one is matched, or the
 * matcher is unpinned. */
#define ER_MATCHER_AHEAD 7u
void er_matcher_expect(struct er_matcher *matcher, const struct er_record *record);

/* Pinned. Decides one record. *out is filled for ER_OK. An event error (bad JSON, not an object, too large, too deep, ...) returns its
 * code with the byte offset in err; ER_E_NOMEM is not an event error. Allocates nothing after warm-up. */
enum er_code er_matcher_match(struct er_matcher *matcher, const struct er_record *record, struct er_match *out,
                              struct er_err *err) ER_MUST_CHECK;

/* A subscription that did not accept the last event, and on how many of its conditions it failed: entries of `types`, of `regex`, fields of
 * the pattern, and what the pattern's logic says beyond them. Borrows; valid as er_match. */
struct er_near {
    const struct er_subscriber *subscriber;
    struct er_str subscription;
    uint32_t failed;     /* at least 1 */
    uint32_t conditions; /* in all */
};

struct er_near_list {
    const struct er_near *items; /* fewest failures first, then by id */
    size_t n;
    bool complete; /* all rules were looked at in the time */
    uint32_t next; /* if not: where to go on */
};

/* Pinned, after a match that returned ER_OK: the nearest misses among all subscriptions, at most `limit`, in at most about time_ns. */
enum er_code er_matcher_near(struct er_matcher *matcher, size_t limit, uint64_t time_ns, struct er_near_list *out,
                             struct er_err *err) ER_MUST_CHECK;

/* The same in pieces: from where an earlier piece of the same revision left off (0 = the start), those that this piece has seen. */
struct er_near_piece {
    size_t limit;
    uint64_t time_ns;
    uint32_t from;
};
enum er_code er_matcher_near_piece(struct er_matcher *matcher, const struct er_near_piece *piece, struct er_near_list *out,
                                   struct er_err *err) ER_MUST_CHECK;

/* Ids of all matching and all undecided subscriptions of the last match, sorted bytewise (offline `rule test`). Valid as er_match.
 * NULL with *n > 0: out of memory. */
const struct er_str *er_matcher_matched_ids(const struct er_matcher *matcher, size_t *n);
const struct er_str *er_matcher_undecided_ids(const struct er_matcher *matcher, size_t *n);

#endif
