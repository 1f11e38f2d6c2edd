/* SPDX-License-Identifier: ISC */
/*
 * Logins through the hub, as login pages make them: POST /login/verify with a sealed
 * password over connections that are kept open.
 *
 * Every password is sealed before the clock starts, each text with a jti of its own; a short
 * run first tells how many are needed. An answer must be "ok" and about the person who asked.
 * With -n so many are made, whatever comes of them, and those with a wrong password have to be
 * refused; an answer that is neither right nor "cannot tell now" is counted as WRONG.
 * With -F it waits until a connector is there and tells when the first login was good.
 */
#include "https.h"
#include "load.h"
#include "seal.h"

#include <bsd/string.h>

#include <err.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PILOT_SECONDS 1
#define PILOT_REQUESTS 2000
#define REQUESTS_MAX 300000
#define POLL_US 1000
/* Who could not log in now tries again after a moment, as people do. */
#define UNDECIDED_US 100000
#define FIRST_LOGIN_SECONDS 60

/* What a link is busy with. */
struct task {
	struct run *run;
	struct https_link *link;
	const struct load_user *user;
	uint64_t begun_ns;
	bool undecided; /* the last answer was neither yes nor no */
};

enum phase { PHASE_OPENING, PHASE_WARMING, PHASE_COUNTING };

/* Logins over all links until the time or the requests are used up. */
struct run {
	struct event_base *base;
	struct seal_request *requests;
	size_t n_requests, next;
	enum phase phase;
	bool loud;
	unsigned int concurrency, seconds;
	struct task tasks[LOAD_MAX_CONCURRENCY];
	size_t n_tasks; /* given to a link */
	struct https_link *idle[LOAD_MAX_CONCURRENCY];
	size_t n_idle, busy;
	uint64_t deadline_ns;
	struct load_result result;
};

/* One request after the other on one link. */
struct client {
	struct https_settings settings;
	struct event_base *base;
	struct https *https;
	struct https_link *link;
	char *body; /* of the last answer, with a NUL */
	size_t len;
	int http;
};

struct load {
	struct event_base *base;
	char *host, *port;
	const char *address, *pin, *connection;
	struct load_users users;
	unsigned int concurrency, seconds;
	size_t next_user;
	size_t number; /* of logins; 0: as many as there is time for */
	struct client client;
};

static void usage(void) __attribute__((noreturn));

static void
usage(void)
{
	fputs("usage: load_hub -H ADDRESS:PORT -p PIN -i CONNECTION -u USERS_FILE\n"
	      "                [-c CONCURRENCY] [-s SECONDS] [-n NUMBER | -F]\n",
	    stderr);
	exit(64);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	errx(1, "no answer for %d s after the end of %s", LOAD_DEADLINE_S, (const char *)arg);
}

/* Runs the loop until it is broken, at most seconds and LOAD_DEADLINE_S. */
static void
loop(struct event_base *base, unsigned int seconds, const char *what)
{
	struct timeval limit = { .tv_sec = seconds + LOAD_DEADLINE_S };
	struct event *timer = evtimer_new(base, on_limit, (void *)(uintptr_t)what);

	if (timer == NULL || evtimer_add(timer, &limit) == -1)
		errx(1, "timer");
	event_base_dispatch(base);
	event_free(timer);
}

/* The status word of an answer, from its beginning: it is the first member. */
static const char *
status_of(int http, const char *body, size_t len, size_t *word_len)
{
	static const char good[] = "{\"status\":\"", bad[] = "{\"error\":{\"code\":\"";
	const char *word = NULL, *end;

	if (http == 200 && len > sizeof(good) && memcmp(body, good, sizeof(good) - 1) == 0)
		word = body + sizeof(good) - 1;
	else if (http != 200 && len > sizeof(bad) && memcmp(body, bad, sizeof(bad) - 1) == 0)
		word = body + sizeof(bad) - 1;
	if (word == NULL || (end = memchr(word, '"', len - (size_t)(word - body))) == NULL ||
	    end - word > 40)
		errx(1, "an answer of another form: %d %.*s", http, (int)len, body);
	*word_len = (size_t)(end - word);
	return word;
}

/* A profile that names the one who asked: a mix-up is worse than a refusal. */
static bool
is_about(const char *body, size_t len, const struct load_user *user)
{
	char member[1100];
	int n;

	n = snprintf(member, sizeof(member), "\"sAMAccountName\":\"%s\"", user->name);
	return n > 0 && (size_t)n < sizeof(member) && memmem(body, len, member, (size_t)n) != NULL;
}

static void
on_login_answer(void *arg, struct https_link *link, int http, const char *body, size_t len)
{
	struct run *run = arg;
	struct task *task = https_data(link);
	uint64_t now = load_now_ns();
	static const char refusal[] = "invalid_credentials";
	const char *word;
	size_t word_len;
	bool good, refused;

	run->busy--;
	word = status_of(http, body, len, &word_len);
	good = word_len == 2 && memcmp(word, "ok", 2) == 0;
	refused = word_len == strlen(refusal) && memcmp(word, refusal, word_len) == 0;
	if ((good && !is_about(body, len, task->user)) || (task->user->wrong ? good : refused)) {
		good = false;
		word = "WRONG";
		word_len = strlen(word);
	}
	task->undecided = !good && !refused;
	if (run->phase != PHASE_COUNTING)
		return;
	load_count(&run->result, word, word_len);
	if (good)
		load_time_add(&run->result.times, now - task->begun_ns);
	run->result.ended_ns = now;
}

static void
send_next(struct run *run, struct https_link *link)
{
	const struct seal_request *request = &run->requests[run->next++];
	struct task *task = https_data(link);

	task->user = request->user;
	task->begun_ns = load_now_ns();
	run->busy++;
	https_send(link, request->text, request->len);
}

/* All links are free: one login on each to warm up, then the clock starts. */
static void
next_phase(struct run *run)
{
	size_t i;

	if (run->phase == PHASE_OPENING)
		run->phase = PHASE_WARMING;
	else {
		run->phase = PHASE_COUNTING;
		load_begin(&run->result, run->loud);
		run->deadline_ns = run->result.started_ns + run->seconds * 1000000000ULL;
	}
	for (i = 0; i < run->concurrency; i++)
		send_next(run, run->idle[i]);
	run->n_idle = 0;
}

static void on_login_ready(void *, struct https_link *);

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct task *task = arg;

	(void)fd;
	(void)what;
	task->run->busy--;
	on_login_ready(task->run, task->link);
}

static void
on_login_ready(void *arg, struct https_link *link)
{
	static const struct timeval pause = { 0, UNDECIDED_US };
	struct task *task = https_data(link);
	struct run *run = arg;

	if (task == NULL) {
		task = &run->tasks[run->n_tasks++];
		task->run = run;
		task->link = link;
		https_set_data(link, task);
	}
	if (run->phase == PHASE_COUNTING && task->undecided) {
		task->undecided = false;
		run->busy++;
		if (event_base_once(run->base, -1, EV_TIMEOUT, on_pause_over, task, &pause) == -1)
			errx(1, "timer");
		return;
	}
	if (run->phase != PHASE_COUNTING) {
		run->idle[run->n_idle++] = link;
		if (run->n_idle == run->concurrency)
			next_phase(run);
	} else if (run->next < run->n_requests && load_now_ns() < run->deadline_ns)
		send_next(run, link);
	else if (run->busy == 0)
		event_base_loopbreak(run->base);
}

static void
on_client_answer(void *arg, struct https_link *link, int http, const char *body, size_t len)
{
	struct client *client = arg;

	(void)link;
	client->http = http;
	client->len = len;
	if ((client->body = strndup(body, len)) == NULL)
		err(1, "answer");
}

static void
on_client_ready(void *arg, struct https_link *link)
{
	struct client *client = arg;

	client->link = link;
	event_base_loopbreak(client->base);
}

static void
client_open(struct load *load)
{
	struct client *client = &load->client;

	memset(client, 0, sizeof(*client));
	client->base = load->base;
	client->settings = (struct https_settings){ .host = load->host,
		.port = load->port,
		.pin = load->pin,
		.ready = on_client_ready,
		.answer = on_client_answer,
		.arg = client };
	client->https = https_new(load->base, &client->settings);
	https_open(client->https, 1);
	loop(load->base, 0, "the handshake");
}

static void
client_close(struct load *load)
{
	https_free(load->client.https);
	free(load->client.body);
}

static void
client_ask(struct client *client, const char *request)
{
	free(client->body);
	client->body = NULL;
	https_send(client->link, request, strlen(request));
	loop(client->base, 0, "a request");
}

static void
get_keys(struct load *load, struct seal_keys *keys)
{
	struct client *client = &load->client;
	char *request;

	if (asprintf(&request, "GET /login/keys/%s HTTP/1.1\r\nHost: %s\r\n\r\n", load->connection,
		load->address) == -1)
		err(1, "request");
	client_ask(client, request);
	if (client->http != 200)
		errx(1, "sealing keys of %s: %d %s", load->connection, client->http, client->body);
	seal_read_keys(client->body, client->len, load->connection, keys);
	free(request);
}

static struct seal_request *
seal_next(struct load *load, const struct seal_keys *keys, size_t n)
{
	struct seal_request *requests;

	requests =
	    seal_requests(keys, load->address, load->connection, &load->users, load->next_user, n);
	load->next_user = (load->next_user + n) % load->users.n;
	return requests;
}

/* n logins in at most so many seconds; the result's times are for free(3). */
static struct load_result
log_in(struct load *load, size_t n, unsigned int seconds, bool loud)
{
	struct https_settings settings = { .host = load->host,
		.port = load->port,
		.pin = load->pin,
		.ready = on_login_ready,
		.answer = on_login_answer };
	struct load_result result;
	struct seal_keys keys;
	struct https *https;
	struct run *run;

	client_open(load);
	get_keys(load, &keys);
	client_close(load);
	if (keys.n == 0)
		errx(1, "%s: no connector is there", load->connection);
	if ((run = calloc(1, sizeof(*run))) == NULL)
		err(1, "run");
	run->base = load->base;
	run->concurrency = load->concurrency;
	run->seconds = seconds;
	run->loud = loud;
	/* One more on each link for warming up. */
	run->n_requests = n + load->concurrency;
	run->requests = seal_next(load, &keys, run->n_requests);
	settings.arg = run;
	https = https_new(load->base, &settings);
	https_open(https, load->concurrency);
	loop(load->base, seconds, "the logins");
	https_free(https);
	seal_requests_free(run->requests, run->n_requests);
	result = run->result;
	free(run);
	return result;
}

static int
measure(struct load *load)
{
	struct load_result pilot, result;
	double wanted;

	if (load->number > 0) {
		result = log_in(load, load->number, load->seconds, true);
		return load_report(&result);
	}
	pilot = log_in(load, PILOT_REQUESTS, PILOT_SECONDS, false);
	if (pilot.errors > 0 || pilot.times.n == 0)
		return load_report(&pilot);
	/* The pilot is slower than what follows, as everything is cold. */
	wanted = 2.0 * load->seconds * (double)pilot.times.n * 1e9 /
	    (double)(pilot.ended_ns - pilot.started_ns);
	free(pilot.times.us);
	result = log_in(
	    load, wanted > REQUESTS_MAX ? REQUESTS_MAX : (size_t)wanted + 1, load->seconds, true);
	return load_report(&result);
}

static bool
log_in_once(struct load *load, const struct seal_keys *keys, char **word)
{
	struct seal_request *request = seal_next(load, keys, 1);
	struct client *client = &load->client;
	const char *status;
	size_t len;

	client_ask(client, request->text);
	status = status_of(client->http, client->body, client->len, &len);
	free(*word);
	if ((*word = strndup(status, len)) == NULL)
		err(1, "status");
	seal_requests_free(request, 1);
	return strcmp(*word, "ok") == 0;
}

/* Prints when, by CLOCK_MONOTONIC, the first login was good. */
static int
first_login(struct load *load)
{
	uint64_t deadline_ns = load_now_ns() + FIRST_LOGIN_SECONDS * 1000000000ULL;
	struct seal_keys keys;
	char *word = NULL;
	unsigned int tries = 0;

	client_open(load);
	fputs("waiting\n", stderr);
	for (;;) {
		get_keys(load, &keys);
		if (keys.n > 0) {
			tries++;
			if (log_in_once(load, &keys, &word))
				break;
		}
		if (load_now_ns() > deadline_ns)
			errx(1, "no good login within %d s, %u tries, the last: %s",
			    FIRST_LOGIN_SECONDS, tries, word == NULL ? "none" : word);
		usleep(POLL_US);
	}
	printf("{\"first_login_ns\": %llu, \"tries\": %u}\n", (unsigned long long)load_now_ns(),
	    tries);
	client_close(load);
	free(word);
	return 0;
}

static void
read_address(struct load *load, const char *text)
{
	char *colon;

	load->address = text;
	if ((load->host = strdup(text)) == NULL)
		err(1, "address");
	if ((colon = strrchr(load->host, ':')) == NULL)
		usage();
	*colon = '\0';
	load->port = colon + 1;
}

int
main(int argc, char **argv)
{
	struct load load = { .concurrency = 1, .seconds = 5 };
	const char *users_file = NULL;
	bool first = false;
	int option, status;

	while ((option = getopt(argc, argv, "H:p:i:u:c:s:n:F")) != -1) {
		switch (option) {
		case 'H':
			read_address(&load, optarg);
			break;
		case 'p':
			load.pin = optarg;
			break;
		case 'i':
			load.connection = optarg;
			break;
		case 'u':
			users_file = optarg;
			break;
		case 'c':
			load.concurrency =
			    load_number(optarg, "concurrency", 1, LOAD_MAX_CONCURRENCY);
			break;
		case 's':
			load.seconds = load_number(optarg, "seconds", 1, LOAD_MAX_SECONDS);
			break;
		case 'n':
			load.number = load_number(optarg, "number", 1, REQUESTS_MAX);
			break;
		case 'F':
			first = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || load.host == NULL || load.pin == NULL || load.connection == NULL ||
	    users_file == NULL)
		usage();
	load_read_users(users_file, &load.users);
	if ((load.base = event_base_new()) == NULL)
		errx(1, "event base");
	status = first ? first_login(&load) : measure(&load);
	event_base_free(load.base);
	load_free_users(&load.users);
	free(load.host);
	return status;
}
