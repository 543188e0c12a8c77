#include "admin/http_message.h"

#define FAULT(fault, http_status, error_code, text) (*(fault) = (struct er_http_fault){ (http_status), (error_code), (text) })

enum { MAX_CHUNK_LINE = 256, MAX_TRAILERS = 8192, MAX_LENGTH_DIGITS = 18, MAX_CHUNK_DIGITS = 15 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool er_http_same(struct er_str a, struct er_str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

const struct er_http_field *er_http_field(const struct er_http_request *request, struct er_str name, size_t *from)
{
    for (size_t i = *from; i < request->n_fields; i++) {
        if (er_http_same(request->fields[i].name, name)) {
            *from = i + 1;
            return &request->fields[i];
        }
    }
    *from = request->n_fields;
    return NULL;
}

struct er_str er_http_field_value(const struct er_http_request *request, struct er_str name)
{
    size_t from = 0;
    const struct er_http_field *field = er_http_field(request, name, &from);

    return field == NULL ? (struct er_str){ NULL, 0 } : field->value;
}

/* tchar of RFC 9110. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct er_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_char(s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

enum er_http_verdict er_http_head_find(struct er_str text, size_t *length, struct er_http_fault *fault)
{
    size_t line = 0;

    if (text.n > 0 && !is_token_char(text.p[0])) {
        FAULT(fault, 400, ER_E_REQUEST, "the request does not start with a method");
        return ER_HTTP_BAD;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\0') {
            FAULT(fault, 400, ER_E_REQUEST, "the request head holds a NUL");
            return ER_HTTP_BAD;
        }
        if (text.p[i] != '\n') {
            continue;
        }
        if (i == 0 || text.p[i - 1] != '\r') {
            FAULT(fault, 400, ER_E_REQUEST, "a line of the request head does not end with CR LF");
            return ER_HTTP_BAD;
        }
        if (i - line == 1) {
            *length = i + 1;
            return ER_HTTP_DONE;
        }
        line = i + 1;
    }
    return ER_HTTP_MORE;
}

/* The next line without its CR LF; text moves past it. */
static struct er_str take_line(struct er_str *text)
{
    const char *end = text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
    struct er_str line = *text;

    if (end == NULL) {
        *text = (struct er_str){ text->p + text->n, 0 };
        return line;
    }
    line.n = (size_t)(end - text->p);
    text->p += line.n + 1;
    text->n -= line.n + 1;
    if (line.n > 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    return line;
}

static bool split(struct er_str s, char at, struct er_str *left, struct er_str *right)
{
    const char *p = s.n == 0 ? NULL : memchr(s.p, at, s.n);

    if (p == NULL) {
        return false;
    }
    *left = (struct er_str){ s.p, (size_t)(p - s.p) };
    *right = (struct er_str){ p + 1, s.n - left->n - 1 };
    return true;
}

static struct er_str trim(struct er_str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* Origin form, or absolute form (whose scheme and authority mean nothing here). */
static bool parse_target(struct er_str target, struct er_http_request *request)
{
    struct er_str left, right;

    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] <= ' ' || target.p[i] > '~' || target.p[i] == '#') {
            return false;
        }
    }
    if (target.n > 7 && er_http_same((struct er_str){ target.p, 7 }, ER_STR("http://"))) {
        const char *slash = memchr(target.p + 7, '/', target.n - 7);

        if (slash == NULL) {
            return false;
        }
        target.n -= (size_t)(slash - target.p);
        target.p = slash;
    }
    if (target.n == 0 || (target.p[0] != '/' && !er_str_eq(target, ER_STR("*")))) {
        return false;
    }
    request->path = target;
    request->query = (struct er_str){ NULL, 0 };
    if (split(target, '?', &left, &right)) {
        request->path = left;
        request->query = right;
    }
    return true;
}

static bool parse_request_line(struct er_str line, struct er_http_head *head, struct er_http_fault *fault)
{
    struct er_http_request *request = &head->request;
    struct er_str rest, target, version;

    if (!split(line, ' ', &request->method, &rest) || !split(rest, ' ', &target, &version) || !is_token(request->method)) {
        FAULT(fault, 400, ER_E_REQUEST, "the request line is not METHOD SP TARGET SP HTTP/1.1");
        return false;
    }
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.') {
        FAULT(fault, 400, ER_E_REQUEST, "the request line does not end with HTTP/1.1");
        return false;
    }
    if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1')) {
        FAULT(fault, 505, ER_E_REQUEST, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        return false;
    }
    head->keep_alive = version.p[7] == '1';
    if (!parse_target(target, request)) {
        FAULT(fault, 400, ER_E_REQUEST, "the request target is not an absolute path");
        return false;
    }
    return true;
}

static bool parse_field(struct er_str line, struct er_http_head *head, struct er_http_fault *fault)
{
    struct er_http_field field;

    if (!split(line, ':', &field.name, &field.value) || !is_token(field.name)) {
        FAULT(fault, 400, ER_E_REQUEST, "a header line is not NAME: VALUE");
        return false;
    }
    field.value = trim(field.value);
    for (size_t i = 0; i < field.value.n; i++) {
        unsigned char c = (unsigned char)field.value.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            FAULT(fault, 400, ER_E_REQUEST, "a header value holds a control character");
            return false;
        }
    }
    if (head->request.n_fields == ER_HTTP_MAX_FIELDS) {
        FAULT(fault, 431, ER_E_HEADER_TOO_LARGE, "more than 64 header fields");
        return false;
    }
    head->fields[head->request.n_fields++] = field;
    return true;
}

static bool parse_length(struct er_str value, uint64_t *out)
{
    uint64_t n = 0;

    if (value.n == 0 || value.n > MAX_LENGTH_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    *out = n;
    return true;
}

/* How long is the body? */
static bool parse_framing(struct er_http_head *head, bool http_1_0, struct er_http_fault *fault)
{
    size_t at = 0, coding_at = 0;
    const struct er_http_field *length = er_http_field(&head->request, ER_STR("content-length"), &at);
    const struct er_http_field *coding = er_http_field(&head->request, ER_STR("transfer-encoding"), &coding_at);

    if (coding != NULL) {
        if (length != NULL || http_1_0) {
            FAULT(fault, 400, ER_E_REQUEST, "Transfer-Encoding together with Content-Length, or in HTTP/1.0");
            return false;
        }
        if (!er_http_same(coding->value, ER_STR("chunked")) ||
            er_http_field(&head->request, ER_STR("transfer-encoding"), &coding_at) != NULL) {
            FAULT(fault, 501, ER_E_REQUEST, "the only transfer coding known here is chunked");
            return false;
        }
        head->chunked = true;
        return true;
    }
    if (length == NULL) {
        return true;
    }
    if (!parse_length(length->value, &head->content_length) ||
        er_http_field(&head->request, ER_STR("content-length"), &at) != NULL) {
        FAULT(fault, 400, ER_E_REQUEST, "Content-Length is not one decimal number");
        return false;
    }
    return true;
}

static bool parse_connection(struct er_http_head *head, bool http_1_0, struct er_http_fault *fault)
{
    const struct er_http_field *field;
    size_t at = 0;
    bool close = !head->keep_alive, keep = false;

    while ((field = er_http_field(&head->request, ER_STR("connection"), &at)) != NULL) {
        struct er_str rest = field->value, token = field->value;

        while (rest.n > 0) {
            if (!split(rest, ',', &token, &rest)) {
                token = rest;
                rest.n = 0;
            }
            close = close || er_http_same(trim(token), ER_STR("close"));
            keep = keep || er_http_same(trim(token), ER_STR("keep-alive"));
        }
    }
    head->keep_alive = head->keep_alive ? !close : keep;
    at = 0;
    if (er_http_field(&head->request, ER_STR("host"), &at) != NULL && er_http_field(&head->request, ER_STR("host"), &at) != NULL) {
        FAULT(fault, 400, ER_E_REQUEST, "more than one Host field");
        return false;
    }
    at = 0;
    field = er_http_field(&head->request, ER_STR("expect"), &at);
    if (field != NULL && !er_http_same(field->value, ER_STR("100-continue"))) {
        FAULT(fault, 417, ER_E_REQUEST, "the only expectation known here is 100-continue");
        return false;
    }
    head->expect_continue = field != NULL && !http_1_0;
    return true;
}

bool er_http_head_parse(struct er_str text, struct er_http_head *head, struct er_http_fault *fault)
{
    struct er_str line = take_line(&text);
    bool http_1_0;

    memset(head, 0, sizeof *head);
    head->request.uid = -1;
    head->request.fields = head->fields;
    if (!parse_request_line(line, head, fault)) {
        return false;
    }
    http_1_0 = !head->keep_alive;
    while (line = take_line(&text), line.n > 0) {
        if (!parse_field(line, head, fault)) {
            return false;
        }
    }
    return parse_framing(head, http_1_0, fault) && parse_connection(head, http_1_0, fault);
}

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF, CHUNK_TRAILER, CHUNK_TRAILER_LF };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool size_byte(struct er_http_chunked *chunked, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        chunked->left = chunked->left * 16 + (uint64_t)digit;
        return ++chunked->digits <= MAX_CHUNK_DIGITS;
    }
    if (chunked->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t')) {
        return false;
    }
    chunked->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return true;
}

static bool extension_byte(struct er_http_chunked *chunked, char c)
{
    if (c == '\r') {
        chunked->state = CHUNK_SIZE_LF;
    }
    return c != '\n' && c != '\0' && ++chunked->line_bytes <= MAX_CHUNK_LINE;
}

static bool trailer_byte(struct er_http_chunked *chunked, char c)
{
    if (c == '\r') {
        chunked->state = CHUNK_TRAILER_LF;
    } else {
        chunked->trailer_empty = false;
    }
    return c != '\n' && c != '\0' && ++chunked->line_bytes <= MAX_TRAILERS;
}

/* One byte outside of the data. False: malformed. *done: the body is complete. */
static bool chunk_byte(struct er_http_chunked *chunked, char c, bool *done)
{
    switch (chunked->state) {
    case CHUNK_SIZE:
        return size_byte(chunked, c);
    case CHUNK_EXTENSION:
        return extension_byte(chunked, c);
    case CHUNK_SIZE_LF:
        chunked->state = chunked->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        chunked->line_bytes = 0;
        chunked->digits = 0;
        chunked->trailer_empty = true;
        return c == '\n';
    case CHUNK_DATA_CR:
        chunked->state = CHUNK_DATA_LF;
        return c == '\r';
    case CHUNK_DATA_LF:
        chunked->state = CHUNK_SIZE;
        return c == '\n';
    case CHUNK_TRAILER:
        return trailer_byte(chunked, c);
    default: /* CHUNK_TRAILER_LF */
        *done = chunked->trailer_empty;
        chunked->state = CHUNK_TRAILER;
        chunked->trailer_empty = true;
        return c == '\n';
    }
}

enum er_http_verdict er_http_chunked_feed(struct er_http_chunked *chunked, struct er_str bytes, struct er_buf *body, size_t limit,
                                          size_t *used, struct er_http_fault *fault)
{
    size_t i = 0;
    bool done = false;

    while (i < bytes.n && !done) {
        if (chunked->state == CHUNK_DATA) {
            size_t n = chunked->left < bytes.n - i ? (size_t)chunked->left : bytes.n - i;

            if (chunked->left > limit - body->n) {
                FAULT(fault, 413, ER_E_TOO_LARGE, "the body is too large");
                return ER_HTTP_BAD;
            }
            er_buf_add(body, (struct er_str){ bytes.p + i, n });
            i += n;
            chunked->left -= n;
            chunked->state = chunked->left == 0 ? CHUNK_DATA_CR : CHUNK_DATA;
        } else if (!chunk_byte(chunked, bytes.p[i++], &done)) {
            FAULT(fault, 400, ER_E_REQUEST, "the chunked body is malformed");
            return ER_HTTP_BAD;
        }
    }
    *used = i;
    return done ? ER_HTTP_DONE : ER_HTTP_MORE;
}
