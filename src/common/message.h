/* SPDX-License-Identifier: ISC */
/*
 * Who may say what to whom, made from message.def.  The check is one table
 * look-up, done by the sender (a bug) and by the receiver (an attack).
 */
#ifndef ADC_MESSAGE_H
#define ADC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Version of HELLO and of the encoding; both ends come from one build. */
#define MESSAGE_PROTOCOL 1
/* Bytes of a bind password in SET and REVERT. */
#define BIND_PASSWORD_MAX 1024

/* A role is one kind of process; an instance that may say other things is a role of its own. */
enum role {
	ROLE_PARENT,
	ROLE_SPAWNER,
	ROLE_DIAL,
	ROLE_DIRECTORY,
	ROLE_CLOUD,
	ROLE_WEB_CONTROL,
	ROLE_GATE_PUBLIC,
	ROLE_GATE_CONTROL,
	ROLE_STORE,
	ROLE_WEB_PAGE,
	ROLE_COUNT
};

enum message_type {
#define MESSAGE(name, from, to, state, flags, min, max) MESSAGE_##name,
#include "message.def"
#undef MESSAGE
	MESSAGE_COUNT
};

/* Life of a channel, as the message table sees it. */
enum channel_state { CHANNEL_CONFIG = 1, CHANNEL_RUN = 2 };

#define MESSAGE_FLAG_ONCE 0x01U
#define MESSAGE_FLAG_ASKS 0x02U
#define MESSAGE_FLAG_REPLY 0x04U
#define MESSAGE_FLAG_FD 0x08U
#define MESSAGE_FLAG_FD_MAY 0x10U
#define MESSAGE_FLAG_SECRET 0x20U

struct message_rule {
	const char *name;
	uint32_t from; /* bit 1 << role */
	uint32_t to;
	uint8_t states; /* CHANNEL_CONFIG | CHANNEL_RUN */
	uint8_t flags;
	uint32_t min;
	uint32_t max;
};

extern const struct message_rule message_rules[MESSAGE_COUNT];

/* Endpoint lists a connection may come from. */
enum endpoint_kind { ENDPOINT_DIRECTORY, ENDPOINT_HUB, ENDPOINT_KIND_COUNT };

enum tunnel_state {
	TUNNEL_NOT_ENROLLED,
	TUNNEL_CONNECTING,
	TUNNEL_ONLINE,
	TUNNEL_PENDING, /* connected, waits for approval */
	TUNNEL_WAITING, /* between two tries; the text says why */
	TUNNEL_REFUSED, /* revoked or unknown at the hub */
};

enum enrol_result { ENROL_OK, ENROL_PENDING, ENROL_FAILED };

enum directory_state {
	DIRECTORY_NOT_CONFIGURED,
	DIRECTORY_CONNECTING,
	DIRECTORY_OK,
	DIRECTORY_FAILED, /* the text says why; it goes on trying */
};

enum test_step { TEST_REACH, TEST_TUNNEL, TEST_SIGN_IN, TEST_READ, TEST_STEP_COUNT };

/* In the order in which a login decides. */
enum explain_step {
	EXPLAIN_NAME,
	EXPLAIN_PERSON,
	EXPLAIN_ACCOUNT,
	EXPLAIN_GROUPS,
	EXPLAIN_POLICY,
	EXPLAIN_LOCKOUT,
	EXPLAIN_BIND,
	EXPLAIN_STEP_COUNT
};

enum ticket_state {
	TICKET_OK,
	TICKET_UNKNOWN,
	TICKET_EXPIRED,
	TICKET_USED_UP,
	TICKET_REVOKED,
	TICKET_KEYS_REFUSED, /* one of the keys is another connector's, or a revoked one's */
	TICKET_FAILED,	     /* could not be saved, or the connection is full; nothing changed */
};

enum connector_state {
	CONNECTOR_UNKNOWN,
	CONNECTOR_PENDING,
	CONNECTOR_APPROVED,
	CONNECTOR_REVOKED,
};

/* What becomes of a connector's new keys (common/rekey.h). */
enum rekey_result {
	REKEY_OK,
	REKEY_REJECTED,	   /* not signed by who may, or the keys are somebody's already */
	REKEY_TOO_MANY,	   /* the last change is too young */
	REKEY_UNAVAILABLE, /* it could not be saved, or nobody knows whether it was */
	REKEY_RESULTS,
	/* What the connector's cloud says when the hub has said none of these. */
	REKEY_NOT_SENT = REKEY_RESULTS, /* no tunnel was open */
	REKEY_UNANSWERED,		/* in time; the hub may be one that cannot do it */
	REKEY_LOST,			/* the tunnel closed before the answer */
	REKEY_OUTCOMES
};

/* Bytes of what names a connection: no more passes the gate, no more is kept. */
#define ADMIN_IDENTIFIER_MAX 63
#define ADMIN_NAME_MAX 200

enum admin_operation {
	ADMIN_CONNECTION_ADD,	 /* identifier, display name, logo as data: URL or "" */
	ADMIN_CONNECTION_LIST,	 /* - */
	ADMIN_CONNECTION_SHOW,	 /* identifier */
	ADMIN_CONNECTION_REMOVE, /* identifier */
	ADMIN_TICKET_NEW,	 /* identifier, uses, hours, "auto-approve" or "" */
	ADMIN_TICKET_LIST,	 /* identifier or "" */
	ADMIN_TICKET_REVOKE,	 /* ticket id */
	ADMIN_CONNECTOR_LIST,	 /* identifier or "" */
	ADMIN_CONNECTOR_APPROVE, /* connector id */
	ADMIN_CONNECTOR_REVOKE,	 /* connector id */
	ADMIN_AUDIT_LIST,	 /* after row number, at most */
	ADMIN_AUDIT_VERIFY,	 /* - */
	ADMIN_OPERATION_COUNT
};

enum admin_result { ADMIN_OK, ADMIN_REFUSED, ADMIN_NOT_FOUND, ADMIN_EXISTS, ADMIN_FAILED };

/* "LOG", "CHECK_PASSWORD"…; "unknown" for a number that is none. */
const char *message_name(unsigned int type);
/* The log tag and directory of a role: "dial", "gate"… */
const char *role_name(enum role);
/* role_name, or "gate-control" and the like where instances differ. */
const char *role_label(enum role);

/* True for a message from one child to another. */
bool message_relayed(unsigned int type);
/* The child role such a message is for. */
enum role message_destination(unsigned int type);

/*
 * NULL when a message of this type and size may travel from one role to the
 * other in this state, otherwise what is wrong with it, for the log.
 */
const char *message_refused(enum role from, enum role to, unsigned int states, unsigned int type,
    size_t len, bool has_descriptor);

#endif
