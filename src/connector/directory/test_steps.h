/* SPDX-License-Identifier: ISC */
/*
 * "Test connection": reach a server, sign in, read; on a connection of its own, so that it
 * tells what is true now.  Each step is reported by itself, with what to do about it.
 */
#ifndef ADC_DIRECTORY_TEST_STEPS_H
#define ADC_DIRECTORY_TEST_STEPS_H

#include "connection.h"

struct message;
struct service;
struct test_runs;

/* Tests under way. */
#define TESTS_MAX 2
#define TEST_DEADLINE_MAX 60000U

struct test_runs *
test_runs_new(const struct environment *, struct service *, void (*idle)(void *arg), void *arg);
/* TEST_DIRECTORY */
void test_runs_begin(struct test_runs *, struct message *);
unsigned int test_runs_count(const struct test_runs *);

#endif
