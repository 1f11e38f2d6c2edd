/* SPDX-License-Identifier: ISC */
/*
 * Which tunnels there are: by connector, by connection.  Used by tunnel.c alone; what others
 * need is in tunnel.h.
 */
#ifndef GATE_TUNNEL_TABLE_H
#define GATE_TUNNEL_TABLE_H

#include "tunnel.h"

RB_HEAD(connection_tree, tunnel_connection);
RB_HEAD(connector_tree, tunnel_connector);

struct tunnels {
	struct proc *proc;
	struct asks *asks;
	struct logins *logins;
	const char *tunnel_url;
	struct tunnel_list all;
	size_t open; /* open and replaced ones */
	struct connection_tree connections;
	struct connector_tree connectors;
	struct event *sweep;
	struct event *clock;
	int64_t told_time; /* wall clock less monotonic one, in seconds, as welcomes told it last */
};

/* Finds or makes; NULL when memory is short. */
struct tunnel_connection *table_connection(struct tunnels *, const char *identifier);
struct tunnel_connector *table_connector(struct tunnels *, const char *id);
struct tunnel_connection *table_find_connection(struct tunnels *, const char *identifier);
struct tunnel_connector *table_find_connector(struct tunnels *, const char *id);
/*
 * One more tunnel arrives while another of this connector is open: true when that
 * makes three within a minute, so that both are to be held out.
 */
bool table_conflict(struct tunnel_connector *, uint64_t other_opened_at, uint64_t now);
/* Forgets entries without tunnels, and conflicts that are over. */
void table_sweep(struct tunnels *, uint64_t now);

#endif
