#include "admin/http_answer.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <time.h>

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Unsupported" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Status";
}

static void add_date(struct er_buf *head)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm) != NULL) {
        er_buf_printf(head, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                      tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
}

static void free_body(const void *data, size_t n, void *extra)
{
    (void)data;
    (void)n;
    free(extra);
}

void er_http_answer_check(struct er_reply *reply)
{
    if (reply->body.failed || reply->headers.failed) {
        er_reply_free(reply);
        reply->status = 500;
    }
}

static bool has_length(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void write_head(struct er_buf *head, const struct er_reply *reply, bool keep_alive)
{
    er_buf_printf(head, "HTTP/1.1 %d %s\r\n", reply->status, reason_phrase(reply->status));
    add_date(head);
    if (has_length(reply->status)) {
        if (reply->content_type != NULL) {
            er_buf_printf(head, "Content-Type: %s\r\n", reply->content_type);
        }
        er_buf_printf(head, "Content-Length: %zu\r\n", reply->body.n);
    }
    er_buf_add(head, ER_STR("Cache-Control: no-store\r\n"));
    er_buf_add(head, er_buf_str(&reply->headers));
    er_buf_printf(head, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}

static bool add_body(struct evbuffer *output, struct er_reply *reply)
{
    size_t n = reply->body.n;
    char *body = er_buf_take(&reply->body);

    if (body == NULL || evbuffer_add_reference(output, body, n, free_body, body) != 0) {
        free(body);
        return false;
    }
    return true;
}

/* After half an answer only the end of the connection tells the client. */
bool er_http_answer_write(struct evbuffer *output, struct er_reply *reply, const struct er_http_answer_options *options)
{
    struct er_buf head = { 0 };
    bool whole;

    write_head(&head, reply, options->keep_alive);
    whole = !head.failed && evbuffer_add(output, head.p, head.n) == 0;
    er_buf_free(&head);
    if (whole && reply->body.n > 0 && !options->no_body && has_length(reply->status)) {
        whole = add_body(output, reply);
    }
    return whole && options->keep_alive;
}
