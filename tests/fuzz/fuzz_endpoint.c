/* SPDX-License-Identifier: ISC */
/*
 * Addresses as people write them, and the hosts that DNS names.  What is taken reads the same
 * when it is written out in full; a refusal leaves nothing behind and says no secret.
 */
#include "common/base64url.h"
#include "common/endpoint.h"
#include "common/endpoint_url.h"
#include "common/wire.h"
#include "connector/dial/srv.h"
#include "fuzz.h"

static const struct endpoint none;
static struct endpoint_login login;

static int
parse_proxy(const char *text, struct endpoint *e, char *why, size_t size)
{
	return endpoint_parse_proxy(text, e, &login, why, size);
}

static const struct {
	char selector;
	int (*parse)(const char *, struct endpoint *, char *, size_t);
} parsers[] = {
	{ 'd', endpoint_parse_directory },
	{ 'p', parse_proxy },
	{ 'l', endpoint_parse_listen },
	{ 'w', endpoint_parse_public },
	{ 'c', endpoint_parse_cloud },
};

static void
check_refusal(const char *why)
{
	fuzz_check(why[0] != '\0' && strnlen(why, ENDPOINT_ERROR_SIZE) < ENDPOINT_ERROR_SIZE);
	/* For terminals and logs: what it repeats of the input has no control character. */
	for (; *why != '\0'; why++)
		fuzz_check((uint8_t)*why >= ' ' && *why != 0x7f);
}

static void
check_endpoint(const struct endpoint *e)
{
	fuzz_check(e->host[0] != '\0' && strlen(e->host) < ENDPOINT_HOST_SIZE);
	fuzz_check((e->port == 0) == (e->scheme == ENDPOINT_DOMAIN));
	fuzz_check(e->any == (strcmp(e->host, "*") == 0));
	fuzz_check(e->any || e->numeric || endpoint_host_name_valid(e->host));
	/* What is no address to us must not be one to a resolver. */
	fuzz_check(e->numeric || !url_ends_in_number(e->host));
}

static void
address(size_t which, const char *text)
{
	struct endpoint e, again;
	char why[ENDPOINT_ERROR_SIZE] = "", full[ENDPOINT_ORIGIN_SIZE + ENDPOINT_PATH_SIZE];

	if (parsers[which].parse(text, &e, why, sizeof(why)) == -1) {
		check_refusal(why);
		fuzz_check(memcmp(&e, &none, sizeof(e)) == 0);
		return;
	}
	check_endpoint(&e);
	fuzz_check(endpoint_format(&e, full, ENDPOINT_ORIGIN_SIZE) == 0);
	if (parsers[which].selector == 'c')
		strncat(full, e.path, ENDPOINT_PATH_SIZE - 1);
	fuzz_check(parsers[which].parse(full, &again, why, sizeof(why)) == 0);
	fuzz_check(again.scheme == e.scheme && again.port == e.port);
	fuzz_check(strcmp(again.host, e.host) == 0 && strcmp(again.path, e.path) == 0);
	fuzz_check(endpoint_is_loopback(&again) == endpoint_is_loopback(&e));
	fuzz_check(endpoint_same_origin(&e, &again));
}

static void
ticket(const char *text)
{
	struct ticket t, again;
	char why[ENDPOINT_ERROR_SIZE] = "", pin[BASE64URL_SIZE(TICKET_PIN_SIZE)];
	char origin[ENDPOINT_ORIGIN_SIZE], full[1024];

	if (ticket_parse(text, &t, why, sizeof(why)) == -1) {
		check_refusal(why);
		fuzz_check(t.secret[0] == '\0');
		return;
	}
	check_endpoint(&t.origin);
	fuzz_check(strlen(t.secret) >= TICKET_SECRET_MIN && strlen(t.secret) <= TICKET_SECRET_MAX);
	fuzz_check(t.origin.scheme == ENDPOINT_HTTPS || endpoint_is_loopback(&t.origin));
	base64url_encode(pin, sizeof(pin), t.pin, sizeof(t.pin));
	fuzz_check(endpoint_format(&t.origin, origin, sizeof(origin)) == 0);
	snprintf(full, sizeof(full), "%s/t/%s%s%s", origin, t.secret,
	    t.pinned ? "#pin=sha256:" : "", t.pinned ? pin : "");
	fuzz_check(ticket_parse(full, &again, why, sizeof(why)) == 0);
	fuzz_check(strcmp(t.secret, again.secret) == 0 && t.pinned == again.pinned);
	fuzz_check(memcmp(t.pin, again.pin, sizeof(t.pin)) == 0);
	fuzz_check(endpoint_same_origin(&t.origin, &again.origin));
	ticket_wipe(&t);
	ticket_wipe(&again);
}

static uint32_t
least(uint32_t max)
{
	return max / 2;
}

/* Domain and targets, divided by NUL; the order must lose none and invent none. */
static void
records(struct fuzz_input in)
{
	struct srv_record r[SRV_RECORDS_MAX];
	struct fuzz_input piece;
	char *domain = fuzz_text(fuzz_until(&in, '\0')), *target, name[64];
	unsigned int sum = 0;
	size_t n, i;

	for (n = 0; in.len > 2 && n < SRV_RECORDS_MAX; n++) {
		r[n].priority = fuzz_byte(&in) % 4;
		r[n].weight = (uint16_t)(fuzz_byte(&in) << 8 | 0xff);
		r[n].port = (uint16_t)n;
		piece = fuzz_until(&in, '\0');
		target = fuzz_text(piece);
		snprintf(r[n].target, sizeof(r[n].target), "%s", target);
		if (srv_target_allowed(domain, target))
			fuzz_check(strlen(target) > strlen(domain) + 1 && target[0] != '.');
		free(target);
		sum += (unsigned int)n;
	}
	srv_order(r, n, least);
	for (i = 0; i < n; i++) {
		fuzz_check(i == 0 || r[i - 1].priority <= r[i].priority);
		sum -= r[i].port;
	}
	fuzz_check(sum == 0);
	if (srv_name(domain, name, sizeof(name)) == 0)
		fuzz_check(strstr(name, domain) != NULL);
	free(domain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };
	uint8_t selector = fuzz_byte(&in);
	char *text;
	size_t i;

	if (selector == 'r') {
		records(in);
		return 0;
	}
	text = fuzz_text(in);
	if (selector == 't')
		ticket(text);
	for (i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
		if (parsers[i].selector == (char)selector)
			address(i, text);
	}
	free(text);
	return 0;
}
