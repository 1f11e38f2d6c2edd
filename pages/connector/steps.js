// SPDX-License-Identifier: ISC
// A list of steps that end one after the other, as the test of the connection and "explain" tell them.

import { announce, make, upper } from "./dom.js";

const words = { waiting: "not yet", running: "under way", passed: "passed", failed: "failed", skipped: "not tried",
	broken: "broken off" };

// The steps of the test, in the order in which they are taken.
export const testSteps = new Map([["reach", "AD server reachable"], ["tunnel", "Connector linked to the cloud"],
	["sign_in", "AD user signs in"], ["read", "Directory can be read"]]);

export class Steps {
	// list: an <ol>; titles: [[name, title]] of steps that are known to come; hint(line): nodes.
	constructor(list, titles, hint) {
		this.list = list;
		this.titles = titles;
		this.hint = hint;
	}

	// What will be done, before it is.
	clear() {
		this.rows = new Map();
		this.list.replaceChildren();
		for (const [name, title] of this.titles)
			this.row(name, title);
	}

	begin() {
		this.clear();
		this.run();
	}

	row(name, title) {
		const row = make("li", { "data-state": "waiting" });
		this.rows.set(name, row);
		this.list.append(row);
		this.fill(row, "waiting", title);
		return row;
	}

	fill(row, state, title, ms, ...more) {
		row.dataset.state = state;
		row.replaceChildren(
			make("div", { class: "step" }, make("span", { class: "mark", "aria-hidden": "true" }),
			    make("span", { class: "title" }, upper(title)), make("span", { class: "unseen" }, `: ${words[state]}`),
			    make("span", { class: "soft ms" }, ms === undefined ? "" : `${ms} ms`)),
			...more);
	}

	// The first one that is open is the one under way.
	run() {
		for (const row of this.rows.values())
			if (row.dataset.state === "waiting") {
				this.fill(row, "running", row.querySelector(".title").textContent);
				return;
			}
	}

	take(line) {
		const row = this.rows.get(line.name) || this.row(line.name, line.title);
		const state = line.passed ? "passed" : line.code === "not_run" ? "skipped" : "failed";
		const hint = this.hint(line);
		const more = [make("p", { class: "text" }, line.text)];
		if (hint.length > 0)
			more.push(make("p", { class: "what" }, ...hint));
		this.fill(row, state, line.title, state === "skipped" ? undefined : line.ms, ...more);
		announce(`${upper(line.title)}: ${words[state]}. ${line.text}`);
		this.run();
	}

	// No more will come.
	end() {
		for (const row of this.rows.values())
			if (row.dataset.state === "running" || row.dataset.state === "waiting")
				this.fill(row, row.dataset.state === "running" ? "broken" : "skipped",
				    row.querySelector(".title").textContent);
	}
}
