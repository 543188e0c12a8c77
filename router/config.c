#include "router/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include "router/config_load.h"

#define DEFAULT_FILE "/etc/eventrouter/eventrouter.ini"
#define MASK "****"
#define PROPERTY_MAX_BYTES 128

void er_loader_one_line(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if (iscntrl((unsigned char)*p))
            *p = '?';
    }
}

struct er_str er_loader_trim(struct er_str s)
{
    while (s.n > 0 && isspace((unsigned char)s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

void er_loader_error(struct er_loader *loader, const char *origin, enum er_code code, const char *format, ...)
{
    struct er_err err;
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    er_loader_one_line(text);
    /* er_err_set cuts on a character boundary. */
    (void)er_err_set(&err, code, "%s", text);
    er_buf_printf(loader->errors, "%s: error[%s]: %s\n", origin, er_code_name(code), err.text);
    if (loader->first == ER_OK)
        loader->first = code;
}

const char *er_loader_text(struct er_loader *loader, struct er_str text)
{
    struct er_str copy = er_arena_dup(loader->loaded->arena, text);

    if (copy.p != NULL)
        return copy.p;
    loader->no_memory = true;
    return "";
}

/* The name of the variable that sets section.key. */
static void variable_name(const char *section, const char *key, char *out, size_t size)
{
    const char *parts[] = { section, ".", key };
    size_t n = (size_t)snprintf(out, size, "EVENTROUTER_");

    for (size_t i = 0; i < 3; i++) {
        for (const char *p = parts[i]; *p != '\0' && n + 4 < size; p++) {
            size_t underscores = *p == '.' ? 1 : *p == '_' ? 2 : *p == '-' ? 3 : 0;

            if (underscores == 0)
                out[n++] = (char)toupper((unsigned char)*p);
            while (underscores-- > 0)
                out[n++] = '_';
        }
    }
    out[n] = '\0';
}

static void unknown_key(struct er_loader *loader, const struct er_assignment *a)
{
    const struct er_option *near = er_option_suggest(a->section, a->key);
    const char *dot = a->section.n == 0 ? memchr(a->key.p, '.', a->key.n) : NULL;
    char name[160] = "";
    char hint[200] = "";

    if (near == NULL && dot != NULL) {
        struct er_str key = { dot + 1, a->key.n - (size_t)(dot - a->key.p) - 1 };
        const char *section = er_section_suggest((struct er_str){ a->key.p, (size_t)(dot - a->key.p) });

        near = er_option_suggest(section == NULL ? ER_STR("") : er_str_of(section), key);
    }
    if (near != NULL && a->variable != NULL)
        variable_name(near->section, near->key, name, sizeof name);
    else if (near != NULL)
        (void)snprintf(name, sizeof name, "%s.%s", near->section, near->key);
    if (near != NULL)
        (void)snprintf(hint, sizeof hint, "; did you mean %s?", name);
    if (a->section.n + a->key.n == 0)
        er_loader_error(loader, a->origin, ER_E_CONFIG_UNKNOWN_KEY, "the variable names no key; see eventrouter.ini(5)");
    else
        er_loader_error(loader, a->origin, ER_E_CONFIG_UNKNOWN_KEY, "unknown key %.*s%s%.*s%s",
                        (int)(a->section.n < 60 ? a->section.n : 60), a->section.n == 0 ? "" : a->section.p,
                        a->section.n == 0 ? "" : ".", (int)(a->key.n < 60 ? a->key.n : 60), a->key.p,
                        near == NULL ? "; see eventrouter.ini(5)" : hint);
}

/* A key that stands twice in the file is a mistake; any other source overrides. False: reported. */
static bool may_set(struct er_loader *loader, const struct er_assignment *a, enum er_rank rank, const char *origin)
{
    if (rank != ER_RANK_FILE || a->rank != ER_RANK_FILE)
        return true;
    er_loader_error(loader, a->origin, ER_E_CONFIG, "%.*s.%.*s is set already at %s; keep one", ER_STR_ARG(a->section),
                    (int)(a->key.n < 60 ? a->key.n : 60), a->key.p, origin);
    return false;
}

static bool property_name_legal(struct er_str name)
{
    if (name.n == 0 || name.n > PROPERTY_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (!isalnum((unsigned char)name.p[i]) && strchr("._-", name.p[i]) == NULL)
            return false;
    }
    return true;
}

static bool grow(struct er_loader *loader, struct er_property_list *list)
{
    size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    struct er_property *items = er_arena_calloc(loader->loaded->arena, capacity, sizeof *items);
    enum er_rank *ranks = er_arena_calloc(loader->loaded->arena, capacity, sizeof *ranks);

    if (items == NULL || ranks == NULL) {
        loader->no_memory = true;
        return false;
    }
    if (list->n > 0) {
        memcpy(items, list->items, list->n * sizeof *items);
        memcpy(ranks, list->ranks, list->n * sizeof *ranks);
    }
    list->items = items;
    list->ranks = ranks;
    list->capacity = capacity;
    return true;
}

static void set_property(struct er_loader *loader, struct er_property_list *list, const struct er_assignment *a)
{
    size_t i = 0;

    if (!property_name_legal(a->key)) {
        er_loader_error(loader, a->origin, ER_E_CONFIG_UNKNOWN_KEY, "\"%.*s\" is no librdkafka property",
                        (int)(a->key.n < 60 ? a->key.n : 60), a->key.p);
        return;
    }
    while (i < list->n && !er_str_eq(a->key, er_str_of(list->items[i].name)))
        i++;
    if (i < list->n && !may_set(loader, a, list->ranks[i], list->items[i].origin))
        return;
    if (i == list->capacity && !grow(loader, list))
        return;
    list->items[i] = (struct er_property){ er_loader_text(loader, a->key), er_loader_text(loader, a->value), a->origin };
    list->ranks[i] = a->rank;
    if (i == list->n)
        list->n++;
}

void er_loader_set(struct er_loader *loader, const struct er_assignment *a)
{
    size_t n = 0;
    const struct er_option *options = er_options(&n);
    const struct er_option *option = er_option_find(a->section, a->key);
    enum er_property_scope scope;

    if (er_property_scope_of(a->section, &scope)) {
        set_property(loader, &loader->loaded->properties[scope], a);
    } else if (option == NULL) {
        unknown_key(loader, a);
    } else {
        struct er_setting *setting = &loader->loaded->settings[option - options];

        if (may_set(loader, a, setting->rank, setting->origin))
            *setting = (struct er_setting){ er_loader_text(loader, a->value), a->origin, a->rank };
    }
}

static bool has_property(const struct er_property_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    }
    return false;
}

static void set_defaults(struct er_loader *loader)
{
    size_t n = 0;
    const struct er_option *options = er_options(&n);
    struct er_property_list *kafka = &loader->loaded->properties[ER_SCOPE_KAFKA];

    for (size_t i = 0; i < n; i++) {
        struct er_setting *setting = &loader->loaded->settings[i];

        if (setting->origin == NULL)
            *setting = (struct er_setting){ options[i].fallback, "default", ER_RANK_DEFAULT };
    }
    /* metadata.broker.list is librdkafka's other name of the same property: the default must not override it. */
    if (!has_property(kafka, "bootstrap.servers") && !has_property(kafka, "metadata.broker.list"))
        set_property(loader, kafka,
                     &(struct er_assignment){ ER_STR("kafka"), ER_STR("bootstrap.servers"), ER_STR("localhost:9092"), "default",
                                              ER_RANK_DEFAULT, NULL });
}

/* Converts all settings. A bad value is reported and its default taken, so that the checks between values can go on. */
static void store_all(struct er_loader *loader)
{
    struct er_loaded *loaded = loader->loaded;
    size_t n = 0;
    const struct er_option *options = er_options(&n);
    struct er_err err;

    for (size_t i = 0; i < n; i++) {
        enum er_code code = er_option_store(&options[i], loaded->settings[i].value, loaded->arena, &loaded->config, &err);

        if (code == ER_OK)
            continue;
        if (code != ER_E_NOMEM)
            er_loader_error(loader, loaded->settings[i].origin, code, "%s", err.text);
        if (code == ER_E_NOMEM || er_option_store(&options[i], options[i].fallback, loaded->arena, &loaded->config, &err) != ER_OK)
            loader->no_memory = true;
    }
    loaded->config.kafka = (struct er_properties){ loaded->properties[ER_SCOPE_KAFKA].items, loaded->properties[ER_SCOPE_KAFKA].n };
    loaded->config.consumer =
        (struct er_properties){ loaded->properties[ER_SCOPE_CONSUMER].items, loaded->properties[ER_SCOPE_CONSUMER].n };
    loaded->config.producer =
        (struct er_properties){ loaded->properties[ER_SCOPE_PRODUCER].items, loaded->properties[ER_SCOPE_PRODUCER].n };
}

static struct er_loaded *loaded_new(void)
{
    struct er_arena *arena = er_arena_new(16384);
    struct er_loaded *loaded = arena == NULL ? NULL : er_arena_calloc(arena, 1, sizeof *loaded);
    size_t n = 0;

    (void)er_options(&n);
    if (loaded != NULL)
        loaded->settings = er_arena_calloc(arena, n, sizeof *loaded->settings);
    if (loaded == NULL || loaded->settings == NULL) {
        er_arena_free(arena);
        return NULL;
    }
    loaded->arena = arena;
    return loaded;
}

enum er_code er_config_load(const struct er_config_input *input, struct er_config **out, struct er_buf *errors)
{
    struct er_loader loader = { .loaded = loaded_new(), .errors = errors };
    enum er_code code;

    *out = NULL;
    if (loader.loaded == NULL)
        return ER_E_NOMEM;
    er_loader_file(&loader, input->file == NULL ? DEFAULT_FILE : input->file, input->file != NULL);
    er_loader_environment(&loader, input->environment);
    for (size_t i = 0; i < input->n_overrides; i++)
        er_loader_override(&loader, input->overrides[i]);
    set_defaults(&loader);
    if (!loader.no_memory)
        store_all(&loader);
    if (!loader.no_memory)
        er_loader_check(&loader);
    code = loader.no_memory || errors->failed ? ER_E_NOMEM : loader.first;
    if (code == ER_E_NOMEM)
        er_arena_free(loader.loaded->arena);
    else
        *out = &loader.loaded->config;
    return code;
}

void er_config_free(struct er_config *config)
{
    if (config != NULL)
        er_arena_free(((struct er_loaded *)config)->arena);
}

/* One line whatever the value holds: a certificate has line ends. */
static void add_value(const char *value, bool secret, struct er_buf *out)
{
    if (secret && value[0] != '\0') {
        er_buf_add(out, ER_STR(MASK));
        return;
    }
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\n')
            er_buf_add(out, ER_STR("\\n"));
        else if (iscntrl((unsigned char)*p))
            er_buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            er_buf_addc(out, *p);
    }
}

struct row {
    const char *section, *key, *value, *origin;
    bool secret;
};

static void show(const struct row *row, struct er_buf *text, er_config_item_cb *cb, void *ctx)
{
    struct er_config_item item = { .origin = row->origin, .secret = row->secret };
    size_t n;

    er_buf_clear(text);
    er_buf_printf(text, "%s.%s", row->section, row->key);
    n = text->n;
    add_value(row->value, row->secret, text);
    if (text->failed)
        return;
    item.key = (struct er_str){ text->p, n };
    item.value = (struct er_str){ text->p + n, text->n - n };
    cb(ctx, &item);
}

void er_config_each(const struct er_config *config, er_config_item_cb *cb, void *ctx)
{
    const struct er_loaded *loaded = (const struct er_loaded *)config;
    size_t n = 0;
    const struct er_option *options = er_options(&n);
    struct er_buf text = { 0 };

    for (size_t i = 0; i < n; i++) {
        struct row row = { options[i].section, options[i].key, loaded->settings[i].value, loaded->settings[i].origin, false };

        show(&row, &text, cb, ctx);
    }
    for (unsigned scope = 0; scope < ER_SCOPE_COUNT; scope++) {
        const struct er_property_list *list = &loaded->properties[scope];

        for (size_t i = 0; i < list->n; i++) {
            struct row row = { er_property_section((enum er_property_scope)scope), list->items[i].name, list->items[i].value,
                               list->items[i].origin, er_property_is_secret(list->items[i].name) };

            show(&row, &text, cb, ctx);
        }
    }
    er_buf_free(&text);
}

static void print_item(void *ctx, const struct er_config_item *item)
{
    er_buf_printf(ctx, "%.*s = ", ER_STR_ARG(item->key));
    er_buf_add(ctx, item->value);
    er_buf_printf(ctx, "  ; %s\n", item->origin);
}

void er_config_print(const struct er_config *config, struct er_buf *out)
{
    er_config_each(config, print_item, out);
}
