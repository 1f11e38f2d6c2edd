/* SPDX-License-Identifier: ISC */
/*
 * One call before the sandbox closes.
 *
 * OpenSSL fetches algorithms and seeds its random generator on first use; under the sandbox
 * that would be late. jose_warm_up uses every operation of jose_key.h, jws.h and sealed.h
 * once, and so is a self-test too.
 */
#ifndef COMMON_JOSE_H
#define COMMON_JOSE_H

/* -1 if any operation fails: the process must not start. */
int jose_warm_up(void);

#endif
