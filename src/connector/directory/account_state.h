/* SPDX-License-Identifier: ISC */
/*
 * What Active Directory would say of an account at a bind with the right password, as far as its
 * attributes tell.  For explaining only: a login asks AD itself.  Pure.
 */
#ifndef ADC_DIRECTORY_ACCOUNT_STATE_H
#define ADC_DIRECTORY_ACCOUNT_STATE_H

#include "account.h"
#include "common/status.h"

/*
 * STATUS_OK: nothing speaks against it.  The account must have been read with
 * account_state_attributes.  now: FILETIME by the directory's clock.  server: the host that would
 * be bound to; for AD it is the workstation that a bind over LDAP comes from.
 */
enum status account_state(const struct account *, const char *server, int64_t now);
/* The same in words. */
const char *account_state_text(enum status);

#endif
