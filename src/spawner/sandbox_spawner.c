/* SPDX-License-Identifier: ISC */
/*
 * The spawner's filter is inherited by every child it starts, as Landlock
 * would be, so it can only deny what none of them needs.  It keeps the
 * capabilities to change ids, to let a child chroot itself, and to end
 * children of other users.
 */
#include "spawner.h"

#include "common/log.h"
#include "common/sandbox.h"

#include <sys/prctl.h>

#include <signal.h>
#include <unistd.h>

void
sandbox_spawner(void)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		fatal("sandbox: prctl");
	if (getppid() != parent)
		fatalx("sandbox: the parent is gone");
	sandbox_deny();
}
