#include "tests/unit/test.h"

#include "router/command_line.h"

struct parsed {
    struct er_command_line line;
    struct er_buf errors;
    enum er_code code;
};

/* words: separated by one space. */
static void parse(struct parsed *p, const char *words)
{
    char copy[256];
    char *argv[16] = { copy };
    int argc = 1;
    char *save = NULL;

    memset(p, 0, sizeof *p);
    (void)snprintf(copy, sizeof copy, "eventrouterd %s", words);
    (void)strtok_r(copy, " ", &save);
    for (char *word = strtok_r(NULL, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    p->code = er_command_line_parse(argc, argv, &p->line, &p->errors);
    er_buf_addc(&p->errors, '\0');
}

static void release(struct parsed *p)
{
    er_command_line_fini(&p->line);
    er_buf_free(&p->errors);
}

static void test_nothing(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "");
    assert_int_equal(p.code, ER_OK);
    assert_int_equal(p.line.action, ER_ACTION_RUN);
    assert_null(p.line.file);
    assert_int_equal(p.line.n_overrides, 0);
    assert_false(p.line.demo);
    release(&p);
}

static void test_actions(void **state)
{
    static const struct {
        const char *words;
        enum er_action action;
    } rows[] = {
        { "--check-config", ER_ACTION_CHECK_CONFIG },
        { "--print-config", ER_ACTION_PRINT_CONFIG },
        { "--print-config --check-config", ER_ACTION_PRINT_CONFIG },
        { "--version", ER_ACTION_VERSION },
        { "--help --version", ER_ACTION_HELP },
        { "-h", ER_ACTION_HELP },
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse(&p, rows[i].words);
        assert_int_equal(p.code, ER_OK);
        assert_int_equal(p.line.action, rows[i].action);
        release(&p);
    }
}

static void test_values_apart_and_attached(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "-c a.ini -o x.y=1 -ox.z=2=3 --demo --demo-seconds 7");
    assert_int_equal(p.code, ER_OK);
    assert_int_equal(p.line.n_overrides, 2);
    assert_true(p.line.demo);
    assert_int_equal(p.line.demo_seconds, 7);
    release(&p);
    parse(&p, "-ca.ini --demo-seconds=864000 --demo");
    assert_int_equal(p.code, ER_OK);
    assert_int_equal(p.line.demo_seconds, 864000);
    release(&p);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *words;
        const char *error;
    } rows[] = {
        { "--chek-config", "unknown option --chek-config; did you mean --check-config?" },
        { "--zzz", "unknown option --zzz; see" },
        { "-x", "unknown option -x" },
        { "-", "unknown option -" },
        { "file", "unexpected argument \"file\"" },
        { "-c", "-c needs a value: FILE" },
        { "-c a -c b", "-c is given twice" },
        { "-o", "-o needs a value" },
        { "-o router.group", "-o router.group has no equals sign" },
        { "-o kafka.sasl.password:hunter2", "-o kafka.sasl.password has no equals sign" },
        { "--help=1", "--help takes no value" },
        { "-hx", "unknown option -hx" },
        { "--demo --demo-seconds 0", "from 1 to 864000" },
        { "--demo --demo-seconds 864001", "from 1 to 864000" },
        { "--demo --demo-seconds 99999999999999999999", "from 1 to 864000" },
        { "--demo --demo-seconds 1a", "from 1 to 864000" },
        { "--demo --demo-seconds -1", "from 1 to 864000" },
        { "--demo -o kafka.bootstrap.servers=x:1", "brings a Kafka of its own" },
        { "--demo-seconds 5", "goes with --demo" },
        { "--check-configs", "did you mean --check-config?" },
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse(&p, rows[i].words);
        if (p.code != ER_E_USAGE || strstr(p.errors.p, rows[i].error) == NULL)
            print_error("%s: %s\n", rows[i].words, p.errors.p);
        assert_int_equal(p.code, ER_E_USAGE);
        assert_non_null(strstr(p.errors.p, rows[i].error));
        assert_memory_equal(p.errors.p, "error[E800]: ", 13);
        release(&p);
    }
}

static void test_all_mistakes_at_once(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "--one -x two -c");
    assert_non_null(strstr(p.errors.p, "--one"));
    assert_non_null(strstr(p.errors.p, "-x"));
    assert_non_null(strstr(p.errors.p, "\"two\""));
    assert_non_null(strstr(p.errors.p, "-c needs"));
    release(&p);
}

static void test_help_names_every_option(void **state)
{
    static const char *const names[] = { "-c FILE", "-o SECTION.KEY=VALUE", "--check-config", "--print-config",
                                         "--demo",  "--demo-seconds",       "--version",      "-h, --help" };
    struct er_buf out = { 0 };

    (void)state;
    er_command_line_help(&out);
    er_buf_addc(&out, '\0');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(out.p, names[i]));
    er_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_values_apart_and_attached),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
