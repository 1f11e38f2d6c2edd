/* SPDX-License-Identifier: ISC */
/*
 * What the connector saves beside its settings: the bind password that came
 * through ctl, and CA certificates that were given as text. Each is a file of
 * its own in the state directory, changed by rename.
 */
#ifndef ADC_SAVED_H
#define ADC_SAVED_H

#include "saved_commit.h"

#include "common/secret.h"

#include <limits.h>

/* NULL when none is saved, or (logged) when it cannot be read. */
struct secret *saved_password_load(const char *state_dir, enum saved_file);
/* For a commit; NULL: the file is to go. Tells what becomes of it. -1 with errno. */
int
saved_password_prepare(const char *state_dir, enum saved_file, const struct secret *, char *action);

/* What a file is called while saved_write() writes it: its name with this behind. */
#define SAVED_BEGUN ".new"
/* Writes state_dir/name completely or not at all, mode 0600. -1 with errno. */
int saved_write(const char *state_dir, const char *name, const void *data, size_t len);

/* Is this setting's value the text of certificates rather than a path? */
bool saved_is_certificate(const char *value);
/*
 * Writes the text to a new file for the key; path gets its name. The file has
 * a name of its own, so the one in force stays. -1 with errno.
 */
int saved_certificate_write(
    const char *state_dir, const char *key, const char *text, char path[PATH_MAX]);
/* Removes those whose paths are not among the kept, and what was begun of others. */
void saved_certificates_tidy(const char *state_dir, char *const *kept, size_t count);
/* Removes a file that saved_certificate_write() made; other paths are left alone. */
void saved_certificate_remove(const char *state_dir, const char *path);

#endif
