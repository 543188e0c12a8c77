/* Configurations and what is said about them: each tests/golden/config/NAME.txt is one case,
 *
 *   -o ...        any number of overrides ("-o ") and variables ("-e ")
 *   ...           the file er.ini, up to
 *   ----          what follows is expected: all errors, or else all values that are not defaults
 *
 * ER_GOLDEN_UPDATE=1 writes the expectations anew. Also here: the manual page and the sample file against the table of options. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <unistd.h>
#include "router/config.h"
#include "router/option.h"

#define CASES "tests/golden/config"
#define MARK "----\n"
#define LINES_MAX 16

static char *read_text(const char *path)
{
    struct er_buf text = { 0 };
    FILE *file = fopen(path, "r");
    char chunk[4096];
    size_t n;

    if (file == NULL)
        fail_msg("%s cannot be opened; run the test in the top directory", path);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        er_buf_add(&text, (struct er_str){ chunk, n });
    (void)fclose(file);
    er_buf_addc(&text, '\0');
    return er_buf_take(&text);
}

static void write_text(const char *path, struct er_str text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    assert_int_equal(fclose(file), 0);
}

/* Lines that end with "; default" are the same in every case. */
static void without_defaults(const struct er_buf *printed, struct er_buf *out)
{
    static const char end[] = "  ; default";
    const char *p = printed->p;

    while (p < printed->p + printed->n) {
        size_t n = strcspn(p, "\n");

        if (n < sizeof end - 1 || memcmp(p + n - (sizeof end - 1), end, sizeof end - 1) != 0)
            er_buf_add(out, (struct er_str){ p, n + 1 });
        p += n + 1;
    }
}

/* text is cut into lines in place. file is relative, so that its name in the output is the same everywhere. */
static void answer(char *text, const char *file, struct er_buf *out)
{
    const char *overrides[LINES_MAX];
    char *variables[LINES_MAX + 1] = { NULL };
    struct er_config_input input = { .file = file, .overrides = overrides, .environment = variables };
    struct er_config *config = NULL;
    struct er_buf printed = { 0 };
    size_t n_variables = 0;

    while (strncmp(text, "-o ", 3) == 0 || strncmp(text, "-e ", 3) == 0) {
        char *end = strchr(text, '\n');

        *end = '\0';
        if (text[1] == 'o')
            overrides[input.n_overrides++] = text + 3;
        else
            variables[n_variables++] = text + 3;
        text = end + 1;
    }
    write_text(file, er_str_of(text));
    if (er_config_load(&input, &config, out) == ER_OK) {
        er_config_print(config, &printed);
        er_buf_addc(&printed, '\0');
        printed.n--;
        without_defaults(&printed, out);
    }
    er_config_free(config);
    er_buf_free(&printed);
}

static bool check_case(const char *path, const char *directory)
{
    char *text = read_text(path);
    char *mark = strstr(text, "\n" MARK);
    char *given = mark == NULL ? NULL : strndup(text, (size_t)(mark + 1 - text));
    char cwd[4096];
    struct er_buf out = { 0 };
    bool same;

    if (mark == NULL)
        fail_msg("%s has no line ----", path);
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(directory), 0);
    answer(given, "er.ini", &out);
    (void)unlink("er.ini");
    assert_int_equal(chdir(cwd), 0);
    er_buf_addc(&out, '\0');
    same = strcmp(mark + 1 + sizeof MARK - 1, out.p) == 0;
    if (!same && getenv("ER_GOLDEN_UPDATE") != NULL) {
        struct er_buf whole = { 0 };

        er_buf_add(&whole, (struct er_str){ text, (size_t)(mark + 1 - text) + sizeof MARK - 1 });
        er_buf_add(&whole, er_str_of(out.p));
        write_text(path, er_buf_str(&whole));
        er_buf_free(&whole);
        same = true;
    }
    if (!same)
        print_error("%s: expected\n%s\ngot\n%s\n", path, mark + 1 + sizeof MARK - 1, out.p);
    er_buf_free(&out);
    free(given);
    free(text);
    return same;
}

static void test_cases(void **state)
{
    char temporary[] = "/tmp/er-golden-config-XXXXXX";
    DIR *directory = opendir(CASES);
    struct dirent *entry;
    char path[512];
    size_t cases = 0, failed = 0;

    (void)state;
    assert_non_null(directory);
    assert_non_null(mkdtemp(temporary));
    while ((entry = readdir(directory)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot == NULL || strcmp(dot, ".txt") != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", CASES, entry->d_name);
        cases++;
        failed += check_case(path, temporary) ? 0 : 1;
    }
    (void)closedir(directory);
    (void)rmdir(temporary);
    assert_true(cases > 0);
    assert_int_equal(failed, 0);
}

/* A row as the manual page must have it: the key, the default, each sentence on a line. */
static void manual_block(const struct er_option *option, struct er_buf *out)
{
    er_buf_printf(out, "\n.It Cm %s No =%s%s\n", option->key, option->fallback[0] == '\0' ? "" : " ", option->fallback);
    for (const char *p = option->text; *p != '\0';) {
        const char *end = strstr(p, ". ");
        size_t n = end == NULL ? strlen(p) : (size_t)(end + 1 - p);

        er_buf_add(out, (struct er_str){ p, n });
        er_buf_addc(out, '\n');
        p += n + (end == NULL ? 0 : 1);
    }
    if (option->words != NULL) {
        er_buf_add(out, ER_STR("One of: "));
        for (const char *p = option->words; *p != '\0'; p++)
            er_buf_add(out, *p == ' ' ? ER_STR(", ") : (struct er_str){ p, 1 });
        er_buf_add(out, ER_STR(".\n"));
    }
    er_buf_addc(out, '\0');
}

static void test_manual_page(void **state)
{
    char *page = read_text("router/eventrouter.ini.5");
    size_t n = 0;
    const struct er_option *options = er_options(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct er_buf block = { 0 };
        char heading[64];
        const char *section, *next;
        const char *found;

        (void)snprintf(heading, sizeof heading, "\n.Ss [%s]\n", options[i].section);
        section = strstr(page, heading);
        assert_non_null(section);
        next = strstr(section + 1, "\n.Ss ");
        manual_block(&options[i], &block);
        found = strstr(section, block.p);
        if (found == NULL || found > next)
            fail_msg("eventrouter.ini.5 lacks in [%s]:%s", options[i].section, block.p);
        er_buf_free(&block);
    }
    free(page);
}

/* The sample names every key, with its default. */
static void test_sample_file(void **state)
{
    struct er_config_input input = { .file = "packaging/eventrouter.ini" };
    struct er_config *config = NULL;
    struct er_buf errors = { 0 }, printed = { 0 };
    size_t n = 0;
    const struct er_option *options = er_options(&n);

    (void)state;
    assert_int_equal(er_config_load(&input, &config, &errors), ER_OK);
    er_config_print(config, &printed);
    er_buf_addc(&printed, '\0');
    for (size_t i = 0; i < n; i++) {
        char line[512];

        (void)snprintf(line, sizeof line, "%s.%s = %s  ; packaging/eventrouter.ini:", options[i].section, options[i].key,
                       options[i].fallback);
        if (strstr(printed.p, line) == NULL)
            fail_msg("packaging/eventrouter.ini lacks %s.%s or has another value", options[i].section, options[i].key);
    }
    assert_non_null(strstr(printed.p, "kafka.bootstrap.servers = localhost:9092  ; packaging/eventrouter.ini:"));
    er_buf_free(&printed);
    er_buf_free(&errors);
    er_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases), cmocka_unit_test(test_manual_page),
                                        cmocka_unit_test(test_sample_file) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
