/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl: sets up, tests and watches adconnectord over its control
 * socket.  Holds no state and no right of its own: what a caller may do, the
 * daemon decides by the user at the other end of the socket.
 */
#include "adconnectorctl.h"

static const struct ctl_command commands[] = {
	{ "status", "", "show whether the tunnel and the directory are up", NULL, command_status },
	{ "test", "", "test the way from Active Directory to the cloud, in four steps",
	    "Exit status is 0 when all four steps passed.\n", command_test },
	{ "enroll", "", "join a connection of a hub with a provisioning ticket",
	    "The ticket, a URL from the hub, is read from standard input or at a prompt. Whoever\n"
	    "holds it may join in your place, so it is not accepted as an argument, which every\n"
	    "user of this host could read.\n",
	    command_enroll },
	{ "set", "KEY=VALUE...", "change settings",
	    "All changes are made together or not at all. KEY= takes a saved value back.\n"
	    "The password is set with the key alone, and read from standard input or a prompt:\n"
	    "  adconnectorctl set directory.password\n"
	    "The keys stand in adconnector.conf(5).\n",
	    command_set },
	{ "log", "[-f] [--since N]", "show the latest log lines",
	    "  -f, --follow   go on with new lines as they come\n"
	    "  --since N      begin with the line of this sequence number\n",
	    command_log },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const struct ctl_program program = {
	.name = "adconnectorctl",
	.daemon = "adconnectord",
	.default_socket = ADC_RUNSTATEDIR "/adconnector/control.sock",
	.summary = "controls the Active Directory connector on this host",
	.commands = commands,
};

int
main(int argc, char *argv[])
{
	return ctl_main(&program, argc, argv);
}
