#include "rules/engine/answers.h"

#include <stdlib.h>
#include <time.h>
#include "rules/engine/fetch.h"

#define TIMED_RUNS 16u    /* one of so many runs of a regex is timed */
#define TIMED_BYTES 2048u /* longer values always are */
#define STAGED_FIELDS 128u
#define ITEMS_FIRST 6u     /* log2 */
#define ITEMS_KEEP 14u     /* log2; more are given back */
#define ASK_WEIGHT 64u     /* what asking counts, in bytes */
#define FETCHED_TERMS 4u   /* of a posting */
#define CACHED_TERMS 2048u /* of a set that needs no fetching: the caches hold it */

/* A probing. */
struct probe {
    struct er_hits hits; /* first: the index knows only this part */
    struct er_answers *answers;
};

/* ---- asker ---- */

enum er_code er_asker_init(struct er_asker *asker, const struct er_regex_limits *limits, struct er_err *err)
{
    *asker = (struct er_asker){ .asking = { .scratch = er_regex_scratch_new(limits) } };
    return asker->asking.scratch != NULL ? ER_OK : er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
}

void er_asker_fini(struct er_asker *asker)
{
    er_regex_scratch_free(asker->asking.scratch);
    er_scalar_fini(&asker->value);
    free(asker->marks);
    *asker = (struct er_asker){ 0 };
}

static uint8_t reason_index(struct er_asker *asker, const char *reason)
{
    uint8_t i = 0;

    while (i < ER_REASONS - 1 && asker->reasons[i] != NULL && asker->reasons[i] != reason) {
        i++;
    }
    asker->reasons[i] = reason;
    return i;
}

static void start_budget(struct er_asker *asker)
{
    if (!asker->budget_started) {
        er_regex_scratch_begin_event(asker->asking.scratch);
        asker->budget_started = true;
    }
}

static bool is_spent(const struct er_asker *asker)
{
    return asker->budget_started && er_regex_scratch_spent(asker->asking.scratch);
}

/* ---- one value ---- */

static enum er_truth holds(struct er_answers *answers, uint32_t id);

/* One of the members accepts; the table finds those that may. */
static enum er_truth set_holds(struct er_answers *answers, const struct er_test *set)
{
    const struct er_catalog *catalog = answers->side->catalog;
    struct er_scalar *value = &answers->asker->value;
    uint64_t hash = er_catalog_hash(catalog, value->kind == ER_FIELD_NUMBER ? er_scalar_key(value) : value->text);
    size_t n, member;
    const uint32_t *members = er_test_members(set, &n);

    for (size_t step = 0; (member = er_set_next(set, hash, &step)) < n;) {
        if (holds(answers, members[member]) == ER_TRUE) {
            return ER_TRUE;
        }
    }
    return ER_FALSE;
}

/* None of the operands accepts. */
static enum er_truth but_holds(struct er_answers *answers, const struct er_test *but)
{
    size_t n;
    const uint32_t *operands = er_test_members(but, &n);
    enum er_truth truth = ER_TRUE;

    for (size_t i = 0; i < n; i++) {
        enum er_truth operand = holds(answers, operands[i]);

        if (operand == ER_TRUE) {
            return ER_FALSE;
        }
        truth = operand == ER_UNDECIDED ? ER_UNDECIDED : truth;
    }
    return truth;
}

static uint64_t now_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A run of a regex, counted; short ones are timed now and then and stand for the others. */
static enum er_truth run_regex(struct er_answers *answers, uint32_t id, const struct er_test *test)
{
    struct er_asker *asker = answers->asker;
    uint64_t weight = asker->value.text.n > TIMED_BYTES ? 1 : asker->runs % TIMED_RUNS == 0 ? TIMED_RUNS : 0;
    uint64_t start = weight > 0 ? now_ns() : 0;
    enum er_truth truth;

    start_budget(asker);
    asker->asking.ran = false;
    asker->asking.quarantined = false;
    truth = er_test_accepts(test, &asker->asking, &asker->value);
    if (asker->asking.ran && asker->counters != NULL) {
        asker->runs++;
        er_count_add(er_count_at(asker->counters->tests, id), 1, weight > 0 ? weight * (now_ns() - start) : 0);
    }
    if (asker->asking.quarantined && asker->counters != NULL) {
        (void)atomic_fetch_add_explicit(asker->counters->quarantined, 1, memory_order_relaxed);
    }
    return truth;
}

/* On the asker's value. */
static enum er_truth holds(struct er_answers *answers, uint32_t id)
{
    struct er_asker *asker = answers->asker;
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);

    if (!er_test_accepts_kind(test, asker->value.kind)) {
        return ER_FALSE;
    }
    if (test->op == ER_OP_SET) {
        return set_holds(answers, test);
    }
    if (test->op == ER_OP_BUT) {
        return but_holds(answers, test);
    }
    return test->op == ER_OP_REGEX ? run_regex(answers, id, test) : er_test_accepts(test, &asker->asking, &asker->value);
}

bool er_answers_is_over(struct er_answers *answers, const char **reason)
{
    struct er_asker *asker = answers->asker;

    start_budget(asker);
    if (!er_regex_scratch_charge(asker->asking.scratch, asker->uncharged)) {
        asker->uncharged = 0;
        return false;
    }
    asker->uncharged = ER_CHARGE_BYTES; /* what is spent is asked for each time */
    *reason = er_regex_scratch_reason(asker->asking.scratch);
    return true;
}

enum er_truth er_answers_value(struct er_answers *answers, uint32_t id, uint32_t field, const char **reason)
{
    struct er_asker *asker = answers->asker;
    enum er_truth truth;

    if (er_answers_charge(answers, answers->fields->items[field].text.n, reason)) {
        return ER_UNDECIDED;
    }
    er_scalar_set(&asker->value, answers->fields, field);
    truth = holds(answers, id);
    if (truth == ER_UNDECIDED) {
        *reason = asker->asking.reason;
    }
    return truth;
}

/* ---- the table of answers ---- */

void er_answers_fini(struct er_answers *answers)
{
    free(answers->items);
    free(answers->hits);
    free(answers->pending);
    *answers = (struct er_answers){ 0 };
}

/* A table of that size without answers in it. */
static bool make_items(struct er_answers *answers, uint32_t bits)
{
    struct er_answer *items = calloc((size_t)1 << bits, sizeof *items);

    if (items == NULL) {
        return false;
    }
    free(answers->items);
    answers->items = items;
    answers->items_bits = bits;
    answers->stamp = 1;
    return true;
}

static bool grow_items(struct er_answers *answers)
{
    struct er_answers old = *answers;

    answers->items = NULL;
    if (!make_items(answers, old.items_bits + 2)) {
        answers->items = old.items;
        return false;
    }
    for (uint32_t i = 0; i < 1u << old.items_bits; i++) {
        if (old.items[i].stamp == old.stamp) {
            struct er_answer *answer = er_answers_at(answers, old.items[i].test);

            *answer = old.items[i];
            answer->stamp = answers->stamp;
        }
    }
    free(old.items);
    return true;
}

/* The answer of a test that has none yet. NULL without memory. */
static struct er_answer *new_answer(struct er_answers *answers, uint32_t test)
{
    struct er_answer *answer;

    if (answers->n_items >= 1u << (answers->items_bits - 1) && !grow_items(answers)) {
        answers->no_memory = true;
        return NULL;
    }
    answers->n_items++;
    answer = er_answers_at(answers, test);
    *answer = (struct er_answer){ .stamp = answers->stamp, .test = test, .field = ER_NONE, .truth = ER_FALSE };
    return answer;
}

static bool begin_items(struct er_answers *answers)
{
    if (answers->items_bits > ITEMS_KEEP) {
        free(answers->items);
        answers->items = NULL;
    }
    answers->n_items = 0;
    if (answers->items == NULL) {
        return make_items(answers, ITEMS_FIRST);
    }
    if (++answers->stamp == 0) {
        memset(answers->items, 0, sizeof *answers->items << answers->items_bits);
        answers->stamp = 1;
    }
    return true;
}

/* ---- the event ---- */

/* Asks one test about one value; an accepted value or, failing that, an undecided one makes the answer, which is there. */
static enum er_truth ask(struct er_answers *answers, uint32_t id, uint32_t field)
{
    const char *reason;
    enum er_truth truth = er_answers_value(answers, id, field, &reason);

    if (truth != ER_FALSE) {
        struct er_answer *answer = er_answers_at(answers, id);

        answer->truth = (uint8_t)truth;
        if (truth == ER_UNDECIDED) {
            answer->reason = reason_index(answers->asker, reason);
        }
    }
    return truth;
}

/* Asks about all values at the test's path, until one is accepted or the time is over. Spent time alone is no reason to end: only an
 * undecided value says that the others were not looked at. */
static void ask_all(struct er_answers *answers, uint32_t id, uint32_t first)
{
    enum er_truth truth = ER_FALSE;

    for (uint32_t i = first; i != ER_NONE && truth != ER_TRUE; i = answers->fields->items[i].next) {
        truth = ask(answers, id, i);
        if (truth == ER_UNDECIDED && is_spent(answers->asker)) {
            return;
        }
    }
}

/* The answer of a test that probing names for the first time. NULL without memory. */
static struct er_answer *hit_answer(struct er_answers *answers, uint32_t test)
{
    if (answers->n_hits == answers->hits_capacity &&
        !er_grow_unset(&answers->hits, &answers->hits_capacity, sizeof *answers->hits, answers->n_hits)) {
        answers->no_memory = true;
        return NULL;
    }
    answers->hits[answers->n_hits++] = test;
    return new_answer(answers, test);
}

/* A test that is to be asked about a value, or ER_NONE: its path is to be searched. */
static void postpone(struct er_answers *answers, uint32_t test, uint32_t field)
{
    if (answers->n_pending == answers->pending_capacity &&
        !er_grow_unset(&answers->pending, &answers->pending_capacity, sizeof *answers->pending, answers->n_pending)) {
        answers->no_memory = true;
        return;
    }
    answers->pending[answers->n_pending++] = (struct er_pending){ test, field };
}

/* While there is nobody to ask: later. */
static bool hit_early(struct er_hits *hits, uint32_t test, bool sure)
{
    struct probe *probe = (struct probe *)hits;
    struct er_answers *answers = probe->answers;
    struct er_answer *answer;

    if (sure) {
        answer = er_answers_at(answers, test);
        if (answer->stamp != answers->stamp) {
            answer = hit_answer(answers, test);
        }
        if (answer != NULL) {
            answer->field = hits->field;
            answer->truth = ER_TRUE;
        }
        return true;
    }
    postpone(answers, test, hits->field);
    return false;
}

static bool hit(struct er_hits *hits, uint32_t test, bool sure)
{
    struct probe *probe = (struct probe *)hits;
    struct er_answers *answers = probe->answers;
    struct er_answer *answer = er_answers_at(answers, test);

    if (answer->stamp != answers->stamp) {
        answer = hit_answer(answers, test);
        if (answer == NULL) {
            return true;
        }
    }
    if (answer->truth != ER_TRUE && answer->field != hits->field) {
        answer->field = hits->field;
        if (sure) {
            answer->truth = ER_TRUE;
        } else {
            (void)ask(answers, test, hits->field);
        }
    }
    return answer->truth == ER_TRUE || (answer->truth == ER_UNDECIDED && is_spent(answers->asker));
}

/* ---- steps ---- */

void er_answers_find(struct er_answers *answers)
{
    const struct er_side *side = answers->side;

    struct er_lookups *lookups = &answers->lookups;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < lookups->n; i++) {
        size_t step = 0;
        uint32_t test = er_table_next(lookups->items[i].table, lookups->items[i].tag, &step);

        if (test != ER_NONE) { /* others are in vain */
            __builtin_prefetch(er_catalog_test(side->catalog, test));
            __builtin_prefetch(er_side_posting(side, test));
            if (kept != i) {
                lookups->items[kept] = lookups->items[i];
            }
            kept++;
        }
    }
    lookups->n = kept;
}

bool er_answers_begin(struct er_answers *answers, struct er_asker *asker, const struct er_side *side,
                      const struct er_fields *fields)
{
    struct probe probe = { .hits = { .hit = hit_early, .lookups = &answers->lookups }, .answers = answers };
    const struct er_path_index *path = NULL;
    uint32_t node = ER_NONE;

    answers->asker = asker;
    answers->side = side;
    answers->fields = fields;
    answers->n_hits = answers->n_pending = answers->n_candidates = 0;
    answers->several = false;
    answers->lookups.n = answers->lookups.used = 0;
    answers->no_memory = false;
    if (!begin_items(answers)) {
        return false;
    }
    asker->value.field = ER_NONE;
    asker->value.no_memory = false;
    for (probe.hits.field = 0; probe.hits.field < fields->n; probe.hits.field++) {
        const struct er_field *field = &fields->items[probe.hits.field];

        if (field->node != node) {
            node = field->node;
            path = er_index_path(&side->index, node);
        }
        if (probe.hits.field == STAGED_FIELDS) {
            probe.hits.at_once = true; /* what is so many is in the caches by now */
        }
        if (!field->dead && path != NULL) {
            er_scalar_set(&asker->value, fields, probe.hits.field);
            er_index_look(&side->index, path, &asker->value, &probe.hits);
            if ((path->kinds & ER_INDEX_SEARCHED) != 0) {
                postpone(answers, ER_NONE, probe.hits.field);
            }
        }
    }
    answers->no_memory = answers->no_memory || asker->value.no_memory;
    return !answers->no_memory;
}

/* A candidate to be: more of them would drive the memory of the first ones out. */
static void add_candidate(struct er_answers *answers, uint32_t posted)
{
    if (answers->n_candidates < ER_CANDIDATES) {
        answers->candidates[answers->n_candidates++] = posted & ER_POSTED_TERM;
        er_fetch_term(answers->side, answers->asker->counters, posted & ER_POSTED_TERM);
    }
}

void er_answers_hit(struct er_answers *answers)
{
    struct probe probe = { .hits = { .hit = hit_early, .lookups = &answers->lookups }, .answers = answers };

    er_index_found(&answers->side->index, &probe.hits);
    answers->n_single = 0;
    if (answers->side->terms_top <= CACHED_TERMS) {
        return;
    }
    for (uint32_t i = 0; i < answers->n_hits && i < ER_CANDIDATES; i++) {
        const struct er_idlist *terms = er_side_posting(answers->side, answers->hits[i]);
        uint32_t n = er_idlist_n(terms);

        if (n == 1) {
            add_candidate(answers, *er_idlist_ids(terms));
        } else if (n > 1) {
            answers->several = true;
            __builtin_prefetch(er_idlist_ids(terms));
        }
    }
    answers->n_single = answers->n_candidates;
}

void er_answers_fetch(struct er_answers *answers)
{
    for (uint32_t i = 0; i < answers->n_single; i++) {
        er_fetch_words(answers->side, answers->candidates[i]);
    }
    for (uint32_t i = 0; answers->several && i < answers->n_hits && i < ER_CANDIDATES; i++) {
        const struct er_idlist *terms = er_side_posting(answers->side, answers->hits[i]);
        uint32_t n = er_idlist_n(terms);

        for (uint32_t k = 0; n > 1 && k < n && k < FETCHED_TERMS; k++) {
            add_candidate(answers, er_idlist_ids(terms)[k]);
        }
    }
}

void er_answers_fetch_more(struct er_answers *answers)
{
    for (uint32_t i = 0; i < answers->n_single; i++) {
        er_fetch_tests(answers->side, answers->candidates[i]);
    }
    for (uint32_t i = answers->n_single; i < answers->n_candidates; i++) {
        er_fetch_words(answers->side, answers->candidates[i]);
    }
}

void er_answers_fetch_last(struct er_answers *answers)
{
    for (uint32_t i = answers->n_single; i < answers->n_candidates; i++) {
        er_fetch_tests(answers->side, answers->candidates[i]);
    }
}

/* ---- what takes longer ---- */

/* A number for a value or an event, never given before. */
static uint32_t next_value(struct er_asker *asker)
{
    if (++asker->number == 0) {
        memset(asker->marks, 0, asker->marks_capacity * sizeof *asker->marks);
        asker->number = 1;
    }
    return asker->number;
}

static bool reserve_marks(struct er_asker *asker, const struct er_side *side)
{
    uint32_t grams = side->index.gram_items.top;

    return grams == 0 || er_grow(&asker->marks, &asker->marks_capacity, sizeof *asker->marks, grams - 1);
}

/* Once per node: when the first of its list has its turn. */
static void probe_every(struct er_answers *answers, const struct er_idlist *tests, uint32_t node)
{
    for (uint32_t i = 0, n = er_idlist_n(tests); i < n; i++) {
        uint32_t test = er_idlist_ids(tests)[i];

        if (hit_answer(answers, test) != NULL) {
            ask_all(answers, test, er_fields_first(answers->fields, node));
        }
    }
}

/* Literals in a value, and the tests without a key. */
static void search(struct er_answers *answers, struct probe *probe)
{
    struct er_asker *asker = answers->asker;
    uint32_t field = probe->hits.field, node = answers->fields->items[field].node;
    const struct er_path_index *path = er_index_path(&answers->side->index, node);

    if (path->gram_lengths != 0) {
        probe->hits.value = next_value(asker);
        er_scalar_set(&asker->value, answers->fields, field);
        er_index_search(&answers->side->index, path, &asker->value, &probe->hits);
    }
    if (path->every.u.word != 0 && er_fields_first(answers->fields, node) == field) {
        probe_every(answers, &path->every, node);
    }
}

bool er_answers_finish(struct er_answers *answers)
{
    struct er_asker *asker = answers->asker;
    struct probe probe = { .hits = { .hit = hit }, .answers = answers };

    asker->budget_started = false;
    asker->uncharged = 0;
    asker->value.field = ER_NONE;
    asker->value.no_memory = false;
    if (answers->spent_ns > 0) {
        start_budget(asker);
        er_regex_scratch_spend(asker->asking.scratch, answers->spent_ns);
        asker->uncharged = is_spent(asker) ? ER_CHARGE_BYTES : 0;
    }
    if (answers->n_pending > 0) {
        if (!reserve_marks(asker, answers->side)) {
            return false;
        }
        probe.hits.marks = asker->marks;
        probe.hits.event = next_value(asker);
    }
    for (uint32_t i = 0; i < answers->n_pending; i++) {
        probe.hits.field = answers->pending[i].field;
        if (answers->pending[i].test == ER_NONE) {
            search(answers, &probe);
        } else {
            (void)hit(&probe.hits, answers->pending[i].test, false);
        }
    }
    return !answers->no_memory && !asker->value.no_memory;
}

enum er_truth er_answers_ask(struct er_answers *answers, uint32_t id)
{
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);
    const struct er_field *items = answers->fields->items;
    uint32_t first = er_fields_first(answers->fields, test->node);
    const struct er_answer *answer;

    if (test->op == ER_OP_PRESENT || test->op == ER_OP_ABSENT) {
        return (first != ER_NONE) == (test->op == ER_OP_PRESENT) ? ER_TRUE : ER_FALSE;
    }
    if (first == ER_NONE) {
        return ER_FALSE;
    }
    if (test->op == ER_OP_EXACT && items[first].next == ER_NONE) { /* sooner compared than looked for */
        return er_test_accepts_kind(test, items[first].kind) && er_str_eq(items[first].text, test->text) ? ER_TRUE : ER_FALSE;
    }
    if (er_side_posted(answers->side, id) > 0) {
        return ER_FALSE;
    }
    if (new_answer(answers, id) == NULL) {
        return ER_UNDECIDED;
    }
    ask_all(answers, id, first);
    answer = er_answers_at(answers, id);
    return (enum er_truth)answer->truth;
}

const char *er_answers_reason(const struct er_answers *answers, uint32_t test)
{
    return answers->asker->reasons[er_answers_at(answers, test)->reason];
}
