/* SPDX-License-Identifier: ISC */
/*
 * The connector's parent, its parts for each other.
 */
#ifndef ADC_ADCONNECTORD_H
#define ADC_ADCONNECTORD_H

#include "hub_clock.h"
#include "identity.h"
#include "settings.h"

#include "common/pending.h"
#include "common/secret.h"
#include "common/service.h"
#include "common/status.h"

#include <event2/event.h>

/*
 * What children are configured with. There is the one in force, and while a
 * change is tried the next one.
 */
struct deployment {
	struct settings *settings;
	struct identity *identity;     /* NULL: not enrolled */
	struct secret *bind_password;  /* NULL: none known */
	struct secret *proxy_password; /* NULL: none */
	int directory_ca;	       /* open file, -1: none */
	int cloud_ca;
};

#define NONCE_SIZE 65
/* Two host names of the greatest length and a sentence: cloud's FAILURE_TEXT_SIZE. */
#define TUNNEL_TEXT_SIZE 768

/* The last challenge that was signed, and the sign key that did. */
struct proved {
	char nonce[NONCE_SIZE];
	char kid[JOSE_KEY_ID_SIZE];
};

/* What is known of keys that were changed, or may have been; see rekey.c. */
struct rekeying {
	bool prove_next;       /* tunnels are proved with the next keys, not with those so far */
	unsigned int welcomes; /* with those so far, since the hub was told of the next ones */
	struct event *timer;   /* until the keys before are forgotten */
	struct child *cloud_before; /* whose tunnel they proved; NULL: nobody's */
};

struct tunnel_report {
	enum tunnel_state state;
	char code[64];
	char text[TUNNEL_TEXT_SIZE];
	time_t since;
	int64_t hub_time; /* just told, in seconds since 1970; 0: not */
};

struct directory_report {
	enum directory_state state;
	char code[64];
	char text[512];
	char server[300];
	char base[1024];
	char netbios[64];
	char domain[256];
	uint16_t connections;
	uint16_t busy;
	time_t since;
};

struct change;
struct replay;

#define HELD_TESTS_MAX 4

/* A test that waits for the tunnel, which is being opened. */
struct held_test {
	uint32_t id; /* in the table of pending requests, where it is asked of nobody yet */
	uint32_t deadline_ms;
	uint64_t since_ms;
};

struct connector {
	struct event_base *base;
	struct house *house;
	struct service *dial;
	struct service *directory;
	struct service *cloud;
	struct service *web;
	struct service *page;
	struct pending_table *pending;
	struct deployment *current;
	struct settings *previous; /* before the last change; NULL: not known */
	struct change *change;	   /* NULL: none is being tried */
	struct tunnel_report tunnel;
	struct hub_clock hub_clock;
	struct replay *replay;		 /* sealed texts that were handed to a directory process */
	struct proved proved[2];	 /* for the tunnel in force, and for one on trial */
	char nonce_welcomed[NONCE_SIZE]; /* of the last tunnel that stood; "": none */
	struct rekeying rekey;
	struct event *tunnel_timer;
	bool tunnel_waits; /* for the directory's first word */
	struct directory_report directory_report;
	bool directory_answers; /* as cloud was told */
	uint64_t logins[STATUS_COUNT];
	uint64_t login_microseconds;
	int64_t started; /* clock_s() */
	char host[256];
	char proposed_domain[256]; /* the host's own DNS domain, "": it names none */
	int control;		   /* listener */
	struct page_listener {
		int fd; /* -1: there is no page */
		bool bound, open;
	} page_listener;
	struct child *link_asker; /* waits for the page's process; NULL: nobody does */
	uint32_t link_id;
	struct event *link_timer; /* NULL until somebody waits */
	int system_ca;		  /* the system's CA bundle, -1: there is none */
	uid_t start_uid;
	gid_t reader_gid;
	int exit_status;
	struct held_test held_tests[HELD_TESTS_MAX];
	struct event *held_timer; /* NULL until one is held */
};

/* --- adconnectord.c -------------------------------------------------------- */

/*
 * Logins come the moment the tunnel stands, so it is opened once directory has
 * said how it fares, well or not; at the latest after a second.
 */
void open_tunnel(struct connector *);
/* Directory has said its first word. */
void open_tunnel_now(struct connector *);

/* --- deployment.c: settings, credentials and identity put together -------- */

/*
 * Takes the settings. Reads what the settings name; errors are logged, NULL. uid and gid
 * are the parent's once it has given its rights up: what was saved is read with these.
 */
struct deployment *deployment_new(struct settings *, uid_t, gid_t, const char **why);
struct deployment *deployment_copy(const struct deployment *);
void deployment_free(struct deployment *);
/* Server, user and password are known. */
bool deployment_directory_ready(const struct deployment *);
/* What a child that runs, or is tried, belongs to. */
struct deployment *deployment_of(struct connector *, const struct child *);

/* --- configure.c: CONFIG items for each child ----------------------------- */

int configure_child(struct connector *, struct child *);

/* --- connect.c: connections made by dial for others ------------------------ */

void connect_request(struct connector *, struct child *, struct message *);
void connect_result(struct connector *, struct child *, struct message *);
void connect_lost(struct connector *, struct pending *);

/* --- login.c: from sealed password to signed verdict ----------------------- */

void login_request(struct connector *, struct child *, struct message *);
void login_result(struct connector *, struct child *, struct message *);
void login_lost(struct connector *, struct pending *);
void login_release(void *data);
void login_tunnel_proof(struct connector *, struct child *, struct message *);
/* Does this connector's policy let anybody log in? */
bool login_allowed(const struct connector *);
void login_service_password(struct connector *, struct child *, struct message *);

/* --- change.c: new settings and enrolment, tried before they are taken ------ */

void change_set(struct connector *, struct child *, struct message *);
void change_revert(struct connector *, struct child *, struct message *);
void change_enrol(struct connector *, struct child *, struct message *);
void change_reconnect(struct connector *, struct child *, struct message *);
void change_unenrol(struct connector *, struct child *, struct message *);
void change_rekey(struct connector *, struct child *, struct message *);
/* A child of the change came further, or failed. */
void change_child_ready(struct connector *, struct child *);
void change_child_gone(struct connector *, struct child *);
void change_directory_state(struct connector *, const struct directory_report *);
void change_tunnel_state(struct connector *, const struct tunnel_report *);
void change_enrolled(struct connector *, struct child *, struct message *);
/* The child that asked for it is gone. */
void change_asker_gone(struct connector *, struct child *);
void change_free(struct connector *);
struct deployment *change_deployment(struct connector *);
/* The dial that a trial's connections come from. */
struct child *change_dial(struct connector *);
/* What the directory on trial says, where one is; else the one in force. */
const struct directory_report *change_directory_report(const struct connector *);
/* The ticket that an enrolling child is configured with, NULL when it is a tunnel. */
const struct ticket *change_ticket(struct connector *);

/* --- rekey.c: new keys, and what becomes of the old ones ------------------- */

/* At the start, and when there is another identity, or none any more. */
void rekey_begin(struct connector *);
void rekey_on_timer(evutil_socket_t, short, void *);
void rekey_answer(struct connector *, struct child *, struct message *);
/* The cloud process that was to answer is gone, or does not. */
void rekey_lost(struct connector *);
/* The keys that the next tunnel is to be proved with. */
const struct identity_keys *rekey_prover(const struct connector *, const struct identity *);
/* The keys that proved the tunnel of this process, which is not on trial. */
const struct identity_keys *rekey_of_tunnel(const struct connector *, const struct child *);
/* Those in force or before them, by one kid of the two; the other is NULL. NULL: not known. */
const struct identity_keys *
rekey_find(const struct identity *, const char *sign_kid, const char *seal_kid);
/* The hub has welcomed, or refused, what this process had signed last. */
void rekey_welcomed(struct connector *, const struct child *);
void rekey_refused(struct connector *, const struct child *);

/* --- test_run.c: the four steps ------------------------------------------- */

void test_request(struct connector *, struct child *, struct message *);
void test_step(struct connector *, struct child *, struct message *);
void test_end(struct connector *, struct child *, struct message *);
void test_lost(struct connector *, struct pending *);

/* --- page.c: the local page: its listener, its one-time URLs, what it may set */

/*
 * Makes the socket while that is allowed, and listens.  That another program holds the
 * address is logged, and no reason not to start: see page_listen().
 */
void page_open(struct connector *);
/* Listens, when it does not yet; page_listener.open tells. */
void page_listen(struct connector *);
/* LINK_MAKE: refused while the address is not ours, so that no URL leads to another program. */
void page_link(struct connector *, struct child *, struct message *);
/* The page's process is ready, or it or another child is gone. */
void page_ready(struct connector *);
void page_child_gone(struct connector *, struct child *);
void page_allowed(struct connector *, struct child *, struct message *);
void page_link_lost(struct connector *, struct pending *);
/* NULL, or why this child may not set this key. */
const char *page_may_not_set(const struct child *, const char *key);
/* "ADDRESS:PORT" as in a URL. */
void page_host(const struct connector *, char *text, size_t size);

/* --- explain.c: what a login would do, without a password ------------------- */

void explain_request(struct connector *, struct child *, struct message *);
void explain_step(struct connector *, struct child *, struct message *);
void explain_end(struct connector *, struct child *, struct message *);
void explain_stop(struct connector *, struct child *, struct message *);
void explain_lost(struct connector *, struct pending *);

/* --- report.c: states as children tell them, and the status page ----------- */

void report_tunnel_state(struct connector *, struct child *, struct message *);
/* It is the tunnel's state from now on, and its hub the one whose clock counts. */
void report_take_tunnel(struct connector *, const struct tunnel_report *);
/* Tells people when this host's clock is off; see hub_clock.h. */
void report_clock(struct connector *);
void report_directory_state(struct connector *, struct child *, struct message *);
/* Something happened to the directory process, or to what it says: the hub is told what changed. */
void report_directory_answers(struct connector *);
/* Tells a cloud process, one that opens a tunnel, whether the directory answers. */
void report_tell_cloud(const struct connector *, struct child *);
void report_status(struct connector *, struct child *, struct message *);

/* --- settings_show.c: the settings for people to see ------------------------ */

void settings_show(struct connector *, struct child *, struct message *);

/* --- log_ring.c: the last lines, for `adconnectorctl log` ------------------- */

void log_ring_init(struct connector *);
void log_ring_child(enum log_level, const char *tag, const char *text);
void log_ring_get(struct child *, struct message *);
void log_ring_stop(struct child *, struct message *);
void log_ring_child_gone(struct child *);

/* Only the state directory from here on; no new socket, no process. */
void sandbox_adconnectord(const struct connector *);

#endif
