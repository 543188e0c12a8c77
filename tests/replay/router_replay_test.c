/* Runs every script of tests/replay (or those named on the command line); see tests/replay/README.md. */
#include "tests/unit/test.h"
#include <glob.h>
#include "tests/replay/replay.h"

#define SCRIPTS "tests/replay/*.rpl"
#define MARK "# fails: "

/* The text that the script must fail with, or "" when it must pass. */
static void expected_failure(const char *path, char *out, size_t n)
{
    FILE *file = fopen(path, "r");
    char line[256] = "";

    out[0] = '\0';
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof line, file) != NULL && strncmp(line, MARK, strlen(MARK)) == 0) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, n, "%s", line + strlen(MARK));
    }
    fclose(file);
}

static void test_script(void **state)
{
    const char *path = *state;
    struct failure failure;
    char expected[256];
    bool passed = replay_run(path, &failure);

    expected_failure(path, expected, sizeof expected);
    if (expected[0] == '\0' && !passed) {
        fail_msg("%s", failure.text);
    }
    if (expected[0] != '\0' && passed) {
        fail_msg("%s: must fail with '%s' and passed", path, expected);
    }
    if (expected[0] != '\0' && strstr(failure.text, expected) == NULL) {
        fail_msg("%s: must fail with '%s'", failure.text, expected);
    }
}

int main(int argc, char **argv)
{
    glob_t found = { 0 };
    struct CMUnitTest *tests;
    char **paths = argv + 1;
    size_t n = (size_t)argc - 1;
    int failed;

    if (n == 0) {
        if (glob(SCRIPTS, 0, NULL, &found) != 0) {
            fprintf(stderr, "no scripts in %s\n", SCRIPTS);
            return 1;
        }
        paths = found.gl_pathv;
        n = found.gl_pathc;
    }
    tests = calloc(n, sizeof *tests);
    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(paths[i], '/');

        tests[i] = (struct CMUnitTest){ slash == NULL ? paths[i] : slash + 1, test_script, NULL, NULL, paths[i] };
    }
    failed = _cmocka_run_group_tests("replay", tests, n, NULL, NULL);
    free(tests);
    globfree(&found);
    return failed;
}
