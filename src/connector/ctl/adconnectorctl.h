/* SPDX-License-Identifier: ISC */
/*
 * The commands of adconnectorctl(8).
 */
#ifndef ADC_ADCONNECTORCTL_H
#define ADC_ADCONNECTORCTL_H

#include "common/ctl.h"

enum ctl_status command_status(struct ctl *, int argc, char **argv);
enum ctl_status command_test(struct ctl *, int argc, char **argv);
enum ctl_status command_enroll(struct ctl *, int argc, char **argv);
enum ctl_status command_set(struct ctl *, int argc, char **argv);
enum ctl_status command_log(struct ctl *, int argc, char **argv);

#endif
