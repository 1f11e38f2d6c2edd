/* SPDX-License-Identifier: ISC */
/*
 * What the two parents do alike before they drop their rights: options,
 * going to the background, directories, listeners.
 */
#ifndef ADC_DAEMON_H
#define ADC_DAEMON_H

#include "endpoint.h"

#include <stdbool.h>
#include <sys/types.h>

struct event_base;

struct daemon_options {
	const char *config; /* -c */
	bool foreground;    /* -d */
	bool check;	    /* -n */
};

/* Exits with 64 on wrong usage, with 0 after --help or --version. */
void daemon_options(int argc, char **argv, const char *default_config, struct daemon_options *);
/*
 * Ends the process: the configuration cannot be used. why (NULL: no memory)
 * goes to the terminal as it is for -n, to the log otherwise.
 */
void daemon_refuse(const struct daemon_options *, const char *why) __attribute__((noreturn));
/*
 * Standard descriptors, umask, no core. Not in the foreground: forks, and the first
 * process waits until daemon_ready() to exit with 0, or with 1 when the daemon
 * dies before that; lines go to syslog then.
 */
void daemon_start(const struct daemon_options *);
/*
 * SIGTERM and SIGINT call ending(number, what, arg).  So does SIGHUP in the foreground of a
 * terminal, which it tells is gone; else it does nothing but say that nothing is read anew.
 * Ends the process without memory.
 */
void daemon_signals(const struct daemon_options *, struct event_base *,
    void (*ending)(int number, short what, void *arg), void *arg);
/* Tells systemd and the waiting process that the service works. */
void daemon_ready(void);

/*
 * Makes the directory when it is missing (0700 or what mode says) and sees
 * that it belongs to uid and is not open to others than mode says.  Errors
 * are logged, -1.
 */
int daemon_directory(const char *path, mode_t mode, uid_t uid, gid_t gid);
/*
 * Holds the directory for this process, until it ends: a second daemon must
 * not share state or control socket with it. 0, or -1 (logged, with the pid of the one that runs).
 */
int daemon_lock(const char *directory);
/* A listening socket, or -1 (logged). An old socket file is replaced. */
int daemon_listen_unix(const char *path, mode_t mode, gid_t gid);
/* At most two sockets (any address: IPv6 and IPv4). How many, or -1 (logged). */
int daemon_listen_tcp(const struct endpoint *, int fds[2]);

#endif
