/* SPDX-License-Identifier: ISC */
/*
 * Secrets on locked pages. One secret is one mapping: they are few, and a
 * neighbour's overrun must meet a guard page.
 */
#include "secret.h"

#include "log.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096U

static size_t
payload_size(size_t len)
{
	return (len + sizeof(struct secret) + 1 + PAGE - 1) / PAGE * PAGE;
}

/* Layout: guard page, struct secret and data, guard page. */
struct secret *
secret_new(size_t len)
{
	struct secret *s;
	uint8_t *map;
	size_t size;

	if (len > SIZE_MAX - 4 * PAGE) {
		errno = ENOMEM;
		return NULL;
	}
	size = payload_size(len);
	map = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED) {
		log_error("no memory for a secret");
		return NULL;
	}
	if (mprotect(map + PAGE, size, PROT_READ | PROT_WRITE) == -1)
		goto fail;
	if (madvise(map + PAGE, size, MADV_DONTDUMP) == -1 ||
	    madvise(map + PAGE, size, MADV_WIPEONFORK) == -1)
		goto fail;
	if (mlock(map + PAGE, size) == -1)
		log_warn("a secret could not be locked in memory and may reach swap space");
	s = (struct secret *)(void *)(map + PAGE);
	s->data = map + PAGE + sizeof(*s);
	s->len = len;
	return s;
fail:
	log_error("a secret could not be protected");
	munmap(map, size + 2 * PAGE);
	return NULL;
}

struct secret *
secret_copy(const void *data, size_t len)
{
	struct secret *s;

	if ((s = secret_new(len)) != NULL && len > 0)
		memcpy(s->data, data, len);
	return s;
}

struct secret *
secret_read_fd(int fd, size_t max)
{
	struct secret *whole, *s;
	size_t at = 0;
	ssize_t n;

	if ((whole = secret_new(max + 1)) == NULL)
		return NULL;
	do {
		n = read(fd, whole->data + at, max + 1 - at);
		if (n > 0)
			at += (size_t)n;
	} while (at <= max && (n > 0 || (n == -1 && errno == EINTR)));
	if (n == -1 || at > max) {
		if (n == -1)
			log_error("reading a secret");
		else
			log_errorx("reading a secret: it is longer than %zu bytes", max);
		secret_free(whole);
		return NULL;
	}
	if (at > 0 && whole->data[at - 1] == '\n')
		at--;
	s = secret_copy(whole->data, at);
	secret_free(whole);
	return s;
}

void
secret_free(struct secret *s)
{
	uint8_t *map;
	size_t size;

	if (s == NULL)
		return;
	map = (uint8_t *)s - PAGE;
	size = payload_size(s->len);
	explicit_bzero(map + PAGE, size);
	munmap(map, size + 2 * PAGE);
}

bool
secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t difference = 0;
	size_t i;

	for (i = 0; i < len; i++)
		difference |= (uint8_t)(x[i] ^ y[i]);
	return difference == 0;
}
