#include "tests/unit/engine_test.h"
#include "tests/unit/fault.h"
#include "rules/engine/places.h"
#include "rules/engine/stable.h"
#include "rules/engine/table.h"

/* ---- table ---- */

#define KEYS 2000u

/* Tags that crowd together, so that runs form, wrap around and are shifted back. */
static uint32_t crowded_tag(uint32_t key)
{
    return key % 3 == 0 ? 0xFFFFFFF0u + key % 16 : key % 97;
}

static bool in_table(const struct er_table *table, uint32_t key)
{
    uint32_t id;

    for (size_t step = 0; (id = er_table_next(table, crowded_tag(key), &step)) != ER_NONE;) {
        if (id == key) {
            return true;
        }
    }
    return false;
}

static void table_keeps_what_was_put(void **state)
{
    struct er_table table = { 0 };
    bool *model = calloc(KEYS, sizeof *model);
    unsigned seed = 3;

    (void)state;
    assert_false(in_table(&table, 1));
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t key = (uint32_t)rand_r(&seed) % (round < 10000 ? KEYS : 50);

        if (model[key]) {
            er_table_remove(&table, crowded_tag(key), key);
        } else {
            assert_true(er_table_reserve(&table, crowded_tag(key), 1));
            er_table_add(&table, crowded_tag(key), key);
        }
        model[key] = !model[key];
        if (round % 500 == 0) {
            for (uint32_t k = 0; k < KEYS; k++) {
                assert_int_equal(in_table(&table, k), model[k]);
            }
        }
    }
    free(model);
    er_table_fini(&table);
}

/* ---- list and stable vector ---- */

static void list_keeps_what_was_added(void **state)
{
    struct er_idlist list = { 0 };
    unsigned seed = 5;
    bool model[64] = { false };
    uint32_t n = 0;

    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t id = (uint32_t)rand_r(&seed) % 64;

        if (round / 1000 % 2 == 0 ? !model[id] : model[id]) {
            if (model[id]) {
                er_idlist_remove(&list, id);
            } else {
                assert_true(er_idlist_add(&list, id));
            }
            n += model[id] ? UINT32_MAX : 1;
            model[id] = !model[id];
        }
        assert_int_equal(er_idlist_n(&list), n);
        for (uint32_t i = 0; i < er_idlist_n(&list); i++) {
            assert_true(model[er_idlist_ids(&list)[i]]);
        }
    }
    er_idlist_fini(&list);
}

#define OWNERS 3u
#define LISTED 300u

/* Several lists that share their places, each around the length at which a list becomes long. */
static void long_lists_know_their_places(void **state)
{
    struct er_places places = { 0 };
    struct er_idlist lists[OWNERS] = { { { 0 } } };
    static uint8_t model[OWNERS][LISTED];
    uint32_t n[OWNERS] = { 0 };
    unsigned seed = 9;

    (void)state;
    for (unsigned round = 0; round < 60000; round++) {
        uint32_t owner = (uint32_t)rand_r(&seed) % OWNERS, id = (uint32_t)rand_r(&seed) % LISTED;
        uint32_t wanted = round / 500 % 4 < 2 ? 150 * (round / 500 % 2) + 20 : ER_LIST_SHORT;

        if (n[owner] > wanted && model[owner][id] > 0) {
            er_places_remove(&places, &lists[owner], owner, id);
            model[owner][id]--;
            n[owner]--;
        } else if (n[owner] <= wanted && model[owner][id] < 2) {
            assert_true(er_places_add(&places, &lists[owner], owner, id));
            model[owner][id]++;
            n[owner]++;
        }
        assert_int_equal(er_idlist_n(&lists[owner]), n[owner]);
        if (round % 50 == 0) {
            uint8_t found[LISTED] = { 0 };

            for (uint32_t i = 0; i < n[owner]; i++) {
                found[er_idlist_ids(&lists[owner])[i]]++;
            }
            assert_memory_equal(found, model[owner], sizeof found);
        }
    }
    for (uint32_t owner = 0; owner < OWNERS; owner++) {
        for (uint32_t id = 0; id < LISTED; id++) {
            for (; model[owner][id] > 0; model[owner][id]--) {
                er_places_remove(&places, &lists[owner], owner, id);
            }
        }
        assert_int_equal(lists[owner].u.word, 0);
    }
    assert_int_equal(places.table.n, 0);
    er_places_fini(&places);
}

static void without_memory_a_list_stays_as_it_is(void **state)
{
    unsigned failures = 0;

    (void)state;
    skip_unless_allocations_can_fail();
    for (uint32_t length = ER_LIST_SHORT - 9; length < ER_LIST_SHORT + 9; length++) {
        bool added = false;

        for (unsigned long fail = 1; !added; fail++) {
            struct er_places places = { 0 };
            struct er_idlist list = { { 0 } };

            for (uint32_t id = 0; id < length; id++) {
                assert_true(er_places_add(&places, &list, 1, id));
            }
            fail_from_allocation(fail);
            added = er_places_add(&places, &list, 1, length);
            fail_from_allocation(0);
            failures += !added;
            assert_int_equal(er_idlist_n(&list), length + added);
            assert_int_equal(places.table.n, length + added > ER_LIST_SHORT ? length + added : 0);
            for (uint32_t id = 0; id < length + added; id++) {
                er_places_remove(&places, &list, 1, id);
            }
            assert_int_equal(places.table.n, 0);
            er_places_fini(&places);
        }
    }
    assert_true(failures > 5);
}

static void elements_do_not_move(void **state)
{
    struct er_stable v;
    uint32_t *places[5000];

    (void)state;
    er_stable_init(&v, sizeof(uint32_t) * 3);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(er_stable_take(&v), i);
        places[i] = er_stable_at(&v, i);
        assert_int_equal(places[i][0] | places[i][1] | places[i][2], 0);
        places[i][0] = places[i][2] = i;
    }
    for (uint32_t i = 0; i < 5000; i++) {
        assert_ptr_equal(er_stable_at(&v, i), places[i]);
        assert_int_equal(places[i][0], i);
        assert_int_equal(places[i][2], i);
    }
    er_stable_give(&v, 7);
    er_stable_give(&v, 4000);
    assert_int_equal(v.n, 4998);
    assert_int_equal(er_stable_take(&v), 4000);
    assert_int_equal(er_stable_take(&v), 7);
    assert_int_equal(er_stable_take(&v), 5000);
    er_stable_fini(&v);
}

/* ---- the indexes, against looking at every rule ---- */

#define RULES 800u

struct form {
    bool in_use, start, end, tail; /* tail: a regex engine's job, the literal then a class */
    char literal[24];
};

/* Few letters make overlaps, more letters make many different grams. */
static void random_word(char *out, size_t most, bool few, unsigned *seed)
{
    size_t n = (unsigned)rand_r(seed) % (most + 1);

    for (size_t i = 0; i < n; i++) {
        out[i] = few ? "aab"[rand_r(seed) % 3] : "abcdefgh"[rand_r(seed) % 8];
    }
    out[n] = '\0';
}

static void random_form(struct form *form, bool few, unsigned *seed)
{
    *form = (struct form){ .in_use = true, .start = rand_r(seed) % 2, .end = rand_r(seed) % 2, .tail = rand_r(seed) % 3 == 0 };
    random_word(form->literal, 18, few, seed);
    if (form->tail) {
        form->end = false;
    }
}

static bool form_accepts(const struct form *form, const char *value)
{
    size_t n = strlen(form->literal), all = strlen(value);

    if (!form->in_use) {
        return false;
    }
    for (size_t at = 0; at + n + form->tail <= all; at++) {
        if ((!form->start || at == 0) && (!form->end || at + n == all) && memcmp(value + at, form->literal, n) == 0) {
            return true;
        }
    }
    return false;
}

static void put_form(struct er_ruleset *ruleset, uint64_t revision, unsigned id, const struct form *form)
{
    char document[200], name[16];

    snprintf(name, sizeof name, "r%03u", id);
    snprintf(document, sizeof document, "{\"id\":\"%s\",\"regex\":{\"%s\":\"%s%s%s\"}}", name, id % 2 == 0 ? "x" : "y.z",
             form->start ? "^" : "", form->literal,
             form->end    ? "$"
             : form->tail ? "[a-h]"
                          : "");
    change(ruleset, revision, form->in_use ? (const char *[]){ document, NULL } : NULL,
           form->in_use ? NULL : (const char *[]){ name, NULL });
}

static void compare_all(struct er_matcher *matcher, const struct form *forms, const char *x, const char *yz)
{
    char event[200];
    struct er_record record;
    struct er_match match;
    struct er_err err;
    const struct er_str *ids;
    size_t n, k = 0;

    snprintf(event, sizeof event, "{\"x\":\"%s\",\"y\":[{\"z\":\"%s\"}]}", x, yz);
    record = record_of(event);
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    ids = er_matcher_matched_ids(matcher, &n);
    for (unsigned id = 0; id < RULES; id++) {
        if (form_accepts(&forms[id], id % 2 == 0 ? x : yz)) {
            char name[16];

            snprintf(name, sizeof name, "r%03u", id);
            if (k == n || !er_str_eq(ids[k], er_str_of(name))) {
                fail_msg("%s (literal %s) is missing for %s", name, forms[id].literal, event);
            }
            k++;
        }
    }
    assert_int_equal(k, n);
    er_matcher_unpin(matcher);
}

/* Any word, or one around a literal that some rule asks for. */
static void random_value(char *out, const struct form *forms, bool few, unsigned *seed)
{
    const struct form *form = &forms[(unsigned)rand_r(seed) % (RULES / 2) * 2 + !few];

    random_word(out, 12, few, seed);
    if (rand_r(seed) % 2 == 0) {
        if (form->start) {
            out[0] = '\0';
        }
        strcat(out, form->literal);
        if (!form->end) {
            random_word(out + strlen(out), 12, few, seed);
        }
    }
}

/* Rules come and go, so entries, lengths and filters do too. */
static void indexes_find_what_a_search_finds(void **state)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct form *forms = calloc(RULES, sizeof *forms);
    struct er_ruleset *ruleset;
    struct er_matcher *matcher;
    unsigned seed = 11;

    (void)state;
    options.unindexed_rules = (size_t)-1;
    ruleset = ruleset_with(&options);
    matcher = matcher_new(ruleset);
    for (unsigned round = 0; round < 6000; round++) {
        unsigned id = (unsigned)rand_r(&seed) % RULES;
        bool growing = round / 1500 % 2 == 0;
        char x[64], yz[64];

        if (forms[id].in_use && (!growing || rand_r(&seed) % 4 == 0)) {
            forms[id].in_use = false;
        } else if (growing) {
            random_form(&forms[id], id % 2 == 0, &seed);
        }
        put_form(ruleset, round + 1, id, &forms[id]);
        random_value(x, forms, true, &seed);
        random_value(yz, forms, false, &seed);
        compare_all(matcher, forms, x, yz);
    }
    free(forms);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* ---- how many rules an event leads to ---- */

#define ALIKE 60u

/* The pattern with the number for each #. */
static void fill_in(struct er_buf *out, const char *pattern, unsigned number)
{
    er_buf_clear(out);
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '#') {
            er_buf_printf(out, "%u", number);
        } else {
            er_buf_addc(out, *pattern);
        }
    }
    er_buf_addc(out, '\0');
}

/* Of rules that differ in their numbers. */
static uint64_t candidates_of(const char *rule, const char *value)
{
    struct er_buf text = { 0 };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    uint64_t n = 0;

    for (unsigned i = 0; i < ALIKE; i++) {
        fill_in(&text, rule, i);
        change(ruleset, i + 1, (const char *[]){ er_buf_str(&text).p, NULL }, NULL);
    }
    assert_string_equal(match_value(matcher, value), "s=r7");
    for (unsigned i = 0; i < ALIKE; i++) {
        struct er_ruleset_activity activity;

        fill_in(&text, "r#", i);
        assert_true(er_ruleset_activity(ruleset, er_str_of(er_buf_str(&text).p), &activity));
        n += activity.candidates;
    }
    er_buf_free(&text);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
    return n;
}

/* Whatever tells rules apart leads to them, not the type that they share, nor what their regexes start with. */
static void few_rules_are_looked_at(void **state)
{
    static const struct {
        const char *rule, *value;
        uint64_t most;
    } rows[] = {
        { "{\"id\":\"r#\",\"types\":[\"t\"],\"regex\":{\"a\":\"^user-#@(x|y)$\"}}", "{\"type\":\"t\",\"a\":\"user-7@x\"}", 1 },
        { "{\"id\":\"r#\",\"types\":[\"t\"],\"regex\":{\"a\":\"\\\\bkey#;\"}}", "{\"type\":\"t\",\"a\":\"my key7;\"}", 1 },
        { "{\"id\":\"r#\",\"types\":[\"t\"],\"regex\":{\"a\":\"^same-prefix-[a-z]+-key#;\"}}",
          "{\"type\":\"t\",\"a\":\"same-prefix-a-key7;\"}", 2 },
        { "{\"id\":\"r#\",\"types\":[\"t\"],\"pattern\":{\"a\":[{\"wildcard\":\"/shop/#/*/x\"}]}}",
          "{\"type\":\"t\",\"a\":\"/shop/7/y/x\"}", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_in_range(candidates_of(rows[i].rule, rows[i].value), 1, rows[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_keeps_what_was_put),     cmocka_unit_test(list_keeps_what_was_added),
        cmocka_unit_test(long_lists_know_their_places), cmocka_unit_test(without_memory_a_list_stays_as_it_is),
        cmocka_unit_test(elements_do_not_move),         cmocka_unit_test(indexes_find_what_a_search_finds),
        cmocka_unit_test(few_rules_are_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
