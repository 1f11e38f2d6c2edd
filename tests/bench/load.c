/* SPDX-License-Identifier: ISC */
/* People, times and the printed line: see load.h. */
#include "load.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS 1000000000ULL

uint64_t
load_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

double
load_cpu_s(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == -1)
		err(1, "getrusage");
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void
load_read_users(const char *path, struct load_users *users)
{
	char *line = NULL, *tab, *password;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	memset(users, 0, sizeof(*users));
	if ((file = fopen(path, "re")) == NULL)
		err(1, "%s", path);
	while ((len = getline(&line, &size, file)) != -1) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		if ((tab = strchr(line, '\t')) == NULL)
			errx(1, "%s: line %zu: name, tab and password are needed", path,
			    users->n + 1);
		*tab = '\0';
		users->items = reallocarray(users->items, users->n + 1, sizeof(*users->items));
		if (users->items == NULL)
			err(1, "%s", path);
		password = tab + 1;
		if ((tab = strchr(password, '\t')) != NULL)
			*tab = '\0';
		users->items[users->n].wrong = tab != NULL && strcmp(tab + 1, "wrong") == 0;
		users->items[users->n].name = strdup(line);
		users->items[users->n].password = strdup(password);
		if (users->items[users->n].name == NULL || users->items[users->n].password == NULL)
			err(1, "%s", path);
		users->n++;
	}
	if (ferror(file) || users->n == 0)
		errx(1, "%s: no users could be read", path);
	free(line);
	fclose(file);
}

void
load_free_users(struct load_users *users)
{
	size_t i;

	for (i = 0; i < users->n; i++) {
		free(users->items[i].name);
		free(users->items[i].password);
	}
	free(users->items);
}

char *
load_read_line(const char *path)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	if ((file = fopen(path, "re")) == NULL)
		err(1, "%s", path);
	if ((len = getline(&line, &size, file)) <= 0)
		errx(1, "%s: nothing could be read", path);
	if (line[len - 1] == '\n')
		line[len - 1] = '\0';
	fclose(file);
	return line;
}

unsigned int
load_number(const char *text, const char *what, unsigned int min, unsigned int max)
{
	const char *wrong;
	long long value;

	value = strtonum(text, min, max, &wrong);
	if (wrong != NULL)
		errx(64, "%s %s: %s; %u to %u is possible", what, text, wrong, min, max);
	return (unsigned int)value;
}

void
load_time_add(struct load_times *times, uint64_t ns)
{
	if (times->n == times->size) {
		times->size = times->size == 0 ? 4096 : 2 * times->size;
		times->us = reallocarray(times->us, times->size, sizeof(*times->us));
		if (times->us == NULL)
			err(1, "times");
	}
	/* LOAD_DEADLINE_S keeps it far from 2^32 us. */
	times->us[times->n++] = (uint32_t)(ns / 1000);
}

static void
count(struct load_result *result, const char *word, size_t len, uint64_t n)
{
	struct load_status *status;
	size_t i;

	if (len != 2 || memcmp(word, "ok", 2) != 0)
		result->errors += n;
	for (i = 0; i < result->n_statuses; i++) {
		status = &result->statuses[i];
		if (strlen(status->word) == len && memcmp(status->word, word, len) == 0) {
			status->n += n;
			return;
		}
	}
	if (result->n_statuses == LOAD_MAX_STATUSES || len >= sizeof(status->word))
		errx(1, "too many different answers, the last is %.*s", (int)len, word);
	status = &result->statuses[result->n_statuses++];
	memcpy(status->word, word, len);
	status->word[len] = '\0';
	status->n = n;
}

void
load_count(struct load_result *result, const char *word, size_t len)
{
	count(result, word, len, 1);
}

void
load_merge(struct load_result *into, struct load_result *from)
{
	size_t i;

	for (i = 0; i < from->times.n; i++)
		load_time_add(&into->times, (uint64_t)from->times.us[i] * 1000);
	for (i = 0; i < from->n_statuses; i++)
		count(into, from->statuses[i].word, strlen(from->statuses[i].word),
		    from->statuses[i].n);
	if (from->ended_ns > into->ended_ns)
		into->ended_ns = from->ended_ns;
	free(from->times.us);
}

void
load_begin(struct load_result *result, bool loud)
{
	if (loud)
		fputs("measuring\n", stderr);
	result->cpu_started_s = load_cpu_s();
	result->started_ns = load_now_ns();
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The nearest rank: a time that was measured, never one in between. */
static double
percentile_ms(const struct load_times *times, unsigned int percent)
{
	size_t rank;

	if (times->n == 0)
		return 0;
	rank = (times->n * percent + 99) / 100;
	return (double)times->us[rank - 1] / 1e3;
}

int
load_report(struct load_result *result)
{
	double cpu_s = load_cpu_s() - result->cpu_started_s, seconds;
	struct load_times *times = &result->times;
	size_t i;

	if (times->n > 0)
		qsort(times->us, times->n, sizeof(*times->us), compare);
	seconds = result->ended_ns > result->started_ns
	    ? (double)(result->ended_ns - result->started_ns) / 1e9
	    : 0;
	printf("{\"logins\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"errors\": %llu, \"cpu_seconds\": %.3f, \"statuses\": {",
	    times->n, seconds, seconds > 0 ? (double)times->n / seconds : 0,
	    percentile_ms(times, 50), percentile_ms(times, 99), (unsigned long long)result->errors,
	    cpu_s);
	for (i = 0; i < result->n_statuses; i++)
		printf("%s\"%s\": %llu", i == 0 ? "" : ", ", result->statuses[i].word,
		    (unsigned long long)result->statuses[i].n);
	puts("}}");
	if (fflush(stdout) == EOF)
		err(1, "standard output");
	free(times->us);
	return times->n == 0 || result->errors > 0;
}
