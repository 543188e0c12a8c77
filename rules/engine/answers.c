#include "rules/engine/answers.h"

#include <stdlib.h>

/* The probing of one field. */
struct probe {
    struct er_hits hits; /* first: the index knows only this part */
    struct er_answers *answers;
    uint32_t field;
};

enum er_code er_answers_init(struct er_answers *answers, const struct er_regex_limits *limits, struct er_err *err)
{
    *answers = (struct er_answers){ .scratch = er_regex_scratch_new(limits) };
    return answers->scratch != NULL ? ER_OK : er_err_set(err, ER_E_NOMEM, "out of memory for a matcher");
}

void er_answers_fini(struct er_answers *answers)
{
    er_regex_scratch_free(answers->scratch);
    er_idlist_fini(&answers->hits);
    free(answers->items);
    free(answers->marks);
    *answers = (struct er_answers){ 0 };
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

/* Asks one test about one value; an accepted value or, failing that, an undecided one makes the answer. */
static enum er_truth ask(struct er_answers *answers, uint32_t id, uint32_t field)
{
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);
    struct er_str value = answers->fields->items[field].text;
    struct er_answer *answer = &answers->items[id];
    enum er_truth truth;

    if (!answers->budget_started) {
        er_regex_scratch_begin_event(answers->scratch);
        answers->budget_started = true;
    }
    truth = er_regex_scratch_charge(answers->scratch, value.n) ? ER_UNDECIDED : er_test_accepts(test, answers->scratch, value);
    if (truth == ER_UNDECIDED) {
        answer->reason = reason_index(answers, er_regex_scratch_reason(answers->scratch));
    }
    if (truth != ER_FALSE) {
        answer->truth = (uint8_t)truth;
    }
    return truth;
}

/* Asks about all values at the test's path, until one is accepted or the time is over. */
static void ask_all(struct er_answers *answers, uint32_t id, uint32_t first)
{
    for (uint32_t i = first; i != ER_NONE; i = answers->fields->items[i].next) {
        enum er_truth truth = ask(answers, id, i);

        if (truth == ER_TRUE || (truth == ER_UNDECIDED && er_regex_scratch_charge(answers->scratch, 0))) {
            return;
        }
    }
}

/* The answer in a state that belongs to this event. */
static struct er_answer *fresh_answer(struct er_answers *answers, uint32_t test)
{
    struct er_answer *answer = &answers->items[test];

    *answer = (struct er_answer){ .stamp = answers->stamp, .field = ER_NONE, .truth = ER_FALSE };
    return answer;
}

static struct er_answer *hit_answer(struct er_answers *answers, uint32_t test)
{
    __builtin_prefetch(&answers->side->tests[test]); /* read when the probing is through */
    if (!er_idlist_add(&answers->hits, test)) {
        answers->no_memory = true;
    }
    return fresh_answer(answers, test);
}

static bool hit(struct er_hits *hits, uint32_t test, bool sure)
{
    struct probe *probe = (struct probe *)hits;
    struct er_answers *answers = probe->answers;
    struct er_answer *answer = &answers->items[test];

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
    return answer->truth == ER_TRUE || (answer->truth == ER_UNDECIDED && er_regex_scratch_charge(answers->scratch, 0));
}

static bool reserve(struct er_answers *answers, const struct er_side *side)
{
    uint32_t grams = side->index.gram_items.top;

    return (side->tests_capacity == 0 ||
            er_grow(&answers->items, &answers->capacity, sizeof *answers->items, side->tests_capacity - 1)) &&
           (grams == 0 || er_grow(&answers->marks, &answers->marks_capacity, sizeof *answers->marks, grams - 1));
}

static void begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields)
{
    if (++answers->stamp == 0) {
        memset(answers->items, 0, answers->capacity * sizeof *answers->items);
        answers->stamp = 1;
    }
    answers->side = side;
    answers->fields = fields;
    answers->hits.n = 0;
    answers->budget_started = false;
    answers->no_memory = false;
}

/* A number for a value or an event, never given before. */
static uint32_t next_value(struct er_answers *answers)
{
    if (++answers->value == 0) {
        memset(answers->marks, 0, answers->marks_capacity * sizeof *answers->marks);
        answers->value = 1;
    }
    return answers->value;
}

/* Once per node: its last value is the first of its list. */
static void probe_every(struct er_answers *answers, uint32_t node)
{
    const struct er_idlist *tests = er_index_every(&answers->side->index, node);

    for (uint32_t i = 0; i < tests->n; i++) {
        uint32_t test = er_idlist_ids(tests)[i];

        (void)hit_answer(answers, test);
        ask_all(answers, test, er_fields_first(answers->fields, node));
    }
}

bool er_answers_begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields)
{
    struct probe probe = { .hits = { .hit = hit }, .answers = answers };

    if (!reserve(answers, side)) {
        return false;
    }
    begin(answers, side, fields);
    probe.hits.marks = answers->marks;
    probe.hits.event = next_value(answers);
    for (probe.field = 0; probe.field < fields->n; probe.field++) {
        const struct er_field *field = &fields->items[probe.field];

        if (field->dead || !er_index_has(&side->index, field->node)) {
            continue;
        }
        probe.hits.value = next_value(answers);
        er_index_probe(&side->index, field->node, field->text, &probe.hits);
        if (er_fields_first(fields, field->node) == probe.field) {
            probe_every(answers, field->node);
        }
    }
    return !answers->no_memory;
}

enum er_truth er_answers_of(struct er_answers *answers, uint32_t test)
{
    const struct er_answer *answer = &answers->items[test];

    if (answer->stamp != answers->stamp) {
        answer = fresh_answer(answers, test);
        if (answers->side->tests[test].terms.n == 0) {
            ask_all(answers, test, er_fields_first(answers->fields, er_catalog_test(answers->side->catalog, test)->node));
        }
    }
    return (enum er_truth)answer->truth;
}

const char *er_answers_reason(const struct er_answers *answers, uint32_t test)
{
    return answers->reasons[answers->items[test].reason];
}
