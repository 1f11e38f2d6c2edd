/* SPDX-License-Identifier: ISC */
/*
 * What the answer to a simple bind says about the user: the table of the
 * tunnel protocol, section 8, from LDAP results and AD's "data" codes.
 */
#ifndef ADC_DIRECTORY_BIND_RESULT_H
#define ADC_DIRECTORY_BIND_RESULT_H

#include "common/status.h"

#include <stdbool.h>

/* With its NUL; what the parent takes. */
#define REASON_SIZE 64

struct bind_result {
	enum status status;
	/*
	 * The password was right.  AD says 530 to 533, 701 and 773 only to a right
	 * password (measured on Samba; MS-ERREF names the codes); 775 to any.
	 */
	bool proven;
	bool counted; /* AD may have counted a failed try */
	char reason[REASON_SIZE];
};

/* result is an LDAP result code (RFC 4511 4.1.9); diagnostic may be NULL. */
void bind_result_read(struct bind_result *, int result, const char *diagnostic);

#endif
