// SPDX-License-Identifier: ISC
// A slow answer: that it is awaited, since when, and a way to leave it.

import { announce, make, show } from "./dom.js";

// Runs action(signal) while `box` shows `words` and counts the seconds. What action throws or returns
// is passed on. `stop` is what the button says.
export async function waiting(box, words, stop, action) {
	const controller = new AbortController();
	const began = performance.now();
	const seconds = make("span", { class: "soft", "aria-hidden": "true" });
	const button = make("button", { type: "button", class: "quiet small" }, stop);
	button.addEventListener("click", () => controller.abort());
	box.replaceChildren(make("span", { class: "spinner", "aria-hidden": "true" }),
	    make("span", words), seconds, button);
	show(box);
	announce(words);
	const timer = setInterval(() => {
		seconds.textContent = `${Math.round((performance.now() - began) / 1000)} s`;
	}, 1000);
	try {
		return await action(controller.signal);
	} finally {
		clearInterval(timer);
		show(box, false);
		box.replaceChildren();
	}
}
