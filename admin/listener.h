/* The sockets that the admin server listens on: made with the right mode, never on top of somebody who is alive. */
#ifndef ER_ADMIN_LISTENER_H
#define ER_ADMIN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "rules/base/err.h"

/* A listening socket; plain data. For a Unix socket the file is remembered, so that only our own is removed. */
struct er_listener {
    int fd; /* -1: none */
    char path[108];
    dev_t device;
    ino_t inode;
    char address[64]; /* TCP: "HOST:PORT" as bound */
};

/* Makes a Unix stream socket at path with that mode, set before anybody can connect. A socket file that nobody answers is replaced;
 * a live one, or a file that is not a socket, is an error. Errors: ER_E_SYSTEM with the path and what to do. */
enum er_code er_listener_unix(const char *path, unsigned mode, struct er_listener *out, struct er_err *err) ER_MUST_CHECK;

/* Listens on "HOST:PORT" or "[V6]:PORT"; port 0 = any free one. Errors: ER_E_SYSTEM. */
enum er_code er_listener_tcp(const char *address, struct er_listener *out, struct er_err *err) ER_MUST_CHECK;

/* Closes the descriptor (unless its owner set it to -1) and removes the socket file if it is still ours. */
void er_listener_close(struct er_listener *listener);

/* User id of the process that connected (SO_PEERCRED); -1 when the socket does not know. */
int64_t er_listener_peer_uid(int fd);

#endif
