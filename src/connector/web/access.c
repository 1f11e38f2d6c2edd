/* SPDX-License-Identifier: ISC */
/*
 * Who may do what: see access.h.  Root always may; a uid that is not named
 * and not in the readers' group may nothing, whatever the socket's mode says.
 */
#include "access.h"

#include "common/wire.h"

#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int
access_set_admins(struct access_rules *rules, const void *value, size_t len)
{
	struct wire_reader r;
	uint32_t i, n;

	wire_reader_init(&r, value, len);
	n = wire_get_u32(&r);
	if (n > ACCESS_ADMINS_MAX)
		return -1;
	for (i = 0; i < n; i++)
		rules->admins[i] = wire_get_u32(&r);
	if (wire_end(&r) == -1)
		return -1;
	rules->nadmins = n;
	return 0;
}

int
access_set_reader(struct access_rules *rules, const void *value, size_t len)
{
	struct wire_reader r;
	uint32_t gid;

	wire_reader_init(&r, value, len);
	gid = wire_get_u32(&r);
	if (wire_end(&r) == -1)
		return -1;
	rules->reader_gid = gid;
	return 0;
}

int
access_add_admin(struct access_rules *rules, uint32_t uid)
{
	if (rules->nadmins == ACCESS_ADMINS_MAX)
		return -1;
	rules->admins[rules->nadmins++] = uid;
	return 0;
}

enum access
access_of(const struct access_rules *rules, uint32_t uid, uint32_t gid, const gid_t *groups,
    size_t ngroups)
{
	size_t i;

	if (uid == 0)
		return ACCESS_CHANGE;
	for (i = 0; i < rules->nadmins; i++)
		if (rules->admins[i] == uid)
			return ACCESS_CHANGE;
	if (rules->reader_gid == ACCESS_NO_GROUP)
		return ACCESS_NONE;
	if (gid == rules->reader_gid)
		return ACCESS_READ;
	for (i = 0; i < ngroups; i++)
		if (groups[i] == rules->reader_gid)
			return ACCESS_READ;
	return ACCESS_NONE;
}

enum access
access_of_peer(const struct access_rules *rules, int fd)
{
	gid_t groups[ACCESS_GROUPS_MAX];
	struct ucred peer;
	socklen_t len;
	size_t ngroups;

	len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 || len != sizeof(peer))
		return ACCESS_NONE;
	/* Not in every kernel, and it fails for a longer list: then the first group must do. */
	len = sizeof(groups);
	ngroups = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		ngroups = len / sizeof(groups[0]);
	return access_of(rules, peer.uid, peer.gid, groups, ngroups);
}
