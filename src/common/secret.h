/* SPDX-License-Identifier: ISC */
/*
 * Secrets at rest in memory: pages of their own between guard pages, locked,
 * left out of core files and of forked children, wiped when freed.
 */
#ifndef ADC_SECRET_H
#define ADC_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct secret {
	unsigned char *data; /* len bytes and a NUL behind them */
	size_t len;
};

/* A zeroed secret of len bytes, NULL when memory or RLIMIT_MEMLOCK is short (logged). */
struct secret *secret_new(size_t len);
struct secret *secret_copy(const void *, size_t len);
/* Reads a whole file (at most max bytes, one final line feed cut off); errors are logged. */
struct secret *secret_read_fd(int fd, size_t max);
void secret_free(struct secret *);
/* Constant time in the content. */
bool secret_equal(const void *, const void *, size_t len);

#endif
