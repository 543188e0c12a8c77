#include "rules/engine/ruleset.h"

#include "rules/engine/match_impl.h"
#include "rules/engine/ruleset_sides.h"

/* The reader is a matcher's first member. */
static struct er_counters *counters_of(struct er_reader *reader)
{
    return &((struct er_matcher *)(void *)reader)->counters;
}

struct forget {
    bool is_test;
    uint32_t id;
};

static void forget_one(struct er_reader *reader, void *context)
{
    const struct forget *forget = context;
    struct er_counters *counters = counters_of(reader);

    er_count_forget(forget->is_test ? counters->tests : counters->terms, forget->id);
}

void er_activity_forget(void *context, uint32_t id, const struct er_test *test)
{
    struct er_publication *publication = context;

    er_reader_each(publication, forget_one, &(struct forget){ test != NULL, id });
    if (test != NULL && er_test_quarantined(test)) {
        (void)atomic_fetch_sub_explicit(&publication->quarantined, 1, memory_order_relaxed);
    }
}

struct sum {
    const struct er_catalog *catalog;
    const struct er_term *term;
    uint32_t id;
    struct er_ruleset_activity *out;
};

/* A test may stand in several places of the term. */
static bool stands_before(const struct er_term *term, const struct er_term_walk *place, uint32_t test)
{
    struct er_term_walk walk = { 0 };

    for (uint32_t other; er_term_next(term, &walk, &other) && walk.at < place->at;) {
        if (other == test) {
            return true;
        }
    }
    return false;
}

static void add_test(const struct sum *sum, const struct er_counters *counters, uint32_t id)
{
    const struct er_test *test = er_catalog_test(sum->catalog, id);
    size_t n;
    const uint32_t *members = er_test_members(test, &n);

    if (test->op == ER_OP_REGEX) {
        er_count_read(counters->tests, id, &sum->out->confirms, &sum->out->time_ns);
    }
    for (size_t i = 0; test->op == ER_OP_BUT && i < n; i++) {
        add_test(sum, counters, members[i]);
    }
}

static void add_reader(struct er_reader *reader, void *context)
{
    const struct sum *sum = context;
    const struct er_counters *counters = counters_of(reader);
    struct er_term_walk walk = { 0 };

    if (counters->observer) {
        return;
    }
    er_count_read(counters->terms, sum->id, &sum->out->candidates, &sum->out->hits);
    for (uint32_t test; er_term_next(sum->term, &walk, &test);) {
        if (!stands_before(sum->term, &walk, test)) {
            add_test(sum, counters, test);
        }
    }
}

static bool is_quarantined(const struct er_catalog *catalog, uint32_t id)
{
    const struct er_test *test = er_catalog_test(catalog, id);
    size_t n;
    const uint32_t *members = er_test_members(test, &n);

    for (size_t i = 0; test->op == ER_OP_BUT && i < n; i++) {
        if (is_quarantined(catalog, members[i])) {
            return true;
        }
    }
    return er_test_quarantined(test);
}

bool er_ruleset_activity(const struct er_ruleset *ruleset, struct er_str id, struct er_ruleset_activity *out)
{
    const struct er_catalog *catalog = er_ruleset_catalog(ruleset);
    uint32_t sub = er_catalog_sub_find(catalog, id);
    struct er_term_walk walk = { 0 };
    struct sum sum;

    *out = (struct er_ruleset_activity){ 0 };
    if (sub == ER_NONE) {
        return false;
    }
    sum = (struct sum){ .catalog = catalog, .id = er_catalog_sub(catalog, sub)->term, .out = out };
    sum.term = er_catalog_term(catalog, sum.id);
    out->unindexed = sum.term->unindexed;
    for (uint32_t test; er_term_next(sum.term, &walk, &test);) {
        out->quarantined = out->quarantined || is_quarantined(catalog, test);
    }
    er_reader_each(er_ruleset_publication((struct er_ruleset *)(uintptr_t)ruleset), add_reader, &sum);
    return true;
}
