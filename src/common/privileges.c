/* SPDX-License-Identifier: ISC */
/*
 * Dropping of user ids and capabilities, by the raw system calls: all that is
 * needed here is "these and no others".
 */
#include "privileges.h"

#include "log.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static int
capabilities_set(uint64_t mask)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	int i;

	memset(data, 0, sizeof(data));
	for (i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = data[i].inheritable =
		    (uint32_t)(mask >> (32 * i));
	}
	return (int)syscall(SYS_capset, &header, data);
}

uint64_t
privileges_held(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) == -1)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

int
privileges_drop(uid_t uid, gid_t gid, uint64_t keep)
{
	uid_t ruid, euid, suid;
	int capability;

	keep &= privileges_held();
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
		return -1;
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid) {
		if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			return -1;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 ||
	    capabilities_set(keep) == -1)
		return -1;
	for (capability = 0; capability < 64; capability++) {
		if ((keep & PRIVILEGE_BIT(capability)) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == -1)
			return -1;
	}
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1)
		return -1;
	if (getresuid(&ruid, &euid, &suid) == -1)
		return -1;
	if (ruid != uid || euid != uid || suid != uid || privileges_held() != keep) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

void
privileges_find_user(
    const char *name, uint32_t uid_base, unsigned int offset, uid_t *uid, gid_t *gid)
{
	uint32_t number = uid_base + offset;
	struct passwd *pw;
	struct group *gr;

	if ((pw = getpwnam(name)) != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		return;
	}
	if (uid_base == 0)
		fatalx("there is no user %s: install the package, or set uid_base in the "
		       "configuration",
		    name);
	if ((pw = getpwuid(number)) != NULL)
		fatalx("uid_base: %u is the user %s: numbers from %u on must be nobody's", number,
		    pw->pw_name, uid_base);
	if ((gr = getgrgid(number)) != NULL)
		fatalx("uid_base: %u is the group %s: numbers from %u on must be nobody's", number,
		    gr->gr_name, uid_base);
	*uid = number;
	*gid = number;
}
