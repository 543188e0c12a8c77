/* Transactions over a source and a sink: all copies of some events and the events' offsets become visible together, or not at all. A
 * seam: Kafka (router/kafka_txn.h) or a test.
 *
 *   renew -> begin -> sink.produce ... all reported -> commit --DONE--> begin ...
 *                            \-> abort --DONE--> begin ...
 *   any of them --DOUBTFUL--> renew, then source.committed says what became of the last transaction
 *
 * On the worker's thread. A call waits about wait_ns at most and is repeated while it answers AGAIN.
 */
#ifndef ER_ROUTER_TRANSACTION_H
#define ER_ROUTER_TRANSACTION_H

#include "router/source.h"

enum er_txn_result {
    ER_TXN_DONE,
    ER_TXN_AGAIN,   /* not finished: the same call again */
    ER_TXN_ABORT,   /* commit only: nothing is committed and it cannot be; abort it */
    ER_TXN_DOUBTFUL /* finished or not, nobody knows; or something of it may still be on its way: renew */
};

struct er_txn_ops {
    /* Takes a new producer with the same transactional.id: whatever the old one has on its way is refused from DONE on, and an
     * unfinished transaction is aborted. The sink's topics stay open, what it holds is reported (not as OK). Before the first begin, too. */
    enum er_txn_result (*renew)(void *ctx, int64_t wait_ns);

    /* No I/O. DONE or DOUBTFUL. */
    enum er_txn_result (*begin)(void *ctx);

    /* Nothing is outstanding in the sink, every report since begin was OK. offsets: the same in every repetition. */
    enum er_txn_result (*commit)(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns);

    /* Also gives up what the sink holds; the sink's poll reports it. */
    enum er_txn_result (*abort)(void *ctx, int64_t wait_ns);
};

struct er_txn {
    const struct er_txn_ops *ops; /* NULL: none, at-least-once */
    void *ctx;
};

#endif
