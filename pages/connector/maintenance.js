// SPDX-License-Identifier: ISC
// What is done rarely: a support bundle, another tunnel, other keys, leaving the cloud, signing out.

import { call, Left, stream } from "./api.js";
import { bundle } from "./bundle.js";
import { announce, find, make, result, say, show, upper } from "./dom.js";
import * as poll from "./poll.js";
import { signOut } from "./session.js";
import { waiting } from "./wait.js";

let busy = false;

async function alone(action) {
	if (busy)
		return;
	busy = true;
	try {
		await action();
	} finally {
		busy = false;
		poll.hurry();
	}
}

async function makeBundle() {
	try {
		await waiting(find("bundle-wait"), "Collecting…", "Stop", async (signal) => {
			const lines = [];
			const status = await call("GET", "status", undefined, signal);
			const { settings } = await call("GET", "settings", undefined, signal);
			await stream("GET", "log", undefined, signal, (line) => lines.push(line));
			find("bundle-text").value = bundle(status.data, settings, lines, new Date());
		});
		show(find("bundle-box"));
		show(find("bundle-save"));
		say(find("bundle-result"), "");
		find("bundle-text").focus();
		find("bundle-text").setSelectionRange(0, 0);
		find("bundle-text").scrollTop = 0;
		announce("The bundle is below, to be read and saved.");
	} catch (error) {
		say(find("bundle-result"), error.message);
	}
}

function saveBundle() {
	const url = URL.createObjectURL(new Blob([find("bundle-text").value], { type: "text/plain" }));
	const name = `adconnector-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.txt`;
	make("a", { href: url, download: name }).click();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
	say(find("bundle-result"), `Saved as ${name}.`);
}

async function run(name, path, words) {
	const box = find(`${name}-result`);
	show(box, false);
	try {
		const { message } = await waiting(find(`${name}-wait`), words, "Stop waiting",
		    (signal) => call("POST", path, undefined, signal));
		result(box, "good", upper(message));
		return true;
	} catch (error) {
		result(box, error instanceof Left ? "warn" : "bad", error instanceof Left
			? "The connector goes on with it: Status and Log tell how it ends." : error.message);
		return false;
	}
}

async function leave(event) {
	event.preventDefault();
	const word = find("leave-word");
	const right = word.value.trim() === poll.current?.connection;
	say(find("leave-error"), right ? "" : `Type ${poll.current?.connection || "the connection's name"} to confirm.`);
	if (!right)
		word.focus();
	else
		await alone(async () => {
			if (await run("leave", "unenroll", "Disconnecting…"))
				word.value = "";
		});
}

function draw(data) {
	const joined = Boolean(data.connection);
	show(find("leave"), joined);
	show(find("leave-not"), !joined);
	say(find("leave-name"), data.connection || "");
	for (const name of ["reconnect", "rekey"]) {
		if (joined)
			find(name).removeAttribute("aria-disabled");
		else
			find(name).setAttribute("aria-disabled", "true");
	}
}

export function forget() {
	find("leave").reset();
	find("bundle-text").value = "";
	show(find("bundle-box"), false);
	show(find("bundle-save"), false);
	say(find("bundle-result"), "");
	for (const name of ["reconnect", "rekey", "leave"])
		show(find(`${name}-result`), false);
}

export function start() {
	find("bundle-make").addEventListener("click", () => alone(makeBundle));
	find("bundle-save").addEventListener("click", saveBundle);
	for (const [name, words] of [["reconnect", "Opening a new tunnel…"], ["rekey", "Changing the keys…"]])
		find(name).addEventListener("click", () => {
			if (poll.current && !poll.current.connection)
				result(find(`${name}-result`), "info", "This connector has not joined a connection.");
			else
				alone(() => run(name, name, words));
		});
	find("leave").addEventListener("submit", leave);
	find("sign-out").addEventListener("click", () => signOut().catch(() => {}));
	poll.events.addEventListener("status", (event) => draw(event.detail));
}
