#include "router/reload.h"

#include <stdlib.h>
#include "router/router.h"

static const char *const levels[] = { "error", "warn", "info", "debug" };
#define LEVELS (sizeof levels / sizeof *levels)

bool er_log_level_read(struct er_str name, enum er_log_level *out)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (er_str_eq(name, er_str_of(levels[i]))) {
            *out = (enum er_log_level)i;
            return true;
        }
    }
    return false;
}

const char *er_log_level_name(enum er_log_level level)
{
    return (size_t)level < LEVELS ? levels[level] : "?";
}

/* ---- shown ---- */

static void write_item(void *ctx, const struct er_config_item *item)
{
    struct er_json_writer *w = ctx;

    er_jw_object(w);
    er_jw_member_string(w, "key", item->key);
    er_jw_member_string(w, "value", item->value);
    er_jw_member_string(w, "origin", er_str_of(item->origin));
    er_jw_end(w);
}

void er_config_write(const struct er_config *config, const struct er_log *log, struct er_json_writer *w)
{
    er_jw_member_string(w, "log_level", er_str_of(er_log_level_name(er_log_level(log))));
    er_jw_key(w, ER_STR("items"));
    er_jw_array(w);
    er_config_each(config, write_item, w);
    er_jw_end(w);
}

/* ---- read again ---- */

/* One configuration as text, so that two can be compared whatever the types: "key\0value\0". Secrets have no value. */
struct listing {
    struct er_buf text;
    size_t *starts; /* of keys */
    size_t n, room;
    bool failed;
};

static void list_item(void *ctx, const struct er_config_item *item)
{
    struct listing *list = ctx;

    if (list->n == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        size_t *starts = realloc(list->starts, room * sizeof *starts);

        if (starts == NULL) {
            list->failed = true;
            return;
        }
        list->starts = starts;
        list->room = room;
    }
    list->starts[list->n++] = list->text.n;
    er_buf_add(&list->text, item->key);
    er_buf_addc(&list->text, '\0');
    if (!item->secret)
        er_buf_add(&list->text, item->value);
    er_buf_addc(&list->text, '\0');
}

static const char *key_at(const struct listing *list, size_t i)
{
    return list->text.p + list->starts[i];
}

static const char *value_at(const struct listing *list, size_t i)
{
    const char *key = key_at(list, i);

    return key + strlen(key) + 1;
}

/* NULL: it has no such key. */
static const char *value_of(const struct listing *list, const char *key)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(key_at(list, i), key) == 0)
            return value_at(list, i);
    }
    return NULL;
}

static void list_config(const struct er_config *config, struct listing *list)
{
    *list = (struct listing){ .n = 0 };
    er_config_each(config, list_item, list);
    list->failed = list->failed || list->text.failed;
}

static void listing_free(struct listing *list)
{
    er_buf_free(&list->text);
    free(list->starts);
}

static void member_text(struct er_json_writer *w, const char *key, const char *text)
{
    er_jw_key(w, er_str_of(key));
    if (text == NULL)
        er_jw_null(w);
    else
        er_jw_string(w, er_str_of(text));
}

static void write_change(struct er_json_writer *w, const char *key, const char *from, const char *to)
{
    er_jw_object(w);
    er_jw_member_string(w, "key", er_str_of(key));
    member_text(w, "from", from);
    member_text(w, "to", to);
    er_jw_end(w);
}

static bool is_live(const char *key)
{
    return strcmp(key, "log.level") == 0;
}

/* Keys whose values differ; those of `before` that are gone, too. */
static void write_differences(struct er_json_writer *w, const struct listing *before, const struct listing *after)
{
    for (size_t i = 0; i < after->n; i++) {
        const char *key = key_at(after, i), *old = value_of(before, key);

        if (!is_live(key) && (old == NULL || strcmp(old, value_at(after, i)) != 0))
            write_change(w, key, old, value_at(after, i));
    }
    for (size_t i = 0; i < before->n; i++) {
        if (value_of(after, key_at(before, i)) == NULL)
            write_change(w, key_at(before, i), value_at(before, i), NULL);
    }
}

static void apply(const struct er_reload *reload, enum er_log_level wanted, struct er_json_writer *w)
{
    enum er_log_level now = er_log_level(reload->log);

    er_jw_key(w, ER_STR("applied"));
    er_jw_array(w);
    if (wanted != now)
        write_change(w, "log.level", er_log_level_name(now), er_log_level_name(wanted));
    er_jw_end(w);
    if (!reload->dry_run)
        er_log_set_level(reload->log, wanted);
}

enum er_code er_reload(const struct er_reload *reload, struct er_json_writer *w, struct er_buf *errors)
{
    struct er_config *config = NULL;
    struct listing before, after;
    enum er_code code = er_config_load(reload->input, &config, errors);

    if (config != NULL) {
        enum er_code kafka = er_router_check_kafka(config, errors);

        code = code == ER_OK ? kafka : code;
    }
    if (code != ER_OK) {
        er_config_free(config);
        return code;
    }
    list_config(reload->running, &before);
    list_config(config, &after);
    if (before.failed || after.failed) {
        code = ER_E_NOMEM;
    } else {
        apply(reload, config->log_level, w);
        er_jw_key(w, ER_STR("restart"));
        er_jw_array(w);
        write_differences(w, &before, &after);
        er_jw_end(w);
    }
    listing_free(&before);
    listing_free(&after);
    er_config_free(config);
    return code;
}
