/* SPDX-License-Identifier: ISC */
/*
 * Requests that passed a parent and wait for their reply.  The id on the
 * second leg is the parent's own, so that one child cannot answer, or guess,
 * what another was asked.
 */
#ifndef ADC_PENDING_H
#define ADC_PENDING_H

#include "service.h"

struct pending_table;

struct pending {
	uint32_t id;	    /* on the second leg */
	struct child *from; /* who asked; NULL: the parent itself, or it is gone */
	uint32_t from_id;   /* its id */
	struct child *to;   /* who was asked; NULL: nobody yet, the owner will */
	enum message_type asked;
	void *data;	   /* the owner's */
	uint64_t until_ms; /* on the monotonic clock */
};

struct pending_callbacks {
	/*
	 * No reply will come: the child that was asked is gone, or max_ms passed.
	 * The entry is out of the table and freed afterwards; other entries may be
	 * added and ended here.
	 */
	void (*lost)(void *arg, struct pending *);
	/* Frees data; may be NULL. */
	void (*release)(void *data);
};

/* At most limit entries, each for at most max_ms. */
struct pending_table *pending_new(struct event_base *, size_t limit, unsigned int max_ms,
    const struct pending_callbacks *, void *arg);
void pending_table_free(struct pending_table *);
/* NULL when the table is full or memory is short; data stays the caller's then. */
struct pending *pending_add(struct pending_table *, struct child *from, uint32_t from_id,
    struct child *to, enum message_type asked, void *data);
/* The entry that this child may answer with this id, NULL when there is none such. */
struct pending *pending_find(struct pending_table *, struct child *to, uint32_t id);
/* The entry for a request that a child made, by the child's own id. */
struct pending *pending_find_from(struct pending_table *, struct child *from, uint32_t from_id);
/* Removes and frees, data as well. */
void pending_done(struct pending_table *, struct pending *);
/* The child is gone: lost() for what it was asked; what it had asked is forgotten (from = NULL). */
void pending_child_gone(struct pending_table *, struct child *);
size_t pending_count(const struct pending_table *);

#endif
