/* The configuration read again while the router runs. */
#include "router/reload.h"

#include <unistd.h>
#include "tests/unit/test.h"

struct fixture {
    char file[64];
    struct er_config_input input;
    struct er_config *config;
    struct er_log *log;
    char text[4096]; /* the answer, or the errors */
};

static void write_file(struct fixture *f, const char *content)
{
    FILE *file = fopen(f->file, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char before[] = "[router]\nworkers = 2\n[log]\nlevel = warn\n[kafka]\nsasl.password = old\nclient.id = a\n";

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct er_buf errors = { 0 };
    int fd;

    assert_non_null(f);
    strcpy(f->file, "/tmp/er-reload-XXXXXX");
    fd = mkstemp(f->file);
    assert_true(fd >= 0);
    (void)close(fd);
    write_file(f, before);
    f->input = (struct er_config_input){ .file = f->file };
    assert_int_equal(er_config_load(&f->input, &f->config, &errors), ER_OK);
    f->log = er_log_new(STDERR_FILENO, f->config->log_level, ER_LOG_LOGFMT);
    assert_non_null(f->log);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    er_log_free(f->log);
    er_config_free(f->config);
    (void)unlink(f->file);
    free(f);
    return 0;
}

static enum er_code reload(struct fixture *f, const char *content, bool dry_run)
{
    const struct er_reload how = { &f->input, f->config, f->log, dry_run };
    struct er_buf answer = { 0 }, errors = { 0 };
    struct er_json_writer w;
    enum er_code code;

    write_file(f, content);
    er_jw_init(&w, &answer);
    er_jw_object(&w);
    code = er_reload(&how, &w, &errors);
    if (code == ER_OK)
        er_jw_end(&w);
    snprintf(f->text, sizeof f->text, "%.*s", ER_STR_ARG(er_buf_str(code == ER_OK ? &answer : &errors)));
    er_buf_free(&answer);
    er_buf_free(&errors);
    return code;
}

static void test_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(reload(f, before, false), ER_OK);
    assert_string_equal(f->text, "{\"applied\":[],\"restart\":[]}");
}

/* What can change does; the rest is named, and named again, because the running configuration stays what it is. */
static void test_changes(void **state)
{
    static const char after[] =
        "[router]\nworkers = 3\n[log]\nlevel = debug\n[kafka]\nsasl.password = new\nsocket.timeout.ms = 5000\n";
    static const char restart[] = "\"restart\":[{\"key\":\"router.workers\",\"from\":\"2\",\"to\":\"3\"},"
                                  "{\"key\":\"kafka.socket.timeout.ms\",\"from\":null,\"to\":\"5000\"},"
                                  "{\"key\":\"kafka.client.id\",\"from\":\"a\",\"to\":null}]}";
    struct fixture *f = *state;

    assert_int_equal(reload(f, after, true), ER_OK);
    assert_non_null(strstr(f->text, "{\"applied\":[{\"key\":\"log.level\",\"from\":\"warn\",\"to\":\"debug\"}],"));
    assert_non_null(strstr(f->text, restart));
    assert_int_equal(er_log_level(f->log), ER_LOG_WARN);
    assert_int_equal(reload(f, after, false), ER_OK);
    assert_int_equal(er_log_level(f->log), ER_LOG_DEBUG);
    assert_int_equal(reload(f, after, false), ER_OK);
    assert_non_null(strstr(f->text, "{\"applied\":[],"));
    assert_non_null(strstr(f->text, restart));
    assert_null(strstr(f->text, "new"));
    assert_int_equal(f->config->workers, 2);
    assert_int_equal(reload(f, before, false), ER_OK); /* back again */
    assert_int_equal(er_log_level(f->log), ER_LOG_WARN);
}

static void test_errors(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(reload(f, "[log]\nlevel = loud\n[router]\nwrokers = 1\n[kafka]\nno.such = 1\n", false),
                     ER_E_CONFIG_UNKNOWN_KEY);
    assert_non_null(strstr(f->text, "wrokers"));
    assert_non_null(strstr(f->text, "loud"));
    assert_non_null(strstr(f->text, "no.such"));
    assert_int_equal(er_log_level(f->log), ER_LOG_WARN);
    (void)unlink(f->file);
    f->input.file = "/nowhere/er.ini";
    write_file(f, before);
    assert_int_not_equal(reload(f, before, false), ER_OK);
    assert_int_equal(er_log_level(f->log), ER_LOG_WARN);
}

static void test_shown(void **state)
{
    struct fixture *f = *state;
    struct er_buf out = { 0 };
    struct er_json_writer w;

    er_log_set_level(f->log, ER_LOG_ERROR);
    er_jw_init(&w, &out);
    er_jw_object(&w);
    er_config_write(f->config, f->log, &w);
    er_jw_end(&w);
    er_buf_addc(&out, '\0');
    assert_non_null(strstr(
        out.p, "{\"log_level\":\"error\",\"items\":[{\"key\":\"router.group\",\"value\":\"eventrouter\",\"origin\":\"default\"}"));
    assert_non_null(strstr(out.p, "{\"key\":\"kafka.sasl.password\",\"value\":\"****\",\"origin\":\"/tmp/er-reload-"));
    assert_null(strstr(out.p, "old"));
    er_buf_free(&out);
}

static void test_names(void **state)
{
    enum er_log_level level = ER_LOG_ERROR;

    (void)state;
    assert_true(er_log_level_read(ER_STR("debug"), &level));
    assert_int_equal(level, ER_LOG_DEBUG);
    assert_string_equal(er_log_level_name(ER_LOG_WARN), "warn");
    assert_false(er_log_level_read(ER_STR("Debug"), &level));
    assert_false(er_log_level_read(ER_STR(""), &level));
}

#define RELOAD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELOAD_TEST(test_nothing), RELOAD_TEST(test_changes),    RELOAD_TEST(test_errors),
        RELOAD_TEST(test_shown),   cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
