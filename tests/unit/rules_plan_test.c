#include "tests/unit/store_support.h"

#include <time.h>

/* --- subscriptions --- */

struct times {
    uint64_t revision;
    int64_t created_ms, updated_ms;
};

static bool see_times(void *ctx, const struct er_store_subscription *row)
{
    struct times *times = ctx;

    *times = (struct times){ row->revision, row->created_ms, row->updated_ms };
    return true;
}

static void revisions_count_changes(void **state)
{
    struct fixture *f = *state;
    struct times a, b;

    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\",\"types\":[\"x\"]}"), 1);
    assert_int_equal(put_now(f, "{\"id\":\"b\",\"subscriber\":\"A\"}"), 2);
    assert_int_equal(put_now(f, "{\"types\":[\"y\"],\"id\":\"a\",\"subscriber\":\"A\"}"), 3);
    /* The same rule in other words is no change. */
    assert_int_equal(put_now(f, "{\"enabled\":true, \"subscriber\":\"A\",\"id\":\"a\",\"types\":[\"\\u0079\"]}"), 3);
    assert_int_equal(er_store_revision(f->store), 3);
    assert_int_equal(er_store_get_subscription(f->store, ER_STR("a"), see_times, &a, &f->err), ER_OK);
    assert_int_equal(er_store_get_subscription(f->store, ER_STR("b"), see_times, &b, &f->err), ER_OK);
    assert_int_equal(a.revision, 3);
    assert_int_equal(a.created_ms, 1000);
    assert_int_equal(a.updated_ms, 1002);
    assert_int_equal(b.revision, 2);
    close_store(f);
    open_store(f);
    assert_int_equal(er_store_revision(f->store), 3);
}

static void put_results(void **state)
{
    struct fixture *f = *state;
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR("") };
    struct er_plan *plan;

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    plan = plan_of(f);
    assert_int_equal(put_with(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}", &how), ER_OK);
    assert_int_equal(how.result, ER_PUT_UNCHANGED);
    assert_true(er_str_eq(how.id, ER_STR("a")));
    assert_int_equal(put_with(f, plan, "{\"id\":\"b\",\"subscriber\":\"A\"}", &how), ER_OK);
    assert_int_equal(how.result, ER_PUT_CREATED);
    er_plan_free(plan);
    plan = plan_of(f);
    assert_int_equal(put_with(f, plan, "{\"id\":\"a\",\"subscriber\":\"B\"}", &how), ER_OK);
    assert_int_equal(how.result, ER_PUT_UPDATED);
    er_plan_free(plan);
    assert_int_equal(er_store_revision(f->store), 1); /* nothing was committed */
}

static void modes(void **state)
{
    struct fixture *f = *state;
    struct er_problems problems;
    struct er_plan_put create = { .mode = ER_PUT_CREATE, .pointer = ER_STR("/0"), .problems = &problems };
    struct er_plan_put existing = { .mode = ER_PUT_EXISTING, .pointer = ER_STR("") };
    struct er_plan *plan;
    uint64_t revision;

    er_problems_init(&problems, f->arena);
    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    plan = plan_of(f);
    assert_int_equal(put_with(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}", &create), ER_E_EXISTS);
    assert_int_equal(problems.n, 1);
    assert_int_equal(problems.first->code, ER_E_EXISTS);
    assert_true(er_str_eq(problems.first->pointer, ER_STR("/0/id")));
    assert_int_equal(put_with(f, plan, "{\"id\":\"z\",\"subscriber\":\"A\"}", &existing), ER_E_NOT_FOUND);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(try_commit(f, plan, &revision), ER_E_INTERNAL); /* refused once, never stored */
    er_plan_free(plan);
    assert_int_equal(er_store_revision(f->store), 1);
}

static void assert_precondition(struct fixture *f, const char *text, struct er_precondition condition, enum er_code expected)
{
    struct er_plan_put how = { .mode = ER_PUT_ANY, .precondition = &condition, .pointer = ER_STR("") };
    struct er_plan *plan = plan_of(f);

    assert_int_equal(put_with(f, plan, text, &how), expected);
    er_plan_free(plan);
}

static void preconditions(void **state)
{
    struct fixture *f = *state;
    static const uint64_t two[] = { 7, 2 }, one[] = { 1 };
    static const char a[] = "{\"id\":\"a\",\"subscriber\":\"A\",\"types\":[\"z\"]}", none[] = "{\"id\":\"n\",\"subscriber\":\"A\"}";
    const struct er_precondition old = { .if_match = true, .match = one, .n_match = 1 };
    struct er_plan *plan;

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\",\"types\":[\"x\"]}");
    assert_precondition(f, a, (struct er_precondition){ .if_match = true, .match = two, .n_match = 2 }, ER_OK);
    assert_precondition(f, a, old, ER_E_PRECONDITION);
    assert_non_null(strstr(f->err.text, "\"rev-2\""));
    assert_precondition(f, a, (struct er_precondition){ .if_match = true }, ER_E_PRECONDITION);
    assert_precondition(f, a, (struct er_precondition){ .if_match = true, .if_match_any = true }, ER_OK);
    assert_precondition(f, none, (struct er_precondition){ .if_match = true, .if_match_any = true }, ER_E_PRECONDITION);
    assert_precondition(f, a, (struct er_precondition){ .if_none_match_any = true }, ER_E_PRECONDITION);
    assert_precondition(f, none, (struct er_precondition){ .if_none_match_any = true }, ER_OK);
    plan = plan_of(f);
    assert_int_equal(er_plan_delete_subscription(plan, ER_STR("a"), &old, &f->err), ER_E_PRECONDITION);
    assert_int_equal(er_plan_delete_subscription(plan, ER_STR("none"), &old, &f->err), ER_E_NOT_FOUND);
    er_plan_free(plan);
}

static void assert_ids(const struct er_str *ids, size_t n, const char *expected)
{
    struct listing list = { "" };

    for (size_t i = 0; i < n; i++) {
        list_add(&list, ids[i]);
    }
    assert_string_equal(list.text, expected);
}

static void bulk_with_prune(void **state)
{
    struct fixture *f = *state;
    struct er_plan_summary summary;
    struct er_plan *plan = plan_of(f);
    struct er_store_filter all = { 0 };
    struct listing list = { "" };

    for (const char *id = "dcba"; *id != '\0'; id++) {
        char text[64];

        (void)snprintf(text, sizeof text, "{\"id\":\"%c\",\"subscriber\":\"A\"}", *id);
        assert_int_equal(put(f, plan, text), ER_OK);
    }
    er_plan_summary(plan, &summary);
    assert_ids(summary.created, summary.n_created, "a b c d");
    assert_int_equal(commit(f, plan), 1);

    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"b\",\"subscriber\":\"B\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"n\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(er_plan_prune(plan, &f->err), ER_OK);
    er_plan_summary(plan, &summary);
    assert_ids(summary.created, summary.n_created, "n");
    assert_ids(summary.updated, summary.n_updated, "b");
    assert_ids(summary.unchanged, summary.n_unchanged, "c");
    assert_ids(summary.deleted, summary.n_deleted, "a d");
    assert_true(summary.changes);
    assert_int_equal(commit(f, plan), 2);
    assert_int_equal(er_store_each_subscription(f->store, &all, list_subscription, &list, &f->err), ER_OK);
    assert_string_equal(list.text, "b c n");
    ASK(f,
        "SELECT group_concat(op || ' ' || kind || ' ' || id || ' ' || revision || ' ' || uid || ' ' || what || ' ' || at_ms) "
        "FROM audit WHERE revision = 2 AND op <> 'delete'",
        "create subscriber B 2 1000 PUT /v1/test 1001,update subscription b 2 1000 PUT /v1/test 1001,"
        "create subscription n 2 1000 PUT /v1/test 1001");
    ASK(f, "SELECT group_concat(id || coalesce(document, '')) FROM audit WHERE op = 'delete'", "a,d");
    ASK(f, "SELECT document FROM audit WHERE id = 'n'", "{\"id\":\"n\",\"subscriber\":\"A\",\"enabled\":true}");
    ASK(f, "SELECT document FROM audit WHERE id = 'B'", "{\"id\":\"B\",\"topic\":\"sub.B\",\"partitions\":1,\"state\":\"active\"}");
}

static void all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct er_problems problems;
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR("/2"), .problems = &problems };
    struct er_plan *plan = plan_of(f);

    er_problems_init(&problems, f->arena);
    assert_int_equal(put(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(put_with(f, plan, "{\"id\":\"a\",\"subscriber\":\"B\"}", &how), ER_E_RULE_DUPLICATE_ID);
    f->policy.topic_template = ER_STR("raw");
    assert_int_equal(put_with(f, plan, "{\"id\":\"c\",\"subscriber\":\"C\"}", &how), ER_E_SUBSCRIBER_TOPIC);
    assert_int_equal(put_with(f, plan, "{\"id\":\"c\",\"subscriber\":\"D\"}", &how), ER_E_RULE_DUPLICATE_ID);
    assert_int_equal(problems.n, 3);
    assert_true(er_str_eq(problems.first->pointer, ER_STR("/2/id")));
    assert_true(er_str_eq(problems.first->next->pointer, ER_STR("/2/subscriber")));
    er_plan_free(plan);
}

static void makes_ids(void **state)
{
    struct fixture *f = *state;
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR("") };
    struct er_plan *plan = plan_of(f);
    char text[160], first[128];

    assert_int_equal(put_with(f, plan, "{\"subscriber\":\"Sales-FR\"}", &how), ER_OK);
    assert_true(how.id.n == 17 && memcmp(how.id.p, "sales-fr-", 9) == 0 && er_rule_id_valid(how.id));
    (void)snprintf(first, sizeof first, "%.*s", ER_STR_ARG(how.id));
    assert_int_equal(put_with(f, plan, "{\"subscriber\":\"Sales-FR\"}", &how), ER_OK);
    assert_false(er_str_eq(how.id, er_str_of(first)));
    (void)snprintf(text, sizeof text, "{\"subscriber\":\"%0100d\"}", 7);
    assert_int_equal(put_with(f, plan, text, &how), ER_OK);
    assert_true(how.id.n <= 100 && er_rule_id_valid(how.id));
    assert_int_equal(commit(f, plan), 1);
    ASK(f, "SELECT count(*) FROM subscription WHERE json_extract(document, '$.id') = id", "3");
}

/* --- subscribers --- */

static void assert_destinations(const struct er_plan *plan, const char *expected)
{
    struct listing list = { "" };
    size_t n;
    const struct er_destination *destinations = er_plan_destinations(plan, &n);

    for (size_t i = 0; i < n; i++) {
        char text[64];

        (void)snprintf(text, sizeof text, "%.*s:%.*s:%d", ER_STR_ARG(destinations[i].subscriber), ER_STR_ARG(destinations[i].topic),
                       (int)destinations[i].partitions);
        list_add(&list, er_str_of(text));
    }
    assert_string_equal(list.text, expected);
}

static void first_subscription_makes_subscriber(void **state)
{
    struct fixture *f = *state;
    struct er_plan *plan = plan_of(f);

    f->policy.topic_template = ER_STR("x.{subscriber}.{subscriber}");
    f->policy.partitions = 3;
    assert_int_equal(put(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"b\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"C\",\"enabled\":false}"), ER_OK);
    assert_destinations(plan, "A:x.A.A:3 C:x.C.C:3");
    assert_int_equal(commit(f, plan), 1);
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"d\",\"subscriber\":\"C\",\"enabled\":false}"), ER_OK);
    assert_destinations(plan, ""); /* unchanged, or not active */
    er_plan_free(plan);
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"C\",\"enabled\":true}"), ER_OK);
    assert_destinations(plan, "C:x.C.C:3");
    er_plan_free(plan);
    /* It stays when its last subscription goes. */
    plan = plan_of(f);
    assert_int_equal(er_plan_delete_subscription(plan, ER_STR("c"), NULL, &f->err), ER_OK);
    assert_int_equal(commit(f, plan), 2);
    ASK(f, "SELECT group_concat(id) FROM subscriber", "A,C");
}

static void topic_rules(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *topic;
        enum er_code code;
    } cases[] = {
        { "fine", ER_OK },
        { "a_B-9.z", ER_OK },
        { "_one", ER_OK },
        { "...", ER_OK },
        { "raw", ER_E_SUBSCRIBER_TOPIC },
        { "eventrouter.dead-letter", ER_E_SUBSCRIBER_TOPIC },
        { "__x", ER_E_SUBSCRIBER_TOPIC },
        { "__", ER_E_SUBSCRIBER_TOPIC },
        { ".", ER_E_SUBSCRIBER_TOPIC },
        { "..", ER_E_SUBSCRIBER_TOPIC },
        { "", ER_E_SUBSCRIBER_TOPIC },
        { "a b", ER_E_SUBSCRIBER_TOPIC },
        { "a/b", ER_E_SUBSCRIBER_TOPIC },
        { "caf\xc3\xa9", ER_E_SUBSCRIBER_TOPIC },
    };
    char name[251];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (er_destination_check(&f->policy, er_str_of(cases[i].topic), &f->err) != cases[i].code) {
            fail_msg("topic \"%s\"", cases[i].topic);
        }
    }
    memset(name, 'x', 250);
    assert_int_equal(er_destination_check(&f->policy, (struct er_str){ name, 249 }, &f->err), ER_OK);
    assert_int_equal(er_destination_check(&f->policy, (struct er_str){ name, 250 }, &f->err), ER_E_SUBSCRIBER_TOPIC);
}

static bool see_subscriber(void *ctx, const struct er_store_subscriber *row)
{
    (void)snprintf(ctx, 256, "%.*s %d %s [%.*s] %.*s r%d c%d u%d", ER_STR_ARG(row->topic), (int)row->partitions,
                   row->state == ER_SUBSCRIBER_ACTIVE ? "active" : "paused", ER_STR_ARG(row->description), ER_STR_ARG(row->labels),
                   (int)row->revision, (int)row->created_ms, (int)row->updated_ms);
    return true;
}

static void assert_subscriber(struct fixture *f, const char *id, const char *expected)
{
    char text[256] = "";

    assert_int_equal(er_store_get_subscriber(f->store, er_str_of(id), see_subscriber, text, &f->err), ER_OK);
    assert_string_equal(text, expected);
}

static uint64_t put_subscriber_now(struct fixture *f, const char *id, const char *text)
{
    struct er_plan *plan = plan_of(f);

    if (put_subscriber(f, plan, id, text) != ER_OK) {
        fail_msg("put subscriber: %s", f->err.text);
    }
    return commit(f, plan);
}

static void explicit_subscriber(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_subscriber_now(f, "S", "{}"), 1);
    assert_subscriber(f, "S", "sub.S 1 active []  r1 c1000 u1000");
    assert_int_equal(
        put_subscriber_now(f, "S",
                           "{\"id\":\"S\",\"topic\":\"mine\",\"partitions\":4,\"state\":\"active\",\"description\":\"d\","
                           "\"labels\":{\"z\":\"1\",\"a\":\"\\\"\"},\"revision\":null,\"status\":3,\"created_at\":\"x\","
                           "\"updated_at\":\"x\",\"subscriptions\":9}"),
        2);
    assert_subscriber(f, "S", "mine 4 active [d] {\"a\":\"\\\"\",\"z\":\"1\"} r2 c1000 u1001");
    assert_int_equal(put_subscriber_now(f, "S", "{\"description\":\"d\",\"labels\":{\"a\":\"\\\"\",\"z\":\"1\"}}"), 2); /* same */
    assert_int_equal(put_subscriber_now(f, "S", "{\"labels\":{}}"), 3); /* description and labels are replaced, the topic stays */
    assert_subscriber(f, "S", "mine 4 active []  r3 c1000 u1002");
    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"S\"}"), 4);
    assert_subscriber(f, "S", "mine 4 active []  r3 c1000 u1002");
}

static void see_paused(char *text, const struct er_ruleset_change *change)
{
    *text = '\0';
    for (size_t i = 0; i < change->n_put_subscribers; i++) {
        const struct er_subscriber *subscriber = change->put_subscribers[i];

        (void)snprintf(text + strlen(text), 256 - strlen(text), "%.*s%s ", ER_STR_ARG(subscriber->id),
                       subscriber->paused ? " paused" : "");
    }
}

static enum er_code see_loaded(void *ctx, const struct er_ruleset_change *change, bool last, struct er_err *err)
{
    (void)last;
    (void)err;
    see_paused(ctx, change);
    return ER_OK;
}

/* What the change of one plan says to the rule set about subscribers, and the destinations it needs. */
static enum er_code set_state(struct fixture *f, const char *id, enum er_subscriber_state wanted, const char *expected,
                              size_t destinations)
{
    struct er_ruleset_change change;
    struct er_plan *plan = plan_of(f);
    enum er_code code = er_plan_set_state(plan, er_str_of(id), wanted, NULL, &f->err);
    struct er_plan_summary summary;
    char text[256];
    size_t n;

    if (code == ER_OK) {
        assert_int_equal(er_plan_ruleset_change(plan, &change, &f->err), ER_OK);
        see_paused(text, &change);
        assert_string_equal(text, expected);
        (void)er_plan_destinations(plan, &n);
        assert_int_equal(n, destinations);
    }
    er_plan_summary(plan, &summary);
    if (code == ER_OK && summary.changes) {
        (void)commit(f, plan);
    } else {
        er_plan_free(plan);
    }
    return code;
}

static void pauses_and_resumes(void **state)
{
    struct fixture *f = *state;
    char text[256];
    size_t n = 0;

    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"S\"}"), 1);
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_ACTIVE, "", 0), ER_OK); /* it is */
    assert_int_equal(er_store_revision(f->store), 1);
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_PAUSED, "S paused ", 0), ER_OK); /* no topic, no broker needed */
    assert_subscriber(f, "S", "sub.S 1 paused []  r2 c1000 u1001");
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_PAUSED, "", 0), ER_OK);
    assert_int_equal(er_store_revision(f->store), 2);
    assert_int_equal(er_store_count_paused(f->store, &n, &f->err), ER_OK);
    assert_int_equal(n, 1);
    /* A document that does not name the state leaves it; other changes keep it. */
    assert_int_equal(put_subscriber_now(f, "S", "{\"description\":\"d\"}"), 3);
    assert_subscriber(f, "S", "sub.S 1 paused [d]  r3 c1000 u1002");
    assert_int_equal(put_now(f, "{\"id\":\"b\",\"subscriber\":\"S\"}"), 4);
    /* So does a restart. */
    close_store(f);
    open_store(f);
    assert_int_equal(er_store_load(f->store, &f->policy.limits, see_loaded, text, &f->err), ER_OK);
    assert_string_equal(text, "S paused ");
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_ACTIVE, "S ", 1), ER_OK);
    assert_subscriber(f, "S", "sub.S 1 active [d]  r5 c1000 u1004");
    /* The document's member does the same, for a new one too, and with another topic at once. */
    assert_int_equal(put_subscriber_now(f, "T", "{\"state\":\"paused\"}"), 6);
    assert_int_equal(put_subscriber_now(f, "T", "{\"state\":\"active\",\"topic\":\"t\"}"), 7);
    assert_subscriber(f, "T", "t 1 active []  r7 c1005 u1006");
    ASK(f, "SELECT group_concat(document, ' ') FROM audit WHERE kind = 'subscriber' AND id = 'T'",
        "{\"id\":\"T\",\"topic\":\"sub.T\",\"partitions\":1,\"state\":\"paused\"} "
        "{\"id\":\"T\",\"topic\":\"t\",\"partitions\":1,\"state\":\"active\"}");
    assert_int_equal(set_state(f, "U", ER_SUBSCRIBER_PAUSED, "", 0), ER_E_NOT_FOUND);
}

/* The configuration has changed: a topic that must not be written any more can be left alone, but not taken up again. */
static void pauses_whatever_the_topic(void **state)
{
    static const struct er_str reserved[] = { { "sub.S", 5 } };
    struct fixture *f = *state;

    assert_int_equal(put_now(f, "{\"id\":\"a\",\"subscriber\":\"S\"}"), 1);
    f->policy.reserved = reserved;
    f->policy.n_reserved = 1;
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_PAUSED, "S paused ", 0), ER_OK);
    assert_int_equal(set_state(f, "S", ER_SUBSCRIBER_ACTIVE, "", 0), ER_E_SUBSCRIBER_TOPIC);
    assert_subscriber(f, "S", "sub.S 1 paused []  r2 c1000 u1001");
}

static void assert_document_refused(struct fixture *f, const char *text, const char *expected)
{
    struct er_problems problems;
    struct er_plan_put how = { .mode = ER_PUT_ANY, .pointer = ER_STR(""), .problems = &problems };
    struct er_plan *plan = plan_of(f);
    struct listing list = { "" };
    enum er_code code;

    er_problems_init(&problems, f->arena);
    code = er_plan_put_subscriber(plan, ER_STR("S"), parse(f, text), &how, &f->err);
    for (struct er_problem *p = problems.first; p != NULL; p = p->next) {
        list_add(&list, er_str_of(er_code_name(p->code)));
        list_add(&list, p->pointer);
    }
    assert_string_equal(list.text, expected);
    assert_int_equal(code, problems.first->code);
    assert_int_equal(f->err.code, code);
    er_plan_free(plan);
}

static void refuses_bad_subscribers(void **state)
{
    struct fixture *f = *state;
    struct er_plan *plan = plan_of(f);

    assert_document_refused(f, "[]", "E201 ");
    assert_document_refused(f, "{\"id\":\"T\",\"topic\":1,\"partitions\":\"1\",\"state\":true,\"description\":null,\"labels\":[]}",
                            "E212 /id E203 /topic E203 /partitions E203 /state E203 /description E203 /labels");
    assert_document_refused(f, "{\"partitions\":0}", "E207 /partitions");
    assert_document_refused(f, "{\"partitions\":10001}", "E207 /partitions");
    assert_document_refused(f, "{\"partitions\":99999999999999999999}", "E207 /partitions");
    assert_document_refused(f, "{\"partitions\":1.5}", "E207 /partitions");
    assert_document_refused(f, "{\"partitions\":-1}", "E207 /partitions");
    assert_document_refused(f, "{\"state\":\"asleep\"}", "E203 /state");
    assert_document_refused(f, "{\"topic\":\"a\",\"topic\":\"b\"}", "E110 /topic");
    assert_document_refused(f, "{\"labels\":{\"a\":1}}", "E203 /labels");
    assert_document_refused(f, "{\"labels\":{\"a\":\"x\",\"a\":\"x\"}}", "E110 /labels");
    assert_document_refused(f, "{\"topic\":\"raw\"}", "E220 /topic");
    assert_document_refused(f, "{\"tpoic\":\"raw\"}", "E202 /tpoic");
    assert_int_equal(put_subscriber(f, plan, "-x", "{}"), ER_E_RULE_ID);
    er_plan_free(plan);
}

static void one_owner_per_topic(void **state)
{
    struct fixture *f = *state;
    struct er_plan *plan;

    (void)put_subscriber_now(f, "A", "{\"topic\":\"sub.B\"}");
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"b\",\"subscriber\":\"B\"}"), ER_E_SUBSCRIBER_TOPIC_TAKEN);
    assert_non_null(strstr(f->err.text, "belongs to subscriber A"));
    er_plan_free(plan);
    /* Two new ones with one topic in one plan. */
    f->policy.topic_template = ER_STR("shared");
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"C\"}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"d\",\"subscriber\":\"D\"}"), ER_E_SUBSCRIBER_TOPIC_TAKEN);
    er_plan_free(plan);
    f->policy.topic_template = ER_STR("sub.{subscriber}");
    /* Given up, it is free. */
    (void)put_subscriber_now(f, "A", "{\"topic\":\"other\"}");
    assert_int_equal(put_now(f, "{\"id\":\"b\",\"subscriber\":\"B\"}"), 3);
}

static void another_topic_is_not_created_yet(void **state)
{
    struct fixture *f = *state;

    (void)put_subscriber_now(f, "A", "{}");
    assert_int_equal(er_store_set_topics_created(f->store, &ER_STR("A"), 1, &f->err), ER_OK);
    (void)put_subscriber_now(f, "A", "{\"description\":\"x\"}");
    ASK(f, "SELECT topic_created FROM subscriber", "1");
    (void)put_subscriber_now(f, "A", "{\"topic\":\"new\"}");
    ASK(f, "SELECT topic_created FROM subscriber", "0");
}

static void stored_topic_became_reserved(void **state)
{
    struct fixture *f = *state;
    static const struct er_str now_reserved[] = { { "sub.A", 5 } };
    struct er_plan *plan;

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    f->policy.reserved = now_reserved;
    f->policy.n_reserved = 1;
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"b\",\"subscriber\":\"A\"}"), ER_E_SUBSCRIBER_TOPIC);
    er_plan_free(plan);
}

static void deletes_subscribers(void **state)
{
    struct fixture *f = *state;
    struct er_ruleset_change change;
    struct er_plan_summary summary;
    struct er_plan *plan;

    (void)put_now(f, "{\"id\":\"a2\",\"subscriber\":\"A\"}");
    (void)put_now(f, "{\"id\":\"a1\",\"subscriber\":\"A\"}");
    (void)put_now(f, "{\"id\":\"b\",\"subscriber\":\"B\"}");
    plan = plan_of(f);
    assert_int_equal(er_plan_delete_subscriber(plan, ER_STR("A"), false, NULL, &f->err), ER_E_IN_USE);
    assert_non_null(strstr(f->err.text, "has 2 subscriptions"));
    assert_int_equal(er_plan_delete_subscriber(plan, ER_STR("X"), true, NULL, &f->err), ER_E_NOT_FOUND);
    er_plan_free(plan);
    plan = plan_of(f);
    assert_int_equal(er_plan_delete_subscriber(plan, ER_STR("A"), true, NULL, &f->err), ER_OK);
    er_plan_summary(plan, &summary);
    assert_ids(summary.deleted, summary.n_deleted, "a1 a2");
    assert_int_equal(er_plan_ruleset_change(plan, &change, &f->err), ER_OK);
    assert_int_equal(change.revision, 4);
    assert_int_equal(change.n_remove, 2);
    assert_int_equal(change.n_remove_subscribers, 1);
    assert_true(er_str_eq(change.remove_subscribers[0], ER_STR("A")));
    assert_int_equal(commit(f, plan), 4);
    ASK(f, "SELECT group_concat(id) FROM subscriber", "B");
    ASK(f, "SELECT group_concat(kind || id) FROM audit WHERE op = 'delete'", "subscriptiona1,subscriptiona2,subscriberA");
}

/* --- the rule set's side --- */

static void tells_the_rule_set(void **state)
{
    struct fixture *f = *state;
    struct er_ruleset_change change;
    struct er_plan *plan;

    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\"}");
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}"), ER_OK); /* unchanged: nothing to do */
    assert_int_equal(put(f, plan, "{\"id\":\"b\",\"subscriber\":\"A\",\"enabled\":false}"), ER_OK);
    assert_int_equal(put(f, plan, "{\"id\":\"c\",\"subscriber\":\"C\"}"), ER_OK);
    assert_int_equal(er_plan_ruleset_change(plan, &change, &f->err), ER_OK);
    assert_int_equal(change.revision, 2);
    assert_int_equal(change.n_put, 2);
    assert_true(er_str_eq(change.put[0]->id, ER_STR("b")));
    assert_int_equal(change.n_put_subscribers, 1);
    assert_true(er_str_eq(change.put_subscribers[0]->topic, ER_STR("sub.C")));
    assert_int_equal(change.n_remove, 0);
    assert_int_equal(commit(f, plan), 2);
    plan = plan_of(f);
    assert_int_equal(put_subscriber(f, plan, "C", "{\"description\":\"only words\"}"), ER_OK);
    assert_int_equal(er_plan_ruleset_change(plan, &change, &f->err), ER_OK);
    assert_int_equal(change.n_put_subscribers, 0);
    assert_int_equal(change.revision, 3);
    er_plan_free(plan);
    plan = plan_of(f);
    assert_int_equal(put_subscriber(f, plan, "C", "{\"topic\":\"moved\"}"), ER_OK);
    assert_int_equal(er_plan_ruleset_change(plan, &change, &f->err), ER_OK);
    assert_int_equal(change.n_put_subscribers, 1);
    assert_destinations(plan, "C:moved:1");
    er_plan_free(plan);
}

/* What all parts of a load put. */
struct seen_load {
    size_t put, subscribers, parts;
    char text[128]; /* once the last one has come */
};

static enum er_code see_load(void *ctx, const struct er_ruleset_change *part, bool last, struct er_err *err)
{
    struct seen_load *seen = ctx;

    assert_string_equal(seen->text, "");
    seen->put += part->n_put;
    seen->subscribers += part->n_put_subscribers;
    seen->parts++;
    if (last) {
        (void)snprintf(seen->text, sizeof seen->text, "r%d %zu/%zu", (int)part->revision, seen->put, seen->subscribers);
    }
    return seen->put == 3 ? er_err_set(err, ER_E_RULE_UNINDEXED, "three") : ER_OK;
}

static enum er_code load(struct fixture *f, struct seen_load *seen)
{
    *seen = (struct seen_load){ 0 };
    return er_store_load(f->store, &f->policy.limits, see_load, seen, &f->err);
}

static void loads_everything(void **state)
{
    struct fixture *f = *state;
    struct seen_load seen;

    assert_int_equal(load(f, &seen), ER_OK);
    assert_string_equal(seen.text, "r0 0/0");
    (void)put_now(f, "{\"id\":\"a\",\"subscriber\":\"A\",\"regex\":{\"b.c\":\"x+\"}}");
    (void)put_now(f, "{\"id\":\"b\",\"subscriber\":\"B\",\"enabled\":false}");
    assert_int_equal(load(f, &seen), ER_OK);
    assert_string_equal(seen.text, "r2 2/2");
    (void)put_now(f, "{\"id\":\"c\",\"subscriber\":\"B\"}");
    assert_int_equal(load(f, &seen), ER_E_RULE_UNINDEXED);
    close_store(f);
    execute(f, "UPDATE subscription SET document = '{\"id\":\"b\",\"subscriber\":\"B\",\"later\":1}' WHERE id = 'b'");
    open_store(f);
    assert_int_equal(load(f, &seen), ER_E_STORE);
    assert_non_null(strstr(f->err.text, "stored subscription b cannot be used"));
}

static void notices_another_writer(void **state)
{
    struct fixture *f = *state;
    struct er_plan *plan;
    uint64_t revision = 0;

    execute(f, "UPDATE rule_set SET revision = 5");
    plan = plan_of(f);
    assert_int_equal(put(f, plan, "{\"id\":\"a\",\"subscriber\":\"A\"}"), ER_OK);
    assert_int_equal(try_commit(f, plan, &revision), ER_E_STORE);
    assert_non_null(strstr(f->err.text, "changed by another program"));
    er_plan_free(plan);
    ASK(f, "SELECT count(*) FROM subscription", "0");
}

/* --- size --- */

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void ten_thousand(void **state)
{
    struct fixture *f = *state;
    struct er_plan *plan = plan_of(f);
    char text[256];
    double start = seconds(), planned, committed, loaded;
    struct seen_load seen;

    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"rule-%05d\",\"subscriber\":\"s%d\",\"types\":[\"order.%d\"],\"regex\":{\"user.email\":"
                       "\"@example%d\\\\.org$\"}}",
                       i, i % 100, i % 7, i);
        assert_int_equal(put(f, plan, text), ER_OK);
        er_arena_reset(f->arena);
    }
    planned = seconds();
    assert_int_equal(commit(f, plan), 1);
    committed = seconds();
    assert_int_equal(load(f, &seen), ER_OK);
    loaded = seconds();
    assert_string_equal(seen.text, "r1 10000/100");
    assert_in_range(seen.parts, 5, 50);
    print_message("# 10,000 rules: plan %.3f s (with reading the documents), commit %.3f s, load %.3f s\n", planned - start,
                  committed - planned, loaded - committed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(revisions_count_changes),
        STORE_TEST(put_results),
        STORE_TEST(modes),
        STORE_TEST(preconditions),
        STORE_TEST(bulk_with_prune),
        STORE_TEST(all_or_nothing),
        STORE_TEST(makes_ids),
        STORE_TEST(first_subscription_makes_subscriber),
        STORE_TEST(topic_rules),
        STORE_TEST(pauses_and_resumes),
        STORE_TEST(pauses_whatever_the_topic),
        STORE_TEST(explicit_subscriber),
        STORE_TEST(refuses_bad_subscribers),
        STORE_TEST(one_owner_per_topic),
        STORE_TEST(another_topic_is_not_created_yet),
        STORE_TEST(stored_topic_became_reserved),
        STORE_TEST(deletes_subscribers),
        STORE_TEST(tells_the_rule_set),
        STORE_TEST(loads_everything),
        STORE_TEST(notices_another_writer),
        STORE_TEST(ten_thousand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
