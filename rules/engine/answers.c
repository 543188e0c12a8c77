#include "rules/engine/answers.h"

#include <stdlib.h>
#include <time.h>

#define TIMED_RUNS 16u    /* one of so many runs of a regex is timed */
#define TIMED_BYTES 2048u /* longer values always are */

/* The probing of one field. */
struct probe {
    struct er_hits hits; /* first: the index knows only this part */
    struct er_answers *answers;
    uint32_t field;
};

enum er_code er_answers_init(struct er_answers *answers, const struct er_regex_limits *limits, struct er_err *err)
{
    *answers = (struct er_answers){ .asking = { .scratch = er_regex_scratch_new(limits) } };
    return answers->asking.scratch != NULL ? ER_OK : er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
}

void er_answers_fini(struct er_answers *answers)
{
    er_regex_scratch_free(answers->asking.scratch);
    er_scalar_fini(&answers->value);
    free(answers->hits);
    er_pages_fini(&answers->items);
    free(answers->marks);
    *answers = (struct er_answers){ 0 };
}

static struct er_answer *answer_at(const struct er_answers *answers, uint32_t test)
{
    return er_pages_at(&answers->items, test, struct er_answer);
}

static uint8_t reason_index(struct er_answers *answers, const char *reason)
{
    uint8_t i = 0;

    while (i < ER_REASONS - 1 && answers->reasons[i] != NULL && answers->reasons[i] != reason) {
        i++;
    }
    answers->reasons[i] = reason;
    return i;
}

/* ---- one value ---- */

static enum er_truth holds(struct er_answers *answers, uint32_t id);

/* One of the members accepts; the table finds those that may. */
static enum er_truth set_holds(struct er_answers *answers, const struct er_test *set)
{
    const struct er_catalog *catalog = answers->side->catalog;
    bool number = answers->value.kind == ER_FIELD_NUMBER;
    uint64_t hash = er_catalog_hash(catalog, number ? er_scalar_key(&answers->value) : answers->value.text);
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
    uint64_t weight = answers->value.text.n > TIMED_BYTES ? 1 : answers->runs % TIMED_RUNS == 0 ? TIMED_RUNS : 0;
    uint64_t start = weight > 0 ? now_ns() : 0;
    enum er_truth truth;

    answers->asking.ran = false;
    answers->asking.quarantined = false;
    truth = er_test_accepts(test, &answers->asking, &answers->value);
    if (answers->asking.ran && answers->counters != NULL) {
        answers->runs++;
        er_count_add(er_count_at(answers->counters->tests, id), 1, weight > 0 ? weight * (now_ns() - start) : 0);
    }
    if (answers->asking.quarantined && answers->counters != NULL) {
        (void)atomic_fetch_add_explicit(answers->counters->quarantined, 1, memory_order_relaxed);
    }
    return truth;
}

/* On answers->value. */
static enum er_truth holds(struct er_answers *answers, uint32_t id)
{
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);

    if (!er_test_accepts_kind(test, answers->value.kind)) {
        return ER_FALSE;
    }
    if (test->op == ER_OP_SET) {
        return set_holds(answers, test);
    }
    if (test->op == ER_OP_BUT) {
        return but_holds(answers, test);
    }
    return test->op == ER_OP_REGEX ? run_regex(answers, id, test) : er_test_accepts(test, &answers->asking, &answers->value);
}

bool er_answers_charge(struct er_answers *answers, size_t bytes, const char **reason)
{
    if (!answers->budget_started) {
        er_regex_scratch_begin_event(answers->asking.scratch);
        answers->budget_started = true;
    }
    if (!er_regex_scratch_charge(answers->asking.scratch, bytes)) {
        return false;
    }
    *reason = er_regex_scratch_reason(answers->asking.scratch);
    return true;
}

enum er_truth er_answers_value(struct er_answers *answers, uint32_t id, uint32_t field, const char **reason)
{
    enum er_truth truth;

    if (er_answers_charge(answers, answers->fields->items[field].text.n, reason)) {
        return ER_UNDECIDED;
    }
    er_scalar_set(&answers->value, answers->fields, field);
    truth = holds(answers, id);
    if (truth == ER_UNDECIDED) {
        *reason = answers->asking.reason;
    }
    return truth;
}

/* ---- the event ---- */

/* Asks one test about one value; an accepted value or, failing that, an undecided one makes the answer. */
static enum er_truth ask(struct er_answers *answers, uint32_t id, uint32_t field)
{
    struct er_answer *answer = answer_at(answers, id);
    const char *reason;
    enum er_truth truth = er_answers_value(answers, id, field, &reason);

    if (truth == ER_UNDECIDED) {
        answer->reason = reason_index(answers, reason);
    }
    if (truth != ER_FALSE) {
        answer->truth = (uint8_t)truth;
    }
    return truth;
}

static bool is_spent(const struct er_answers *answers)
{
    return answers->budget_started && er_regex_scratch_spent(answers->asking.scratch);
}

/* Asks about all values at the test's path, until one is accepted or the time is over. */
static void ask_all(struct er_answers *answers, uint32_t id, uint32_t first)
{
    for (uint32_t i = first; i != ER_NONE; i = answers->fields->items[i].next) {
        if (ask(answers, id, i) == ER_TRUE || is_spent(answers)) {
            return;
        }
    }
}

/* The answer in a state that belongs to this event. */
static struct er_answer *fresh_answer(struct er_answers *answers, uint32_t test)
{
    struct er_answer *answer = answer_at(answers, test);

    *answer = (struct er_answer){ .stamp = answers->stamp, .field = ER_NONE, .truth = ER_FALSE };
    return answer;
}

static struct er_answer *hit_answer(struct er_answers *answers, uint32_t test)
{
    if (answers->n_hits == answers->hits_capacity &&
        !er_grow(&answers->hits, &answers->hits_capacity, sizeof *answers->hits, answers->n_hits)) {
        answers->no_memory = true;
    } else {
        answers->hits[answers->n_hits++] = test;
    }
    return fresh_answer(answers, test);
}

static bool hit(struct er_hits *hits, uint32_t test, bool sure)
{
    struct probe *probe = (struct probe *)hits;
    struct er_answers *answers = probe->answers;
    struct er_answer *answer = answer_at(answers, test);

    if (answer->stamp != answers->stamp) {
        answer = hit_answer(answers, test);
    }
    if (answer->truth != ER_TRUE && answer->field != probe->field) {
        answer->field = probe->field;
        if (sure) {
            answer->truth = ER_TRUE;
        } else {
            (void)ask(answers, test, probe->field);
        }
    }
    return answer->truth == ER_TRUE || (answer->truth == ER_UNDECIDED && is_spent(answers));
}

static bool reserve(struct er_answers *answers, const struct er_side *side)
{
    uint32_t grams = side->index.gram_items.top;

    return er_pages_reserve_all(&answers->items, sizeof(struct er_answer), side->tests_top) &&
           (grams == 0 || er_grow(&answers->marks, &answers->marks_capacity, sizeof *answers->marks, grams - 1));
}

static void begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields)
{
    if (++answers->stamp == 0) {
        er_pages_clear(&answers->items, sizeof(struct er_answer));
        answers->stamp = 1;
    }
    answers->side = side;
    answers->fields = fields;
    answers->n_hits = 0;
    answers->budget_started = false;
    answers->no_memory = false;
    answers->value.field = ER_NONE;
    answers->value.no_memory = false;
}

/* A number for a value or an event, never given before. */
static uint32_t next_value(struct er_answers *answers)
{
    if (++answers->number == 0) {
        memset(answers->marks, 0, answers->marks_capacity * sizeof *answers->marks);
        answers->number = 1;
    }
    return answers->number;
}

/* Once per node: when the first of its list has its turn. */
static void probe_every(struct er_answers *answers, const struct er_idlist *tests, uint32_t node)
{
    for (uint32_t i = 0, n = er_idlist_n(tests); i < n; i++) {
        uint32_t test = er_idlist_ids(tests)[i];

        (void)hit_answer(answers, test);
        ask_all(answers, test, er_fields_first(answers->fields, node));
    }
}

/* Of hits but the last, whose posting may still be on its way: asks for what verifying will read. */
static uint32_t prefetch_terms(const struct er_answers *answers, uint32_t fetched)
{
    for (; fetched + 1 < answers->n_hits; fetched++) {
        const struct er_idlist *terms = er_side_posting(answers->side, answers->hits[fetched]);

        if (er_idlist_n(terms) == 1) {
            uint32_t term = *er_idlist_ids(terms) & ER_POSTED_TERM;

            __builtin_prefetch(er_catalog_term(answers->side->catalog, term));
            __builtin_prefetch(er_side_subs(answers->side, term));
        }
    }
    return fetched;
}

bool er_answers_begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields)
{
    struct probe probe = { .hits = { .hit = hit }, .answers = answers };
    uint32_t fetched = 0;

    if (!reserve(answers, side)) {
        return false;
    }
    begin(answers, side, fields);
    probe.hits.marks = answers->marks;
    probe.hits.answers = &answers->items;
    probe.hits.postings = &side->postings;
    probe.hits.event = next_value(answers);
    for (probe.field = 0; probe.field < fields->n; probe.field++) {
        const struct er_field *field = &fields->items[probe.field];
        const struct er_path_index *path = er_index_path(&side->index, field->node);

        if (field->dead || path == NULL) {
            continue;
        }
        probe.hits.value = next_value(answers);
        er_scalar_set(&answers->value, fields, probe.field);
        er_index_probe(&side->index, field->node, &answers->value, &probe.hits);
        fetched = prefetch_terms(answers, fetched);
        if (path->every.u.word != 0 && er_fields_first(fields, field->node) == probe.field) {
            probe_every(answers, &path->every, field->node);
        }
    }
    return !answers->no_memory && !answers->value.no_memory;
}

/* A test that is not in the index. */
static void ask_now(struct er_answers *answers, uint32_t id)
{
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);
    uint32_t first = er_fields_first(answers->fields, test->node);

    if (test->op == ER_OP_PRESENT || test->op == ER_OP_ABSENT) {
        answer_at(answers, id)->truth = (first != ER_NONE) == (test->op == ER_OP_PRESENT) ? ER_TRUE : ER_FALSE;
    } else {
        ask_all(answers, id, first);
    }
}

enum er_truth er_answers_of(struct er_answers *answers, uint32_t test)
{
    const struct er_answer *answer = answer_at(answers, test);

    if (answer->stamp != answers->stamp) {
        answer = fresh_answer(answers, test);
        if (er_side_posted(answers->side, test) == 0) {
            ask_now(answers, test);
        }
    }
    return (enum er_truth)answer->truth;
}

const char *er_answers_reason(const struct er_answers *answers, uint32_t test)
{
    return answers->reasons[answer_at(answers, test)->reason];
}
