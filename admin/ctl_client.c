#include "admin/ctl_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONNECT_MS 5000
#define REPLY_BYTES (256u << 20) /* more than any answer has */

struct er_ctl_client {
    CURL *curl;
    struct curl_slist *headers;
    char *socket_path;
    unsigned timeout_ms;
};

static bool set_options(struct er_ctl_client *client)
{
    CURL *curl = client->curl;

    return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&      /* whatever http_proxy says */
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK && /* "." and ".." are ids like others here */
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "eventrouterctl/" ER_VERSION) == CURLE_OK;
}

/* "Expect:" switches off the wait for 100-continue before a large body. */
static bool set_headers(struct er_ctl_client *client)
{
    static const char *const lines[] = { "Accept: application/json, application/problem+json", "Content-Type: application/json",
                                         "Expect:" };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *longer = curl_slist_append(client->headers, lines[i]);

        if (longer == NULL) {
            return false;
        }
        client->headers = longer;
    }
    return curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK;
}

enum er_code er_ctl_client_new(const char *socket_path, unsigned timeout_ms, struct er_ctl_client **out, struct er_err *err)
{
    struct er_ctl_client *client = calloc(1, sizeof *client);

    *out = NULL;
    if (client != NULL) {
        client->timeout_ms = timeout_ms;
        client->socket_path = strdup(socket_path);
        client->curl = curl_easy_init();
    }
    if (client == NULL || client->socket_path == NULL || client->curl == NULL) {
        er_ctl_client_free(client);
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    if (!set_options(client) || !set_headers(client)) {
        er_ctl_client_free(client);
        return er_err_set(err, ER_E_SYSTEM, "libcurl %s cannot be used: it lacks Unix sockets or HTTP", curl_version());
    }
    *out = client;
    return ER_OK;
}

void er_ctl_client_free(struct er_ctl_client *client)
{
    if (client == NULL) {
        return;
    }
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    free(client->socket_path);
    free(client);
}

void er_ctl_reply_free(struct er_ctl_reply *reply)
{
    er_buf_free(&reply->body);
    er_buf_free(&reply->warnings);
    *reply = (struct er_ctl_reply){ 0 };
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct er_ctl_reply *reply = ctx;
    size_t n = size * count;

    if (reply->body.n + n > REPLY_BYTES) {
        return 0;
    }
    er_buf_add(&reply->body, (struct er_str){ bytes, n });
    return reply->body.failed ? 0 : n;
}

/* The value of a header line "Name: value CR LF" when it has that name. */
static bool header_value(struct er_str line, const char *name, struct er_str *value)
{
    size_t n = strlen(name);

    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0) {
        return false;
    }
    *value = (struct er_str){ line.p + n + 1, line.n - n - 1 };
    while (value->n > 0 && (value->p[0] == ' ' || value->p[0] == '\t')) {
        value->p++;
        value->n--;
    }
    while (value->n > 0 && (value->p[value->n - 1] == '\n' || value->p[value->n - 1] == '\r' || value->p[value->n - 1] == ' ')) {
        value->n--;
    }
    return true;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct er_ctl_reply *reply = ctx;
    struct er_str line = { bytes, size * count }, value;

    if (header_value(line, "Eventrouter-Warning", &value)) {
        er_buf_add(&reply->warnings, value);
        er_buf_addc(&reply->warnings, '\n');
    } else if (header_value(line, "Eventrouter-Revision", &value)) {
        reply->revision = 0;
        for (size_t i = 0; i < value.n && value.p[i] >= '0' && value.p[i] <= '9'; i++) {
            reply->revision = reply->revision * 10 + (uint64_t)(value.p[i] - '0');
        }
    }
    return line.n;
}

static enum er_code unreachable(const struct er_ctl_client *client, CURLcode failure, struct er_err *err)
{
    long number = 0;
    const char *why = curl_easy_strerror(failure), *advice = "is eventrouterd running with this admin.socket? (-s SOCKET)";

    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &number);
    if (failure == CURLE_COULDNT_CONNECT && number != 0) {
        why = strerror((int)number);
    }
    if (failure == CURLE_COULDNT_CONNECT && (number == EACCES || number == EPERM)) {
        advice = "run this command as a user that may open the socket (see admin.mode)";
    } else if (failure != CURLE_COULDNT_CONNECT) {
        advice = "see the daemon's log";
    }
    return er_err_set(err, ER_E_UNREACHABLE, "cannot talk to the daemon at %s: %s; %s", client->socket_path, why, advice);
}

static enum er_code transport_error(const struct er_ctl_client *client, CURLcode failure, const struct er_ctl_reply *reply,
                                    struct er_err *err)
{
    if (failure == CURLE_OPERATION_TIMEDOUT) {
        return er_err_set(err, ER_E_TIMEOUT,
                          "the daemon at %s did not answer within %u ms; a change may have been made or not: look before "
                          "you repeat it",
                          client->socket_path, client->timeout_ms);
    }
    if (failure == CURLE_OUT_OF_MEMORY || reply->body.failed) {
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    return unreachable(client, failure, err);
}

enum er_code er_ctl_client_call(struct er_ctl_client *client, const struct er_ctl_request *request, struct er_ctl_reply *reply,
                                struct er_err *err)
{
    CURL *curl = client->curl;
    char if_match[64];
    struct curl_slist conditional = { if_match, client->headers }; /* one line before those of every call */
    struct er_buf url = { 0 };
    char *text;
    CURLcode failure;
    bool fine;

    *reply = (struct er_ctl_reply){ 0 };
    er_buf_printf(&url, "http://localhost%s", request->target);
    text = er_buf_take(&url);
    if (text == NULL) {
        er_buf_free(&url);
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    }
    fine = curl_easy_setopt(curl, CURLOPT_URL, text) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK && /* forgets the body of the call before */
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply) == CURLE_OK;
    if (fine && request->body.p != NULL) {
        fine = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p) == CURLE_OK;
    }
    fine = fine && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
    (void)snprintf(if_match, sizeof if_match, "If-Match: \"rev-%" PRIu64 "\"", request->if_match);
    fine = fine && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->if_match > 0 ? &conditional : client->headers) == CURLE_OK;
    failure = fine ? curl_easy_perform(curl) : CURLE_OUT_OF_MEMORY;
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
    free(text);
    if (failure != CURLE_OK) {
        enum er_code code = transport_error(client, failure, reply, err);

        er_ctl_reply_free(reply);
        return code;
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    return ER_OK;
}

static void add_encoded(struct er_buf *target, struct er_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~' ||
            c == '.') {
            er_buf_addc(target, c);
        } else {
            er_buf_printf(target, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

void er_ctl_target_segment(struct er_buf *target, struct er_str segment)
{
    er_buf_addc(target, '/');
    add_encoded(target, segment);
}

void er_ctl_target_query(struct er_buf *target, const char *name, struct er_str value)
{
    bool first = target->n == 0 || memchr(target->p, '?', target->n) == NULL;

    er_buf_addc(target, first ? '?' : '&');
    er_buf_add(target, er_str_of(name));
    er_buf_addc(target, '=');
    add_encoded(target, value);
}
