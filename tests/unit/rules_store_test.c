#include "tests/unit/store_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "rules/base/json.h"

/* --- open --- */

static void opens_empty_and_again(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(er_store_revision(f->store), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07, 0); /* nobody else reads it */
    close_store(f);
    open_store(f);
    assert_int_equal(er_store_revision(f->store), 0);
    ASK(f, "PRAGMA journal_mode", "wal");
    ASK(f, "PRAGMA user_version", "2");
    ASK(f, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND strict = 0", "0");
}

static void assert_refused(struct fixture *f, const char *path, enum er_code expected, const char *part)
{
    struct er_store *store = NULL;
    enum er_code code = er_store_open(path, &store, &f->err);

    assert_null(store);
    assert_string_equal(er_code_name(code), er_code_name(expected));
    assert_int_equal(f->err.code, expected);
    if (strstr(f->err.text, part) == NULL || strstr(f->err.text, f->dir) == NULL) {
        fail_msg("text: %s", f->err.text);
    }
}

static void refuses_second_router(void **state)
{
    struct fixture *f = *state;
    char other[128], pid[32];

    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_refused(f, f->path, ER_E_STORE_LOCKED, pid);
    (void)snprintf(other, sizeof other, "%s/alias.db", f->dir);
    assert_int_equal(symlink(f->path, other), 0);
    assert_refused(f, other, ER_E_STORE_LOCKED, "used by another router");
    /* The refused ones have not broken what the first one holds. */
    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}"), 1);
    assert_refused(f, f->path, ER_E_STORE_LOCKED, "used by another router");
    close_store(f);
    open_store(f);
}

static void refuses_bad_places(void **state)
{
    struct fixture *f = *state;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/none/rules.db", f->dir);
    assert_refused(f, path, ER_E_STORE, "directory");
    assert_refused(f, f->dir, ER_E_STORE, "not a regular file");
    (void)snprintf(path, sizeof path, "%s/loose.db", f->dir);
    assert_int_equal(symlink("gone/rules.db", path), 0);
    assert_refused(f, path, ER_E_STORE, "cannot");
}

static void overwrite(struct fixture *f, off_t at, const void *bytes, size_t n)
{
    int fd = open(f->path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    assert_int_equal(close(fd), 0);
}

static void refuses_corruption(void **state)
{
    struct fixture *f = *state;
    static const char garbage[] = "this is not a database at all";
    char noise[4096];

    for (int i = 0; i < 200; i++) {
        char text[128];

        (void)snprintf(text, sizeof text, "{\"id\":\"s%03d\",\"subscriber\":\"A\",\"description\":\"%060d\"}", i, i);
        (void)put_now(f, text);
    }
    close_store(f);
    memset(noise, 0xa5, sizeof noise);
    overwrite(f, 4096 * 9, noise, sizeof noise); /* one page in the middle */
    assert_refused(f, f->path, ER_E_STORE_CORRUPT, "corrupted");
    overwrite(f, 0, garbage, sizeof garbage);
    assert_refused(f, f->path, ER_E_STORE_CORRUPT, "not a SQLite database");
    assert_int_equal(unlink(f->path), 0);
    open_store(f);
}

static void refuses_newer_and_foreign(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;

    close_store(f);
    execute(f, "PRAGMA user_version = 7");
    assert_int_equal(stat(f->path, &before), 0);
    assert_refused(f, f->path, ER_E_STORE_NEWER, "has schema version 7, this router knows up to 2");
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec); /* refused means untouched */
    execute(f, "PRAGMA user_version = 1; PRAGMA application_id = 5");
    assert_refused(f, f->path, ER_E_STORE, "another program");
    execute(f, "PRAGMA user_version = 0; PRAGMA application_id = 0");
    assert_refused(f, f->path, ER_E_STORE, "another program");
    assert_int_equal(unlink(f->path), 0);
    execute(f, "CREATE TABLE theirs (a)");
    assert_refused(f, f->path, ER_E_STORE, "another program");
}

/* --- reading --- */

struct seen {
    char document[512];
    struct er_store_subscription row;
};

static bool see(void *ctx, const struct er_store_subscription *row)
{
    struct seen *seen = ctx;

    seen->row = *row;
    (void)snprintf(seen->document, sizeof seen->document, "%.*s", ER_STR_ARG(row->document));
    return true;
}

static void reads_one_row(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    (void)put_now(f, "{\"subscriber\":\"A\",\"id\":\"a\",\"types\":[\"x\"],\"enabled\":false}");
    assert_int_equal(er_store_get_subscription(f->store, ER_STR("a"), see, &seen, &f->err), ER_OK);
    assert_string_equal(seen.document, "{\"id\":\"a\",\"subscriber\":\"A\",\"types\":[\"x\"],\"enabled\":false}");
    assert_int_equal(seen.row.revision, 1);
    assert_int_equal(seen.row.created_ms, 1000);
    assert_int_equal(seen.row.updated_ms, 1000);
    assert_false(seen.row.enabled);
    assert_int_equal(er_store_get_subscription(f->store, ER_STR("b"), see, &seen, &f->err), ER_E_NOT_FOUND);
    assert_string_equal(f->err.text, "subscription b does not exist");
}

static void assert_listed(struct fixture *f, struct er_store_filter filter, const char *expected)
{
    struct listing list = { "" };

    assert_int_equal(er_store_each_subscription(f->store, &filter, list_subscription, &list, &f->err), ER_OK);
    assert_string_equal(list.text, expected);
}

static void filters(void **state)
{
    struct fixture *f = *state;

    (void)put_now(f, "{\"id\":\"b\",\"subscriber\":\"Sales\",\"types\":[\"order.*\"],\"labels\":{\"team\":\"x\"}}");
    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"Sales\",\"types\":[\"order.new\",\"pay\"],\"labels\":{\"team\":\"y\"}}");
    (void)put_now(f, "{\"id\":\"c-1\",\"subscriber\":\"fraud\",\"description\":\"all big ORDERS\"}");
    (void)put_now(f, "{\"id\":\"c.1\",\"subscriber\":\"fraud\",\"types\":[\"order.newer\"]}");
    assert_listed(f, (struct er_store_filter){ 0 }, "a b c-1 c.1"); /* '-' before '.' */
    assert_listed(f, (struct er_store_filter){ .after_id = ER_STR("b") }, "c-1 c.1");
    assert_listed(f, (struct er_store_filter){ .subscriber = ER_STR("Sales") }, "a b");
    assert_listed(f, (struct er_store_filter){ .subscriber = ER_STR("Sales"), .after_id = ER_STR("a") }, "b");
    assert_listed(f, (struct er_store_filter){ .subscriber = ER_STR("sales") }, "");
    assert_listed(f, (struct er_store_filter){ .type = ER_STR("order.new") }, "a b");
    assert_listed(f, (struct er_store_filter){ .type = ER_STR("pay") }, "a");
    assert_listed(f, (struct er_store_filter){ .label_key = ER_STR("team") }, "a b");
    assert_listed(f, (struct er_store_filter){ .label_key = ER_STR("team"), .label_value = ER_STR("y") }, "a");
    assert_listed(f, (struct er_store_filter){ .q = ER_STR("SALE") }, "a b");
    assert_listed(f, (struct er_store_filter){ .q = ER_STR("big orders") }, "c-1");
    assert_listed(f, (struct er_store_filter){ .q = ER_STR("c.") }, "c.1");
    assert_listed(f, (struct er_store_filter){ .q = ER_STR("") }, "a b c-1 c.1");
    assert_listed(f, (struct er_store_filter){ .q = ER_STR("order"), .subscriber = ER_STR("fraud") }, "c-1");
}

static bool only_first(void *ctx, const struct er_store_subscription *row)
{
    list_add(ctx, row->id);
    return false;
}

static bool nested(void *ctx, const struct er_store_subscription *row)
{
    struct fixture *f = ctx;
    struct er_store_filter all = { 0 };

    assert_true(row->id.n > 0);
    assert_int_equal(er_store_each_subscription(f->store, &all, only_first, NULL, &f->err), ER_E_INTERNAL);
    return false;
}

static void stops_early(void **state)
{
    struct fixture *f = *state;
    struct er_store_filter all = { 0 };
    struct listing list = { "" };

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    (void)put_now(f, "{\"id\":\"b\",\"subscriber\":\"A\"}");
    assert_int_equal(er_store_each_subscription(f->store, &all, only_first, &list, &f->err), ER_OK);
    assert_string_equal(list.text, "a");
    assert_int_equal(er_store_each_subscription(f->store, &all, nested, f, &f->err), ER_OK);
    assert_int_equal(er_store_each_subscription(f->store, &all, list_subscription, &list, &f->err), ER_OK);
    assert_string_equal(list.text, "a a b");
}

static bool see_subscriber(void *ctx, const struct er_store_subscriber *row)
{
    struct er_store_subscriber *out = ctx;

    assert_int_equal(row->id.n, 5);
    *out = *row;
    return true;
}

static void reads_subscribers(void **state)
{
    struct fixture *f = *state;
    const struct er_str made[] = { ER_STR("gone"), ER_STR("sales") };
    struct er_store_subscriber row;
    struct listing list = { "" };

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"sales\"}");
    (void)put_now(f, "{\"id\":\"b\",\"subscriber\":\"sales\"}");
    (void)put_now(f, "{\"id\":\"c\",\"subscriber\":\"Zoo\"}");
    assert_int_equal(er_store_each_subscriber(f->store, (struct er_str){ NULL, 0 }, list_subscriber, &list, &f->err), ER_OK);
    assert_string_equal(list.text, "Zoo sales");
    list.text[0] = '\0';
    assert_int_equal(er_store_each_subscriber(f->store, ER_STR("Zoo"), list_subscriber, &list, &f->err), ER_OK);
    assert_string_equal(list.text, "sales");
    assert_int_equal(er_store_get_subscriber(f->store, ER_STR("sales"), see_subscriber, &row, &f->err), ER_OK);
    assert_int_equal(row.subscriptions, 2);
    assert_int_equal(row.revision, 1);
    assert_int_equal(row.state, ER_SUBSCRIBER_ACTIVE);
    assert_false(row.topic_created);
    assert_int_equal(er_store_set_topics_created(f->store, made, 2, &f->err), ER_OK);
    assert_int_equal(er_store_get_subscriber(f->store, ER_STR("sales"), see_subscriber, &row, &f->err), ER_OK);
    assert_true(row.topic_created);
    assert_int_equal(er_store_revision(f->store), 3);
    assert_int_equal(er_store_get_subscriber(f->store, ER_STR("nobody"), see_subscriber, &row, &f->err), ER_E_NOT_FOUND);
}

/* --- dead letters that were sent again --- */

static struct er_store_retry retry_of(struct fixture *f, const struct er_store_letter *letter)
{
    struct er_store_retry retry;

    if (er_store_retry_get(f->store, letter, &retry, &f->err) != ER_OK) {
        fail_msg("%s", f->err.text);
    }
    return retry;
}

static void set_retry(struct fixture *f, const struct er_store_letter *letter, enum er_retry_state retry_state, int64_t at_ms)
{
    if (er_store_retry_set(f->store, letter, &(struct er_store_retry){ retry_state, at_ms }, 1, &f->err) != ER_OK) {
        fail_msg("%s", f->err.text);
    }
}

static void remembers_retries(void **state)
{
    struct fixture *f = *state;
    struct er_store_letter letter = { ER_STR("dead"), 1, 7, UINT64_MAX - 5 }, other = letter;

    assert_int_equal(retry_of(f, &letter).state, ER_RETRY_NONE);
    set_retry(f, &letter, ER_RETRY_UNKNOWN, 100);
    assert_int_equal(retry_of(f, &letter).state, ER_RETRY_UNKNOWN);
    set_retry(f, &letter, ER_RETRY_SENT, 200);
    close_store(f);
    open_store(f);
    assert_int_equal(retry_of(f, &letter).state, ER_RETRY_SENT);
    assert_int_equal(retry_of(f, &letter).at_ms, 200);
    assert_int_equal(er_store_revision(f->store), 0);
    other.fingerprint = 5; /* the topic was made anew */
    assert_int_equal(retry_of(f, &other).state, ER_RETRY_NONE);
    other = letter;
    other.partition = 2;
    assert_int_equal(retry_of(f, &other).state, ER_RETRY_NONE);
    set_retry(f, &letter, ER_RETRY_NONE, 0);
    assert_int_equal(retry_of(f, &letter).state, ER_RETRY_NONE);
    ASK(f, "SELECT count(*) FROM letter_retry", "0");
}

static void forgets_what_retention_took(void **state)
{
    struct fixture *f = *state;

    for (int64_t offset = 0; offset < 10; offset++) {
        for (int32_t partition = 0; partition < 2; partition++) {
            set_retry(f, &(struct er_store_letter){ ER_STR("dead"), partition, offset, 1 }, ER_RETRY_SENT, 1);
        }
    }
    assert_int_equal(er_store_retry_prune(f->store, ER_STR("other"), 0, 100, &f->err), ER_OK);
    ASK(f, "SELECT count(*) FROM letter_retry", "20");
    assert_int_equal(er_store_retry_prune(f->store, ER_STR("dead"), 1, 4, &f->err), ER_OK);
    ASK(f, "SELECT count(*) FROM letter_retry", "16");
    ASK(f, "SELECT min(position) FROM letter_retry WHERE partition = 1", "4");
}

/* A store of the first version opens, with all that is in it. */
static void takes_over_an_older_store(void **state)
{
    struct fixture *f = *state;
    struct er_store_letter letter = { ER_STR("dead"), 0, 0, 1 };

    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}"), 1);
    close_store(f);
    execute(f, "DROP TABLE letter_retry; PRAGMA user_version = 1");
    open_store(f);
    assert_int_equal(er_store_revision(f->store), 1);
    ASK(f, "PRAGMA user_version", "2");
    set_retry(f, &letter, ER_RETRY_SENT, 1);
    assert_int_equal(retry_of(f, &letter).state, ER_RETRY_SENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(opens_empty_and_again),
        STORE_TEST(refuses_second_router),
        STORE_TEST(refuses_bad_places),
        STORE_TEST(refuses_corruption),
        STORE_TEST(refuses_newer_and_foreign),
        STORE_TEST(reads_one_row),
        STORE_TEST(filters),
        STORE_TEST(stops_early),
        STORE_TEST(reads_subscribers),
        STORE_TEST(remembers_retries),
        STORE_TEST(forgets_what_retention_took),
        STORE_TEST(takes_over_an_older_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
