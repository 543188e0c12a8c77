#include "tests/unit/engine_test.h"
#include "rules/engine/match_impl.h"
#include "tests/unit/fields_text.h"

/* Headers as text: "name=value", a null value as "name". */
static size_t headers_of(const char *const *texts, struct er_header *headers)
{
    size_t n = 0;

    for (; texts != NULL && texts[n] != NULL; n++) {
        const char *equals = strchr(texts[n], '=');

        headers[n] = (struct er_header){ .name = er_str_of(texts[n]), .null_value = equals == NULL };
        if (equals != NULL) {
            headers[n].name.n = (size_t)(equals - texts[n]);
            headers[n].value = er_str_of(equals + 1);
        }
    }
    return n;
}

/* The type that the matcher reports: "-" for none, "E101@7" for an error. */
static const char *type_of(struct er_matcher *matcher, const struct er_record *record)
{
    static char text[256];
    struct er_match match;
    struct er_err err;

    er_matcher_pin(matcher);
    if (er_matcher_match(matcher, record, &match, &err) != ER_OK) {
        snprintf(text, sizeof text, "%s@%zd", er_code_name(err.code), (ssize_t)err.offset);
    } else if (match.type.p == NULL) {
        snprintf(text, sizeof text, "-");
    } else {
        snprintf(text, sizeof text, "%.*s", ER_STR_ARG(match.type));
    }
    er_matcher_unpin(matcher);
    return text;
}

#define CE "content-type=application/cloudevents+json"

static void type_depends_on_the_form(void **state)
{
    static const struct {
        const char *type_path;
        const char *headers[4];
        const char *value;
        const char *type;
    } rows[] = {
        { "type", { NULL }, "{\"type\":\"a\"}", "a" },
        { "type", { NULL }, "{\"type\":\"\"}", "" },
        { "type", { NULL }, "{\"type\":5}", "-" },
        { "type", { NULL }, "{\"type\":[\"a\"]}", "-" },
        { "type", { NULL }, "{}", "-" },
        { "meta.kind", { NULL }, "{\"type\":\"a\",\"meta\":{\"kind\":\"k\"}}", "k" },
        { "meta.kind", { NULL }, "{\"meta\":[{\"kind\":\"k\"}]}", "-" },
        { "/meta/kind", { NULL }, "{\"meta\":{\"kind\":\"\\u006b\"}}", "k" },
        { "\"a.b\"", { NULL }, "{\"a.b\":\"k\"}", "k" },
        { "$kafka.headers.kind", { "kind=k" }, "{}", "k" },
        { "$kafka.headers.kind", { "kind=k" }, NULL, "k" },
        { "$kafka.topic", { NULL }, "{}", "raw" },
        { "$kafka.partition", { NULL }, "{}", "-" },
        /* structured by the body */
        { "kind", { NULL }, "{\"specversion\":\"1.0\",\"type\":\"a\",\"kind\":\"k\"}", "a" },
        { "kind", { NULL }, "{\"specversion\":\"1.0\",\"kind\":\"k\"}", "-" },
        { "kind", { NULL }, "{\"specversion\":1.0,\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { NULL }, "{\"specversion\":[\"1.0\"],\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { NULL }, "{\"data\":{\"specversion\":\"1.0\"},\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { NULL }, "{\"specversion\":\"1.0\",\"specversion\":1,\"type\":\"a\",\"kind\":\"k\"}", "k" },
        /* structured by the header */
        { "kind", { CE }, "{\"type\":\"a\",\"kind\":\"k\"}", "a" },
        { "kind", { CE "; charset=utf-8" }, "{\"type\":\"a\",\"kind\":\"k\"}", "a" },
        { "kind", { "content-type=Application/CloudEvents+JSON ;x" }, "{\"type\":\"a\",\"kind\":\"k\"}", "a" },
        { "kind", { CE "x" }, "{\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { "content-type=application/json" }, "{\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { CE, "content-type=application/json" }, "{\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { CE, "content-type" }, "{\"type\":\"a\",\"kind\":\"k\"}", "k" },
        { "kind", { CE, "ce_specversion=1.0", "ce_type=b" }, "{\"type\":\"a\",\"kind\":\"k\"}", "a" },
        /* binary */
        { "type", { "ce_specversion=1.0", "ce_type=b" }, "{\"type\":\"a\"}", "b" },
        { "type", { "ce_specversion=1.0", "ce_type=b" }, "{\"type\":\"a\",\"specversion\":\"1.0\"}", "b" },
        { "type", { "ce_specversion=1.0", "ce_type=b", "ce_type=c" }, "{}", "c" },
        { "type", { "ce_specversion=1.0", "ce_type=b", "ce_type" }, "{}", "-" },
        { "type", { "ce_specversion=1.0", "ce_type=\xFF" }, "{}", "-" },
        { "type", { "ce_specversion=1.0" }, "{\"type\":\"a\"}", "-" },
        { "type", { "ce_specversion", "ce_type=b" }, "{\"type\":\"a\"}", "a" },
        { "type", { "ce_type=b" }, "{\"type\":\"a\"}", "a" },
        { "type", { "CE_specversion=1.0", "CE_type=b" }, "{\"type\":\"a\"}", "a" },
        { "type", { "ce_specversion=1.0", "ce_type=b", "content-type=text/plain" }, "hello", "E101@0" },
        { "type", { "ce_specversion=1.0", "ce_type=b" }, "[1]", "E120@0" },
        /* tombstones */
        { "type", { "ce_specversion=1.0", "ce_type=b" }, NULL, "b" },
        { "type", { "ce_specversion=1.0" }, NULL, "-" },
        { "type", { "ce_type=b" }, NULL, "-" },
        { "type", { NULL }, NULL, "-" },
        { "type", { NULL }, "", "E108@0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_ruleset_options options = er_ruleset_default_options();
        struct er_header headers[4];
        struct er_record record = record_of(rows[i].value);
        const char *got;

        options.type_path = er_str_of(rows[i].type_path);
        struct er_ruleset *ruleset = ruleset_with(&options);
        struct er_matcher *matcher = matcher_new(ruleset);
        record.topic = ER_STR("raw");
        record.partition = 3;
        record.headers = headers;
        record.n_headers = headers_of(rows[i].headers, headers);
        got = type_of(matcher, &record);
        if (strcmp(got, rows[i].type) != 0) {
            fail_msg("row %zu: %s gives type %s, expected %s", i, rows[i].value == NULL ? "tombstone" : rows[i].value, got,
                     rows[i].type);
        }
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

/* One regex entry against a record with an envelope. */
static void envelope_and_attributes_are_fields(void **state)
{
    static const struct {
        const char *path, *regex;
        const char *headers[5];
        const char *value;
        bool accepts;
    } rows[] = {
        { "$kafka.topic", "^raw$", { NULL }, "{}", true },
        { "$kafka.partition", "^3$", { NULL }, "{}", true },
        { "$kafka.timestamp", "^1700000000123$", { NULL }, "{}", true },
        { "$kafka.key", "^k1$", { NULL }, "{}", true },
        { "$kafka.key", "^k1$", { NULL }, NULL, true },
        { "$kafka.headers.h", "^v$", { "h=v" }, "{}", true },
        { "$kafka.headers.h", "^v$", { "h=v" }, NULL, true },
        { "$kafka.headers.h", "^v$", { "H=v" }, "{}", false },
        { "$kafka.headers.h", "^v$", { "h=v", "h=w" }, "{}", false },
        { "$kafka.headers.h", "^w$", { "h=v", "h=w" }, "{}", true },
        { "$kafka.headers.h", "", { "h=" }, "{}", true },
        { "$kafka.headers.h", "", { "h" }, "{}", false },
        { "$kafka.headers.h", "", { "h=v", "h" }, "{}", false },
        { "$kafka.headers.h", "", { "h=\xC3" }, "{}", false },
        { "$kafka.headers.\"a.b\"", "v", { "a.b=v" }, "{}", true },
        { "$kafka.headers.ce_type", "^b$", { "ce_specversion=1.0", "ce_type=b" }, "{}", true },
        /* binary: attributes at the top level, the value under data */
        { "source", "^/s$", { "ce_specversion=1.0", "ce_source=/s" }, "{\"source\":\"/t\"}", true },
        { "data.source", "^/t$", { "ce_specversion=1.0", "ce_source=/s" }, "{\"source\":\"/t\"}", true },
        { "source", "^/t$", { "ce_specversion=1.0" }, "{\"source\":\"/t\"}", false },
        { "source", "^/u$", { "ce_specversion=1.0", "ce_source=/s", "ce_source=/u" }, "{}", true },
        { "source", "^/s$", { "ce_specversion=1.0", "ce_source=/s", "ce_source=\xFF" }, "{}", false },
        { "specversion", "^1", { "ce_specversion=1.0" }, "{}", true },
        { "data.a.b", "^x$", { "ce_specversion=1.0" }, "{\"a\":[{\"b\":\"x\"}]}", true },
        { "data", "x", { "ce_specversion=1.0", "ce_data=x" }, "{}", false },
        { "source", "s", { "ce_specversion=1.0", "ce_source=/s" }, NULL, false },
        { "source", "s", { "ce_source=/s" }, "{}", false },
        /* structured: payload under data as it is */
        { "data.a", "^1$", { CE }, "{\"data\":{\"a\":1}}", true },
        { "source", "^/b$", { CE, "ce_specversion=1.0", "ce_source=/s" }, "{\"source\":\"/b\"}", true },
        { "a", "x", { NULL }, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_ruleset *ruleset = ruleset_new();
        struct er_matcher *matcher = matcher_new(ruleset);
        struct er_header headers[5];
        struct er_record record = record_of(rows[i].value);
        struct er_buf buf = { 0 };
        struct er_json_writer w;
        char *document;
        const char *got;

        er_jw_init(&w, &buf);
        er_jw_object(&w);
        er_jw_key(&w, ER_STR("regex"));
        er_jw_object(&w);
        er_jw_member_string(&w, rows[i].path, er_str_of(rows[i].regex));
        er_jw_end(&w);
        er_jw_end(&w);
        document = er_buf_take(&buf);
        change(ruleset, 1, (const char *[]){ document, NULL }, NULL);
        record.topic = ER_STR("raw");
        record.partition = 3;
        record.timestamp_ms = 1700000000123;
        record.key = ER_STR("k1");
        record.has_key = true;
        record.headers = headers;
        record.n_headers = headers_of(rows[i].headers, headers);
        got = match_record(matcher, &record);
        if (strcmp(got, rows[i].accepts ? "s=r" : "") != 0) {
            fail_msg("row %zu: %s gives \"%s\"", i, document, got);
        }
        free(document);
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

static void absent_envelope_parts_are_absent(void **state)
{
    static const char *const documents[] = { "{\"id\":\"t\",\"regex\":{\"$kafka.topic\":\"\"}}",
                                             "{\"id\":\"p\",\"regex\":{\"$kafka.partition\":\"\"}}",
                                             "{\"id\":\"k\",\"regex\":{\"$kafka.key\":\"\"}}",
                                             "{\"id\":\"m\",\"regex\":{\"$kafka.timestamp\":\"\"}}", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record record = record_of("{\"$kafka\":{\"topic\":\"x\",\"key\":\"x\"}}");

    (void)state;
    change(ruleset, 1, documents, NULL);
    assert_string_equal(match_record(matcher, &record), "");
    record.has_key = true; /* an empty key is a key */
    assert_string_equal(match_record(matcher, &record), "s=k");
    record.key = ER_STR("\xE2\x82");
    record.partition = 0;
    record.timestamp_ms = 0;
    record.topic = ER_STR("r");
    assert_string_equal(match_record(matcher, &record), "s=m,p,t");
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Attributes and the envelope are top level; the value of a binary event is an object under `data`. */
static void values_stand_in_objects_in_every_form(void **state)
{
    static const char *const documents[] = { "{\"regex\":{\"$kafka.topic\":\"\",\"$kafka.headers.h\":\"\",\"source\":\"\","
                                             "\"data.i.s\":\"\",\"i.s\":\"\"}}",
                                             NULL };
    static const struct {
        const char *headers[4];
        const char *value, *fields;
    } rows[] = {
        { { NULL }, "{\"i\":[{\"s\":1}],\"source\":{}}", "0:#2.s 1:i.o* 2:s.n*^1 3:source.o structured" },
        { { "h=v", "ce_source=x" }, "{\"data\":{\"i\":[]}}", "0:#2.s 1:h.s 2:data.o 3:i.-^2 structured" },
        { { "ce_specversion=1.0", "ce_source=x", "h=v" },
          "{\"i\":[{\"s\":\"A\"},{\"s\":null}],\"data\":1}",
          "0:#2.s 1:h.s 2:source.s 3:specversion.s 4:data.o 5:i.o*^4 6:s.s*^5 7:i.o*^4 8:s.z*^7 structured" },
        { { "ce_specversion=1.0" }, "{\"i\":{\"s\":[]},\"i\":{\"s\":2}}", "0:#2.s 1:specversion.s 2:data.o 5:i.o^2 6:s.n^5" },
        { { "ce_specversion=1.0", "ce_type=t" }, NULL, "0:#2.s 1:#1.s" },
        { { CE },
          "{\"type\":\"t\",\"source\":\"x\",\"data\":[{\"i\":{\"s\":1}}]}",
          "0:#2.s 1:type.s 2:source.s 3:data.o* 4:i.o*^3 5:s.n*^4 6:#1.s structured" },
    };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);

    (void)state;
    change(ruleset, 1, documents, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct er_record record = record_of(rows[i].value);
        struct er_header headers[4];
        const struct er_fields *fields;
        struct er_match match;
        struct er_err err;

        record.topic = ER_STR("raw");
        record.headers = headers;
        record.n_headers = headers_of(rows[i].headers, headers);
        er_matcher_pin(matcher);
        assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
        fields = &er_matcher_reading(matcher, 0)->event.fields;
        if (strcmp(fields_text(fields, matcher->side->catalog), rows[i].fields) != 0) {
            fail_msg("row %zu gives \"%s\"", i, fields_text(fields, matcher->side->catalog));
        }
        assert_lists(fields);
        er_matcher_unpin(matcher);
    }
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void limits_and_duplicates(void **state)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_record record = record_of("{\"a\":1,\"b\":{\"c\":1,\"c\":1}}");
    struct er_match match;
    struct er_err err;

    (void)state;
    options.max_bytes = record.value.n;
    options.max_depth = 2;
    for (unsigned round = 0; round < 4; round++) {
        static const char *const expected[] = { "", "E121@24", "E103@11", "E122@18" };
        struct er_ruleset *ruleset;
        struct er_matcher *matcher;

        options.max_bytes = record.value.n - (round == 1);
        options.max_depth = round == 2 ? 1 : 2;
        options.reject_duplicate_keys = round == 3;
        ruleset = ruleset_with(&options);
        matcher = matcher_new(ruleset);
        assert_string_equal(match_record(matcher, &record), expected[round]);
        if (round == 0) {
            er_matcher_pin(matcher);
            assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
            assert_int_equal(match.duplicate_keys, 1);
            er_matcher_unpin(matcher);
        }
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

static void type_path_must_parse(void **state)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_ruleset *ruleset;
    struct er_err err;

    (void)state;
    options.type_path = ER_STR("a..b");
    assert_int_equal(er_ruleset_new(&options, &ruleset, &err), ER_E_PATH_SYNTAX);
    assert_null(ruleset);
}

static void last_header_counts(void **state)
{
    const struct er_header headers[] = { { .name = ER_STR("a"), .value = ER_STR("1") },
                                         { .name = ER_STR("b"), .value = ER_STR("2") },
                                         { .name = ER_STR("a"), .value = ER_STR("3") } };
    const struct er_record record = { .headers = headers, .n_headers = 3 };

    (void)state;
    assert_ptr_equal(er_record_header(&record, ER_STR("a")), &headers[2]);
    assert_ptr_equal(er_record_header(&record, ER_STR("b")), &headers[1]);
    assert_null(er_record_header(&record, ER_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_depends_on_the_form),
        cmocka_unit_test(envelope_and_attributes_are_fields),
        cmocka_unit_test(absent_envelope_parts_are_absent),
        cmocka_unit_test(values_stand_in_objects_in_every_form),
        cmocka_unit_test(limits_and_duplicates),
        cmocka_unit_test(type_path_must_parse),
        cmocka_unit_test(last_header_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
