/* A daemon for the admin server without a router: a real store in a directory of its own, changes built and committed at once. */
#ifndef ER_TESTS_SUPPORT_ADMIN_ENV_FAKE_H
#define ER_TESTS_SUPPORT_ADMIN_ENV_FAKE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "admin/env.h"
#include "rules/store/store.h"

struct fake_env {
    struct er_admin_env env;
    struct er_plan_policy policy;
    char directory[64], store_path[100];
    enum er_code refuse;               /* changes fail with this code after build */
    bool hold;                         /* changes wait for fake_env_release */
    struct er_change_request *held[8]; /* in order */
    size_t n_held;
    bool draining, not_ready;
    /* dead letters, the oldest first; the last request about them */
    struct er_letter letters[8];
    size_t n_letters;
    enum er_code letters_code; /* every answer */
    enum er_code send_code;    /* answers to sends, */
    enum er_code send_whole;
    size_t send_fails; /* or only to the n-th; 0: all */
    bool send_unknown, letters_hold;
    struct er_letters_request *letters_held;
    struct er_letters_filter filter; /* copied texts below */
    char filter_text[3][40];
    size_t sends;
    char sent_topic[100];
    struct er_admin_destination broken; /* how this topic is; all others are in order */
    const char *broken_topic;
    const char *log_level;
    const char *config_errors; /* what a reload finds wrong; NULL: nothing */
    size_t reloads;
    size_t commits;
    int64_t last_uid;
    char last_what[400];
    struct er_admin_access last_log; /* status 0: nothing was logged */
    char last_log_path[256];
    char last_warning[256];
};

static inline enum er_code fake_env_commit(struct fake_env *fake, struct er_change_request *request, struct er_plan *plan,
                                           uint64_t *revision, struct er_err *err)
{
    struct er_ruleset_change change;
    struct er_plan_summary summary;
    enum er_code code;

    er_plan_summary(plan, &summary);
    if (fake->refuse != ER_OK) {
        return er_err_set(err, fake->refuse, "refused by the test");
    }
    if (request->dry_run || !summary.changes) {
        return ER_OK;
    }
    code = er_plan_ruleset_change(plan, &change, err);
    if (code == ER_OK) {
        code = er_ruleset_prepare(fake->env.ruleset, &change, err);
    }
    if (code != ER_OK) {
        return code;
    }
    er_ruleset_publish(fake->env.ruleset);
    code = er_plan_commit(plan, &request->actor, 1700000000000 + (int64_t)fake->commits, revision, err);
    fake->commits++;
    fake->last_uid = request->actor.uid;
    snprintf(fake->last_what, sizeof fake->last_what, "%.*s", ER_STR_ARG(request->actor.what));
    return code;
}

static inline void fake_env_run(struct fake_env *fake, struct er_change_request *request)
{
    struct er_err err = { .offset = ER_NO_OFFSET };
    struct er_plan *plan = NULL;
    struct er_change_result result = { .revision = er_store_revision(fake->env.store) };

    result.code = er_plan_new(fake->env.store, &fake->policy, &plan, &err);
    if (result.code == ER_OK) {
        result.code = request->build(request->arg, plan, &err);
    }
    if (result.code == ER_OK) {
        result.plan = plan;
        result.code = fake_env_commit(fake, request, plan, &result.revision, &err);
    }
    result.err = &err;
    request->done(request->arg, &result);
    er_plan_free(plan);
}

static inline void fake_env_release(struct fake_env *fake)
{
    for (size_t i = 0; i < fake->n_held; i++) {
        fake_env_run(fake, fake->held[i]);
    }
    fake->n_held = 0;
}

static inline void fake_env_submit(void *ctx, struct er_change_request *request)
{
    struct fake_env *fake = ctx;

    if (fake->hold && fake->n_held < sizeof fake->held / sizeof *fake->held) {
        fake->held[fake->n_held++] = request;
    } else {
        fake_env_run(fake, request);
    }
}

static inline void fake_env_destination(void *ctx, struct er_str subscriber, struct er_str topic, struct er_admin_destination *out)
{
    struct fake_env *fake = ctx;

    (void)subscriber;
    *out = (struct er_admin_destination){ .breaker = "closed", .ready = true };
    if (fake->broken.breaker != NULL && er_str_eq(topic, er_str_of(fake->broken_topic))) {
        *out = fake->broken;
    }
}

static inline void fake_env_keep(struct er_str from, char *text, size_t size, struct er_str *out)
{
    snprintf(text, size, "%.*s", ER_STR_ARG(from));
    *out = er_str_of(text);
}

/* The newest first, `limit` at a time; the filter is only noted. */
static inline void fake_env_list(struct fake_env *fake, struct er_letters_request *request)
{
    size_t end = request->n_before > 0 ? (size_t)request->before[0].offset : fake->n_letters;

    fake->filter = request->filter;
    fake_env_keep(request->filter.code, fake->filter_text[0], sizeof fake->filter_text[0], &fake->filter.code);
    fake_env_keep(request->filter.stage, fake->filter_text[1], sizeof fake->filter_text[1], &fake->filter.stage);
    fake_env_keep(request->filter.subscriber, fake->filter_text[2], sizeof fake->filter_text[2], &fake->filter.subscriber);
    request->letters = er_arena_calloc(request->arena, fake->n_letters + 1, sizeof *request->letters);
    request->next = er_arena_calloc(request->arena, 1, sizeof *request->next);
    request->oldest = er_arena_calloc(request->arena, 1, sizeof *request->oldest);
    for (; end > 0 && request->n_letters < request->limit; end--) {
        request->letters[request->n_letters++] = fake->letters[end - 1];
    }
    *request->next = (struct er_letter_place){ 0, (int64_t)end };
    request->n_next = end > 0;
    *request->oldest = fake->n_letters > 0 ? fake->letters[0].place : (struct er_letter_place){ 0, 0 };
    request->n_oldest = 1;
    request->scanned = request->n_letters;
}

static inline void fake_env_send(struct fake_env *fake, struct er_letter_item *item)
{
    bool fails = fake->send_code != ER_OK && (fake->send_fails == 0 || fake->sends + 1 == fake->send_fails);

    fake->sends++;
    snprintf(fake->sent_topic, sizeof fake->sent_topic, "%.*s", ER_STR_ARG(item->topic));
    item->unknown = fails && fake->send_unknown;
    item->sent = (struct er_letter_place){ 3, 500 + (int64_t)fake->sends };
    item->code = fails ? er_err_set(&item->err, fake->send_code, "refused by the test") : ER_OK;
}

static inline void fake_env_read(struct fake_env *fake, struct er_letter_item *item)
{
    item->code = er_err_set(&item->err, ER_E_NOT_FOUND, "there is no such dead letter");
    for (size_t i = 0; i < fake->n_letters; i++) {
        if (fake->letters[i].place.partition == item->place.partition && fake->letters[i].place.offset == item->place.offset) {
            item->letter = &fake->letters[i];
            item->code = ER_OK;
        }
    }
}

static inline enum er_code fake_env_answer(struct fake_env *fake, struct er_letters_request *request)
{
    if (fake->letters_code != ER_OK) {
        return er_err_set(&request->err, fake->letters_code, "refused by the test");
    }
    if (request->op == ER_LETTERS_SEND && fake->send_whole != ER_OK) {
        return er_err_set(&request->err, fake->send_whole, "refused by the test");
    }
    if (request->op == ER_LETTERS_LIST) {
        fake_env_list(fake, request);
        return ER_OK;
    }
    for (size_t i = 0; i < request->n_items; i++) {
        if (request->op == ER_LETTERS_SEND) {
            fake_env_send(fake, &request->items[i]);
        } else {
            fake_env_read(fake, &request->items[i]);
        }
    }
    return ER_OK;
}

static inline void fake_env_letters(void *ctx, struct er_letters_request *request)
{
    struct fake_env *fake = ctx;

    if (fake->letters_hold) {
        fake->letters_held = request;
        return;
    }
    request->code = fake_env_answer(fake, request);
    request->done(request->arg, request);
}

static inline void fake_env_status(void *ctx, struct er_json_writer *w)
{
    struct fake_env *fake = ctx;

    er_jw_member_uint(w, "revision", er_store_revision(fake->env.store));
}

static inline bool fake_env_ready(void *ctx, struct er_json_writer *w)
{
    struct fake_env *fake = ctx;
    static const char *const names[] = { "rules", "group" };

    for (int i = 0; w != NULL && i < 2; i++) {
        er_jw_object(w);
        er_jw_member_string(w, "name", er_str_of(names[i]));
        er_jw_member_bool(w, "ok", i == 0 || !fake->not_ready);
        er_jw_member_string(w, "detail", i == 0 || !fake->not_ready ? ER_STR("fine") : ER_STR("no broker answers"));
        er_jw_end(w);
    }
    return !fake->not_ready;
}

static inline void fake_env_metrics(void *ctx, struct er_buf *out)
{
    (void)ctx;
    er_buf_add(out, ER_STR("# TYPE eventrouter_up gauge\neventrouter_up 1\n"));
}

static inline bool fake_env_draining(void *ctx)
{
    const struct fake_env *fake = ctx;

    return fake->draining;
}

static inline void fake_env_log(void *ctx, const struct er_admin_access *access)
{
    struct fake_env *fake = ctx;

    fake->last_log = *access;
    snprintf(fake->last_log_path, sizeof fake->last_log_path, "%s %s", access->method, access->path);
    fake->last_log.method = fake->last_log.path = NULL;
}

static inline void fake_env_warn(void *ctx, const struct er_err *err)
{
    struct fake_env *fake = ctx;

    snprintf(fake->last_warning, sizeof fake->last_warning, "%s", err->text);
}

static inline void fake_env_config(void *ctx, struct er_json_writer *w)
{
    const struct fake_env *fake = ctx;

    er_jw_member_string(w, "log_level", er_str_of(fake->log_level));
    er_jw_key(w, ER_STR("items"));
    er_jw_array(w);
    er_jw_end(w);
}

static inline bool fake_env_log_level(void *ctx, struct er_str level, const char **was)
{
    struct fake_env *fake = ctx;

    *was = fake->log_level;
    if (!er_str_eq(level, ER_STR("debug"))) {
        return false;
    }
    fake->log_level = "debug";
    return true;
}

static inline enum er_code fake_env_reload(void *ctx, bool dry_run, struct er_json_writer *w, struct er_buf *errors)
{
    struct fake_env *fake = ctx;

    if (fake->config_errors != NULL) {
        er_buf_add(errors, er_str_of(fake->config_errors));
        return ER_E_CONFIG_VALUE;
    }
    fake->reloads += !dry_run;
    er_jw_key(w, ER_STR("applied"));
    er_jw_array(w);
    er_jw_end(w);
    return ER_OK;
}

static inline void fake_env_drain(void *ctx)
{
    ((struct fake_env *)ctx)->draining = true;
}

/* The store's directory is made under parent, for example "/tmp". */
static inline bool fake_env_open(struct fake_env *fake, const char *parent)
{
    static const struct er_str reserved[] = { { "raw", 3 }, { "eventrouter.dead-letter", 23 } };
    const struct er_ruleset_options options = er_ruleset_default_options();
    struct er_err err;

    *fake = (struct fake_env){ 0 };
    snprintf(fake->directory, sizeof fake->directory, "%s/er-admin-XXXXXX", parent);
    if (mkdtemp(fake->directory) == NULL) {
        return false;
    }
    snprintf(fake->store_path, sizeof fake->store_path, "%s/rules.db", fake->directory);
    fake->policy = (struct er_plan_policy){ .topic_template = ER_STR("sub.{subscriber}"),
                                            .partitions = 1,
                                            .reserved = reserved,
                                            .n_reserved = 2,
                                            .limits = er_rule_default_limits() };
    fake->env = (struct er_admin_env){ .ctx = fake,
                                       .policy = &fake->policy,
                                       .dead_letter_topic = "eventrouter.dead-letter",
                                       .submit = fake_env_submit,
                                       .letters = fake_env_letters,
                                       .destination = fake_env_destination,
                                       .status = fake_env_status,
                                       .ready = fake_env_ready,
                                       .metrics = fake_env_metrics,
                                       .draining = fake_env_draining,
                                       .log = fake_env_log,
                                       .warn = fake_env_warn,
                                       .config = fake_env_config,
                                       .log_level = fake_env_log_level,
                                       .reload = fake_env_reload,
                                       .drain = fake_env_drain };
    fake->log_level = "info";
    return er_ruleset_new(&options, &fake->env.ruleset, &err) == ER_OK &&
           er_store_open(fake->store_path, &fake->env.store, &err) == ER_OK;
}

static inline void fake_env_close(struct fake_env *fake)
{
    DIR *directory;
    struct dirent *entry;

    er_store_close(fake->env.store);
    er_ruleset_free(fake->env.ruleset);
    directory = opendir(fake->directory);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[400];

        snprintf(path, sizeof path, "%s/%s", fake->directory, entry->d_name);
        if (entry->d_name[0] != '.') {
            (void)unlink(path);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    (void)rmdir(fake->directory);
}

#endif
