/* SPDX-License-Identifier: ISC */
/*
 * Who may do what over the control socket.  The kernel says who is at the
 * other end; nothing a client sends has a part in it.
 */
#ifndef ADC_WEB_ACCESS_H
#define ADC_WEB_ACCESS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_ADMINS_MAX 64
#define ACCESS_GROUPS_MAX 1024
#define ACCESS_NO_GROUP UINT32_MAX

/* Rising: who may change may read. */
enum access { ACCESS_NONE, ACCESS_READ, ACCESS_CHANGE };

struct access_rules {
	uint32_t admins[ACCESS_ADMINS_MAX];
	size_t nadmins;
	uint32_t reader_gid; /* ACCESS_NO_GROUP: nobody reads but admins */
};

/* "admin_uid": u32 n, then n times u32. "reader_gid": u32. 0, or -1 for a value that is neither. */
int access_set_admins(struct access_rules *, const void *value, size_t len);
int access_set_reader(struct access_rules *, const void *value, size_t len);
/* One more uid that may change; -1 when there is no room. */
int access_add_admin(struct access_rules *, uint32_t uid);

/* What a process of this uid, group and further groups may do. */
enum access access_of(
    const struct access_rules *, uint32_t uid, uint32_t gid, const gid_t *groups, size_t ngroups);
/* The same for the process at the other end of a connected unix socket (SO_PEERCRED, unix(7)). */
enum access access_of_peer(const struct access_rules *, int fd);

#endif
