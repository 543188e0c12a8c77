/* Rules that are posted elsewhere when the tests under which they were posted first have become common. */
#include "tests/unit/engine_test.h"
#include "tests/unit/fault.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static void tidy(struct er_ruleset *ruleset)
{
    for (unsigned i = 0; er_ruleset_tidy(ruleset); i++) {
        assert_true(i < 100000);
    }
}

/* What rules of one kind ask. */
enum kind { TWO_OWN_VALUES, ITS_A_AND_OWN_C, TWO_COMMON_VALUES, COMMON_B_AND_OWN_C };

static void pattern_of(char *out, size_t size, enum kind kind, unsigned i)
{
    switch (kind) {
    case TWO_OWN_VALUES:
        snprintf(out, size, "\"a\":[\"x%u\"],\"b\":[\"y%u\"]", i % 50, i);
        break;
    case ITS_A_AND_OWN_C:
        snprintf(out, size, "\"a\":[\"x%u\"],\"c\":[\"z%u\"]", i % 50, i);
        break;
    case TWO_COMMON_VALUES:
        snprintf(out, size, "\"a\":[\"x\"],\"b\":[\"y\"],\"d\":[{\"anything-but\":[%u]}]", i);
        break;
    case COMMON_B_AND_OWN_C:
        snprintf(out, size, "\"b\":[\"y\"],\"c\":[\"z%u\"]", i);
        break;
    }
}

/* Rules first..last - 1, 50 to a change. */
static void put_rules(struct er_ruleset *ruleset, unsigned first, unsigned last, enum kind kind)
{
    static uint64_t revision;

    while (first < last) {
        static char text[50][200];
        const char *documents[51] = { NULL };

        for (unsigned i = 0; i < 50 && first < last; i++, first++) {
            char body[150];

            pattern_of(body, sizeof body, kind, first);
            snprintf(text[i], sizeof text[i], "{\"id\":\"r%u\",\"pattern\":{%s}}", first, body);
            documents[i] = text[i];
        }
        change(ruleset, ++revision, documents, NULL);
    }
}

static size_t matches(struct er_matcher *matcher, const char *event)
{
    struct er_record record = record_of(event);
    struct er_match match;
    struct er_err err;
    size_t n;

    (void)er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    (void)er_matcher_matched_ids(matcher, &n);
    er_matcher_unpin(matcher);
    return n;
}

/* How many rules this event is verified for. */
static uint64_t candidates(struct er_ruleset *ruleset, struct er_matcher *matcher, unsigned rules, const char *event)
{
    uint64_t sum[2] = { 0 };

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned rule = 0; rule < rules; rule++) {
            struct er_ruleset_activity activity;
            char id[16];

            snprintf(id, sizeof id, "r%u", rule);
            assert_true(er_ruleset_activity(ruleset, er_str_of(id), &activity));
            sum[i] += activity.candidates;
        }
        if (i == 0) {
            (void)matches(matcher, event);
        }
    }
    return sum[1] - sum[0];
}

/* 50 rules wait on values of `a` that nobody else asks for; then 450 others ask for these too. */
static void first_choices_that_became_common_are_left(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    char event[1000] = "{\"b\":\"none\",\"c\":\"none\",\"a\":[\"x0\"";

    (void)state;
    for (unsigned i = 1; i < 50; i++) {
        size_t n = strlen(event);

        snprintf(event + n, sizeof event - n, ",\"x%u\"", i);
    }
    strcat(event, "]}");
    put_rules(ruleset, 0, 50, TWO_OWN_VALUES);
    assert_int_equal(candidates(ruleset, matcher, 50, event), 50);
    put_rules(ruleset, 50, 500, ITS_A_AND_OWN_C);
    assert_int_equal(candidates(ruleset, matcher, 500, event), 50);
    tidy(ruleset);
    assert_int_equal(candidates(ruleset, matcher, 500, event), 0);
    assert_string_equal(match_value(matcher, "{\"a\":\"x7\",\"b\":\"y7\",\"c\":\"z57\"}"), "s=r57,r7");
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Long postings go over a piece at a time; events find all rules meanwhile. */
static void long_postings_move_in_pieces(void **state)
{
    enum { FIRST = 4000, ALL = 9000 };
    static const char *const event = "{\"b\":\"y\",\"d\":0}";
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    uint64_t before, now, revision;
    unsigned pieces = 0;

    (void)state;
    /* Half of them wait on each of the two common values: there is nothing better. */
    put_rules(ruleset, 0, FIRST, TWO_COMMON_VALUES);
    tidy(ruleset);
    before = candidates(ruleset, matcher, FIRST, event);
    assert_in_range(before, FIRST / 3, FIRST * 2 / 3);
    put_rules(ruleset, FIRST, ALL, COMMON_B_AND_OWN_C);
    revision = er_matcher_pin(matcher);
    er_matcher_unpin(matcher);
    for (now = before; er_ruleset_tidy(ruleset); pieces++) {
        uint64_t next = candidates(ruleset, matcher, FIRST, event);

        assert_true(next <= now && now - next <= 256);
        now = next;
        if (pieces % 8 == 0) {
            assert_int_equal(matches(matcher, "{\"a\":\"x\",\"b\":\"y\",\"c\":\"z4008\",\"d\":1}"), FIRST);
        }
    }
    assert_int_equal(candidates(ruleset, matcher, FIRST, event), 0);
    assert_true(pieces > before / 256);
    assert_int_equal(er_matcher_pin(matcher), revision); /* nobody has changed the rules */
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

struct finder {
    struct er_ruleset *ruleset;
    size_t expected;
    atomic_bool stop;
    atomic_uint events, bad;
};

static void *find_all_the_time(void *argument)
{
    struct finder *finder = argument;
    struct er_matcher *matcher = matcher_new(finder->ruleset);

    while (!atomic_load(&finder->stop)) {
        if (matches(matcher, "{\"a\":\"x\",\"b\":\"y\",\"c\":\"none\",\"d\":1}") != finder->expected) {
            atomic_fetch_add(&finder->bad, 1);
        }
        atomic_fetch_add(&finder->events, 1);
    }
    er_matcher_free(matcher);
    return NULL;
}

static void another_thread_finds_rules_that_move(void **state)
{
    enum { FIRST = 1000, ALL = 2500 };
    struct er_ruleset *ruleset = ruleset_new();
    struct finder finder = { .ruleset = ruleset, .expected = FIRST - 1 };
    struct er_ruleset_stats stats;
    pthread_t thread;
    time_t end = time(NULL) + 60;

    (void)state;
    put_rules(ruleset, 0, FIRST, TWO_COMMON_VALUES);
    put_rules(ruleset, FIRST, ALL, COMMON_B_AND_OWN_C);
    assert_int_equal(pthread_create(&thread, NULL, find_all_the_time, &finder), 0);
    while ((er_ruleset_tidy(ruleset) || atomic_load(&finder.events) < 100) && time(NULL) < end) {
        sched_yield();
    }
    atomic_store(&finder.stop, true);
    (void)pthread_join(thread, NULL);
    er_ruleset_stats(ruleset, &stats);
    assert_in_range(stats.reposted, FIRST / 3, FIRST);
    assert_in_range(atomic_load(&finder.events), 100, UINT32_MAX);
    assert_int_equal(atomic_load(&finder.bad), 0);
    er_ruleset_free(ruleset);
}

/* ---- random rules that share their tests, against a model ---- */

#define IDS 300u
#define VALUES 40u

struct model {
    bool present;
    bool a[VALUES], b[VALUES]; /* values that it accepts; of c: at least the number */
    unsigned c;
    bool either; /* a or b instead of both */
};

/* What is popular changes with the seasons; in season 0 everything is alike. */
static unsigned random_value(unsigned season, unsigned *seed)
{
    unsigned x = (unsigned)rand_r(seed) % VALUES;

    return season == 0 || rand_r(seed) % 8 == 0 ? x : season * 7 % VALUES;
}

static size_t random_list(char *out, size_t size, bool *values, unsigned season, unsigned *seed)
{
    unsigned n = rand_r(seed) % 8 == 0 ? 12 : 1 + (unsigned)rand_r(seed) % 2;
    size_t length = 0;

    memset(values, 0, VALUES * sizeof *values);
    for (unsigned i = 0; i < n; i++) {
        unsigned value;

        do {
            value = n > 3 ? (unsigned)rand_r(seed) % VALUES : random_value(season, seed);
        } while (values[value]);
        values[value] = true;
        length += (size_t)snprintf(out + length, size - length, "%s\"v%u\"", i > 0 ? "," : "", value);
    }
    return length;
}

static void random_rule(unsigned id, struct model *model, char *document, size_t size, unsigned season, unsigned *seed)
{
    char a[200], b[200];

    *model = (struct model){ .present = true, .c = random_value(0, seed), .either = rand_r(seed) % 4 == 0 };
    random_list(a, sizeof a, model->a, season, seed);
    random_list(b, sizeof b, model->b, 0, seed);
    snprintf(document, size,
             model->either
                 ? "{\"id\":\"r%03u\",\"pattern\":{\"$or\":[{\"a\":[%s]},{\"b\":[%s]}],\"c\":[{\"numeric\":[\">=\",%u]}]}}"
                 : "{\"id\":\"r%03u\",\"pattern\":{\"a\":[%s],\"b\":[%s],\"c\":[{\"numeric\":[\">=\",%u]}]}}",
             id, a, b, model->c);
}

static bool accepts(const struct model *model, unsigned a, unsigned b, unsigned c)
{
    return model->present && model->c <= c && (model->either ? model->a[a] || model->b[b] : model->a[a] && model->b[b]);
}

static void check_event(struct er_matcher *matcher, const struct model *models, unsigned *seed)
{
    unsigned a = (unsigned)rand_r(seed) % VALUES, b = (unsigned)rand_r(seed) % VALUES, c = (unsigned)rand_r(seed) % VALUES;
    char event[100], expected[4096] = "";
    size_t n = 0;

    for (unsigned id = 0; id < IDS; id++) {
        if (accepts(&models[id], a, b, c)) {
            n += (size_t)snprintf(expected + n, sizeof expected - n, "%sr%03u", n == 0 ? "s=" : ",", id);
        }
    }
    snprintf(event, sizeof event, "{\"a\":\"v%u\",\"b\":\"v%u\",\"c\":%u}", a, b, c);
    assert_string_equal(match_value(matcher, event), expected);
}

/* Puts or takes out up to 8 rules. Without memory nothing changes. */
static void random_change(struct er_ruleset *ruleset, struct model *models, uint64_t revision, unsigned *seed, bool failing)
{
    static char text[8][700];
    struct model next[8];
    struct er_rule *put[8];
    struct er_str gone[8];
    char ids[8][8];
    struct er_subscriber *subscriber = er_subscriber_new(ER_STR("s"), ER_STR("s"));
    struct er_ruleset_change change = {
        .revision = revision, .put = put, .remove = gone, .put_subscribers = &subscriber, .n_put_subscribers = 1
    };
    bool adding = revision / 200 % 2 == 0;
    unsigned first = (unsigned)rand_r(seed) % IDS, n = 1 + (unsigned)rand_r(seed) % 8;
    struct er_err err;
    enum er_code code;

    for (unsigned i = 0; i < n; i++) {
        unsigned id = (first + i) % IDS;

        if (rand_r(seed) % 4 != 0 ? adding : !adding) {
            random_rule(id, &next[i], text[i], sizeof text[i], 1 + (unsigned)revision / 20, seed);
            put[change.n_put++] = rule_of(text[i]);
        } else {
            next[i] = (struct model){ 0 };
            snprintf(ids[i], sizeof ids[i], "r%03u", id);
            gone[change.n_remove++] = er_str_of(ids[i]);
        }
    }
    fail_from_allocation(failing ? 1 + (unsigned)rand_r(seed) % 120 : 0);
    code = er_ruleset_prepare(ruleset, &change, &err);
    if (code == ER_OK && rand_r(seed) % 5 == 0) {
        er_ruleset_abandon(ruleset);
        code = ER_E_INTERNAL;
    }
    if (code == ER_OK) {
        er_ruleset_publish(ruleset);
    }
    for (int i = rand_r(seed) % 3; i > 0; i--) {
        (void)er_ruleset_tidy(ruleset);
    }
    fail_from_allocation(0);
    for (unsigned i = 0; code == ER_OK && i < n; i++) {
        models[(first + i) % IDS] = next[i];
    }
    for (unsigned i = 0; i < change.n_put; i++) {
        er_rule_unref(put[i]);
    }
    er_subscriber_unref(subscriber);
}

static void random_rules(bool failing)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct model *models = calloc(IDS, sizeof *models);
    unsigned seed = failing ? 77 : 7;
    struct er_ruleset_stats stats;

    for (uint64_t revision = 1; revision <= 6000; revision++) {
        random_change(ruleset, models, revision, &seed, failing && revision % 2 == 0);
        for (unsigned i = 0; i < 4; i++) {
            check_event(matcher, models, &seed);
        }
    }
    er_ruleset_stats(ruleset, &stats);
    assert_true(stats.reposted > 100);
    for (unsigned id = 0; id < IDS; id++) {
        char text[8];

        snprintf(text, sizeof text, "r%03u", id);
        change(ruleset, 9000 + id, NULL, (const char *[]){ text, NULL });
    }
    tidy(ruleset);
    er_ruleset_stats(ruleset, &stats);
    assert_int_equal(stats.subscriptions, 0);
    assert_int_equal(stats.tests, 0);
    free(models);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void moving_rules_are_found(void **state)
{
    (void)state;
    random_rules(false);
}

static void moving_rules_are_found_without_memory(void **state)
{
    (void)state;
    skip_unless_allocations_can_fail();
    random_rules(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_choices_that_became_common_are_left), cmocka_unit_test(long_postings_move_in_pieces),
        cmocka_unit_test(another_thread_finds_rules_that_move),      cmocka_unit_test(moving_rules_are_found),
        cmocka_unit_test(moving_rules_are_found_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
