/* SPDX-License-Identifier: ISC */
/*
 * The files of the state directory that change together: settings and bind password, and those
 * that were in force before the last change.  After a crash at any point all of them are of the
 * old state or all of the new one, so that no password ever stands beside settings that it was
 * not given for.
 */
#ifndef ADC_SAVED_COMMIT_H
#define ADC_SAVED_COMMIT_H

#include <limits.h>

enum saved_file {
	SAVED_SETTINGS,
	SAVED_PASSWORD,
	SAVED_SETTINGS_BEFORE,
	SAVED_PASSWORD_BEFORE,
	SAVED_FILES
};

/* What becomes of a file. */
#define SAVED_KEEP 'k'
#define SAVED_REPLACE 'r' /* by the one at saved_next_path() */
#define SAVED_DELETE 'd'

/* Where the file is. -1 with errno. */
int saved_path(const char *state_dir, enum saved_file, char path[PATH_MAX]);
/* Where its successor is put before a commit; it must be on disk by then. -1 with errno. */
int saved_next_path(const char *state_dir, enum saved_file, char path[PATH_MAX]);
/* What was put there, or begun, and is not to be committed: removed. -1 with errno. */
int saved_forget(const char *state_dir);
/* -1 with errno: nothing has changed. */
int saved_commit(const char *state_dir, const char actions[SAVED_FILES]);
/*
 * After a crash: a commit that was decided is completed, one that was not is forgotten.  1: files
 * have changed; 0: none has; -1 with errno.
 */
int saved_recover(const char *state_dir);

#endif
