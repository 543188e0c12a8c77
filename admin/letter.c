#include "admin/letter.h"

#include <inttypes.h>
#include <stdio.h>
#include "rules/base/base64.h"
#include "rules/base/utf8.h"

/* ---- Refs */

/* Takes decimal digits, at most `most` of them; -1: there are none, or too many. */
static int64_t take_number(struct er_str *text, size_t most)
{
    int64_t n = 0;
    size_t i = 0;

    while (i < text->n && text->p[i] >= '0' && text->p[i] <= '9') {
        if (i == most) {
            return -1;
        }
        n = n * 10 + (text->p[i++] - '0');
    }
    text->p += i;
    text->n -= i;
    return i == 0 ? -1 : n;
}

static bool take_ref(struct er_str *text, struct er_letter_place *out)
{
    int64_t partition = take_number(text, 9), offset;

    if (partition < 0 || text->n == 0 || text->p[0] != '-') {
        return false;
    }
    text->p++;
    text->n--;
    offset = take_number(text, 18);
    *out = (struct er_letter_place){ (int32_t)partition, offset };
    return offset >= 0;
}

bool er_letter_ref_read(struct er_str text, struct er_letter_place *out)
{
    return take_ref(&text, out) && text.n == 0;
}

struct er_str er_letter_ref_write(struct er_letter_place place, char out[ER_LETTER_REF_MAX])
{
    int n = snprintf(out, ER_LETTER_REF_MAX, "%" PRId32 "-%" PRId64, place.partition, place.offset);

    return (struct er_str){ out, n < 0 ? 0 : (size_t)n };
}

enum er_code er_letter_refs_read(struct er_arena *arena, struct er_str text, struct er_letter_refs *out)
{
    size_t room = 1;

    for (size_t i = 0; i < text.n; i++) {
        room += text.p[i] == ',';
    }
    *out = (struct er_letter_refs){ er_arena_calloc(arena, room, sizeof *out->places), 0 };
    if (out->places == NULL) {
        return ER_E_NOMEM;
    }
    while (take_ref(&text, &out->places[out->n])) {
        out->n++;
        if (text.n == 0 || text.p[0] != ',') {
            break;
        }
        text.p++;
        text.n--;
    }
    return text.n == 0 && out->n == room ? ER_OK : ER_E_REQUEST;
}

struct er_str er_letter_refs_write(struct er_arena *arena, const struct er_letter_place *places, size_t n)
{
    struct er_buf text = { 0 };
    struct er_str kept = { NULL, 0 };
    char ref[ER_LETTER_REF_MAX];

    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            er_buf_addc(&text, ',');
        }
        er_buf_add(&text, er_letter_ref_write(places[i], ref));
    }
    if (!text.failed) {
        kept = er_arena_dup(arena, er_buf_str(&text));
    }
    er_buf_free(&text);
    return kept;
}

/* ---- The store's key */

/* FNV-1a over a field and its length, so that no field can lend bytes to the next. */
static uint64_t add_field(uint64_t hash, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < n + 8; i++) {
        hash = (hash ^ (uint64_t)(i < n ? bytes[i] : (unsigned char)(n >> 8 * (i - n)))) * UINT64_C(0x100000001b3);
    }
    return hash;
}

struct er_store_letter er_letter_key(const struct er_letter *letter)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    hash = add_field(hash, letter->source.p, letter->source.n);
    hash = add_field(hash, letter->subscriber.p, letter->subscriber.n);
    hash = add_field(hash, letter->code.p, letter->code.n);
    hash = add_field(hash, &letter->first_failed_ms, sizeof letter->first_failed_ms);
    return (struct er_store_letter){ letter->event.topic, letter->place.partition, letter->place.offset, hash };
}

/* ---- JSON */

static void member_text(struct er_json_writer *w, const char *key, struct er_str text)
{
    er_jw_key(w, er_str_of(key));
    if (text.n == 0) {
        er_jw_null(w);
    } else {
        er_jw_string(w, text);
    }
}

static void member_number(struct er_json_writer *w, const char *key, int64_t n)
{
    er_jw_key(w, er_str_of(key));
    if (n < 0) {
        er_jw_null(w);
    } else {
        er_jw_int(w, n);
    }
}

static void write_base64(struct er_json_writer *w, struct er_str bytes)
{
    struct er_buf text = { 0 };

    er_base64_add(&text, bytes);
    w->buf->failed = w->buf->failed || text.failed;
    er_jw_string(w, er_buf_str(&text));
    er_buf_free(&text);
}

/* Bytes of a record as text, or as Base64 with a member KEY_encoding that says so. cut: they may end within a character. */
static void member_bytes(struct er_json_writer *w, const char *key, struct er_str bytes, bool cut)
{
    size_t valid = er_utf8_check(bytes);
    bool text = valid == bytes.n || (cut && bytes.n - valid <= 3);
    char encoding[32];

    er_jw_key(w, er_str_of(key));
    if (text) {
        er_jw_string(w, (struct er_str){ bytes.p, valid });
        return;
    }
    write_base64(w, bytes);
    (void)snprintf(encoding, sizeof encoding, "%s_encoding", key);
    er_jw_member_string(w, encoding, ER_STR("base64"));
}

static void write_headers(struct er_json_writer *w, const struct er_letter *letter)
{
    er_jw_key(w, ER_STR("headers"));
    er_jw_array(w);
    for (size_t i = 0; i < letter->event.n_headers; i++) {
        const struct er_header *header = &letter->event.headers[i];

        er_jw_object(w);
        er_jw_member_string(w, "name", header->name);
        if (header->null_value) {
            er_jw_key(w, ER_STR("value"));
            er_jw_null(w);
        } else {
            member_bytes(w, "value", header->value, false);
        }
        er_jw_end(w);
    }
    er_jw_end(w);
    if (letter->headers_cut) {
        er_jw_member_bool(w, "headers_truncated", true);
    }
}

static void write_event(struct er_json_writer *w, const struct er_letter *letter)
{
    const struct er_record *event = &letter->event;

    if (event->has_key) {
        member_bytes(w, "key", event->key, event->key.n < letter->key_bytes);
    } else {
        er_jw_key(w, ER_STR("key"));
        er_jw_null(w);
    }
    if (event->key.n < letter->key_bytes) {
        er_jw_member_bool(w, "key_truncated", true);
    }
    write_headers(w, letter);
    if (event->has_value) {
        member_bytes(w, "value", event->value, event->value.n < letter->value_bytes);
    } else {
        er_jw_key(w, ER_STR("value"));
        er_jw_null(w);
    }
    if (event->value.n < letter->value_bytes) {
        er_jw_member_bool(w, "value_truncated", true);
    }
}

static void write_retry(struct er_json_writer *w, const struct er_store_retry *retry)
{
    er_jw_key(w, ER_STR("retried"));
    if (retry->state == ER_RETRY_NONE) {
        er_jw_null(w);
        return;
    }
    er_jw_object(w);
    er_jw_member_string(w, "outcome", retry->state == ER_RETRY_SENT ? ER_STR("sent") : ER_STR("unknown"));
    er_jw_member_time(w, "at", retry->at_ms);
    er_jw_end(w);
}

void er_letter_write(struct er_json_writer *w, const struct er_letter *letter, const struct er_store_retry *retry, bool brief)
{
    char ref[ER_LETTER_REF_MAX];

    er_jw_object(w);
    er_jw_member_string(w, "ref", er_letter_ref_write(letter->place, ref));
    member_text(w, "code", letter->code);
    member_text(w, "stage", letter->stage);
    member_text(w, "message", letter->message);
    member_text(w, "source", letter->source);
    member_text(w, "subscriber", letter->subscriber);
    member_text(w, "subscription", letter->subscription);
    member_number(w, "attempts", letter->attempts);
    er_jw_member_time(w, "first_failed_at", letter->first_failed_ms);
    member_number(w, "error_offset", letter->error_offset);
    member_number(w, "truncated", letter->truncated);
    write_retry(w, retry);
    /* Kafka's -1: the event has no time */
    er_jw_member_time(w, "timestamp", letter->event.timestamp_ms == -1 ? ER_LETTER_NO_TIME : letter->event.timestamp_ms);
    er_jw_member_uint(w, "value_bytes", letter->value_bytes);
    if (!brief) {
        write_event(w, letter);
    }
    er_jw_end(w);
}
