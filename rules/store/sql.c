#include "rules/store/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include "rules/base/faults.h"

/* How long a statement waits for another process that has the file open (a backup, a shell). The main thread waits with it. */
#define BUSY_MS 1000

struct er_sql_stmt {
    struct er_sql *sql;
    sqlite3_stmt *handle; /* prepared at first use */
    int bind_rc;          /* first failed binding */
    bool open;            /* a run has begun */
};

struct er_sql {
    sqlite3 *db;
    char *path;
    struct er_sql_stmt statements[ER_SQL_COUNT];
};

static const char *const texts[ER_SQL_COUNT] = {
#define ER_SQL(symbol, text) [symbol] = text,
#include "rules/store/statements.def"
#undef ER_SQL
};

static bool out_of_space(struct er_sql *sql, int rc)
{
    int saved;

    if ((rc & 0xff) == SQLITE_FULL) {
        return true;
    }
    if ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN) {
        return false;
    }
    saved = sqlite3_system_errno(sql->db);
    return saved == ENOSPC || saved == EDQUOT;
}

static enum er_code fail(struct er_sql *sql, int rc, struct er_err *err)
{
    const char *why = sqlite3_errmsg(sql->db);

    if (out_of_space(sql, rc)) {
        return er_err_set(err, ER_E_STORE_FULL, "no space left for store %s, nothing was changed; make space on its file system",
                          sql->path);
    }
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return er_err_set(err, ER_E_NOMEM, "out of memory in store %s", sql->path);
    case SQLITE_CORRUPT:
        return er_err_set(err, ER_E_STORE_CORRUPT,
                          "store %s is corrupted (%s); move it away and restore a backup, or start empty and "
                          "apply the exported rules",
                          sql->path, why);
    case SQLITE_NOTADB:
        return er_err_set(err, ER_E_STORE_CORRUPT,
                          "store %s is not a SQLite database; check store.path, or move the file away and "
                          "restore a backup",
                          sql->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return er_err_set(err, ER_E_STORE, "store %s is locked by another process (a backup or a shell); end it and try again",
                          sql->path);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return er_err_set(err, ER_E_STORE,
                          "store %s cannot be written (%s); check that its directory exists and belongs to the "
                          "router's user",
                          sql->path, why);
    default:
        return er_err_set(err, ER_E_STORE, "store %s failed: %s (SQLite code %d)", sql->path, why, rc);
    }
}

static void protect(sqlite3 *db)
{
    static const struct {
        int option;
        int value;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 }, { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, /* the schema has none: one in the file was put there by someone else */
        { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },    { SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_DQS_DDL, 0 },
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        (void)sqlite3_db_config(db, options[i].option, options[i].value, NULL);
    }
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
}

enum er_code er_sql_open(const char *path, struct er_sql **out, struct er_err *err)
{
    static const char settings[] = "PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; "
                                   "PRAGMA journal_size_limit = 67108864";
    struct er_sql *sql = calloc(1, sizeof *sql);
    enum er_code code;
    int rc;

    *out = NULL;
    if (sql == NULL || (sql->path = strdup(path)) == NULL) {
        free(sql);
        return er_err_set(err, ER_E_NOMEM, "out of memory while opening store %s", path);
    }
    rc = sqlite3_open_v2(path, &sql->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         NULL);
    if (sql->db == NULL) {
        code = er_err_set(err, ER_E_NOMEM, "out of memory while opening store %s", path);
        goto fail;
    }
    if (rc != SQLITE_OK) {
        code = fail(sql, rc, err);
        goto fail;
    }
    if (sqlite3_db_readonly(sql->db, "main") == 1) { /* what SQLite falls back to when it may not write */
        code = er_err_set(err, ER_E_STORE, "store %s may only be read; it must be writable for the router's user", path);
        goto fail;
    }
    protect(sql->db);
    code = er_sql_exec(sql, settings, err);
    if (code != ER_OK) {
        goto fail;
    }
    *out = sql;
    return ER_OK;
fail:
    er_sql_close(sql);
    return code;
}

void er_sql_close(struct er_sql *sql)
{
    if (sql == NULL) {
        return;
    }
    for (size_t i = 0; i < ER_SQL_COUNT; i++) {
        (void)sqlite3_finalize(sql->statements[i].handle);
    }
    (void)sqlite3_close(sql->db);
    free(sql->path);
    free(sql);
}

enum er_code er_sql_exec(struct er_sql *sql, const char *text, struct er_err *err)
{
    int rc = sqlite3_exec(sql->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ER_OK : fail(sql, rc, err);
}

/* Runs a statement that gives one row and hands its first column to use. */
static enum er_code one_row(struct er_sql *sql, const char *text, void (*use)(void *ctx, sqlite3_stmt *row), void *ctx,
                            struct er_err *err)
{
    sqlite3_stmt *handle = NULL;
    enum er_code code = ER_OK;
    int rc = sqlite3_prepare_v2(sql->db, text, -1, &handle, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(handle);
    }
    if (rc == SQLITE_ROW) {
        use(ctx, handle);
    } else {
        code = fail(sql, rc, err);
    }
    (void)sqlite3_finalize(handle);
    return code;
}

static void take_number(void *ctx, sqlite3_stmt *row)
{
    int64_t *out = ctx;

    *out = sqlite3_column_int64(row, 0);
}

enum er_code er_sql_number(struct er_sql *sql, const char *text, int64_t *out, struct er_err *err)
{
    return one_row(sql, text, take_number, out, err);
}

struct word {
    char text[160];
};

static void take_word(void *ctx, sqlite3_stmt *row)
{
    struct word *word = ctx;
    const char *text = (const char *)sqlite3_column_text(row, 0);

    (void)sqlite3_snprintf((int)sizeof word->text, word->text, "%s", text == NULL ? "" : text);
}

/* Without the CHECK constraints, which take more than half of the time: they are for what is written, and who reads a row looks at it. */
enum er_code er_sql_quick_check(struct er_sql *sql, struct er_err *err)
{
    struct word found = { "" };
    enum er_code code = er_sql_exec(sql, "PRAGMA ignore_check_constraints = ON", err);

    if (code == ER_OK) {
        code = one_row(sql, "PRAGMA quick_check(1)", take_word, &found, err);
    }
    if (code == ER_OK) {
        code = er_sql_exec(sql, "PRAGMA ignore_check_constraints = OFF", err);
    }
    if (code == ER_OK && strcmp(found.text, "ok") != 0) {
        code = er_err_set(err, ER_E_STORE_CORRUPT,
                          "store %s is corrupted (%s); move it away and restore a backup, or start empty and "
                          "apply the exported rules",
                          sql->path, found.text);
    }
    return code;
}

enum er_code er_sql_use_wal(struct er_sql *sql, struct er_err *err)
{
    struct word mode = { "" };
    enum er_code code = one_row(sql, "PRAGMA journal_mode = WAL", take_word, &mode, err);

    if (code == ER_OK && strcmp(mode.text, "wal") != 0) {
        code = er_err_set(err, ER_E_STORE,
                          "store %s cannot have a write-ahead log here (mode stays %s); put it on a local file system", sql->path,
                          mode.text);
    }
    return code;
}

enum er_code er_sql_use(struct er_sql *sql, enum er_sql_id id, struct er_sql_stmt **out, struct er_err *err)
{
    struct er_sql_stmt *stmt = &sql->statements[id];

    *out = stmt;
    if (stmt->open) {
        return er_err_set(err, ER_E_INTERNAL, "store statement %d is in use already", (int)id);
    }
    if (stmt->handle == NULL) {
        int rc = sqlite3_prepare_v3(sql->db, texts[id], -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);

        if (rc != SQLITE_OK) {
            return fail(sql, rc, err);
        }
    }
    stmt->sql = sql;
    stmt->bind_rc = SQLITE_OK;
    stmt->open = true;
    return ER_OK;
}

void er_sql_bind_text(struct er_sql_stmt *stmt, int at, struct er_str text)
{
    int rc = text.p == NULL ? sqlite3_bind_null(stmt->handle, at)
                            : sqlite3_bind_text64(stmt->handle, at, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8);

    if (stmt->bind_rc == SQLITE_OK) {
        stmt->bind_rc = rc;
    }
}

void er_sql_bind_int(struct er_sql_stmt *stmt, int at, int64_t number)
{
    int rc = sqlite3_bind_int64(stmt->handle, at, number);

    if (stmt->bind_rc == SQLITE_OK) {
        stmt->bind_rc = rc;
    }
}

enum er_code er_sql_step(struct er_sql_stmt *stmt, bool *row, struct er_err *err)
{
    int rc = stmt->bind_rc == SQLITE_OK ? sqlite3_step(stmt->handle) : stmt->bind_rc;
    enum er_code code = ER_OK;

    *row = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        code = fail(stmt->sql, rc, err);
    }
    if (rc != SQLITE_ROW) {
        er_sql_end(stmt);
    }
    return code;
}

void er_sql_end(struct er_sql_stmt *stmt)
{
    if (stmt->open) {
        (void)sqlite3_reset(stmt->handle);
        (void)sqlite3_clear_bindings(stmt->handle); /* so that no borrowed text stays */
        stmt->open = false;
    }
}

enum er_code er_sql_run(struct er_sql_stmt *stmt, int *changed, struct er_err *err)
{
    bool row = true;
    enum er_code code = ER_OK;

    while (code == ER_OK && row) {
        code = er_sql_step(stmt, &row, err);
    }
    if (changed != NULL) {
        *changed = code == ER_OK ? sqlite3_changes(stmt->sql->db) : 0;
    }
    return code;
}

struct er_str er_sql_text(const struct er_sql_stmt *stmt, int column)
{
    const char *p = (const char *)sqlite3_column_text(stmt->handle, column);

    return (struct er_str){ p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt->handle, column) };
}

int64_t er_sql_int(const struct er_sql_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

static enum er_code run_plain(struct er_sql *sql, enum er_sql_id id, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    enum er_code code = er_sql_use(sql, id, &stmt, err);

    return code == ER_OK ? er_sql_run(stmt, NULL, err) : code;
}

enum er_code er_sql_begin(struct er_sql *sql, struct er_err *err)
{
    if (sqlite3_get_autocommit(sql->db) == 0 && ER_PLANTED("rule-not-durable")) {
        (void)run_plain(sql, ER_SQL_COMMIT, NULL);
    }
    return run_plain(sql, ER_SQL_BEGIN, err);
}

enum er_code er_sql_commit(struct er_sql *sql, struct er_err *err)
{
    enum er_code code = ER_PLANTED("rule-not-durable") ? ER_OK : run_plain(sql, ER_SQL_COMMIT, err);

    if (code != ER_OK) {
        er_sql_rollback(sql);
    }
    return code;
}

void er_sql_rollback(struct er_sql *sql)
{
    if (sqlite3_get_autocommit(sql->db) == 0) {
        (void)run_plain(sql, ER_SQL_ROLLBACK, NULL);
    }
}
