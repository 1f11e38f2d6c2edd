// SPDX-License-Identifier: ISC
// The tab pattern of the WAI-ARIA Authoring Practices: one tab is in the order of the Tab key, the arrows go
// from one to the next and show it. Which one is shown outlives a reload.

import { find, show } from "./dom.js";

const KEY = "adconnector.tab";

// "shown": detail is the name, e.g. "status".
export const events = new EventTarget();

const tabs = () => [...find("tabs").querySelectorAll("[role=tab]")];
const nameOf = (tab) => tab.id.slice("tab-".length);

export const shown = () => nameOf(tabs().find((tab) => tab.getAttribute("aria-selected") === "true") || tabs()[0]);

export function open(name, focus = false) {
	for (const tab of tabs()) {
		const wanted = nameOf(tab) === name;
		tab.setAttribute("aria-selected", String(wanted));
		tab.tabIndex = wanted ? 0 : -1;
		show(find(`panel-${nameOf(tab)}`), wanted);
		if (wanted && focus)
			tab.focus();
	}
	sessionStorage.setItem(KEY, name);
	events.dispatchEvent(new CustomEvent("shown", { detail: name }));
}

function onKey(event) {
	const all = tabs();
	const at = all.indexOf(document.activeElement);
	const to = {
		ArrowRight: (at + 1) % all.length,
		ArrowLeft: (at + all.length - 1) % all.length,
		Home: 0,
		End: all.length - 1,
	}[event.key];
	if (at === -1 || to === undefined || event.ctrlKey || event.altKey || event.metaKey)
		return;
	event.preventDefault();
	open(nameOf(all[to]), true);
}

export function start() {
	find("tabs").addEventListener("keydown", onKey);
	for (const tab of tabs())
		tab.addEventListener("click", () => open(nameOf(tab)));
	const last = sessionStorage.getItem(KEY);
	open(tabs().some((tab) => nameOf(tab) === last) ? last : "setup");
}
