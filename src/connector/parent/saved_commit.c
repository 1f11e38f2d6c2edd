/* SPDX-License-Identifier: ISC */
/*
 * The successors are written beside the files, complete.  Then one small file appears by rename,
 * with a letter for each of them: from that moment on the change has happened, and what is left
 * to do can be done over and over.
 */
#include "saved_commit.h"

#include "saved.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NEXT ".next"
#define DECISION "saved.commit"

static const char *const names[SAVED_FILES] = {
	[SAVED_SETTINGS] = "saved.conf",
	[SAVED_PASSWORD] = "bind-password",
	[SAVED_SETTINGS_BEFORE] = "saved.conf.previous",
	[SAVED_PASSWORD_BEFORE] = "bind-password.previous",
};

static int
path_of(const char *state_dir, const char *name, const char *ending, char path[PATH_MAX])
{
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s%s", state_dir, name, ending) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int
saved_path(const char *state_dir, enum saved_file file, char path[PATH_MAX])
{
	return path_of(state_dir, names[file], "", path);
}

int
saved_next_path(const char *state_dir, enum saved_file file, char path[PATH_MAX])
{
	return path_of(state_dir, names[file], NEXT, path);
}

static int
sync_directory(const char *state_dir)
{
	int fd, result;

	if ((fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	result = fsync(fd);
	close(fd);
	return result;
}

static int
remove_file(const char *path)
{
	return unlink(path) == -1 && errno != ENOENT ? -1 : 0;
}

int
saved_forget(const char *state_dir)
{
	static const char *const endings[] = { NEXT, NEXT SAVED_BEGUN };
	char path[PATH_MAX];
	size_t j;
	int i, result = 0;

	for (i = 0; i < SAVED_FILES; i++)
		for (j = 0; j < sizeof(endings) / sizeof(endings[0]); j++)
			if (path_of(state_dir, names[i], endings[j], path) == -1 ||
			    remove_file(path) == -1)
				result = -1;
	return result;
}

/* Each step finds itself done when it is done again. */
static int
carry_out(const char *state_dir, const char actions[SAVED_FILES])
{
	char path[PATH_MAX], next[PATH_MAX];
	int i;

	for (i = 0; i < SAVED_FILES; i++) {
		if (saved_path(state_dir, (enum saved_file)i, path) == -1 ||
		    saved_next_path(state_dir, (enum saved_file)i, next) == -1)
			return -1;
		if (actions[i] == SAVED_REPLACE && rename(next, path) == -1 && errno != ENOENT)
			return -1;
		if (actions[i] == SAVED_DELETE && remove_file(path) == -1)
			return -1;
	}
	/* The decision goes last, and for good: done once more after another it would undo that. */
	if (sync_directory(state_dir) == -1 || path_of(state_dir, DECISION, "", path) == -1 ||
	    remove_file(path) == -1 || sync_directory(state_dir) == -1)
		return -1;
	return saved_forget(state_dir);
}

/* 1: there is a decision; 0: there is none; -1 with errno. */
static int
read_decision(const char *state_dir, char actions[SAVED_FILES])
{
	static const char letters[] = { SAVED_KEEP, SAVED_REPLACE, SAVED_DELETE };
	char path[PATH_MAX];
	ssize_t n;
	int fd, i;

	if (path_of(state_dir, DECISION, "", path) == -1)
		return -1;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) == -1)
		return errno == ENOENT ? 0 : -1;
	n = read(fd, actions, SAVED_FILES);
	close(fd);
	for (i = 0; i < SAVED_FILES; i++)
		if (n != SAVED_FILES || memchr(letters, actions[i], sizeof(letters)) == NULL) {
			errno = EINVAL;
			return -1;
		}
	return 1;
}

int
saved_recover(const char *state_dir)
{
	char actions[SAVED_FILES];

	switch (read_decision(state_dir, actions)) {
	case 1:
		return carry_out(state_dir, actions) == -1 ? -1 : 1;
	case 0:
		return saved_forget(state_dir);
	default:
		return -1;
	}
}

int
saved_commit(const char *state_dir, const char actions[SAVED_FILES])
{
	char path[PATH_MAX];
	int saved;

	if (path_of(state_dir, DECISION, "", path) == -1)
		return -1;
	if (saved_write(state_dir, DECISION, actions, SAVED_FILES) == -1) {
		/* It may be there and only not known to be on disk: what is told as failed is
		 * undone. */
		saved = errno;
		if (remove_file(path) == -1 || sync_directory(state_dir) == -1)
			log_error("%s", path);
		else /* not before: what is decided needs them */
			(void)saved_forget(state_dir);
		errno = saved;
		return -1;
	}
	/* It has happened, whatever comes now; the next start, or change, does the rest. */
	if (carry_out(state_dir, actions) == -1)
		log_error("%s: a saved change is carried out at the next start", state_dir);
	return 0;
}
