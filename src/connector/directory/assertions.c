/* SPDX-License-Identifier: ISC */
/*
 * An assertion that fails, in a library too, ends the process with a line of log that says
 * which. This definition stands in front of the C library's, whose abort(3) the sandbox
 * takes for an attack.
 *
 * The reason is libldap: for one of the allocations of every request it asserts that there
 * is memory (ldap_send_server_request() of 2.5.13). Is part of the program, not of a library.
 */
#include "build.h"

#include "common/log.h"

#include <assert.h>

void
__assert_fail(const char *assertion, const char *file, unsigned int line, const char *function)
{
	fatalx("%s:%u: %s: it does not hold that %s", file, line, function, assertion);
}
