#include "router/option.h"

#include <stddef.h>
#include <strings.h>
#include "router/config.h"
#include "rules/base/suggest.h"

#define AT(member) offsetof(struct er_config, member)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S (1000 * NS_PER_MS)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

/* Longest names: Kafka's own limit for topics, groups and instances; sun_path of a socket (107 bytes and the NUL). */
#define NAME_MAX_BYTES 249
#define SOCKET_MAX_BYTES 107
#define PATH_MAX_BYTES 4000

static const struct er_option options[] = {
    { "router", "group", ER_OPTION_TEXT, "eventrouter", 1, NAME_MAX_BYTES, AT(group), NULL, "Kafka consumer group id." },
    { "router", "instance", ER_OPTION_TEXT, "", 0, NAME_MAX_BYTES, AT(instance), NULL,
      "Name of this process, unique in the group. Set, it is also the static group.instance.id; empty, the router is a dynamic "
      "member." },
    { "router", "delivery", ER_OPTION_WORD, "at-least-once", 0, 0, AT(delivery), "at-least-once exactly-once",

      "Never lost, or also never doubled: then all copies of an event and its offset are committed together." },
    { "router", "guard", ER_OPTION_WORD_BOOL, "on", 0, 0, AT(guard_off), "on off",
      "With exactly-once, take a new producer after a transaction that a late request may still spoil; off is for tests only." },
    { "router", "workers", ER_OPTION_UNSIGNED, "0", 0, 256, AT(workers), NULL,
      "Worker threads, each with a consumer and a producer; 0 chooses by the number of processors." },
    { "router", "shutdown_timeout", ER_OPTION_TIME_MS, "10s", 100 * NS_PER_MS, 3600 * NS_PER_S, AT(shutdown_timeout_ms), NULL,
      "How long a graceful stop may take." },
    { "source", "topics", ER_OPTION_LIST, "raw", 1, NAME_MAX_BYTES, 0, NULL, "Topics to read, comma separated." },
    { "source", "start", ER_OPTION_WORD_BOOL, "earliest", 0, 0, AT(start_latest), "earliest latest",
      "Where a new group begins; one that has committed anything of a topic continues there." },
    { "event", "type_path", ER_OPTION_TEXT, "type", 1, 1024, AT(type_path), NULL, "Path of the event type." },
    { "event", "max_bytes", ER_OPTION_SIZE, "1048576", 1, 1024 * MIB, AT(max_bytes), NULL,
      "Largest event; a larger one is dead-lettered." },
    { "event", "max_depth", ER_OPTION_COUNT, "128", 1, 1024, AT(max_depth), NULL,
      "Objects and arrays that an event may have open at once." },
    { "event", "duplicate_keys", ER_OPTION_WORD_BOOL, "last", 0, 0, AT(reject_duplicate_keys), "last reject",
      "The last of repeated keys counts, or such an event is dead-lettered." },
    { "destinations", "topic", ER_OPTION_TEXT, "sub.{subscriber}", 1, NAME_MAX_BYTES, AT(destination_template), NULL,
      "Template of destination topics; {subscriber} stands for the subscriber's id." },
    { "destinations", "partitions", ER_OPTION_INT32, "1", 1, 10000, AT(destination_partitions), NULL,
      "Partitions of a created destination." },
    { "destinations", "replication", ER_OPTION_INT32, "-1", -1, 32767, AT(destination_replication), NULL,
      "Replicas of a created topic; -1 is the broker's default." },
    { "destinations", "create", ER_OPTION_BOOL, "true", 0, 0, AT(destination_create), NULL, "Create missing topics." },
    { "destinations", "provenance", ER_OPTION_WORD, "source", 0, 0, AT(provenance), "source full off",
      "Headers added to copies: the source position, also the matching subscriptions and revision, or none." },
    { "dead_letter", "topic", ER_OPTION_TEXT, "eventrouter.dead-letter", 1, NAME_MAX_BYTES, AT(dead_letter_topic), NULL,
      "Topic of what could not be routed or delivered." },
    { "unmatched", "topic", ER_OPTION_TEXT, "", 0, NAME_MAX_BYTES, AT(unmatched_topic), NULL,
      "Topic of events that no subscription wants; empty counts them only." },
    { "store", "path", ER_OPTION_TEXT, "/var/lib/eventrouter/eventrouter.db", 1, PATH_MAX_BYTES, AT(store_path), NULL,
      "SQLite file of the rules." },
    { "admin", "socket", ER_OPTION_TEXT, "/run/eventrouter/admin.sock", 1, SOCKET_MAX_BYTES, AT(admin_socket), NULL,
      "Unix socket of the admin API." },
    { "admin", "mode", ER_OPTION_MODE, "0660", 0, 0777, AT(admin_mode), NULL, "Permissions of the socket, octal." },
    { "admin", "bulk_bytes", ER_OPTION_SIZE, "16777216", 64 * KIB, 1024 * MIB, AT(admin_bulk_bytes), NULL,
      "Largest body of a bulk change." },
    { "http", "listen", ER_OPTION_TEXT, "127.0.0.1:9640", 0, 300, AT(http_listen), NULL,
      "HOST:PORT of /metrics, /livez and /readyz; empty is off." },
    { "limits", "unindexed_rules", ER_OPTION_COUNT, "1000", 0, 1000000, AT(unindexed_rules), NULL,
      "Rules that no index can serve." },
    { "limits", "event_time", ER_OPTION_TIME_NS, "20ms", NS_PER_MS / 10, 60 * NS_PER_S, AT(event_time_ns), NULL,
      "CPU time for all rules of one event; what is left is undecided." },
    { "limits", "regex_time", ER_OPTION_TIME_NS, "5ms", NS_PER_MS / 10, 60 * NS_PER_S, AT(regex_time_ns), NULL,
      "CPU time for one regex on one value." },
    { "log", "level", ER_OPTION_WORD, "info", 0, 0, AT(log_level), "error warn info debug", "Least important lines to write." },
    { "log", "format", ER_OPTION_WORD, "logfmt", 0, 0, AT(log_format), "logfmt json", "Form of a line." },
};
#define OPTION_COUNT (sizeof options / sizeof *options)

/* Each section once; the librdkafka ones first, in the order of enum er_property_scope. */
static const char *const sections[] = { "kafka", "kafka.consumer", "kafka.producer", "router",    "source",
                                        "event", "destinations",   "dead_letter",    "unmatched", "store",
                                        "admin", "http",           "limits",         "log" };
#define SECTION_COUNT (sizeof sections / sizeof *sections)

const struct er_option *er_options(size_t *n)
{
    *n = OPTION_COUNT;
    return options;
}

const struct er_option *er_option_find(struct er_str section, struct er_str key)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (er_str_eq(section, er_str_of(options[i].section)) && er_str_eq(key, er_str_of(options[i].key)))
            return &options[i];
    }
    return NULL;
}

const char *er_property_section(enum er_property_scope scope)
{
    return sections[scope];
}

bool er_property_scope_of(struct er_str section, enum er_property_scope *scope)
{
    for (unsigned i = 0; i < ER_SCOPE_COUNT; i++) {
        if (er_str_eq(section, er_str_of(sections[i]))) {
            *scope = (enum er_property_scope)i;
            return true;
        }
    }
    return false;
}

bool er_section_known(struct er_str section)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (er_str_eq(section, er_str_of(sections[i])))
            return true;
    }
    return false;
}

bool er_option_split(struct er_str name, struct er_str *section, struct er_str *key)
{
    size_t best = 0;

    for (size_t i = 0; i < SECTION_COUNT; i++) {
        struct er_str s = er_str_of(sections[i]);

        if (s.n > best && name.n > s.n + 1 && name.p[s.n] == '.' && memcmp(name.p, s.p, s.n) == 0)
            best = s.n;
    }
    if (best == 0)
        return false;
    *section = (struct er_str){ name.p, best };
    *key = (struct er_str){ name.p + best + 1, name.n - best - 1 };
    return true;
}

const char *er_section_suggest(struct er_str section)
{
    return er_suggest(section, sections, SECTION_COUNT);
}

const struct er_option *er_option_suggest(struct er_str section, struct er_str key)
{
    const char *names[OPTION_COUNT];
    size_t n = 0;
    const char *near;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (er_str_eq(section, er_str_of(options[i].section)))
            names[n++] = options[i].key;
    }
    near = er_suggest(key, names, n);
    if (near != NULL)
        return er_option_find(section, er_str_of(near));
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (er_str_eq(key, er_str_of(options[i].key)))
            return &options[i];
    }
    return NULL;
}

/* Names that carry credentials: librdkafka marks only some of its own as sensitive, and lists of them age. */
bool er_property_is_secret(const char *name)
{
    static const char *const parts[] = { "password", "passphrase", "secret",  "token",
                                         "jaas",     "credential", "key.pem", "oauthbearer.config" };
    size_t length = strlen(name);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]);

        for (size_t at = 0; at + n <= length; at++) {
            if (strncasecmp(name + at, parts[i], n) == 0)
                return true;
        }
    }
    return false;
}
