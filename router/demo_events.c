#include "router/demo_events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define USERS 40u
#define POISON_ONE_IN 250u

static const char *const names[] = { "ada", "blaise", "carl", "dorothy", "emmy", "fatima", "grace", "hedy", "ibn", "joan" };
static const char *const domains[] = { "example.com", "example.org", "example.net", "tempmail.example" };
static const struct {
    const char *code;
    const char *phone;
} countries[] = { { "FR", "+331" }, { "BE", "+322" }, { "DE", "+493" }, { "KR", "+822" }, { "US", "+121" } };
static const struct {
    const char *sku;
    const char *category;
    unsigned cents;
} items[] = { { "SHOE-0042", "shoes", 7990 },      { "BOOK-1001", "books", 1850 }, { "LAMP-0007", "home", 3499 },
              { "WATCH-0300", "watches", 129900 }, { "BAG-0815", "bags", 24900 },  { "CARD-0050", "gift-cards", 50000 } };

void er_demo_events_init(struct er_demo_events *events, uint64_t seed)
{
    events->random = seed;
    events->sequence = 1;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static unsigned below(struct er_demo_events *events, unsigned n)
{
    uint64_t z = events->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (unsigned)((z ^ (z >> 31)) % n);
}

/* Text that grows in a fixed field; the events are far smaller than it. */
struct text {
    char *p;
    size_t n, size;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->p + text->n, text->size - text->n, format, args);
    va_end(args);
    if (n > 0)
        text->n += (size_t)n < text->size - text->n ? (size_t)n : text->size - text->n - 1;
}

static void add_head(struct text *text, const char *type, uint64_t sequence, int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm = { 0 };
    char day[32];

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    add(text, "{\"type\":\"%s\",\"id\":\"e-%08llu\",\"time\":\"%s.%03dZ\"", type, (unsigned long long)sequence, day,
        (int)(now_ms % 1000));
}

/* Users keep their name, country and phone. */
static void add_user(struct text *text, unsigned user)
{
    const char *name = names[user % COUNT(names)];
    size_t country = (user * 7) % COUNT(countries);

    add(text, ",\"user\":{\"id\":%u,\"email\":\"%s%u@%s\",\"country\":\"%s\",\"phone\":\"%s%07u\"}", 1000 + user, name, user,
        domains[user % 13 == 0 ? 3 : user % 3], countries[country].code, countries[country].phone, 5550000 + user);
}

static void favorite(struct er_demo_events *events, struct text *text, const char *type)
{
    size_t i = below(events, COUNT(items));

    (void)type;
    add(text, ",\"item\":{\"sku\":\"%s\",\"category\":\"%s\",\"price\":%u.%02u}", items[i].sku, items[i].category,
        items[i].cents / 100, items[i].cents % 100);
}

static void order(struct er_demo_events *events, struct text *text, const char *type)
{
    unsigned lines = 1 + below(events, 3);
    unsigned total = 0;

    (void)type;
    add(text, ",\"order\":{\"id\":\"o-%06u\",\"items\":[", below(events, 1000000));
    for (unsigned line = 0; line < lines; line++) {
        size_t i = below(events, COUNT(items));
        unsigned quantity = 1 + below(events, 3);

        total += items[i].cents * quantity;
        add(text, "%s{\"sku\":\"%s\",\"qty\":%u}", line == 0 ? "" : ",", items[i].sku, quantity);
    }
    add(text, "],\"total\":%u.%02u,\"currency\":\"EUR\"}", total / 100, total % 100);
}

static void payment(struct er_demo_events *events, struct text *text, const char *type)
{
    static const char *const methods[] = { "card", "card", "wallet", "transfer" };
    unsigned cents = 500 + below(events, 40) * below(events, 40) * 97;

    add(text, ",\"payment\":{\"id\":\"p-%06u\",\"order_id\":\"o-%06u\",\"amount\":%u.%02u,\"currency\":\"EUR\",\"method\":\"%s\"",
        below(events, 1000000), below(events, 1000000), cents / 100, cents % 100, methods[below(events, COUNT(methods))]);
    if (strcmp(type, "payment.failed") == 0)
        add(text, ",\"reason\":\"%s\"", below(events, 3) == 0 ? "insufficient funds" : "card declined");
    add(text, "}");
}

static void page(struct er_demo_events *events, struct text *text, const char *type)
{
    (void)type;
    add(text, ",\"page\":{\"path\":\"/items/%s\"}", items[below(events, COUNT(items))].sku);
}

/* What happens in the shop, and how often (of 100). */
static const struct kind {
    const char *type;
    unsigned share;
    void (*body)(struct er_demo_events *events, struct text *text, const char *type);
} kinds[] = {
    { "favorite.added", 26, favorite }, { "favorite.removed", 6, favorite }, { "order.created", 22, order },
    { "order.shipped", 12, order },     { "order.cancelled", 4, order },     { "payment.captured", 14, payment },
    { "payment.failed", 5, payment },   { "payment.refunded", 3, payment },  { "page.viewed", 8, page },
};

void er_demo_events_next(struct er_demo_events *events, int64_t now_ms, struct er_demo_event *out)
{
    struct text text = { out->value, 0, sizeof out->value };
    unsigned user = below(events, USERS);
    unsigned dice = below(events, 100);
    const struct kind *kind = kinds;

    while (dice >= kind->share) {
        dice -= kind->share;
        kind++;
    }
    (void)snprintf(out->key, sizeof out->key, "user-%u", 1000 + user);
    add_head(&text, kind->type, events->sequence++, now_ms);
    add_user(&text, user);
    kind->body(events, &text, kind->type);
    add(&text, "}");
    if (below(events, POISON_ONE_IN) == 0)
        out->value[text.n / 2] = '\0';
}
