#include "tests/unit/engine_test.h"
#include "rules/engine/match_impl.h"
#include "tests/unit/random.h"

static const char *const rules[] = {
    "{\"id\":\"type\",\"subscriber\":\"a\",\"types\":[\"order\"]}",
    "{\"id\":\"user\",\"subscriber\":\"b\",\"types\":[\"order\"],\"pattern\":{\"user\":[\"u1\",\"u2\",\"u3\"]}}",
    "{\"id\":\"number\",\"subscriber\":\"b\",\"pattern\":{\"n\":[1,20,300]}}",
    "{\"id\":\"range\",\"subscriber\":\"c\",\"pattern\":{\"n\":[{\"numeric\":[\">\",10,\"<\",400]}]}}",
    "{\"id\":\"prefix\",\"subscriber\":\"d\",\"pattern\":{\"list\":[{\"prefix\":\"ab\"},{\"prefix\":\"b\"},{\"suffix\":\"xyz\"}]}}",
    "{\"id\":\"fold\",\"subscriber\":\"e\",\"pattern\":{\"user\":[{\"equals-ignore-case\":\"U4\"},{\"prefix\":{\"equals-ignore-"
    "case\":\"X\"}}]}}",
    "{\"id\":\"regex\",\"subscriber\":\"f\",\"regex\":{\"list\":\"b[a-c]+z\"}}",
    "{\"id\":\"glob\",\"subscriber\":\"g\",\"pattern\":{\"list\":[{\"wildcard\":\"*a*c*\"}]}}",
    "{\"id\":\"but\",\"subscriber\":\"h\",\"pattern\":{\"user\":[{\"anything-but\":[\"u1\",\"u4\"]}],\"n\":[{\"exists\":true}]}}",
    "{\"id\":\"absent\",\"subscriber\":\"i\",\"types\":[\"order\"],\"pattern\":{\"n\":[{\"exists\":false}]}}",
    "{\"id\":\"same\",\"subscriber\":\"j\",\"pattern\":{\"items\":{\"s\":[\"A\"],\"q\":[1]}}}",
    "{\"id\":\"slow\",\"subscriber\":\"k\",\"regex\":{\"slow\":\"^(a+)+$\"}}",
    NULL
};

/* Some of it is no event, some is more than the look-ups have room for. */
static char *random_event(uint64_t *seed)
{
    static const char *const types[] = { "order", "order", "other" };
    static const char *const users[] = { "u1", "u2", "u3", "u4", "xx", "y", "\\u0075\\u0031" };
    static const char *const words[] = { "abc", "bcbz", "a-b-c", "q", "xyz", "bxyz", "" };
    struct er_buf buf = { 0 };
    uint32_t n = random_below(seed, random_below(seed, 10) == 0 ? 100 : 4);

    er_buf_printf(&buf, "{\"type\":\"%s\",\"user\":\"%s\",\"list\":[", types[random_below(seed, 3)], users[random_below(seed, 7)]);
    for (uint32_t i = 0; i < n; i++) {
        er_buf_printf(&buf, "%s\"%s\"", i > 0 ? "," : "", words[random_below(seed, 7)]);
    }
    er_buf_add(&buf, ER_STR("]"));
    if (random_below(seed, 3) > 0) {
        static const unsigned numbers[] = { 1, 20, 300, 400, 11 };

        er_buf_printf(&buf, ",\"n\":%s%u", random_below(seed, 9) == 0 ? "0" : "", numbers[random_below(seed, 5)]);
    }
    if (random_below(seed, 3) == 0) {
        er_buf_printf(&buf, ",\"items\":[{\"s\":\"A\",\"q\":%u},{\"s\":\"B\",\"q\":1}]", random_below(seed, 2));
    }
    if (random_below(seed, 9) == 0) {
        er_buf_add(&buf, ER_STR(",\"slow\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\""));
    }
    er_buf_add(&buf, random_below(seed, 9) == 0 ? ER_STR("") : ER_STR("}"));
    er_buf_addc(&buf, '\0');
    return buf.p;
}

#define EVENTS 64u

/* Whatever was said before, the answers are those of a matcher that is told nothing. */
static void answers_are_those_of_a_matcher_that_expects_nothing(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *model = NULL, *matcher = NULL;
    uint64_t seed = random_seed();

    (void)state;
    change(ruleset, 1, rules, NULL);
    model = matcher_new(ruleset);
    matcher = matcher_new(ruleset);
    for (unsigned round = 0; round < 300; round++) {
        struct er_record records[EVENTS];
        char *texts[EVENTS];

        for (uint32_t i = 0; i < EVENTS; i++) {
            texts[i] = random_event(&seed);
            records[i] = record_of(texts[i]);
        }
        er_matcher_pin(matcher);
        for (uint32_t i = 0, said = 0; i < EVENTS; i++) {
            char expected[4096];

            for (said = said < i ? i : said; said < EVENTS && random_below(&seed, 4) > 0; said++) {
                if (random_below(&seed, 20) > 0) { /* sometimes one is left out */
                    er_matcher_expect(matcher, &records[said]);
                }
            }
            if (random_below(&seed, 20) == 0) { /* sometimes one does not come */
                continue;
            }
            snprintf(expected, sizeof expected, "%s", match_record(model, &records[i]));
            assert_string_equal(match_pinned(matcher, &records[i]), expected);
            if (random_below(&seed, 20) == 0) {
                er_matcher_unpin(matcher);
                er_matcher_pin(matcher);
            }
        }
        er_matcher_unpin(matcher);
        for (uint32_t i = 0; i < EVENTS; i++) {
            free(texts[i]);
        }
    }
    er_matcher_free(model);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Each decision takes those behind it one step further, and the one it is about is ready when its turn comes. */
static void expected_events_go_ahead(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record records[12];

    (void)state;
    change(ruleset, 1, rules, NULL);
    er_matcher_pin(matcher);
    for (uint32_t i = 0; i < 12; i++) {
        records[i] = record_of("{\"type\":\"order\",\"user\":\"u1\"}");
    }
    for (uint32_t i = 0, said = 0; i < 12; i++) {
        for (; said < 12 && said < i + ER_MATCHER_AHEAD; said++) {
            er_matcher_expect(matcher, &records[said]);
        }
        if (i >= ER_MATCHER_AHEAD - 1) {
            assert_int_equal(er_matcher_reading(matcher, 1)->step, ER_READING_READY);
        }
        assert_string_equal(match_pinned(matcher, &records[i]), "a=type b=user i=absent");
        for (uint32_t ahead = 1; i + ahead < 12 && ahead < ER_MATCHER_AHEAD; ahead++) {
            uint32_t turns = i + 1 < ER_MATCHER_AHEAD - ahead ? i + 1 : ER_MATCHER_AHEAD - ahead;

            assert_int_equal(er_matcher_reading(matcher, ahead)->step, turns);
        }
    }
    assert_int_equal(matcher->n_expected, 0);
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Another revision does not decide about what was read for an earlier one. */
static void a_new_revision_reads_anew(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record records[3] = { record_of("{\"k\":1}"), record_of("{\"k\":2}"), record_of("{\"k\":2}") };
    const char *const first[] = { "{\"id\":\"x\",\"pattern\":{\"k\":[1]}}", NULL };
    const char *const second[] = { "{\"id\":\"y\",\"pattern\":{\"k\":[2]}}", NULL };

    (void)state;
    change(ruleset, 1, first, NULL);
    er_matcher_pin(matcher);
    for (size_t i = 0; i < 3; i++) {
        er_matcher_expect(matcher, &records[i]);
    }
    assert_string_equal(match_pinned(matcher, &records[0]), "s=x");
    assert_string_equal(match_pinned(matcher, &records[1]), "");
    er_matcher_unpin(matcher);
    change(ruleset, 2, second, NULL);
    er_matcher_pin(matcher);
    assert_string_equal(match_pinned(matcher, &records[2]), "s=y");
    er_matcher_expect(matcher, &records[0]);
    er_matcher_expect(matcher, &records[1]);
    assert_string_equal(match_pinned(matcher, &records[0]), "s=x");
    assert_int_equal(er_matcher_reading(matcher, 1)->step, ER_READING_READ);
    change(ruleset, 3, NULL, (const char *const[]){ "y", NULL });
    er_matcher_refresh(matcher);
    assert_string_equal(match_pinned(matcher, &records[1]), "");
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_a_matcher_that_expects_nothing),
        cmocka_unit_test(expected_events_go_ahead),
        cmocka_unit_test(a_new_revision_reads_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
