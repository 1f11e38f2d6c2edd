/* SPDX-License-Identifier: ISC */
/*
 * The layers that a process puts round itself, as primitives.  Which of them a
 * process uses, and with what allowances, stands in its sandbox_<name>.c.
 *
 * Order: warm up libraries, then sandbox_enter(), which does: chroot (when the
 * capability is there), capabilities to zero, no_new_privs, not dumpable, no core, parent
 * death signal, memory without W+X, Landlock, limits, and last the system call
 * filter.  All but Landlock's absence are fatal when they fail.
 */
#ifndef ADC_SANDBOX_H
#define ADC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One system call that is allowed beyond the base set, or with a condition. */
struct sandbox_call {
	const char *name; /* resolved by libseccomp; unknown names on this machine are skipped */
	int argument;	  /* which argument is compared, -1: none */
	uint64_t value;	  /* must equal */
};

/* A path that stays reachable through Landlock. */
struct sandbox_path {
	const char *path;
	bool write; /* also create, rename, unlink below it */
};

/* The empty, root-owned directory that the package installs. */
#define SANDBOX_EMPTY ADC_LIBEXECDIR "/empty"

struct sandbox {
	const char *name;
	const char *chroot_to; /* SANDBOX_EMPTY, an own directory, or NULL */
	bool internet;	       /* TCP and UDP sockets of its own (dial) */
	bool read_files;       /* opens for reading what paths allows */
	const uint16_t *ports; /* TCP ports that may be connected to (dial) */
	size_t nports;
	uint16_t bind_port; /* TCP port that may be bound; 0: none. bind(2) needs a row as well */
	bool leader;	    /* no death signal: it is nobody's child (parents) */
	const struct sandbox_call *calls; /* ends with a NULL name */
	const struct sandbox_path *paths; /* ends with a NULL path; NULL: none at all */
	size_t descriptors;		  /* RLIMIT_NOFILE */
};

/* Ends the process when a layer cannot be put up. */
void sandbox_enter(const struct sandbox *);
/* Only the list of denied calls, for a process that starts others. */
void sandbox_deny(void);
/* What this kernel lacks, for one log line; "" when nothing. */
const char *sandbox_missing(void);

#endif
