#include "router/demo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/demo_flow.h"
#include "router/demo_table.h"

#define SOURCE_PARTITIONS 4
#define DRAW_TERMINAL_MS 500u
#define DRAW_LINES_MS 1000u
#define DRAIN_MS 30000u
#define JOIN_MS 15000u /* longest wait for the router before the flow begins */
#define RATE_MS 300u   /* a shorter time gives no rate */
#define SETTING_BYTES 320

static const unsigned char sample_rules[] = {
#include "schemas/events/subscriptions.jsonl.inc"
};

enum state { STATE_LOADING, STATE_FLOWING, STATE_DRAINING, STATE_THROUGH };

struct er_demo {
    enum state state;
    unsigned seconds;
    bool terminal;
    char directory[256];
    char (*settings)[SETTING_BYTES];
    const char **overrides;
    struct er_demo_kafka *kafka;
    const struct er_config *config;
    struct er_router *router;
    struct er_store *store;
    struct er_demo_flow *flow;
    struct er_change_request request; /* the sample rules */
    bool rules_done;
    struct er_err failure; /* code ER_OK: none */
    uint64_t began_ms;     /* the rules are on their way */
    uint64_t started_ms;   /* the flow */
    uint64_t draining_ms;
    bool drained;
    uint64_t measurements; /* when it was drained */
    /* last drawing */
    uint64_t drawn_ms;
    uint64_t drawn_received;
    double rate;
    size_t lines;
    struct er_demo_topic topics[ER_DEMO_TOPICS_MAX];
    struct er_demo_row rows[ER_DEMO_TOPICS_MAX];
    size_t n;
};

static enum er_code make_directory(struct er_demo *demo, struct er_err *err)
{
    const char *parent = getenv("TMPDIR");

    /* The socket's path has to fit into 107 bytes. */
    if (parent == NULL || parent[0] != '/' || strlen(parent) > 70)
        parent = "/tmp";
    (void)snprintf(demo->directory, sizeof demo->directory, "%s/eventrouter-demo-XXXXXX", parent);
    if (mkdtemp(demo->directory) != NULL)
        return ER_OK;
    (void)er_err_set(err, ER_E_SYSTEM, "no directory can be made in %s: %s; set TMPDIR", parent, strerror(errno));
    demo->directory[0] = '\0';
    return ER_E_SYSTEM;
}

enum er_code er_demo_new(unsigned seconds, struct er_demo **out, struct er_err *err)
{
    struct er_demo *demo = calloc(1, sizeof *demo);
    const char *term = getenv("TERM");
    enum er_code code;

    *out = NULL;
    if (demo == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    demo->seconds = seconds;
    demo->terminal = isatty(STDOUT_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    code = make_directory(demo, err);
    if (code == ER_OK)
        code = er_demo_kafka_new(&demo->kafka, err);
    if (code != ER_OK)
        er_demo_free(demo);
    else
        *out = demo;
    return code;
}

/* The directory is flat: the store's files and the socket. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    (void)closedir(directory);
    (void)rmdir(path);
}

void er_demo_free(struct er_demo *demo)
{
    if (demo == NULL)
        return;
    er_demo_flow_free(demo->flow);
    er_demo_kafka_free(demo->kafka);
    if (demo->directory[0] != '\0')
        remove_directory(demo->directory);
    free(demo->settings);
    free(demo->overrides);
    free(demo);
}

enum er_code er_demo_settings(struct er_demo *demo, const char *const *overrides, size_t n, const char *const **out, size_t *n_out)
{
    /* Before the user's settings: what may be chosen. After them: what makes it the demo. */
    enum { STORE, SOCKET, HTTP, LEVEL, FIRST, BOOTSTRAP = FIRST, COUNT };
    size_t at = 0;

    demo->settings = calloc(COUNT, sizeof *demo->settings);
    demo->overrides = calloc(n + COUNT, sizeof *demo->overrides);
    if (demo->settings == NULL || demo->overrides == NULL)
        return ER_E_NOMEM;
    (void)snprintf(demo->settings[STORE], SETTING_BYTES, "store.path=%s/eventrouter.db", demo->directory);
    (void)snprintf(demo->settings[SOCKET], SETTING_BYTES, "admin.socket=%s/admin.sock", demo->directory);
    (void)snprintf(demo->settings[HTTP], SETTING_BYTES, "http.listen=127.0.0.1:0");
    (void)snprintf(demo->settings[LEVEL], SETTING_BYTES, "log.level=error");
    (void)snprintf(demo->settings[BOOTSTRAP], SETTING_BYTES, "kafka.bootstrap.servers=%s", er_demo_kafka_bootstrap(demo->kafka));
    for (size_t i = 0; i < FIRST; i++)
        demo->overrides[at++] = demo->settings[i];
    for (size_t i = 0; i < n; i++)
        demo->overrides[at++] = overrides[i];
    for (size_t i = FIRST; i < COUNT; i++)
        demo->overrides[at++] = demo->settings[i];
    *out = demo->overrides;
    *n_out = at;
    return ER_OK;
}

enum er_code er_demo_prepare(struct er_demo *demo, const struct er_config *config, struct er_err *err)
{
    demo->config = config;
    for (size_t i = 0; i < config->n_topics; i++) {
        enum er_code code = er_demo_kafka_create(demo->kafka, config->topics[i], SOURCE_PARTITIONS, err);

        if (code != ER_OK)
            return code;
    }
    return ER_OK;
}

static enum er_code create_topic(void *ctx, const char *topic, int32_t partitions, struct er_err *err)
{
    struct er_demo *demo = ctx;

    return er_demo_kafka_create(demo->kafka, topic, partitions, err);
}

struct er_topic_ops er_demo_topic_ops(struct er_demo *demo)
{
    return (struct er_topic_ops){ demo, create_topic };
}

/* ---- sample rules ---- */

static enum er_code put_rule(struct er_plan *plan, struct er_str line, struct er_arena *arena, struct er_err *err)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document_bytes = line.n };
    struct er_json *document = NULL;
    struct er_rule *rule = NULL;
    struct er_problems problems;
    struct er_plan_put put = { .mode = ER_PUT_ANY, .problems = &problems };
    enum er_code code;

    er_problems_init(&problems, arena);
    code = er_json_parse(arena, line, limits.max_depth, &document, err);
    if (code != ER_OK)
        return code;
    source.document = document;
    code = er_rule_read(&source, &limits, &rule, &problems, NULL);
    if (code == ER_OK)
        code = er_plan_put_subscription(plan, rule, &put, err);
    er_rule_unref(rule);
    if (code != ER_OK && problems.first != NULL)
        (void)er_err_set(err, code, "sample rule: %.*s", ER_STR_ARG(problems.first->detail));
    return code;
}

static enum er_code build_rules(void *arg, struct er_plan *plan, struct er_err *err)
{
    struct er_str rest = { (const char *)sample_rules, sizeof sample_rules };
    struct er_arena *arena = er_arena_new(0);
    enum er_code code = ER_OK;

    (void)arg;
    if (arena == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    while (code == ER_OK && rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct er_str line = { rest.p, end == NULL ? rest.n : (size_t)(end - rest.p) };

        if (line.n > 0)
            code = put_rule(plan, line, arena, err);
        er_arena_reset(arena);
        rest = (struct er_str){ rest.p + line.n, rest.n - line.n };
        if (rest.n > 0)
            rest = (struct er_str){ rest.p + 1, rest.n - 1 };
    }
    er_arena_free(arena);
    return code;
}

static void rules_done(void *arg, const struct er_change_result *result)
{
    struct er_demo *demo = arg;

    demo->rules_done = true;
    if (result->code != ER_OK)
        (void)er_err_set(&demo->failure, result->code, "the sample rules are refused: %s",
                         result->err == NULL ? er_code_title(result->code) : result->err->text);
}

bool er_demo_ok(const struct er_demo *demo, struct er_err *err)
{
    if (demo->failure.code != ER_OK)
        *err = demo->failure;
    return demo->failure.code == ER_OK;
}

/* ---- output ---- */

static void print(struct er_buf *text)
{
    if (!text->failed && text->n > 0)
        (void)fwrite(text->p, 1, text->n, stdout);
    (void)fflush(stdout);
    er_buf_free(text);
}

/* The client that was built with this daemon, else the one on the path. */
static void client_path(char *out, size_t size)
{
    static const char name[] = "eventrouterctl";
    ssize_t n = readlink("/proc/self/exe", out, size);

    while (n > 0 && out[n - 1] != '/')
        n--;
    if (n > 0 && (size_t)n + sizeof name <= size) {
        memcpy(out + n, name, sizeof name);
        if (access(out, X_OK) == 0)
            return;
    }
    (void)snprintf(out, size, "%s", name);
}

static void print_welcome(const struct er_demo *demo, const char *http)
{
    const char *bootstrap = er_demo_kafka_bootstrap(demo->kafka);
    const char *topic = demo->config->topics[0];
    const char *socket = demo->config->admin_socket;
    struct er_buf out = { 0 };
    char client[4096];

    client_path(client, sizeof client);
    er_buf_printf(&out, "Event Router %s, demo: a Kafka of its own inside this process\n", ER_VERSION);
    er_buf_printf(&out, "directory: %s\nbootstrap: %s\nsocket: %s\n", demo->directory, bootstrap, socket);
    if (http[0] != '\0')
        er_buf_printf(&out, "metrics: http://%s/metrics\n", http);
    er_buf_add(&out, ER_STR("\nIn another terminal:\n"));
    er_buf_printf(&out, "  %s -s %s subscription list\n", client, socket);
    er_buf_printf(&out, "  %s -s %s subscription add me --type 'order.*' --regex 'user.country=^FR$'\n", client, socket);
    er_buf_printf(&out, "  echo '{\"type\":\"order.created\",\"user\":{\"country\":\"FR\"}}' | kcat -b %s -P -t %s\n", bootstrap,
                  topic);
    er_buf_printf(&out, "  kcat -b %s -C -t sub.me -o beginning\n\n", bootstrap);
    print(&out);
}

static bool add_row(void *ctx, const struct er_store_subscriber *subscriber)
{
    struct er_demo *demo = ctx;
    struct er_demo_row *row = &demo->rows[demo->n];
    struct er_demo_topic *topic = &demo->topics[demo->n];

    (void)snprintf(row->subscriber, sizeof row->subscriber, "%.*s", ER_STR_ARG(subscriber->id));
    (void)snprintf(row->topic, sizeof row->topic, "%.*s", ER_STR_ARG(subscriber->topic));
    (void)snprintf(topic->name, sizeof topic->name, "%.*s", ER_STR_ARG(subscriber->topic));
    return ++demo->n < ER_DEMO_TOPICS_MAX;
}

static double per_second(uint64_t now, uint64_t before, uint64_t ms)
{
    return now > before && ms > 0 ? (double)(now - before) * 1000.0 / (double)ms : 0.0;
}

/* Drawing and measuring beat against each other: a rate is shown smoothed. */
static double smooth(double before, double now)
{
    return before > 0 ? 0.75 * before + 0.25 * now : now;
}

/* Reads the subscribers again each time: others come and go through the admin socket. */
static void collect_rows(struct er_demo *demo, uint64_t elapsed_ms)
{
    struct er_demo_row *before = calloc(ER_DEMO_TOPICS_MAX, sizeof *before);
    size_t n_before = demo->n;
    struct er_err err;

    if (before == NULL)
        return;
    memcpy(before, demo->rows, n_before * sizeof *before);
    demo->n = 0;
    if (er_store_each_subscriber(demo->store, ER_STR(""), add_row, demo, &err) != ER_OK)
        demo->n = 0; /* the store says so itself when it matters */
    er_demo_flow_watch(demo->flow, demo->topics, demo->n);
    for (size_t i = 0; i < demo->n; i++) {
        struct er_demo_row *row = &demo->rows[i];

        row->matched = demo->topics[i].written;
        row->rate = 0;
        for (size_t j = 0; j < n_before; j++) {
            if (strcmp(before[j].topic, row->topic) == 0)
                row->rate = elapsed_ms < RATE_MS ? before[j].rate
                                                 : smooth(before[j].rate, per_second(row->matched, before[j].matched, elapsed_ms));
        }
    }
    free(before);
}

static void draw(struct er_demo *demo, uint64_t now)
{
    struct er_demo_view view = { .rows = demo->rows };
    struct er_buf out = { 0 };

    collect_rows(demo, now - demo->drawn_ms);
    er_router_balance(demo->router, &view.balance);
    view.n = demo->n;
    view.published = er_demo_flow_published(demo->flow);
    if (now - demo->drawn_ms >= RATE_MS)
        demo->rate = smooth(demo->rate, per_second(view.balance.received, demo->drawn_received, now - demo->drawn_ms));
    view.rate = demo->rate;
    view.seconds = (double)(now - demo->started_ms) / 1000.0;
    if (demo->terminal)
        demo->lines = er_demo_draw(&view, demo->lines, &out);
    else
        er_demo_line(&view, &out);
    print(&out);
    demo->drawn_ms = now;
    demo->drawn_received = view.balance.received;
}

/* ---- course ---- */

void er_demo_begin(struct er_demo *demo, struct er_router *router, struct er_store *store, const char *http)
{
    demo->router = router;
    demo->store = store;
    demo->began_ms = er_clock_ms();
    print_welcome(demo, http);
    demo->request = (struct er_change_request){
        .build = build_rules, .done = rules_done, .arg = demo, .actor = { .uid = -1, .what = ER_STR("demo") }
    };
    er_router_submit(router, &demo->request);
}

static void start_flow(struct er_demo *demo, uint64_t now)
{
    if (er_demo_flow_start(demo->kafka, demo->config->topics[0], &demo->flow, &demo->failure) != ER_OK)
        return;
    demo->started_ms = now;
    demo->drawn_ms = now;
    demo->state = STATE_FLOWING;
}

/* Drained is when the router has taken every event; the table still waits for one more measurement. */
static void check_drained(struct er_demo *demo, uint64_t now)
{
    struct er_balance balance;
    uint64_t events = 0;
    bool late = now - demo->draining_ms >= DRAIN_MS;
    uint64_t measurements = er_demo_flow_measurements(demo->flow);

    er_router_balance(demo->router, &balance);
    if (!demo->drained && er_demo_flow_ended(demo->flow, &events) && balance.received >= events) {
        demo->drained = true;
        demo->measurements = measurements;
    }
    if (late || (demo->drained && measurements >= demo->measurements + 2)) {
        draw(demo, now);
        demo->state = STATE_THROUGH;
    }
}

bool er_demo_tick(struct er_demo *demo)
{
    uint64_t now = er_clock_ms();

    if (demo->state == STATE_LOADING && demo->rules_done && demo->failure.code == ER_OK &&
        (er_router_ready(demo->router, NULL) || now - demo->began_ms >= JOIN_MS))
        start_flow(demo, now);
    if (demo->failure.code != ER_OK)
        demo->state = STATE_THROUGH;
    if (demo->state == STATE_FLOWING && demo->seconds > 0 && now - demo->started_ms >= (uint64_t)demo->seconds * 1000)
        er_demo_end(demo);
    if ((demo->state == STATE_FLOWING || demo->state == STATE_DRAINING) && !demo->drained &&
        now - demo->drawn_ms >= (demo->terminal ? DRAW_TERMINAL_MS : DRAW_LINES_MS))
        draw(demo, now);
    if (demo->state == STATE_DRAINING)
        check_drained(demo, now);
    return demo->state == STATE_THROUGH;
}

bool er_demo_flowing(const struct er_demo *demo)
{
    return demo->state == STATE_LOADING || demo->state == STATE_FLOWING;
}

void er_demo_end(struct er_demo *demo)
{
    if (demo->state == STATE_LOADING) {
        demo->state = STATE_THROUGH;
    } else if (demo->state == STATE_FLOWING) {
        er_demo_flow_end(demo->flow);
        demo->draining_ms = er_clock_ms();
        demo->state = STATE_DRAINING;
    }
}

void er_demo_summary(struct er_demo *demo, const struct er_balance *balance)
{
    struct er_buf out = { 0 };
    uint64_t events = 0;

    if (demo->flow != NULL && er_demo_flow_ended(demo->flow, &events) && balance->received < events)
        (void)fprintf(stderr, "warning: %llu of %llu events were not taken in time\n",
                      (unsigned long long)(events - balance->received), (unsigned long long)events);
    er_demo_balance_line(balance, &out);
    er_buf_addc(&out, '\n');
    print(&out);
}
