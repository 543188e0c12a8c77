/* Changes of the rule set in scripts. */
#include "tests/replay/script.h"

struct change {
    struct er_rule *put[TOPICS];
    struct er_str remove[TOPICS], drop[TOPICS];
    struct er_subscriber *subscribers[TOPICS];
    size_t n_put, n_remove, n_drop, n_subscribers;
    struct er_arena *arena;
};

static void add_subscriber(struct script *s, struct change *c, struct er_str id)
{
    char topic[NAME];

    for (size_t i = 0; i < s->n_subscribers; i++) {
        if (er_str_eq(s->subscribers[i]->id, id)) {
            return;
        }
    }
    snprintf(topic, sizeof topic, "sub.%.*s", ER_STR_ARG(id));
    s->subscribers[s->n_subscribers] = er_subscriber_new(id, er_str_of(topic));
    c->subscribers[c->n_subscribers++] = s->subscribers[s->n_subscribers++];
}

static void change_put(struct script *s, struct change *c, const char *document)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_problems problems;
    struct er_rule_source from = { .document_bytes = strlen(document) };
    struct er_json *tree;
    struct er_err err;

    if (er_json_parse(c->arena, er_arena_dup(c->arena, er_str_of(document)), 64, &tree, &err) != ER_OK) {
        fail_at(s->failure, "rule: %s", err.text);
        return;
    }
    er_problems_init(&problems, c->arena);
    from.document = tree;
    if (er_rule_read(&from, &limits, &c->put[c->n_put], &problems, NULL) != ER_OK) {
        fail_at(s->failure, "rule: %.*s", ER_STR_ARG(problems.first == NULL ? ER_STR("?") : problems.first->detail));
        return;
    }
    add_subscriber(s, c, c->put[c->n_put]->subscriber);
    c->n_put++;
}

static void change_drop(struct script *s, struct change *c, const char *id)
{
    for (size_t i = 0; i < s->n_subscribers; i++) {
        if (er_str_eq(s->subscribers[i]->id, er_str_of(id))) {
            er_subscriber_unref(s->subscribers[i]);
            s->subscribers[i] = s->subscribers[--s->n_subscribers];
        }
    }
    c->drop[c->n_drop++] = er_arena_dup(c->arena, er_str_of(id));
}

/* after > 0: it is published when so many more records have been produced. */
static void change_apply(struct script *s, struct change *c, unsigned after)
{
    struct er_ruleset_change change = {
        .revision = ++s->revision,
        .put = c->put,
        .n_put = c->n_put,
        .remove = c->remove,
        .n_remove = c->n_remove,
        .put_subscribers = c->subscribers,
        .n_put_subscribers = c->n_subscribers,
        .remove_subscribers = c->drop,
        .n_remove_subscribers = c->n_drop,
    };
    struct er_err err;

    script_start(s);
    if (!s->failure->failed) {
        if (er_ruleset_prepare(s->ruleset, &change, &err) != ER_OK) {
            fail_at(s->failure, "change: %s", err.text);
        } else if (after > 0) {
            s->sink.publish = s->ruleset;
            s->sink.publish_left = after;
        } else {
            er_ruleset_publish(s->ruleset);
        }
    }
    for (size_t i = 0; i < c->n_put; i++) {
        er_rule_unref(c->put[i]);
    }
    er_arena_free(c->arena);
}

void script_rule(struct script *s, const struct words *w)
{
    struct change c = { .arena = er_arena_new(0) };

    change_put(s, &c, script_arg(s, w, 1));
    change_apply(s, &c, 0);
}

/* pause SUBSCRIBER, resume SUBSCRIBER */
void script_pause(struct script *s, const struct words *w)
{
    struct change c = { .arena = er_arena_new(0) };

    for (size_t i = 0; i < s->n_subscribers; i++) {
        struct er_subscriber *old = s->subscribers[i];

        if (er_str_eq(old->id, er_str_of(script_arg(s, w, 1)))) {
            s->subscribers[i] = er_subscriber_new(old->id, old->topic);
            s->subscribers[i]->paused = strcmp(w->word[0], "pause") == 0;
            c.subscribers[c.n_subscribers++] = s->subscribers[i];
            er_subscriber_unref(old);
        }
    }
    change_apply(s, &c, 0);
}

void script_change(struct script *s, const struct words *outer)
{
    struct change c = { .arena = er_arena_new(0) };
    unsigned after = outer->n > 1 ? (unsigned)script_number(s, script_arg(s, outer, 2)) : 0;
    struct words w;
    char line[LINE];

    while (!s->failure->failed && script_next_line(s, line, &w) && strcmp(w.word[0], "end") != 0) {
        if (strcmp(w.word[0], "put") == 0) {
            change_put(s, &c, script_arg(s, &w, 1));
        } else if (strcmp(w.word[0], "remove") == 0) {
            c.remove[c.n_remove++] = er_arena_dup(c.arena, er_str_of(script_arg(s, &w, 1)));
        } else if (strcmp(w.word[0], "drop") == 0) {
            change_drop(s, &c, script_arg(s, &w, 1));
        } else {
            fail_at(s->failure, "unknown change: %s", w.word[0]);
        }
    }
    change_apply(s, &c, after);
}
