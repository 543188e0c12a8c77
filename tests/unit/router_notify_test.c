#include "tests/unit/test.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "router/notify.h"

/* Binds the service manager's end; address as in NOTIFY_SOCKET. */
static int listen_at(const char *address)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = strlen(address);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(a.sun_path, address, n);
    if (address[0] == '@')
        a.sun_path[0] = '\0';
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
    return fd;
}

static void expect_message(const char *address)
{
    char message[64] = "";
    int fd = listen_at(address);

    assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
    er_notify("READY=1");
    assert_int_equal(recv(fd, message, sizeof message - 1, MSG_DONTWAIT), 7);
    assert_string_equal(message, "READY=1");
    (void)close(fd);
}

static void test_path(void **state)
{
    char directory[] = "/tmp/er-notify-test-XXXXXX";
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/s", directory);
    expect_message(path);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void test_abstract(void **state)
{
    char address[64];

    (void)state;
    (void)snprintf(address, sizeof address, "@er-notify-test-%ld", (long)getpid());
    expect_message(address);
}

static void test_nobody(void **state)
{
    char address[300];

    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    er_notify("READY=1");
    (void)setenv("NOTIFY_SOCKET", "/nowhere/s", 1);
    er_notify("READY=1");
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    er_notify("READY=1");
    memset(address, '/', sizeof address - 1);
    address[sizeof address - 1] = '\0';
    (void)setenv("NOTIFY_SOCKET", address, 1);
    er_notify("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_path), cmocka_unit_test(test_abstract),
                                        cmocka_unit_test(test_nobody) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
