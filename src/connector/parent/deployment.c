/* SPDX-License-Identifier: ISC */
/*
 * Settings together with what they point at: credentials, CA files, the
 * identity at the hub.
 */
#include "adconnectord.h"

#include "saved.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer than any password that Active Directory takes. */
#define PASSWORD_MAX 4096
#define CA_MAX (4U << 20)

static struct secret *
read_password(const char *path)
{
	struct secret *password;
	struct stat st;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1 || fstat(fd, &st) == -1) {
		log_error("%s", path);
		if (fd != -1)
			close(fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
		log_errorx("%s: a password file must be a regular file that only its owner can "
			   "read: chmod 600 %s",
		    path, path);
		close(fd);
		return NULL;
	}
	password = secret_read_fd(fd, PASSWORD_MAX);
	close(fd);
	if (password != NULL && password->len == 0) {
		log_errorx("%s: it is empty", path);
		secret_free(password);
		return NULL;
	}
	return password;
}

/*
 * Opens a file as the user that the parent will be.  What is in the state directory was
 * written by that user, so a path from there must open nothing that only root may read.
 */
static int
open_as(const char *path, uid_t uid, gid_t gid)
{
	bool change = geteuid() == 0 && uid != 0;
	int fd, saved;

	if (change && (setgroups(0, NULL) == -1 || setegid(gid) == -1 || seteuid(uid) == -1))
		fatal("becoming user %u", (unsigned int)uid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	saved = errno;
	if (change && (seteuid(0) == -1 || setegid(0) == -1))
		fatal("becoming root again");
	errno = saved;
	return fd;
}

/* Those who are to trust them start with one at least, or not at all. */
static bool
holds_certificate(int fd)
{
	bool found = false;
	char *text;
	size_t len = 0;
	ssize_t n;

	if ((text = malloc(CA_MAX + 1)) == NULL)
		return true; /* for them to say */
	while (len < CA_MAX && (n = pread(fd, text + len, CA_MAX - len, (off_t)len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	/* OpenSSL takes them as "X509 CERTIFICATE" and "TRUSTED CERTIFICATE", too. */
	found = memmem(text, len, "CERTIFICATE-----", 16) != NULL;
	free(text);
	return found;
}

/* 0 when nothing is named or it is open, -1 (logged) otherwise, -2 (likewise): no certificate. */
static int
open_ca(const struct settings *settings, const char *key, const char *path, uid_t uid, gid_t gid,
    int *fd)
{
	enum settings_origin origin = SETTINGS_DEFAULT;
	struct stat st;

	*fd = -1;
	if (path == NULL)
		return 0;
	free(settings_text(settings, key, &origin));
	*fd = origin == SETTINGS_FILE ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
				      : open_as(path, uid, gid);
	if (*fd == -1) {
		log_error("%s", path);
		return -1;
	}
	if (fstat(*fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		log_errorx("%s: not a regular file", path);
		close(*fd);
		*fd = -1;
		return -1;
	}
	if (!holds_certificate(*fd)) {
		log_errorx("%s: it holds no certificate in PEM form", path);
		close(*fd);
		*fd = -1;
		return -2;
	}
	return 0;
}

struct deployment *
deployment_new(struct settings *settings, uid_t uid, gid_t gid, const char **why)
{
	struct deployment *d;
	int ca;

	if ((d = calloc(1, sizeof(*d))) == NULL) {
		*why = "no memory";
		settings_free(settings);
		return NULL;
	}
	*why = NULL;
	d->settings = settings;
	d->directory_ca = d->cloud_ca = -1;
	if (settings->directory.password_file != NULL) {
		if ((d->bind_password = read_password(settings->directory.password_file)) == NULL)
			*why = "directory.password_file cannot be used";
	} else if (settings_saved_password_allowed(settings))
		d->bind_password = saved_password_load(settings->state_dir, SAVED_PASSWORD);
	if (settings->cloud.proxy_password_file != NULL &&
	    (d->proxy_password = read_password(settings->cloud.proxy_password_file)) == NULL)
		*why = "cloud.proxy_password_file cannot be used";
	ca = open_ca(
	    settings, "directory.tls.ca", settings->directory.tls_ca, uid, gid, &d->directory_ca);
	if (ca != 0)
		*why = ca == -1 ? "directory.tls.ca cannot be read"
				: "directory.tls.ca cannot be used";
	ca = open_ca(settings, "cloud.ca", settings->cloud.ca, uid, gid, &d->cloud_ca);
	if (ca != 0)
		*why = ca == -1 ? "cloud.ca cannot be read" : "cloud.ca cannot be used";
	if (*why != NULL) {
		deployment_free(d);
		return NULL;
	}
	return d;
}

static int
copy_fd(int fd)
{
	return fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static struct secret *
copy_secret(const struct secret *secret)
{
	return secret == NULL ? NULL : secret_copy(secret->data, secret->len);
}

struct deployment *
deployment_copy(const struct deployment *from)
{
	struct deployment *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->settings = settings_copy(from->settings);
	d->identity = identity_copy(from->identity);
	d->bind_password = copy_secret(from->bind_password);
	d->proxy_password = copy_secret(from->proxy_password);
	d->directory_ca = copy_fd(from->directory_ca);
	d->cloud_ca = copy_fd(from->cloud_ca);
	if (d->settings == NULL || (from->identity != NULL && d->identity == NULL) ||
	    (from->bind_password != NULL && d->bind_password == NULL) ||
	    (from->proxy_password != NULL && d->proxy_password == NULL)) {
		deployment_free(d);
		return NULL;
	}
	return d;
}

void
deployment_free(struct deployment *d)
{
	if (d == NULL)
		return;
	settings_free(d->settings);
	identity_free(d->identity);
	secret_free(d->bind_password);
	secret_free(d->proxy_password);
	if (d->directory_ca != -1)
		close(d->directory_ca);
	if (d->cloud_ca != -1)
		close(d->cloud_ca);
	free(d);
}

bool
deployment_directory_ready(const struct deployment *d)
{
	return settings_directory_ready(d->settings) && d->bind_password != NULL;
}

struct deployment *
deployment_of(struct connector *connector, const struct child *child)
{
	struct deployment *next = change_deployment(connector);

	return child_is_trial(child) && next != NULL ? next : connector->current;
}
