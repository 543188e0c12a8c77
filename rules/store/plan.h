/* A plan: a change of the rule set, computed and checked against the store, not yet made. All or nothing, one revision.
 *
 *   er_plan_new -> er_plan_put_subscription / ... (any number) -> (destinations made) -> er_plan_commit
 *
 * Nothing else may change the store between er_plan_new and er_plan_commit (one queue on the main thread sees to that).
 */
#ifndef ER_RULES_STORE_PLAN_H
#define ER_RULES_STORE_PLAN_H

#include "rules/engine/ruleset.h"
#include "rules/store/store.h"

struct er_plan;

struct er_plan_policy {
    struct er_str topic_template;  /* destinations.topic, with {subscriber} */
    int32_t partitions;            /* destinations.partitions */
    const struct er_str *reserved; /* source, dead-letter and unmatched topics: no destination may be one of them */
    size_t n_reserved;
    struct er_rule_limits limits;
};

/* Preconditions of RFC 9110 section 13: ETag "rev-N". */
struct er_precondition {
    bool if_match;         /* current revision must be one of `match` (or `any` and exists) */
    bool if_match_any;     /* If-Match: * */
    const uint64_t *match; /* borrowed */
    size_t n_match;
    bool if_none_match_any; /* If-None-Match: * : must not exist */
};

enum er_put_mode {
    ER_PUT_CREATE,  /* ER_E_EXISTS when the id exists */
    ER_PUT_ANY,     /* create or replace */
    ER_PUT_EXISTING /* ER_E_NOT_FOUND when it does not exist */
};
enum er_put_result { ER_PUT_CREATED, ER_PUT_UPDATED, ER_PUT_UNCHANGED };

/* Borrows store and policy until er_plan_free. */
enum er_code er_plan_new(struct er_store *store, const struct er_plan_policy *policy, struct er_plan **out,
                         struct er_err *err) ER_MUST_CHECK;
void er_plan_free(struct er_plan *plan);

/* How a document is to be put, and what that does. */
struct er_plan_put {
    enum er_put_mode mode;
    const struct er_precondition *precondition; /* NULL: none */
    struct er_str pointer;                      /* where the document stands in the request, for problems */
    struct er_problems *problems;               /* NULL: only err */
    enum er_put_result result;                  /* out */
    struct er_str id;                           /* out: the subscription's id, valid until er_plan_free */
};

/* A rule without id (n = 0) gets one made of its subscriber and a random part. The subscriber is created when nobody made it yet.
 * Errors: ER_E_EXISTS, ER_E_NOT_FOUND, ER_E_PRECONDITION, ER_E_RULE_DUPLICATE_ID (same id twice in one plan), ER_E_SUBSCRIBER_TOPIC*, ER_E_NOMEM,
 * ER_E_STORE*; details also in problems. After an error the plan goes on collecting problems, but cannot be committed. */
enum er_code er_plan_put_subscription(struct er_plan *plan, struct er_rule *rule, struct er_plan_put *put,
                                      struct er_err *err) ER_MUST_CHECK;
enum er_code er_plan_delete_subscription(struct er_plan *plan, struct er_str id, const struct er_precondition *precondition,
                                         struct er_err *err) ER_MUST_CHECK;
/* Deletes every stored subscription that no er_plan_put_subscription of this plan named. */
enum er_code er_plan_prune(struct er_plan *plan, struct er_err *err) ER_MUST_CHECK;

/* Reads a subscriber document {"id","topic","partitions","state","description","labels"}; its id, if it has one, must be `id`. Absent: topic and
 * partitions are the policy's for a new subscriber and stay for an old one, description and labels go. A subscriber's topic may
 * change only while no other subscriber owns the new one. partitions: 1 to 10000.
 * Errors as above; put->mode is ER_PUT_ANY or another. */
enum er_code er_plan_put_subscriber(struct er_plan *plan, struct er_str id, const struct er_json *document, struct er_plan_put *put,
                                    struct er_err *err) ER_MUST_CHECK;
/* Pauses or resumes a subscriber; one that has the state already stays as it is. ER_E_NOT_FOUND, ER_E_PRECONDITION, ER_E_STORE*, ER_E_NOMEM; to
 * resume also ER_E_SUBSCRIBER_TOPIC*. */
enum er_code er_plan_set_state(struct er_plan *plan, struct er_str id, enum er_subscriber_state state,
                               const struct er_precondition *precondition, struct er_err *err) ER_MUST_CHECK;
/* The subscriber as the plan leaves it, without what only storing gives (times, revision, topic_created). False: neither the plan named it
 * nor any step looked at it. The strings live until er_plan_free. */
bool er_plan_subscriber(const struct er_plan *plan, struct er_str id, struct er_store_subscriber *out);
/* ER_E_IN_USE while subscriptions exist and cascade is false. */
enum er_code er_plan_delete_subscriber(struct er_plan *plan, struct er_str id, bool cascade,
                                       const struct er_precondition *precondition, struct er_err *err) ER_MUST_CHECK;

/* Ids, sorted bytewise; valid until er_plan_free. */
struct er_plan_summary {
    const struct er_str *created, *updated, *unchanged, *deleted;
    size_t n_created, n_updated, n_unchanged, n_deleted;
    bool changes; /* false: nothing to store, the revision stays */
};
void er_plan_summary(const struct er_plan *plan, struct er_plan_summary *out);

/* Destinations that must exist before the plan may become active (of enabled rules that are new or changed, and of new subscribers);
 * valid until er_plan_free. */
struct er_destination {
    struct er_str subscriber;
    struct er_str topic;
    int32_t partitions;
};
const struct er_destination *er_plan_destinations(const struct er_plan *plan, size_t *n);

/* What the rule set has to do, with the revision that the commit will have. Valid until er_plan_free. */
enum er_code er_plan_ruleset_change(struct er_plan *plan, struct er_ruleset_change *out, struct er_err *err) ER_MUST_CHECK;

struct er_actor {
    int64_t uid;        /* of the peer of the admin socket; -1 unknown */
    struct er_str what; /* for example "PUT /v1/subscriptions/x" */
};
/* One transaction, on disk (fsync) when it returns ER_OK, with one audit row per changed document. Not called when nothing changes. */
enum er_code er_plan_commit(struct er_plan *plan, const struct er_actor *actor, int64_t now_ms, uint64_t *revision,
                            struct er_err *err) ER_MUST_CHECK;

/* Is it a legal Kafka topic name ([A-Za-z0-9._-]{1,249}, not "." or "..", not "__*") and not reserved? Problem text in err. */
enum er_code er_destination_check(const struct er_plan_policy *policy, struct er_str topic, struct er_err *err) ER_MUST_CHECK;

/* The whole store as one change for a fresh rule set (start), in parts: see er_ruleset_gather; the last one is for er_ruleset_prepare.
 * Calls apply with each part borrowed for the call, until it returns an error. Problems of a stored document (an older or newer language) are
 * an ER_E_STORE error that names the id; parts may have been applied then. */
typedef enum er_code er_store_load_cb(void *ctx, const struct er_ruleset_change *part, bool last, struct er_err *err);
enum er_code er_store_load(struct er_store *store, const struct er_rule_limits *limits, er_store_load_cb *apply, void *ctx,
                           struct er_err *err) ER_MUST_CHECK;

#endif
