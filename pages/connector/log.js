// SPDX-License-Identifier: ISC
// The log as one reads it: filtered, at its end unless one has scrolled away, and still while paused.

import { find, make, say, show } from "./dom.js";
import * as source from "./lines.js";

const pane = find("log-lines");
let shown = 0; // sequence of the last line that was looked at
let paused = false;
let stick = true;

function matches(line) {
	const text = find("log-text").value.trim().toLowerCase();
	return source.levels.indexOf(line.level) <= source.levels.indexOf(find("log-level").value)
		&& (text === "" || `${line.tag} ${line.text}`.toLowerCase().includes(text));
}

function row(line) {
	return make("div", { class: "entry", "data-level": line.level, "data-sequence": line.sequence },
	    make("time", { title: source.day(line.time) }, source.clock(line.time)), " ",
	    make("span", { class: "level" }, line.level), " ", make("span", { class: "tag" }, line.tag), " ",
	    make("span", { class: "words" }, line.text));
}

function count() {
	const waiting = paused ? source.lines.filter((line) => line.sequence > shown && matches(line)).length : 0;
	say(find("log-count"), `${pane.childElementCount} of ${source.lines.length} lines`
		+ (waiting > 0 ? `, ${waiting} new ones wait` : ""));
	pane.classList.toggle("empty", pane.childElementCount === 0);
}

function add() {
	if (paused) {
		count();
		return;
	}
	const fresh = source.lines.filter((line) => line.sequence > shown);
	pane.append(...fresh.filter(matches).map(row));
	if (fresh.length > 0)
		shown = fresh[fresh.length - 1].sequence;
	// What the store has dropped goes here too.
	const first = source.lines.length > 0 ? source.lines[0].sequence : 0;
	while (pane.firstElementChild && Number(pane.firstElementChild.dataset.sequence) < first)
		pane.firstElementChild.remove();
	end();
	count();
}

function end() {
	if (stick)
		pane.scrollTop = pane.scrollHeight;
	show(find("log-end"), !stick);
}

function again() {
	const until = paused ? shown : Infinity;
	const kept = source.lines.filter((line) => line.sequence <= until);
	pane.replaceChildren(...kept.filter(matches).map(row));
	if (kept.length > 0)
		shown = kept[kept.length - 1].sequence;
	end();
	count();
}

export function start() {
	source.events.addEventListener("lines", add);
	source.events.addEventListener("cleared", () => {
		shown = -1;
		paused = false;
		say(find("log-pause"), "Pause");
		again();
	});
	find("log-level").addEventListener("change", again);
	find("log-text").addEventListener("input", again);
	find("log-pause").addEventListener("click", () => {
		paused = !paused;
		say(find("log-pause"), paused ? "Go on" : "Pause");
		add();
	});
	find("log-end").addEventListener("click", () => {
		stick = true;
		end();
		pane.focus();
	});
	pane.addEventListener("scroll", () => {
		// A pane that is not on show has no height, and was not scrolled by anybody.
		if (pane.clientHeight === 0)
			return;
		stick = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 8;
		show(find("log-end"), !stick);
	});
}

// Its place is lost while it is hidden.
export const opened = () => end();
