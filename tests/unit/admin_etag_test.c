#include "admin/etag.h"
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

static enum er_code read_tags(void **state, const char *value, struct er_etag_list *out)
{
    struct er_http_field field = { ER_STR("if-match"), er_str_of(value) };
    struct er_http_request request = { .fields = &field, .n_fields = 1 };
    struct er_err err;

    return er_etag_read(*state, &request, "If-Match", out, &err);
}

static void reads_lists_of_tags(void **state)
{
    struct er_etag_list list;

    assert_int_equal(read_tags(state, "\"rev-7\"", &list), ER_OK);
    assert_true(list.given && !list.any && list.n == 1 && list.strong[0] == 7);
    assert_int_equal(read_tags(state, " , \"rev-7\" ,W/\"rev-8\",\"other, with comma\",\"rev-0\", ", &list), ER_OK);
    assert_true(list.n == 2 && list.strong[1] == 0 && list.n_weak == 1 && list.weak[0] == 8);
    assert_int_equal(read_tags(state, "*", &list), ER_OK);
    assert_true(list.any && list.n == 0);
}

static void other_tags_match_nothing(void **state)
{
    static const char *const rows[] = { "\"\"",       "\"rev-\"",  "\"rev-x\"",  "\"rev-07\"",
                                        "\"rev--7\"", "\"REV-7\"", "\"rev-7 \"", "\"rev-99999999999999999999\"" };
    struct er_etag_list list;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(read_tags(state, rows[i], &list), ER_OK);
        assert_true(list.given && list.n == 0);
        assert_false(er_etag_matches(&list, 7, true));
    }
}

static void refuses_what_is_no_list(void **state)
{
    static const char *const rows[] = { "rev-7",        "",    ",",           "\"rev-7", "\"rev-7\" \"rev-8\"",
                                        "*, \"rev-7\"", "* *", "w/\"rev-7\"", "'rev-7'" };
    struct er_etag_list list;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(read_tags(state, rows[i], &list), ER_E_REQUEST);
    }
}

static void the_number_of_tags_is_bounded(void **state)
{
    static char text[8192];
    struct er_etag_list list;

    for (size_t i = 0; i < sizeof text - 4; i += 3) {
        memcpy(text + i, "\"\",", 3);
    }
    assert_int_equal(read_tags(state, text, &list), ER_E_REQUEST);
}

static void compares_strongly_and_weakly(void **state)
{
    struct er_etag_list list;

    assert_int_equal(read_tags(state, "W/\"rev-7\", \"rev-9\"", &list), ER_OK);
    assert_true(er_etag_matches(&list, 9, false));
    assert_false(er_etag_matches(&list, 7, false));
    assert_true(er_etag_matches(&list, 7, true));
    assert_false(er_etag_matches(&list, 8, true));
}

static void lines_of_one_header_are_one_list(void **state)
{
    struct er_http_field fields[] = { { ER_STR("If-Match"), ER_STR("\"rev-1\"") }, { ER_STR("IF-MATCH"), ER_STR("\"rev-2\"") } };
    struct er_http_request request = { .fields = fields, .n_fields = 2 };
    struct er_precondition precondition;
    struct er_err err;

    assert_int_equal(er_etag_precondition(*state, &request, &precondition, &err), ER_OK);
    assert_true(precondition.if_match && !precondition.if_match_any && !precondition.if_none_match_any);
    assert_int_equal(precondition.n_match, 2);
    fields[1].name = ER_STR("If-None-Match");
    assert_int_equal(er_etag_precondition(*state, &request, &precondition, &err), ER_E_REQUEST);
    fields[1].value = ER_STR("*");
    assert_int_equal(er_etag_precondition(*state, &request, &precondition, &err), ER_OK);
    assert_true(precondition.if_none_match_any && precondition.if_match && precondition.n_match == 1);
}

static void page_tokens_come_back(void **state)
{
    struct er_str token = er_page_token(*state, 'r', ER_STR("sales-fr_1.x")), after;
    struct er_err err;

    assert_non_null(token.p);
    assert_int_equal(er_page_read(*state, 'r', token, &after, &err), ER_OK);
    assert_string_equal(after.p, "sales-fr_1.x");
    assert_int_equal(er_page_read(*state, 's', token, &after, &err), ER_E_REQUEST);
}

static void foreign_page_tokens_are_refused(void **state)
{
    static const char *const rows[] = { "x",      "garbage!", "00", "0000000000",
                                        "317261", "31726161", "a",  "317261616161616161616161616161616100" };
    struct er_str token = er_page_token(*state, 'r', ER_STR("a")), after;
    char changed[32];
    struct er_err err;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(er_page_read(*state, 'r', er_str_of(rows[i]), &after, &err), ER_E_REQUEST);
    }
    for (size_t i = 0; i < token.n; i++) {
        memcpy(changed, token.p, token.n);
        changed[i] = changed[i] == '0' ? '1' : '0';
        assert_int_equal(er_page_read(*state, 'r', (struct er_str){ changed, token.n }, &after, &err), ER_E_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_lists_of_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(other_tags_match_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_list, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_tags_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(compares_strongly_and_weakly, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_of_one_header_are_one_list, setup, teardown),
        cmocka_unit_test_setup_teardown(page_tokens_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_page_tokens_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
