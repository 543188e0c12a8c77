/* Tells the service manager about the daemon's state: the datagram protocol of sd_notify(3). */
#ifndef ER_ROUTER_NOTIFY_H
#define ER_ROUTER_NOTIFY_H

/* Sends "READY=1", "STOPPING=1", "STATUS=text", ...; several lines in one call are one message. Without NOTIFY_SOCKET in the
 * environment, or when nobody listens, it does nothing. Never blocks. Main thread. */
void er_notify(const char *message);

#endif
