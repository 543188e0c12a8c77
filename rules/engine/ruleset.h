/* The live rule set: one writer (the main thread), many readers (worker threads) that never lock and never wait.
 *
 * DESIGN  left and right: two instances of the index over shared immutable rules.
 *
 *     readers --atomic pointer--> [ left ]      writer changes ---> [ right ]
 *                 publish = swap; when every reader has left the old side, the same change is made there.
 *
 * A change set becomes visible at once; an event is decided by exactly one revision. Publishing does not wait: an event whose decision
 * begins after it (er_matcher_pin or er_matcher_refresh) is decided by the new revision. So it is active on every worker, although a worker
 * may still be at an event that it began before. The old side catches up afterwards: when the writer has nothing else to do
 * (er_ruleset_tidy), at the latest when the next change is prepared.
 */
#ifndef ER_RULES_ENGINE_RULESET_H
#define ER_RULES_ENGINE_RULESET_H

#include <stdint.h>
#include "rules/base/err.h"
#include "rules/language/rule.h"

struct er_ruleset;

/* A subscriber as the data plane sees it: immutable, reference counted (atomic). */
struct er_subscriber {
    struct er_str id;
    struct er_str topic; /* destination */
    uint64_t uid;        /* never reused; another topic or state = another uid */
    bool paused;         /* gets dead letters instead of copies; set by its maker before anybody else has it */
};
struct er_subscriber *er_subscriber_new(struct er_str id, struct er_str topic); /* one reference; NULL without memory */
struct er_subscriber *er_subscriber_ref(struct er_subscriber *subscriber);
void er_subscriber_unref(struct er_subscriber *subscriber);

struct er_ruleset_options {
    struct er_str type_path; /* event.type_path, default "type" */
    size_t max_bytes;        /* event.max_bytes */
    size_t max_depth;        /* event.max_depth */
    bool reject_duplicate_keys;
    size_t unindexed_rules; /* limits.unindexed_rules; (size_t)-1 = no limit */
    struct er_regex_limits regex;
};
struct er_ruleset_options er_ruleset_default_options(void);

enum er_code er_ruleset_new(const struct er_ruleset_options *options, struct er_ruleset **out, struct er_err *err) ER_MUST_CHECK;
void er_ruleset_free(struct er_ruleset *ruleset);                                      /* no matcher may be left */
const struct er_ruleset_options *er_ruleset_options(const struct er_ruleset *ruleset); /* any thread; valid as long as the set */

/* One atomic change. Order of effect: subscribers put, subscriptions deleted, subscriptions put (replacing the same id), subscribers
 * deleted. Disabled rules may be put: they never match. A rule's subscriber must exist after the change. Everything is borrowed for
 * the call; rules and subscribers are referenced by the set. */
struct er_ruleset_change {
    uint64_t revision;
    struct er_rule *const *put;
    size_t n_put;
    const struct er_str *remove; /* subscription ids; an unknown one is ignored */
    size_t n_remove;
    struct er_subscriber *const *put_subscribers;
    size_t n_put_subscribers;
    const struct er_str *remove_subscribers;
    size_t n_remove_subscribers;
};

/* Writer thread. Prepare does everything that can fail on the hidden side; exactly one of publish or abandon follows. Prepare waits until no
 * reader is on that side any more: the rest of one event, if the last change was published just now. Publish cannot fail and does not
 * wait: every pin and refresh after it sees the change. Errors of prepare: ER_E_NOMEM, ER_E_RULE_UNINDEXED (err names the rule and what
 * to add). */
enum er_code er_ruleset_prepare(struct er_ruleset *ruleset, const struct er_ruleset_change *change,
                                struct er_err *err) ER_MUST_CHECK;
/* Before a prepare, as often as wanted: parts of the same change, which take effect one after the other, the one given to prepare last. So a
 * large change need not be in memory at once. A part removes no subscribers, and its revision does not count. An error abandons all. */
enum er_code er_ruleset_gather(struct er_ruleset *ruleset, const struct er_ruleset_change *part, struct er_err *err) ER_MUST_CHECK;

void er_ruleset_publish(struct er_ruleset *ruleset);
void er_ruleset_abandon(struct er_ruleset *ruleset);

/* Writer thread, nothing prepared: what published changes have left to do, a piece at a time. The last one is made on the other side, unless
 * a reader is still there; until then what it replaced is held in memory. And rules that are posted under what has become common go where
 * fewer events reach them, some hundred at a time. Returns whether there is more to do. */
bool er_ruleset_tidy(struct er_ruleset *ruleset);

struct er_ruleset_stats {
    uint64_t revision;
    size_t subscriptions; /* enabled */
    size_t subscribers;
    size_t unindexed;   /* rules that no index can serve */
    size_t tests;       /* distinct */
    size_t quarantined; /* regexes that are run no more */
    size_t bytes;       /* estimate of the memory held */
    uint64_t reposted;  /* times that a rule went where fewer events reach it */
};
/* What a subscription has done since it was put as it is, on all matchers there are; rules that ask the same share it. */
struct er_ruleset_activity {
    uint64_t candidates; /* events that it was verified for */
    uint64_t hits;       /* events that it accepted */
    uint64_t confirms;   /* runs of its regexes, which other rules may share */
    uint64_t time_ns;    /* of these runs, estimated */
    bool unindexed;      /* no index can serve it */
    bool quarantined;    /* one of its regexes went over its limits again and again and is run no more */
};
/* Writer thread. False when there is no such enabled subscription. */
bool er_ruleset_activity(const struct er_ruleset *ruleset, struct er_str id, struct er_ruleset_activity *out);

void er_ruleset_stats(const struct er_ruleset *ruleset, struct er_ruleset_stats *out); /* writer thread */

#endif
