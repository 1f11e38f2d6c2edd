// SPDX-License-Identifier: ISC
// The beginning: signs in with what the address holds, and from then on decides which of the page's screens is
// seen: signing in, the tabs, or the tabs with a session that has ended over them.

import { call, Gone, Refused } from "./api.js";
import { announce, facts, find, pill, say, show } from "./dom.js";
import * as lines from "./lines.js";
import * as log from "./log.js";
import * as maintenance from "./maintenance.js";
import * as people from "./people.js";
import * as poll from "./poll.js";
import * as session from "./session.js";
import * as setup from "./setup.js";
import * as status from "./status.js";
import * as tabs from "./tabs.js";
import * as test from "./test.js";

const HEALTHY = "connected";
// How the three states that everybody may see look; what is not here is trouble.
const looks = { connected: "good", not_enrolled: "off", not_configured: "off", connecting: "warn", pending: "warn" };

// What is on show already, so that a session that has ended takes nothing of it away.
let working = false;

async function openStates() {
	try {
		const { data } = await call("GET", "status");
		const states = [["Cloud link", data.ws.upstream], ["Cloud sign-in", data.ws.auth], ["Active Directory", data.ad]];
		const list = find("open-states");
		facts(list, states.map(([name, state]) => [name, state.code === HEALTHY ? "connected" : state.status]));
		list.querySelectorAll("dd").forEach((node, i) => {
			node.className = "pill";
			node.dataset.state = looks[states[i][1].code] || "bad";
		});
		show(list);
	} catch {
		show(find("open-states"), false);
	}
}

function askToSignIn(why) {
	const box = find("sign-in");
	say(find("sign-in-why"), why);
	show(find("sign-in-kept"), working);
	box.classList.toggle("over", working);
	show(box);
	if (!working) {
		show(find("tabs"), false);
		show(find("panels"), false);
		show(find("overall"), false);
		say(find("host"), "");
		openStates();
	} else
		show(find("open-states"), false);
}

function work() {
	show(find("sign-in"), false);
	say(find("sign-in-error"), "");
	find("sign-in-url").value = "";
	const again = working;
	working = true;
	show(find("tabs"));
	show(find("panels"));
	if (!again)
		tabs.open(tabs.shown());
	poll.start();
	lines.start();
	setup.begin();
	announce(again ? "Signed in again." : "Signed in.");
}

function onEnded(event) {
	poll.stop();
	lines.stop();
	if (event.detail) {
		working = false;
		for (const part of [setup, test, people, status, maintenance])
			part.forget();
		askToSignIn("You have signed out.");
		find("sign-in-url").focus();
	} else {
		pill(find("overall"), "off", "Signed out");
		askToSignIn("Your session has ended. A new address signs you in again.");
	}
}

async function trade(secret) {
	try {
		await session.signIn(secret);
	} catch (error) {
		const words = error instanceof Gone ? `${error.message} Is adconnectord running?`
			: error instanceof Refused && error.status === 429 ? `${error.message} Wait a minute.`
			: `The address was not accepted: ${error.message}`;
		if (find("sign-in").hidden)
			askToSignIn("");
		say(find("sign-in-error"), words);
	}
}

function onPasted(event) {
	event.preventDefault();
	const input = find("sign-in-url");
	const secret = session.secretOf(input.value);
	if (secret === null) {
		say(find("sign-in-error"), "This is not the address that adconnectorctl web prints: after the # it has 43 characters.");
		input.focus();
		return;
	}
	trade(secret);
}

function begin() {
	const secret = session.takeSecret();
	if (secret !== null)
		trade(secret);
	else if (session.token() !== null)
		work();
	else
		askToSignIn("");
}

for (const part of [tabs, setup, test, people, log, status, maintenance])
	part.start();
session.events.addEventListener("began", work);
session.events.addEventListener("ended", onEnded);
poll.events.addEventListener("status", (event) => {
	pill(find("overall"), ...status.overall(event.detail));
	document.title = event.detail.host ? `${event.detail.host}: adconnector` : "adconnector";
	say(find("host"), event.detail.host || "");
	if (setup.needed())
		setup.begin();
});
poll.events.addEventListener("gone", () => {
	say(find("gone"), "The connector does not answer. Trying again every two seconds; what you have typed is kept.");
	show(find("gone"));
	pill(find("overall"), "bad", "No answer");
});
poll.events.addEventListener("back", () => {
	show(find("gone"), false);
	say(find("gone"), "");
	announce("The connector answers again.");
});
tabs.events.addEventListener("shown", (event) => {
	if (event.detail === "log")
		log.opened();
});
find("sign-in-form").addEventListener("submit", onPasted);
// The new address, opened in this tab, changes nothing but what stands behind the #.
window.addEventListener("hashchange", () => {
	const secret = session.takeSecret();
	if (secret !== null)
		trade(secret);
});
begin();
