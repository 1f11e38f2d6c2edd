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
	{ "explain", "USERNAME", "show what a login of this name would do, without a password",
	    "The name is read as at the login page: NAME, DOMAIN\\NAME, principal name or mail.\n"
	    "No bind is made and nothing is counted. Exit status is 0 when a login with the right\n"
	    "password would succeed.\n",
	    command_explain },
	{ "setup", "", "set the connector up: asks what the local page asks, and tests it",
	    "Enter takes what stands in brackets, - takes a saved value back. Scripts use set and\n"
	    "enroll.\n",
	    command_setup },
	{ "enroll", "[--yes]", "join a connection of a hub with a provisioning ticket",
	    "The ticket, a URL from the hub, is read from standard input or at a prompt. Whoever\n"
	    "holds it may join in your place, so it is not accepted as an argument, which every\n"
	    "user of this host could read.\n",
	    command_enroll },
	{ "unenroll", "[--yes]", "leave the connection and delete this connector's keys",
	    "It asks at a terminal whether that is meant; --yes answers that. Joining again needs "
	    "a\n"
	    "new ticket.\n",
	    command_unenroll },
	{ "reconnect", "", "open the tunnel anew",
	    "The new tunnel stands before the old one is closed, so that no login is lost.\n",
	    command_reconnect },
	{ "rekey", "", "change this connector's keys",
	    "New keys are made and put in the place of the old ones at the hub, through the open\n"
	    "tunnel. No login is lost, and the connector stays what it is there. A copy of its "
	    "old\n"
	    "files gets in no more. At most once in six minutes.\n",
	    command_rekey },
	{ "settings", "[KEY...]", "show the settings, where each comes from and what locks it",
	    "KEY is a setting, or a group of them such as directory.tls; without one all are "
	    "shown.\n"
	    "Secrets are never shown.\n",
	    command_settings },
	{ "set", "KEY=VALUE... | --revert", "change settings, or take the last change back",
	    "All changes are made together or not at all. KEY= takes a saved value back.\n"
	    "The password is set with the key alone, and read from standard input or a prompt:\n"
	    "  adconnectorctl set directory.password\n"
	    "--revert takes the settings back that were in force before the last change. The bind\n"
	    "password comes with them only where it goes to the same server, TLS mode and CA;\n"
	    "otherwise it is asked for:\n"
	    "  adconnectorctl set --revert directory.password\n"
	    "The keys stand in adconnector.conf(5).\n",
	    command_set },
	{ "web", "", "print a one-time address that opens the local page",
	    "It is good once, for five minutes. Whoever has it can do through the page what you "
	    "can:\n"
	    "open it, and give it to nobody.\n",
	    command_web },
	{ "log", "[-f] [--since N]", "show the latest log lines",
	    "  -f, --follow   go on with new lines as they come\n"
	    "  --since N      begin with the line of this sequence number\n",
	    command_log },
	{ "bundle", "[FILE]", "put status, settings and log together for somebody who helps",
	    "Without FILE it is printed. A file is made anew, readable by its owner alone. It "
	    "holds no\n"
	    "secret, but names people and hosts.\n",
	    command_bundle },
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
