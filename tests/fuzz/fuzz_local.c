/* SPDX-License-Identifier: ISC */
/*
 * The control socket of the connector, whole: heads, bodies, routes, and the parent's answers as
 * JSON.  Then what the ctl programs do with text from a daemon and from files: no byte that acts on
 * a terminal comes through; nor through the log.
 */
#include "common/ctl_client.h"
#include "common/terminal.h"
#include "connector/web/status_json.h"
#include "fuzz_web.h"
#include "hub/ctl/logo.h"

static void
start(void)
{
	static struct access_rules rules = { .reader_gid = ACCESS_NO_GROUP };

	fuzz_proc_init(ROLE_WEB_CONTROL);
	json_use_wiping_allocator();
	fuzz_check(access_add_admin(&rules, getuid()) == 0);
	fuzz_check((api = api_new(&fuzz_proc, &rules)) != NULL);
	listener = fuzz_listener();
	fuzz_check(
	    server_new(fuzz_proc.base, listener, SERVER_FULL_WAITS, control_request, api) != NULL);
}

/* The request up to a NUL, then a text for the parent's answer. */
static void
serve(struct fuzz_input in)
{
	static char got[1 << 18];
	struct fuzz_input request = fuzz_until(&in, '\0');
	char *text = fuzz_text(in);
	bool end = false;
	size_t i, len = 0;
	int fd, turn;

	if (!utf8_valid(text, strlen(text)) || strlen(text) > 60)
		text[0] = '\0';
	fd = fuzz_connect(listener);
	(void)send(fd, request.data, request.len / 2, MSG_NOSIGNAL);
	fuzz_turn();
	(void)send(fd, request.data + request.len / 2, request.len - request.len / 2, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	for (turn = 0; turn < 16 && !end; turn++) {
		fuzz_turn();
		for (i = 0; i < fuzz_proc.nsent; i++)
			answer(fuzz_proc.sent[i].type, fuzz_proc.sent[i].id, text);
		fuzz_proc.nsent = 0;
		len += fuzz_receive(fd, got + len, sizeof(got) - len, &end);
	}
	/* Whatever it was: answered or cut off, and never waited for. */
	fuzz_check(end && len < sizeof(got) - 1);
	check_answer(got, len);
	close(fd);
	fuzz_turn();
	free(text);
}

/* Keys and values, divided by NUL. */
static void
status(struct fuzz_input in)
{
	struct status_pair pairs[16];
	json_t *document;
	size_t n, i;

	for (n = 0; n < 16 && in.len > 0; n++) {
		pairs[n].key = fuzz_text(fuzz_until(&in, '\0'));
		pairs[n].value = fuzz_text(fuzz_until(&in, '\0'));
	}
	document = status_document(pairs, n);
	fuzz_check(document == NULL || json_is_object(json_object_get(document, "data")));
	json_decref(document);
	for (i = 0; i < n; i++) {
		free((char *)(uintptr_t)pairs[i].key);
		free((char *)(uintptr_t)pairs[i].value);
	}
}

static void
rules(struct fuzz_input in)
{
	struct access_rules rules = { .reader_gid = ACCESS_NO_GROUP };

	if (access_set_admins(&rules, in.data, in.len) == 0)
		fuzz_check(in.len == 4 + 4 * rules.nadmins);
	fuzz_check(rules.nadmins <= ACCESS_ADMINS_MAX);
	if (access_set_reader(&rules, in.data, in.len) == 0)
		fuzz_check(in.len == 4);
}

struct lines {
	size_t bytes, count;
};

static int
on_line(void *arg, const char *text, size_t len)
{
	struct lines *lines = arg;

	fuzz_check(len <= CTL_LINE_MAX && (len == 0 || memchr(text, '\n', len) == NULL));
	lines->bytes += len + 1;
	lines->count++;
	return 0;
}

/* Cut in two or not: the same lines. */
static void
stream(struct fuzz_input in)
{
	struct line_splitter whole = { 0 }, cut = { 0 };
	struct lines first = { 0, 0 }, second = { 0, 0 };
	size_t half = in.len == 0 ? 0 : in.data[0] % in.len;
	const char *text = (const char *)in.data;

	fuzz_check(line_splitter_add(&whole, text, in.len, on_line, &first) == 0);
	fuzz_check(line_splitter_add(&cut, text, half, on_line, &second) == 0);
	fuzz_check(line_splitter_add(&cut, text + half, in.len - half, on_line, &second) == 0);
	fuzz_check(first.bytes == second.bytes && first.count == second.count);
	fuzz_check(whole.len == cut.len && first.bytes + whole.len == in.len);
	free(whole.data);
	free(cut.data);
}

static void
terminal(struct fuzz_input in)
{
	char *text = fuzz_text(in), *shown, *path, *at;
	const char *why = NULL;
	size_t len = in.len;

	terminal_set_utf8((in.len & 1) != 0);
	shown = terminal_escape(text);
	fuzz_check(utf8_valid(shown, strlen(shown)));
	for (at = shown; *at != '\0'; at++)
		fuzz_check((uint8_t)*at >= ' ' && *at != 0x7f);
	fuzz_check(terminal_width(shown) <= strlen(shown) * 2);
	path = ctl_path("/api/", text, "/x");
	fuzz_check(strchr(path + 5, '/') == strrchr(path, '/'));
	fuzz_check(strpbrk(path, " ?#\r\n") == NULL && strstr(path, "/../") == NULL);
	if (secret_input_check(text, &len, 1024, &why) == 0)
		fuzz_check(len <= 1024 && len <= in.len && utf8_valid(text, len));
	else
		fuzz_check(why != NULL);
	free(path);
	free(shown);
	free(text);
}

static char logged[LOG_LINE_MAX];

static void
keep_line(enum log_level level, const char *tag, const char *text)
{
	(void)level;
	(void)tag;
	fuzz_check(strlen(text) < sizeof(logged));
	memcpy(logged, text, strlen(text) + 1);
}

/* Ours and a child's, which is escaped twice and reads as escaped once. */
static void
log_line(struct fuzz_input in)
{
	char *text = fuzz_text(in), first[LOG_LINE_MAX], *at;
	int round;

	log_set_sink(keep_line);
	log_from_child(LOG_LEVEL_ERROR, "child", text);
	for (round = 0; round < 2; round++) {
		fuzz_check(utf8_valid(logged, strlen(logged)));
		for (at = logged; *at != '\0'; at++)
			fuzz_check((uint8_t)*at >= ' ' && *at != 0x7f);
		memcpy(first, logged, sizeof(first));
		log_from_child(LOG_LEVEL_ERROR, "child", first);
		/* What had to be cut may be cut shorter. */
		fuzz_check(strlen(first) > LOG_LINE_MAX / 4 || strcmp(first, logged) == 0);
	}
	log_set_sink(fuzz_quiet);
	free(text);
}

static void
logo(struct fuzz_input in)
{
	const char *why = NULL;
	char *url = logo_url(in.data, in.len, &why);

	fuzz_check(url != NULL || why != NULL);
	if (url != NULL)
		fuzz_check(strncmp(url, "data:image/", 11) == 0 && strlen(url) <= 65536);
	free(url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	if (api == NULL)
		start();
	switch (fuzz_byte(&in)) {
	case 's':
		status(in);
		break;
	case 'a':
		rules(in);
		break;
	case 'l':
		stream(in);
		break;
	case 't':
		terminal(in);
		break;
	case 'x':
		log_line(in);
		break;
	case 'i':
		logo(in);
		break;
	default:
		/* Methods are written in capitals. */
		serve((struct fuzz_input){ data, len });
	}
	return 0;
}
