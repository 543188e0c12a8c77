/* Which topics a subscriber may have, and which one it gets. */
#include "rules/store/plan_impl.h"

#define TOPIC_MAX 249 /* Kafka's Topic.MAX_NAME_LENGTH */

static bool topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

enum er_code er_destination_check(const struct er_plan_policy *policy, struct er_str topic, struct er_err *err)
{
    if (topic.n == 0) {
        return er_err_set(err, ER_E_SUBSCRIBER_TOPIC, "the destination topic is empty; leave \"topic\" out for the default");
    }
    if (topic.n > TOPIC_MAX) {
        return er_err_set(err, ER_E_SUBSCRIBER_TOPIC, "destination topic \"%.40s...\" has %zu bytes; a topic name has at most %d",
                          topic.p, topic.n, TOPIC_MAX);
    }
    for (size_t i = 0; i < topic.n; i++) {
        if (!topic_char(topic.p[i])) {
            return er_err_set(err, ER_E_SUBSCRIBER_TOPIC,
                              "destination topic \"%.*s\" has an illegal character at byte %zu; allowed are "
                              "letters, digits, '.', '_' and '-'",
                              ER_STR_ARG(topic), i);
        }
    }
    if (er_str_eq(topic, ER_STR(".")) || er_str_eq(topic, ER_STR(".."))) {
        return er_err_set(err, ER_E_SUBSCRIBER_TOPIC, "destination topic \"%.*s\" is not a legal topic name", ER_STR_ARG(topic));
    }
    if (topic.n >= 2 && topic.p[0] == '_' && topic.p[1] == '_') {
        return er_err_set(err, ER_E_SUBSCRIBER_TOPIC, "destination topic \"%.*s\" begins with \"__\": such names belong to Kafka",
                          ER_STR_ARG(topic));
    }
    for (size_t i = 0; i < policy->n_reserved; i++) {
        if (er_str_eq(topic, policy->reserved[i])) {
            return er_err_set(err, ER_E_SUBSCRIBER_TOPIC,
                              "destination topic \"%.*s\" is a source, dead-letter or unmatched topic of "
                              "this router; choose another",
                              ER_STR_ARG(topic));
        }
    }
    return ER_OK;
}

/* destinations.topic with every {subscriber} replaced. */
static enum er_code topic_from_template(struct er_plan *plan, struct er_str id, struct er_str *out, struct er_err *err)
{
    static const char mark[] = "{subscriber}";
    const size_t mark_n = sizeof mark - 1;
    struct er_str rest = plan->policy->topic_template;

    er_buf_clear(&plan->text);
    while (rest.n > 0) {
        if (rest.n >= mark_n && memcmp(rest.p, mark, mark_n) == 0) {
            er_buf_add(&plan->text, id);
            rest = (struct er_str){ rest.p + mark_n, rest.n - mark_n };
        } else {
            er_buf_addc(&plan->text, *rest.p);
            rest = (struct er_str){ rest.p + 1, rest.n - 1 };
        }
    }
    *out = er_arena_dup(plan->arena, er_buf_str(&plan->text));
    return plan->text.failed || out->p == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory while planning a change") : ER_OK;
}

struct copy {
    struct er_arena *arena;
    struct er_plan_subscriber *to;
    bool failed;
};

static struct er_str keep(struct copy *copy, struct er_str s)
{
    struct er_str kept = er_arena_dup(copy->arena, s);

    copy->failed = copy->failed || kept.p == NULL;
    return kept;
}

static bool copy_row(void *ctx, const struct er_store_subscriber *row)
{
    struct copy *copy = ctx;
    struct er_plan_subscriber *to = copy->to;

    to->id = keep(copy, row->id);
    to->topic = keep(copy, row->topic);
    to->partitions = row->partitions;
    to->state = row->state;
    to->has_description = row->has_description;
    to->description = row->has_description ? keep(copy, row->description) : ER_STR("");
    to->labels = row->labels.n > 0 ? keep(copy, row->labels) : ER_STR("");
    to->revision = row->revision;
    to->subscriptions = row->subscriptions;
    to->op = ER_PLAN_KEEP;
    return true;
}

static enum er_code add(struct er_plan *plan, struct er_plan_subscriber *subscriber, struct er_err *err)
{
    HASH_ADD_KEYPTR(hh, plan->subscribers_by_id, subscriber->id.p, subscriber->id.n, subscriber);
    return subscriber->hh.tbl == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory while planning a change") : ER_OK;
}

enum er_code er_plan_find_subscriber(struct er_plan *plan, struct er_str id, struct er_plan_subscriber **out, struct er_err *err)
{
    struct copy copy = { .arena = plan->arena };
    enum er_code code;

    HASH_FIND(hh, plan->subscribers_by_id, id.p, id.n, *out);
    if (*out != NULL) {
        return ER_OK;
    }
    copy.to = er_arena_calloc(plan->arena, 1, sizeof *copy.to);
    if (copy.to == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    code = er_store_get_subscriber(plan->store, id, copy_row, &copy, err);
    if (code == ER_E_NOT_FOUND) {
        return ER_OK;
    }
    if (code == ER_OK && copy.failed) {
        code = er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    if (code == ER_OK) {
        code = add(plan, copy.to, err);
    }
    if (code == ER_OK) {
        *out = copy.to;
    }
    return code;
}

enum er_code er_plan_new_subscriber(struct er_plan *plan, struct er_str id, struct er_plan_subscriber **out, struct er_err *err)
{
    struct er_plan_subscriber *subscriber = er_arena_calloc(plan->arena, 1, sizeof *subscriber);

    *out = subscriber;
    if (subscriber == NULL || (subscriber->id = er_arena_dup(plan->arena, id)).p == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
    }
    subscriber->partitions = plan->policy->partitions;
    subscriber->state = ER_SUBSCRIBER_ACTIVE;
    subscriber->description = ER_STR("");
    subscriber->labels = ER_STR("");
    subscriber->op = ER_PLAN_CREATE;
    subscriber->moved = true;
    return topic_from_template(plan, id, &subscriber->topic, err);
}

/* Does another subscriber own the topic once this plan is done? */
static enum er_code check_owner(struct er_plan *plan, const struct er_plan_subscriber *subscriber, struct er_err *err)
{
    struct er_plan_subscriber *other;
    struct er_str owner;
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code;

    HASH_FIND(by_topic, plan->subscribers_by_topic, subscriber->topic.p, subscriber->topic.n, other);
    if (other != NULL && !er_str_eq(other->id, subscriber->id)) {
        return er_err_set(err, ER_E_SUBSCRIBER_TOPIC_TAKEN,
                          "destination topic \"%.*s\" belongs to subscriber %.*s; every subscriber "
                          "needs a topic of its own",
                          ER_STR_ARG(subscriber->topic), ER_STR_ARG(other->id));
    }
    code = er_sql_use(plan->store->sql, ER_SQL_SUBSCRIBER_OF_TOPIC, &stmt, err);
    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_text(stmt, 1, subscriber->topic);
    code = er_sql_step(stmt, &row, err);
    if (code != ER_OK || !row) {
        return code;
    }
    owner = er_sql_text(stmt, 0);
    HASH_FIND(hh, plan->subscribers_by_id, owner.p, owner.n, other);
    if (!er_str_eq(owner, subscriber->id) && (other == NULL || (other->op != ER_PLAN_DELETE && !other->moved))) {
        code = er_err_set(err, ER_E_SUBSCRIBER_TOPIC_TAKEN,
                          "destination topic \"%.*s\" belongs to subscriber %.*s; every subscriber "
                          "needs a topic of its own",
                          ER_STR_ARG(subscriber->topic), ER_STR_ARG(owner));
    }
    er_sql_end(stmt);
    return code;
}

enum er_code er_plan_need_destination(struct er_plan *plan, struct er_plan_subscriber *subscriber, struct er_err *err)
{
    void *items = plan->destinations;
    enum er_code code;

    if (subscriber->listed) {
        return ER_OK;
    }
    /* Also for a stored topic: since it was accepted, the configuration may have reserved it. */
    code = er_destination_check(plan->policy, subscriber->topic, err);
    if (code != ER_OK) {
        return code;
    }
    code = er_plan_grow(&items, plan->n_destinations, &plan->destination_capacity, sizeof *plan->destinations, err);
    plan->destinations = items;
    if (code == ER_OK) {
        plan->destinations[plan->n_destinations++] =
            (struct er_destination){ subscriber->id, subscriber->topic, subscriber->partitions };
        subscriber->listed = true;
    }
    return code;
}

enum er_code er_plan_write_subscriber(struct er_plan *plan, struct er_plan_subscriber *subscriber, enum er_plan_op op,
                                      struct er_err *err)
{
    enum er_code code = er_destination_check(plan->policy, subscriber->topic, err);

    if (code == ER_OK) {
        code = check_owner(plan, subscriber, err);
    }
    if (code == ER_OK && op == ER_PLAN_CREATE) {
        code = add(plan, subscriber, err);
    }
    if (code == ER_OK && subscriber->moved) {
        HASH_ADD_KEYPTR(by_topic, plan->subscribers_by_topic, subscriber->topic.p, subscriber->topic.n, subscriber);
        if (subscriber->by_topic.tbl == NULL) {
            code = er_err_set(err, ER_E_NOMEM, "out of memory while planning a change");
        }
    }
    if (code == ER_OK) {
        subscriber->op = op;
        plan->changes = true;
        /* nothing is written to the topic of a paused one */
        code = subscriber->state == ER_SUBSCRIBER_PAUSED ? ER_OK : er_plan_need_destination(plan, subscriber, err);
    }
    return code;
}
