/* SPDX-License-Identifier: ISC */
/*
 * The user as JSON text (tunnel protocol, section 9).
 *
 * After a login every member is given.  When the password was right but the
 * login was not allowed to succeed (expired password and the like), only who it
 * was is told: id, userName, sAMAccountName.
 */
#ifndef ADC_DIRECTORY_PROFILE_H
#define ADC_DIRECTORY_PROFILE_H

#include "account.h"

/* Bytes of a profile; parent, tunnel and hub take more, but not without end. */
#define PROFILE_TEXT_MAX (256U << 10)

struct profile_group {
	bool has_guid; /* false: the name is its SID, for the directory did not tell more */
	uint8_t guid[GUID_SIZE];
	const char *name;
};

struct profile_groups {
	bool read; /* false: the member "groups" is left out */
	struct profile_group *items;
	size_t count;
};

/*
 * groups may be NULL: identity only.  realm: "" while unknown.  The text is
 * to be freed with wiping_free(); NULL: no memory.
 */
char *profile_write(const struct account *, const struct profile_groups *groups, const char *realm);

#endif
