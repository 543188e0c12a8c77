/* Rule sets from JSON lines and matches as text, for the tests of rules/engine. */
#ifndef ER_TESTS_UNIT_ENGINE_TEST_H
#define ER_TESTS_UNIT_ENGINE_TEST_H

#include "tests/unit/test.h"
#include "rules/base/arena.h"
#include "rules/base/buf.h"
#include "rules/base/json.h"
#include "rules/engine/match.h"
#include "rules/engine/ruleset.h"
#include "rules/language/rule.h"

/* Reads one rule document; without id or subscriber it is "r" and "s". */
static inline struct er_rule *rule_of(const char *document)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_str text = er_str_of(document);
    struct er_problems problems;
    struct er_json *tree;
    struct er_rule *rule = NULL;
    struct er_err err;

    er_problems_init(&problems, arena);
    assert_int_equal(er_json_parse(arena, text, 32, &tree, &err), ER_OK);
    struct er_rule_source source = { .document = tree,
                                     .document_bytes = text.n,
                                     .pointer = ER_STR(""),
                                     .default_id = ER_STR("r"),
                                     .default_subscriber = ER_STR("s") };
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        fail_msg("%s: %.*s", document, ER_STR_ARG(problems.first->detail));
    }
    er_arena_free(arena);
    return rule;
}

static inline struct er_ruleset *ruleset_with(const struct er_ruleset_options *options)
{
    struct er_ruleset *ruleset;
    struct er_err err;

    assert_int_equal(er_ruleset_new(options, &ruleset, &err), ER_OK);
    return ruleset;
}

static inline struct er_ruleset *ruleset_new(void)
{
    struct er_ruleset_options options = er_ruleset_default_options();

    return ruleset_with(&options);
}

/* Prepares: documents (NULL at the end) put with their subscribers (topic sub.ID), ids (NULL at the end) removed. */
static inline enum er_code prepare(struct er_ruleset *ruleset, uint64_t revision, const char *const *documents,
                                   const char *const *ids, struct er_err *err)
{
    struct er_rule *rules[64];
    struct er_subscriber *subscribers[64];
    struct er_str removed[64];
    struct er_ruleset_change change = { .revision = revision, .put = rules, .remove = removed, .put_subscribers = subscribers };
    enum er_code code;

    for (; documents != NULL && documents[change.n_put] != NULL; change.n_put++) {
        struct er_rule *rule = rule_of(documents[change.n_put]);

        rules[change.n_put] = rule;
        subscribers[change.n_put_subscribers] = er_subscriber_new(rule->subscriber, rule->subscriber);
        assert_non_null(subscribers[change.n_put_subscribers++]);
    }
    for (; ids != NULL && ids[change.n_remove] != NULL; change.n_remove++) {
        removed[change.n_remove] = er_str_of(ids[change.n_remove]);
    }
    code = er_ruleset_prepare(ruleset, &change, err);
    for (size_t i = 0; i < change.n_put; i++) {
        er_rule_unref(rules[i]);
        er_subscriber_unref(subscribers[i]);
    }
    return code;
}

static inline void change(struct er_ruleset *ruleset, uint64_t revision, const char *const *documents, const char *const *ids)
{
    struct er_err err;

    if (prepare(ruleset, revision, documents, ids, &err) != ER_OK) {
        fail_msg("%s", err.text);
    }
    er_ruleset_publish(ruleset);
}

static inline struct er_matcher *matcher_new(struct er_ruleset *ruleset)
{
    struct er_matcher *matcher;
    struct er_err err;

    assert_int_equal(er_matcher_new(ruleset, &matcher, &err), ER_OK);
    return matcher;
}

static inline struct er_record record_of(const char *value)
{
    return (struct er_record){
        .partition = -1, .timestamp_ms = -1, .value = value != NULL ? er_str_of(value) : ER_STR(""), .has_value = value != NULL
    };
}

/* Pinned. "s1=a,b s2=c" for the matches, then " ?s3=d" for the undecided; "E101@7" for an event error. Valid until the next call. */
static inline const char *match_pinned(struct er_matcher *matcher, const struct er_record *record)
{
    static char text[4096];
    size_t n = 0;
    struct er_match match;
    struct er_err err;

    if (er_matcher_match(matcher, record, &match, &err) != ER_OK) {
        snprintf(text, sizeof text, "%s@%zd", er_code_name(err.code), (ssize_t)err.offset);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < match.n_subscribers; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s=", i > 0 ? " " : "",
                              ER_STR_ARG(match.subscribers[i].subscriber->id));
        for (size_t k = 0; k < match.subscribers[i].n_subscriptions; k++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", k > 0 ? "," : "",
                                  ER_STR_ARG(match.subscribers[i].subscriptions[k]));
        }
    }
    for (size_t i = 0; i < match.n_undecided; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, " ?%.*s=%.*s", ER_STR_ARG(match.undecided[i].subscriber->id),
                              ER_STR_ARG(match.undecided[i].subscription));
    }
    return text;
}

static inline const char *match_record(struct er_matcher *matcher, const struct er_record *record)
{
    const char *text;

    er_matcher_pin(matcher);
    text = match_pinned(matcher, record);
    er_matcher_unpin(matcher);
    return text;
}

static inline const char *match_value(struct er_matcher *matcher, const char *value)
{
    struct er_record record = record_of(value);

    return match_record(matcher, &record);
}

#endif
