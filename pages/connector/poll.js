// SPDX-License-Identifier: ISC
// How the connector is, asked every two seconds while somebody looks. Whether it answers at all is known here
// as well.

import { call, Left, Refused } from "./api.js";
import { ended, token } from "./session.js";

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;

// "status" (detail: data), "gone", "back".
export const events = new EventTarget();

export let current = null;
let gone = false;
let wanted = false;
let timer = 0;
let controller = null;

const tell = (name, detail) => events.dispatchEvent(new CustomEvent(name, { detail }));

async function ask() {
	const mine = controller = new AbortController();
	const used = token();
	const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
	try {
		const { data } = await call("GET", "status", undefined, mine.signal);
		answers(true);
		// The three states alone are what everybody gets.
		if (data.tunnel === undefined) {
			ended(used);
			return;
		}
		current = data;
		tell("status", current);
	} catch (error) {
		// Left: by pause(), or because it took too long.
		if (error instanceof Refused)
			answers(true);
		else if (!(error instanceof Left) || controller === mine)
			answers(false);
	} finally {
		clearTimeout(patience);
		if (controller === mine) {
			controller = null;
			plan(EVERY_MS);
		}
	}
}

function answers(yes) {
	if (yes === !gone)
		return;
	gone = !yes;
	tell(gone ? "gone" : "back");
}

function plan(ms) {
	clearTimeout(timer);
	if (wanted && !document.hidden)
		timer = setTimeout(ask, ms);
}

function pause() {
	clearTimeout(timer);
	const asked = controller;
	controller = null;
	asked?.abort();
}

// Now, and not only in two seconds: something was just changed.
export function hurry() {
	if (controller === null)
		plan(0);
}

export function start() {
	wanted = true;
	hurry();
}

export function stop() {
	wanted = false;
	pause();
	current = null;
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden)
		pause();
	else
		hurry();
});
