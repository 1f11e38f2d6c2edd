/* SPDX-License-Identifier: ISC */
/*
 * The connector's parent once it runs: its own state directory, and nothing
 * else of the file system; no network; no process.
 */
#include "adconnectord.h"

#include "common/sandbox.h"

#include <fcntl.h>

void
sandbox_adconnectord(const char *state_dir)
{
	static const struct sandbox_call calls[] = {
		/* Children that are started again, and what they are handed. */
		{ "socketpair", -1, 0 },
		{ "memfd_create", -1, 0 },
		{ "lseek", -1, 0 },
		{ "pread64", -1, 0 },
		/* State files; Landlock says where. */
		{ "open", -1, 0 },
		{ "openat", -1, 0 },
		{ "fstat", -1, 0 },
		{ "newfstatat", -1, 0 },
		{ "fsync", -1, 0 },
		{ "rename", -1, 0 },
		{ "renameat", -1, 0 },
		{ "unlink", -1, 0 },
		{ "unlinkat", -1, 0 },
		{ "fchmod", -1, 0 },
		{ "fcntl", 1, F_GETFL },
		{ "fcntl", 1, F_SETFL },
		{ "fcntl", 1, F_GETFD },
		{ "fcntl", 1, F_SETFD },
		{ "fcntl", 1, F_DUPFD_CLOEXEC },
		{ NULL, -1, 0 },
	};
	const struct sandbox_path paths[] = { { state_dir, true }, { NULL, false } };
	const struct sandbox sandbox = {
		.name = "adconnectord",
		.calls = calls,
		.paths = paths,
		.leader = true,
		.descriptors = 512,
	};

	sandbox_enter(&sandbox);
}
