#include <ctype.h>
#include <stdlib.h>

#include "rules/base/json.h"
#include "rules/store/store_impl.h"

static enum er_code row_lost(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory while reading the store");
}

static enum er_code read_subscription(const struct er_sql_stmt *stmt, struct er_store_subscription *row, struct er_err *err)
{
    *row = (struct er_store_subscription){
        .id = er_sql_text(stmt, 0),
        .subscriber = er_sql_text(stmt, 1),
        .document = er_sql_text(stmt, 2),
        .enabled = er_sql_int(stmt, 3) != 0,
        .revision = (uint64_t)er_sql_int(stmt, 4),
        .created_ms = er_sql_int(stmt, 5),
        .updated_ms = er_sql_int(stmt, 6),
    };
    return row->id.p == NULL || row->subscriber.p == NULL || row->document.p == NULL ? row_lost(err) : ER_OK;
}

enum er_subscriber_state er_store_state_of(struct er_str text)
{
    return er_str_eq(text, ER_STR("paused")) ? ER_SUBSCRIBER_PAUSED : ER_SUBSCRIBER_ACTIVE;
}

static enum er_code read_subscriber(const struct er_sql_stmt *stmt, struct er_store_subscriber *row, struct er_err *err)
{
    struct er_str labels = er_sql_text(stmt, 5);

    *row = (struct er_store_subscriber){
        .id = er_sql_text(stmt, 0),
        .topic = er_sql_text(stmt, 1),
        .partitions = (int32_t)er_sql_int(stmt, 2),
        .state = er_store_state_of(er_sql_text(stmt, 3)),
        .description = er_sql_text(stmt, 4),
        .labels = labels.p == NULL ? ER_STR("") : labels,
        .topic_created = er_sql_int(stmt, 6) != 0,
        .revision = (uint64_t)er_sql_int(stmt, 7),
        .created_ms = er_sql_int(stmt, 8),
        .updated_ms = er_sql_int(stmt, 9),
        .subscriptions = (size_t)er_sql_int(stmt, 10),
    };
    row->has_description = row->description.p != NULL;
    return row->id.p == NULL || row->topic.p == NULL ? row_lost(err) : ER_OK;
}

/* --- filter --- */

static bool contains(struct er_str text, struct er_str part)
{
    for (size_t at = 0; at + part.n <= text.n; at++) {
        size_t i = 0;

        while (i < part.n && tolower((unsigned char)text.p[at + i]) == tolower((unsigned char)part.p[i])) {
            i++;
        }
        if (i == part.n) {
            return true;
        }
    }
    return false;
}

static bool names_type(const struct er_json *types, struct er_str type)
{
    for (const struct er_json *entry = types == NULL ? NULL : types->first; entry != NULL; entry = entry->next) {
        if (er_str_eq(entry->text, type) || er_type_glob_match(entry->text, type)) {
            return true;
        }
    }
    return false;
}

static bool has_label(const struct er_json *labels, struct er_str key, struct er_str value)
{
    const struct er_json *label = er_json_member(labels, key);

    return label != NULL && (value.p == NULL || er_str_eq(label->text, value));
}

static bool found_in(const struct er_store_subscription *row, const struct er_json *document, struct er_str q)
{
    const struct er_json *description = er_json_member(document, ER_STR("description"));

    return contains(row->id, q) || contains(row->subscriber, q) || (description != NULL && contains(description->text, q));
}

/* What the columns do not hold is looked up in the document. */
static enum er_code accepts(struct er_arena *arena, const struct er_store_filter *filter, const struct er_store_subscription *row,
                            bool *accepted, struct er_err *err)
{
    struct er_json *document;
    enum er_code code;

    *accepted = true;
    if (filter->type.p == NULL && filter->label_key.p == NULL && filter->q.p == NULL) {
        return ER_OK;
    }
    er_arena_reset(arena);
    code = er_json_parse(arena, row->document, ER_STORE_MAX_DEPTH, &document, err);
    if (code == ER_E_NOMEM) {
        return code;
    }
    if (code != ER_OK) {
        return er_err_set(err, ER_E_STORE_CORRUPT, "stored subscription %.*s is not JSON", ER_STR_ARG(row->id));
    }
    *accepted = (filter->type.p == NULL || names_type(er_json_member(document, ER_STR("types")), filter->type)) &&
                (filter->label_key.p == NULL ||
                 has_label(er_json_member(document, ER_STR("labels")), filter->label_key, filter->label_value)) &&
                (filter->q.p == NULL || found_in(row, document, filter->q));
    return ER_OK;
}

/* --- lists --- */

enum er_code er_store_each_subscription(struct er_store *store, const struct er_store_filter *filter, er_store_subscription_cb *cb,
                                        void *ctx, struct er_err *err)
{
    bool one = filter->subscriber.p != NULL, row = false;
    struct er_arena *arena = er_arena_new(0);
    struct er_sql_stmt *stmt;
    enum er_code code;

    if (arena == NULL) {
        return row_lost(err);
    }
    code = er_sql_use(store->sql, one ? ER_SQL_SUBSCRIPTION_LIST_OF : ER_SQL_SUBSCRIPTION_LIST, &stmt, err);
    if (code != ER_OK) {
        er_arena_free(arena);
        return code;
    }
    er_sql_bind_text(stmt, 1, filter->after_id.p == NULL ? ER_STR("") : filter->after_id);
    if (one) {
        er_sql_bind_text(stmt, 2, filter->subscriber);
    }
    while ((code = er_sql_step(stmt, &row, err)) == ER_OK && row) {
        struct er_store_subscription subscription;
        bool accepted = false;

        code = read_subscription(stmt, &subscription, err);
        if (code == ER_OK) {
            code = accepts(arena, filter, &subscription, &accepted, err);
        }
        if (code != ER_OK || (accepted && !cb(ctx, &subscription))) {
            break;
        }
    }
    er_sql_end(stmt);
    er_arena_free(arena);
    return code;
}

enum er_code er_store_each_subscriber(struct er_store *store, struct er_str after_id, er_store_subscriber_cb *cb, void *ctx,
                                      struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = er_sql_use(store->sql, ER_SQL_SUBSCRIBER_LIST, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_text(stmt, 1, after_id.p == NULL ? ER_STR("") : after_id);
    while ((code = er_sql_step(stmt, &row, err)) == ER_OK && row) {
        struct er_store_subscriber subscriber;

        code = read_subscriber(stmt, &subscriber, err);
        if (code != ER_OK || !cb(ctx, &subscriber)) {
            break;
        }
    }
    er_sql_end(stmt);
    return code;
}

/* --- one row --- */

/* The row of that id, ready to be read; the run is over when there is none. */
static enum er_code find(struct er_store *store, enum er_sql_id id, struct er_str key, struct er_sql_stmt **stmt,
                         struct er_err *err)
{
    bool row = false;
    enum er_code code = er_sql_use(store->sql, id, stmt, err);

    if (code != ER_OK) {
        return code;
    }
    er_sql_bind_text(*stmt, 1, key.p == NULL ? ER_STR("") : key);
    code = er_sql_step(*stmt, &row, err);
    if (code == ER_OK && !row) {
        code = er_err_set(err, ER_E_NOT_FOUND, "%s %.*s does not exist",
                          id == ER_SQL_SUBSCRIPTION_GET ? "subscription" : "subscriber", ER_STR_ARG(key));
    }
    return code;
}

enum er_code er_store_get_subscription(struct er_store *store, struct er_str id, er_store_subscription_cb *cb, void *ctx,
                                       struct er_err *err)
{
    struct er_store_subscription row;
    struct er_sql_stmt *stmt;
    enum er_code code = find(store, ER_SQL_SUBSCRIPTION_GET, id, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    code = read_subscription(stmt, &row, err);
    if (code == ER_OK) {
        (void)cb(ctx, &row);
    }
    er_sql_end(stmt);
    return code;
}

enum er_code er_store_get_subscriber(struct er_store *store, struct er_str id, er_store_subscriber_cb *cb, void *ctx,
                                     struct er_err *err)
{
    struct er_store_subscriber row;
    struct er_sql_stmt *stmt;
    enum er_code code = find(store, ER_SQL_SUBSCRIBER_GET, id, &stmt, err);

    if (code != ER_OK) {
        return code;
    }
    code = read_subscriber(stmt, &row, err);
    if (code == ER_OK) {
        (void)cb(ctx, &row);
    }
    er_sql_end(stmt);
    return code;
}

enum er_code er_store_count_paused(struct er_store *store, size_t *out, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = er_sql_use(store->sql, ER_SQL_SUBSCRIBERS_PAUSED, &stmt, err);

    *out = 0;
    if (code == ER_OK) {
        code = er_sql_step(stmt, &row, err);
    }
    if (code == ER_OK && row) {
        *out = (size_t)er_sql_int(stmt, 0);
        er_sql_end(stmt);
    }
    return code;
}
