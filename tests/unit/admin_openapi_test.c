/* schemas/admin.openapi.yaml and the table of routes say the same. */
#include "admin/routes.h"
#include "tests/unit/test.h"

static const char text[] = {
#include "schemas/admin.openapi.yaml.inc"
};

struct fixture {
    struct er_arena *arena;
    struct er_json *root;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_err err;

    f->arena = er_arena_new(0);
    assert_int_equal(er_json_parse(f->arena, (struct er_str){ text, sizeof text }, 64, &f->root, &err), ER_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    er_arena_free(f->arena);
    free(f);
    return 0;
}

static const struct er_json *member(const struct er_json *object, const char *key)
{
    return er_json_member(object, er_str_of(key));
}

static bool is_method(struct er_str key)
{
    return !er_str_eq(key, ER_STR("parameters"));
}

static bool same_method(const char *method, struct er_str key)
{
    return strlen(method) == key.n && strncasecmp(method, key.p, key.n) == 0;
}

static const struct er_route *route_of(struct er_str path, struct er_str method)
{
    size_t n;
    const struct er_route *routes = er_routes(&n);

    for (size_t i = 0; i < n; i++) {
        if (er_str_eq(path, er_str_of(routes[i].path)) && same_method(routes[i].method, method)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* Follows a local reference. */
static const struct er_json *resolve(const struct fixture *f, const struct er_json *value)
{
    const struct er_json *ref = member(value, "$ref");
    const struct er_json *found = f->root;
    char pointer[200], *rest = pointer;

    if (ref == NULL) {
        return value;
    }
    snprintf(pointer, sizeof pointer, "%.*s", ER_STR_ARG(ref->text));
    assert_memory_equal(pointer, "#/", 2);
    rest += 2;
    for (char *part = strtok(rest, "/"); part != NULL; part = strtok(NULL, "/")) {
        found = member(found, part);
    }
    if (found == NULL) {
        fail_msg("dangling %.*s", ER_STR_ARG(ref->text));
    }
    return found;
}

static void every_route_is_described(void **state)
{
    struct fixture *f = *state;
    size_t n;
    const struct er_route *routes = er_routes(&n);

    for (size_t i = 0; i < n; i++) {
        const struct er_json *path = member(member(f->root, "paths"), routes[i].path);
        char method[8];

        snprintf(method, sizeof method, "%s", routes[i].method);
        for (char *p = method; *p != '\0'; p++) {
            *p = (char)(*p - 'A' + 'a');
        }
        if (path == NULL || member(path, method) == NULL) {
            fail_msg("%s %s is not described", routes[i].method, routes[i].path);
        }
        assert_int_equal(member(member(path, method), "requestBody") != NULL, (routes[i].flags & ER_ROUTE_BODY) != 0);
    }
}

static void every_description_has_a_route(void **state)
{
    struct fixture *f = *state;

    for (const struct er_json *path = member(f->root, "paths")->first; path != NULL; path = path->next) {
        for (const struct er_json *operation = path->first; operation != NULL; operation = operation->next) {
            if (is_method(operation->key) && route_of(path->key, operation->key) == NULL) {
                fail_msg("%.*s %.*s does not exist", ER_STR_ARG(operation->key), ER_STR_ARG(path->key));
            }
        }
    }
}

static size_t count_query(const struct er_route *route)
{
    size_t n = 0;

    while (route->query[n] != NULL) {
        n++;
    }
    return n;
}

static void check_parameters(const struct fixture *f, const struct er_json *operation, const struct er_route *route)
{
    const struct er_json *list = member(operation, "parameters");
    size_t found = 0;

    for (const struct er_json *one = list == NULL ? NULL : list->first; one != NULL; one = one->next) {
        const struct er_json *parameter = resolve(f, one);
        bool listed = false;

        if (!er_str_eq(member(parameter, "in")->text, ER_STR("query"))) {
            continue;
        }
        for (size_t i = 0; route->query[i] != NULL; i++) {
            listed = listed || er_str_eq(member(parameter, "name")->text, er_str_of(route->query[i]));
        }
        if (!listed) {
            fail_msg("%s %s has no ?%.*s", route->method, route->path, ER_STR_ARG(member(parameter, "name")->text));
        }
        found++;
    }
    if (found != count_query(route)) {
        fail_msg("%s %s has query parameters that are not described", route->method, route->path);
    }
}

static void query_parameters_and_tags_are_the_same(void **state)
{
    struct fixture *f = *state;

    for (const struct er_json *path = member(f->root, "paths")->first; path != NULL; path = path->next) {
        for (const struct er_json *operation = path->first; operation != NULL; operation = operation->next) {
            const struct er_route *route = is_method(operation->key) ? route_of(path->key, operation->key) : NULL;
            bool tagged = false;

            if (route == NULL) {
                continue;
            }
            check_parameters(f, operation, route);
            for (const struct er_json *tag = member(operation, "tags")->first; tag != NULL; tag = tag->next) {
                tagged = tagged || er_str_eq(tag->text, ER_STR("read-only"));
            }
            assert_int_equal(tagged, (route->flags & ER_ROUTE_PUBLIC) != 0);
        }
    }
}

static void all_references_resolve(const struct fixture *f, const struct er_json *value)
{
    (void)resolve(f, value);
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        if (child->type == ER_JSON_OBJECT || child->type == ER_JSON_ARRAY) {
            all_references_resolve(f, child);
        }
    }
}

static void the_description_is_sound(void **state)
{
    struct fixture *f = *state;

    all_references_resolve(f, f->root);
    assert_true(er_str_eq(member(member(f->root, "info"), "version")->text, ER_STR(ER_VERSION)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route_is_described, setup, teardown),
        cmocka_unit_test_setup_teardown(every_description_has_a_route, setup, teardown),
        cmocka_unit_test_setup_teardown(query_parameters_and_tags_are_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(the_description_is_sound, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
