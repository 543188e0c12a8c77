#include "rules/engine/match_impl.h"

#include <time.h>

#define TERMS_PER_LOOK 256u /* at the clock */

struct survey {
    struct er_matcher *matcher;
    size_t limit;
    size_t n;
    bool no_memory;
};

static uint64_t now_ns(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool nearer(const struct er_near *a, const struct er_near *b)
{
    return a->failed != b->failed ? a->failed < b->failed : er_str_cmp(a->subscription, b->subscription) < 0;
}

/* Keeps the nearest ones, in order. */
static void offer(struct survey *survey, const struct er_near *near)
{
    struct er_near *items;
    size_t at = survey->n;

    if (at == survey->limit && (at == 0 || !nearer(near, &survey->matcher->near[at - 1]))) {
        return;
    }
    if (at < survey->limit) {
        if (!er_grow(&survey->matcher->near, &survey->matcher->near_capacity, sizeof *near, (uint32_t)at)) {
            survey->no_memory = true;
            return;
        }
        survey->n++;
    } else {
        at--;
    }
    items = survey->matcher->near;
    for (; at > 0 && nearer(near, &items[at - 1]); at--) {
        items[at] = items[at - 1];
    }
    items[at] = *near;
}

static void look_at(struct survey *survey, uint32_t id)
{
    struct er_matcher *matcher = survey->matcher;
    const struct er_side *side = matcher->side;
    const struct er_idlist *subs = er_side_subs(side, id);
    struct er_near near;

    near.failed = er_verify_failed(&matcher->verifier, er_catalog_term(side->catalog, id), &near.conditions);
    if (near.failed == 0) {
        return;
    }
    for (uint32_t i = 0, n = er_idlist_n(subs); i < n; i++) {
        const struct er_sub *sub = er_catalog_sub(side->catalog, er_idlist_ids(subs)[i]);

        near.subscriber = er_side_subscriber(side, sub->subscriber);
        near.subscription = er_sub_id(sub);
        offer(survey, &near);
    }
}

enum er_code er_matcher_near_piece(struct er_matcher *matcher, const struct er_near_piece *piece, struct er_near_list *out,
                                   struct er_err *err)
{
    struct survey survey = { .matcher = matcher, .limit = piece->limit < UINT32_MAX ? piece->limit : UINT32_MAX };
    const struct er_side *side = matcher->side;
    uint64_t end = now_ns() + piece->time_ns;
    uint32_t looked = 0;

    *out = (struct er_near_list){ .complete = true };
    for (uint32_t id = piece->from; id < side->terms_top && !survey.no_memory; id++) {
        if (!er_pages_has(&side->terms, id) || er_side_subs(side, id)->u.word == 0) {
            continue;
        }
        if (looked++ % TERMS_PER_LOOK == 0) {
            if (now_ns() >= end) {
                out->complete = false;
                out->next = id;
                break;
            }
            matcher->asker.budget_started = false; /* this time is not the event's */
        }
        look_at(&survey, id);
    }
    if (survey.no_memory || matcher->asker.value.no_memory || er_matcher_reading(matcher, 0)->answers.no_memory) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while looking for near misses");
    }
    out->items = matcher->near;
    out->n = survey.n;
    return ER_OK;
}

enum er_code er_matcher_near(struct er_matcher *matcher, size_t limit, uint64_t time_ns, struct er_near_list *out,
                             struct er_err *err)
{
    struct er_near_piece piece = { .limit = limit, .time_ns = time_ns };

    return er_matcher_near_piece(matcher, &piece, out, err);
}
