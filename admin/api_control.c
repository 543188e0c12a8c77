/* What an operator tells the daemon: configuration, log level, drain. */
#include "admin/routes.h"

void er_api_config(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_json_writer w;

    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    env->config(env->ctx, &w);
    er_jw_end(&w);
    er_call_finish(call);
}

/* ---- Log level */

static struct er_str read_level(struct er_call *call)
{
    const struct er_json *level = NULL;

    if (call->body->type != ER_JSON_OBJECT) {
        er_problems_add(&call->problems, ER_E_RULE_TYPE, ER_STR(""), ER_NO_OFFSET, NULL, "expected an object, found %s",
                        er_json_type_name(call->body->type));
        return ER_STR("");
    }
    for (const struct er_json *member = call->body->first; member != NULL; member = member->next) {
        if (er_str_eq(member->key, ER_STR("level"))) {
            level = member;
        } else {
            er_problems_add(&call->problems, ER_E_RULE_UNKNOWN_MEMBER, er_pointer_push(call->arena, ER_STR(""), member->key),
                            ER_NO_OFFSET, "leave it out", "the body has only the member \"level\"");
        }
    }
    if (level == NULL) {
        er_problems_add(&call->problems, ER_E_RULE_REQUIRED, ER_STR("/level"), ER_NO_OFFSET, NULL, "\"level\" is missing");
    } else if (level->type != ER_JSON_STRING) {
        er_problems_add(&call->problems, ER_E_RULE_TYPE, ER_STR("/level"), ER_NO_OFFSET, NULL, "expected a string, found %s",
                        er_json_type_name(level->type));
    }
    return call->problems.n > 0 ? ER_STR("") : level->text;
}

void er_api_put_log_level(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_json_writer w;
    const char *was = "";
    struct er_str level;

    if (!er_call_read_body(call, 0)) {
        return;
    }
    level = read_level(call);
    if (call->problems.n == 0 && !env->log_level(env->ctx, level, &was)) {
        er_problems_add(&call->problems, ER_E_RULE_TYPE, ER_STR("/level"), ER_NO_OFFSET, NULL,
                        "\"level\" must be error, warn, info or debug");
    }
    if (call->problems.n > 0) {
        er_call_refuse(call, call->problems.first->code, NULL);
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_string(&w, "level", level);
    er_jw_member_string(&w, "was", er_str_of(was));
    er_jw_end(&w);
    er_call_finish(call);
}

/* ---- Reload */

/* Each line is an error of its own. */
static void refuse_config(struct er_call *call, enum er_code code, struct er_str lines)
{
    struct er_json_writer w;

    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n);
        size_t n = end == NULL ? lines.n : (size_t)(end - lines.p);

        er_problems_add(&call->problems, code, ER_STR(""), ER_NO_OFFSET, NULL, "%.*s", (int)n, lines.p);
        n += end != NULL;
        lines.p += n;
        lines.n -= n;
    }
    er_reply_problem(&call->reply, 422, code, "the configuration is bad; nothing was changed", &w);
    er_jw_key(&w, ER_STR("errors"));
    er_problems_write(&call->problems, &w);
    er_jw_end(&w);
    er_call_finish(call);
}

void er_api_reload(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_buf errors = { 0 };
    struct er_json_writer w;
    enum er_code code;
    bool dry_run;

    if (!er_call_flag(call, "dry_run", &dry_run)) {
        return;
    }
    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    code = env->reload(env->ctx, dry_run, &w, &errors);
    if (code == ER_OK) {
        er_jw_end(&w);
        er_call_finish(call);
    } else {
        er_reply_free(&call->reply);
        if (code == ER_E_NOMEM || errors.failed) {
            er_call_fail(call, ER_E_NOMEM, "out of memory", NULL);
        } else {
            refuse_config(call, code, er_buf_str(&errors));
        }
    }
    er_buf_free(&errors);
}

/* ---- Drain */

void er_api_drain(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_json_writer w;

    env->drain(env->ctx);
    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_bool(&w, "draining", true);
    er_jw_end(&w);
    er_call_finish(call);
}
