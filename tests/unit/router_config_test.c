#include "tests/unit/test.h"

#include <unistd.h>
#include "router/config.h"
#include "router/option.h"

/* One load in a directory of its own; the configuration file is DIR/er.ini. */
struct fixture {
    char dir[64];
    char file[96];
    struct er_config *config;
    struct er_buf errors;
    char *text; /* errors, or the print-out after print() */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/er-config-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->file, sizeof f->file, "%s/er.ini", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    er_config_free(f->config);
    er_buf_free(&f->errors);
    free(f->text);
    (void)unlink(f->file);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void write_file(const char *path, const void *text, size_t n)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static void reset(struct fixture *f)
{
    er_config_free(f->config);
    f->config = NULL;
    er_buf_free(&f->errors);
    free(f->text);
    f->text = NULL;
}

static enum er_code load_full(struct fixture *f, const char *ini, char *const *environment, const char *const *overrides, size_t n)
{
    struct er_config_input input = { .file = f->file, .environment = environment, .overrides = overrides, .n_overrides = n };
    enum er_code code;

    reset(f);
    if (ini != NULL)
        write_file(f->file, ini, strlen(ini));
    code = er_config_load(&input, &f->config, &f->errors);
    assert_non_null(f->config);
    f->text = f->errors.n == 0 ? strdup("") : er_buf_take(&f->errors);
    return code;
}

static enum er_code load(struct fixture *f, const char *ini)
{
    return load_full(f, ini, NULL, NULL, 0);
}

static enum er_code load_override(struct fixture *f, const char *override)
{
    return load_full(f, "", NULL, &override, 1);
}

static enum er_code load_variable(struct fixture *f, const char *variable)
{
    char copy[1024];
    char *environment[] = { copy, NULL };

    (void)snprintf(copy, sizeof copy, "%s", variable);
    return load_full(f, "", environment, NULL, 0);
}

static const char *print(struct fixture *f)
{
    struct er_buf out = { 0 };

    er_config_print(f->config, &out);
    free(f->text);
    f->text = er_buf_take(&out);
    return f->text;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_error("missing: %s\nin: %s\n", part, text);
        fail();
    }
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        print_error("unexpected: %s\nin: %s\n", part, text);
        fail();
    }
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n' ? 1 : 0;
    return n;
}

static const char sample[] = "[router]\n"
                             "group = eventrouter            ; consumer group id\n"
                             "instance =                     ; unique per process. Set: also the static group.instance.id (a\n"
                             "                               ; stopped one is missed; exactly-once requires it = so\n"
                             "delivery = at-least-once       ; or exactly-once\n"
                             "workers = 3\n"
                             "shutdown_timeout = 2m\n"
                             "[source]\n"
                             "topics = raw , other,third     ; comma separated\n"
                             "start = latest\n"
                             "[event]\n"
                             "type_path = a.\"b.c\"\n"
                             "max_bytes = 2M\n"
                             "max_depth = 64\n"
                             "duplicate_keys = reject\n"
                             "[destinations]\n"
                             "topic = to.{subscriber}.x\n"
                             "partitions = 4\n"
                             "replication = 3\n"
                             "create = off\n"
                             "provenance = full\n"
                             "[dead_letter]\n"
                             "topic = dead\n"
                             "[unmatched]\n"
                             "topic = none\n"
                             "[store]\n"
                             "path = /x/y.db\n"
                             "[admin]\n"
                             "socket = /x/s\n"
                             "mode = 600\n"
                             "bulk_bytes = 1MiB\n"
                             "[http]\n"
                             "listen =                       ; off\n"
                             "[limits]\n"
                             "unindexed_rules = 7\n"
                             "event_time = 500us\n"
                             "regex_time = 1s\n"
                             "[log]\n"
                             "level = debug\n"
                             "format = json\n"
                             "[kafka]\n"
                             "bootstrap.servers = a:1,b:2\n"
                             "sasl.password = one;two ; three\n"
                             "[kafka.consumer]\n"
                             "fetch.min.bytes = 7\n"
                             "[kafka.producer]\n"
                             "linger.ms: 9\n";

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    struct er_config *c;

    assert_int_equal(load(f, ""), ER_OK);
    c = f->config;
    assert_string_equal(c->group, "eventrouter");
    assert_string_equal(c->instance, "");
    assert_int_equal(c->delivery, ER_DELIVERY_AT_LEAST_ONCE);
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->shutdown_timeout_ms, 10000);
    assert_int_equal(c->n_topics, 1);
    assert_string_equal(c->topics[0], "raw");
    assert_false(c->start_latest);
    assert_string_equal(c->type_path, "type");
    assert_int_equal(c->max_bytes, 1048576);
    assert_int_equal(c->max_depth, 128);
    assert_false(c->reject_duplicate_keys);
    assert_string_equal(c->destination_template, "sub.{subscriber}");
    assert_int_equal(c->destination_partitions, 1);
    assert_int_equal(c->destination_replication, -1);
    assert_true(c->destination_create);
    assert_int_equal(c->provenance, ER_PROVENANCE_SOURCE);
    assert_string_equal(c->dead_letter_topic, "eventrouter.dead-letter");
    assert_string_equal(c->unmatched_topic, "");
    assert_string_equal(c->store_path, "/var/lib/eventrouter/eventrouter.db");
    assert_string_equal(c->admin_socket, "/run/eventrouter/admin.sock");
    assert_int_equal(c->admin_mode, 0660);
    assert_int_equal(c->admin_bulk_bytes, 16777216);
    assert_string_equal(c->http_listen, "127.0.0.1:9640");
    assert_int_equal(c->unindexed_rules, 1000);
    assert_int_equal(c->event_time_ns, 20000000);
    assert_int_equal(c->regex_time_ns, 5000000);
    assert_int_equal(c->log_level, ER_LOG_INFO);
    assert_int_equal(c->log_format, ER_LOG_LOGFMT);
    assert_int_equal(c->kafka.n, 1);
    assert_string_equal(c->kafka.items[0].name, "bootstrap.servers");
    assert_string_equal(c->kafka.items[0].value, "localhost:9092");
    assert_string_equal(c->kafka.items[0].origin, "default");
    assert_int_equal(c->consumer.n, 0);
    assert_int_equal(c->producer.n, 0);
}

static void test_every_key_of_a_file(void **state)
{
    struct fixture *f = *state;
    struct er_config *c;

    assert_int_equal(load(f, sample), ER_OK);
    c = f->config;
    assert_string_equal(c->group, "eventrouter");
    assert_string_equal(c->instance, "");
    assert_int_equal(c->workers, 3);
    assert_int_equal(c->shutdown_timeout_ms, 120000);
    assert_int_equal(c->n_topics, 3);
    assert_string_equal(c->topics[0], "raw");
    assert_string_equal(c->topics[1], "other");
    assert_string_equal(c->topics[2], "third");
    assert_true(c->start_latest);
    assert_string_equal(c->type_path, "a.\"b.c\"");
    assert_int_equal(c->max_bytes, 2097152);
    assert_int_equal(c->max_depth, 64);
    assert_true(c->reject_duplicate_keys);
    assert_string_equal(c->destination_template, "to.{subscriber}.x");
    assert_int_equal(c->destination_partitions, 4);
    assert_int_equal(c->destination_replication, 3);
    assert_false(c->destination_create);
    assert_int_equal(c->provenance, ER_PROVENANCE_FULL);
    assert_string_equal(c->dead_letter_topic, "dead");
    assert_string_equal(c->unmatched_topic, "none");
    assert_string_equal(c->store_path, "/x/y.db");
    assert_string_equal(c->admin_socket, "/x/s");
    assert_int_equal(c->admin_mode, 0600);
    assert_int_equal(c->admin_bulk_bytes, 1048576);
    assert_string_equal(c->http_listen, "");
    assert_int_equal(c->unindexed_rules, 7);
    assert_int_equal(c->event_time_ns, 500000);
    assert_int_equal(c->regex_time_ns, 1000000000);
    assert_int_equal(c->log_level, ER_LOG_DEBUG);
    assert_int_equal(c->log_format, ER_LOG_JSON);
    assert_int_equal(c->kafka.n, 2);
    assert_string_equal(c->kafka.items[0].value, "a:1,b:2");
    assert_string_equal(c->kafka.items[1].value, "one;two");
    assert_int_equal(c->consumer.n, 1);
    assert_string_equal(c->consumer.items[0].name, "fetch.min.bytes");
    assert_int_equal(c->producer.n, 1);
    assert_string_equal(c->producer.items[0].name, "linger.ms");
    assert_string_equal(c->producer.items[0].value, "9");
}

static void test_precedence_and_origin(void **state)
{
    struct fixture *f = *state;
    char origin[160];
    char variable[] = "EVENTROUTER_ROUTER_GROUP=from-environment";
    char other[] = "EVENTROUTER_ROUTER_WORKERS=5";
    char *environment[] = { variable, other, NULL };
    const char *overrides[] = { "router.group=first", "router.group= last " };
    const char ini[] = "\n[router]\ngroup = from-file\nworkers = 4\ninstance = i1\n";

    assert_int_equal(load_full(f, ini, environment, overrides, 2), ER_OK);
    assert_string_equal(f->config->group, "last");
    assert_int_equal(f->config->workers, 5);
    assert_string_equal(f->config->instance, "i1");
    print(f);
    assert_has(f->text, "router.group =  last   ; -o\n");
    assert_has(f->text, "router.workers = 5  ; environment EVENTROUTER_ROUTER_WORKERS\n");
    (void)snprintf(origin, sizeof origin, "router.instance = i1  ; %s:5\n", f->file);
    assert_has(f->text, origin);
    assert_has(f->text, "router.delivery = at-least-once  ; default\n");
    assert_has(f->text, "kafka.bootstrap.servers = localhost:9092  ; default\n");
}

static void test_all_errors_at_once(void **state)
{
    struct fixture *f = *state;
    const char *override = "router.wrokers=1";
    char variable[] = "EVENTROUTER_LOG_LEVLE=info";
    char *environment[] = { variable, NULL };
    const char ini[] = "early = 1\n"
                       "[router]\n"
                       "gropu = x\n"
                       "workers = many\n"
                       "no equals sign\n"
                       "[sorce]\n"
                       "topics = a\n"
                       "[log\n"
                       "level = loud\n"
                       "[event]\n"
                       "topics = raw\n"
                       "max_depth = 0\n"
                       "[http]\n"
                       "listen = nowhere\n";
    static const char *const expected[] = {
        ":1: error[E700]: \"early\" stands before",
        ":3: error[E701]: unknown key router.gropu; did you mean router.group?\n",
        ":4: error[E702]: router.workers = \"many\"",
        ":5: error[E700]: the line is no setting; write key = value",
        ":6: error[E701]: unknown section [sorce]; did you mean [source]?\n",
        ":8: error[E700]: the section has no closing bracket",
        ":11: error[E701]: unknown key event.topics; did you mean source.topics?\n",
        ":12: error[E702]: event.max_depth = \"0\"",
        ":14: error[E702]: http.listen = \"nowhere\"",
        "-o: error[E701]: unknown key router.wrokers; did you mean router.workers?\n",
        "environment EVENTROUTER_LOG_LEVLE: error[E701]: unknown key log.levle; did you mean EVENTROUTER_LOG_LEVEL?\n",
    };

    assert_int_equal(load_full(f, ini, environment, &override, 1), ER_E_CONFIG);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_has(f->text, expected[i]);
    assert_int_equal(lines(f->text), sizeof expected / sizeof *expected);
    assert_memory_equal(f->text, f->file, strlen(f->file));
}

/* Each row alone: an override and what the error says; NULL = accepted. */
static void test_values(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *override;
        const char *error;
    } rows[] = {
        { "router.workers=256", NULL },
        { "router.workers=257", "from 0 to 256" },
        { "router.workers=-1", "from 0 to 256" },
        { "router.workers=", "router.workers = \"\"" },
        { "router.workers=99999999999999999999", "from 0 to 256" },
        { "router.workers=1 ", NULL },
        { "router.workers=1K", "from 0 to 256" },
        { "router.group=", "must not be empty" },
        { "router.shutdown_timeout=100ms", NULL },
        { "router.shutdown_timeout=99ms", "from 100ms to 1h" },
        { "router.shutdown_timeout=10", "a number with a unit" },
        { "router.shutdown_timeout=1h", NULL },
        { "router.shutdown_timeout=9999999999h", "from 100ms to 1h" },
        { "router.shutdown_timeout=1 s", "a number with a unit" },
        { "router.delivery=exactly-once", "needs router.instance" },
        { "router.guard=off", NULL },
        { "router.guard=maybe", "one of: on off" },
        { "router.delivery=once", "one of: at-least-once exactly-once" },
        { "router.instance=a b", "router.instance" },
        { "source.topics=", "must not be empty" },
        { "source.topics=a,,b", "must not be empty" },
        { "source.topics=a,a", "named twice" },
        { "source.topics=^a", "no legal topic" },
        { "source.topics=eventrouter.dead-letter", "is a source topic" },
        { "source.start=beginning", "one of: earliest latest" },
        { "event.type_path=a..b", "event.type_path" },
        { "event.type_path=/a/b", NULL },
        { "event.max_bytes=1G", NULL },
        { "event.max_bytes=1025M", "bytes (units K, M, G)" },
        { "event.max_bytes=12Q", "bytes (units K, M, G)" },
        { "destinations.topic=fixed", "has no {subscriber}" },
        { "destinations.topic=__{subscriber}", "belong to Kafka" },
        { "destinations.topic=a b{subscriber}", "gives no legal topic" },
        { "destinations.topic={subscriber}", NULL },
        { "destinations.topic={subscriber}{subscriber}{subscriber}", "over 249 bytes" },
        { "destinations.topic={subscriber}{subscriber", "gives no legal topic" },
        { "destinations.partitions=0", "from 1 to 10000" },
        { "destinations.replication=0", "destinations.replication = 0" },
        { "destinations.replication=-1", NULL },
        { "destinations.create=maybe", "true or false" },
        { "destinations.create=no", NULL },
        { "destinations.create=1", NULL },
        { "dead_letter.topic=", "must not be empty" },
        { "dead_letter.topic=raw", "is a source topic" },
        { "dead_letter.topic=__x", "belong to Kafka" },
        { "dead_letter.topic=..", "reserved by Kafka" },
        { "unmatched.topic=raw", "is a source topic" },
        { "unmatched.topic=eventrouter.dead-letter", "is the dead-letter topic" },
        { "unmatched.topic=rest", NULL },
        { "store.path=", "must not be empty" },
        { "admin.mode=0777", NULL },
        { "admin.mode=1777", "octal" },
        { "admin.mode=rw", "octal" },
        { "admin.mode=", "octal" },
        { "admin.mode=888", "octal" },
        { "http.listen=127.0.0.1:0", NULL },
        { "http.listen=[::1]:9640", NULL },
        { "http.listen=host.example:65535", NULL },
        { "http.listen=host:65536", "http.listen" },
        { "http.listen=:80", "http.listen" },
        { "http.listen=host:", "http.listen" },
        { "http.listen=ho st:1", "http.listen" },
        { "http.listen=[]:1", "http.listen" },
        { "limits.unindexed_rules=0", NULL },
        { "limits.event_time=0", "from 100us to 1m" },
        { "limits.regex_time=250us", NULL },
        { "log.level=trace", "one of: error warn info debug" },
        { "log.format=xml", "one of: logfmt json" },
        { "kafka.consumer.fetch.min.bytes=1", NULL },
        { "kafka.a b=1", "no librdkafka property" },
        { "kafka.=1", "unknown key" },
        { "nonsense=1", "unknown key nonsense" },
        { "=1", "-o: error[E701]" },
        { "router.group", "write -o section.key=value" },
        { "group=1", "did you mean router.group?" },
        { "ruoter.group=1", "did you mean router.group?" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum er_code code = load_override(f, rows[i].override);

        if ((code == ER_OK) != (rows[i].error == NULL))
            print_error("%s: %s\n", rows[i].override, f->text);
        assert_int_equal(code == ER_OK, rows[i].error == NULL);
        if (rows[i].error != NULL)
            assert_has(f->text, rows[i].error);
    }
}

static void test_too_long_socket(void **state)
{
    struct fixture *f = *state;
    char override[200];
    size_t n = (size_t)snprintf(override, sizeof override, "admin.socket=/");

    memset(override + n, 'a', 106);
    override[n + 106] = '\0';
    assert_int_equal(load_override(f, override), ER_OK);
    memset(override + n, 'a', 107);
    override[n + 107] = '\0';
    assert_int_equal(load_override(f, override), ER_E_CONFIG_VALUE);
    assert_has(f->text, "at most 107");
}

static void test_variables(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *variable;
        const char *printed; /* NULL: an error */
        const char *error;
    } rows[] = {
        { "EVENTROUTER_ROUTER_SHUTDOWN__TIMEOUT=7s", "router.shutdown_timeout = 7s  ;", NULL },
        { "EVENTROUTER_DEAD__LETTER_TOPIC=dl", "dead_letter.topic = dl  ;", NULL },
        { "EVENTROUTER_KAFKA_BOOTSTRAP_SERVERS=h:1", "kafka.bootstrap.servers = h:1  ;", NULL },
        { "EVENTROUTER_KAFKA_CONSUMER_FETCH_MIN_BYTES=2", "kafka.consumer.fetch.min.bytes = 2  ;", NULL },
        { "EVENTROUTER_KAFKA_A___B=2", "kafka.a-b = 2  ;", NULL },
        { "EVENTROUTER_SOCKET=/x", "admin.socket = /run/eventrouter/admin.sock  ; default", NULL },
        { "EVENTROUTER_SERVICE_PORT_HTTP=1", "router.group = eventrouter  ; default", NULL },
        { "EVENTROUTER_PORT_9640_TCP=1", "router.group = eventrouter  ; default", NULL },
        { "OTHER_ROUTER_GROUP=1", "router.group = eventrouter  ; default", NULL },
        { "EVENTROUTER_ROUTER_SHUTDOWN_TIMEOUT=7s", NULL, "EVENTROUTER_ROUTER_SHUTDOWN__TIMEOUT?" },
        { "EVENTROUTER_ROUTER____GROUP=1", NULL, "names no key" },
        { "EVENTROUTER_router_GROUP=1", NULL, "names no key" },
        { "EVENTROUTER_GROUP=1", NULL, "did you mean EVENTROUTER_ROUTER_GROUP?" },
        { "EVENTROUTER_ROUTER_WORKERS=x", NULL, "environment EVENTROUTER_ROUTER_WORKERS: error[E702]" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum er_code code = load_variable(f, rows[i].variable);

        if ((code == ER_OK) != (rows[i].error == NULL))
            print_error("%s: %s\n", rows[i].variable, f->text);
        assert_int_equal(code == ER_OK, rows[i].error == NULL);
        if (rows[i].error != NULL)
            assert_has(f->text, rows[i].error);
        else
            assert_has(print(f), rows[i].printed);
    }
}

static void test_secret_files(void **state)
{
    struct fixture *f = *state;
    char path[128], from_file[200];
    char direct[] = "EVENTROUTER_KAFKA_SASL_PASSWORD=hunter2";
    char *one[] = { from_file, NULL };
    char *both[] = { from_file, direct, NULL };

    (void)snprintf(path, sizeof path, "%s/secret", f->dir);
    (void)snprintf(from_file, sizeof from_file, "EVENTROUTER_KAFKA_SASL_PASSWORD_FILE=%s", path);
    write_file(path, " se;cret \r\n", 11);
    assert_int_equal(load_full(f, "", one, NULL, 0), ER_OK);
    assert_int_equal(f->config->kafka.n, 2);
    assert_string_equal(f->config->kafka.items[0].value, " se;cret ");
    assert_has_not(print(f), "se;cret");
    assert_has(f->text, "kafka.sasl.password = ****  ; environment EVENTROUTER_KAFKA_SASL_PASSWORD_FILE\n");
    assert_int_equal(load_full(f, "", both, NULL, 0), ER_E_CONFIG);
    assert_has(f->text, "EVENTROUTER_KAFKA_SASL_PASSWORD is set too");
    assert_has_not(f->text, "hunter2");
    write_file(path, "a\0b", 3);
    assert_int_equal(load_full(f, "", one, NULL, 0), ER_E_CONFIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(load_full(f, "", one, NULL, 0), ER_E_CONFIG);
    assert_has(f->text, "cannot be read");
    (void)snprintf(from_file, sizeof from_file, "EVENTROUTER_ROUTER_GROUP_FILE=%s", path);
    write_file(path, "g\n", 2);
    assert_int_equal(load_full(f, "", one, NULL, 0), ER_OK);
    assert_string_equal(f->config->group, "g");
    (void)unlink(path);
}

static void test_secrets_are_masked(void **state)
{
    struct fixture *f = *state;
    static const char *const secret[] = { "sasl.password",           "ssl.key.password",
                                          "ssl.keystore.password",   "ssl.key.pem",
                                          "sasl.jaas.config",        "sasl.oauthbearer.client.secret",
                                          "sasl.oauthbearer.token",  "SASL.Password",
                                          "sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.passphrase" };
    static const char *const open[] = { "bootstrap.servers", "sasl.username", "ssl.ca.location", "client.id", "ssl.key.location" };

    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(er_property_is_secret(secret[i]));
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        assert_false(er_property_is_secret(open[i]));
    assert_int_equal(load(f, "[kafka]\nssl.key.pem = hunter2\nclient.id = shown\n[kafka.producer]\nsasl.password =\n"), ER_OK);
    assert_has_not(print(f), "hunter2");
    assert_has(f->text, "kafka.client.id = shown");
    assert_has(f->text, "kafka.producer.sasl.password =   ;");
}

static void test_files_that_are_no_configuration(void **state)
{
    struct fixture *f = *state;
    char *big = malloc(2u << 20);
    const struct {
        const char *text;
        size_t n;
        const char *error;
    } rows[] = { { "[router]\ngroup = a\0b\n", 21, ":2: error[E700]: byte 18 of the file is not UTF-8" },
                 { "[router]\n\n\xFF\n", 12, ":3: error[E700]: byte 10" },
                 { big, (2u << 20), "the file is over 1048576 bytes" },
                 { big, 20000, ":1: error[E700]: the line is over 16384 bytes" } };

    assert_non_null(big);
    memset(big, 'x', 2u << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(f->file, rows[i].text, rows[i].n);
        assert_int_equal(load(f, NULL), ER_E_CONFIG);
        assert_has(f->text, rows[i].error);
    }
    free(big);
    assert_int_equal(unlink(f->file), 0);
    assert_int_equal(load(f, NULL), ER_E_CONFIG);
    assert_has(f->text, "er.ini: error[E700]: the file cannot be read: No such file or directory");
}

static void test_details_of_the_format(void **state)
{
    struct fixture *f = *state;
    char long_value[9000] = "";

    assert_int_equal(load(f, "\xEF\xBB\xBF[router]\r\n  group = a=b;c # d ; e\r\n\n# x\n; y\n[ log ]\n"), ER_E_CONFIG_UNKNOWN_KEY);
    assert_has(f->text, ":6: error[E701]: unknown section [ log ]");
    assert_int_equal(load(f, "\xEF\xBB\xBF[router]\r\n  group = a=b;c # d ; e\r\n\n# x\n; y\n[log]"), ER_OK);
    assert_string_equal(f->config->group, "a=b;c # d");
    assert_int_equal(load(f, "[log]\nlevel = info\n[router]\n[log]\nlevel = warn\n"), ER_E_CONFIG);
    assert_has(f->text, ":5: error[E700]: log.level is set already at");
    assert_int_equal(load(f, "[kafka]\na = 1\n a = 1\n"), ER_E_CONFIG);
    assert_has(f->text, "kafka.a is set already at");
    assert_int_equal(load(f, "[kafka]\nmetadata.broker.list = h:1\n"), ER_OK);
    assert_int_equal(f->config->kafka.n, 1);
    (void)snprintf(long_value, sizeof long_value, "[kafka]\nssl.certificate.pem = ");
    memset(long_value + strlen(long_value), 'x', 8000); /* the rest is zero */
    assert_int_equal(load(f, long_value), ER_OK);
    assert_int_equal(strlen(f->config->kafka.items[0].value), 8000);
}

/* The longest line, without a line end: it must fit into the reader's memory to the byte. */
static void test_longest_line(void **state)
{
    struct fixture *f = *state;
    static const char start[] = "[kafka]\nx=";
    char *text = malloc(20000);

    assert_non_null(text);
    memset(text, 'y', 20000);
    memcpy(text, start, sizeof start - 1);
    for (size_t n = 16380; n <= 16390; n++) {
        write_file(f->file, text, n + 8); /* the first line has 8 bytes */
        assert_int_equal(load(f, NULL), n <= 16384 ? ER_OK : ER_E_CONFIG);
        if (n <= 16384)
            assert_int_equal(strlen(f->config->kafka.items[0].value), n - 2);
    }
    free(text);
}

static void test_names_split_at_the_longest_section(void **state)
{
    struct er_str section, key;

    (void)state;
    assert_true(er_option_split(ER_STR("kafka.consumer.group.id"), &section, &key));
    assert_true(er_str_eq(section, ER_STR("kafka.consumer")));
    assert_true(er_str_eq(key, ER_STR("group.id")));
    assert_true(er_option_split(ER_STR("kafka.consumer"), &section, &key));
    assert_true(er_str_eq(section, ER_STR("kafka")));
    assert_false(er_option_split(ER_STR("kafka"), &section, &key));
    assert_false(er_option_split(ER_STR("kafkaesque.x"), &section, &key));
    assert_false(er_option_split(ER_STR(""), &section, &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_key_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_precedence_and_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_errors_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secret_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secrets_are_masked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_are_no_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_details_of_the_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longest_line, setup, teardown),
        cmocka_unit_test(test_names_split_at_the_longest_section),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
