#include "admin/etag.h"

enum { MAX_TAGS = 1024 };

static void skip_space(struct er_str *s)
{
    while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t')) {
        s->p++;
        s->n--;
    }
}

static bool starts(struct er_str s, struct er_str prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static void advance(struct er_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* rev-N without leading zeros: the only form that the server gives out. */
static bool parse_revision(struct er_str tag, uint64_t *out)
{
    uint64_t n = 0;

    if (!starts(tag, ER_STR("rev-")) || tag.n < 5 || tag.n > 4 + 19 || (tag.p[4] == '0' && tag.n > 5)) {
        return false;
    }
    for (size_t i = 4; i < tag.n; i++) {
        if (tag.p[i] < '0' || tag.p[i] > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(tag.p[i] - '0');
    }
    *out = n;
    return true;
}

struct tags {
    uint64_t strong[MAX_TAGS], weak[MAX_TAGS];
    size_t n, n_weak, total;
    bool any;
};

/* One entity-tag at the front of s. False: there is none. */
static bool take_tag(struct er_str *s, struct tags *tags)
{
    bool weak = starts(*s, ER_STR("W/"));
    const char *end;
    struct er_str tag;
    uint64_t revision;

    if (weak) {
        advance(s, 2);
    }
    if (s->n < 2 || s->p[0] != '"' || (end = memchr(s->p + 1, '"', s->n - 1)) == NULL) {
        return false;
    }
    tag = (struct er_str){ s->p + 1, (size_t)(end - s->p) - 1 };
    advance(s, tag.n + 2);
    if (parse_revision(tag, &revision)) {
        if (weak) {
            tags->weak[tags->n_weak++] = revision;
        } else {
            tags->strong[tags->n++] = revision;
        }
    }
    return ++tags->total < MAX_TAGS;
}

static bool take_list(struct er_str s, struct tags *tags)
{
    for (;;) {
        skip_space(&s);
        if (s.n == 0) {
            return true;
        }
        if (s.p[0] == '*') {
            tags->any = true;
            tags->total++;
            advance(&s, 1);
        } else if (s.p[0] != ',' && !take_tag(&s, tags)) {
            return false;
        }
        skip_space(&s);
        if (s.n > 0 && s.p[0] != ',') {
            return false;
        }
        if (s.n > 0) {
            advance(&s, 1);
        }
    }
}

enum er_code er_etag_read(struct er_arena *arena, const struct er_http_request *request, const char *header,
                          struct er_etag_list *out, struct er_err *err)
{
    const struct er_http_field *field;
    struct tags *tags = NULL;
    size_t at = 0;

    *out = (struct er_etag_list){ 0 };
    while ((field = er_http_field(request, er_str_of(header), &at)) != NULL) {
        if (tags == NULL && (tags = er_arena_calloc(arena, 1, sizeof *tags)) == NULL) {
            return er_err_set(err, ER_E_NOMEM, "out of memory while reading the request");
        }
        if (!take_list(field->value, tags)) {
            return er_err_set(err, ER_E_REQUEST, "%s must be * or a list of entity tags in double quotes such as \"rev-12\"",
                              header);
        }
    }
    if (tags == NULL) {
        return ER_OK;
    }
    if (tags->total == 0 || (tags->any && tags->total > 1)) {
        return er_err_set(err, ER_E_REQUEST, "%s must be * alone or at least one entity tag", header);
    }
    *out = (struct er_etag_list){
        .given = true, .any = tags->any, .strong = tags->strong, .n = tags->n, .weak = tags->weak, .n_weak = tags->n_weak
    };
    return ER_OK;
}

enum er_code er_etag_precondition(struct er_arena *arena, const struct er_http_request *request, struct er_precondition *out,
                                  struct er_err *err)
{
    struct er_etag_list match, none;
    enum er_code code = er_etag_read(arena, request, "If-Match", &match, err);

    *out = (struct er_precondition){ 0 };
    if (code == ER_OK) {
        code = er_etag_read(arena, request, "If-None-Match", &none, err);
    }
    if (code != ER_OK) {
        return code;
    }
    if (none.given && !none.any) {
        return er_err_set(err, ER_E_REQUEST, "If-None-Match of a change can only be * (create, never replace)");
    }
    *out = (struct er_precondition){ .if_match = match.given,
                                     .if_match_any = match.any,
                                     .match = match.strong,
                                     .n_match = match.n,
                                     .if_none_match_any = none.given };
    return ER_OK;
}

bool er_etag_matches(const struct er_etag_list *list, uint64_t revision, bool weak)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->strong[i] == revision) {
            return true;
        }
    }
    for (size_t i = 0; weak && i < list->n_weak; i++) {
        if (list->weak[i] == revision) {
            return true;
        }
    }
    return list->any;
}

/* ---- Page tokens: hexadecimal of "1", the collection's letter, the last id, and a check byte. */

static const char digits[] = "0123456789abcdef";

static unsigned check_byte(struct er_str s)
{
    unsigned sum = 0xA5;

    for (size_t i = 0; i < s.n; i++) {
        sum = (sum * 31 + (unsigned char)s.p[i]) & 0xFF;
    }
    return sum;
}

struct er_str er_page_token(struct er_arena *arena, char collection, struct er_str last_id)
{
    struct er_str plain = er_arena_printf(arena, "1%c%.*s", collection, ER_STR_ARG(last_id));
    char *text = plain.p == NULL ? NULL : er_arena_alloc(arena, plain.n * 2 + 3);
    unsigned check;

    if (text == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    check = check_byte(plain);
    for (size_t i = 0; i < plain.n; i++) {
        text[i * 2] = digits[(unsigned char)plain.p[i] >> 4];
        text[i * 2 + 1] = digits[(unsigned char)plain.p[i] & 15];
    }
    text[plain.n * 2] = digits[check >> 4];
    text[plain.n * 2 + 1] = digits[check & 15];
    text[plain.n * 2 + 2] = '\0';
    return (struct er_str){ text, plain.n * 2 + 2 };
}

static bool unhex(struct er_str token, char *plain)
{
    for (size_t i = 0; i < token.n; i++) {
        const char *digit = token.p[i] == '\0' ? NULL : strchr(digits, token.p[i]);

        if (digit == NULL) {
            return false;
        }
        plain[i / 2] = (char)(i % 2 == 0 ? (digit - digits) << 4 : (unsigned char)plain[i / 2] | (digit - digits));
    }
    return true;
}

enum er_code er_page_read(struct er_arena *arena, char collection, struct er_str token, struct er_str *after_id, struct er_err *err)
{
    char *plain = er_arena_alloc(arena, token.n / 2 + 1);
    struct er_str text = { plain, token.n / 2 - 1 };

    if (plain == NULL) {
        return er_err_set(err, ER_E_NOMEM, "out of memory while reading the request");
    }
    if (token.n % 2 != 0 || token.n < 8 || !unhex(token, plain) || plain[0] != '1' || plain[1] != collection ||
        check_byte(text) != (unsigned char)plain[text.n]) {
        return er_err_set(err, ER_E_REQUEST, "page_token is not one that this server gave out for this list");
    }
    plain[text.n] = '\0';
    *after_id = (struct er_str){ plain + 2, text.n - 2 };
    return ER_OK;
}
