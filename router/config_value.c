#include "router/config_load.h"

#include <ctype.h>
#include <limits.h>

struct reader {
    const struct er_option *option;
    struct er_str text; /* trimmed */
    struct er_arena *arena;
    struct er_config *config;
    struct er_err *err;
};

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit time_units[] = { { "ns", 1 },
                                          { "us", INT64_C(1000) },
                                          { "ms", INT64_C(1000000) },
                                          { "s", INT64_C(1000000000) },
                                          { "m", INT64_C(60000000000) },
                                          { "h", INT64_C(3600000000000) },
                                          { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 },
                                          { "K", 1024 },
                                          { "KiB", 1024 },
                                          { "M", 1024 * 1024 },
                                          { "MiB", 1024 * 1024 },
                                          { "G", 1024 * 1024 * 1024 },
                                          { "GiB", 1024 * 1024 * 1024 },
                                          { NULL, 0 } };
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

/* What a user typed, short enough for an error text. */
static int shown(struct er_str s)
{
    return (int)(s.n < 60 ? s.n : 60);
}

static void put(const struct reader *r, const void *value, size_t size)
{
    memcpy((char *)r->config + r->option->at, value, size);
}

static enum er_code bad(const struct reader *r, const char *expected)
{
    return er_err_set(r->err, ER_E_CONFIG_VALUE, "%s.%s = \"%.*s\" is not legal; expected %s", r->option->section, r->option->key,
                      shown(r->text), r->text.n == 0 ? "" : r->text.p, expected);
}

/* A decimal integer and a unit of the list. False: no such text, or over int64_t. */
static bool scaled(struct er_str s, const struct unit *units, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t i = negative ? 1 : 0;
    size_t first = i;
    int64_t number = 0;

    for (; i < s.n && isdigit((unsigned char)s.p[i]); i++) {
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, s.p[i] - '0', &number))
            return false;
    }
    if (i == first)
        return false;
    for (; units->name != NULL; units++) {
        if (er_str_eq((struct er_str){ s.p + i, s.n - i }, er_str_of(units->name))) {
            if (__builtin_mul_overflow(number, units->factor, &number))
                return false;
            *out = negative ? -number : number;
            return true;
        }
    }
    return false;
}

/* A time as users write it: the largest unit that divides it. */
static void time_text(int64_t ns, char *out, size_t size)
{
    size_t unit = 0;

    for (size_t i = 0; time_units[i].name != NULL; i++) {
        if (ns % time_units[i].factor == 0)
            unit = i;
    }
    (void)snprintf(out, size, "%lld%s", (long long)(ns / time_units[unit].factor), time_units[unit].name);
}

static enum er_code read_number(const struct reader *r, int64_t *out)
{
    bool size = r->option->type == ER_OPTION_SIZE;
    char expected[128];

    if (scaled(r->text, size ? size_units : no_units, out) && *out >= r->option->min && *out <= r->option->max)
        return ER_OK;
    (void)snprintf(expected, sizeof expected, "%s from %lld to %lld", size ? "bytes (units K, M, G)" : "a whole number",
                   (long long)r->option->min, (long long)r->option->max);
    return bad(r, expected);
}

static enum er_code store_unsigned(const struct reader *r)
{
    int64_t number = 0;
    enum er_code code = read_number(r, &number);
    unsigned value = (unsigned)number;

    if (code == ER_OK)
        put(r, &value, sizeof value);
    return code;
}

static enum er_code store_int32(const struct reader *r)
{
    int64_t number = 0;
    enum er_code code = read_number(r, &number);
    int32_t value = (int32_t)number;

    if (code == ER_OK)
        put(r, &value, sizeof value);
    return code;
}

static enum er_code store_size(const struct reader *r)
{
    int64_t number = 0;
    enum er_code code = read_number(r, &number);
    size_t value = (size_t)number;

    if (code == ER_OK)
        put(r, &value, sizeof value);
    return code;
}

static enum er_code store_time(const struct reader *r)
{
    int64_t ns = 0;
    uint64_t value;
    char min[32], max[32], expected[128];

    if (!er_str_eq(r->text, ER_STR("0")) && !scaled(r->text, time_units, &ns))
        ns = -1;
    if (ns < r->option->min || ns > r->option->max) {
        time_text(r->option->min, min, sizeof min);
        time_text(r->option->max, max, sizeof max);
        (void)snprintf(expected, sizeof expected, "a number with a unit (us, ms, s, m, h) from %s to %s", min, max);
        return bad(r, expected);
    }
    value = r->option->type == ER_OPTION_TIME_MS ? (uint64_t)ns / 1000000 : (uint64_t)ns;
    put(r, &value, sizeof value);
    return ER_OK;
}

static enum er_code store_mode(const struct reader *r)
{
    unsigned value = 0;

    for (size_t i = 0; i < r->text.n; i++) {
        if (r->text.p[i] < '0' || r->text.p[i] > '7' || r->text.n > 5)
            return bad(r, "an octal mode such as 0660");
        value = value * 8 + (unsigned)(r->text.p[i] - '0');
    }
    if (r->text.n == 0 || value > r->option->max)
        return bad(r, "an octal mode such as 0660");
    put(r, &value, sizeof value);
    return ER_OK;
}

/* Position of the text in the words of the option; -1: none of them. */
static int word_index(const struct reader *r)
{
    const char *p = r->option->words;

    for (int i = 0; *p != '\0'; i++) {
        size_t n = strcspn(p, " ");

        if (er_str_eq(r->text, (struct er_str){ p, n }))
            return i;
        p += n + (p[n] == ' ' ? 1 : 0);
    }
    return -1;
}

static enum er_code bad_word(const struct reader *r)
{
    char expected[128];

    (void)snprintf(expected, sizeof expected, "one of: %s", r->option->words);
    return bad(r, expected);
}

static enum er_code store_word(const struct reader *r)
{
    int index = word_index(r);
    unsigned value = (unsigned)index; /* the enums of struct er_config are unsigned */

    if (index < 0)
        return bad_word(r);
    put(r, &value, sizeof value);
    return ER_OK;
}

static enum er_code store_word_bool(const struct reader *r)
{
    int index = word_index(r);
    bool value = index == 1;

    if (index < 0)
        return bad_word(r);
    put(r, &value, sizeof value);
    return ER_OK;
}

static enum er_code store_bool(const struct reader *r)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = { { "true", true }, { "false", false }, { "yes", true }, { "no", false },
                  { "on", true },   { "off", false },   { "1", true },   { "0", false } };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (er_str_eq(r->text, er_str_of(words[i].word))) {
            put(r, &words[i].value, sizeof words[i].value);
            return ER_OK;
        }
    }
    return bad(r, "true or false");
}

static enum er_code check_length(const struct reader *r, struct er_str text)
{
    if (text.n == 0 && r->option->min > 0)
        return er_err_set(r->err, ER_E_CONFIG_VALUE, "%s.%s%s must not be empty", r->option->section, r->option->key,
                          r->option->type == ER_OPTION_LIST ? " (or one entry of it)" : "");
    if ((int64_t)text.n > r->option->max)
        return er_err_set(r->err, ER_E_CONFIG_VALUE, "%s.%s is %zu bytes long; at most %lld are allowed", r->option->section,
                          r->option->key, text.n, (long long)r->option->max);
    return ER_OK;
}

static enum er_code store_text(const struct reader *r)
{
    struct er_str copy;
    enum er_code code = check_length(r, r->text);

    if (code != ER_OK)
        return code;
    copy = er_arena_dup(r->arena, r->text);
    if (copy.p == NULL)
        return er_err_set(r->err, ER_E_NOMEM, "out of memory");
    put(r, &copy.p, sizeof copy.p);
    return ER_OK;
}

static enum er_code store_list(const struct reader *r)
{
    size_t n = 1;
    const char **items;
    struct er_str rest = r->text;

    for (size_t i = 0; i < r->text.n; i++)
        n += r->text.p[i] == ',' ? 1 : 0;
    items = er_arena_calloc(r->arena, n, sizeof *items);
    if (items == NULL)
        return er_err_set(r->err, ER_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *comma = rest.n == 0 ? NULL : memchr(rest.p, ',', rest.n);
        size_t length = comma == NULL ? rest.n : (size_t)(comma - rest.p);
        struct er_str item = er_loader_trim((struct er_str){ rest.p, length });
        enum er_code code = check_length(r, item);

        if (code != ER_OK)
            return code;
        items[i] = er_arena_dup(r->arena, item).p;
        if (items[i] == NULL)
            return er_err_set(r->err, ER_E_NOMEM, "out of memory");
        if (comma != NULL)
            rest = (struct er_str){ comma + 1, rest.n - length - 1 };
    }
    r->config->topics = items;
    r->config->n_topics = n;
    return ER_OK;
}

enum er_code er_option_store(const struct er_option *option, const char *text, struct er_arena *arena, struct er_config *config,
                             struct er_err *err)
{
    static enum er_code (*const stores[])(const struct reader *) = {
        [ER_OPTION_TEXT] = store_text,           [ER_OPTION_LIST] = store_list,    [ER_OPTION_WORD] = store_word,
        [ER_OPTION_WORD_BOOL] = store_word_bool, [ER_OPTION_BOOL] = store_bool,    [ER_OPTION_UNSIGNED] = store_unsigned,
        [ER_OPTION_INT32] = store_int32,         [ER_OPTION_COUNT] = store_size,   [ER_OPTION_SIZE] = store_size,
        [ER_OPTION_TIME_MS] = store_time,        [ER_OPTION_TIME_NS] = store_time, [ER_OPTION_MODE] = store_mode,
    };
    struct reader r = { option, er_loader_trim(er_str_of(text)), arena, config, err };

    return stores[option->type](&r);
}
