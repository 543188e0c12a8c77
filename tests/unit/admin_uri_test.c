#include "admin/uri.h"
#include "tests/unit/test.h"

static int setup(void **state)
{
    *state = er_arena_new(0);
    return *state == NULL;
}

static int teardown(void **state)
{
    er_arena_free(*state);
    return 0;
}

static void decodes(void **state)
{
    static const struct {
        const char *text;
        bool plus;
        const char *wanted; /* NULL: refused */
    } rows[] = {
        { "", false, "" },
        { "abc", false, "abc" },
        { "a%20b", false, "a b" },
        { "a+b", false, "a+b" },
        { "a+b", true, "a b" },
        { "%2B", true, "+" },
        { "%c3%A4", false, "\xC3\xA4" },
        { "%2F", false, "/" },
        { "%", false, NULL },
        { "%4", false, NULL },
        { "%4g", false, NULL },
        { "%g4", false, NULL },
        { "%00", false, NULL },
        { "%FF", false, NULL },
        { "%%", false, NULL },
        { "%C0%AF", false, NULL },
        { "%ED%A0%80", false, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct er_err err;
        struct er_str out;
        enum er_code code = er_uri_decode(*state, er_str_of(rows[i].text), rows[i].plus, &out, &err);

        assert_int_equal(code, rows[i].wanted == NULL ? ER_E_REQUEST : ER_OK);
        if (rows[i].wanted != NULL) {
            assert_string_equal(out.p, rows[i].wanted);
            assert_int_equal(out.n, strlen(rows[i].wanted));
        }
    }
}

static const char *const names[] = { "subscriber", "limit", "verbose" };

static enum er_code query(void **state, const char *text, struct er_uri_param *params, struct er_err *err)
{
    return er_uri_query(*state, er_str_of(text), names, 3, params, err);
}

static void reads_a_query(void **state)
{
    struct er_uri_param params[3];
    struct er_err err;

    assert_int_equal(query(state, "", params, &err), ER_OK);
    assert_false(params[0].given || params[1].given || params[2].given);
    assert_int_equal(query(state, "verbose&&subscriber=a%26b=c&limit=", params, &err), ER_OK);
    assert_true(params[2].given);
    assert_null(params[2].value.p);
    assert_string_equal(params[0].value.p, "a&b=c");
    assert_true(params[1].given);
    assert_non_null(params[1].value.p);
    assert_int_equal(params[1].value.n, 0);
}

static void refuses_a_bad_query(void **state)
{
    struct er_uri_param params[3];
    struct er_err err;

    assert_int_equal(query(state, "limt=1", params, &err), ER_E_REQUEST);
    assert_non_null(strstr(err.text, "did you mean \"limit\""));
    assert_int_equal(query(state, "zzzzzzzzz=1", params, &err), ER_E_REQUEST);
    assert_null(strstr(err.text, "did you mean"));
    assert_int_equal(query(state, "limit=1&limit=2", params, &err), ER_E_REQUEST);
    assert_non_null(strstr(err.text, "twice"));
    assert_int_equal(query(state, "limit=%", params, &err), ER_E_REQUEST);
    assert_int_equal(query(state, "%zz=1", params, &err), ER_E_REQUEST);
    assert_int_equal(query(state, "=1", params, &err), ER_E_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decodes, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_a_query, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_bad_query, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
