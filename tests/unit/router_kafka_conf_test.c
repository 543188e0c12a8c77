#include "tests/unit/test.h"

#include "router/kafka_check.h"
#include "router/kafka_conf.h"
#include "router/router.h"

static struct er_config *load(const char *const *settings, size_t n)
{
    static char *const no_environment[] = { NULL };
    struct er_config_input input = { .file = "/dev/null", .overrides = settings, .n_overrides = n, .environment = no_environment };
    struct er_config *config = NULL;
    struct er_buf errors = { 0 };

    if (er_config_load(&input, &config, &errors) != ER_OK)
        fail_msg("%.*s", (int)errors.n, errors.p);
    er_buf_free(&errors);
    return config;
}

#define LOAD(...) load((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* Checks one setting; the error text must hold all the words (NULL-terminated). No words: it must be accepted. */
static void check(const char *setting, enum er_code expected, const char *const *words)
{
    struct er_config *config = LOAD(setting);
    struct er_buf errors = { 0 };
    enum er_code code = er_router_check_kafka(config, &errors);

    er_buf_addc(&errors, '\0');
    if (code != expected)
        fail_msg("%s: code %s, text %s", setting, er_code_name(code), errors.p);
    for (; words != NULL && *words != NULL; words++) {
        if (strstr(errors.p, *words) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", setting, *words, errors.p);
    }
    er_buf_free(&errors);
    er_config_free(config);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_refused(void **state)
{
    (void)state;
    check("kafka.consumer.enable.auto.commit=false", ER_E_CONFIG_REFUSED, WORDS("E703", "enable.auto.commit", "router.delivery"));
    check("kafka.producer.acks=1", ER_E_CONFIG_REFUSED, WORDS("router.delivery"));
    check("kafka.producer.request.required.acks=1", ER_E_CONFIG_REFUSED, WORDS("router.delivery"));
    check("kafka.producer.transactional.id=x", ER_E_CONFIG_REFUSED, WORDS("router.delivery"));
    check("kafka.isolation.level=read_uncommitted", ER_E_CONFIG_REFUSED, WORDS("router.delivery"));
    check("kafka.group.id=x", ER_E_CONFIG_REFUSED, WORDS("router.group"));
    check("kafka.consumer.group.instance.id=x", ER_E_CONFIG_REFUSED, WORDS("router.instance"));
    check("kafka.consumer.auto.offset.reset=latest", ER_E_CONFIG_REFUSED, WORDS("source.start"));
    check("kafka.plugin.library.paths=x", ER_E_CONFIG_REFUSED, WORDS("loads code"));
    check("kafka.ssl.engine.location=x", ER_E_CONFIG_REFUSED, WORDS("loads code"));
    check("kafka.sasl.kerberos.kinit.cmd=x", ER_E_CONFIG_REFUSED, WORDS("runs a command"));
    check("kafka.producer.partitioner=random", ER_E_CONFIG_REFUSED, WORDS("partition"));
    check("kafka.dr_msg_cb=x", ER_E_CONFIG_REFUSED, WORDS("internal"));
    check("kafka.test.mock.num.brokers=3", ER_E_CONFIG_REFUSED, WORDS("internal"));
    assert_null(er_kafka_refused("linger.ms"));
    assert_null(er_kafka_refused("offset.store"));
    assert_non_null(er_kafka_refused("offset.store.method"));
}

static void test_bad_values(void **state)
{
    (void)state;
    check("kafka.producer.linger.sm=5", ER_E_CONFIG_UNKNOWN_KEY, WORDS("E701", "linger.sm", "did you mean linger.ms?"));
    check("kafka.producer.linger.ms=fast", ER_E_CONFIG_VALUE, WORDS("E702", "linger.ms"));
    check("kafka.consumer.linger.ms=5", ER_E_CONFIG_VALUE, WORDS("[kafka.producer]"));
    check("kafka.producer.fetch.min.bytes=5", ER_E_CONFIG_VALUE, WORDS("[kafka.consumer]"));
    check("kafka.bootstrap.servers=a:9092,b:x", ER_E_CONFIG_VALUE, WORDS("HOST:PORT"));
    check("kafka.bootstrap.servers=a:99999", ER_E_CONFIG_VALUE, WORDS("HOST:PORT"));
    check("kafka.bootstrap.servers=,", ER_E_CONFIG_VALUE, WORDS("HOST:PORT"));
    check("kafka.sasl.kerberos.principal=a;rm -rf x", ER_E_CONFIG_VALUE, WORDS("part of a command"));
    check("kafka.ssl.ca.location=/no/such/file", ER_OK, NULL); /* no ssl, nothing to load */
    check("kafka.consumer.partition.assignment.strategy=nonsense", ER_E_CONFIG_VALUE, WORDS("nonsense"));
    if (rd_kafka_version() < ER_KAFKA_COOPERATIVE_FROM)
        check("kafka.consumer.partition.assignment.strategy=cooperative-sticky", ER_E_CONFIG_REFUSED, WORDS("2.10.0"));
}

/* What librdkafka only says when a client is made. */
static void test_combination(void **state)
{
    struct er_config *config = LOAD("kafka.security.protocol=ssl", "kafka.ssl.ca.location=/no/such/file");
    struct er_buf errors = { 0 };

    (void)state;
    assert_int_equal(er_router_check_kafka(config, &errors), ER_E_CONFIG_VALUE);
    er_buf_addc(&errors, '\0');
    assert_non_null(strstr(errors.p, "ssl.ca.location"));
    er_buf_free(&errors);
    er_config_free(config);
}

static void test_accepted(void **state)
{
    (void)state;
    check("kafka.bootstrap.servers=a:9092, b, [::1]:9093,SSL://c:9094", ER_OK, NULL);
    check("kafka.linger.ms=7", ER_OK, NULL);
    check("kafka.client.id=mine", ER_OK, NULL);
    check("kafka.consumer.session.timeout.ms=6000", ER_OK, NULL);
    check("kafka.producer.compression.codec=zstd", ER_OK, NULL);
}

static void expect_setting(const struct er_config *config, enum er_kafka_client client, const char *name, const char *expected)
{
    struct er_kafka_handle handle = { .name = "test" };
    rd_kafka_conf_t *conf;
    struct er_err err;
    char value[256];

    assert_int_equal(er_kafka_conf_new(config, client, 3, &handle, &conf, &err), ER_OK);
    assert_true(er_kafka_conf_value(conf, name, value, sizeof value));
    assert_string_equal(value, expected);
    rd_kafka_conf_destroy(conf);
}

/* A property of [kafka] goes to the client that it concerns; the own section wins; what the router owns stays. */
static void test_merging(void **state)
{
    struct er_config *config =
        LOAD("kafka.linger.ms=7", "kafka.fetch.min.bytes=9", "kafka.socket.timeout.ms=20000",
             "kafka.producer.socket.timeout.ms=30000", "router.group=g", "router.instance=i", "source.start=latest");

    (void)state;
    expect_setting(config, ER_KAFKA_PRODUCER, "queue.buffering.max.ms", "7");
    expect_setting(config, ER_KAFKA_PRODUCER, "fetch.min.bytes", "1");
    expect_setting(config, ER_KAFKA_PRODUCER, "socket.timeout.ms", "30000");
    expect_setting(config, ER_KAFKA_PRODUCER, "enable.idempotence", "true");
    expect_setting(config, ER_KAFKA_PRODUCER, "client.id", "eventrouter-i-3");
    expect_setting(config, ER_KAFKA_CONSUMER, "fetch.min.bytes", "9");
    expect_setting(config, ER_KAFKA_CONSUMER, "socket.timeout.ms", "20000");
    expect_setting(config, ER_KAFKA_CONSUMER, "group.id", "g");
    expect_setting(config, ER_KAFKA_CONSUMER, "group.instance.id", "i-3");
    expect_setting(config, ER_KAFKA_CONSUMER, "enable.auto.offset.store", "false");
    expect_setting(config, ER_KAFKA_CONSUMER, "auto.offset.reset", "smallest"); /* its name for earliest */
    er_config_free(config);
}

static void value_is(const struct er_config *config, enum er_kafka_client client, const char *name, const char *expected)
{
    struct er_kafka_handle handle = { .name = "test" };
    rd_kafka_conf_t *conf;
    struct er_err err;
    char value[600];

    assert_int_equal(er_kafka_conf_new(config, client, 3, &handle, &conf, &err), ER_OK);
    assert_true(er_kafka_conf_value(conf, name, value, sizeof value));
    assert_string_equal(value, expected);
    rd_kafka_conf_destroy(conf);
}

static void test_delivery(void **state)
{
    struct er_config *least = LOAD("router.instance=i");
    struct er_config *exactly = LOAD("router.instance=i", "router.group=g", "router.delivery=exactly-once");

    (void)state;
    value_is(least, ER_KAFKA_CONSUMER, "enable.auto.commit", "true");
    value_is(least, ER_KAFKA_PRODUCER, "message.timeout.ms", "0");
    value_is(exactly, ER_KAFKA_CONSUMER, "enable.auto.commit", "false");
    value_is(exactly, ER_KAFKA_CONSUMER, "isolation.level", "read_committed");
    value_is(exactly, ER_KAFKA_PRODUCER, "transactional.id", "eventrouter.g.i.3");
    value_is(exactly, ER_KAFKA_PRODUCER, "message.timeout.ms", "30000");
    value_is(exactly, ER_KAFKA_PRODUCER, "transaction.timeout.ms", "60000");
    er_config_free(least);
    er_config_free(exactly);
}

/* Only the router's own linger.ms may be hurried. */
static void test_lingering(void **state)
{
    static const char *const settings[] = { "kafka.linger.ms=7", "kafka.producer.linger.ms=7", "kafka.queue.buffering.max.ms=7" };
    struct er_config *config = LOAD("kafka.producer.batch.size=1000");

    (void)state;
    assert_false(er_kafka_user_lingers(config));
    expect_setting(config, ER_KAFKA_PRODUCER, "linger.ms", "100");
    er_config_free(config);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        config = LOAD(settings[i]);
        assert_true(er_kafka_user_lingers(config));
        expect_setting(config, ER_KAFKA_PRODUCER, "linger.ms", "7");
        er_config_free(config);
    }
}

static void test_compression(void **state)
{
    static const struct {
        const char *setting;
        bool compresses;
    } cases[] = { { "kafka.linger.ms=7", true },
                  { "kafka.compression.type=none", false },
                  { "kafka.producer.compression.codec=none", false },
                  { "kafka.producer.compression.type=zstd", true } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct er_config *config = LOAD(cases[i].setting);

        assert_int_equal(er_kafka_compresses(config), cases[i].compresses);
        er_config_free(config);
    }
}

struct defects {
    int n, refused;
};

static void count(void *ctx, const struct er_kafka_defect *defect)
{
    struct defects *found = ctx;

    assert_non_null(defect->text);
    assert_non_null(defect->id);
    found->n++;
    found->refused += defect->refused;
}

static struct defects defects_of(int version, enum er_delivery delivery)
{
    struct defects found = { 0 };

    er_kafka_each_defect(version, delivery, count, &found);
    return found;
}

static void test_defects(void **state)
{
    (void)state;
    assert_true(defects_of(0x020002ff, ER_DELIVERY_AT_LEAST_ONCE).n > 0);
    assert_int_equal(defects_of(0x020002ff, ER_DELIVERY_EXACTLY_ONCE).refused, 0);
    assert_int_equal(defects_of(0x020100ff, ER_DELIVERY_EXACTLY_ONCE).refused, 1);
    assert_int_equal(defects_of(0x020100ff, ER_DELIVERY_AT_LEAST_ONCE).refused, 0);
    assert_int_equal(defects_of(0x020101ff, ER_DELIVERY_EXACTLY_ONCE).refused, 0);
    assert_int_equal(defects_of(0x021000ff, ER_DELIVERY_AT_LEAST_ONCE).n, 0);
    assert_int_equal(defects_of(0x021000ff, ER_DELIVERY_EXACTLY_ONCE).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_bad_values),  cmocka_unit_test(test_combination),
        cmocka_unit_test(test_accepted),  cmocka_unit_test(test_merging),     cmocka_unit_test(test_delivery),
        cmocka_unit_test(test_lingering), cmocka_unit_test(test_compression), cmocka_unit_test(test_defects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
