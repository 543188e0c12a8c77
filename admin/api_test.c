/* POST /v1/test: one subscription, stored or not, against events. Nothing is stored. */
#include <stdlib.h>
#include <time.h>

#include "admin/event_body.h"
#include "admin/routes.h"
#include "admin/stored_rule.h"
#include "rules/engine/explain.h"

enum { MAX_EVENTS = 10000, ANSWER_BYTES = 8 << 20 };
static const uint64_t piece_ns = 20000000;

/* What is done piece by piece. */
struct testing {
    struct er_explainer *explainer;
    struct er_record record; /* the envelope of every event */
    const struct er_json *next;
    size_t index;
    struct er_json_writer w;
};

static void testing_free(void *work)
{
    struct testing *testing = work;

    er_explainer_free(testing->explainer);
    free(testing);
}

static uint64_t thread_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the subscription */

static void read_document(struct er_call *call, const struct er_json *document)
{
    const struct er_rule_source source = { .document = document,
                                           .document_bytes = document->end - document->offset,
                                           .pointer = ER_STR("/subscription"),
                                           .default_id = ER_STR("test"),
                                           .default_subscriber = ER_STR("test") };

    if (er_rule_read(&source, &call->api->env->policy->limits, &call->rules[0], &call->problems, &call->warnings) == ER_E_NOMEM) {
        call->problems.no_memory = true;
    }
}

static enum er_code read_subscription(struct er_call *call, struct er_err *err)
{
    const struct er_json *subscription = er_json_member(call->body, ER_STR("subscription"));

    call->rules = er_arena_calloc(call->arena, 1, sizeof *call->rules);
    if (call->rules == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    call->n_rules = 1;
    if (subscription == NULL) {
        er_problems_add(&call->problems, ER_E_RULE_REQUIRED, ER_STR("/subscription"), ER_NO_OFFSET,
                        "give a document, or the id of a stored subscription", "the member \"subscription\" is missing");
    } else if (subscription->type == ER_JSON_STRING) {
        return er_stored_rule(call->api->env->store, subscription->text, call->arena, &call->rules[0], err);
    } else {
        read_document(call, subscription);
    }
    return ER_OK;
}

static const struct er_json *read_events(struct er_call *call)
{
    const struct er_json *events = er_json_member(call->body, ER_STR("events"));

    if (events == NULL || events->type != ER_JSON_ARRAY) {
        er_problems_add(&call->problems, events == NULL ? ER_E_RULE_REQUIRED : ER_E_RULE_TYPE, ER_STR("/events"), ER_NO_OFFSET,
                        "give an array of events, each as JSON", "%s",
                        events == NULL ? "the member \"events\" is missing" : "expected an array");
        return NULL;
    }
    if (events->n > MAX_EVENTS) {
        er_problems_add(&call->problems, ER_E_RULE_LIMIT, ER_STR("/events"), ER_NO_OFFSET, "send fewer at a time",
                        "there are %zu events, at most %d are allowed", events->n, MAX_EVENTS);
    }
    return events;
}

/* ---- events */

static enum er_code test_event(struct er_call *call, struct testing *testing, struct er_err *err)
{
    struct er_explanation explanation;
    struct er_json_writer *w = &testing->w;
    enum er_code code;

    testing->record.value = er_event_body_text(call, testing->next);
    testing->record.has_value = true;
    code = er_explainer_read(testing->explainer, &testing->record, err);
    if (code == ER_E_NOMEM) {
        return code;
    }
    er_jw_object(w);
    er_jw_member_uint(w, "event", testing->index);
    er_jw_member_error(w, code, err);
    if (code == ER_OK) {
        code = er_explainer_run(testing->explainer, call->rules[0], &explanation, err);
        if (code != ER_OK) {
            return code;
        }
        er_jw_member_bool(w, "matched", explanation.truth == ER_TRUE);
        er_explanation_write(testing->explainer, &explanation, w);
    } else {
        er_jw_member_bool(w, "matched", false);
    }
    er_jw_end(w);
    testing->next = testing->next->next;
    testing->index++;
    return ER_OK;
}

static bool step(struct er_call *call)
{
    struct testing *testing = call->work;
    uint64_t start = thread_ns();
    struct er_err err;

    while (testing->next != NULL && call->reply.body.n < ANSWER_BYTES) {
        enum er_code code = test_event(call, testing, &err);

        if (code != ER_OK) {
            er_reply_free(&call->reply);
            er_call_refuse(call, code, &err);
            return true;
        }
        if (thread_ns() - start > piece_ns) {
            return false;
        }
    }
    er_jw_end(&testing->w);
    er_jw_member_bool(&testing->w, "truncated", testing->next != NULL);
    er_jw_end(&testing->w);
    er_call_finish(call);
    return true;
}

static void begin(struct er_call *call, struct testing *testing)
{
    struct er_json_writer *w = &testing->w;
    const struct er_rule *rule = call->rules[0];

    er_reply_json(&call->reply, 200, w);
    er_jw_object(w);
    er_jw_member_string(w, "subscription", rule->id);
    er_jw_member_string(w, "subscriber", rule->subscriber);
    er_jw_key(w, ER_STR("warnings"));
    er_problems_write(&call->warnings, w);
    er_jw_key(w, ER_STR("items"));
    er_jw_array(w);
    er_call_run(call, step);
}

void er_api_test(struct er_call *call)
{
    static const char *const others[] = { "subscription", "events", NULL };
    const struct er_event_body body = { others, false };
    struct testing *testing = calloc(1, sizeof *testing);
    const struct er_json *events;
    struct er_err err;
    enum er_code code;

    if (testing == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return;
    }
    call->work = testing;
    call->work_free = testing_free;
    if (!er_call_read_body(call, 2)) {
        return;
    }
    er_event_body_read(call, &body, &testing->record);
    code = read_subscription(call, &err);
    events = read_events(call);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    if (er_event_body_refused(call)) {
        return;
    }
    testing->next = events->first;
    code = er_explainer_new(er_ruleset_options(call->api->env->ruleset), &testing->explainer, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    begin(call, testing);
}
