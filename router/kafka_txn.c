#include "router/kafka_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include "router/clock.h"
#include "router/kafka_conf.h"
#include "router/kafka_guard.h"
#include "rules/base/faults.h"

enum {
    MIN_WAIT_MS = 10,
    SEND_OFFSETS_MS = 1000, /* this call begins anew when it is repeated: it must have time for an answer */
    RENEW_AGAIN_MS = 500,   /* between two producers, when one was refused for good */
    STUCK_MS = 1000,        /* the last transaction is decided, but cannot be finished */
};

struct er_kafka_txn {
    struct er_kafka_txn_options o;
    struct er_kafka_guard guard;
    uint64_t begun_ms;
    bool initialising; /* a producer is there and wants its transactions initialised */
    uint64_t made_ms;  /* it was made */
    uint64_t renew_ms; /* no other before */
    uint64_t stuck_ms; /* since when the coordinator only says that the last transaction is being finished; 0: it does not */
    unsigned spare;    /* the present transactional id; 0: the one of the configuration */
    bool offsets_sent; /* of the present transaction */
    bool trouble;      /* a call timed out or lost its connection */
    bool warned;
};

static int wait_ms(int64_t wait_ns)
{
    int64_t ms = wait_ns / ER_MS_NS;

    return ms < MIN_WAIT_MS ? MIN_WAIT_MS : (int)ms;
}

static void log_error(struct er_kafka_txn *txn, enum er_log_level level, const char *call, const rd_kafka_error_t *error)
{
    er_log_write(txn->o.log, level, ER_LM("transaction call failed"), ER_LFI("worker", txn->o.worker), ER_LF("call", call),
                 ER_LF("code", rd_kafka_error_name(error)), ER_LF("error", rd_kafka_error_string(error)));
}

/* What an error (taken) means for the transaction. */
static enum er_txn_result judge(struct er_kafka_txn *txn, const char *call, rd_kafka_error_t *error)
{
    bool old = er_clock_ms() - txn->begun_ms > ER_KAFKA_TRANSACTION_MS;
    enum er_txn_result result = ER_TXN_DOUBTFUL; /* fatal ones, and those that say nothing about themselves */

    if (!rd_kafka_error_is_fatal(error) && rd_kafka_error_txn_requires_abort(error))
        result = ER_TXN_ABORT;
    else if (!rd_kafka_error_is_fatal(error) && rd_kafka_error_is_retriable(error) && !old)
        result = ER_TXN_AGAIN;
    txn->trouble |= result != ER_TXN_ABORT;
    log_error(txn, result == ER_TXN_AGAIN ? ER_LOG_DEBUG : ER_LOG_WARN, call, error);
    rd_kafka_error_destroy(error);
    return result;
}

/* The transaction ended as asked. May something of it still be on its way? */
static enum er_txn_result look_back(struct er_kafka_txn *txn)
{
    enum er_guard_verdict verdict = er_kafka_guard_verdict(&txn->guard);
    bool response = er_kafka_sink_uncertain(txn->o.sink) || verdict == ER_GUARD_RESPONSE;
    _Atomic uint64_t *trigger = verdict == ER_GUARD_END_TXN ? &txn->o.counters->doubts_end
                                : response                  ? &txn->o.counters->doubts_response
                                : txn->trouble              ? &txn->o.counters->doubts_call
                                                            : NULL;

    if (trigger == NULL)
        return ER_TXN_DONE;
    er_count(trigger, 1);
    return txn->o.config->guard_off ? ER_TXN_DONE : ER_TXN_DOUBTFUL;
}

static void prepare(void *arg, rd_kafka_conf_t *conf)
{
    struct er_kafka_txn *txn = arg;
    char id[600], spare[620];
    size_t size = sizeof id;

    er_kafka_guard_attach(&txn->guard, conf);
    if (txn->spare > 0 && rd_kafka_conf_get(conf, "transactional.id", id, &size) == RD_KAFKA_CONF_OK) {
        snprintf(spare, sizeof spare, "%s.%u", id, txn->spare);
        (void)rd_kafka_conf_set(conf, "transactional.id", spare, NULL, 0);
    }
}

/* A transaction that is decided stays unfinished as long as one of its partitions has no leader to take the marker, and its id is of no use
 * until then, so another id goes on. Its decision stands, and the committed offsets are read as stable ones: not before its marker for them
 * is written. What is missing is the new epoch that fences requests of the old producer which are still under way; brokers that verify
 * transactions (KIP-890) refuse these, older ones may not. */
static bool is_stuck(struct er_kafka_txn *txn, const rd_kafka_error_t *error)
{
    uint64_t now = er_clock_ms();

    if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS) {
        txn->stuck_ms = 0;
        return false;
    }
    txn->stuck_ms = txn->stuck_ms == 0 ? now : txn->stuck_ms;
    if (now - txn->stuck_ms < STUCK_MS)
        return false;
    txn->stuck_ms = 0;
    txn->spare++;
    er_log_write(txn->o.log, ER_LOG_WARN, ER_LM("the last transaction cannot be finished, going on with another transactional.id"),
                 ER_LFI("worker", txn->o.worker), ER_LFI("spare", txn->spare));
    return true;
}

static enum er_txn_result renew(void *ctx, int64_t wait_ns)
{
    struct er_kafka_txn *txn = ctx;
    rd_kafka_error_t *error;

    if (!txn->initialising) {
        if (er_clock_ms() < txn->renew_ms || !er_kafka_sink_renew(txn->o.sink, prepare, txn))
            return ER_TXN_AGAIN;
        txn->made_ms = er_clock_ms();
        txn->initialising = true;
    }
    ER_FAILPOINT("before-init");
    error = rd_kafka_init_transactions(er_kafka_sink_producer(txn->o.sink), wait_ms(wait_ns));
    ER_FAILPOINT("after-init");
    if (error == NULL) {
        txn->initialising = txn->warned = false;
        txn->stuck_ms = 0;
        return ER_TXN_DONE;
    }
    if (!txn->warned)
        log_error(txn, ER_LOG_WARN, "init_transactions", error);
    txn->warned = true;
    if (rd_kafka_error_is_fatal(error) || !rd_kafka_error_is_retriable(error) ||
        er_clock_ms() - txn->made_ms > ER_KAFKA_TRANSACTION_MS) {
        txn->initialising = false;
        txn->renew_ms = er_clock_ms() + RENEW_AGAIN_MS;
    } else if (is_stuck(txn, error)) {
        txn->initialising = false;
    }
    rd_kafka_error_destroy(error);
    return ER_TXN_AGAIN;
}

static enum er_txn_result begin(void *ctx)
{
    struct er_kafka_txn *txn = ctx;
    rd_kafka_error_t *error;

    if (er_kafka_sink_wants_renewal(txn->o.sink))
        return ER_TXN_DOUBTFUL;
    er_kafka_guard_begin(&txn->guard);
    (void)er_kafka_sink_uncertain(txn->o.sink); /* what was given up with a producer says nothing about the next one */
    txn->begun_ms = er_clock_ms();
    txn->offsets_sent = txn->trouble = false;
    error = rd_kafka_begin_transaction(er_kafka_sink_producer(txn->o.sink));
    ER_FAILPOINT("after-begin");
    if (error == NULL)
        return ER_TXN_DONE;
    log_error(txn, ER_LOG_WARN, "begin_transaction", error);
    rd_kafka_error_destroy(error);
    return ER_TXN_DOUBTFUL;
}

static enum er_txn_result send_offsets(struct er_kafka_txn *txn, const struct er_source_offset *offsets, size_t n, int ms)
{
    rd_kafka_topic_partition_list_t *list = er_kafka_source_offsets(txn->o.source, offsets, n);
    rd_kafka_consumer_group_metadata_t *group = er_kafka_source_group(txn->o.source);
    rd_kafka_error_t *error = NULL;

    ER_FAILPOINT("before-send-offsets");
    if (group != NULL && !ER_PLANTED("offsets-outside-transaction"))
        error = rd_kafka_send_offsets_to_transaction(er_kafka_sink_producer(txn->o.sink), list, group, ms);
    ER_FAILPOINT("after-send-offsets");
    rd_kafka_topic_partition_list_destroy(list);
    if (group == NULL)
        return ER_TXN_AGAIN;
    rd_kafka_consumer_group_metadata_destroy(group);
    return error == NULL ? ER_TXN_DONE : judge(txn, "send_offsets_to_transaction", error);
}

static enum er_txn_result commit(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct er_kafka_txn *txn = ctx;
    rd_kafka_error_t *error;

    if (!txn->offsets_sent) {
        enum er_txn_result result = send_offsets(txn, offsets, n, SEND_OFFSETS_MS);

        if (result != ER_TXN_DONE)
            return result;
        txn->offsets_sent = true;
    }
    ER_FAILPOINT("before-end");
    error = rd_kafka_commit_transaction(er_kafka_sink_producer(txn->o.sink), wait_ms(wait_ns));
    ER_FAILPOINT("after-end");
    if (ER_PLANTED("offsets-outside-transaction")) {
        struct er_source source = er_kafka_source_seam(txn->o.source);

        (void)source.ops->commit(source.ctx, offsets, n, wait_ns);
    }
    return error == NULL ? look_back(txn) : judge(txn, "commit_transaction", error);
}

static enum er_txn_result abort_transaction(void *ctx, int64_t wait_ns)
{
    struct er_kafka_txn *txn = ctx;
    enum er_txn_result result;
    rd_kafka_error_t *error;

    ER_FAILPOINT("before-abort");
    error = rd_kafka_abort_transaction(er_kafka_sink_producer(txn->o.sink), wait_ms(wait_ns));
    ER_FAILPOINT("after-abort");
    result = error == NULL ? look_back(txn) : judge(txn, "abort_transaction", error);

    return result == ER_TXN_ABORT ? ER_TXN_DOUBTFUL : result;
}

static const struct er_txn_ops kafka_txn_ops = {
    .renew = renew,
    .begin = begin,
    .commit = commit,
    .abort = abort_transaction,
};

struct er_txn er_kafka_txn_seam(struct er_kafka_txn *txn)
{
    return (struct er_txn){ &kafka_txn_ops, txn };
}

enum er_code er_kafka_txn_new(const struct er_kafka_txn_options *options, struct er_kafka_txn **out, struct er_err *err)
{
    struct er_kafka_txn *txn = calloc(1, sizeof *txn);

    if (txn == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    txn->o = *options;
    *out = txn;
    return ER_OK;
}

void er_kafka_txn_free(struct er_kafka_txn *txn)
{
    free(txn);
}
