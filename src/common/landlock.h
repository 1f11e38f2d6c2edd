/* SPDX-License-Identifier: ISC */
/*
 * Landlock by raw system calls: Debian 12 has no library for it, and its
 * headers know neither the TCP rules nor the scopes of later kernels.
 */
#ifndef ADC_LANDLOCK_H
#define ADC_LANDLOCK_H

#include "sandbox.h"

/* ABI of the running kernel, 0 where there is no Landlock. */
int landlock_abi(void);
/*
 * From here on only the given paths are reachable, TCP only to the given ports, listening
 * only at bind_port (0: nowhere), signals and abstract sockets only inside. Best effort over ABIs;
 * needs no_new_privs. -1 with errno when a kernel that has Landlock refuses.
 */
int landlock_enter(
    const struct sandbox_path *paths, const uint16_t *ports, size_t nports, uint16_t bind_port);

#endif
