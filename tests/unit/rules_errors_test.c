/* schemas/errors.json documents exactly the rows of rules/base/errors.def, in the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rules/base/json.h"

static const unsigned char document[] = {
#include "schemas/errors.json.inc"
};

static struct er_str member(const struct er_json *row, const char *key)
{
    const struct er_json *value = er_json_member(row, er_str_of(key));

    assert_non_null(value);
    return value->text;
}

static void assert_text(struct er_str actual, const char *expected)
{
    if (!er_str_eq(actual, er_str_of(expected))) {
        fail_msg("schemas/errors.json says \"%.*s\", rules/base/errors.def says \"%s\"", ER_STR_ARG(actual), expected);
    }
}

static void test_rows_agree(void **state)
{
    static const char *const symbols[] = {
#define ER_ERROR(symbol, number, http_status, title) #symbol,
#include "rules/base/errors.def"
#undef ER_ERROR
    };
    struct er_arena *arena = er_arena_new(0);
    struct er_json *rows;
    struct er_err err;
    int code = ER_OK;

    (void)state;
    assert_non_null(arena);
    assert_int_equal(er_json_parse(arena, (struct er_str){ (const char *)document, sizeof document }, 8, &rows, &err), ER_OK);
    assert_int_equal(rows->n, ER_CODE_COUNT - 1);
    for (const struct er_json *row = rows->first; row != NULL; row = row->next) {
        char status[8];

        code++;
        (void)snprintf(status, sizeof status, "%d", er_code_http_status((enum er_code)code));
        assert_text(member(row, "symbol"), symbols[code - 1]);
        assert_text(member(row, "code"), er_code_name((enum er_code)code));
        assert_text(member(row, "title"), er_code_title((enum er_code)code));
        assert_text(member(row, "status"), status);
        assert_true(member(row, "meaning").n > 0 && member(row, "action").n > 0);
    }
    er_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows_agree) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
