#include "router/config_load.h"

#include <ctype.h>
#include "rules/language/path.h"

#define TEMPLATE_FIELD "{subscriber}"
#define TOPIC_MAX_BYTES 249
#define SUBSCRIBER_MAX_BYTES 100

static const char *origin_of(const struct er_loader *loader, const char *section, const char *key)
{
    size_t n = 0;
    const struct er_option *options = er_options(&n);
    const struct er_option *option = er_option_find(er_str_of(section), er_str_of(key));

    return option == NULL ? "default" : loader->loaded->settings[option - options].origin;
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* Kafka's rule for topics, which it also uses for static member names. NULL when legal, else why not. */
static const char *name_fault(struct er_str name)
{
    if (name.n == 0 || name.n > TOPIC_MAX_BYTES)
        return "a name has 1 to 249 characters";
    if (er_str_eq(name, ER_STR(".")) || er_str_eq(name, ER_STR("..")))
        return "\".\" and \"..\" are reserved by Kafka";
    for (size_t i = 0; i < name.n; i++) {
        if (!name_char(name.p[i]))
            return "only A-Z a-z 0-9 . _ - are allowed";
    }
    return NULL;
}

static const char *topic_fault(struct er_str topic)
{
    const char *fault = name_fault(topic);

    if (fault == NULL && topic.n >= 2 && memcmp(topic.p, "__", 2) == 0)
        fault = "names that begin with __ belong to Kafka";
    return fault;
}

/* Every topic that the configuration names, each legal and used for one purpose only. */
static void check_topics(struct er_loader *loader)
{
    const struct er_config *config = &loader->loaded->config;
    const char *source = origin_of(loader, "source", "topics");
    const struct {
        const char *section;
        const char *topic;
    } outputs[] = { { "dead_letter", config->dead_letter_topic }, { "unmatched", config->unmatched_topic } };

    for (size_t i = 0; i < config->n_topics; i++) {
        const char *fault = name_fault(er_str_of(config->topics[i]));

        if (fault != NULL)
            er_loader_error(loader, source, ER_E_CONFIG_VALUE, "source.topics: \"%.60s\" is no legal topic; %s", config->topics[i],
                            fault);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->topics[i], config->topics[j]) == 0)
                er_loader_error(loader, source, ER_E_CONFIG_VALUE, "source.topics: \"%s\" is named twice; name it once",
                                config->topics[i]);
        }
    }
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        const char *origin = origin_of(loader, outputs[i].section, "topic");
        const char *fault = outputs[i].topic[0] == '\0' ? NULL : topic_fault(er_str_of(outputs[i].topic));

        if (fault != NULL)
            er_loader_error(loader, origin, ER_E_CONFIG_VALUE, "%s.topic: \"%.60s\" is no legal topic; %s", outputs[i].section,
                            outputs[i].topic, fault);
        for (size_t j = 0; j < config->n_topics; j++) {
            if (strcmp(outputs[i].topic, config->topics[j]) == 0)
                er_loader_error(loader, origin, ER_E_CONFIG_VALUE,
                                "%s.topic: \"%s\" is a source topic, the router would read what it writes; choose another",
                                outputs[i].section, outputs[i].topic);
        }
    }
    if (strcmp(outputs[0].topic, outputs[1].topic) == 0)
        er_loader_error(loader, origin_of(loader, "unmatched", "topic"), ER_E_CONFIG_VALUE,
                        "unmatched.topic: \"%s\" is the dead-letter topic; choose another", outputs[1].topic);
}

/* A one-letter subscriber in the template must give a legal topic; the longest subscriber must fit too. */
static void check_template(struct er_loader *loader)
{
    const char *text = loader->loaded->config.destination_template;
    const char *origin = origin_of(loader, "destinations", "topic");
    const char *field = strstr(text, TEMPLATE_FIELD);
    char sample[TOPIC_MAX_BYTES + 1];
    size_t n = 0;
    size_t fields = 0;
    const char *fault;

    if (field == NULL) {
        er_loader_error(loader, origin, ER_E_CONFIG_VALUE,
                        "destinations.topic: \"%.60s\" has no {subscriber}; each subscriber needs a topic of its own", text);
        return;
    }
    while (*text != '\0' && n < sizeof sample) {
        bool at_field = strncmp(text, TEMPLATE_FIELD, sizeof TEMPLATE_FIELD - 1) == 0;

        sample[n++] = at_field ? 'a' : *text;
        text += at_field ? sizeof TEMPLATE_FIELD - 1 : 1;
        fields += at_field ? 1 : 0;
    }
    fault = topic_fault((struct er_str){ sample, n });
    if (fault != NULL)
        er_loader_error(loader, origin, ER_E_CONFIG_VALUE, "destinations.topic: \"%.60s\" gives no legal topic; %s",
                        loader->loaded->config.destination_template, fault);
    else if (n - fields + fields * SUBSCRIBER_MAX_BYTES > TOPIC_MAX_BYTES)
        er_loader_error(loader, origin, ER_E_CONFIG_VALUE,
                        "destinations.topic: \"%.60s\" gives topics over 249 bytes for long subscribers; shorten it",
                        loader->loaded->config.destination_template);
}

static void check_delivery(struct er_loader *loader)
{
    const struct er_config *config = &loader->loaded->config;
    const char *fault = config->instance[0] == '\0' ? NULL : name_fault(er_str_of(config->instance));

    if (fault != NULL)
        er_loader_error(loader, origin_of(loader, "router", "instance"), ER_E_CONFIG_VALUE,
                        "router.instance: \"%.60s\" is not legal; %s", config->instance, fault);
    if (config->delivery != ER_DELIVERY_EXACTLY_ONCE)
        return;
    if (config->instance[0] == '\0')
        er_loader_error(loader, origin_of(loader, "router", "delivery"), ER_E_CONFIG_VALUE,
                        "router.delivery = exactly-once needs router.instance, a name that stays the same over restarts; set it");
}

/* HOST:PORT or [IPv6]:PORT. */
static bool listen_legal(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t host = colon == NULL ? 0 : (size_t)(colon - text);
    unsigned port = 0;

    if (host == 0 || colon[1] == '\0' || strlen(colon + 1) > 5)
        return false;
    for (const char *p = colon + 1; *p != '\0'; p++) {
        if (!isdigit((unsigned char)*p))
            return false;
        port = port * 10 + (unsigned)(*p - '0');
    }
    if (text[0] == '[')
        return port <= 65535 && host > 3 && text[host - 1] == ']' && strspn(text + 1, "0123456789abcdefABCDEF:.%") == host - 2;
    for (size_t i = 0; i < host; i++) {
        if (!name_char(text[i]))
            return false;
    }
    return port <= 65535;
}

static void check_http(struct er_loader *loader)
{
    const char *text = loader->loaded->config.http_listen;

    if (text[0] != '\0' && !listen_legal(text))
        er_loader_error(loader, origin_of(loader, "http", "listen"), ER_E_CONFIG_VALUE,
                        "http.listen = \"%.60s\" is not legal; expected HOST:PORT, [IPv6]:PORT, or nothing for off", text);
}

static void check_type_path(struct er_loader *loader)
{
    const char *text = loader->loaded->config.type_path;
    struct er_path path;
    struct er_err err;

    if (er_path_parse(loader->loaded->arena, er_str_of(text), &path, &err) != ER_OK)
        er_loader_error(loader, origin_of(loader, "event", "type_path"), ER_E_CONFIG_VALUE, "event.type_path: %s", err.text);
}

static void check_replication(struct er_loader *loader)
{
    if (loader->loaded->config.destination_replication == 0)
        er_loader_error(loader, origin_of(loader, "destinations", "replication"), ER_E_CONFIG_VALUE,
                        "destinations.replication = 0 is not legal; expected -1 (the broker's default) or at least 1");
}

void er_loader_check(struct er_loader *loader)
{
    check_topics(loader);
    check_template(loader);
    check_delivery(loader);
    check_http(loader);
    check_type_path(loader);
    check_replication(loader);
}
