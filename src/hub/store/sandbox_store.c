/* SPDX-License-Identifier: ISC */
/*
 * What store may do: read and write the files in its own directory, and answer
 * its parent.  The database is opened afterwards, from inside.
 *
 * The list was found by running the tests with --enable-sandbox-debug, and is
 * what SQLite's unix VFS does with locking_mode=EXCLUSIVE and without mmap.
 */
#include "sandbox_store.h"

#include "common/privileges.h"
#include "common/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>

/* Descriptors: 0-3, the event loop's 2, the database, its log, the directory, and room to open
 * them. */
#define STORE_DESCRIPTORS 32

static const struct sandbox_call store_calls[] = {
	/* The database, its write-ahead log, the directory for fsync; Landlock says where. */
	{ "openat", -1, 0 },
	{ "open", -1, 0 },
	/* Size and identity of an open file; whether a log was left by a crash. */
	{ "fstat", -1, 0 },
	{ "newfstatat", -1, 0 },
	{ "stat", -1, 0 },
	{ "lstat", -1, 0 },
	{ "access", -1, 0 },
	{ "faccessat", -1, 0 },
	{ "faccessat2", -1, 0 },
	/* Pages of the database and frames of the log. */
	{ "pread64", -1, 0 },
	{ "pwrite64", -1, 0 },
	{ "lseek", -1, 0 },
	/* synchronous=FULL; the directory when a file was made. */
	{ "fsync", -1, 0 },
	{ "fdatasync", -1, 0 },
	/* journal_size_limit; the log is removed when the database is closed. */
	{ "ftruncate", -1, 0 },
	{ "unlink", -1, 0 },
	{ "unlinkat", -1, 0 },
	/* A new log gets the database's mode when the umask was another. */
	{ "fchmod", -1, 0 },
	/* Locks on the file, which keep a second store out. The others are the base set's. */
	{ "fcntl", 1, F_SETLK },
	{ "fcntl", 1, F_GETLK },
	{ "fcntl", 1, F_GETFL },
	{ "fcntl", 1, F_SETFL },
	{ "fcntl", 1, F_GETFD },
	{ "fcntl", 1, F_SETFD },
	{ NULL, -1, 0 },
};

bool
sandbox_store(const char *directory)
{
	bool root = (privileges_held() & PRIVILEGE_BIT(CAP_SYS_CHROOT)) != 0;
	struct sandbox_path paths[] = { { root ? "/" : directory, true }, { NULL, false } };
	struct sandbox sandbox = {
		.name = "store",
		.chroot_to = directory,
		.calls = store_calls,
		.paths = paths,
		.descriptors = STORE_DESCRIPTORS,
	};

	sandbox_enter(&sandbox);
	return root;
}
