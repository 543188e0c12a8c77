#include "admin/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/unit/test.h"

struct place {
    char directory[64];
    char path[100];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->directory, "/tmp/er-listener-XXXXXX");
    if (mkdtemp(place->directory) == NULL) {
        return -1;
    }
    snprintf(place->path, sizeof place->path, "%s/admin.sock", place->directory);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    int status;

    (void)unlink(place->path);
    status = rmdir(place->directory);
    free(place);
    return status;
}

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void the_mode_is_exact_whatever_the_umask(void **state)
{
    static const unsigned modes[] = { 0660, 0600, 0666, 0777 };
    struct place *place = *state;
    mode_t before = umask(077);

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct er_listener listener;
        struct er_err err;
        struct stat st;

        assert_int_equal(er_listener_unix(place->path, modes[i], &listener, &err), ER_OK);
        assert_int_equal(stat(place->path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, modes[i]);
        er_listener_close(&listener);
        assert_int_equal(access(place->path, F_OK), -1);
    }
    umask(before);
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct place *place = *state;
    struct er_listener stale, live, second;
    struct er_err err;
    int fd;

    assert_int_equal(er_listener_unix(place->path, 0660, &stale, &err), ER_OK);
    close(stale.fd); /* as a killed daemon leaves it */
    assert_int_equal(access(place->path, F_OK), 0);
    assert_int_equal(er_listener_unix(place->path, 0660, &live, &err), ER_OK);
    assert_int_equal(er_listener_unix(place->path, 0660, &second, &err), ER_E_SYSTEM);
    assert_non_null(strstr(err.text, place->path));
    assert_int_equal(second.fd, -1);
    fd = dial(place->path);
    assert_true(fd >= 0);
    close(fd);
    er_listener_close(&live);
}

static void what_is_no_socket_stays(void **state)
{
    struct place *place = *state;
    struct er_listener listener;
    struct er_err err;
    char nowhere[sizeof place->directory + 24];
    FILE *file = fopen(place->path, "w");

    assert_non_null(file);
    fclose(file);
    assert_int_equal(er_listener_unix(place->path, 0660, &listener, &err), ER_E_SYSTEM);
    assert_non_null(strstr(err.text, "not a socket"));
    assert_int_equal(access(place->path, F_OK), 0);
    unlink(place->path);
    (void)snprintf(nowhere, sizeof nowhere, "%s/nowhere/x.sock", place->directory);
    assert_int_equal(symlink(nowhere, place->path), 0);
    assert_int_equal(er_listener_unix(place->path, 0660, &listener, &err), ER_E_SYSTEM);
    unlink(place->path);
    assert_int_equal(er_listener_unix(nowhere, 0660, &listener, &err), ER_E_SYSTEM);
    assert_non_null(strstr(err.text, "make its directory"));
}

static void a_path_that_does_not_fit_is_an_error(void **state)
{
    struct er_listener listener;
    struct er_err err;
    char path[200];

    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0';
    assert_int_equal(er_listener_unix(path, 0660, &listener, &err), ER_E_SYSTEM);
    assert_non_null(strstr(err.text, "107"));
    assert_int_equal(er_listener_unix("", 0660, &listener, &err), ER_E_SYSTEM);
}

static void only_our_own_file_is_removed(void **state)
{
    struct place *place = *state;
    struct er_listener listener, other;
    struct er_err err;

    assert_int_equal(er_listener_unix(place->path, 0660, &listener, &err), ER_OK);
    unlink(place->path);
    assert_int_equal(er_listener_unix(place->path, 0660, &other, &err), ER_OK);
    er_listener_close(&listener);
    assert_int_equal(access(place->path, F_OK), 0);
    er_listener_close(&other);
}

static void the_peer_is_known(void **state)
{
    struct place *place = *state;
    struct er_listener listener;
    struct er_err err;
    int client, server;

    assert_int_equal(er_listener_unix(place->path, 0660, &listener, &err), ER_OK);
    client = dial(place->path);
    server = accept(listener.fd, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(er_listener_peer_uid(server), (int64_t)getuid());
    close(client);
    close(server);
    er_listener_close(&listener);
}

static void tcp_addresses(void **state)
{
    static const char *const bad[] = { "",       "localhost",    "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                                       "::1:80", "127.0.0.1:-1", "[::1]" };
    struct er_listener listener, second;
    struct er_err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(er_listener_tcp(bad[i], &listener, &err), ER_E_SYSTEM);
        assert_non_null(strstr(err.text, "http.listen"));
    }
    assert_int_equal(er_listener_tcp("127.0.0.1:0", &listener, &err), ER_OK);
    assert_memory_equal(listener.address, "127.0.0.1:", 10);
    assert_true(atoi(listener.address + 10) > 0);
    assert_int_equal(er_listener_peer_uid(listener.fd), -1);
    assert_int_equal(er_listener_tcp(listener.address, &second, &err), ER_E_SYSTEM);
    assert_non_null(strstr(err.text, listener.address));
    assert_non_null(strstr(err.text, "; set another http.listen"));
    er_listener_close(&listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_mode_is_exact_whatever_the_umask, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced_and_a_live_one_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_socket_stays, setup, teardown),
        cmocka_unit_test(a_path_that_does_not_fit_is_an_error),
        cmocka_unit_test_setup_teardown(only_our_own_file_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_peer_is_known, setup, teardown),
        cmocka_unit_test(tcp_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
