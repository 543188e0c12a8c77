/* What the daemon says about itself: status, health, metrics, version, its API description. */
#include "admin/routes.h"

static const char openapi[] = {
#include "schemas/admin.openapi.yaml.inc"
};

void er_api_status(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_json_writer w;

    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    env->status(env->ctx, &w);
    er_jw_end(&w);
    er_call_finish(call);
}

/* The main loop answers: that is what being alive means here. */
void er_api_livez(struct er_call *call)
{
    struct er_json_writer w;

    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_string(&w, "status", ER_STR("alive"));
    er_jw_end(&w);
    er_call_finish(call);
}

static bool check_ok(const struct er_json *check)
{
    const struct er_json *ok = er_json_member(check, ER_STR("ok"));

    return ok != NULL && ok->type == ER_JSON_TRUE;
}

static struct er_str check_text(const struct er_json *check, struct er_str key)
{
    const struct er_json *member = er_json_member(check, key);

    return member == NULL || member->type != ER_JSON_STRING ? ER_STR("") : member->text;
}

/* The failed checks, as one sentence and as the errors of a problem. */
static struct er_str list_failed(struct er_call *call, const struct er_json *checks)
{
    struct er_str sentence = ER_STR("");

    for (const struct er_json *check = checks->first; check != NULL; check = check->next) {
        struct er_str name = check_text(check, ER_STR("name")), detail = check_text(check, ER_STR("detail"));

        if (!check_ok(check)) {
            er_problems_add(&call->problems, ER_E_UNAVAILABLE, ER_STR(""), ER_NO_OFFSET, NULL, "%.*s: %.*s", ER_STR_ARG(name),
                            ER_STR_ARG(detail));
            sentence = er_arena_printf(call->arena, "%.*s%s%.*s: %.*s", ER_STR_ARG(sentence), sentence.n > 0 ? "; " : "",
                                       ER_STR_ARG(name), ER_STR_ARG(detail));
        }
    }
    if (call->problems.n == 0) {
        er_problems_add(&call->problems, ER_E_UNAVAILABLE, ER_STR(""), ER_NO_OFFSET, NULL, "not ready");
    }
    return sentence.n > 0 ? sentence : ER_STR("not ready");
}

static void answer_ready(struct er_call *call, bool ready, bool verbose, const struct er_json *checks)
{
    struct er_json_writer w;

    if (ready) {
        er_reply_json(&call->reply, 200, &w);
        er_jw_object(&w);
    } else {
        struct er_str sentence = list_failed(call, checks);

        er_reply_problem(&call->reply, 503, ER_E_UNAVAILABLE, sentence.p, &w);
        er_reply_header(&call->reply, "Retry-After", "1");
        er_jw_key(&w, ER_STR("errors"));
        er_problems_write(&call->problems, &w);
    }
    er_jw_member_bool(&w, "ready", ready);
    if (verbose || !ready) {
        er_jw_key(&w, ER_STR("checks"));
        er_jw_array(&w);
        for (const struct er_json *check = checks->first; check != NULL; check = check->next) {
            if (verbose || !check_ok(check)) {
                er_jw_json(&w, check);
            }
        }
        er_jw_end(&w);
    }
    er_jw_end(&w);
}

void er_api_readyz(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;
    struct er_buf text = { 0 };
    struct er_json_writer w;
    struct er_json *checks = NULL;
    struct er_err err;
    bool verbose, ready;

    if (!er_call_flag(call, "verbose", &verbose)) {
        return;
    }
    er_jw_init(&w, &text);
    er_jw_array(&w);
    ready = env->ready(env->ctx, &w);
    er_jw_end(&w);
    if (text.failed || er_json_parse(call->arena, er_buf_str(&text), 8, &checks, &err) != ER_OK) {
        er_buf_free(&text);
        er_call_fail(call, text.failed ? ER_E_NOMEM : ER_E_INTERNAL, "the checks cannot be shown", NULL);
        return;
    }
    answer_ready(call, ready, verbose, checks);
    er_buf_free(&text);
    er_call_finish(call);
}

void er_api_metrics(struct er_call *call)
{
    const struct er_admin_env *env = call->api->env;

    call->reply.status = 200;
    call->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    env->metrics(env->ctx, &call->reply.body);
    er_call_finish(call);
}

void er_api_version(struct er_call *call)
{
    struct er_json_writer w;

    er_reply_json(&call->reply, 200, &w);
    er_jw_object(&w);
    er_jw_member_string(&w, "name", ER_STR("eventrouter"));
    er_jw_member_string(&w, "version", ER_STR(ER_VERSION));
    er_jw_member_string(&w, "api", ER_STR("v1"));
    er_jw_end(&w);
    er_call_finish(call);
}

void er_api_openapi(struct er_call *call)
{
    call->reply.status = 200;
    call->reply.content_type = ER_JSON_TYPE;
    er_buf_add(&call->reply.body, (struct er_str){ openapi, sizeof openapi });
    er_call_finish(call);
}
