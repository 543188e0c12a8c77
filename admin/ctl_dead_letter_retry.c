/* eventrouterctl dead-letter retry: some by name, or all that filters choose in the order of their source. */
#include <stdlib.h>
#include "admin/ctl_dead_letter.h"
#include "admin/ctl_output.h"
#include "admin/ctl_print.h"

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
    struct er_ctl_request request = { .method = "POST" };
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
    er_buf_addc(&target, '\0');
    if (target.failed) {
        er_buf_free(&target);
        return out_of_memory();
    }
    request.target = target.p;
    result = er_ctl_call(&retry->session, &request, NULL, &answer);
    if (result == ER_CTL_OK) {
        print_sent(retry->ctl, ref, answer);
    }
    er_buf_free(&target);
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

static struct er_str text_of(const struct er_json *letter, const char *name)
{
    const struct er_json *member = er_json_member(letter, er_str_of(name));

    return member != NULL && (member->type == ER_JSON_STRING || member->type == ER_JSON_NUMBER) ? member->text : ER_STR("");
}

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

/* After a failure the rest of that subscriber is left: a repetition of the command goes on there, in order. */
static enum er_ctl_exit send_chosen(struct retry *retry)
{
    enum er_ctl_exit result = ER_CTL_OK;

    for (size_t i = 0; i < retry->n && !retry->no_memory; i++) {
        const struct chosen *chosen = &retry->chosen[i];
        enum er_ctl_exit one;

        if (has_failed(retry, chosen->subscriber)) {
            retry->left++;
            continue;
        }
        one = send_one(retry, chosen->ref);
        result = result == ER_CTL_OK ? one : result;
        if (!goes_on(one)) {
            retry->left += retry->n - i;
            return one;
        }
        if (one == ER_CTL_OK) {
            retry->sent++;
        } else {
            retry->left++;
            note_failed(retry, chosen->subscriber);
        }
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
