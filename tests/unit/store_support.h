/* A store in a directory of its own, and short words for making changes; for the tests of rules/store. */
#ifndef ER_TESTS_UNIT_STORE_SUPPORT_H
#define ER_TESTS_UNIT_STORE_SUPPORT_H

#include "tests/unit/test.h"

#include <sqlite3.h>
#include <unistd.h>
#include "rules/store/plan.h"

struct fixture {
    char dir[64];
    char path[96];
    struct er_store *store;
    struct er_plan_policy policy;
    struct er_arena *arena;
    struct er_err err;
    int64_t now; /* of the next commit */
};

static const struct er_str reserved_topics[] = { { "raw", 3 }, { "eventrouter.dead-letter", 23 } };

static inline void open_store(struct fixture *f)
{
    f->err = (struct er_err){ .code = ER_OK };
    if (er_store_open(f->path, &f->store, &f->err) != ER_OK) {
        fail_msg("open: %s", f->err.text);
    }
}

static inline void close_store(struct fixture *f)
{
    er_store_close(f->store);
    f->store = NULL;
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/er-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/rules.db", f->dir);
    f->arena = er_arena_new(0);
    assert_non_null(f->arena);
    f->policy = (struct er_plan_policy){ .topic_template = ER_STR("sub.{subscriber}"),
                                         .partitions = 1,
                                         .reserved = reserved_topics,
                                         .n_reserved = 2,
                                         .limits = er_rule_default_limits() };
    f->now = 1000;
    open_store(f);
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[160];

    er_store_close(f->store);
    er_arena_free(f->arena);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static inline struct er_json *parse(struct fixture *f, const char *text)
{
    struct er_json *json = NULL;

    if (er_json_parse(f->arena, er_arena_dup(f->arena, er_str_of(text)), 64, &json, &f->err) != ER_OK) {
        fail_msg("JSON: %s", f->err.text);
    }
    return json;
}

/* One reference. */
static inline struct er_rule *rule_of(struct fixture *f, const char *text)
{
    struct er_rule_source source = { .document = parse(f, text), .document_bytes = strlen(text), .pointer = ER_STR("") };
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_problems problems;
    struct er_rule *rule = NULL;

    er_problems_init(&problems, f->arena);
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        fail_msg("rule %s: %s", text, problems.first == NULL ? "?" : problems.first->detail.p);
    }
    return rule;
}

static inline struct er_plan *plan_of(struct fixture *f)
{
    struct er_plan *plan = NULL;

    assert_int_equal(er_plan_new(f->store, &f->policy, &plan, &f->err), ER_OK);
    return plan;
}

static inline enum er_code put_with(struct fixture *f, struct er_plan *plan, const char *text, struct er_plan_put *put)
{
    struct er_rule *rule = rule_of(f, text);
    enum er_code code = er_plan_put_subscription(plan, rule, put, &f->err);

    er_rule_unref(rule);
    return code;
}

/* Puts a subscription into a plan, whatever was there. */
static inline enum er_code put(struct fixture *f, struct er_plan *plan, const char *text)
{
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR("") };

    return put_with(f, plan, text, &how);
}

static inline enum er_code put_subscriber(struct fixture *f, struct er_plan *plan, const char *id, const char *text)
{
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR("") };

    return er_plan_put_subscriber(plan, er_str_of(id), parse(f, text), &how, &f->err);
}

static inline enum er_code try_commit(struct fixture *f, struct er_plan *plan, uint64_t *revision)
{
    const struct er_actor actor = { 1000, ER_STR("PUT /v1/test") };

    return er_plan_commit(plan, &actor, f->now++, revision, &f->err);
}

/* Commits (when there is a change) and frees; returns the revision. */
static inline uint64_t commit(struct fixture *f, struct er_plan *plan)
{
    struct er_plan_summary summary;
    uint64_t revision = er_store_revision(f->store);

    er_plan_summary(plan, &summary);
    if (summary.changes && try_commit(f, plan, &revision) != ER_OK) {
        fail_msg("commit: %s", f->err.text);
    }
    er_plan_free(plan);
    return revision;
}

static inline uint64_t put_now(struct fixture *f, const char *text)
{
    struct er_plan *plan = plan_of(f);

    if (put(f, plan, text) != ER_OK) {
        fail_msg("put: %s", f->err.text);
    }
    return commit(f, plan);
}

/* One number or one text from the file itself, past the store. */
static inline void ask(struct fixture *f, const char *sql, char *out, size_t size)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    const unsigned char *text;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    text = sqlite3_column_text(stmt, 0);
    (void)snprintf(out, size, "%s", text == NULL ? "(null)" : (const char *)text);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

static inline void execute(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

#define ASK(f, sql, expected)                                                                                                      \
    do {                                                                                                                           \
        char answer_[512];                                                                                                         \
        ask((f), (sql), answer_, sizeof answer_);                                                                                  \
        assert_string_equal(answer_, (expected));                                                                                  \
    } while (0)

/* Ids of rows, joined by spaces. */
struct listing {
    char text[1024];
};

static inline void list_add(struct listing *list, struct er_str id)
{
    size_t n = strlen(list->text);

    (void)snprintf(list->text + n, sizeof list->text - n, "%s%.*s", n == 0 ? "" : " ", ER_STR_ARG(id));
}

static inline bool list_subscription(void *ctx, const struct er_store_subscription *row)
{
    list_add(ctx, row->id);
    return true;
}

static inline bool list_subscriber(void *ctx, const struct er_store_subscriber *row)
{
    list_add(ctx, row->id);
    return true;
}

#endif
