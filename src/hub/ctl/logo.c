/* SPDX-License-Identifier: ISC */
/*
 * A logo for the login page: see logo.h.  The kind is told by the first bytes, not by the
 * file's name; SVG is not taken, for it can carry scripts.
 */
#include "logo.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *type;
	const char *magic;
	size_t len;
} kinds[] = {
	{ "image/png", "\x89PNG\r\n\x1a\n", 8 },
	{ "image/jpeg", "\xff\xd8\xff", 3 },
};

char *
logo_url(const unsigned char *bytes, size_t len, const char **why)
{
	char *url;
	size_t i, at, size;

	if (len > LOGO_BYTES_MAX) {
		*why = "is larger than 43 KiB";
		return NULL;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (len > kinds[i].len && memcmp(bytes, kinds[i].magic, kinds[i].len) == 0)
			break;
	if (i == sizeof(kinds) / sizeof(kinds[0])) {
		*why = "is neither PNG nor JPEG";
		return NULL;
	}
	size = 64 + (len + 2) / 3 * 4 + 1;
	if ((url = malloc(size)) == NULL) {
		*why = "out of memory";
		return NULL;
	}
	at = (size_t)snprintf(url, size, "data:%s;base64,", kinds[i].type);
	EVP_EncodeBlock((unsigned char *)url + at, bytes, (int)len);
	return url;
}

char *
logo_read(const char *path, const char **why)
{
	unsigned char *bytes;
	char *url;
	size_t len;
	ssize_t n;
	int fd;

	url = NULL;
	if ((bytes = malloc(LOGO_BYTES_MAX + 1)) == NULL) {
		*why = "out of memory";
		return NULL;
	}
	/* A pipe in place of a file must not hold the program up. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1) {
		*why = strerror(errno);
		goto out;
	}
	for (len = 0; len <= LOGO_BYTES_MAX; len += (size_t)n) {
		if ((n = read(fd, bytes + len, LOGO_BYTES_MAX + 1 - len)) == 0)
			break;
		if (n == -1) {
			*why = strerror(errno);
			goto out;
		}
	}
	url = logo_url(bytes, len, why);
out:
	if (fd != -1)
		close(fd);
	free(bytes);
	return url;
}
