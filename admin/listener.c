#define _GNU_SOURCE /* struct ucred */
#include "admin/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static const struct er_listener nothing = { .fd = -1 };

/* Is there a process that accepts on this socket file? */
static enum er_code refuse_live(const struct sockaddr_un *address, struct er_err *err)
{
    const char *path = address->sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd < 0) {
        return er_err_set(err, ER_E_SYSTEM, "cannot make a socket for %s: %s", path, strerror(errno));
    }
    error = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(fd);
    if (error == ECONNREFUSED || error == ENOENT) {
        return ER_OK;
    }
    if (error == 0 || error == EAGAIN) {
        return er_err_set(err, ER_E_SYSTEM, "%s is in use by a running daemon; stop it or set another admin.socket", path);
    }
    return er_err_set(err, ER_E_SYSTEM, "cannot tell whether %s is in use: %s", path, strerror(error));
}

static enum er_code remove_stale(const struct sockaddr_un *address, struct er_err *err)
{
    const char *path = address->sun_path;
    struct stat st;
    enum er_code code;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? ER_OK : er_err_set(err, ER_E_SYSTEM, "cannot look at %s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return er_err_set(err, ER_E_SYSTEM, "%s exists and is not a socket; remove it or set another admin.socket", path);
    }
    code = refuse_live(address, err);
    if (code == ER_OK && unlink(path) != 0 && errno != ENOENT) {
        return er_err_set(err, ER_E_SYSTEM, "cannot remove the stale socket %s: %s", path, strerror(errno));
    }
    return code;
}

/* Nobody can connect between bind and listen, so the mode is in force before the first connection. */
static enum er_code bind_with_mode(int fd, const struct sockaddr_un *address, unsigned mode, struct er_err *err)
{
    const char *path = address->sun_path;
    mode_t before = umask(0177);
    int status = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int error = errno;

    umask(before);
    if (status != 0) {
        return er_err_set(err, ER_E_SYSTEM, "cannot bind %s: %s%s", path, strerror(error),
                          error == ENOENT ? "; make its directory first" : "");
    }
    if (chmod(path, (mode_t)(mode & 0777)) != 0) {
        error = errno;
        (void)unlink(path);
        return er_err_set(err, ER_E_SYSTEM, "cannot set the mode of %s: %s", path, strerror(error));
    }
    return ER_OK;
}

enum er_code er_listener_unix(const char *path, unsigned mode, struct er_listener *out, struct er_err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(path);
    struct stat st;
    enum er_code code;

    *out = nothing;
    if (length == 0 || length >= sizeof address.sun_path) {
        return er_err_set(err, ER_E_SYSTEM, "the socket path \"%.80s\" must have 1 to %zu bytes; set a shorter admin.socket", path,
                          sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, length + 1);
    code = remove_stale(&address, err);
    if (code != ER_OK) {
        return code;
    }
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->fd < 0) {
        return er_err_set(err, ER_E_SYSTEM, "cannot make a socket for %s: %s", path, strerror(errno));
    }
    code = bind_with_mode(out->fd, &address, mode, err);
    if (code == ER_OK) {
        memcpy(out->path, path, length + 1);
        if (lstat(path, &st) == 0) {
            out->device = st.st_dev;
            out->inode = st.st_ino;
        }
        if (listen(out->fd, BACKLOG) != 0) {
            code = er_err_set(err, ER_E_SYSTEM, "cannot listen on %s: %s", path, strerror(errno));
        }
    }
    if (code != ER_OK) {
        er_listener_close(out);
    }
    return code;
}

/* "HOST:PORT" -> host without brackets and port. */
static bool split_address(const char *address, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t n;

    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5) {
        return false;
    }
    n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n) != NULL) {
        return false;
    }
    if (n >= host_size) {
        return false;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

static int listen_on(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void remember_address(struct er_listener *listener)
{
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    char host[48], port[8];

    if (getsockname(listener->fd, (struct sockaddr *)&bound, &n) == 0 &&
        getnameinfo((struct sockaddr *)&bound, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        (void)snprintf(listener->address, sizeof listener->address, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
}

enum er_code er_listener_tcp(const char *address, struct er_listener *out, struct er_err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *list = NULL;
    char host[256];
    const char *port;
    int status;

    *out = nothing;
    if (!split_address(address, host, sizeof host, &port) || strtoul(port, NULL, 10) > 65535) {
        return er_err_set(err, ER_E_SYSTEM, "http.listen = \"%.80s\" is not HOST:PORT", address);
    }
    status = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &list);
    if (status != 0) {
        return er_err_set(err, ER_E_SYSTEM, "cannot resolve http.listen = \"%.80s\": %s", address, gai_strerror(status));
    }
    for (struct addrinfo *info = list; info != NULL && out->fd < 0; info = info->ai_next) {
        out->fd = listen_on(info);
    }
    status = errno;
    freeaddrinfo(list);
    if (out->fd < 0) {
        return er_err_set(err, ER_E_SYSTEM, "cannot listen on http.listen = \"%.80s\": %s%s", address, strerror(status),
                          status == EADDRINUSE ? "; set another http.listen, or an empty one for none" : "");
    }
    remember_address(out);
    return ER_OK;
}

void er_listener_close(struct er_listener *listener)
{
    struct stat st;

    if (listener->path[0] != '\0' && lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode) {
        (void)unlink(listener->path);
    }
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    *listener = nothing;
}

int64_t er_listener_peer_uid(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof peer || peer.uid == (uid_t)-1) {
        return -1;
    }
    return (int64_t)peer.uid;
}
