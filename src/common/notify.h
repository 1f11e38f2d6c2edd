/* SPDX-License-Identifier: ISC */
/*
 * The little of sd_notify(3) that a daemon needs, without libsystemd, which
 * would map five more libraries into the most trusted process.
 */
#ifndef ADC_NOTIFY_H
#define ADC_NOTIFY_H

/*
 * Opens and connects the socket that NOTIFY_SOCKET names, and takes the name out of
 * the environment, so that no child can speak for the service.  To be called once, before
 * the sandbox: later on sending needs no right but write.  0, also when there is no service
 * manager; -1 (logged) when there is one that cannot be reached.
 */
int notify_open(void);

/*
 * Sends "READY=1", "STOPPING=1", "STATUS=…" or several of them
 * with line feeds between; see sd_notify(3).  Does nothing without a manager,
 * never blocks, and a lost line is no error.
 */
void notify_send(const char *state);

#endif
