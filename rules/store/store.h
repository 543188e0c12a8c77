/* The durable rule store; the only user of SQLite. One connection, main thread only.
 *
 * WAL, synchronous FULL, foreign keys on, defensive, trusted_schema off, STRICT tables, migrations from schemas/sql, an advisory lock so
 * that no two routers share one file, quick_check at open.
 */
#ifndef ER_RULES_STORE_STORE_H
#define ER_RULES_STORE_STORE_H

#include <stdint.h>
#include "rules/base/err.h"
#include "rules/base/str.h"
#include "rules/language/rule.h"

struct er_store;

/* Opens or creates the file at path (parent directories are not created). Errors: ER_E_STORE_LOCKED, ER_E_STORE_CORRUPT, ER_E_STORE_NEWER,
 * ER_E_STORE_FULL, ER_E_STORE; text names the path and what to do. */
enum er_code er_store_open(const char *path, struct er_store **out, struct er_err *err) ER_MUST_CHECK;
void er_store_close(struct er_store *store);

uint64_t er_store_revision(const struct er_store *store);

/* Rows are borrowed by the callback for the call only. A callback must not call the function that called it. */
struct er_store_subscription {
    struct er_str id;
    struct er_str subscriber;
    struct er_str document; /* canonical JSON object, without server members */
    bool enabled;
    uint64_t revision; /* that last changed it */
    int64_t created_ms, updated_ms;
};
enum er_subscriber_state { ER_SUBSCRIBER_ACTIVE, ER_SUBSCRIBER_PAUSED };
struct er_store_subscriber {
    struct er_str id;
    struct er_str topic;
    int32_t partitions;
    enum er_subscriber_state state;
    struct er_str description;
    bool has_description;
    struct er_str labels; /* JSON object of strings, "" when none */
    bool topic_created;   /* the router made the topic */
    uint64_t revision;
    int64_t created_ms, updated_ms;
    size_t subscriptions; /* how many it has */
};

/* A callback returns false to stop early (not an error). Ordered by id, bytewise. */
typedef bool er_store_subscription_cb(void *ctx, const struct er_store_subscription *row);
typedef bool er_store_subscriber_cb(void *ctx, const struct er_store_subscriber *row);

/* p = NULL members do not filter. All given ones must hold. */
struct er_store_filter {
    struct er_str subscriber;
    struct er_str type;                   /* an entry of `types` equal to it, or a glob that accepts it */
    struct er_str label_key, label_value; /* value p = NULL: any value */
    struct er_str q;                      /* substring of id, subscriber or description, ASCII case ignored */
    struct er_str after_id;               /* only ids after this one (paging) */
};
enum er_code er_store_each_subscription(struct er_store *store, const struct er_store_filter *filter, er_store_subscription_cb *cb,
                                        void *ctx, struct er_err *err) ER_MUST_CHECK;
enum er_code er_store_each_subscriber(struct er_store *store, struct er_str after_id, er_store_subscriber_cb *cb, void *ctx,
                                      struct er_err *err) ER_MUST_CHECK;

enum er_code er_store_count_paused(struct er_store *store, size_t *out, struct er_err *err) ER_MUST_CHECK; /* subscribers */

/* One row; ER_E_NOT_FOUND when there is none (cb not called). */
enum er_code er_store_get_subscription(struct er_store *store, struct er_str id, er_store_subscription_cb *cb, void *ctx,
                                       struct er_err *err) ER_MUST_CHECK;
enum er_code er_store_get_subscriber(struct er_store *store, struct er_str id, er_store_subscriber_cb *cb, void *ctx,
                                     struct er_err *err) ER_MUST_CHECK;

/* Remembers that the router created the topics of these subscribers, in one transaction; one that is gone is skipped. Not a revision. */
enum er_code er_store_set_topics_created(struct er_store *store, const struct er_str *subscribers, size_t n,
                                         struct er_err *err) ER_MUST_CHECK;

/* What was done to send a dead letter again. On disk when it returns ER_OK; not a revision. */
struct er_store_letter {
    struct er_str topic; /* dead-letter topic */
    int32_t partition;
    int64_t offset;
    uint64_t fingerprint; /* of what it says: another letter at the same place is another letter */
};
enum er_retry_state {
    ER_RETRY_NONE,
    ER_RETRY_UNKNOWN, /* begun; whether it was written is not known */
    ER_RETRY_SENT
};
struct er_store_retry {
    enum er_retry_state state;
    int64_t at_ms;
};
enum er_code er_store_retry_get(struct er_store *store, const struct er_store_letter *letter, struct er_store_retry *out,
                                struct er_err *err) ER_MUST_CHECK;
/* All or nothing: retries[i] is of letters[i]. */
enum er_code er_store_retry_set(struct er_store *store, const struct er_store_letter *letters, const struct er_store_retry *retries,
                                size_t n, struct er_err *err) ER_MUST_CHECK;
/* Forgets the letters of a partition that retention has taken: those before its oldest offset. */
enum er_code er_store_retry_prune(struct er_store *store, struct er_str topic, int32_t partition, int64_t oldest,
                                  struct er_err *err) ER_MUST_CHECK;

#endif
