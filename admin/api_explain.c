/* POST /v1/explain: what routing does with one event, and why.
 *
 * DESIGN  a matcher of its own says which subscriptions accept the event, are undecided, or miss it by the fewest conditions; the store has
 * their documents, and the explainer shows the conditions. All in pieces on the main thread; the matcher is pinned only inside of one.
 *
 *     survey (matches, near misses, in pieces over very many rules) -> items, one after the other -> answer
 */
#include <stdlib.h>
#include <time.h>

#include "admin/event_body.h"
#include "admin/routes.h"
#include "admin/stored_rule.h"
#include "rules/engine/explain.h"
#include "rules/engine/match.h"

enum { DEFAULT_LIMIT = 100, MAX_LIMIT = 1000, ANSWER_BYTES = 8 << 20, DISABLED_ROWS = 2000 };
static const uint64_t piece_ns = 20000000, survey_ns = 1000000000;

enum rank { RANK_MATCHED, RANK_UNDECIDED, RANK_FAILED, RANK_DISABLED };

struct candidate {
    struct er_str id; /* in the call's arena */
    enum rank rank;
    uint32_t failed;
};

struct explaining {
    struct er_record record;
    struct er_matcher *matcher;
    struct er_explainer *explainer;
    struct er_str only; /* p = NULL: all */
    size_t limit;

    /* Survey. */
    struct candidate *items; /* limit of them, in the order of the answer */
    size_t n, decided;       /* of the latter, matched and undecided */
    size_t matched, undecided, subscriptions;
    uint64_t revision, spent_ns;
    uint32_t from;
    bool begun, surveyed, complete;

    /* Answer. */
    struct er_json_writer w;
    bool writing;
    size_t at;
};

static void explaining_free(void *work)
{
    struct explaining *e = work;

    er_matcher_free(e->matcher);
    er_explainer_free(e->explainer);
    free(e);
}

static uint64_t thread_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory for an explanation");
}

/* ---- survey */

static bool nearer(const struct candidate *a, const struct candidate *b)
{
    return a->failed != b->failed ? a->failed < b->failed : er_str_cmp(a->id, b->id) < 0;
}

/* Near misses keep their order behind what is decided; the list never has more than limit. */
static bool add(struct er_call *call, struct explaining *e, struct candidate candidate)
{
    size_t at = e->n;

    if (e->n == e->limit) {
        if (e->decided == e->limit || candidate.rank != RANK_FAILED || !nearer(&candidate, &e->items[e->n - 1])) {
            return true;
        }
        at = e->n - 1;
    } else {
        e->n++;
    }
    candidate.id = er_arena_dup(call->arena, candidate.id);
    if (candidate.id.p == NULL) {
        return false;
    }
    for (; candidate.rank == RANK_FAILED && at > e->decided && nearer(&candidate, &e->items[at - 1]); at--) {
        e->items[at] = e->items[at - 1];
    }
    e->items[at] = candidate;
    return true;
}

static bool has_id(const struct er_str *ids, size_t n, struct er_str id)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = er_str_cmp(ids[middle], id);

        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static bool add_ids(struct er_call *call, struct explaining *e, const struct er_str *ids, size_t n, enum rank rank)
{
    for (size_t i = 0; i < n && e->n < e->limit; i++) {
        if (!add(call, e, (struct candidate){ .id = ids[i], .rank = rank })) {
            return false;
        }
    }
    return true;
}

/* The one that is asked for is as routing says, or it failed. */
static bool take_one(struct er_call *call, struct explaining *e, const struct er_str *matched, const struct er_str *undecided)
{
    enum rank rank = has_id(matched, e->matched, e->only)       ? RANK_MATCHED
                     : has_id(undecided, e->undecided, e->only) ? RANK_UNDECIDED
                                                                : RANK_FAILED;

    e->surveyed = e->complete = true;
    return add(call, e, (struct candidate){ .id = e->only, .rank = rank });
}

/* Begins the survey, also anew when the rules have changed in between. */
static enum er_code take_decided(struct er_call *call, struct explaining *e, struct er_err *err)
{
    const struct er_str *matched = er_matcher_matched_ids(e->matcher, &e->matched);
    const struct er_str *undecided = er_matcher_undecided_ids(e->matcher, &e->undecided);
    struct er_ruleset_stats stats;

    if ((matched == NULL && e->matched > 0) || (undecided == NULL && e->undecided > 0)) {
        return no_memory(err);
    }
    er_ruleset_stats(call->api->env->ruleset, &stats);
    e->subscriptions = stats.subscriptions;
    e->n = e->from = 0;
    e->begun = true;
    if (e->only.p != NULL) {
        return take_one(call, e, matched, undecided) ? ER_OK : no_memory(err);
    }
    if (!add_ids(call, e, matched, e->matched, RANK_MATCHED) || !add_ids(call, e, undecided, e->undecided, RANK_UNDECIDED)) {
        return no_memory(err);
    }
    e->decided = e->n;
    return ER_OK;
}

static enum er_code take_near(struct er_call *call, struct explaining *e, struct er_err *err)
{
    const struct er_near_piece piece = { .limit = e->limit, .time_ns = piece_ns, .from = e->from };
    struct er_near_list list;
    size_t n;
    const struct er_str *undecided = er_matcher_undecided_ids(e->matcher, &n);
    enum er_code code = er_matcher_near_piece(e->matcher, &piece, &list, err);

    for (size_t i = 0; code == ER_OK && i < list.n; i++) {
        const struct er_near *near = &list.items[i];

        if (!has_id(undecided, n, near->subscription) &&
            !add(call, e, (struct candidate){ .id = near->subscription, .rank = RANK_FAILED, .failed = near->failed })) {
            code = no_memory(err);
        }
    }
    e->from = list.next;
    e->complete = list.complete;
    return code;
}

/* Pinned. */
static enum er_code survey(struct er_call *call, struct explaining *e, uint64_t revision, struct er_err *err)
{
    struct er_match match;
    enum er_code code = er_matcher_match(e->matcher, &e->record, &match, err);

    if (code == ER_OK && (!e->begun || e->revision != revision)) {
        e->revision = revision;
        code = take_decided(call, e, err);
    }
    if (code == ER_OK && e->decided == e->limit) {
        e->surveyed = true; /* nothing else is shown */
        e->complete = true;
    }
    if (code == ER_OK && !e->surveyed) {
        code = take_near(call, e, err);
    }
    return code;
}

struct disabled {
    struct er_call *call;
    size_t rows;
    bool no_memory;
};

static bool add_disabled(void *ctx, const struct er_store_subscription *row)
{
    struct disabled *disabled = ctx;
    struct explaining *e = disabled->call->work;

    if (!row->enabled && !add(disabled->call, e, (struct candidate){ .id = row->id, .rank = RANK_DISABLED })) {
        disabled->no_memory = true;
    }
    return !disabled->no_memory && e->n < e->limit && ++disabled->rows < DISABLED_ROWS;
}

/* Where there is room left, those that are not active are shown too. */
static enum er_code take_disabled(struct er_call *call, struct explaining *e, struct er_err *err)
{
    const struct er_store_filter filter = { .q = { NULL, 0 } };
    struct disabled disabled = { .call = call };
    enum er_code code = ER_OK;

    if (e->only.p == NULL && e->n < e->limit) {
        code = er_store_each_subscription(call->api->env->store, &filter, add_disabled, &disabled, err);
    }
    return code == ER_OK && disabled.no_memory ? no_memory(err) : code;
}

/* ---- answer */

static void write_head(struct er_call *call, struct explaining *e, enum er_code code, const struct er_err *err)
{
    struct er_json_writer *w = &e->w;

    e->writing = true;
    er_reply_json(&call->reply, 200, w);
    er_jw_object(w);
    er_jw_member_uint(w, "revision", e->revision);
    er_jw_member_error(w, code, err);
    er_event_write_text(w, "type", code == ER_OK ? er_explainer_type(e->explainer) : (struct er_str){ NULL, 0 });
    er_jw_key(w, ER_STR("totals"));
    er_jw_object(w);
    er_jw_member_uint(w, "subscriptions", e->subscriptions);
    er_jw_member_uint(w, "matched", e->matched);
    er_jw_member_uint(w, "undecided", e->undecided);
    er_jw_member_uint(w, "failed", e->subscriptions - e->matched - e->undecided);
    er_jw_end(w);
    er_jw_key(w, ER_STR("items"));
    er_jw_array(w);
}

static void finish(struct er_call *call, struct explaining *e)
{
    bool truncated = e->at < e->n || (e->only.p == NULL && (!e->complete || e->subscriptions > e->n));

    er_jw_end(&e->w);
    er_jw_member_bool(&e->w, "truncated", truncated);
    er_jw_member_bool(&e->w, "complete", e->complete);
    er_jw_end(&e->w);
    er_call_finish(call);
}

/* Routing may have been undecided where there is time enough now: what is said is what was, or would be, done with the event. */
static void agree(struct er_call *call, const struct candidate *candidate, struct er_explanation *explanation)
{
    struct er_ruleset_activity activity;

    if (candidate->rank == RANK_UNDECIDED && explanation->truth != ER_UNDECIDED) {
        bool known = er_ruleset_activity(call->api->env->ruleset, candidate->id, &activity);

        explanation->truth = ER_UNDECIDED;
        explanation->failed = 0;
        explanation->reason = known && activity.quarantined ? "a regex is in quarantine: it went over its limits again and again"
                                                            : "time limit of one event reached";
    }
}

static enum er_code write_item(struct er_call *call, struct explaining *e, const struct candidate *candidate, struct er_err *err)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_rule *rule = NULL;
    struct er_explanation explanation;
    enum er_code code = arena == NULL ? no_memory(err) : er_stored_rule(call->api->env->store, candidate->id, arena, &rule, err);

    if (code == ER_OK) {
        code = er_explainer_run(e->explainer, rule, &explanation, err);
    }
    if (code == ER_OK) {
        agree(call, candidate, &explanation);
        er_jw_object(&e->w);
        er_jw_member_string(&e->w, "subscription", rule->id);
        er_jw_member_string(&e->w, "subscriber", rule->subscriber);
        er_explanation_write(e->explainer, &explanation, &e->w);
        er_jw_end(&e->w);
    }
    er_rule_unref(rule);
    er_arena_free(arena);
    return code == ER_E_NOT_FOUND && e->only.p == NULL ? ER_OK : code; /* deleted since the survey */
}

/* ---- pieces */

static bool end_with(struct er_call *call, enum er_code code, const struct er_err *err)
{
    er_reply_free(&call->reply);
    er_call_refuse(call, code, err);
    return true;
}

static bool survey_piece(struct er_call *call, struct explaining *e)
{
    uint64_t start = thread_ns(), revision = er_matcher_pin(e->matcher);
    struct er_err err;
    enum er_code code = survey(call, e, revision, &err);

    er_matcher_unpin(e->matcher);
    if (code != ER_OK && code != ER_E_NOMEM && !e->begun) { /* the event is bad: that is the answer */
        e->revision = revision;
        write_head(call, e, code, &err);
        e->complete = true;
        finish(call, e);
        return true;
    }
    e->spent_ns += thread_ns() - start;
    e->surveyed = e->surveyed || e->complete || e->spent_ns > survey_ns;
    if (code == ER_OK && e->surveyed) {
        code = er_explainer_read(e->explainer, &e->record, &err);
        if (code == ER_OK) {
            code = take_disabled(call, e, &err);
        }
    }
    return code != ER_OK && end_with(call, code, &err);
}

static bool write_piece(struct er_call *call, struct explaining *e)
{
    uint64_t start = thread_ns();
    struct er_err err = { .code = ER_OK };

    if (!e->writing) {
        write_head(call, e, ER_OK, &err);
    }
    while (e->at < e->n && call->reply.body.n < ANSWER_BYTES) {
        enum er_code code = write_item(call, e, &e->items[e->at++], &err);

        if (code != ER_OK) {
            return end_with(call, code, &err);
        }
        if (thread_ns() - start > piece_ns) {
            return false;
        }
    }
    finish(call, e);
    return true;
}

static bool step(struct er_call *call)
{
    struct explaining *e = call->work;

    return e->surveyed ? write_piece(call, e) : survey_piece(call, e) || (e->surveyed && write_piece(call, e));
}

/* ---- request */

static bool read_request(struct er_call *call, struct explaining *e)
{
    static const char *const others[] = { "subscription", "limit", NULL };
    const struct er_event_body body = { others, true };
    const struct er_json *only;

    if (!er_call_read_body(call, 1)) {
        return false;
    }
    if (er_event_body_is_event(call, &body)) {
        e->record = (struct er_record){
            .value = er_event_body_text(call, call->body), .has_value = true, .partition = -1, .timestamp_ms = -1
        };
        e->limit = DEFAULT_LIMIT;
        return true;
    }
    er_event_body_read(call, &body, &e->record);
    only = er_json_member(call->body, ER_STR("subscription"));
    if (only != NULL && only->type != ER_JSON_STRING) {
        er_problems_add(&call->problems, ER_E_RULE_TYPE, ER_STR("/subscription"), ER_NO_OFFSET, NULL,
                        "expected the id of a subscription, found %s", er_json_type_name(only->type));
    } else if (only != NULL) {
        e->only = only->text;
    }
    e->limit = er_event_body_limit(call, DEFAULT_LIMIT, MAX_LIMIT);
    return !er_event_body_refused(call);
}

static enum er_code prepare(struct er_call *call, struct explaining *e, struct er_err *err)
{
    struct er_ruleset *ruleset = call->api->env->ruleset;
    enum er_code code = er_explainer_new(er_ruleset_options(ruleset), &e->explainer, err);

    if (code == ER_OK) {
        code = er_matcher_new(ruleset, &e->matcher, err);
    }
    if (code != ER_OK) {
        return code;
    }
    er_matcher_set_observer(e->matcher);
    e->items = er_arena_calloc(call->arena, e->limit, sizeof *e->items);
    return e->items == NULL ? no_memory(err) : ER_OK;
}

void er_api_explain(struct er_call *call)
{
    struct explaining *e = calloc(1, sizeof *e);
    struct er_err err;
    enum er_code code;

    if (e == NULL) {
        er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        return;
    }
    call->work = e;
    call->work_free = explaining_free;
    if (!read_request(call, e)) {
        return;
    }
    code = prepare(call, e, &err);
    if (code != ER_OK) {
        er_call_refuse(call, code, &err);
        return;
    }
    er_call_run(call, step);
}
