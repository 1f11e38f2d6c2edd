/* SPDX-License-Identifier: ISC */
/*
 * Want of memory, one allocation after the other.
 *
 * A test hands over a function that makes one use of the code under test. It is run without
 * harm first, then with its first allocation failing, its second, its third, until a run needs no
 * more; each of them twice: that one alone fails (and what follows it must not go on as if
 * nothing had been), and all from that one on (and nothing may wait for memory for ever). Every
 * malloc(3), calloc(3), realloc(3), strdup(3) and strndup(3) of the process counts, those in
 * libraries too. Must not be linked into anything but unit tests.
 */
#ifndef ADC_TEST_ALLOCATIONS_H
#define ADC_TEST_ALLOCATIONS_H

#include <stdbool.h>

/* OpenSSL keeps what it once fetched, and what it noted about errors: LeakSanitizer alone counts.
 */
#define ALLOCATIONS_KEPT 0x01U
/* For what takes long: the first allocations one by one, then fewer and fewer of them. */
#define ALLOCATIONS_SAMPLED 0x02U

/*
 * attempt() asserts that its result is one of the documented ones, that what failed can be freed
 * or used on, and gives everything back.  It returns true when the use succeeded, as it must
 * when no allocation failed; false when it failed as it may for want of memory.  After each
 * failure it is run without harm, and must succeed.  Without ALLOCATIONS_KEPT it must leave as
 * many blocks in use as there were.
 */
void allocations_fail_each(bool (*attempt)(void *arg), void *arg, unsigned int flags);

/* For attempt(): ends the failing, for what it has to find out afterwards. */
void allocations_relent(void);
/* For attempt(): whether an allocation of this run has failed. */
bool allocations_failed(void);

#endif
