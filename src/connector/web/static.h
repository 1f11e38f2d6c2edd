/* SPDX-License-Identifier: ISC */
/*
 * The page's own files, compiled in by tools/embed-pages: there is no file system to
 * get lost in, and what is not in the table does not exist.
 */
#ifndef ADC_WEB_STATIC_H
#define ADC_WEB_STATIC_H

#include "server.h"

#include <stddef.h>

struct static_file {
	const char *path; /* as in a request */
	const char *type;
	const char *etag; /* with its quotes; made from the content */
	const void *data;
	size_t len;
};

/* Made from pages/connector. */
extern const struct static_file static_files[];
extern const size_t static_nfiles;

/* Answers a GET or HEAD of a path that is one of these, and nothing else; false: it is not. */
bool static_serve(struct client *, const struct http_head *);

#endif
