/* SPDX-License-Identifier: ISC */
/*
 * Datagrams to the service manager.  The socket is connected at start and kept,
 * because the sandbox allows neither socket() nor connect().  Must not read
 * from it: nothing the manager could say is of interest here.
 */
#include "notify.h"

#include "log.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int notify_fd = -1;

int
notify_open(void)
{
	struct sockaddr_un sun;
	const char *name;
	size_t len;
	int fd, result = 0;

	if ((name = getenv("NOTIFY_SOCKET")) == NULL)
		return 0;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	len = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(sun.sun_path)) {
		log_warnx("NOTIFY_SOCKET: neither a path nor an abstract name; "
			  "the service manager will not hear of this service");
		result = -1;
		goto out;
	}
	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	/* An abstract name ends with the address, without NUL (unix(7)). */
	len += offsetof(struct sockaddr_un, sun_path) + (name[0] == '/');
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1 ||
	    connect(fd, (struct sockaddr *)&sun, (socklen_t)len) == -1) {
		log_warn("notify socket: cannot connect");
		if (fd != -1)
			close(fd);
		result = -1;
		goto out;
	}
	if (notify_fd != -1)
		close(notify_fd);
	notify_fd = fd;
out:
	unsetenv("NOTIFY_SOCKET");
	return result;
}

void
notify_send(const char *state)
{
	if (notify_fd != -1 && send(notify_fd, state, strlen(state), MSG_NOSIGNAL) == -1)
		log_debug("notify socket: %s", strerror(errno));
}
