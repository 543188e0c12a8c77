#include "rules/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/store/store_impl.h"

#define APPLICATION_ID 0x4576526f /* "EvRo" in bytes 68 to 71 of the file: file(1) and this router know it by that */

static const unsigned char migration_1[] = {
#include "schemas/sql/0001_initial.sql.inc"
    0
};

static const unsigned char migration_2[] = {
#include "schemas/sql/0002_retries.sql.inc"
    0
};

/* Entry i leads from schema version i to i + 1, in one transaction. */
static const unsigned char *const migrations[] = { migration_1, migration_2 };
#define MIGRATIONS ((int)(sizeof migrations / sizeof *migrations))

static enum er_code system_fail(const char *path, const char *doing, const char *advice, struct er_err *err)
{
    if (errno == ENOSPC || errno == EDQUOT) {
        return er_err_set(err, ER_E_STORE_FULL, "no space left to %s store %s; make space on its file system", doing, path);
    }
    return er_err_set(err, ER_E_STORE, "cannot %s store %s: %s; %s", doing, path, strerror(errno), advice);
}

/* Makes the file when there is none, so that it has one real path, and with it one lock, however it is named. An existing file is not
 * opened here: closing it would drop the locks that SQLite may hold on it in this process. */
static enum er_code make_file(const char *path, char **real, struct er_err *err)
{
    static const char advice[] = "the directory of store.path must exist and belong to the router's user";
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (fd >= 0) {
        (void)close(fd);
    } else if (errno != EEXIST) {
        return system_fail(path, "create", advice, err);
    }
    *real = realpath(path, NULL);
    if (*real == NULL || stat(*real, &st) != 0) {
        return system_fail(path, "find", advice, err);
    }
    if (!S_ISREG(st.st_mode)) {
        return er_err_set(err, ER_E_STORE, "store %s is not a regular file; set store.path to a file", path);
    }
    return ER_OK;
}

static void write_pid(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    /* Only for the message that another router prints. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        return;
    }
}

static enum er_code refuse_locked(const char *path, int fd, struct er_err *err)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0) {
        return er_err_set(err, ER_E_STORE_LOCKED,
                          "store %s is used by another router (process %ld); stop it, or give this router a "
                          "store.path of its own",
                          path, pid);
    }
    return er_err_set(err, ER_E_STORE_LOCKED,
                      "store %s is used by another router; stop it, or give this router a store.path of its own", path);
}

/* The lock is on a file beside the database: SQLite's own locks come and go, this one stays for life. It is never removed, since a
 * removed name would let two routers hold "the" lock. */
static enum er_code lock(struct er_store *store, struct er_err *err)
{
    size_t n = strlen(store->path) + sizeof ".lock";
    char *name = malloc(n);
    enum er_code code = ER_OK;

    if (name == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while opening store %s", store->path);
    }
    (void)snprintf(name, n, "%s.lock", store->path);
    store->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (store->lock_fd < 0) {
        code = system_fail(store->path, "lock", "its directory must be writable for the router's user", err);
    } else if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        code = errno == EWOULDBLOCK ? refuse_locked(store->path, store->lock_fd, err)
                                    : system_fail(store->path, "lock", "use a file system with locks", err);
    } else {
        write_pid(store->lock_fd);
    }
    free(name);
    return code;
}

/* Whose file is it, and of which version? *version 0 = empty. Changes nothing. */
static enum er_code identify(struct er_store *store, int64_t *version, struct er_err *err)
{
    int64_t application = 0, tables = 0;
    enum er_code code = er_sql_number(store->sql, "PRAGMA application_id", &application, err);

    if (code == ER_OK) {
        code = er_sql_number(store->sql, "PRAGMA user_version", version, err);
    }
    if (code == ER_OK) {
        code = er_sql_number(store->sql, "SELECT count(*) FROM sqlite_schema", &tables, err);
    }
    if (code != ER_OK) {
        return code;
    }
    if (application == 0 && *version == 0 && tables == 0) {
        return ER_OK;
    }
    if (application != APPLICATION_ID || *version < 1) {
        return er_err_set(err, ER_E_STORE, "store %s is a database of another program; set store.path to a file of the router",
                          store->path);
    }
    if (*version > MIGRATIONS) {
        return er_err_set(err, ER_E_STORE_NEWER,
                          "store %s has schema version %" PRId64 ", this router knows up to %d; run the newer "
                          "router, or restore the backup made before the upgrade",
                          store->path, *version, MIGRATIONS);
    }
    return ER_OK;
}

static enum er_code migrate(struct er_store *store, int64_t version, struct er_err *err)
{
    for (int64_t next = version; next < MIGRATIONS; next++) {
        char stamp[96];
        enum er_code code = er_sql_begin(store->sql, err);

        (void)snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %" PRId64, APPLICATION_ID, next + 1);
        if (code == ER_OK) {
            code = er_sql_exec(store->sql, (const char *)migrations[next], err);
        }
        if (code == ER_OK) {
            code = er_sql_exec(store->sql, stamp, err);
        }
        if (code == ER_OK) {
            code = er_sql_commit(store->sql, err);
        }
        if (code != ER_OK) {
            er_sql_rollback(store->sql);
            return code;
        }
    }
    return ER_OK;
}

static enum er_code read_revision(struct er_store *store, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    bool row = false;
    enum er_code code = er_sql_use(store->sql, ER_SQL_REVISION_GET, &stmt, err);

    if (code == ER_OK) {
        code = er_sql_step(stmt, &row, err);
    }
    if (code == ER_OK && !row) {
        code =
            er_err_set(err, ER_E_STORE_CORRUPT, "store %s has lost its revision; move it away and restore a backup", store->path);
    }
    if (code == ER_OK) {
        store->revision = (uint64_t)er_sql_int(stmt, 0);
        er_sql_end(stmt);
    }
    return code;
}

/* Nothing is written before the file is known to be ours, not newer and sound. */
static enum er_code open_database(struct er_store *store, struct er_err *err)
{
    int64_t version = 0;
    enum er_code code = er_sql_open(store->path, &store->sql, err);

    if (code == ER_OK) {
        code = identify(store, &version, err);
    }
    if (code == ER_OK) {
        code = er_sql_quick_check(store->sql, err);
    }
    if (code == ER_OK) {
        code = er_sql_use_wal(store->sql, err);
    }
    if (code == ER_OK) {
        code = migrate(store, version, err);
    }
    return code == ER_OK ? read_revision(store, err) : code;
}

enum er_code er_store_open(const char *path, struct er_store **out, struct er_err *err)
{
    struct er_store *store = calloc(1, sizeof *store);
    enum er_code code;

    *out = NULL;
    if (store == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while opening store %s", path);
    }
    store->lock_fd = -1;
    code = make_file(path, &store->path, err);
    if (code == ER_OK) {
        code = lock(store, err);
    }
    if (code == ER_OK) {
        code = open_database(store, err);
    }
    if (code != ER_OK) {
        er_store_close(store);
        return code;
    }
    *out = store;
    return ER_OK;
}

void er_store_close(struct er_store *store)
{
    if (store == NULL) {
        return;
    }
    er_sql_close(store->sql);
    if (store->lock_fd >= 0) {
        (void)close(store->lock_fd); /* after the database: the next router may come in now */
    }
    free(store->path);
    free(store);
}

uint64_t er_store_revision(const struct er_store *store)
{
    return store->revision;
}

static enum er_code set_topic_created(struct er_store *store, struct er_str subscriber, struct er_err *err)
{
    struct er_sql_stmt *stmt;
    enum er_code code = er_sql_use(store->sql, ER_SQL_SUBSCRIBER_TOPIC_CREATED, &stmt, err);

    if (code == ER_OK) {
        er_sql_bind_text(stmt, 1, subscriber);
        code = er_sql_run(stmt, NULL, err);
    }
    return code;
}

enum er_code er_store_set_topics_created(struct er_store *store, const struct er_str *subscribers, size_t n, struct er_err *err)
{
    enum er_code code = er_sql_begin(store->sql, err);

    for (size_t i = 0; i < n && code == ER_OK; i++) {
        code = set_topic_created(store, subscribers[i], err);
    }
    if (code == ER_OK) {
        code = er_sql_commit(store->sql, err);
    } else {
        er_sql_rollback(store->sql);
    }
    return code;
}
