/* SPDX-License-Identifier: ISC */
/*
 * A user as the directory shows it to the service account.
 *
 * Only normal user accounts become one (MS-ADTS 2.2.16: userAccountControl with
 * NORMAL_ACCOUNT, class user and not computer).  What could not be read stays
 * marked as unread: it is never taken for zero.
 */
#ifndef ADC_DIRECTORY_ACCOUNT_H
#define ADC_DIRECTORY_ACCOUNT_H

#include "attributes.h"
#include "entry.h"
#include "names.h"

/* userAccountControl (MS-ADTS 2.2.16). */
#define UAC_DISABLED 0x2U
#define UAC_LOCKED 0x10U /* only in msDS-User-Account-Control-Computed */
#define UAC_NORMAL 0x200U
#define UAC_NEVER_EXPIRES 0x10000U
#define UAC_PASSWORD_EXPIRED 0x800000U /* likewise computed */
#define UAC_TRUST_ACCOUNTS 0x3800U     /* interdomain, workstation and server trust */

#define LOGON_HOURS_SIZE 21 /* MS-ADTS: a bit for each hour of the week, UTC, from Sunday on */
#define ACCOUNT_TEXT_MAX 1024
#define ACCOUNT_DN_MAX 4096

/* An integer that may not have been readable. */
struct account_number {
	bool read;
	int64_t value;
};

struct account {
	char *dn;
	uint8_t guid[GUID_SIZE];
	bool has_sid;
	struct sid sid;
	char *sam;
	/* NULL: the directory shows none. */
	char *upn;
	char *mail;
	char *display_name;
	char *given_name;
	char *surname;
	char *telephone;
	char *mobile;
	char *title;
	char *department;
	char *manager;
	char *pso; /* msDS-ResultantPSO */
	uint32_t control;
	struct account_number computed;
	struct account_number admin_count;
	struct account_number lockout_time; /* FILETIME */
	struct account_number bad_password_count;
	struct account_number bad_password_time; /* FILETIME */
	/* Only of account_state_attributes. */
	struct account_number expires;	    /* FILETIME; 0 and FILETIME_NEVER: never */
	struct account_number password_set; /* FILETIME; 0: it must be changed */
	char *workstations;		    /* NULL: all */
	bool has_logon_hours;
	uint8_t logon_hours[LOGON_HOURS_SIZE];
};

enum account_reading {
	ACCOUNT_READ,
	ACCOUNT_OTHER,	    /* not a normal user account */
	ACCOUNT_UNREADABLE, /* an attribute that every user has cannot be read */
	ACCOUNT_NO_MEMORY
};

/* The attributes that account_read() looks at; ends with NULL. */
extern const char *const account_attributes[];
/* These, and the groups: AD shows them of an entry that is the base of a search, and only there. */
extern const char *const account_and_groups_attributes[];
/* The first, and what only account_state() needs: Active Directory decides by it at the bind. */
extern const char *const account_state_attributes[];

/* With ACCOUNT_READ the caller ends with account_free(); else the account is empty. */
enum account_reading account_read(struct account *, const struct entry *);
void account_free(struct account *);
/* Is it this account that was meant: does its attribute equal what was typed? */
bool account_is(const struct account *, const struct name_step *);

#endif
