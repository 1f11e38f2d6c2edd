/* SPDX-License-Identifier: ISC */
/*
 * Requests to a daemon's control socket over libcurl: see ctl_client.h.  Must
 * not retry: a change that may have been made is never made twice unasked.
 */
#include "ctl_client.h"

#include "json.h"
#include "wipe.h"

#include <sys/stat.h>

#include <curl/curl.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ctl_client {
	CURL *curl;
	struct curl_slist *headers;
};

/* What becomes of the bytes of one answer. */
struct answer {
	CURL *curl;
	struct line_splitter lines; /* when line is set and the answer is 200 */
	ctl_line_fn line;
	void *arg;
	char *text; /* the whole of any other answer */
	size_t len;
	size_t size;
	json_t *error;	    /* an "error" line in a stream */
	bool stopped;	    /* by the callback */
	const char *broken; /* why the bytes are refused */
};

static char *
wiping_strdup(const char *text)
{
	char *copy;
	size_t len;

	len = strlen(text) + 1;
	if ((copy = wiping_malloc(len)) != NULL)
		memcpy(copy, text, len);
	return copy;
}

struct ctl_client *
ctl_client_new(void)
{
	struct ctl_client *client;

	json_use_wiping_allocator();
	if ((client = calloc(1, sizeof(*client))) == NULL)
		err(1, "calloc");
	if (curl_global_init_mem(CURL_GLOBAL_NOTHING, wiping_malloc, wiping_free, wiping_realloc,
		wiping_strdup, wiping_calloc) != CURLE_OK)
		errx(1, "libcurl does not start");
	if ((client->curl = curl_easy_init()) == NULL ||
	    (client->headers = curl_slist_append(NULL, "Content-Type: application/json")) == NULL)
		errx(1, "libcurl does not start");
	return client;
}

void
ctl_client_free(struct ctl_client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	curl_global_cleanup();
	free(client);
}

char *
ctl_path(const char *prefix, const char *segment, const char *suffix)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *p;
	char *path;
	size_t at, size;

	size = strlen(prefix) + 3 * strlen(segment) + strlen(suffix) + 1;
	if ((path = malloc(size)) == NULL)
		err(1, "malloc");
	at = (size_t)snprintf(path, size, "%s", prefix);
	for (p = segment; *p != '\0'; p++) {
		/* Dots are coded too: "." and ".." mean something in a path. */
		if (strchr(plain, *p) != NULL)
			path[at++] = *p;
		else
			at += (size_t)snprintf(path + at, size - at, "%%%02X", (unsigned char)*p);
	}
	snprintf(path + at, size - at, "%s", suffix);
	return path;
}

int
line_splitter_add(struct line_splitter *splitter, const char *bytes, size_t len,
    int (*line)(void *arg, const char *text, size_t len), void *arg)
{
	const char *end;
	size_t part;
	int result;

	while (len > 0) {
		end = memchr(bytes, '\n', len);
		part = end == NULL ? len : (size_t)(end - bytes);
		if (part > CTL_LINE_MAX - splitter->len)
			return -1;
		if (splitter->data == NULL && (splitter->data = malloc(CTL_LINE_MAX)) == NULL)
			err(1, "malloc");
		memcpy(splitter->data + splitter->len, bytes, part);
		splitter->len += part;
		if (end == NULL)
			return 0;
		result = line(arg, splitter->data, splitter->len);
		splitter->len = 0;
		if (result == -1)
			return -1;
		bytes += part + 1;
		len -= part + 1;
	}
	return 0;
}

static int
take_line(void *arg, const char *text, size_t len)
{
	struct answer *answer = arg;
	json_t *object;
	bool more;

	if ((object = json_read(text, len, CTL_LINE_MAX, &answer->broken)) == NULL)
		return -1;
	if (json_is_object(json_object_get(object, "error"))) {
		answer->error = object;
		return -1;
	}
	more = answer->line(answer->arg, object);
	json_decref(object);
	if (!more)
		answer->stopped = true;
	return more ? 0 : -1;
}

static int
keep(struct answer *answer, const char *bytes, size_t len)
{
	char *grown;
	size_t size;

	if (len > CTL_ANSWER_MAX - answer->len) {
		answer->broken = "longer than allowed";
		return -1;
	}
	if (len > answer->size - answer->len) {
		for (size = answer->size == 0 ? 4096 : answer->size; size < answer->len + len;)
			size *= 2;
		if ((grown = wiping_realloc(answer->text, size)) == NULL)
			err(1, "malloc");
		answer->text = grown;
		answer->size = size;
	}
	memcpy(answer->text + answer->len, bytes, len);
	answer->len += len;
	return 0;
}

static size_t
received(char *bytes, size_t size, size_t n, void *arg)
{
	struct answer *answer = arg;
	long status;
	size_t len;
	int result;

	len = size * n;
	curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &status);
	if (answer->line != NULL && status == 200) {
		result = line_splitter_add(&answer->lines, bytes, len, take_line, answer);
		if (result == -1 && answer->broken == NULL && answer->error == NULL &&
		    !answer->stopped)
			answer->broken = "a line is longer than allowed";
	} else
		result = keep(answer, bytes, len);
	return result == 0 ? len : 0; /* 0 ends the transfer */
}

/* Connecting to a file fails as if nobody listened, or as if another user might. */
static bool
is_no_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

/* Why there is no answer at all. */
static enum ctl_status
tell_failure(struct ctl *ctl, CURLcode code, long timeout_ms)
{
	long number;
	int unit_len;

	unit_len = (int)strlen(ctl->program->daemon) - 1; /* its systemd unit has no final "d" */
	number = 0;
	curl_easy_getinfo(ctl->client->curl, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return ctl_error(ctl, CTL_UNAVAILABLE, "timeout",
		    "%s did not answer within %ld seconds; see its log", ctl->program->daemon,
		    timeout_ms / 1000);
	if (code != CURLE_COULDNT_CONNECT)
		return ctl_error(ctl, CTL_UNAVAILABLE, "unavailable",
		    "%s: the connection broke before the answer was complete (%s); see the log of "
		    "%s",
		    ctl->socket, curl_easy_strerror(code), ctl->program->daemon);
	if (is_no_socket(ctl->socket))
		return ctl_error(ctl, CTL_UNAVAILABLE, "no_socket",
		    "%s: is no socket; the control socket of %s is by default %s", ctl->socket,
		    ctl->program->daemon, ctl->program->default_socket);
	switch (number) {
	case EACCES:
	case EPERM:
		return ctl_error(ctl, CTL_REFUSED, "not_permitted",
		    "%s: you may not use this socket; try as root", ctl->socket);
	case ENOENT:
		return ctl_error(ctl, CTL_UNAVAILABLE, "not_running",
		    "%s: no such socket: %s is not running; start it with: systemctl start %.*s",
		    ctl->socket, ctl->program->daemon, unit_len, ctl->program->daemon);
	case ECONNREFUSED:
		return ctl_error(ctl, CTL_UNAVAILABLE, "not_running",
		    "%s: nobody listens: %s is not running; start it with: systemctl start %.*s",
		    ctl->socket, ctl->program->daemon, unit_len, ctl->program->daemon);
	case EAGAIN:
		return ctl_error(ctl, CTL_UNAVAILABLE, "busy",
		    "%s: %s has too many connections waiting; try again later", ctl->socket,
		    ctl->program->daemon);
	default:
		return ctl_error(ctl, CTL_UNAVAILABLE, "unavailable",
		    "%s: cannot connect (%s); is %s running?", ctl->socket,
		    number == 0 ? curl_easy_strerror(code) : strerror((int)number),
		    ctl->program->daemon);
	}
}

/* The daemon's own error text; its code decides whether trying later makes sense. */
static enum ctl_status
tell_error(struct ctl *ctl, long http_status, const json_t *document)
{
	static const char *const later[] = { "unavailable", "timeout", "directory_unavailable",
		"connector_unavailable", "busy" };
	enum ctl_status status = CTL_REFUSED;
	const char *code, *message;
	json_t *error, *shown;
	size_t i;

	error = json_object_get(document, "error");
	code = json_string_value(json_object_get(error, "code"));
	message = json_string_value(json_object_get(error, "message"));
	if (code == NULL || message == NULL)
		return ctl_error(ctl, http_status >= 500 ? CTL_UNAVAILABLE : CTL_REFUSED, "http",
		    "%s answered with HTTP status %ld; do the versions of %s and %s agree?",
		    ctl->program->daemon, http_status, ctl->program->name, ctl->program->daemon);
	if (http_status == 503 || http_status == 504)
		status = CTL_UNAVAILABLE;
	/* 422: what was to be set was tried, and did not do.  It is the daemon that answers this.
	 */
	for (i = 0; http_status != 422 && i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(code, later[i]) == 0)
			status = CTL_UNAVAILABLE;
	ctl_note(ctl, "%s", message);
	if (ctl->json) {
		/* With what it says besides, such as the setting to look at. */
		if ((shown = json_pack("{s:O}", "error", error)) == NULL)
			errx(1, "no memory");
		ctl_print_json(shown);
		json_decref(shown);
	}
	return status;
}

static CURLcode
perform(struct ctl *ctl, const char *method, const char *path, const char *body, long timeout_ms,
    struct answer *answer)
{
	CURL *curl = ctl->client->curl;
	CURLcode code;
	char *url;

	if (asprintf(&url, "http://localhost%s", path) == -1)
		err(1, "asprintf");
	curl_easy_reset(curl);
	answer->curl = curl;
	if ((code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ctl->socket)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_URL, url)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http")) != CURLE_OK ||
	    /* http_proxy in the environment must not see what is meant for the socket. */
	    (code = curl_easy_setopt(curl, CURLOPT_PROXY, "")) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)) !=
		CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received)) != CURLE_OK ||
	    (code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer)) != CURLE_OK)
		errx(1, "libcurl: %s", curl_easy_strerror(code));
	/* RFC 9110 8.6: a POST without a body has a Content-Length of 0, which adhubd wants to see.
	 */
	if (body == NULL && strcmp(method, "POST") == 0)
		body = "";
	if (body != NULL &&
	    ((code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body))) !=
		    CURLE_OK ||
		(code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body)) != CURLE_OK ||
		(code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, ctl->client->headers)) !=
		    CURLE_OK))
		errx(1, "libcurl: %s", curl_easy_strerror(code));
	code = curl_easy_perform(curl);
	free(url);
	return code;
}

static enum ctl_status
exchange(struct ctl *ctl, const char *method, const char *path, const json_t *body, long timeout_ms,
    struct answer *answer, json_t **document)
{
	const char *why;
	enum ctl_status status;
	char *text;
	CURLcode code;
	long http_status;

	text = NULL;
	*document = NULL;
	if (body != NULL && (text = json_dumps(body, JSON_COMPACT)) == NULL)
		return ctl_error(ctl, CTL_REFUSED, "bad_request",
		    "the request cannot be written as JSON; is it UTF-8 text?");
	code = perform(ctl, method, path, text, timeout_ms, answer);
	wiping_free(text);
	curl_easy_getinfo(ctl->client->curl, CURLINFO_RESPONSE_CODE, &http_status);

	if (answer->error != NULL)
		status = tell_error(ctl, 200, answer->error);
	else if (answer->stopped)
		status = CTL_DONE;
	else if (answer->broken != NULL)
		status = ctl_error(ctl, CTL_UNAVAILABLE, "bad_answer",
		    "%s answered with something that is not understood (%s)", ctl->program->daemon,
		    answer->broken);
	else if (code != CURLE_OK)
		status = tell_failure(ctl, code, timeout_ms);
	else if (answer->line != NULL && http_status == 200)
		status = CTL_DONE;
	else {
		/* Some faults are answered by the HTTP library, without JSON. */
		*document = json_read(
		    answer->text == NULL ? "" : answer->text, answer->len, CTL_ANSWER_MAX, &why);
		if (http_status < 200 || http_status > 299)
			status = tell_error(ctl, http_status, *document);
		else if (*document == NULL)
			status = ctl_error(ctl, CTL_UNAVAILABLE, "bad_answer",
			    "%s answered with something that is not understood (%s)",
			    ctl->program->daemon, why);
		else
			status = CTL_DONE;
	}
	if (status != CTL_DONE) {
		json_decref(*document);
		*document = NULL;
	}
	json_decref(answer->error);
	wiping_free(answer->text);
	free(answer->lines.data);
	return status;
}

enum ctl_status
ctl_request(struct ctl *ctl, const char *method, const char *path, const json_t *body,
    long timeout_ms, json_t **document)
{
	struct answer answer = { 0 };

	return exchange(ctl, method, path, body, timeout_ms, &answer, document);
}

enum ctl_status
ctl_stream(struct ctl *ctl, const char *method, const char *path, const json_t *body,
    long timeout_ms, ctl_line_fn line, void *arg)
{
	struct answer answer = { .line = line, .arg = arg };
	enum ctl_status status;
	json_t *document;

	status = exchange(ctl, method, path, body, timeout_ms, &answer, &document);
	json_decref(document);
	return status;
}
