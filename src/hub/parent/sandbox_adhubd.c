/* SPDX-License-Identifier: ISC */
/*
 * The hub's parent once it runs: it passes messages on and keeps keys.  It
 * makes socket pairs for children that are started again and hands them their
 * listeners; it opens no file and no other socket.
 */
#include "adhubd.h"

#include "common/sandbox.h"

#include <fcntl.h>

void
sandbox_adhubd(void)
{
	static const struct sandbox_call calls[] = {
		{ "socketpair", -1, 0 },
		/* Copies of the listeners for a gate that is started again. */
		{ "fcntl", 1, F_GETFL },
		{ "fcntl", 1, F_SETFL },
		{ "fcntl", 1, F_GETFD },
		{ "fcntl", 1, F_SETFD },
		{ "fcntl", 1, F_DUPFD_CLOEXEC },
		{ NULL, -1, 0 },
	};
	static const struct sandbox sandbox = {
		.name = "adhubd",
		.calls = calls,
		.leader = true,
		.descriptors = 512,
	};

	sandbox_enter(&sandbox);
}
