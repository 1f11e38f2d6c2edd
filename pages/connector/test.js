// SPDX-License-Identifier: ISC
// Test connection: four steps, shown as they end, each with what to do and where.

import { Left, stream } from "./api.js";
import { announce, find, result, show } from "./dom.js";
import { linked, linkTo } from "./fields.js";
import * as poll from "./poll.js";
import { Steps, testSteps } from "./steps.js";
import { waiting } from "./wait.js";

const steps = new Steps(find("test-steps"), [...testSteps], hint);
let busy = false;

function hint(line) {
	if (line.code === "not_run")
		return [];
	const { nodes, count } = linked(line.hint || "");
	if (!line.passed && count === 0 && /\bticket\b/.test(line.hint || ""))
		nodes.push(" ", "Field: ", linkTo("ticket"));
	return nodes;
}

async function run() {
	if (busy)
		return;
	busy = true;
	const box = find("test-result");
	let end = null;
	show(box, false);
	steps.begin();
	try {
		await waiting(find("test-wait"), "Testing…", "Stop", (signal) =>
			stream("POST", "test", undefined, signal, (line) => {
				if (line.end)
					end = line;
				else
					steps.take(line);
			}));
		if (end === null)
			result(box, "bad", "The test was broken off. Log may tell why.");
		else
			result(box, end.passed ? "good" : "bad", end.passed ? "All four steps passed." : "The test did not pass.");
	} catch (error) {
		result(box, error instanceof Left ? "info" : "bad", error instanceof Left ? "Stopped." : error.message);
	} finally {
		steps.end();
		busy = false;
		// After the words of the last step.
		setTimeout(() => announce(box.textContent), 300);
		poll.hurry();
	}
}

export function forget() {
	steps.clear();
	show(find("test-result"), false);
}

export function start() {
	steps.clear();
	find("test").addEventListener("click", run);
}
