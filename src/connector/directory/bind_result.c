/* SPDX-License-Identifier: ISC */
/*
 * A code that is not in the table is "internal", never "wrong password".
 */
#include "build.h"

#include "bind_result.h"

#include "attributes.h"

#include <bsd/string.h>
#include <ldap.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct row {
	uint32_t code;
	enum status status;
	bool proven;
	bool counted;
	const char *reason;
};

/* MS-ERREF 2.2, Win32 error codes in hexadecimal. */
static const struct row rows[] = {
	{ 0x525, STATUS_INVALID_CREDENTIALS, false, false, "unknown_user" },
	{ 0x52e, STATUS_INVALID_CREDENTIALS, false, true, "wrong_password" },
	{ 0x52f, STATUS_NOT_ALLOWED, false, false, "account_restriction" },
	{ 0x530, STATUS_LOGON_HOURS, true, false, "logon_hours" },
	{ 0x531, STATUS_WORKSTATION_DENIED, true, false, "workstation_denied" },
	{ 0x532, STATUS_PASSWORD_EXPIRED, true, false, "password_expired" },
	{ 0x533, STATUS_ACCOUNT_DISABLED, true, false, "account_disabled" },
	{ 0x534, STATUS_NOT_ALLOWED, false, false, "logon_type_not_granted" },
	{ 0x569, STATUS_NOT_ALLOWED, false, false, "logon_not_granted" },
	{ 0x701, STATUS_ACCOUNT_EXPIRED, true, false, "account_expired" },
	{ 0x773, STATUS_PASSWORD_MUST_CHANGE, true, false, "password_must_change" },
	{ 0x775, STATUS_ACCOUNT_LOCKED, false, false, "account_locked" },
};

static void
set(struct bind_result *r, enum status status, const char *reason)
{
	r->status = status;
	strlcpy(r->reason, reason, sizeof(r->reason));
}

static void
refused(struct bind_result *r, const char *diagnostic)
{
	uint32_t code;
	size_t i;

	r->counted = true; /* until the table says otherwise */
	if (diagnostic_code(&code, diagnostic) == -1) {
		/* A server that gives no detail (OpenLDAP): invalidCredentials is just that. */
		set(r, STATUS_INVALID_CREDENTIALS, "wrong_password");
		return;
	}
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code == code) {
			set(r, rows[i].status, rows[i].reason);
			r->proven = rows[i].proven;
			r->counted = rows[i].counted;
			return;
		}
	}
	r->status = STATUS_INTERNAL;
	snprintf(r->reason, sizeof(r->reason), "bind_refused_%x", (unsigned int)code);
}

void
bind_result_read(struct bind_result *r, int result, const char *diagnostic)
{
	memset(r, 0, sizeof(*r));
	switch (result) {
	case LDAP_SUCCESS:
		set(r, STATUS_OK, "");
		r->proven = true;
		break;
	case LDAP_INVALID_CREDENTIALS:
		refused(r, diagnostic);
		break;
	case LDAP_ADMINLIMIT_EXCEEDED:
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
		r->status = STATUS_DIRECTORY_UNAVAILABLE;
		snprintf(r->reason, sizeof(r->reason), "bind_result_%d", result);
		break;
	default:
		r->status = STATUS_INTERNAL;
		snprintf(r->reason, sizeof(r->reason), "bind_result_%d", result);
		break;
	}
}
