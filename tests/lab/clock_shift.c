/* SPDX-License-Identifier: ISC */
/*
 * A wrong clock for one daemon and its children: a library that tests/lab/preload.py puts in
 * front of theirs, and that adds to the clocks the seconds that tests/lab/clock.py wrote.
 *
 * libfaketime wants its environment, and our children have none; nor could they open a file
 * once they are in their sandbox.  So the file is mapped at the start, and what is
 * written to it later is seen by processes that can no longer open anything.
 *
 * The monotonic clocks are not what somebody sets wrong.  They have seconds of their own, for
 * what takes hours; whoever sleeps meanwhile notices when something wakes it.  Nothing here may
 * call into a sanitizer's runtime, which comes to life later: only system calls.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define SHIFT_FILE "/etc/adc-clock-shift" /* see clock.py */

struct shift {
	int64_t wall, monotonic; /* seconds */
};

static const volatile struct shift *shift;

__attribute__((constructor)) static void
map_shift(void)
{
	long fd, at;

	/* Each argument as wide as a register: nothing else widens them. */
	fd = syscall(SYS_openat, (long)AT_FDCWD, SHIFT_FILE, (long)(O_RDONLY | O_CLOEXEC), 0L);
	if (fd == -1)
		return;
	at = syscall(SYS_mmap, NULL, sizeof(*shift), (long)PROT_READ, (long)MAP_SHARED, fd, 0L);
	if (at != -1)
		shift = (const volatile struct shift *)at;
	syscall(SYS_close, fd);
}

static int64_t
seconds(clockid_t id)
{
	if (shift == NULL)
		return 0;
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return shift->wall;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		return shift->monotonic;
	default: /* of CPU time */
		return 0;
	}
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = (int)syscall(SYS_clock_gettime, (long)id, ts);

	if (result == 0)
		ts->tv_sec += seconds(id);
	return result;
}

/* glibc's own declaration says that tv is never NULL. */
int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) == -1)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *store)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &ts) == -1)
		return -1;
	if (store != NULL)
		*store = ts.tv_sec;
	return ts.tv_sec;
}
