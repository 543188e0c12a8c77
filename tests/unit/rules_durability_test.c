/* What an acknowledged change survives, and what a failed one leaves behind: SIGKILL, a full disk, every single I/O failure. */
#define _GNU_SOURCE /* unshare */
#include "tests/unit/store_support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* --- SIGKILL --- */

/* Commits for ever; each acknowledged revision goes down the pipe after the commit has returned. */
static void commit_until_killed(struct fixture *f, unsigned first, int fd)
{
    for (unsigned i = first;; i++) {
        char text[512];
        uint64_t revision;

        (void)snprintf(text, sizeof text, "{\"id\":\"r%u\",\"subscriber\":\"s%u\",\"description\":\"%0300u\"}", i % 50, i % 7, i);
        revision = put_now(f, text);
        if (write(fd, &revision, sizeof revision) != (ssize_t)sizeof revision) {
            _exit(1);
        }
    }
}

static uint64_t read_revisions(int fd, uint64_t wanted, uint64_t last)
{
    uint64_t revision;

    while (last < wanted && read(fd, &revision, sizeof revision) == (ssize_t)sizeof revision) {
        assert_int_equal(revision, last + 1);
        last = revision;
    }
    return last;
}

static void survives_sigkill(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;

    for (int round = 0; round < 10; round++) {
        char sql[128], expected[32];
        int fds[2], status;
        pid_t child;

        close_store(f);
        assert_int_equal(pipe(fds), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(fds[0]);
            open_store(f); /* also waits for nobody: the killed one's lock is gone with it */
            commit_until_killed(f, (unsigned)round * 100000, fds[1]); /* other texts than before */
        }
        (void)close(fds[1]);
        last = read_revisions(fds[0], last + 10 + (uint64_t)round * 7, last);
        assert_int_equal(kill(child, SIGKILL), 0);
        last = read_revisions(fds[0], UINT64_MAX, last); /* what it still said before it died */
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        (void)close(fds[0]);
        open_store(f); /* with quick_check */
        assert_in_range(er_store_revision(f->store), last, last + 1);
        last = er_store_revision(f->store);
        (void)snprintf(sql, sizeof sql, "SELECT max(revision) || ' ' || count(DISTINCT revision) FROM audit");
        (void)snprintf(expected, sizeof expected, "%d %d", (int)last, (int)last);
        ASK(f, sql, expected);
        ASK(f, "SELECT max(revision) = (SELECT revision FROM rule_set) FROM subscription", "1");
    }
}

/* --- full disk --- */

static enum er_code put_big(struct fixture *f, unsigned i)
{
    static char text[40000];
    struct er_plan *plan = plan_of(f);
    uint64_t revision;
    enum er_code code;
    int n = snprintf(text, sizeof text, "{\"id\":\"big%u\",\"subscriber\":\"A\",\"description\":\"%030000u\"}", i, i);

    assert_true(n > 30000);
    assert_int_equal(put(f, plan, text), ER_OK);
    code = try_commit(f, plan, &revision);
    er_plan_free(plan);
    return code;
}

/* In a child with a small file system of its own, which it also unmounts: under chroot / is no mount point (EINVAL) that could be made
 * private. Its exit code: 0 good, 77 no right to mount. */
static void fill_up(struct fixture *f)
{
    struct listing list = { "" };
    struct er_plan *plan;
    enum er_code code = ER_OK;
    uint64_t revision;
    unsigned stored = 0;
    int ends[2];

    close_store(f);
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && errno != EINVAL) ||
        mount("tmpfs", f->dir, "tmpfs", 0, "size=1m") != 0) {
        _exit(77);
    }
    open_store(f);
    assert_int_equal(put_now(f, "{\"id\":\"small\",\"subscriber\":\"A\"}"), 1);
    while (stored < 1000 && (code = put_big(f, stored)) == ER_OK) {
        stored++;
    }
    assert_int_equal(code, ER_E_STORE_FULL);
    assert_int_equal(er_code_http_status(code), 507);
    assert_non_null(strstr(f->err.text, "no space left for store"));
    assert_true(stored > 2);
    /* Nothing of the refused change is there, reading goes on, more of the same is refused again. */
    assert_int_equal(er_store_revision(f->store), stored + 1);
    assert_int_equal(er_store_get_subscription(f->store, ER_STR("small"), list_subscription, &list, &f->err), ER_OK);
    assert_int_equal(put_big(f, stored), ER_E_STORE_FULL);
    ends[0] = (int)er_store_revision(f->store);
    /* Space comes back: the same connection goes on. */
    assert_int_equal(mount("tmpfs", f->dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    assert_int_equal(put_big(f, stored), ER_OK);
    plan = plan_of(f);
    assert_int_equal(er_plan_delete_subscription(plan, ER_STR("big0"), NULL, &f->err), ER_OK);
    assert_int_equal(try_commit(f, plan, &revision), ER_OK);
    er_plan_free(plan);
    close_store(f);
    open_store(f);
    ends[1] = (int)er_store_revision(f->store);
    assert_int_equal(ends[1], ends[0] + 2);
    close_store(f);
    assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    _exit(0);
}

static void full_disk_refuses_and_goes_on(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        fill_up(f);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("# no right to mount a small file system\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- the n-th I/O call fails --- */

/* A VFS that passes everything on to the system's and fails one call. */
struct flaky_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    long countdown; /* calls until the failure; < 0: none */
    bool once;      /* only that call; else all after it too */
    int rc;
    unsigned syncs;
} flaky;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct flaky_file *)(void *)file)->real;
}

static bool fails(void)
{
    if (flaky.countdown < 0) {
        return false;
    }
    if (flaky.countdown > 0) {
        flaky.countdown--;
        return false;
    }
    if (flaky.once) {
        flaky.countdown = -1;
    }
    return true;
}

static int flaky_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int flaky_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    return fails() ? SQLITE_IOERR_READ : real_of(file)->pMethods->xRead(real_of(file), p, n, at);
}

static int flaky_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    return fails() ? flaky.rc : real_of(file)->pMethods->xWrite(real_of(file), p, n, at);
}

static int flaky_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int flaky_sync(sqlite3_file *file, int flags)
{
    flaky.syncs++;
    return fails() ? SQLITE_IOERR_FSYNC : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int flaky_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return fails() ? SQLITE_IOERR_FSTAT : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int flaky_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int flaky_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int flaky_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int flaky_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int flaky_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int flaky_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int flaky_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return fails() ? SQLITE_IOERR_SHMMAP : real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int flaky_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void flaky_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int flaky_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods flaky_methods = { 2,
                                                  flaky_close,
                                                  flaky_read,
                                                  flaky_write,
                                                  flaky_truncate,
                                                  flaky_sync,
                                                  flaky_size,
                                                  flaky_lock,
                                                  flaky_unlock,
                                                  flaky_reserved,
                                                  flaky_control,
                                                  flaky_sector,
                                                  flaky_characteristics,
                                                  flaky_shm_map,
                                                  flaky_shm_lock,
                                                  flaky_shm_barrier,
                                                  flaky_shm_unmap,
                                                  NULL,
                                                  NULL };

static int flaky_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    struct flaky_file *wrapped = (struct flaky_file *)(void *)file;
    int rc;

    (void)vfs;
    wrapped->base.pMethods = NULL;
    wrapped->real = (sqlite3_file *)(void *)(wrapped + 1);
    if (fails()) {
        return SQLITE_CANTOPEN;
    }
    rc = flaky.real->xOpen(flaky.real, name, wrapped->real, flags, out_flags);
    if (wrapped->real->pMethods != NULL) {
        wrapped->base.pMethods = &flaky_methods;
    }
    return rc;
}

static void install_flaky(int rc, bool once)
{
    flaky.real = sqlite3_vfs_find("unix");
    assert_non_null(flaky.real);
    flaky.vfs = *flaky.real;
    flaky.vfs.zName = "flaky";
    flaky.vfs.szOsFile = (int)sizeof(struct flaky_file) + flaky.real->szOsFile;
    flaky.vfs.xOpen = flaky_open;
    flaky.countdown = -1;
    flaky.rc = rc;
    flaky.once = once;
    assert_int_equal(sqlite3_vfs_register(&flaky.vfs, 1), SQLITE_OK);
}

static void remove_flaky(void)
{
    flaky.countdown = -1;
    assert_int_equal(sqlite3_vfs_register(flaky.real, 1), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_unregister(&flaky.vfs), SQLITE_OK);
}

static void every_commit_is_synced(void **state)
{
    struct fixture *f = *state;

    close_store(f);
    install_flaky(SQLITE_IOERR_WRITE, true);
    open_store(f);
    for (int i = 0; i < 5; i++) {
        char text[64];
        unsigned before = flaky.syncs;

        (void)snprintf(text, sizeof text, "{\"id\":\"x%d\",\"subscriber\":\"s\"}", i);
        (void)put_now(f, text);
        assert_true(flaky.syncs > before);
    }
    close_store(f);
    remove_flaky();
    open_store(f);
}

static bool store_code(enum er_code code)
{
    return code == ER_E_STORE || code == ER_E_STORE_FULL || code == ER_E_STORE_CORRUPT;
}

/* One change while call n fails: it is refused as a whole, or all there. True when n calls were more than the change makes. */
static bool change_with_failure(struct fixture *f, long n)
{
    char text[128];
    struct er_plan *plan;
    uint64_t before = er_store_revision(f->store), revision = 0;
    enum er_code code;
    bool through;

    (void)snprintf(text, sizeof text, "{\"id\":\"x%ld\",\"subscriber\":\"s%ld\"}", n, n % 3);
    plan = plan_of(f);
    flaky.countdown = n;
    code = put(f, plan, text);
    if (code == ER_OK) {
        code = try_commit(f, plan, &revision);
    }
    er_plan_free(plan);
    through = flaky.countdown > 0;
    flaky.countdown = -1;
    if (code != ER_OK && !store_code(code)) {
        fail_msg("call %ld: %s %s", n, er_code_name(code), f->err.text);
    }
    assert_int_equal(er_store_revision(f->store), code == ER_OK ? before + 1 : before);
    /* The connection is usable, and so is the file for the next process. */
    revision = put_now(f, text);
    assert_int_equal(revision, before + 1); /* an unchanged document when the first try went through */
    close_store(f);
    open_store(f);
    assert_int_equal(er_store_revision(f->store), before + 1);
    return through;
}

static void every_io_failure(struct fixture *f, int rc, bool once)
{
    long n = 0;

    close_store(f);
    install_flaky(rc, once);
    open_store(f);
    while (n < 500 && !change_with_failure(f, n)) {
        n++;
    }
    assert_in_range(n, 3, 499);
    close_store(f);
    remove_flaky();
    open_store(f);
    ASK(f, "SELECT count(*) = (SELECT revision FROM rule_set) FROM subscription", "1");
}

static void survives_each_io_error(void **state)
{
    every_io_failure(*state, SQLITE_IOERR_WRITE, true);
}

static void survives_each_lasting_io_error(void **state)
{
    every_io_failure(*state, SQLITE_FULL, false);
}

/* Opening fails cleanly at every point too, and works after it. */
static void survives_io_errors_at_open(void **state)
{
    struct fixture *f = *state;
    long n;

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    close_store(f);
    install_flaky(SQLITE_IOERR_WRITE, true);
    for (n = 0; n < 500; n++) {
        enum er_code code;

        flaky.countdown = n;
        code = er_store_open(f->path, &f->store, &f->err);
        if (code == ER_OK && flaky.countdown > 0) {
            break;
        }
        flaky.countdown = -1;
        if (code != ER_OK && !store_code(code)) {
            fail_msg("call %ld: %s %s", n, er_code_name(code), f->err.text);
        }
        if (code == ER_OK) {
            assert_int_equal(er_store_revision(f->store), 1);
        }
        close_store(f);
    }
    flaky.countdown = -1;
    assert_in_range(n, 3, 499);
    assert_int_equal(er_store_revision(f->store), 1);
    close_store(f);
    remove_flaky();
    open_store(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(survives_sigkill),       STORE_TEST(full_disk_refuses_and_goes_on),  STORE_TEST(every_commit_is_synced),
        STORE_TEST(survives_each_io_error), STORE_TEST(survives_each_lasting_io_error), STORE_TEST(survives_io_errors_at_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
