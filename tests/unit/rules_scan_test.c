#include "tests/unit/test.h"
#include <stdio.h>
#include "rules/base/buf.h"
#include "rules/base/json.h"
#include "rules/engine/scan.h"
#include "tests/unit/fields_text.h"
#include "tests/unit/random.h"

/* A trie of some live paths, and what a scan of a text gives. */
struct bench {
    struct er_catalog catalog;
    struct er_trie trie;
    struct er_fields fields;
    struct er_arena *arena;
    struct er_scanner *scanner;
    uint32_t nodes[8];
    size_t n;
    struct er_scan scan;
    struct er_err err;
};

/* Bytes that the scanner looks at at once; tests are run for each width. */
static size_t width;

static int set_width(void **state)
{
    const size_t *bytes = *state;
    struct er_scanner *scanner = er_scanner_new();
    bool can = er_scanner_set_width(scanner, *bytes);

    er_scanner_free(scanner);
    width = *bytes;
    if (!can) {
        print_message("this processor has no blocks of %zu bytes: tested with 8\n", width);
        width = 8;
    }
    return 0;
}

static void open_bench(struct bench *bench, const char *const *paths)
{
    *bench = (struct bench){ .arena = er_arena_new(0), .scanner = er_scanner_new() };
    assert_true(er_scanner_set_width(bench->scanner, width));
    assert_true(er_catalog_init(&bench->catalog));
    bench->trie.catalog = &bench->catalog;
    for (; paths[bench->n] != NULL; bench->n++) {
        struct er_path path;

        assert_int_equal(er_path_parse(bench->arena, er_str_of(paths[bench->n]), &path, &bench->err), ER_OK);
        bench->nodes[bench->n] = er_catalog_path(&bench->catalog, &path);
        assert_true(er_trie_add(&bench->trie, bench->nodes[bench->n]));
    }
}

static void close_bench(struct bench *bench)
{
    for (size_t i = 0; i < bench->n; i++) {
        er_trie_remove(&bench->trie, bench->nodes[i]);
        er_catalog_node_unref(&bench->catalog, bench->nodes[i]);
    }
    assert_int_equal(bench->trie.table.n, 0);
    assert_int_equal(bench->catalog.nodes.n, ER_NODES_FIXED);
    er_trie_fini(&bench->trie);
    er_fields_fini(&bench->fields);
    er_scanner_free(bench->scanner);
    er_arena_free(bench->arena);
    er_catalog_fini(&bench->catalog);
}

static enum er_code run(struct bench *bench, struct er_str text, size_t max_depth)
{
    enum er_code code;

    er_arena_reset(bench->arena);
    bench->scan = (struct er_scan){ .trie = &bench->trie,
                                    .fields = &bench->fields,
                                    .arena = bench->arena,
                                    .text = text,
                                    .max_depth = max_depth,
                                    .root = ER_NODE_EVENT };
    assert_true(er_fields_begin(&bench->fields, bench->catalog.seed));
    code = er_scanner_run(bench->scanner, &bench->scan, &bench->err);
    assert_true(er_fields_link(&bench->fields, 0));
    return code;
}

/* Live values of path number `path`, "kind:text" with a star for those in arrays, separated by blanks, in text order. */
static const char *values(struct bench *bench, size_t path)
{
    static char out[1024];
    size_t n = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < bench->fields.n; i++) {
        const struct er_field *field = &bench->fields.items[i];

        if (field->node == bench->nodes[path] && !field->dead) {
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%c%s:%.*s", n > 0 ? " " : "", "snbzo-"[field->kind],
                                  field -> in_array ? "*" : "", ER_STR_ARG(field->text));
        }
    }
    return out;
}

static void emits_what_is_read(void **state)
{
    const char *paths[] = { "a", "a.b", "c.d.e", "n", "\"k.k\"", NULL };
    static const struct {
        const char *text;
        const char *values[5];
    } rows[] = {
        { "{}", { "", "", "", "", "" } },
        { " { \"a\" : 1 , \"n\":\"x\" } \r\n\t", { "n:1", "", "", "s:x", "" } },
        { "{\"a\":{\"b\":true,\"c\":1},\"c\":{\"d\":{\"e\":-1.5e+7}}}", { "o:", "b:true", "n:-1.5e+7", "", "" } },
        { "{\"a\":[1,[\"x\",false],{\"b\":[null,2]},[[{\"b\":3}]]]}",
          { "n*:1 s*:x b*:false o*: o*:", "z*:null n*:2 n*:3", "", "", "" } },
        { "{\"a\":null,\"b\":1,\"c\":[],\"n\":{}}", { "z:null", "", "", "o:", "" } },
        { "{\"k.k\":\"v\",\"\\u006e\":\"\\u00e9\\n\\ud83d\\ude00\"}", { "", "", "", "s:\xC3\xA9\n\xF0\x9F\x98\x80", "s:v" } },
        { "{\"c\":[{\"d\":{\"e\":1}},{\"d\":[{\"e\":2}]}],\"x\":{\"c\":{\"d\":{\"e\":9}}}}", { "", "", "n*:1 n*:2", "", "" } },
        { "{\"a\":[[],[[]]],\"n\":[],\"c\":[{\"d\":[]}]}", { "-:", "", "", "-:", "" } },
        { "{\"a\":1,\"a\":{\"b\":2}}", { "o:", "n:2", "", "", "" } },
        { "{\"a\":{\"b\":1,\"b\":2},\"n\":1,\"a\":[{\"b\":3,\"b\":4},{\"b\":5}]}", { "o*: o*:", "n*:4 n*:5", "", "n:1", "" } },
        { "{\"c\":{\"d\":{\"e\":1}},\"c\":{\"d\":{\"e\":2},\"d\":3}}", { "", "", "", "", "" } },
    };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(&bench, er_str_of(rows[i].text), 128), ER_OK);
        for (size_t k = 0; k < 5; k++) {
            assert_string_equal(values(&bench, k), rows[i].values[k]);
        }
    }
    close_bench(&bench);
}

/* Which object each value stands in, what stands at inner nodes, and which events need looking at single elements. */
static void says_where_values_stand(void **state)
{
    const char *paths[] = { "i.s", "i.q", "t", "d.b.c", NULL };
    static const struct {
        const char *text, *fields;
    } rows[] = {
        { "{\"i\":[{\"s\":\"A\"},{\"s\":\"B\"}],\"t\":[]}", "0:i.o* 1:s.s*^0 2:i.o* 3:s.s*^2 4:t.- structured" },
        { "{\"i\":{\"q\":1,\"s\":null},\"t\":[1]}", "0:i.o 1:q.n^0 2:s.z^0 3:t.n*" },
        { "{\"i\":[5,{\"q\":1},null,\"x\"]}", "0:i.n* 1:i.o* 2:q.n*^1 3:i.z* 4:i.s* structured" },
        { "{\"i\":[]}", "0:i.- structured" },
        { "{\"i\":[[],[[],[]]],\"t\":[[[]]]}", "0:i.- 1:t.- structured" },
        { "{\"i\":[[],{\"q\":[[],[2]]}]}", "0:i.o* 1:q.n*^0 structured" },
        { "{\"i\":[{\"q\":[]},{\"q\":[[]]}]}", "0:i.o* 1:q.-*^0 2:i.o* 3:q.-*^2 structured" },
        { "{\"i\":[{}]}", "0:i.o* structured" },
        { "{\"i\":true,\"d\":{\"b\":false}}", "0:i.b 1:d.o 2:b.b^1" },
        { "{\"d\":{\"x\":{\"b\":1},\"b\":{\"c\":[{}]}}}", "0:d.o 1:b.o^0 2:c.o*^1" },
        { "{\"d\":[{\"b\":[{\"c\":1},{\"c\":2}]},{\"b\":{\"c\":3}}]}",
          "0:d.o* 1:b.o*^0 2:c.n*^1 3:b.o*^0 4:c.n*^3 5:d.o* 6:b.o*^5 7:c.n*^6 structured" },
        { "{\"t\":[{\"s\":1},[{\"s\":2}]]}", "0:t.o* 1:t.o*" },
        { "{\"t\":{\"t\":1}}", "0:t.o" },
        { "{\"x\":[{\"i\":[{\"s\":1}]}]}", "" },
        /* The last of equal keys counts, with all below it. */
        { "{\"i\":[{\"s\":1,\"q\":2,\"s\":3}]}", "0:i.o* 2:q.n*^0 3:s.n*^0 structured" },
        { "{\"i\":{\"s\":1},\"i\":{\"q\":2}}", "2:i.o 3:q.n^2" },
        { "{\"d\":{\"b\":{\"c\":1},\"b\":2},\"d\":{\"b\":{\"c\":1},\"b\":[{\"c\":2}]}}", "4:d.o 7:b.o*^4 8:c.n*^7 structured" },
        { "{\"t\":[],\"t\":[1]}", "1:t.n*" },
        { "{\"t\":[1],\"t\":[]}", "1:t.-" },
        { "{\"t\":1,\"t\":[{\"x\":1,\"x\":2}],\"t\":null}", "2:t.z" },
        { "{\"i\":[{\"s\":[1],\"s\":[]},{\"s\":{},\"s\":[[2]]}]}", "0:i.o* 2:s.-*^0 3:i.o* 5:s.n*^3 structured" },
    };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(&bench, er_str_of(rows[i].text), 128), ER_OK);
        if (strcmp(fields_text(&bench.fields, &bench.catalog), rows[i].fields) != 0) {
            fail_msg("%s gives \"%s\"", rows[i].text, fields_text(&bench.fields, &bench.catalog));
        }
        assert_lists(&bench.fields);
    }
    close_bench(&bench);
}

static void counts_duplicates_everywhere(void **state)
{
    const char *paths[] = { "a", NULL };
    static const struct {
        const char *text;
        size_t n, first;
    } rows[] = {
        { "{\"a\":1,\"b\":2}", 0, 0 },
        { "{\"a\":1,\"a\":2}", 1, 7 },
        { "{\"a\":1,\"\\u0061\":2,\"a\":3}", 2, 7 },
        { "{\"x\":{\"y\":[{\"z\":1,\"z\":1}]}}", 1, 18 },
        { "{\"x\":[{\"z\":1},{\"z\":1}],\"z\":{\"z\":{}}}", 0, 0 },
        { "{\"\":1,\"\":1}", 1, 6 },
        { "{\"a\\u0000\":1,\"a\":1,\"a\\u0000\":1}", 1, 19 },
    };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(&bench, er_str_of(rows[i].text), 128), ER_OK);
        assert_int_equal(bench.scan.duplicates, rows[i].n);
        if (rows[i].n > 0) {
            assert_int_equal(bench.scan.first_duplicate, rows[i].first);
        }
    }
    close_bench(&bench);
}

/* Many keys, once each and then again: the set grows, and stays exact from event to event. */
static void counts_duplicates_among_many_keys(void **state)
{
    const char *paths[] = { "k7", NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (unsigned keys = 1; keys <= 100000; keys *= 10) {
        for (unsigned round = 0; round < 3; round++) {
            struct er_buf buf = { 0 };

            er_buf_addc(&buf, '{');
            for (unsigned i = 0; i < keys * 2; i++) {
                er_buf_printf(&buf, "%s\"k%u\":%u", i > 0 ? "," : "", i % keys, i);
            }
            er_buf_addc(&buf, '}');
            assert_int_equal(run(&bench, er_buf_str(&buf), 128), ER_OK);
            assert_int_equal(bench.scan.duplicates, keys);
            if (keys > 7) {
                char expected[32];

                snprintf(expected, sizeof expected, "n:%u", keys + 7);
                assert_string_equal(values(&bench, 0), expected);
            }
            er_buf_free(&buf);
        }
    }
    close_bench(&bench);
}

/* The document reader is the model: same code, same offset. */
static void compare_with_reader(struct bench *bench, struct er_str text, size_t max_depth)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_json *tree = NULL;
    struct er_err expected = { .code = ER_OK };
    enum er_code code = er_json_parse(arena, text, max_depth, &tree, &expected);
    enum er_code got = run(bench, text, max_depth);

    if (code == ER_OK && tree->type != ER_JSON_OBJECT) {
        code = ER_E_EVENT_NOT_OBJECT;
        expected.offset = tree->offset;
    }
    if (got != code || (code != ER_OK && bench->err.offset != expected.offset)) {
        fail_msg("%.*s: %s@%zu, expected %s@%zu", ER_STR_ARG(text), er_code_name(got), bench->err.offset, er_code_name(code),
                 expected.offset);
    }
    er_arena_free(arena);
}

static void refuses_what_the_reader_refuses(void **state)
{
    const char *paths[] = { "a", "o.x", "l", NULL };
    static const char *const texts[] = {
        "",
        " ",
        "[]",
        "1",
        "\"x\"",
        "null",
        " [1] ",
        "{",
        "}",
        "{}x",
        "{} {}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "{\"a\":1]",
        "[}",
        "{\"a\":007}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":nul",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\xFF\"}",
        "{\"a\":\"\xC0\x80\"}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"\xF4\x90\x80\x80\"}",
        "{\"u\":[{\"v\":\"\xE2\x82\"}]}",
        "\xEF\xBB\xBF{}",
        "\xFF\xFE{\0}",
        "{\"\xFF\":1}",
        "{\"a\\\":1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "{\"a\":1}}",
        "{\"a\":[}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":\"\\u00",
        "{\xC3\xA9}",
        "{'a':1}",
        "/*x*/{}",
        "{\"a\":0x1}",
    };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        compare_with_reader(&bench, er_str_of(texts[i]), 128);
    }
    close_bench(&bench);
}

static const char sample[] =
    "{\"a\": [1, -2.5E+3, \"x\\u00e9\\\"y\", true, null], \"o\":{\"x\":{\"y\":[[],{}]},\"a\":\"\xC3\xA9\xE2\x82\xAC\"},"
    "\"long key of more than sixteen bytes\":\"a long value without any escape in it\",\"l\":[{\"l\":1}]}";

/* Every prefix of a document, every byte of it replaced or left out, each in a buffer of exactly that size. */
static void agrees_with_the_reader_on_damaged_documents(void **state)
{
    const char *paths[] = { "a", "o.x", "l.l", NULL };
    static const char bytes[] = "{}[],:\"\\ \n0-.eEtu\x01\x7F\x80\xC3\xE2\xF0\xFF";
    size_t n = sizeof sample - 1;
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t i = 0; i <= n; i++) {
        char *copy = malloc(n + 1);

        memcpy(copy, sample, i);
        copy = realloc(copy, i > 0 ? i : 1);
        compare_with_reader(&bench, (struct er_str){ copy, i }, 128);
        copy = realloc(copy, n);
        for (size_t k = 0; i < n && k < sizeof bytes; k++) {
            memcpy(copy, sample, n);
            copy[i] = bytes[k];
            compare_with_reader(&bench, (struct er_str){ copy, n }, 128);
        }
        if (i < n) {
            memcpy(copy, sample, i);
            memcpy(copy + i, sample + i + 1, n - i - 1);
            compare_with_reader(&bench, (struct er_str){ copy, n - 1 }, 128);
        }
        free(copy);
    }
    close_bench(&bench);
}

/* ---- random documents, with a walk over the reader's tree as the model ---- */

static void write_space(struct er_buf *buf, uint64_t *seed)
{
    static const char *const spaces[] = { "", "", "", "", "", " ", "\n", " \r\n\t ", "\n                                  " };

    er_buf_add(buf, er_str_of(spaces[random_below(seed, sizeof spaces / sizeof spaces[0])]));
}

static void write_string(struct er_buf *buf, uint64_t *seed)
{
    static const char *const parts[] = { "a",      "value",   "sixteen bytes xx", "\\\"",
                                         "\\\\",   "\\u00e9", "\\ud83d\\ude00",   "{",
                                         "[,]}:",  "x\x7F",   "\xC3\xA9",         "\xE2\x82\xAC",
                                         "/",      " ",       "\xF0\x9F\x98\x80", "",
                                         "0123456" };
    uint32_t n = random_below(seed, random_below(seed, 8) == 0 ? 40 : 4);

    er_buf_addc(buf, '"');
    for (uint32_t i = 0; i < n; i++) {
        er_buf_add(buf, er_str_of(parts[random_below(seed, sizeof parts / sizeof parts[0])]));
    }
    er_buf_addc(buf, '"');
}

static void write_key(struct er_buf *buf, uint64_t *seed)
{
    static const char *const keys[] = { "\"a\"", "\"b\"", "\"c\"", "\"\\u0061\"", "\"seventeen bytes ..\"", "\"other\"", "\"\"" };

    if (random_below(seed, 8) == 0) {
        write_string(buf, seed);
    } else {
        er_buf_add(buf, er_str_of(keys[random_below(seed, sizeof keys / sizeof keys[0])]));
    }
}

static void write_value(struct er_buf *buf, uint64_t *seed, uint32_t depth);

static void write_container(struct er_buf *buf, uint64_t *seed, uint32_t depth, bool object)
{
    uint32_t n = random_below(seed, 6);

    er_buf_addc(buf, object ? '{' : '[');
    write_space(buf, seed);
    for (uint32_t i = 0; i < n; i++) {
        if (object) {
            write_key(buf, seed);
            write_space(buf, seed);
            er_buf_addc(buf, ':');
            write_space(buf, seed);
        }
        write_value(buf, seed, depth);
        write_space(buf, seed);
        if (i + 1 < n) {
            er_buf_addc(buf, ',');
            write_space(buf, seed);
        }
    }
    er_buf_addc(buf, object ? '}' : ']');
}

/* depth: how many more containers may open. */
static void write_value(struct er_buf *buf, uint64_t *seed, uint32_t depth)
{
    static const char *const scalars[] = { "1", "-0.5e+10", "0", "true", "false", "null", "12345678901234567890.5" };
    uint32_t kind = random_below(seed, depth > 0 ? 8 : 4);

    if (kind >= 4) {
        write_container(buf, seed, depth - 1, kind >= 6);
    } else if (kind == 3) {
        write_string(buf, seed);
    } else {
        er_buf_add(buf, er_str_of(scalars[random_below(seed, sizeof scalars / sizeof scalars[0])]));
    }
}

/* The walk: compares each value that it comes to with the next live field. */
struct walk {
    struct bench *bench;
    uint32_t next; /* field */
    size_t duplicates;
    bool structured;
    bool live; /* no later duplicate replaces what it looks at */
};

struct place {
    uint32_t node;   /* or ER_NONE */
    uint32_t parent; /* field, or ER_NONE */
    bool in_array;
};

static uint32_t expect_field(struct walk *walk, struct place place, enum er_field_kind kind, struct er_str text)
{
    const struct er_fields *fields = &walk->bench->fields;
    const struct er_field *field;

    if (!walk->live || place.node == ER_NONE) {
        return ER_NONE;
    }
    while (walk->next < fields->n && fields->items[walk->next].dead) {
        walk->next++;
    }
    assert_in_range(walk->next + 1, 1, fields->n);
    field = &fields->items[walk->next];
    assert_int_equal(field->node, place.node);
    assert_int_equal(field->parent, place.parent);
    assert_int_equal(field->kind, kind);
    assert_int_equal(field->in_array, place.in_array);
    assert_true(er_str_eq(field->text, text));
    return walk->next++;
}

static bool has_elements(const struct er_json *array)
{
    for (const struct er_json *child = array->first; child != NULL; child = child->next) {
        if (child->type != ER_JSON_ARRAY || has_elements(child)) {
            return true;
        }
    }
    return false;
}

static void walk_value(struct walk *walk, const struct er_json *value, struct place place, bool element);

static bool is_replaced(const struct er_json *member)
{
    for (const struct er_json *later = member->next; later != NULL; later = later->next) {
        if (er_str_eq(later->key, member->key)) {
            return true;
        }
    }
    return false;
}

static void walk_members(struct walk *walk, const struct er_json *object, struct place place)
{
    const struct er_trie *trie = &walk->bench->trie;
    bool live = walk->live;

    for (const struct er_json *child = object->first; child != NULL; child = child->next) {
        struct place at = place;

        if (place.node != ER_NONE) {
            at.node = er_trie_child(trie, place.node, child->key, er_hash(child->key, trie->catalog->seed));
        }
        walk->duplicates += child->duplicate ? 1 : 0;
        walk->live = live && !is_replaced(child);
        walk_value(walk, child, at, false);
    }
    walk->live = live;
}

static void walk_array(struct walk *walk, const struct er_json *array, struct place place, bool element)
{
    if (place.node != ER_NONE && er_trie_has_children(&walk->bench->trie, place.node)) {
        walk->structured = true;
    }
    if (!element && !has_elements(array)) {
        (void)expect_field(walk, place, ER_FIELD_NONE, ER_STR(""));
    }
    place.in_array = true;
    for (const struct er_json *child = array->first; child != NULL; child = child->next) {
        walk_value(walk, child, place, true);
    }
}

static void walk_value(struct walk *walk, const struct er_json *value, struct place place, bool element)
{
    switch (value->type) {
    case ER_JSON_ARRAY:
        walk_array(walk, value, place, element);
        break;
    case ER_JSON_OBJECT:
        place.parent = expect_field(walk, place, ER_FIELD_OBJECT, ER_STR(""));
        walk_members(walk, value, place);
        break;
    case ER_JSON_STRING:
        (void)expect_field(walk, place, ER_FIELD_STRING, value->text);
        break;
    case ER_JSON_NUMBER:
        (void)expect_field(walk, place, ER_FIELD_NUMBER, value->text);
        break;
    case ER_JSON_NULL:
        (void)expect_field(walk, place, ER_FIELD_NULL, ER_STR("null"));
        break;
    case ER_JSON_TRUE:
    case ER_JSON_FALSE:
    default:
        (void)expect_field(walk, place, ER_FIELD_BOOL, value->type == ER_JSON_TRUE ? ER_STR("true") : ER_STR("false"));
        break;
    }
}

static void compare_with_tree(struct bench *bench, struct er_str text)
{
    struct walk walk = { .bench = bench, .live = true };
    struct er_arena *arena = er_arena_new(0);
    struct er_json *tree;
    struct er_err err;

    assert_int_equal(er_json_parse(arena, text, 128, &tree, &err), ER_OK);
    assert_int_equal(run(bench, text, 128), ER_OK);
    walk_members(&walk, tree, (struct place){ ER_NODE_EVENT, ER_NONE, false });
    for (; walk.next < bench->fields.n; walk.next++) {
        assert_true(bench->fields.items[walk.next].dead);
    }
    assert_int_equal(bench->scan.duplicates, walk.duplicates);
    assert_int_equal(bench->fields.structured, walk.structured);
    assert_lists(&bench->fields);
    er_arena_free(arena);
}

static void finds_what_a_walk_over_the_tree_finds(void **state)
{
    const char *paths[] = { "a", "a.b", "a.b.c", "b.a.a.a", "c.\"seventeen bytes ..\"", NULL };
    static const char bytes[] = "{}[],:\"\\ \n0-.eu\x01\x80\xC3\xE2\xF0";
    uint64_t seed = random_seed();
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (unsigned round = 0; round < 3000; round++) {
        struct er_buf buf = { 0 };
        char *copy;
        size_t n;

        write_space(&buf, &seed);
        write_container(&buf, &seed, 6, true);
        n = buf.n;
        copy = malloc(n); /* of exactly that size */
        memcpy(copy, buf.p, n);
        compare_with_tree(&bench, (struct er_str){ copy, n });
        copy[random_below(&seed, (uint32_t)n)] = bytes[random_below(&seed, sizeof bytes)];
        compare_with_reader(&bench, (struct er_str){ copy, n }, 128);
        er_buf_free(&buf);
        free(copy);
    }
    close_bench(&bench);
}

static void limits_depth(void **state)
{
    const char *paths[] = { "a", NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    for (size_t depth = 1; depth <= 300; depth += depth < 5 ? 1 : 59) {
        for (size_t over = 0; over <= 1; over++) {
            struct er_buf buf = { 0 };

            er_buf_add(&buf, ER_STR("{\"a\":"));
            for (size_t i = 1; i < depth + over; i++) {
                er_buf_addc(&buf, '[');
            }
            er_buf_add(&buf, depth + over == 1 ? ER_STR("1") : ER_STR(""));
            for (size_t i = 1; i < depth + over; i++) {
                er_buf_addc(&buf, ']');
            }
            er_buf_addc(&buf, '}');
            assert_int_equal(run(&bench, er_buf_str(&buf), depth), over ? ER_E_JSON_DEPTH : ER_OK);
            if (over) {
                assert_int_equal(bench.err.offset, 5 + depth - 1);
            }
            compare_with_reader(&bench, er_buf_str(&buf), depth);
            er_buf_free(&buf);
        }
    }
    close_bench(&bench);
}

/* Live nodes come and go with their readers; a node is found by its own parent only. */
static void trie_follows_its_readers(void **state)
{
    const char *paths[] = { "a.b.c", "a.b", "a.b.c", "b", NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, paths);
    er_trie_remove(&bench.trie, bench.nodes[0]);
    assert_int_equal(run(&bench, ER_STR("{\"a\":{\"b\":{\"c\":1}}}"), 9), ER_OK);
    assert_string_equal(values(&bench, 0), "n:1");
    er_trie_remove(&bench.trie, bench.nodes[2]);
    assert_int_equal(run(&bench, ER_STR("{\"a\":{\"b\":[{\"c\":1},2]}}"), 9), ER_OK);
    assert_string_equal(values(&bench, 0), "");
    assert_string_equal(values(&bench, 1), "o*: n*:2");
    er_trie_remove(&bench.trie, bench.nodes[1]);
    assert_int_equal(run(&bench, ER_STR("{\"a\":{\"b\":1},\"b\":{\"b\":3}}"), 9), ER_OK);
    assert_int_equal(bench.fields.n, 1);
    assert_string_equal(values(&bench, 3), "o:");
    for (size_t i = 0; i < 3; i++) {
        assert_true(er_trie_add(&bench.trie, bench.nodes[i]));
    }
    close_bench(&bench);
}

#define FOR_WIDTH(test, bytes)                                                                                                     \
    {                                                                                                                              \
#test ", " #bytes " bytes", test, set_width, NULL, &widths[bytes / 16]                                                     \
    }
#define FOR_WIDTHS(test) FOR_WIDTH(test, 8), FOR_WIDTH(test, 16), FOR_WIDTH(test, 32)

int main(void)
{
    static size_t widths[] = { 8, 16, 32 };
    const struct CMUnitTest tests[] = {
        FOR_WIDTHS(emits_what_is_read),
        FOR_WIDTHS(says_where_values_stand),
        FOR_WIDTHS(counts_duplicates_everywhere),
        FOR_WIDTHS(counts_duplicates_among_many_keys),
        FOR_WIDTHS(refuses_what_the_reader_refuses),
        FOR_WIDTHS(agrees_with_the_reader_on_damaged_documents),
        FOR_WIDTHS(finds_what_a_walk_over_the_tree_finds),
        FOR_WIDTHS(limits_depth),
        FOR_WIDTHS(trie_follows_its_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
