/* SPDX-License-Identifier: ISC */
/*
 * Files in the state directory that are not settings.
 */
#include "saved.h"

#include "common/log.h"
#include "common/message.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATE_PREFIX "ca-"

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n)
		if ((n = write(fd, data, len)) <= 0) {
			if (n == 0)
				errno = ENOSPC;
			return -1;
		}
	return 0;
}

int
saved_write(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	int fd = -1, directory = -1, result = -1, saved;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path) ||
	    (size_t)snprintf(temporary, sizeof(temporary), "%s" SAVED_BEGUN, path) >=
		sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (unlink(temporary) == -1 && errno != ENOENT)
		return -1;
	if ((fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) ==
	    -1)
		return -1;
	if (write_all(fd, data, len) == 0 && fsync(fd) == 0 && rename(temporary, path) == 0 &&
	    (directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1 &&
	    fsync(directory) == 0)
		result = 0;
	saved = errno;
	if (directory != -1)
		close(directory);
	close(fd);
	if (result == -1)
		unlink(temporary);
	errno = saved;
	return result;
}

struct secret *
saved_password_load(const char *state_dir, enum saved_file file)
{
	struct secret *password;
	char path[PATH_MAX];
	int fd;

	if (saved_path(state_dir, file, path) == -1)
		return NULL;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) == -1) {
		if (errno != ENOENT)
			log_error("%s", path);
		return NULL;
	}
	/* One line feed stands behind the password, for it may end in one itself. */
	password = secret_read_fd(fd, BIND_PASSWORD_MAX + 1);
	close(fd);
	if (password != NULL && password->len == 0) {
		log_errorx("%s: it is empty", path);
		secret_free(password);
		return NULL;
	}
	return password;
}

int
saved_password_prepare(
    const char *state_dir, enum saved_file file, const struct secret *password, char *action)
{
	struct secret *line;
	char path[PATH_MAX];
	int result;

	*action = SAVED_DELETE;
	if (password == NULL)
		return 0;
	*action = SAVED_REPLACE;
	if (saved_next_path(state_dir, file, path) == -1 ||
	    (line = secret_new(password->len + 1)) == NULL)
		return -1;
	memcpy(line->data, password->data, password->len);
	line->data[password->len] = '\n';
	result = saved_write(state_dir, strrchr(path, '/') + 1, line->data, line->len);
	secret_free(line);
	return result;
}

bool
saved_is_certificate(const char *value)
{
	return strstr(value, "-----BEGIN CERTIFICATE-----") != NULL;
}

int
saved_certificate_write(
    const char *state_dir, const char *key, const char *text, char path[PATH_MAX])
{
	char name[NAME_MAX];
	char *p;

	snprintf(name, sizeof(name), CERTIFICATE_PREFIX "%s-%08x.pem", key, arc4random());
	for (p = name; *p != '\0'; p++) {
		if (*p == '/')
			*p = '-';
	}
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s", state_dir, name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return saved_write(state_dir, name, text, strlen(text));
}

void
saved_certificate_remove(const char *state_dir, const char *path)
{
	size_t len = strlen(state_dir);

	if (path != NULL && strncmp(path, state_dir, len) == 0 && path[len] == '/' &&
	    strncmp(path + len + 1, CERTIFICATE_PREFIX, strlen(CERTIFICATE_PREFIX)) == 0 &&
	    strchr(path + len + 1, '/') == NULL && unlink(path) == -1 && errno != ENOENT)
		log_warn("%s", path);
}

static bool
is_among(const char *path, char *const *paths, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(paths[i], path) == 0)
			return true;
	return false;
}

void
saved_certificates_tidy(const char *state_dir, char *const *kept, size_t count)
{
	const struct dirent *entry;
	char path[PATH_MAX];
	DIR *folder;

	if ((folder = opendir(state_dir)) == NULL) {
		log_warn("%s", state_dir);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, CERTIFICATE_PREFIX, strlen(CERTIFICATE_PREFIX)) == 0 &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", state_dir, entry->d_name) <
			sizeof(path) &&
		    !is_among(path, kept, count))
			saved_certificate_remove(state_dir, path);
	closedir(folder);
}
