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
static void ask(struct er_answers *answers, uint32_t id, uint32_t field)
{
    const struct er_test *test = er_catalog_test(answers->side->catalog, id);
    struct er_answer *answer = &answers->items[id];
    enum er_truth truth;

    if (test->op == ER_OP_REGEX && !answers->budget_started) {
        er_regex_scratch_begin_event(answers->scratch);
        answers->budget_started = true;
    }
    truth = er_test_accepts(test, answers->scratch, answers->fields->items[field].text);
    if (truth == ER_UNDECIDED) {
        answer->reason = reason_index(answers, er_regex_scratch_reason(answers->scratch));
    }
    if (truth != ER_FALSE) {
        answer->truth = (uint8_t)truth;
    }
}

static void hit(struct er_hits *hits, uint32_t test, bool sure)
{
    struct probe *probe = (struct probe *)hits;
    struct er_answers *answers = probe->answers;
    struct er_answer *answer = &answers->items[test];

    if (answer->stamp != answers->stamp) {
        *answer = (struct er_answer){ .stamp = answers->stamp, .field = ER_NONE, .truth = ER_FALSE };
        if (!er_idlist_add(&answers->hits, test)) {
            answers->no_memory = true;
        }
    }
    if (answer->truth == ER_TRUE || answer->field == probe->field) {
        return;
    }
    answer->field = probe->field;
    if (sure) {
        answer->truth = ER_TRUE;
    } else {
        ask(answers, test, probe->field);
    }
}

bool er_answers_begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields)
{
    struct probe probe = { .hits = { hit }, .answers = answers };

    if (side->tests_capacity > 0 &&
        !er_grow(&answers->items, &answers->capacity, sizeof *answers->items, side->tests_capacity - 1)) {
        return false;
    }
    if (++answers->stamp == 0) {
        memset(answers->items, 0, answers->capacity * sizeof *answers->items);
        answers->stamp = 1;
    }
    answers->side = side;
    answers->fields = fields;
    answers->hits.n = 0;
    answers->budget_started = false;
    answers->no_memory = false;
    for (probe.field = 0; probe.field < fields->n; probe.field++) {
        const struct er_field *field = &fields->items[probe.field];

        if (!field->dead && er_index_has(&side->index, field->node)) {
            er_index_probe(&side->index, field->node, field->text, &probe.hits);
        }
    }
    return !answers->no_memory;
}

enum er_truth er_answers_of(struct er_answers *answers, uint32_t test)
{
    struct er_answer *answer = &answers->items[test];

    if (answer->stamp == answers->stamp) {
        return (enum er_truth)answer->truth;
    }
    *answer = (struct er_answer){ .stamp = answers->stamp, .field = ER_NONE, .truth = ER_FALSE };
    if (answers->side->tests[test].terms.n == 0) {
        uint32_t node = er_catalog_test(answers->side->catalog, test)->node;

        for (uint32_t i = er_fields_first(answers->fields, node); i != ER_NONE && answer->truth != ER_TRUE;
             i = answers->fields->items[i].next) {
            ask(answers, test, i);
        }
    }
    return (enum er_truth)answer->truth;
}

const char *er_answers_reason(const struct er_answers *answers, uint32_t test)
{
    return answers->reasons[answers->items[test].reason];
}
