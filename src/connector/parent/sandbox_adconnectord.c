/* SPDX-License-Identifier: ISC */
/*
 * The connector's parent once it runs: its own state directory, and nothing
 * else of the file system; no network but the page's listener; no process.
 */
#include "adconnectord.h"

#include "common/sandbox.h"

#include <fcntl.h>

void
sandbox_adconnectord(const struct connector *connector)
{
	const struct settings *settings = connector->current->settings;
	const struct page_listener *page = &connector->page_listener;
	/* The socket is there, and waits for its port: that one descriptor, and that one port. */
	bool waits = page->fd != -1 && !page->open;
	const struct sandbox_call calls[] = {
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
		{ waits ? "bind" : NULL, 0, (uint64_t)page->fd },
		{ waits ? "listen" : NULL, 0, (uint64_t)page->fd },
		{ NULL, -1, 0 },
	};
	const struct sandbox_path paths[] = { { settings->state_dir, true }, { NULL, false } };
	const struct sandbox sandbox = {
		.name = "adconnectord",
		.calls = calls,
		.paths = paths,
		.bind_port = waits ? settings->web.listen.port : 0,
		.leader = true,
		.descriptors = 512,
	};

	sandbox_enter(&sandbox);
}
