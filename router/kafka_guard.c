#include "router/kafka_guard.h"

enum { PRODUCE = 0, ADD_PARTITIONS_TO_TXN = 24, ADD_OFFSETS_TO_TXN = 25, END_TXN = 26, TXN_OFFSET_COMMIT = 28 };

void er_kafka_guard_sent(struct er_kafka_guard *guard, int16_t api_key)
{
    if (api_key == END_TXN)
        atomic_fetch_add(&guard->end_txns, 1);
}

void er_kafka_guard_received(struct er_kafka_guard *guard, int16_t api_key, rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    switch (api_key) {
    case PRODUCE:
    case ADD_PARTITIONS_TO_TXN:
    case ADD_OFFSETS_TO_TXN:
    case END_TXN:
    case TXN_OFFSET_COMMIT:
        atomic_fetch_add(&guard->errors, 1);
        break;
    default:
        break;
    }
}

static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int fd, const char *broker, int32_t broker_id, int16_t api_key,
                                           int16_t version, int32_t correlation, size_t size, void *opaque)
{
    (void)rk;
    (void)fd;
    (void)broker;
    (void)broker_id;
    (void)version;
    (void)correlation;
    (void)size;
    er_kafka_guard_sent(opaque, api_key);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_response_received(rd_kafka_t *rk, int fd, const char *broker, int32_t broker_id, int16_t api_key,
                                                int16_t version, int32_t correlation, size_t size, int64_t rtt,
                                                rd_kafka_resp_err_t error, void *opaque)
{
    (void)rk;
    (void)fd;
    (void)broker;
    (void)broker_id;
    (void)version;
    (void)correlation;
    (void)size;
    (void)rtt;
    er_kafka_guard_received(opaque, api_key, error);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t size)
{
    rd_kafka_resp_err_t error = rd_kafka_interceptor_add_on_request_sent(rk, "guard", on_request_sent, opaque);

    (void)conf;
    (void)text;
    (void)size;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = rd_kafka_interceptor_add_on_response_received(rk, "guard", on_response_received, opaque);
    return error;
}

void er_kafka_guard_attach(struct er_kafka_guard *guard, rd_kafka_conf_t *conf)
{
    (void)rd_kafka_conf_interceptor_add_on_new(conf, "guard", on_new, guard);
}

void er_kafka_guard_begin(struct er_kafka_guard *guard)
{
    atomic_store(&guard->end_txns, 0);
    atomic_store(&guard->errors, 0);
}

enum er_guard_verdict er_kafka_guard_verdict(const struct er_kafka_guard *guard)
{
    if (atomic_load(&guard->end_txns) > 1)
        return ER_GUARD_END_TXN;
    return atomic_load(&guard->errors) > 0 ? ER_GUARD_RESPONSE : ER_GUARD_CLEAN;
}
