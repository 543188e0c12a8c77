#include "rules/store/store_impl.h"

static enum er_code use(struct er_store *store, enum er_sql_id id, const struct er_store_letter *letter, struct er_sql_stmt **stmt,
                        struct er_err *err)
{
    enum er_code code = er_sql_use(store->sql, id, stmt, err);

    if (code == ER_OK) {
        er_sql_bind_text(*stmt, 1, letter->topic);
        er_sql_bind_int(*stmt, 2, letter->partition);
        er_sql_bind_int(*stmt, 3, letter->offset);
    }
    return code;
}

enum er_code er_store_retry_get(struct er_store *store, const struct er_store_letter *letter, struct er_store_retry *out,
                                struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = use(store, ER_SQL_RETRY_GET, letter, &stmt, err);

    *out = (struct er_store_retry){ ER_RETRY_NONE, 0 };
    if (code == ER_OK) {
        code = er_sql_step(stmt, &row, err);
    }
    if (code != ER_OK || !row) {
        return code;
    }
    if ((uint64_t)er_sql_int(stmt, 0) == letter->fingerprint) {
        out->state = er_str_eq(er_sql_text(stmt, 1), ER_STR("sent")) ? ER_RETRY_SENT : ER_RETRY_UNKNOWN;
        out->at_ms = er_sql_int(stmt, 2);
    }
    er_sql_end(stmt);
    return ER_OK;
}

static enum er_code set_one(struct er_store *store, const struct er_store_letter *letter, const struct er_store_retry *retry,
                            struct er_err *err)
{
    bool forget = retry->state == ER_RETRY_NONE;
    struct er_sql_stmt *stmt;
    enum er_code code = use(store, forget ? ER_SQL_RETRY_DELETE : ER_SQL_RETRY_PUT, letter, &stmt, err);

    if (code == ER_OK && !forget) {
        er_sql_bind_int(stmt, 4, (int64_t)letter->fingerprint);
        er_sql_bind_text(stmt, 5, retry->state == ER_RETRY_SENT ? ER_STR("sent") : ER_STR("unknown"));
        er_sql_bind_int(stmt, 6, retry->at_ms);
    }
    return code == ER_OK ? er_sql_run(stmt, NULL, err) : code;
}

enum er_code er_store_retry_set(struct er_store *store, const struct er_store_letter *letters, const struct er_store_retry *retries,
                                size_t n, struct er_err *err)
{
    enum er_code code = n == 0 ? ER_OK : er_sql_begin(store->sql, err);

    for (size_t i = 0; i < n && code == ER_OK; i++) {
        code = set_one(store, &letters[i], &retries[i], err);
    }
    if (code == ER_OK && n > 0) {
        code = er_sql_commit(store->sql, err);
    }
    if (code != ER_OK) {
        er_sql_rollback(store->sql);
    }
    return code;
}

enum er_code er_store_retry_prune(struct er_store *store, struct er_str topic, int32_t partition, int64_t oldest,
                                  struct er_err *err)
{
    const struct er_store_letter place = { .topic = topic, .partition = partition, .offset = oldest };
    struct er_sql_stmt *stmt;
    enum er_code code = use(store, ER_SQL_RETRY_PRUNE, &place, &stmt, err);

    return code == ER_OK ? er_sql_run(stmt, NULL, err) : code;
}
