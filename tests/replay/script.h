/* What the files of the script runner share: script.c (commands), rules.c (changes of the rule set), expect.c (expectations). */
#ifndef ER_TESTS_REPLAY_SCRIPT_H
#define ER_TESTS_REPLAY_SCRIPT_H

#include "tests/replay/replay.h"

#define LINE 8192
#define WORDS 64
#define DEAD "dead"

struct hook_topic {
    char name[NAME];
    enum er_breaker_state breaker;
    unsigned ensured, inspected, described;
    bool shown; /* by the last hooks.lanes, as is the next */
    struct er_lane_view view;
};

struct script {
    struct failure *failure;
    const char *path;
    unsigned line;
    FILE *file;
    struct fake_source source;
    struct fake_sink sink;
    struct fake_txn txn;
    struct er_worker_options options;
    struct er_ruleset_options rules;
    char unmatched[NAME];
    struct er_sink_ops sink_ops;
    struct er_ruleset *ruleset;
    struct er_worker *worker;
    struct er_counters counters;
    int64_t now;
    uint64_t revision, next_uid;
    struct er_subscriber *subscribers[TOPICS];
    size_t n_subscribers;
    struct hook_topic hooks[TOPICS];
    size_t n_hooks;
    bool health;
    bool no_memory;
};

struct words {
    char *word[WORDS];
    size_t n;
};

struct command {
    const char *name;
    void (*run)(struct script *s, const struct words *w);
};

/* Runs the command of that name; an unknown one fails. */
void script_dispatch(struct script *s, const struct command *commands, size_t n, const char *name, const struct words *w);

void script_start(struct script *s); /* the worker, unless it runs */
bool script_next_line(struct script *s, char *line, struct words *words);
void script_rule(struct script *s, const struct words *w);
void script_change(struct script *s, const struct words *outer);

const char *script_arg(struct script *s, const struct words *w, size_t i);
struct er_str script_decode(char *text); /* %XX -> byte, in place */
int64_t script_number(struct script *s, const char *text);
bool script_after(const char *word, const char *prefix, char **rest);
struct fake_topic *script_topic(struct script *s, const struct words *w, size_t i);
struct hook_topic *script_hook_topic(struct script *s, struct er_str name);

/* One line; its text is taken apart. */
void script_execute(struct script *s, char *line);

/* The worker with the options so far, once. */
void script_start(struct script *s);
/* The next line that is no comment; false at the end. */
bool script_next_line(struct script *s, char *line, struct words *words);

/* "rule ...", "change" ... "end", "pause" and "resume". */
void script_rule(struct script *s, const struct words *w);
void script_change(struct script *s, const struct words *outer);
void script_pause(struct script *s, const struct words *w);

/* "chaos SEED ROUNDS": anything may happen, then everything heals, and each event must have had its outcome. */
void script_chaos(struct script *s, const struct words *w);

/* "expect ...", and what holds at the end of every script. */
void script_expect(struct script *s, const struct words *w);
void script_expect_nothing_left(struct script *s);

#endif
