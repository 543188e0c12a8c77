/* eventrouterctl dead-letter retry: some by name, or all that filters choose in the order of their source. */
#include <stdlib.h>
#include "admin/ctl_dead_letter.h"
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"
#include "rules/base/json_write.h"

enum { BATCH = 100 };

/* A dead letter that is to be sent. */
struct chosen {
    struct er_str ref, subscriber;        /* in arena */
    struct er_str topic;                  /* of the source; in arena */
    unsigned long long partition, offset; /* of the source */
    size_t age;                           /* position in the list: the newest is 0 */
};

/* A subscriber that a letter could not be sent to: what follows for it would be out of order. */
struct failed {
    struct er_str subscriber;
    struct failed *next;
};

struct retry {
    const struct er_ctl *ctl;
    const struct er_ctl_args *args;
    struct er_ctl_session session;
    struct er_arena *arena;
    struct chosen *chosen;
    size_t n, capacity;
    struct failed *failed;
    size_t sent, before, hopeless, left;
    bool no_memory;
};

static enum er_ctl_exit out_of_memory(void)
{
    er_ctl_error(ER_E_NOMEM, "out of memory");
    return ER_CTL_NEGATIVE;
}

static struct er_str text_of(const struct er_json *letter, const char *name)
{
    const struct er_json *member = er_json_member(letter, er_str_of(name));

    return member != NULL && (member->type == ER_JSON_STRING || member->type == ER_JSON_NUMBER) ? member->text : ER_STR("");
}

/* ---- Sending */

static void print_sent(const struct er_ctl *ctl, struct er_str ref, const struct er_json *answer)
{
    const struct er_json *topic = er_json_member(answer, ER_STR("topic")), *partition = er_json_member(answer, ER_STR("partition"));
    const struct er_json *offset = er_json_member(answer, ER_STR("offset"));

    if (ctl->format == ER_CTL_NAME) {
        (void)printf("%.*s\n", ER_STR_ARG(ref));
    } else if (ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL) {
        er_ctl_print_line(answer, NULL);
    } else if (topic != NULL && partition != NULL && offset != NULL) {
        (void)printf("retried    %.*s to %.*s/%.*s/%.*s\n", ER_STR_ARG(ref), ER_STR_ARG(topic->text), ER_STR_ARG(partition->text),
                     ER_STR_ARG(offset->text));
    }
}

static enum er_ctl_exit send_one(struct retry *retry, struct er_str ref)
{
    struct er_buf target = { 0 };
    const struct er_json *answer = NULL;
    enum er_ctl_exit result;

    if (er_ctl_has(retry->args, "dry-run")) {
        er_ctl_print_change(retry->ctl, "retried", ref);
        return ER_CTL_OK;
    }
    er_buf_add(&target, ER_STR("/v1/dead-letters"));
    er_ctl_target_segment(&target, ref);
    er_buf_add(&target, ER_STR("/retry"));
    if (er_ctl_has(retry->args, "again")) {
        er_ctl_target_query(&target, "again", ER_STR("true"));
    }
    result = er_ctl_call_target(&retry->session, "POST", &target, &answer);
    if (result == ER_CTL_OK) {
        print_sent(retry->ctl, ref, answer);
    }
    return result;
}

static bool goes_on(enum er_ctl_exit result)
{
    return result == ER_CTL_OK || result == ER_CTL_REFUSED || result == ER_CTL_TIMEOUT;
}

/* One after another: a refused one does not keep the others, the first refusal is the result. */
static enum er_ctl_exit send_named(struct retry *retry)
{
    enum er_ctl_exit result = ER_CTL_OK;

    for (size_t i = 0; i < er_ctl_operands(retry->args); i++) {
        enum er_ctl_exit one = send_one(retry, er_str_of(er_ctl_operand(retry->args, i)));

        result = result == ER_CTL_OK ? one : result;
        if (!goes_on(one)) {
            return one;
        }
    }
    return result;
}

/* ---- Choosing */

/* Splits "topic/partition/offset"; what has another form sorts first. */
static void read_source(struct chosen *chosen, struct er_str source)
{
    size_t slash[2] = { 0, 0 };

    for (size_t i = 0; i < source.n; i++) {
        if (source.p[i] == '/') {
            slash[0] = slash[1];
            slash[1] = i;
        }
    }
    chosen->topic = (struct er_str){ source.p, slash[0] };
    if (slash[0] > 0) { /* the arena's copy is zero terminated */
        chosen->partition = strtoull(source.p + slash[0] + 1, NULL, 10);
        chosen->offset = strtoull(source.p + slash[1] + 1, NULL, 10);
    }
}

static bool reserve(struct retry *retry)
{
    size_t capacity = retry->capacity == 0 ? 1024 : 2 * retry->capacity;
    struct chosen *grown;

    if (retry->n < retry->capacity) {
        return true;
    }
    grown = realloc(retry->chosen, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    retry->chosen = grown;
    retry->capacity = capacity;
    return true;
}

static bool choose(void *ctx, const struct er_json *letter)
{
    struct retry *retry = ctx;
    const struct er_json *retried = er_json_member(letter, ER_STR("retried"));
    struct chosen chosen = { .age = retry->n };
    struct er_str source;

    if (retried != NULL && retried->type == ER_JSON_OBJECT && !er_ctl_has(retry->args, "again")) {
        retry->before++;
        return true;
    }
    if (text_of(letter, "subscriber").n == 0 || text_of(letter, "truncated").n > 0) {
        retry->hopeless++;
        return true;
    }
    chosen.ref = er_arena_dup(retry->arena, text_of(letter, "ref"));
    chosen.subscriber = er_arena_dup(retry->arena, text_of(letter, "subscriber"));
    source = er_arena_dup(retry->arena, text_of(letter, "source"));
    if (chosen.ref.p == NULL || chosen.subscriber.p == NULL || source.p == NULL || !reserve(retry)) {
        (void)out_of_memory();
        return false;
    }
    read_source(&chosen, source);
    retry->chosen[retry->n++] = chosen;
    return true;
}

/* By source, and of one event the older letter first. */
static int by_source(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    int order = er_str_cmp(x->topic, y->topic);

    if (order == 0) {
        order = (x->partition > y->partition) - (x->partition < y->partition);
    }
    if (order == 0) {
        order = (x->offset > y->offset) - (x->offset < y->offset);
    }
    return order != 0 ? order : (x->age < y->age) - (x->age > y->age);
}

/* ---- All */

static bool has_failed(const struct retry *retry, struct er_str subscriber)
{
    for (const struct failed *failed = retry->failed; failed != NULL; failed = failed->next) {
        if (er_str_eq(failed->subscriber, subscriber)) {
            return true;
        }
    }
    return false;
}

static void note_failed(struct retry *retry, struct er_str subscriber)
{
    struct failed *failed = er_arena_calloc(retry->arena, 1, sizeof *failed);

    retry->no_memory = failed == NULL;
    if (failed != NULL) {
        *failed = (struct failed){ subscriber, retry->failed };
        retry->failed = failed;
    }
}

/* The next ones that are still to be sent, at most `most`; *at: where to go on. */
static size_t take_batch(struct retry *retry, size_t *at, size_t most, const struct chosen **batch)
{
    size_t n = 0;

    for (; *at < retry->n && n < most; (*at)++) {
        if (has_failed(retry, retry->chosen[*at].subscriber)) {
            retry->left++;
        } else {
            batch[n++] = &retry->chosen[*at];
        }
    }
    return n;
}

static void write_refs(const struct chosen *const *batch, size_t n, struct er_buf *body)
{
    struct er_json_writer w;

    er_jw_init(&w, body);
    er_jw_object(&w);
    er_jw_key(&w, ER_STR("refs"));
    er_jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        er_jw_string(&w, batch[i]->ref);
    }
    er_jw_end(&w);
    er_jw_end(&w);
}

/* What is wrong is wrong with this letter; the others of its subscriber may go on. */
static bool is_about_letter(struct er_str code)
{
    static const char *const codes[] = { "E404", "E440", "E441", "E442", "E604", "E605" };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (er_str_eq(code, er_str_of(codes[i]))) {
            return true;
        }
    }
    return false;
}

static enum er_ctl_exit judge(struct retry *retry, const struct chosen *chosen, const struct er_json *item)
{
    struct er_str code = text_of(item, "code"), detail = text_of(item, "detail");

    if (code.n == 0) {
        print_sent(retry->ctl, chosen->ref, item);
        retry->sent++;
        return ER_CTL_OK;
    }
    if (er_str_eq(code, ER_STR("E443"))) { /* by somebody else, meanwhile */
        retry->before++;
        return ER_CTL_OK;
    }
    (void)fflush(stdout);
    (void)fprintf(stderr, "error[%.*s]: %.*s: %.*s\n", ER_STR_ARG(code), ER_STR_ARG(chosen->ref), ER_STR_ARG(detail));
    retry->left++;
    if (!is_about_letter(code) && !has_failed(retry, chosen->subscriber)) {
        note_failed(retry, chosen->subscriber);
    }
    return er_str_eq(code, ER_STR("E601")) ? ER_CTL_TIMEOUT : ER_CTL_REFUSED;
}

/* *status: 413 when they are too large for one request, and then nothing has happened. */
static enum er_ctl_exit send_batch(struct retry *retry, const struct chosen *const *batch, size_t n, long *status)
{
    bool again = er_ctl_has(retry->args, "again");
    struct er_ctl_request request = { .method = "POST",
                                      .target = again ? "/v1/dead-letters/retry?again=true" : "/v1/dead-letters/retry" };
    const struct er_ctl_request_options options = { .accept = n > 1 ? 413 : 0, .status = status };
    const struct er_json *answer = NULL, *items, *item;
    struct er_buf body = { 0 };
    enum er_ctl_exit result, one;

    write_refs(batch, n, &body);
    if (body.failed) {
        er_buf_free(&body);
        return out_of_memory();
    }
    request.body = er_buf_str(&body);
    result = er_ctl_call(&retry->session, &request, &options, &answer);
    er_buf_free(&body);
    if (result != ER_CTL_OK || *status == 413) {
        return result;
    }
    items = er_json_member(answer, ER_STR("items"));
    item = items == NULL ? NULL : items->first;
    for (size_t i = 0; i < n && item != NULL; i++, item = item->next) {
        one = judge(retry, batch[i], item);
        result = result == ER_CTL_OK ? one : result;
    }
    return result;
}

static enum er_ctl_exit show_chosen(const struct retry *retry)
{
    for (size_t i = 0; i < retry->n; i++) {
        er_ctl_print_change(retry->ctl, "retried", retry->chosen[i].ref);
    }
    return ER_CTL_OK;
}

/* After a failure the rest of that subscriber is left: a repetition of the command goes on there, in order. */
static enum er_ctl_exit send_chosen(struct retry *retry)
{
    const struct chosen *batch[BATCH];
    enum er_ctl_exit result = ER_CTL_OK;
    size_t most = BATCH, at = 0;

    while (at < retry->n && !retry->no_memory) {
        size_t left = retry->left, first = at, n = take_batch(retry, &at, most, batch);
        enum er_ctl_exit one = ER_CTL_OK;
        long status = 0;

        if (n > 0) {
            one = send_batch(retry, batch, n, &status);
        }
        if (status == 413 && n > 1) {
            most = n / 2;
            at = first;
            retry->left = left;
            continue;
        }
        if (status != 200 && n > 0) { /* refused as a whole, or nobody answers */
            retry->left += n + (retry->n - at);
            at = retry->n;
        }
        result = result == ER_CTL_OK ? one : result;
    }
    return retry->no_memory ? out_of_memory() : result;
}

static enum er_ctl_exit send_all(struct retry *retry)
{
    struct er_buf target = { 0 };
    enum er_ctl_exit result;

    er_ctl_letter_target(retry->args, true, &target);
    retry->arena = er_arena_new(1 << 16);
    if (target.failed || retry->arena == NULL) {
        er_buf_free(&target);
        return out_of_memory();
    }
    result = er_ctl_each(&retry->session, er_buf_str(&target), 0, choose, retry);
    er_buf_free(&target);
    if (result != ER_CTL_OK) {
        return result;
    }
    if (retry->n > 0) {
        qsort(retry->chosen, retry->n, sizeof *retry->chosen, by_source);
    }
    if (er_ctl_has(retry->args, "dry-run")) {
        return show_chosen(retry);
    }
    result = send_chosen(retry);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%zu retried, %zu left, %zu sent before, %zu that cannot be sent (no subscriber, or cut)\n", retry->sent,
                  retry->left, retry->before, retry->hopeless);
    return result;
}

enum er_ctl_exit er_ctl_run_dead_letter_retry(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    struct retry retry = { .ctl = ctl, .args = args };
    bool all = er_ctl_has(args, "all");
    enum er_ctl_exit result;

    if (all == (er_ctl_operands(args) > 0) || (!all && er_ctl_letter_filtered(args))) {
        er_ctl_error(ER_E_USAGE, "name the dead letters, or say --all (with filters such as --subscriber and --reason)");
        return ER_CTL_USAGE;
    }
    result = er_ctl_session_open(ctl, args, &retry.session);
    if (result == ER_CTL_OK) {
        result = all ? send_all(&retry) : send_named(&retry);
    }
    er_ctl_session_close(&retry.session);
    free(retry.chosen);
    er_arena_free(retry.arena);
    return result;
}
