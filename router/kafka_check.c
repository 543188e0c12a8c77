#include "router/kafka_check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "router/kafka_conf.h"
#include "router/router.h"
#include "rules/base/suggest.h"

enum { SCOPE_CONSUMER = 1, SCOPE_PRODUCER = 2, SCOPE_BOTH = 3 };

struct er_kafka_names {
    char *text; /* librdkafka's table, cut into names */
    const char **items;
    unsigned char *scopes;
    size_t n;
};

/* A row is "name   |  C  | range | default | ..."; everything else in the text is headings. */
static bool read_row(char *line, const char **name, unsigned char *scope)
{
    char *bar = strchr(line, '|');
    char *end = bar;
    const char *p;

    if (bar == NULL || !islower((unsigned char)line[0]))
        return false;
    while (end > line && end[-1] == ' ')
        end--;
    for (p = bar + 1; *p == ' '; p++)
        ;
    if (*p != '*' && *p != 'C' && *p != 'P')
        return false;
    *end = '\0';
    *name = line;
    *scope = *p == '*' ? SCOPE_BOTH : *p == 'C' ? SCOPE_CONSUMER : SCOPE_PRODUCER;
    return true;
}

static char *properties_text(void)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);

    if (file == NULL)
        return NULL;
    rd_kafka_conf_properties_show(file);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

struct er_kafka_names *er_kafka_names_new(void)
{
    struct er_kafka_names *names = calloc(1, sizeof *names);
    size_t lines = 1;
    char *save = NULL;

    if (names == NULL)
        return NULL;
    names->text = properties_text();
    if (names->text == NULL)
        goto fail;
    for (const char *p = names->text; *p != '\0'; p++)
        lines += *p == '\n';
    names->items = calloc(lines, sizeof *names->items);
    names->scopes = calloc(lines, 1);
    if (names->items == NULL || names->scopes == NULL)
        goto fail;
    for (char *line = strtok_r(names->text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (read_row(line, &names->items[names->n], &names->scopes[names->n]))
            names->n++;
    }
    return names;
fail:
    er_kafka_names_free(names);
    return NULL;
}

void er_kafka_names_free(struct er_kafka_names *names)
{
    if (names == NULL)
        return;
    free(names->text);
    free(names->items);
    free(names->scopes);
    free(names);
}

/* 0 = not in the table. A name may stand there twice (global and per topic). */
static unsigned scope_of(const struct er_kafka_names *names, const char *name)
{
    unsigned scope = 0;

    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i], name) == 0)
            scope |= names->scopes[i];
    }
    return scope;
}

bool er_kafka_names_concern(const struct er_kafka_names *names, const char *name, bool consumer)
{
    unsigned scope = scope_of(names, name);

    return scope == 0 || (scope & (consumer ? SCOPE_CONSUMER : SCOPE_PRODUCER)) != 0;
}

const char *er_kafka_names_suggest(const struct er_kafka_names *names, const char *name)
{
    return er_suggest(er_str_of(name), names->items, names->n);
}

#define BY_DELIVERY "owned by router.delivery; remove it"
#define LOADS_CODE "it loads code into the router; remove it"
#define INTERNAL "internal to the router; remove it"
#define KEEPS_COPIES "a copy is repeated until the broker accepts or refuses it; remove it"
#define PARTITIONS "the partition of a copy is part of the router's contract; remove it"

/* A name that ends with '.' stands for all names that begin so. */
static const struct refused {
    const char *name;
    const char *reason;
} refused[] = {
    { "enable.auto.commit", BY_DELIVERY },
    { "auto.commit.enable", BY_DELIVERY },
    { "enable.auto.offset.store", BY_DELIVERY },
    { "offset.store.", BY_DELIVERY },
    { "transactional.id", BY_DELIVERY },
    { "transaction.timeout.ms", BY_DELIVERY },
    { "acks", BY_DELIVERY },
    { "request.required.acks", BY_DELIVERY },
    { "isolation.level", BY_DELIVERY },
    { "enable.idempotence", BY_DELIVERY },
    { "enable.gapless.guarantee", BY_DELIVERY },
    { "delivery.report.only.error", BY_DELIVERY },
    { "group.id", "set router.group instead" },
    { "group.instance.id", "set router.instance instead" },
    { "group.protocol", "the router joins its group with the classic protocol; remove it" },
    { "group.protocol.type", "the router joins its group with the classic protocol; remove it" },
    { "group.remote.assignor", "the router joins its group with the classic protocol; remove it" },
    { "auto.offset.reset", "set source.start instead" },
    { "allow.auto.create.topics", "topics are made explicitly; set destinations.create instead" },
    { "message.timeout.ms", KEEPS_COPIES },
    { "delivery.timeout.ms", KEEPS_COPIES },
    { "message.send.max.retries", KEEPS_COPIES },
    { "retries", KEEPS_COPIES },
    { "queuing.strategy", "it would break the order of copies; remove it" },
    { "msg_order_cmp", INTERNAL },
    { "partitioner", PARTITIONS },
    { "partitioner_cb", PARTITIONS },
    { "sticky.partitioning.linger.ms", PARTITIONS },
    { "plugin.library.paths", LOADS_CODE },
    { "ssl.engine.location", LOADS_CODE },
    { "ssl.engine.id", LOADS_CODE },
    { "ssl.providers", LOADS_CODE },
    { "sasl.kerberos.kinit.cmd", "it runs a command; keep a ticket fresh with a service of its own (k5start) instead" },
    { "statistics.interval.ms", "the router has its own metrics at /metrics; remove it" },
    { "enable.partition.eof", INTERNAL },
    { "enabled_events", INTERNAL },
    { "log.queue", INTERNAL },
    { "internal.termination.signal", INTERNAL },
    { "interceptors", INTERNAL },
    { "opaque", INTERNAL },
    { "default_topic_conf", INTERNAL },
    { "ssl_engine_callback_data", INTERNAL },
    { "share.acknowledgement.mode", INTERNAL },
    { "max.poll.records", INTERNAL },
    { "test.mock.", INTERNAL },
    { "builtin.features", INTERNAL },
};

const char *er_kafka_refused(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        size_t length = strlen(refused[i].name);
        bool prefix = refused[i].name[length - 1] == '.';

        if (prefix ? n > length && strncmp(name, refused[i].name, length) == 0 : strcmp(name, refused[i].name) == 0)
            return refused[i].reason;
    }
    if (n > 3 && strcmp(name + n - 3, "_cb") == 0)
        return INTERNAL;
    return NULL;
}

struct check {
    const struct er_config *config;
    struct er_buf *errors;
    struct er_kafka_names *names;
    rd_kafka_conf_t *scratch;
    enum er_code first;
};

static void report(struct check *check, enum er_code code, const struct er_property *property, const char *section,
                   const char *text)
{
    if (check->first == ER_OK)
        check->first = code;
    er_buf_printf(check->errors, "%s: error[%s]: %s.%s: %s\n", property->origin == NULL ? "-" : property->origin,
                  er_code_name(code), section, property->name, text);
}

/* These two become words of the command line that librdkafka runs to renew a ticket. */
static bool is_shell_word(const char *name)
{
    return strcmp(name, "sasl.kerberos.principal") == 0 || strcmp(name, "sasl.kerberos.keytab") == 0 ||
           strcmp(name, "sasl.kerberos.service.name") == 0;
}

static bool shell_safe(const char *value)
{
    return value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@:+=-")] == '\0';
}

static bool is_servers(const char *name)
{
    return strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0;
}

/* "[PROTOCOL://]HOST[:PORT]", one entry of the list. */
static bool server_ok(struct er_str entry)
{
    const char *scheme;
    const char *colon = NULL;
    unsigned long port = 0;

    for (scheme = entry.p; scheme + 2 < entry.p + entry.n; scheme++) {
        if (memcmp(scheme, "://", 3) == 0) {
            entry = (struct er_str){ scheme + 3, entry.n - (size_t)(scheme + 3 - entry.p) };
            break;
        }
    }
    if (entry.n == 0 || memchr(entry.p, ' ', entry.n) != NULL)
        return false;
    for (size_t i = 0; i < entry.n; i++) {
        if (entry.p[i] == ':')
            colon = entry.p + i;
    }
    if (colon == NULL || (entry.p[0] == '[' && entry.p[entry.n - 1] == ']'))
        return true;
    for (const char *p = colon + 1; p < entry.p + entry.n; p++) {
        if (!isdigit((unsigned char)*p) || port > 65535)
            return false;
        port = port * 10 + (unsigned long)(*p - '0');
    }
    return colon > entry.p && port >= 1 && port <= 65535;
}

static bool servers_ok(const char *list)
{
    const char *p = list;

    for (;;) {
        size_t n = strcspn(p, ",");
        struct er_str entry = { p, n };

        while (entry.n > 0 && entry.p[0] == ' ')
            entry = (struct er_str){ entry.p + 1, entry.n - 1 };
        while (entry.n > 0 && entry.p[entry.n - 1] == ' ')
            entry.n--;
        if (!server_ok(entry))
            return false;
        if (p[n] == '\0')
            return true;
        p += n + 1;
    }
}

static void report_unknown(struct check *check, const struct er_property *property, const char *section)
{
    const char *nearest = er_kafka_names_suggest(check->names, property->name);
    char text[256];

    if (nearest == NULL || er_kafka_refused(nearest) != NULL)
        snprintf(text, sizeof text, "librdkafka %s has no such property", rd_kafka_version_str());
    else
        snprintf(text, sizeof text, "librdkafka %s has no such property; did you mean %s?", rd_kafka_version_str(), nearest);
    report(check, ER_E_CONFIG_UNKNOWN_KEY, property, section, text);
}

/* scopes: which clients the section configures. */
static void check_property(struct check *check, const struct er_property *property, const char *section, unsigned scopes)
{
    const char *why = er_kafka_refused(property->name);
    unsigned scope = scope_of(check->names, property->name);
    rd_kafka_conf_res_t result;
    char text[512];

    if (why != NULL) {
        snprintf(text, sizeof text, "refused: %s", why);
        report(check, ER_E_CONFIG_REFUSED, property, section, text);
        return;
    }
    result = rd_kafka_conf_set(check->scratch, property->name, property->value, text, sizeof text);
    if (result == RD_KAFKA_CONF_UNKNOWN)
        report_unknown(check, property, section);
    else if (result != RD_KAFKA_CONF_OK)
        report(check, ER_E_CONFIG_VALUE, property, section, er_property_is_secret(property->name) ? "bad value" : text);
    else if (scope != 0 && (scope & scopes) == 0)
        report(check, ER_E_CONFIG_VALUE, property, section,
               scope == SCOPE_CONSUMER ? "a property of consumers; put it under [kafka.consumer]"
                                       : "a property of producers; put it under [kafka.producer]");
    else if (is_shell_word(property->name) && !shell_safe(property->value))
        report(check, ER_E_CONFIG_VALUE, property, section,
               "only letters, digits and ._/@:+=- are allowed: it becomes part of a command");
    else if (is_servers(property->name) && !servers_ok(property->value))
        report(check, ER_E_CONFIG_VALUE, property, section, "expected HOST:PORT, comma separated");
    else if (strcmp(property->name, "partition.assignment.strategy") == 0 && strstr(property->value, "cooperative") != NULL &&
             rd_kafka_version() < ER_KAFKA_COOPERATIVE_FROM)
        report(check, ER_E_CONFIG_REFUSED, property, section,
               "refused: cooperative rebalancing loses partitions before librdkafka 2.10.0");
}

static void check_section(struct check *check, const struct er_properties *properties, const char *section, unsigned scopes)
{
    for (size_t i = 0; i < properties->n; i++)
        check_property(check, &properties->items[i], section, scopes);
}

/* What librdkafka only finds when a client is made: combinations, certificate files. No server is contacted. */
static void check_client(struct check *check, enum er_kafka_client client, const char *section)
{
    struct er_kafka_handle handle = { .log = NULL };
    struct er_property none = { .name = "*", .value = "", .origin = "configuration" };
    rd_kafka_conf_t *conf = NULL;
    struct er_err err;
    char text[512];
    rd_kafka_t *rk;
    enum er_code code = er_kafka_conf_new(check->config, client, 0, &handle, &conf, &err);

    if (code != ER_OK) {
        report(check, code, &none, section, err.text);
        return;
    }
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", "", text, sizeof text);
    rk = rd_kafka_new(client == ER_KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        report(check, ER_E_CONFIG_VALUE, &none, section, text);
        return;
    }
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void refuse_defect(void *ctx, const struct er_kafka_defect *defect)
{
    struct check *check = ctx;
    struct er_property delivery = { .name = "delivery", .origin = "configuration" };
    char text[512];

    if (!defect->refused)
        return;
    snprintf(text, sizeof text, "exactly-once would be untrue with librdkafka %s: %s; install another version or use at-least-once",
             rd_kafka_version_str(), defect->text);
    report(check, ER_E_CONFIG_REFUSED, &delivery, "router", text);
}

enum er_code er_router_check_kafka(const struct er_config *config, struct er_buf *errors)
{
    struct check check = { .config = config, .errors = errors };

    check.names = er_kafka_names_new();
    if (check.names == NULL)
        return ER_E_NOMEM;
    check.scratch = rd_kafka_conf_new();
    check_section(&check, &config->kafka, "kafka", SCOPE_BOTH);
    check_section(&check, &config->consumer, "kafka.consumer", SCOPE_CONSUMER);
    check_section(&check, &config->producer, "kafka.producer", SCOPE_PRODUCER);
    rd_kafka_conf_destroy(check.scratch);
    er_kafka_names_free(check.names);
    er_kafka_each_defect(rd_kafka_version(), config->delivery, refuse_defect, &check);
    if (check.first == ER_OK) {
        check_client(&check, ER_KAFKA_CONSUMER, "kafka.consumer");
        check_client(&check, ER_KAFKA_PRODUCER, "kafka.producer");
    }
    return check.first;
}
