/* SPDX-License-Identifier: ISC */
/*
 * What adc-web may ask of the kernel: its listener's connections, nothing more.
 * No file, no new socket; everything else is a message to the parent.
 */
#include "web.h"

#include "common/sandbox.h"

#include <sys/ioctl.h>

void
sandbox_web(void)
{
	static const struct sandbox_call calls[] = {
		{ "accept4", -1, 0 },
		/* libevent asks how much there is to read. */
		{ "ioctl", 1, FIONREAD },
		/* SO_PEERCRED and SO_PEERGROUPS. */
		{ "getsockopt", -1, 0 },
		{ NULL, -1, 0 },
	};
	static const struct sandbox sandbox = {
		.name = "web",
		.chroot_to = SANDBOX_EMPTY,
		.calls = calls,
		.descriptors = WEB_DESCRIPTORS,
	};

	sandbox_enter(&sandbox);
}
