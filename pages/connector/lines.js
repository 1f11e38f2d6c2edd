// SPDX-License-Identifier: ISC
// The latest lines of the connector's log, held for all parts of the page that show some, and followed while
// somebody looks. Bounded: the oldest go first.

import { Refused, stream } from "./api.js";

const MOST = 4000;
const AGAIN_MS = 1000;

// "lines": there are more; "cleared".
export const events = new EventTarget();

export const levels = ["error", "warning", "info", "debug"];
export let lines = [];
let next = 0;
let wanted = false;
let controller = null;
let timer = 0;
let planned = false;

// Many lines that come at once are one event.
function tell() {
	if (planned)
		return;
	planned = true;
	setTimeout(() => {
		planned = false;
		events.dispatchEvent(new CustomEvent("lines"));
	}, 50);
}

function take(line) {
	if (line.sequence < next)
		return;
	next = line.sequence + 1;
	lines.push(line);
	if (lines.length > MOST)
		lines = lines.slice(lines.length - MOST);
	tell();
}

async function follow() {
	const mine = controller = new AbortController();
	try {
		await stream("GET", `log?follow=1&since=${next}`, undefined, mine.signal, take);
	} catch (error) {
		// A session that has ended is told of elsewhere; all else passes.
		if (error instanceof Refused && error.status === 401)
			wanted = false;
	}
	if (controller === mine) {
		controller = null;
		plan(AGAIN_MS);
	}
}

function plan(ms) {
	clearTimeout(timer);
	if (wanted && !document.hidden && controller === null)
		timer = setTimeout(follow, ms);
}

function pause() {
	clearTimeout(timer);
	const asked = controller;
	controller = null;
	asked?.abort();
}

// From the beginning: another start of the connector counts its lines anew.
export function start() {
	pause();
	lines = [];
	next = 0;
	wanted = true;
	events.dispatchEvent(new CustomEvent("cleared"));
	plan(0);
}

export function stop() {
	wanted = false;
	pause();
}

document.addEventListener("visibilitychange", () => (document.hidden ? pause() : plan(0)));

const two = (number) => String(number).padStart(2, "0");

export function clock(ms) {
	const date = new Date(ms);
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export const day = (ms) => {
	const date = new Date(ms);
	return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};
