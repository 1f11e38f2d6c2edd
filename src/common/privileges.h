/* SPDX-License-Identifier: ISC */
/*
 * User ids and capabilities. A change from one ordinary uid to another keeps
 * capabilities, so they are always dropped by name (capabilities(7)).
 */
#ifndef ADC_PRIVILEGES_H
#define ADC_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* capabilities(7); <linux/capability.h> numbers. */
#define PRIVILEGE_BIT(capability) (1ULL << (capability))

/*
 * Becomes uid and gid (real, effective, saved) without further groups, keeps
 * the capabilities in the mask (permitted, effective, inheritable, ambient)
 * and no others. Keeping uid as it is needs no right. -1 with errno.
 */
int privileges_drop(uid_t uid, gid_t gid, uint64_t keep);
/* The permitted capabilities of this process. */
uint64_t privileges_held(void);
/*
 * Ids for a user name; where the passwd database has none such, uid_base + offset when uid_base
 * is not 0.  Ends the process when there is neither, and when that number is somebody's: whoever
 * has it could end, trace and read the process.
 */
void
privileges_find_user(const char *name, uint32_t uid_base, unsigned int offset, uid_t *, gid_t *);

#endif
