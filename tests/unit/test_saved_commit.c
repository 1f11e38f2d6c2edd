/* SPDX-License-Identifier: ISC */
/*
 * Files that change together: the daemon is ended before each of the calls that change something
 * on disk, once for every one of them, and what is found afterwards is the old state or the new.
 */
#include "saved.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_saved_commit.XXXXXX";

/* The call at which the daemon ends; 0: never. Those that follow do nothing. */
static unsigned int end_at, calls;
static bool ended;
/* The call that fails for want of room; 0: none. */
static unsigned int fail_at;
/* How many fail from that one on. */
static unsigned int failures;

int __real_rename(const char *, const char *);
int __wrap_rename(const char *, const char *);
int __real_unlink(const char *);
int __wrap_unlink(const char *);
int __real_fsync(int);
int __wrap_fsync(int);
ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);

/* Does this call happen? Otherwise errno is set. */
static bool
happens(void)
{
	calls++;
	if (end_at != 0 && calls >= end_at)
		ended = true;
	errno = ended ? EINTR : ENOSPC;
	return !ended && (fail_at == 0 || calls < fail_at || calls >= fail_at + failures);
}

int
__wrap_rename(const char *from, const char *to)
{
	return happens() ? __real_rename(from, to) : -1;
}

int
__wrap_unlink(const char *path)
{
	return happens() ? __real_unlink(path) : -1;
}

int
__wrap_fsync(int fd)
{
	return happens() ? __real_fsync(fd) : -1;
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	/* Not what is logged, or told by cmocka. */
	if (fd <= STDERR_FILENO)
		return __real_write(fd, data, len);
	if (happens())
		return __real_write(fd, data, len);
	/* Half of it is on disk. */
	return ended ? -1 : __real_write(fd, data, len / 2);
}

static void
in_folder(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static void
put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	in_folder(path, name);
	if (text == NULL) {
		__real_unlink(path);
		return;
	}
	assert_non_null(file = fopen(path, "w"));
	fputs(text, file);
	fclose(file);
}

/* "" when there is no such file. */
static const char *
get(const char *name)
{
	static char text[64];
	char path[PATH_MAX];
	size_t n = 0;
	FILE *file;

	in_folder(path, name);
	if ((file = fopen(path, "r")) != NULL) {
		n = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[n] = '\0';
	return text;
}

static void
old_state(void)
{
	put("saved.conf", "settings 1");
	put("bind-password", "password 1\n");
	put("saved.conf.previous", "settings 0");
	put("bind-password.previous", "password 0\n");
}

/* "1": the state before, "2": the one after; anything else is a mixture. */
static const char *
state_now(void)
{
	static const char *const names[] = { "saved.conf", "bind-password", "saved.conf.previous",
		"bind-password.previous" };
	static const char *const states[2][4] = { { "settings 1", "password 1\n", "settings 0",
						      "password 0\n" },
		{ "settings 2", "password 2\n", "settings 1", "" } };
	bool same[2] = { true, true };
	size_t i, j;

	for (i = 0; i < 4; i++)
		for (j = 0; j < 2; j++)
			same[j] = same[j] && strcmp(get(names[i]), states[j][i]) == 0;
	return same[0] ? "1" : same[1] ? "2" : "a mixture";
}

/* From state 1 to state 2; the password before is forgotten. */
static int
change(void)
{
	char actions[SAVED_FILES] = { SAVED_REPLACE, 0, SAVED_REPLACE, 0 };
	struct secret *password = secret_copy("password 2", 10);
	int result = -1;

	if (saved_write(folder, "saved.conf.next", "settings 2", 10) == 0 &&
	    saved_write(folder, "saved.conf.previous.next", "settings 1", 10) == 0 &&
	    saved_password_prepare(folder, SAVED_PASSWORD, password, &actions[SAVED_PASSWORD]) ==
		0 &&
	    saved_password_prepare(
		folder, SAVED_PASSWORD_BEFORE, NULL, &actions[SAVED_PASSWORD_BEFORE]) == 0)
		result = saved_commit(folder, actions);
	secret_free(password);
	return result;
}

static void
begin(unsigned int end, unsigned int fail)
{
	calls = 0;
	ended = false;
	end_at = end;
	fail_at = fail;
	failures = 1;
}

static void
nothing_is_left(void)
{
	static const char *const names[] = { "saved.conf.next", "bind-password.next",
		"saved.conf.previous.next", "bind-password.previous.next", "saved.conf.next.new",
		"bind-password.next.new", "saved.conf.previous.next.new",
		"bind-password.previous.next.new", "saved.commit" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(get(names[i]), "");
}

static void
test_a_change(void **state)
{
	struct secret *password;

	(void)state;
	old_state();
	begin(0, 0);
	assert_int_equal(change(), 0);
	assert_string_equal(state_now(), "2");
	nothing_is_left();
	assert_int_equal(saved_recover(folder), 0);
	assert_string_equal(state_now(), "2");
	assert_non_null(password = saved_password_load(folder, SAVED_PASSWORD));
	assert_int_equal(password->len, 10);
	secret_free(password);
	assert_null(saved_password_load(folder, SAVED_PASSWORD_BEFORE));
}

static void
test_what_is_kept(void **state)
{
	static const char actions[SAVED_FILES] = { SAVED_REPLACE, SAVED_KEEP, SAVED_DELETE,
		SAVED_KEEP };

	(void)state;
	old_state();
	begin(0, 0);
	put("saved.conf.next", "settings 3");
	assert_int_equal(saved_commit(folder, actions), 0);
	assert_string_equal(get("saved.conf"), "settings 3");
	assert_string_equal(get("bind-password"), "password 1\n");
	assert_string_equal(get("saved.conf.previous"), "");
	assert_string_equal(get("bind-password.previous"), "password 0\n");
}

/* Also ended a second time while the first end is being mended. */
static void
test_ended_at_every_point(void **state)
{
	unsigned int all, at, again, olds = 0, news = 0;
	const char *now;

	(void)state;
	old_state();
	begin(0, 0);
	assert_int_equal(change(), 0);
	all = calls;
	assert_true(all > 15);
	for (at = 1; at <= all; at++) {
		for (again = 1; again <= all; again++) {
			old_state();
			begin(at, 0);
			(void)change();
			assert_true(ended);
			begin(again, 0);
			(void)saved_recover(folder);
			begin(0, 0);
			assert_int_not_equal(saved_recover(folder), -1);
			now = state_now();
			if (strcmp(now, "1") == 0)
				olds++;
			else if (strcmp(now, "2") == 0)
				news++;
			else
				fail_msg("ended at call %u, then at %u: %s", at, again, now);
			nothing_is_left();
			/* And once more nothing changes. */
			assert_int_equal(saved_recover(folder), 0);
			assert_string_equal(state_now(), now);
		}
	}
	assert_true(olds > 0 && news > 0);
}

/* A call that fails while the daemon goes on. What was told is what is found. */
static void
test_every_failure(void **state)
{
	unsigned int all, at, failed = 0;
	int result;

	(void)state;
	old_state();
	begin(0, 0);
	assert_int_equal(change(), 0);
	all = calls;
	for (at = 1; at <= all; at++) {
		old_state();
		begin(0, at);
		result = change();
		failed += result == -1;
		begin(0, 0);
		assert_int_not_equal(saved_recover(folder), -1);
		/* A directory that cannot be synced may hold the decision all the same. */
		if (result == 0)
			assert_string_equal(state_now(), "2");
		else if (strcmp(state_now(), "1") != 0)
			fail_msg("call %u failed, and the state is %s", at, state_now());
		nothing_is_left();
	}
	assert_true(failed > 5);
}

/* An end between writing and renaming leaves no password either; nor does giving up. */
static void
test_what_was_begun_is_removed(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		old_state();
		begin(0, 0);
		put("bind-password.next", "password 2\n");
		put("bind-password.next.new", "passw");
		put("bind-password.previous.next.new", "password 1\n");
		assert_int_equal(i == 0 ? saved_recover(folder) : saved_forget(folder), 0);
		nothing_is_left();
		assert_string_equal(state_now(), "1");
	}
}

/* Whose decision may come back with a crash needs what it decided on. */
static void
test_a_decision_keeps_what_it_needs(void **state)
{
	unsigned int all, at, kept = 0;

	(void)state;
	old_state();
	begin(0, 0);
	assert_int_equal(change(), 0);
	all = calls;
	for (at = 1; at <= all; at++) {
		old_state();
		begin(0, at);
		/* What takes it back fails as well. */
		failures = 3;
		if (change() == -1 && get("saved.commit")[0] != '\0') {
			assert_string_equal(get("bind-password.next"), "password 2\n");
			kept++;
		}
		begin(0, 0);
		assert_int_not_equal(saved_recover(folder), -1);
		assert_string_not_equal(state_now(), "a mixture");
	}
	assert_true(kept > 0);
}

/* A file of its own for each, as saved_certificate_write() names them. */
static void
test_certificates_that_nothing_names(void **state)
{
	char path[2][PATH_MAX], *const kept[] = { path[0], path[1] };

	(void)state;
	begin(0, 0);
	in_folder(path[0], "ca-directory.tls.ca-00000001.pem");
	in_folder(path[1], "ca-cloud.ca-00000002.pem");
	put("ca-directory.tls.ca-00000001.pem", "1");
	put("ca-cloud.ca-00000002.pem", "2");
	put("ca-cloud.ca-00000003.pem", "3");
	put("ca-directory.tls.ca-00000001.pem.new", "4");
	saved_certificates_tidy(folder, kept, 2);
	assert_string_equal(get("ca-directory.tls.ca-00000001.pem"), "1");
	assert_string_equal(get("ca-cloud.ca-00000002.pem"), "2");
	assert_string_equal(get("ca-cloud.ca-00000003.pem"), "");
	assert_string_equal(get("ca-directory.tls.ca-00000001.pem.new"), "");
	put("ca-directory.tls.ca-00000001.pem", NULL);
	put("ca-cloud.ca-00000002.pem", NULL);
}

static void
test_a_damaged_decision(void **state)
{
	static const char *const texts[] = { "", "r", "rrr", "rrxr", "kkk\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		old_state();
		begin(0, 0);
		put("saved.conf.next", "settings 2");
		put("saved.commit", texts[i]);
		assert_int_equal(saved_recover(folder), -1);
		assert_string_equal(state_now(), "1");
	}
	put("saved.commit", NULL);
	assert_int_equal(saved_recover(folder), 0);
}

static int
set_up(void **state)
{
	(void)state;
	log_init("test");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	begin(0, 0);
	put("saved.conf", NULL);
	put("bind-password", NULL);
	put("saved.conf.previous", NULL);
	put("bind-password.previous", NULL);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change),
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_ended_at_every_point),
		cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_what_was_begun_is_removed),
		cmocka_unit_test(test_a_decision_keeps_what_it_needs),
		cmocka_unit_test(test_certificates_that_nothing_names),
		cmocka_unit_test(test_a_damaged_decision),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
