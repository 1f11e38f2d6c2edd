/* SPDX-License-Identifier: ISC */
/*
 * The allocator of a unit test, which fails when it is told to: see allocations.h.
 *
 * The functions stand before those of the C library for the whole process, shared libraries
 * too; AddressSanitizer's own are called where there is one, so that it sees every block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "allocations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define BENEATH(name) __interceptor_##name
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BENEATH(name) __interceptor_##name
#endif
#endif
#ifndef BENEATH
#define BENEATH(name) __libc_##name
#endif

/* More runs than the hungriest use needs: a loop that never gets through ends here. */
#define RUNS_MAX 20000U

void *BENEATH(malloc)(size_t);
void *BENEATH(calloc)(size_t, size_t);
void *BENEATH(realloc)(void *, size_t);
void BENEATH(free)(void *);

static bool armed;
static bool for_good; /* all that follow fail as well */
static unsigned int countdown;
static bool failed;
static long in_use;

static bool
refuses(void)
{
	if (!armed)
		return false;
	if (countdown > 1) {
		countdown--;
		return false;
	}
	if (countdown == 0 && !for_good)
		return false;
	countdown = 0;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	void *block = refuses() ? NULL : BENEATH(malloc)(size);

	if (block != NULL)
		in_use++;
	return block;
}

void *
calloc(size_t count, size_t size)
{
	void *block = refuses() ? NULL : BENEATH(calloc)(count, size);

	if (block != NULL)
		in_use++;
	return block;
}

void *
realloc(void *old, size_t size)
{
	void *block;

	if (old != NULL && size == 0) {
		free(old);
		return NULL;
	}
	block = refuses() ? NULL : BENEATH(realloc)(old, size);
	if (old == NULL && block != NULL)
		in_use++;
	return block;
}

void
free(void *block)
{
	if (block != NULL)
		in_use--;
	BENEATH(free)(block);
}

static char *
copy_of(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy != NULL) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

char *
strndup(const char *text, size_t max)
{
	return copy_of(text, strnlen(text, max));
}

char *
strdup(const char *text)
{
	return copy_of(text, strlen(text));
}

void
allocations_relent(void)
{
	armed = false;
}

bool
allocations_failed(void)
{
	return failed;
}

/* One run in which the nth allocation fails, none when n is 0. True: one did. */
static bool
run(bool (*attempt)(void *), void *arg, unsigned int flags, unsigned int n)
{
	long before = in_use;
	bool succeeded;

	failed = false;
	countdown = n;
	armed = n > 0;
	succeeded = attempt(arg);
	armed = false;
	if (!succeeded && !failed)
		fail_msg("it failed although there was memory");
	if ((flags & ALLOCATIONS_KEPT) == 0 && in_use != before)
		fail_msg("allocation %u failing%s leaves %ld blocks behind", n,
		    for_good ? " for good" : "", in_use - before);
	return failed;
}

void
allocations_fail_each(bool (*attempt)(void *), void *arg, unsigned int flags)
{
	unsigned int n;
	int permanent;

	/* What is made once per process is not looked at. */
	for_good = false;
	run(attempt, arg, flags | ALLOCATIONS_KEPT, 0);
	for (permanent = 0; permanent <= 1; permanent++) {
		for (n = 1; n <= RUNS_MAX;
		     n += (flags & ALLOCATIONS_SAMPLED) == 0 ? 1 : 1 + n / 8) {
			for_good = permanent == 1;
			if (!run(attempt, arg, flags, n))
				break;
			run(attempt, arg, flags, 0);
		}
		if (n == 1 || n > RUNS_MAX)
			fail_msg("%s", n == 1 ? "it allocates nothing" : "it never gets through");
	}
}
