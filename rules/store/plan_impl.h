/* What the plan_*.c files share. Not for others.
 *
 * DESIGN  a plan is two tables of what will be different, over the store as it is:
 *
 *     rules_by_id         id -> create | update | keep | delete, with the rule and its text
 *     subscribers_by_id   id -> the subscriber as it will be, read from the store at first need
 *     subscribers_by_topic     the same ones that get a topic by this plan
 *
 * Entries live in the arena; iteration is in order of arrival.
 */
#ifndef ER_RULES_STORE_PLAN_IMPL_H
#define ER_RULES_STORE_PLAN_IMPL_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "rules/store/plan.h"
#include "rules/store/store_impl.h"

enum er_plan_op { ER_PLAN_CREATE, ER_PLAN_UPDATE, ER_PLAN_KEEP, ER_PLAN_DELETE, ER_PLAN_OPS };

struct er_plan_rule {
    struct er_str id;
    enum er_plan_op op;
    struct er_rule *rule; /* one reference; NULL for a delete */
    struct er_str text;   /* canonical document; empty for keep and delete */
    UT_hash_handle hh;
};

struct er_plan_subscriber {
    struct er_str id;
    struct er_str topic;
    int32_t partitions;
    enum er_subscriber_state state;
    struct er_str description;
    bool has_description;
    struct er_str labels; /* "" none */
    enum er_plan_op op;
    uint64_t revision;          /* that last changed the stored one; 0 when it is new */
    size_t subscriptions;       /* in the store */
    bool moved;                 /* another topic than the rule set knows, */
    bool restated;              /* or another state */
    bool listed;                /* is in destinations */
    struct er_subscriber *live; /* one reference, made for the rule set */
    UT_hash_handle hh;
    UT_hash_handle by_topic;
};

struct er_plan_ids {
    struct er_str *items;
    size_t n, capacity;
};

struct er_plan {
    struct er_store *store;
    const struct er_plan_policy *policy;
    struct er_arena *arena;
    struct er_buf text; /* scratch */
    struct er_plan_rule *rules_by_id;
    struct er_plan_subscriber *subscribers_by_id;
    struct er_plan_subscriber *subscribers_by_topic;
    struct er_plan_ids ids[ER_PLAN_OPS]; /* of subscriptions */
    struct er_destination *destinations;
    size_t n_destinations, destination_capacity;
    bool changes;
    bool failed; /* a step was refused: never commit */
};

/* The common end of every step: a refusal marks the plan, is listed in problems (may be NULL) and handed to the caller. */
enum er_code er_plan_refuse(struct er_plan *plan, const struct er_err *why, struct er_str pointer, struct er_problems *problems,
                            struct er_err *err);

/* Room for one more item of size bytes in a malloc array. */
enum er_code er_plan_grow(void **items, size_t n, size_t *capacity, size_t size, struct er_err *err) ER_MUST_CHECK;

/* A new entry for a subscription that the plan has not named yet; takes over nothing: rule is referenced, id and text live in the
 * arena already. */
enum er_code er_plan_add_rule(struct er_plan *plan, const struct er_plan_rule *entry, struct er_err *err) ER_MUST_CHECK;

/* RFC 9110 section 13.2.2. ER_E_PRECONDITION. condition may be NULL. */
enum er_code er_plan_precondition(const struct er_precondition *condition, bool exists, uint64_t revision,
                                  struct er_err *err) ER_MUST_CHECK;

/* Mode and precondition of a put of `what` (for the text) with that id; revision is that of the stored one, NULL when there is none.
 * ER_E_EXISTS, ER_E_NOT_FOUND, ER_E_PRECONDITION. */
enum er_code er_plan_check_put(const struct er_plan_put *put, const char *what, struct er_str id, const uint64_t *revision,
                               struct er_err *err) ER_MUST_CHECK;

/* The subscriber as this plan sees it. *out = NULL when neither store nor plan have it. */
enum er_code er_plan_find_subscriber(struct er_plan *plan, struct er_str id, struct er_plan_subscriber **out,
                                     struct er_err *err) ER_MUST_CHECK;

/* A subscriber that is not there yet, with the policy's topic and partitions; enters the plan with er_plan_write_subscriber. */
enum er_code er_plan_new_subscriber(struct er_plan *plan, struct er_str id, struct er_plan_subscriber **out,
                                    struct er_err *err) ER_MUST_CHECK;

/* The subscriber is created or changed: checks its topic (legal, not reserved, not another's) and lists its destination. */
enum er_code er_plan_write_subscriber(struct er_plan *plan, struct er_plan_subscriber *subscriber, enum er_plan_op op,
                                      struct er_err *err) ER_MUST_CHECK;
enum er_code er_plan_need_destination(struct er_plan *plan, struct er_plan_subscriber *subscriber,
                                      struct er_err *err) ER_MUST_CHECK;

/* Marks a stored subscription for deletion, unless the plan names it already. */
enum er_code er_plan_drop_subscription(struct er_plan *plan, struct er_str id, struct er_err *err) ER_MUST_CHECK;

/* The same for all ids of a statement that lists (id, ...). */
enum er_code er_plan_drop_listed(struct er_plan *plan, enum er_sql_id list, struct er_str subscriber,
                                 struct er_err *err) ER_MUST_CHECK;

#endif
