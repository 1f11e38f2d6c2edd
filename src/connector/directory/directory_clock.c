/* SPDX-License-Identifier: ISC */
/*
 * See directory_clock.h.  Only times: what they mean for an account is for lockout.c to say.
 */
#include "build.h"

#include "directory_clock.h"

#include "attributes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGITS "0123456789"
#define STEADY (2 * FILETIME_SECOND)

static int64_t
filetime_of(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * FILETIME_SECOND + now.tv_nsec / 100;
}

static int
number(const char **at, unsigned int digits)
{
	int n = 0;

	while (digits-- > 0)
		n = 10 * n + (*(*at)++ - '0');
	return n;
}

int
directory_time_read(const char *text, int64_t *filetime)
{
	const char *at = text, *end = text + strspn(text, DIGITS);
	struct tm tm = { 0 };

	if (end - text != 14)
		return -1;
	if (*end == '.')
		end += 1 + strspn(end + 1, DIGITS);
	if (strcmp(end, "Z") != 0)
		return -1;
	tm.tm_year = number(&at, 4) - 1900;
	tm.tm_mon = number(&at, 2) - 1;
	tm.tm_mday = number(&at, 2);
	tm.tm_hour = number(&at, 2);
	tm.tm_min = number(&at, 2);
	tm.tm_sec = number(&at, 2);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	*filetime = filetime_from_unix((int64_t)timegm(&tm));
	return 0;
}

void
directory_clock_set(struct directory_clock *clock, int64_t filetime)
{
	clock->known = true;
	clock->ahead = filetime - filetime_of(CLOCK_MONOTONIC);
}

void
directory_clock_follow(struct directory_clock *clock, const struct directory_clock *later)
{
	if (later->known &&
	    (!clock->known || llabs((long long)(later->ahead - clock->ahead)) > STEADY))
		*clock = *later;
}

int64_t
directory_clock_now(const struct directory_clock *clock)
{
	if (clock->known)
		return clock->ahead + filetime_of(CLOCK_MONOTONIC);
	return filetime_from_unix(0) + filetime_of(CLOCK_REALTIME);
}
