/* SPDX-License-Identifier: ISC */
/*
 * What both load clients have in common: the people they log in, the times they
 * measured and the line they print.  So that the figures of both mean the same.
 *
 * Must not know how a login is made. Nothing here comes back on an error of the caller's
 * machine (no memory, no file): the program ends with a message.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MAX_CONCURRENCY 1024
#define LOAD_MAX_SECONDS 240 /* sealed texts are good for 300 s */
#define LOAD_MAX_STATUSES 32
/* Answers are waited for so long, more than the 10 s that a login may take. */
#define LOAD_DEADLINE_S 15

struct load_user {
	char *name;
	char *password;
	bool wrong; /* the password is not his: to be refused */
};

struct load_users {
	struct load_user *items;
	size_t n; /* at least 1 */
};

/* How long single logins took. */
struct load_times {
	uint32_t *us;
	size_t n, size;
};

struct load_status {
	char word[48];
	uint64_t n;
};

struct load_result {
	struct load_times times; /* of good logins */
	struct load_status statuses[LOAD_MAX_STATUSES];
	size_t n_statuses;
	uint64_t errors;      /* logins that were not good */
	uint64_t started_ns;  /* load_now_ns() */
	uint64_t ended_ns;    /* when the last answer came */
	double cpu_started_s; /* load_cpu_s() */
};

/* CLOCK_MONOTONIC, the same for all processes of the host. */
uint64_t load_now_ns(void);
/* User and system time of this process in seconds. */
double load_cpu_s(void);

/* Lines of name, tab, password, and for a wrong one tab and "wrong". Passwords come by file, as
 * argv is there for all to read. */
void load_read_users(const char *path, struct load_users *users);
void load_free_users(struct load_users *users);
/* The first line of a file, for free(3). */
char *load_read_line(const char *path);
/* A number of the command line within limits. */
unsigned int load_number(const char *text, const char *what, unsigned int min, unsigned int max);

void load_time_add(struct load_times *times, uint64_t ns);
/* Counts an answer by its status word; all but "ok" are errors. */
void load_count(struct load_result *result, const char *word, size_t len);
/* Adds the times and counts of another thread, and frees its times. */
void load_merge(struct load_result *into, struct load_result *from);

/* Starts the clock. loud: tells the reader of standard error so. */
void load_begin(struct load_result *result, bool loud);
/*
 * Prints {logins, seconds, rate, p50_ms, p99_ms, errors, cpu_seconds, statuses} as one line.
 * logins, rate and times are of good logins. Returns the program's exit status: 0 if there
 * were any and no errors. Frees the times.
 */
int load_report(struct load_result *result);

#endif
