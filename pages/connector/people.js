// SPDX-License-Identifier: ISC
// "Explain": what a login of a name would do.

import { Left, stream } from "./api.js";
import { announce, find, result, say, show } from "./dom.js";
import { linked } from "./fields.js";
import { Steps } from "./steps.js";
import { waiting } from "./wait.js";

const steps = new Steps(find("explain-steps"), [], (line) => linked(line.hint || "").nodes);
let busy = false;

async function run(event) {
	event.preventDefault();
	const input = find("username");
	const username = input.value.trim();
	say(find("username-error"), username === "" ? "Type a name." : "");
	if (username === "") {
		input.focus();
		return;
	}
	if (busy)
		return;
	busy = true;
	const box = find("explain-result");
	let end = null;
	show(box, false);
	steps.begin();
	try {
		await waiting(find("explain-wait"), `Looking at ${username}…`, "Stop", (signal) =>
			stream("POST", "explain", { username }, signal, (line) => {
				if (line.end)
					end = line;
				else
					steps.take(line);
			}));
		if (end === null)
			result(box, "bad", "It was broken off. Log may tell why.");
		else
			result(box, end.status === "ok" ? "good" : "warn", `${end.text} (${end.status})`);
	} catch (error) {
		result(box, error instanceof Left ? "info" : "bad", error instanceof Left ? "Stopped." : error.message);
	} finally {
		busy = false;
		setTimeout(() => announce(box.textContent), 300);
	}
}

export function forget() {
	find("explain").reset();
	steps.clear();
	show(find("explain-result"), false);
}

export const start = () => find("explain").addEventListener("submit", run);
