/* SPDX-License-Identifier: ISC */
/*
 * RFC 2782 order and the rule about targets: see srv.h.
 */
#include "srv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
	const struct srv_record *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	/* Weight 0 to the front of its priority: it then has the small chance the RFC wants. */
	if ((x->weight == 0) != (y->weight == 0))
		return x->weight == 0 ? -1 : 1;
	return 0;
}

/* Orders n records of one priority by repeated draws in proportion to the weights. */
static void
order_weighted(struct srv_record *r, size_t n, srv_random_fn random_upto)
{
	struct srv_record chosen;
	uint32_t total, sum, draw;
	size_t i, j;

	for (i = 0; i + 1 < n; i++) {
		total = 0;
		for (j = i; j < n; j++)
			total += r[j].weight;
		draw = random_upto(total);
		sum = 0;
		for (j = i; j < n - 1; j++) {
			sum += r[j].weight;
			if (sum >= draw)
				break;
		}
		/* The others keep their order, so that weight 0 stays in front. */
		chosen = r[j];
		memmove(&r[i + 1], &r[i], (j - i) * sizeof(*r));
		r[i] = chosen;
	}
}

void
srv_order(struct srv_record *records, size_t n, srv_random_fn random_upto)
{
	size_t start, end;

	if (n == 0)
		return;
	qsort(records, n, sizeof(*records), compare);
	for (start = 0; start < n; start = end) {
		end = start + 1;
		while (end < n && records[end].priority == records[start].priority)
			end++;
		order_weighted(records + start, end - start, random_upto);
	}
}

bool
srv_target_allowed(const char *domain, const char *target)
{
	size_t domain_len, target_len;

	domain_len = strlen(domain);
	target_len = strlen(target);
	if (domain_len == 0 || target_len < domain_len + 2)
		return false;
	return target[target_len - domain_len - 1] == '.' && target[0] != '.' &&
	    strcasecmp(target + target_len - domain_len, domain) == 0;
}

int
srv_name(const char *domain, char *name, size_t size)
{
	int n;

	n = snprintf(name, size, "_ldap._tcp.dc._msdcs.%s", domain);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}
