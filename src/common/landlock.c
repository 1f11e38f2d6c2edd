/* SPDX-License-Identifier: ISC */
/*
 * The ruleset, as much of it as the kernel knows (landlock(7)).
 *
 * ABI 1 file system (5.13), 2 refer (5.19), 3 truncate (6.2), 4 TCP (6.7),
 * 5 ioctl on devices (6.10), 6 scopes (6.12).
 */
#include "landlock.h"

#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ABI1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_REG (1ULL << 8)
#define NET_BIND_TCP (1ULL << 0)
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset_attribute {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct __attribute__((packed)) path_attribute {
	uint64_t allowed;
	int32_t parent;
};

struct port_attribute {
	uint64_t allowed;
	uint64_t port;
};

int
landlock_abi(void)
{
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	return abi < 0 ? 0 : (int)abi;
}

/* A path that is not there cannot be reached either: no rule, no error. */
static int
allow_path(int ruleset, const struct sandbox_path *path, uint64_t handled)
{
	struct path_attribute rule;
	int result;

	if ((rule.parent = open(path->path, O_PATH | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : -1;
	rule.allowed = FS_READ_FILE | FS_READ_DIR;
	if (path->write)
		rule.allowed |=
		    FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE | FS_REFER;
	rule.allowed &= handled;
	result = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	if (result == -1 && errno == EINVAL) {
		/* A file, not a directory: rights on directories do not apply. */
		rule.allowed &= FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
		result = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	}
	close(rule.parent);
	return result;
}

int
landlock_enter(
    const struct sandbox_path *paths, const uint16_t *ports, size_t nports, uint16_t bind_port)
{
	struct ruleset_attribute attribute;
	struct port_attribute rule = { NET_CONNECT_TCP, 0 }, listen = { NET_BIND_TCP, bind_port };
	size_t size, i;
	int abi, ruleset, saved;

	if ((abi = landlock_abi()) == 0)
		return 0;
	memset(&attribute, 0, sizeof(attribute));
	attribute.fs = FS_ABI1;
	if (abi >= 2)
		attribute.fs |= FS_REFER;
	if (abi >= 3)
		attribute.fs |= FS_TRUNCATE;
	if (abi >= 5)
		attribute.fs |= FS_IOCTL_DEV;
	/* An old kernel refuses a structure longer than it knows. */
	size = sizeof(attribute.fs);
	if (abi >= 4) {
		attribute.net = NET_BIND_TCP | NET_CONNECT_TCP;
		size += sizeof(attribute.net);
	}
	if (abi >= 6) {
		attribute.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		size += sizeof(attribute.scoped);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attribute, size, 0);
	if (ruleset == -1)
		return -1;
	for (; paths != NULL && paths->path != NULL; paths++) {
		if (allow_path(ruleset, paths, attribute.fs) == -1)
			goto fail;
	}
	for (i = 0; abi >= 4 && i < nports; i++) {
		rule.port = ports[i];
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == -1)
			goto fail;
	}
	if (abi >= 4 && bind_port != 0 &&
	    syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &listen, 0) == -1)
		goto fail;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		goto fail;
	close(ruleset);
	return 0;
fail:
	saved = errno;
	close(ruleset);
	errno = saved;
	return -1;
}
