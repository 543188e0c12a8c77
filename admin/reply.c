#include "admin/reply.h"

#include <stdarg.h>
#include <stdio.h>

void er_reply_free(struct er_reply *reply)
{
    er_buf_free(&reply->headers);
    er_buf_free(&reply->body);
    *reply = (struct er_reply){ 0 };
}

void er_reply_header(struct er_reply *reply, const char *name, const char *format, ...)
{
    char value[513];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    for (char *p = value; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }
    er_buf_printf(&reply->headers, "%s: %s\r\n", name, value);
}

void er_reply_json(struct er_reply *reply, int status, struct er_json_writer *w)
{
    er_buf_clear(&reply->body);
    reply->status = status;
    reply->content_type = ER_JSON_TYPE;
    er_jw_init(w, &reply->body);
}

void er_reply_problem(struct er_reply *reply, int status, enum er_code code, const char *detail, struct er_json_writer *w)
{
    char type[64];

    er_reply_json(reply, status != 0 ? status : er_code_http_status(code), w);
    reply->content_type = ER_PROBLEM_TYPE;
    (void)snprintf(type, sizeof type, "urn:eventrouter:error:%s", er_code_name(code));
    er_jw_object(w);
    er_jw_member_string(w, "type", er_str_of(type));
    er_jw_member_string(w, "title", er_str_of(er_code_title(code)));
    er_jw_member_uint(w, "status", (uint64_t)reply->status);
    er_jw_member_string(w, "detail", er_str_of(detail));
}

void er_reply_error(struct er_reply *reply, const struct er_reply_error *error)
{
    struct er_json_writer w;

    er_reply_problem(reply, error->status, error->code, error->detail, &w);
    er_jw_key(&w, ER_STR("errors"));
    er_jw_array(&w);
    er_jw_object(&w);
    er_jw_member_string(&w, "code", er_str_of(er_code_name(error->code)));
    er_jw_member_string(&w, "pointer", ER_STR(""));
    er_jw_member_string(&w, "detail", er_str_of(error->detail));
    if (error->offset != ER_NO_OFFSET) {
        er_jw_member_uint(&w, "offset", error->offset);
    }
    if (error->hint != NULL) {
        er_jw_member_string(&w, "hint", er_str_of(error->hint));
    }
    er_jw_end(&w);
    er_jw_end(&w);
    er_jw_end(&w);
}

struct er_str er_problems_summary(const struct er_problems *problems)
{
    struct er_str first = problems->first->detail;

    if (problems->total == 1) {
        return first;
    }
    return er_arena_printf(problems->arena, "%zu errors; the first: %.*s", problems->total, ER_STR_ARG(first));
}

void er_reply_problems(struct er_reply *reply, enum er_code code, const struct er_problems *problems)
{
    struct er_json_writer w;
    struct er_str summary = er_problems_summary(problems);

    er_reply_problem(reply, 0, code, summary.p == NULL ? "" : summary.p, &w);
    er_jw_key(&w, ER_STR("errors"));
    er_problems_write(problems, &w);
    er_jw_end(&w);
}
