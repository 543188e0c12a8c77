#include "tests/replay/replay.h"

#include <string.h>

static const char *const call_names[TXN_CALLS] = {
    [TXN_BEGIN] = "begin", [TXN_COMMIT] = "commit", [TXN_ABORT_CALL] = "abort", [TXN_RENEW] = "renew", [TXN_ASK] = "ask",
};
static const char *const answer_names[] = {
    [TXN_OK] = "ok",
    [TXN_AGAIN] = "again",
    [TXN_ABORT] = "abort",
    [TXN_AGAIN_DONE] = "again-done",
    [TXN_DOUBTFUL_DONE] = "doubtful-done",
    [TXN_DOUBTFUL_LOST] = "doubtful-lost",
};

static size_t index_in(const char *const *names, size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

void txn_init(struct fake_txn *txn, struct failure *failure, struct fake_source *source, struct fake_sink *sink)
{
    *txn = (struct fake_txn){ .failure = failure, .source = source, .sink = sink };
}

void txn_restart(struct fake_txn *txn)
{
    txn->again = false;
    txn->ready = false;
}

/* Not every answer makes sense for every call: nobody doubts a question, a renewal has nothing to lose. */
static bool is_possible(size_t call, size_t answer)
{
    switch ((enum txn_call)call) {
    case TXN_BEGIN:
        return answer == TXN_OK || answer == TXN_DOUBTFUL_LOST;
    case TXN_COMMIT:
        return true;
    case TXN_ABORT_CALL:
        return answer != TXN_ABORT && answer != TXN_AGAIN_DONE;
    case TXN_RENEW:
    case TXN_ASK:
        return answer == TXN_OK || answer == TXN_AGAIN;
    case TXN_CALLS:
        break;
    }
    return false;
}

bool txn_script(struct fake_txn *txn, const char *call, const char *answer, unsigned n)
{
    size_t at = index_in(call_names, TXN_CALLS, call);
    size_t what = index_in(answer_names, sizeof answer_names / sizeof *answer_names, answer);

    if (!is_possible(at, what)) {
        return false;
    }
    txn->calls[at].answer = (enum txn_answer)what;
    txn->calls[at].left = what == TXN_OK ? 0 : n;
    return true;
}

static enum txn_answer next_answer(struct fake_txn *txn, enum txn_call call)
{
    txn->n_calls++;
    if (txn->calls[call].left == 0) {
        return TXN_OK;
    }
    txn->calls[call].left--;
    return txn->calls[call].answer;
}

/* A loss has to be answered soon, also while a broker does not answer: nothing is repeated in long slices. */
static void check_wait(struct fake_txn *txn, enum txn_answer answer, int64_t wait_ns)
{
    if (txn->again && wait_ns > 50 * ER_MS_NS) {
        fail_at(txn->failure, "a call is repeated for %lld ms at a time", (long long)(wait_ns / ER_MS_NS));
    }
    txn->again = answer == TXN_AGAIN || answer == TXN_AGAIN_DONE;
    if (wait_ns <= 0) {
        fail_at(txn->failure, "a transaction call without time to wait");
    }
}

/* An unfinished transaction is aborted by whoever has its id next. */
static void end_open(struct fake_txn *txn)
{
    txn->aborted += txn->open;
    txn->open = txn->committing = txn->happened = false;
}

static enum er_txn_result fake_renew(void *ctx, int64_t wait_ns)
{
    struct fake_txn *txn = ctx;
    enum txn_answer answer = next_answer(txn, TXN_RENEW);

    check_wait(txn, answer, wait_ns);
    txn->ready = false;
    sink_give_up(txn->sink);
    if (answer == TXN_AGAIN) {
        return ER_TXN_AGAIN;
    }
    end_open(txn);
    txn->renewed++;
    txn->ready = true;
    return ER_TXN_DONE;
}

static enum er_txn_result fake_begin(void *ctx)
{
    struct fake_txn *txn = ctx;

    if (!txn->ready || txn->open || txn->sink->outstanding > 0) {
        fail_at(txn->failure, "begin %s", !txn->ready ? "without a producer" : txn->open ? "twice" : "with copies in the sink");
    }
    if (next_answer(txn, TXN_BEGIN) != TXN_OK) {
        txn->ready = false;
        return ER_TXN_DOUBTFUL;
    }
    txn->open = true;
    txn->first = txn->sink->n;
    return ER_TXN_DONE;
}

/* Each copy has an offset that says so, and each offset is about events that the worker has. */
static void check_offsets(struct fake_txn *txn, const struct er_source_offset *offsets, size_t n)
{
    int64_t next[PARTITIONS] = { 0 };

    for (size_t i = 0; i < n; i++) {
        const struct fake_partition *p = &txn->source->partitions[offsets[i].index];

        next[offsets[i].index] = offsets[i].next;
        if (!p->assigned) {
            fail_at(txn->failure, "%s/%d is committed and not assigned", p->topic, p->partition);
        }
        if (offsets[i].next <= p->committed || offsets[i].next > p->highest + 1) {
            fail_at(txn->failure, "%s/%d is committed at %lld, after %lld, with events until %lld", p->topic, p->partition,
                    (long long)offsets[i].next, (long long)p->committed, (long long)p->highest);
        }
    }
    for (size_t i = txn->first; i < txn->sink->n; i++) {
        const struct fake_entry *e = &txn->sink->entries[i];
        int64_t offset = e->copy->record.offset;

        if (offset < txn->source->partitions[e->from].committed || offset >= next[e->from]) {
            fail_at(txn->failure, "a copy of %lld for %s is committed, with the offset %lld", (long long)offset, e->topic->name,
                    (long long)next[e->from]);
        }
    }
}

static void commit_now(struct fake_txn *txn)
{
    sink_commit(txn->sink, txn->first);
    for (size_t i = 0; i < txn->n_offsets; i++) {
        txn->source->partitions[txn->offsets[i].index].committed = txn->offsets[i].next;
    }
    txn->committed++;
    txn->open = txn->committing = false;
}

static bool is_fenced(const struct fake_txn *txn)
{
    for (size_t i = 0; i < txn->n_offsets; i++) {
        if (txn->source->partitions[txn->offsets[i].index].fenced) {
            return true;
        }
    }
    return false;
}

static bool is_repeated(const struct fake_txn *txn, const struct er_source_offset *offsets, size_t n)
{
    bool same = n == txn->n_offsets;

    for (size_t i = 0; same && i < n; i++) {
        same = offsets[i].index == txn->offsets[i].index && offsets[i].next == txn->offsets[i].next;
    }
    return same;
}

static void begin_commit(struct fake_txn *txn, const struct er_source_offset *offsets, size_t n)
{
    if (!txn->open || txn->sink->outstanding > 0) {
        fail_at(txn->failure, "commit %s", txn->open ? "with copies in the sink" : "without a transaction");
    }
    if (txn->committing && !is_repeated(txn, offsets, n)) {
        fail_at(txn->failure, "a repeated commit has other offsets");
    }
    memcpy(txn->offsets, offsets, n * sizeof *offsets);
    txn->n_offsets = n;
    txn->committing = true;
    if (!is_fenced(txn)) {
        check_offsets(txn, offsets, n);
    }
}

static enum er_txn_result fake_commit(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct fake_txn *txn = ctx;
    enum txn_answer answer = next_answer(txn, TXN_COMMIT);

    check_wait(txn, answer, wait_ns);
    if (txn->happened) {
        txn->happened = answer == TXN_AGAIN || answer == TXN_AGAIN_DONE;
        return txn->happened ? ER_TXN_AGAIN : ER_TXN_DONE;
    }
    begin_commit(txn, offsets, n);
    if (txn->failure->failed) {
        return ER_TXN_DONE;
    }
    if (is_fenced(txn)) {
        answer = answer == TXN_DOUBTFUL_DONE || answer == TXN_DOUBTFUL_LOST ? TXN_DOUBTFUL_LOST : TXN_ABORT;
    }
    if (answer == TXN_OK || answer == TXN_AGAIN_DONE || answer == TXN_DOUBTFUL_DONE) {
        commit_now(txn);
    }
    txn->happened = answer == TXN_AGAIN_DONE;
    txn->ready = answer != TXN_DOUBTFUL_DONE && answer != TXN_DOUBTFUL_LOST;
    return !txn->ready ? ER_TXN_DOUBTFUL : answer == TXN_ABORT ? ER_TXN_ABORT : answer == TXN_OK ? ER_TXN_DONE : ER_TXN_AGAIN;
}

static enum er_txn_result fake_abort(void *ctx, int64_t wait_ns)
{
    struct fake_txn *txn = ctx;
    enum txn_answer answer = next_answer(txn, TXN_ABORT_CALL);

    check_wait(txn, answer, wait_ns);
    if (!txn->open) {
        fail_at(txn->failure, "abort without a transaction");
    }
    if (answer == TXN_AGAIN) {
        return ER_TXN_AGAIN;
    }
    sink_give_up(txn->sink);
    if (answer != TXN_DOUBTFUL_LOST) {
        end_open(txn);
    }
    txn->ready = answer == TXN_OK;
    return txn->ready ? ER_TXN_DONE : ER_TXN_DOUBTFUL;
}

enum er_code txn_ask(struct fake_txn *txn)
{
    if (txn->open) {
        fail_at(txn->failure, "asked what is committed while a transaction is open");
    }
    return next_answer(txn, TXN_ASK) == TXN_OK ? ER_OK : ER_E_KAFKA;
}

const struct er_txn_ops fake_txn_ops = {
    .renew = fake_renew,
    .begin = fake_begin,
    .commit = fake_commit,
    .abort = fake_abort,
};
