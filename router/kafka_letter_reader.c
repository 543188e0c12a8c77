#include "router/kafka_letter_reader.h"

#include <stdlib.h>
#include "router/clock.h"
#include "router/dead_letter.h"
#include "router/kafka_conf.h"
#include "router/kafka_record.h"

enum {
    SLICE_MS = 200,       /* longest wait, so that a stop is noticed */
    STEP_MS = 1000,       /* one question to the brokers */
    PAGE_MS = 3000,       /* what is not found by then comes with the next page, */
    PAGE_RECORDS = 50000, /* or after so many */
    STRETCH_MIN = 128,
    STRETCH_MAX = 4096,
    PAGE_BYTES = 4 << 20, /* or with so much to show */
    PARTITIONS_MAX = 1000,
    READ_BYTES = 16 << 20, /* of single letters in one request */
    NEAR = 500,            /* offsets between letters that are read past rather than jumped over */
    /* what a list shows of a record */
    VALUE_BYTES = 4096,
    KEY_BYTES = 1024,
    HEADER_BYTES = 4096,
};

struct er_kafka_letter_reader {
    const struct er_config *config;
    const atomic_bool *stop;
    struct er_kafka_handle handle;
    rd_kafka_t *rk; /* NULL until needed, as is the next */
    rd_kafka_topic_t *rkt;
    struct er_kafka_headers headers; /* of the record at hand, */
    struct er_headers own;           /* and what is left of them */
    int32_t partitions;              /* of the topic when it was last asked */
};

/* ---- The client */

static void close_client(struct er_kafka_letter_reader *reader)
{
    if (reader->rkt != NULL)
        rd_kafka_topic_destroy(reader->rkt);
    if (reader->rk != NULL)
        rd_kafka_destroy(reader->rk);
    reader->rkt = NULL;
    reader->rk = NULL;
}

static enum er_code open_client(struct er_kafka_letter_reader *reader, struct er_err *err)
{
    rd_kafka_conf_t *conf = NULL;
    enum er_code code = ER_OK;
    char text[512];

    if (reader->rkt != NULL)
        return ER_OK;
    code = er_kafka_conf_new(reader->config, ER_KAFKA_READER, 0, &reader->handle, &conf, err);
    if (code != ER_OK)
        return code;
    reader->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (reader->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return er_err_set(err, ER_E_KAFKA, "no consumer can be made: %s", text);
    }
    reader->rkt = rd_kafka_topic_new(reader->rk, reader->config->dead_letter_topic, NULL);
    if (reader->rkt == NULL) {
        close_client(reader);
        return er_err_set(err, ER_E_KAFKA, "no topic handle can be made: %s", rd_kafka_err2str(rd_kafka_last_error()));
    }
    return ER_OK;
}

enum er_code er_kafka_letter_reader_new(const struct er_config *config, struct er_log *log, const atomic_bool *stop,
                                        struct er_kafka_letter_reader **out, struct er_err *err)
{
    struct er_kafka_letter_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    reader->config = config;
    reader->stop = stop;
    reader->handle.log = log;
    reader->handle.name = "dead letters";
    *out = reader;
    return ER_OK;
}

void er_kafka_letter_reader_free(struct er_kafka_letter_reader *reader)
{
    if (reader == NULL)
        return;
    close_client(reader);
    free(reader->headers.items);
    er_headers_free(&reader->own);
    free(reader);
}

/* ---- Answers that are none */

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory while reading dead letters");
}

/* May the work go on? */
static enum er_code check_time(const struct er_kafka_letter_reader *reader, const struct er_letters_request *request,
                               struct er_err *err)
{
    if (atomic_load(reader->stop))
        return er_err_set(err, ER_E_UNAVAILABLE, "the router is stopping");
    if (er_clock_ms() >= request->deadline_ms)
        return er_err_set(err, ER_E_KAFKA_TIMEOUT, "topic %s could not be read in time", reader->config->dead_letter_topic);
    return ER_OK;
}

static bool may_pass(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return false;
    default:
        return true;
    }
}

static enum er_code refused(const struct er_kafka_letter_reader *reader, rd_kafka_resp_err_t error, struct er_err *err)
{
    return er_err_set(err, ER_E_KAFKA, "topic %s cannot be read: %s", reader->config->dead_letter_topic, rd_kafka_err2str(error));
}

/* ---- Where the topic begins and ends */

static rd_kafka_topic_partition_list_t *list_partitions(struct er_kafka_letter_reader *reader, rd_kafka_resp_err_t *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_partition_list_t *list = NULL;

    *error = rd_kafka_metadata(reader->rk, 0, reader->rkt, &metadata, STEP_MS);
    if (*error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    *error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (*error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        list = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
        for (int i = 0; i < metadata->topics[0].partition_cnt && i < PARTITIONS_MAX; i++)
            rd_kafka_topic_partition_list_add(list, reader->config->dead_letter_topic, metadata->topics[0].partitions[i].id);
    }
    rd_kafka_metadata_destroy(metadata);
    return list;
}

/* which: RD_KAFKA_OFFSET_BEGINNING or _END, taken for times. */
static rd_kafka_resp_err_t ask_offsets(struct er_kafka_letter_reader *reader, rd_kafka_topic_partition_list_t *list, int64_t which)
{
    rd_kafka_resp_err_t error;

    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = which;
    error = rd_kafka_offsets_for_times(reader->rk, list, STEP_MS);
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        error = list->elems[i].err;
    return error;
}

/* A partition while it is read backwards. */
struct cursor {
    struct er_letter_place low;
    int64_t before;          /* nothing from here on was looked at by this or a later stretch */
    int64_t stretch;         /* length of the next one */
    struct er_letter *found; /* not taken yet, the newest is the last; owned */
    size_t n, capacity;
};

struct page {
    struct er_kafka_letter_reader *reader;
    struct er_letters_request *request;
    struct cursor *cursors;
    size_t n;
    uint64_t end_ms;
    bool worked; /* at least one stretch was read: there is progress */
};

/* What a page without filters wants of one of n partitions. */
static int64_t first_stretch(const struct er_letters_request *request, size_t n)
{
    size_t wanted = request->limit / n;

    return wanted < STRETCH_MIN ? STRETCH_MIN : wanted > STRETCH_MAX ? STRETCH_MAX : (int64_t)wanted;
}

static enum er_code make_cursors(struct page *page, const rd_kafka_topic_partition_list_t *list, struct er_err *err)
{
    size_t room = list->cnt > 0 ? (size_t)list->cnt : 1;

    page->n = 0;
    free(page->cursors);
    page->cursors = calloc(room, sizeof *page->cursors);
    page->request->oldest = er_arena_calloc(page->request->arena, room, sizeof *page->request->oldest);
    if (page->cursors == NULL || page->request->oldest == NULL)
        return no_memory(err);
    for (int i = 0; i < list->cnt; i++) {
        struct cursor *cursor = &page->cursors[page->n];

        cursor->low = (struct er_letter_place){ list->elems[i].partition, list->elems[i].offset };
        cursor->before = INT64_MAX;
        cursor->stretch = first_stretch(page->request, room);
        page->request->oldest[page->n++] = cursor->low;
    }
    page->request->n_oldest = page->n;
    return ER_OK;
}

static void set_ends(struct page *page, const rd_kafka_topic_partition_list_t *list)
{
    for (size_t i = 0; i < page->n; i++)
        page->cursors[i].before = list->elems[i].offset;
}

/* The next page begins where the one before it stopped. */
static void resume(struct page *page)
{
    const struct er_letters_request *request = page->request;

    for (size_t i = 0; i < page->n && request->n_before > 0; i++) {
        struct cursor *cursor = &page->cursors[i];
        int64_t before = cursor->low.offset;

        for (size_t j = 0; j < request->n_before; j++) {
            if (request->before[j].partition == cursor->low.partition)
                before = request->before[j].offset;
        }
        if (before < cursor->before)
            cursor->before = before;
    }
}

/* One attempt. ER_OK with *error set: again, if there is time. */
static enum er_code try_bounds(struct page *page, rd_kafka_resp_err_t *error, struct er_err *err)
{
    rd_kafka_topic_partition_list_t *list = list_partitions(page->reader, error);
    enum er_code code = ER_OK;

    if (list == NULL)
        return ER_OK;
    *error = ask_offsets(page->reader, list, RD_KAFKA_OFFSET_BEGINNING);
    if (*error == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = make_cursors(page, list, err);
    if (code == ER_OK && *error == RD_KAFKA_RESP_ERR_NO_ERROR)
        *error = ask_offsets(page->reader, list, RD_KAFKA_OFFSET_END);
    if (code == ER_OK && *error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        set_ends(page, list);
        resume(page);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static enum er_code find_bounds(struct page *page, struct er_err *err)
{
    rd_kafka_resp_err_t error;
    enum er_code code;

    for (;;) {
        code = try_bounds(page, &error, err);
        if (code != ER_OK || error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return code;
        if (!may_pass(error))
            return refused(page->reader, error, err);
        code = check_time(page->reader, page->request, err);
        if (code != ER_OK)
            return code;
        (void)rd_kafka_poll(page->reader->rk, SLICE_MS / 4); /* a new partition's leader may not know yet that it is one */
    }
}

/* ---- One stretch of one partition */

typedef enum er_code stretch_cb(void *ctx, rd_kafka_message_t *message, struct er_err *err);

struct stretch {
    int32_t partition;
    int64_t from, to;
    stretch_cb *cb; /* with ctx, for every record, in order; the message is destroyed when it returns */
    void *ctx;
    bool out_of_range; /* from is not there (any more) */
};

/* *over: the stretch has been read. */
static enum er_code take_message(struct er_kafka_letter_reader *reader, struct stretch *stretch, rd_kafka_message_t *message,
                                 bool *over, struct er_err *err)
{
    enum er_code code = ER_OK;

    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->offset < stretch->to)
            code = stretch->cb(stretch->ctx, message, err);
        *over = message->offset + 1 >= stretch->to;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *over = true;
    } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        stretch->out_of_range = *over = true;
    } else if (!may_pass(message->err)) {
        code = refused(reader, message->err, err);
    }
    return code;
}

static enum er_code scan(struct er_kafka_letter_reader *reader, const struct er_letters_request *request, struct stretch *stretch,
                         struct er_err *err)
{
    enum er_code code = ER_OK;
    bool over = false;

    if (rd_kafka_consume_start(reader->rkt, stretch->partition, stretch->from) != 0)
        return refused(reader, rd_kafka_last_error(), err);
    while (code == ER_OK && !over) {
        rd_kafka_message_t *message = rd_kafka_consume(reader->rkt, stretch->partition, SLICE_MS);

        if (message == NULL) {
            (void)rd_kafka_poll(reader->rk, 0);
            code = check_time(reader, request, err);
            continue;
        }
        code = take_message(reader, stretch, message, &over, err);
        rd_kafka_message_destroy(message);
    }
    (void)rd_kafka_consume_stop(reader->rkt, stretch->partition);
    return code;
}

/* ---- Records into letters */

/* Borrows from the message and the reader's headers. */
static enum er_code read_letter(struct er_kafka_letter_reader *reader, rd_kafka_message_t *message, struct er_letter *out,
                                struct er_err *err)
{
    struct er_record record;

    reader->headers.n = 0;
    if (!er_kafka_headers_read(&reader->headers, message) || !er_headers_reserve(&reader->own, reader->headers.n + 1))
        return no_memory(err);
    er_kafka_record_fill(&record, message, reader->config->dead_letter_topic);
    record.headers = reader->headers.items;
    record.n_headers = reader->headers.n;
    er_dead_letter_read(&record, reader->own.items, out);
    return ER_OK;
}

static bool keep(struct er_arena *arena, struct er_str *s, size_t max)
{
    if (s->n > max)
        s->n = max;
    if (s->n == 0)
        return true;
    *s = er_arena_dup(arena, *s);
    return s->p != NULL;
}

/* The letter's headers into the arena, as long as they fit into max bytes. */
static bool keep_headers(struct er_arena *arena, struct er_letter *letter, size_t max)
{
    size_t n = letter->event.n_headers, bytes = 0;
    struct er_header *kept = er_arena_calloc(arena, n + 1, sizeof *kept);

    for (size_t i = 0; i < n && kept != NULL; i++) {
        kept[i] = letter->event.headers[i];
        bytes += kept[i].name.n + kept[i].value.n;
        if (bytes > max) {
            letter->event.n_headers = i;
            letter->headers_cut = true;
            break;
        }
        if (!keep(arena, &kept[i].name, SIZE_MAX) || !keep(arena, &kept[i].value, SIZE_MAX))
            return false;
    }
    letter->event.headers = kept;
    return kept != NULL;
}

/* Copies everything that is kept of the letter into the arena. */
static bool keep_letter(struct er_arena *arena, struct er_letter *letter, bool whole)
{
    struct er_str *const texts[] = { &letter->code,   &letter->stage,      &letter->message,
                                     &letter->source, &letter->subscriber, &letter->subscription };
    size_t max = whole ? SIZE_MAX : HEADER_BYTES;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!keep(arena, texts[i], max))
            return false;
    }
    letter->event.owner = NULL;
    return keep(arena, &letter->event.key, whole ? SIZE_MAX : KEY_BYTES) &&
           keep(arena, &letter->event.value, whole ? SIZE_MAX : VALUE_BYTES) && keep_headers(arena, letter, max);
}

/* ---- Single letters */

struct wanted {
    struct er_kafka_letter_reader *reader;
    struct er_letters_request *request;
    struct er_letter_item **items; /* by place */
    size_t n, at;
    size_t bytes; /* that are kept */
};

static int by_place(const void *a, const void *b)
{
    const struct er_letter_place *x = &(*(struct er_letter_item *const *)a)->place;
    const struct er_letter_place *y = &(*(struct er_letter_item *const *)b)->place;

    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static size_t bytes_of(const struct er_letter *letter)
{
    size_t n = letter->event.key.n + letter->event.value.n;

    for (size_t i = 0; i < letter->event.n_headers; i++)
        n += letter->event.headers[i].name.n + letter->event.headers[i].value.n;
    return n;
}

static enum er_code take_wanted(void *ctx, rd_kafka_message_t *message, struct er_err *err)
{
    struct wanted *wanted = ctx;
    struct er_arena *arena = wanted->request->arena;
    struct er_letter *letter;
    enum er_code code;

    while (wanted->at < wanted->n && wanted->items[wanted->at]->place.offset < message->offset)
        wanted->at++;
    if (wanted->at == wanted->n || wanted->items[wanted->at]->place.offset != message->offset)
        return ER_OK;
    letter = er_arena_calloc(arena, 1, sizeof *letter);
    if (letter == NULL)
        return no_memory(err);
    code = read_letter(wanted->reader, message, letter, err);
    wanted->bytes += code == ER_OK ? bytes_of(letter) : 0;
    if (code == ER_OK && wanted->bytes > READ_BYTES && wanted->request->n_items > 1)
        return er_err_set(err, ER_E_TOO_LARGE, "these dead letters are too large for one request; ask for fewer at once");
    if (code == ER_OK && !keep_letter(arena, letter, true))
        code = no_memory(err);
    for (; code == ER_OK && wanted->at < wanted->n && wanted->items[wanted->at]->place.offset == message->offset; wanted->at++)
        wanted->items[wanted->at]->letter = letter;
    return code;
}

static const struct cursor *cursor_of(const struct page *page, int32_t partition)
{
    for (size_t i = 0; i < page->n; i++) {
        if (page->cursors[i].low.partition == partition)
            return &page->cursors[i];
    }
    return NULL;
}

/* Says whether a letter can be there. */
static bool is_possible(const struct page *page, struct er_letter_item *item)
{
    const struct er_letter_place *place = &item->place;
    const struct cursor *cursor = cursor_of(page, place->partition);

    if (cursor != NULL && place->offset < cursor->low.offset)
        item->code =
            er_err_set(&item->err, ER_E_LETTER_GONE, "dead letter %d-%lld is gone: the oldest of its partition is %lld now",
                       (int)place->partition, (long long)place->offset, (long long)cursor->low.offset);
    else
        item->code = er_err_set(&item->err, ER_E_NOT_FOUND, "there is no dead letter %d-%lld", (int)place->partition,
                                (long long)place->offset);
    return cursor != NULL && place->offset >= cursor->low.offset && place->offset < cursor->before;
}

/* Those from `first` on that are read in one go: near each other in one partition. */
static size_t run_length(const struct wanted *wanted, size_t first)
{
    size_t n = 1;

    while (first + n < wanted->n && wanted->items[first + n]->place.partition == wanted->items[first]->place.partition &&
           wanted->items[first + n]->place.offset - wanted->items[first + n - 1]->place.offset <= NEAR)
        n++;
    return n;
}

static enum er_code read_runs(struct wanted *wanted, struct er_err *err)
{
    struct wanted run = *wanted;
    enum er_code code = ER_OK;

    for (size_t first = 0; first < wanted->n && code == ER_OK; first += run.n) {
        struct stretch stretch = { .cb = take_wanted, .ctx = &run };

        run.n = run_length(wanted, first);
        run.items = wanted->items + first;
        run.at = 0;
        stretch.partition = run.items[0]->place.partition;
        stretch.from = run.items[0]->place.offset;
        stretch.to = run.items[run.n - 1]->place.offset + 1;
        code = scan(wanted->reader, wanted->request, &stretch, err);
    }
    return code;
}

enum er_code er_kafka_letter_reader_read(struct er_kafka_letter_reader *reader, struct er_letters_request *request)
{
    struct wanted wanted = { .reader = reader, .request = request };
    struct page page = { .reader = reader, .request = request };
    struct er_err *err = &request->err;
    enum er_code code = open_client(reader, err);

    wanted.items = er_arena_calloc(request->arena, request->n_items + 1, sizeof(struct er_letter_item *));
    if (code == ER_OK && wanted.items == NULL)
        code = no_memory(err);
    if (code == ER_OK)
        code = find_bounds(&page, err);
    for (size_t i = 0; i < request->n_items && code == ER_OK; i++) {
        request->items[i].letter = NULL;
        if (is_possible(&page, &request->items[i]))
            wanted.items[wanted.n++] = &request->items[i];
    }
    free(page.cursors);
    if (code == ER_OK && wanted.n > 0) {
        qsort(wanted.items, wanted.n, sizeof(struct er_letter_item *), by_place);
        code = read_runs(&wanted, err);
    }
    for (size_t i = 0; i < request->n_items && code == ER_OK; i++) {
        if (request->items[i].letter != NULL)
            request->items[i].code = ER_OK;
    }
    return code;
}

/* ---- A page */

static bool is_wanted(const struct er_letters_filter *filter, const struct er_letter *letter)
{
    if ((filter->code.n > 0 && !er_str_eq(filter->code, letter->code)) ||
        (filter->stage.n > 0 && !er_str_eq(filter->stage, letter->stage)) ||
        (filter->subscriber.n > 0 && !er_str_eq(filter->subscriber, letter->subscriber)))
        return false;
    if (filter->since_ms == ER_LETTER_NO_TIME && filter->until_ms == ER_LETTER_NO_TIME)
        return true;
    return letter->first_failed_ms != ER_LETTER_NO_TIME &&
           (filter->since_ms == ER_LETTER_NO_TIME || letter->first_failed_ms >= filter->since_ms) &&
           (filter->until_ms == ER_LETTER_NO_TIME || letter->first_failed_ms < filter->until_ms);
}

struct loading {
    struct page *page;
    struct cursor *cursor;
};

static bool reserve_found(struct cursor *cursor)
{
    size_t capacity = cursor->capacity == 0 ? 64 : cursor->capacity * 2;
    struct er_letter *grown;

    if (cursor->n < cursor->capacity)
        return true;
    grown = realloc(cursor->found, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    cursor->found = grown;
    cursor->capacity = capacity;
    return true;
}

static enum er_code take_listed(void *ctx, rd_kafka_message_t *message, struct er_err *err)
{
    const struct loading *loading = ctx;
    struct er_letters_request *request = loading->page->request;
    struct cursor *cursor = loading->cursor;
    struct er_letter letter;
    enum er_code code = read_letter(loading->page->reader, message, &letter, err);

    request->scanned++;
    if (code != ER_OK || !is_wanted(&request->filter, &letter))
        return code;
    if (request->brief)
        letter.event.key.n = letter.event.value.n = letter.event.n_headers = 0;
    if (!reserve_found(cursor) || !keep_letter(request->arena, &letter, false))
        return no_memory(err);
    cursor->found[cursor->n++] = letter;
    return ER_OK;
}

/* Retention was quicker than the page: where the partition begins now. Not known: there is nothing more to be had from it. */
static void refresh_low(struct page *page, struct cursor *cursor)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    int64_t low = cursor->low.offset;

    rd_kafka_topic_partition_list_add(list, page->reader->config->dead_letter_topic, cursor->low.partition);
    if (ask_offsets(page->reader, list, RD_KAFKA_OFFSET_BEGINNING) == RD_KAFKA_RESP_ERR_NO_ERROR)
        cursor->low.offset = list->elems[0].offset;
    if (cursor->low.offset <= low)
        cursor->before = low;
    rd_kafka_topic_partition_list_destroy(list);
}

/* The next stretch of a partition that has no letters left, older than the last; longer as long as it finds little. */
static enum er_code load(struct page *page, struct cursor *cursor, struct er_err *err)
{
    struct loading loading = { page, cursor };
    int64_t from = cursor->before - cursor->low.offset > cursor->stretch ? cursor->before - cursor->stretch : cursor->low.offset;
    struct stretch stretch = { cursor->low.partition, from, cursor->before, take_listed, &loading, false };
    enum er_code code = scan(page->reader, page->request, &stretch, err);

    if (code != ER_OK) {
        cursor->n = 0; /* half a stretch is none: what is newer in it is not there yet */
        return code;
    }
    if (stretch.out_of_range)
        refresh_low(page, cursor);
    else
        cursor->before = from;
    if (cursor->n < page->request->limit && cursor->stretch < STRETCH_MAX)
        cursor->stretch *= 2;
    page->worked = true;
    return ER_OK;
}

static bool is_over(const struct page *page)
{
    return page->worked && (page->request->scanned >= PAGE_RECORDS || er_clock_ms() >= page->end_ms);
}

/* Every partition gets its newest letter, so that they can be compared. *stop: there is no time for that. */
static enum er_code load_all(struct page *page, bool *stop, struct er_err *err)
{
    enum er_code code = ER_OK;

    *stop = false;
    for (size_t i = 0; i < page->n && code == ER_OK; i++) {
        struct cursor *cursor = &page->cursors[i];

        while (code == ER_OK && cursor->n == 0 && cursor->before > cursor->low.offset) {
            if (is_over(page)) {
                *stop = true;
                return ER_OK;
            }
            code = load(page, cursor, err);
        }
    }
    return code;
}

static struct cursor *newest(struct page *page)
{
    struct cursor *best = NULL;

    for (size_t i = 0; i < page->n; i++) {
        struct cursor *cursor = &page->cursors[i];

        if (cursor->n > 0 &&
            (best == NULL || cursor->found[cursor->n - 1].first_failed_ms > best->found[best->n - 1].first_failed_ms))
            best = cursor;
    }
    return best;
}

static enum er_code fill_page(struct page *page, struct er_err *err)
{
    struct er_letters_request *request = page->request;
    size_t bytes = 0;
    enum er_code code = ER_OK;
    bool stop = false;

    request->letters = er_arena_calloc(request->arena, request->limit, sizeof *request->letters);
    if (request->letters == NULL)
        return no_memory(err);
    while (code == ER_OK && !stop && request->n_letters < request->limit && bytes < PAGE_BYTES) {
        struct cursor *cursor;

        code = load_all(page, &stop, err);
        cursor = code == ER_OK && !stop ? newest(page) : NULL;
        if (cursor == NULL)
            break;
        request->letters[request->n_letters] = cursor->found[--cursor->n];
        bytes += bytes_of(&request->letters[request->n_letters++]);
    }
    /* What was found by the deadline is a page too. */
    return code == ER_E_KAFKA_TIMEOUT && page->worked ? ER_OK : code;
}

/* Where the next page begins. */
static enum er_code note_rest(struct page *page, struct er_err *err)
{
    struct er_letters_request *request = page->request;

    request->next = er_arena_calloc(request->arena, page->n + 1, sizeof *request->next);
    if (request->next == NULL)
        return no_memory(err);
    for (size_t i = 0; i < page->n; i++) {
        const struct cursor *cursor = &page->cursors[i];
        int64_t before = cursor->n > 0 ? cursor->found[cursor->n - 1].place.offset + 1 : cursor->before;

        if (before > cursor->low.offset)
            request->next[request->n_next++] = (struct er_letter_place){ cursor->low.partition, before };
    }
    return ER_OK;
}

enum er_code er_kafka_letter_reader_list(struct er_kafka_letter_reader *reader, struct er_letters_request *request)
{
    struct page page = { .reader = reader, .request = request, .end_ms = er_clock_ms() + PAGE_MS };
    struct er_err *err = &request->err;
    enum er_code code = open_client(reader, err);

    if (code == ER_OK)
        code = find_bounds(&page, err);
    if (code == ER_OK)
        code = fill_page(&page, err);
    if (code == ER_OK)
        code = note_rest(&page, err);
    for (size_t i = 0; i < page.n; i++)
        free(page.cursors[i].found);
    free(page.cursors);
    return code;
}
