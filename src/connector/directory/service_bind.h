/* SPDX-License-Identifier: ISC */
/*
 * Binding as the service account.  The password is asked of the parent each
 * time, goes from its message straight into the request, and is wiped with both.
 */
#ifndef ADC_DIRECTORY_SERVICE_BIND_H
#define ADC_DIRECTORY_SERVICE_BIND_H

#include "connection.h"
#include "directory_settings.h"

/* Limits of the two phases, in ms. */
#define SERVICE_PASSWORD_MS 5000U
#define SERVICE_BIND_MS 5000U

struct service_bind;

/* failure NULL: bound. Not called when the connection is lost: its own callback says so. */
typedef void (*service_bind_fn)(void *arg, const struct failure *);

/* NULL: no memory, or too many questions; no callback. */
struct service_bind *service_bind_start(
    struct connection *, const struct directory_settings *, service_bind_fn, void *arg);
/* NULL is fine. */
void service_bind_cancel(struct service_bind *);

#endif
