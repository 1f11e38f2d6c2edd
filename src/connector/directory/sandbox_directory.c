/* SPDX-License-Identifier: ISC */
/*
 * What directory may do beyond the base set: nothing. Connections come as
 * descriptors, CAs and settings came before this. An empty root, no path, no
 * TCP of its own.
 */
#include "build.h"

#include "sandbox_directory.h"

#include "common/sandbox.h"

/* The pool's maximum, those of the service account, tests, and some in passing (design: 1,024). */
#define DESCRIPTORS 1024

void
sandbox_directory(void)
{
	static const struct sandbox sandbox = {
		.name = "directory",
		.chroot_to = SANDBOX_EMPTY,
		.descriptors = DESCRIPTORS,
	};

	sandbox_enter(&sandbox);
}
