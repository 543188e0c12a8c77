/* Subscription documents and what is said about them: each tests/golden/rules/NAME.json is one document as sent, NAME.txt what is
 * expected of it: one line per problem and per warning,
 *
 *     error E301 /regex/a 5: the detail | the hint
 *
 * and for an accepted document its canonical text. ER_GOLDEN_UPDATE=1 writes the expectations anew. */
#include "tests/unit/test.h"

#include <dirent.h>
#include "rules/language/rule.h"

#define CASES "tests/golden/rules"

static struct er_str read_bytes(const char *path, struct er_arena *arena)
{
    struct er_buf text = { 0 };
    FILE *file = fopen(path, "r");
    struct er_str copy;
    int c;

    while (file != NULL && (c = getc(file)) != EOF) {
        er_buf_addc(&text, (char)c);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    copy = er_arena_dup(arena, er_buf_str(&text));
    er_buf_free(&text);
    return copy;
}

/* Without the words of PCRE2, which change from version to version. */
static size_t detail_length(const struct er_problem *problem)
{
    const char *message = strstr(problem->detail.p, ": ");

    return problem->code == ER_E_REGEX_COMPILE && message != NULL ? (size_t)(message - problem->detail.p) : problem->detail.n;
}

static void add_problems(struct er_buf *out, const char *kind, const struct er_problems *problems)
{
    for (const struct er_problem *problem = problems->first; problem != NULL; problem = problem->next) {
        er_buf_printf(out, "%s %s %.*s", kind, er_code_name(problem->code), ER_STR_ARG(problem->pointer));
        if (problem->offset != ER_NO_OFFSET) {
            er_buf_printf(out, " %zu", problem->offset);
        }
        er_buf_printf(out, ": %.*s", (int)detail_length(problem), problem->detail.p);
        if (problem->hint.n > 0) {
            er_buf_printf(out, " | %.*s", ER_STR_ARG(problem->hint));
        }
        er_buf_addc(out, '\n');
    }
}

static void add_rule(struct er_buf *out, const struct er_rule *rule)
{
    struct er_json_writer w;

    er_jw_init(&w, out);
    er_jw_object(&w);
    er_rule_write_members(rule, &w);
    er_jw_end(&w);
    er_buf_addc(out, '\n');
}

static void answer(struct er_arena *arena, struct er_str text, struct er_buf *out)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document_bytes = text.n };
    struct er_problems problems, warnings;
    struct er_json *document;
    struct er_rule *rule = NULL;
    struct er_err err;
    enum er_code code = er_json_parse(arena, text, limits.max_depth, &document, &err);

    if (code != ER_OK) {
        er_buf_printf(out, "error %s: %s\n", er_code_name(code), err.text);
        return;
    }
    source.document = document;
    er_problems_init(&problems, arena);
    er_problems_init(&warnings, arena);
    code = er_rule_read(&source, &limits, &rule, &problems, &warnings);
    assert_int_equal(code == ER_OK, problems.n == 0);
    assert_int_equal(code == ER_OK, rule != NULL);
    assert_true(code == ER_OK || problems.first->code == code);
    add_problems(out, "error", &problems);
    add_problems(out, "warning", &warnings);
    if (rule != NULL) {
        add_rule(out, rule);
    }
    er_rule_unref(rule);
}

static bool check_case(const char *name)
{
    struct er_arena *arena = er_arena_new(0);
    struct er_str path = er_arena_printf(arena, "%s/%s", CASES, name);
    struct er_str expected_path = er_arena_printf(arena, "%.*s.txt", (int)path.n - 5, path.p);
    struct er_str expected = read_bytes(expected_path.p, arena);
    struct er_buf out = { 0 };
    bool same;

    answer(arena, read_bytes(path.p, arena), &out);
    same = er_str_eq(expected, er_buf_str(&out));
    if (!same && getenv("ER_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(expected_path.p, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(out.p, 1, out.n, file), out.n);
        assert_int_equal(fclose(file), 0);
        same = true;
    }
    if (!same) {
        print_error("%s: expected\n%.*s\ngot\n%.*s\n", name, ER_STR_ARG(expected), ER_STR_ARG(er_buf_str(&out)));
    }
    er_buf_free(&out);
    er_arena_free(arena);
    return same;
}

static void documents(void **state)
{
    DIR *directory = opendir(CASES);
    struct dirent *entry;
    size_t cases = 0, failed = 0;

    (void)state;
    if (directory == NULL) {
        fail_msg("%s cannot be opened; run the test in the top directory", CASES);
    }
    while ((entry = readdir(directory)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot != NULL && strcmp(dot, ".json") == 0) {
            cases++;
            failed += !check_case(entry->d_name);
        }
    }
    (void)closedir(directory);
    assert_true(cases > 40);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(documents) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
