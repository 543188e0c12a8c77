/* A connection's bytes: heads, bodies and chunks as HTTP/1.1 requests, each handled by the real routes over a real store. Every answer must
 * be well formed: a problem with errors[] for a refusal, JSON where it says so, a revision with every accepted change. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "admin/http_message.h"
#include "admin/routes.h"
#include "tests/support/admin_env_fake.h"

enum { BODY_LIMIT = 1 << 20, MAX_REQUESTS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct fake_env fake;
    struct er_api *api;
    struct er_arena *arena;
    const struct er_http_request *request;
    size_t answers;
};
static struct world *world;

static void close_world(void)
{
    er_api_close(world->api);
    er_arena_free(world->arena);
    fake_env_close(&world->fake);
    free(world);
    world = NULL;
}

static void open_world(void)
{
    world = calloc(1, sizeof *world);
    if (world == NULL || !fake_env_open(&world->fake, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")) {
        abort();
    }
    world->api = er_api_new(&world->fake.env, BODY_LIMIT);
    world->arena = er_arena_new(0);
    if (world->api == NULL || world->arena == NULL || atexit(close_world) != 0) {
        abort();
    }
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void check_json(struct er_arena *arena, const struct er_reply *reply)
{
    struct er_json *tree;
    struct er_err err;

    er_arena_reset(arena);
    must(er_json_parse(arena, er_buf_str(&reply->body), 1100, &tree, &err) == ER_OK, "the answer is JSON");
    must(tree->type == ER_JSON_OBJECT, "the answer is an object");
    if (reply->status >= 400) {
        const struct er_json *errors = er_json_member(tree, ER_STR("errors"));

        must(strcmp(reply->content_type, ER_PROBLEM_TYPE) == 0, "a refusal is a problem");
        must(errors != NULL && errors->n > 0, "a problem has errors");
    }
}

static void check_answer(void *ctx, struct er_reply *reply)
{
    struct world *w = ctx;
    bool empty = reply->status == 204 || reply->status == 304;

    w->answers++;
    must(reply->status >= 200 && reply->status < 600, "the status is one of HTTP");
    must(reply->status != 500, "nothing fails inside");
    must(!reply->body.failed && !reply->headers.failed, "there is memory");
    must(empty == (reply->content_type == NULL), "only 204 and 304 have no body");
    if (!empty && strstr(reply->content_type, "json") != NULL) {
        check_json(w->arena, reply);
    }
}

static void handle(struct er_http_request *request)
{
    size_t before = world->answers;

    er_routes_handle(world->api, request, check_answer, world);
    must(world->answers == before + 1, "one answer for one request");
}

/* The body at the start of *rest. False: there is no whole one. */
static bool take_body(const struct er_http_head *head, struct er_str *rest, struct er_buf *body)
{
    size_t limit = er_routes_body_limit(world->api, &head->request), used = 0;
    struct er_http_chunked chunked = { 0 };
    struct er_http_fault fault;

    if (head->chunked) {
        if (er_http_chunked_feed(&chunked, *rest, body, limit, &used, &fault) != ER_HTTP_DONE) {
            return false;
        }
    } else if (head->content_length > limit || head->content_length > rest->n) {
        return false;
    } else {
        used = (size_t)head->content_length;
        er_buf_add(body, (struct er_str){ rest->p, used });
    }
    must(body->n <= limit, "the body keeps to its limit");
    *rest = (struct er_str){ rest->p + used, rest->n - used };
    return true;
}

static bool take_request(struct er_str *rest)
{
    struct er_http_head head;
    struct er_http_fault fault;
    struct er_buf body = { 0 };
    size_t length;
    bool whole;

    if (er_http_head_find(*rest, &length, &fault) != ER_HTTP_DONE) {
        return false;
    }
    if (!er_http_head_parse((struct er_str){ rest->p, length }, &head, &fault)) {
        must(fault.status >= 400 && fault.detail != NULL, "a fault says why");
        return false;
    }
    *rest = (struct er_str){ rest->p + length, rest->n - length };
    whole = take_body(&head, rest, &body);
    if (whole) {
        head.request.body = er_buf_str(&body);
        head.request.read_only = false;
        handle(&head.request);
    }
    er_buf_free(&body);
    return whole;
}

/* Every input starts with an empty rule set. */
static void forget(void)
{
    static const struct er_http_field json = { { "Content-Type", 12 }, { "application/json", 16 } };
    struct er_http_request request = { .method = ER_STR("PUT"),
                                       .path = ER_STR("/v1/subscriptions"),
                                       .query = ER_STR("prune=true"),
                                       .fields = &json,
                                       .n_fields = 1,
                                       .body = ER_STR("[]") };

    handle(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct er_str rest = { (const char *)data, size };

    if (world == NULL) {
        open_world();
    }
    for (int i = 0; i < MAX_REQUESTS && rest.n > 0 && take_request(&rest); i++) {
    }
    forget();
    return 0;
}
