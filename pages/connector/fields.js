// SPDX-License-Identifier: ISC
// Which setting has which field on the form: to stand an error there, and to lead people to it from wherever
// a text of the connector names a setting.

import { find, make, say } from "./dom.js";
import { open } from "./tabs.js";

export const boxOf = (key) => find("setup").querySelector(`.field[data-key="${CSS.escape(key)}"]`);
export const keys = () => [...find("setup").querySelectorAll(".field")].map((box) => box.dataset.key);
export const part = (key, name) => boxOf(key).querySelector(`.${name}`);

export const controlOf = (key) =>
	boxOf(key).querySelector("input[type=radio]:checked, input:not([type=radio]), textarea")
	|| boxOf(key).querySelector("input");

export function labelOf(key) {
	const label = boxOf(key).querySelector("label[for], .label").cloneNode(true);
	label.querySelectorAll(".soft").forEach((node) => node.remove());
	return label.textContent.trim();
}

// text: a string, or nodes; "" takes the error away.
export function mark(key, text, ...more) {
	const place = part(key, "error");
	const nodes = typeof text === "string" ? [text] : text;
	if (text === "")
		say(place, "");
	else
		place.replaceChildren(...nodes, ...more.flatMap((node) => [" ", node]));
	for (const control of boxOf(key).querySelectorAll("input:not([type=file], [type=checkbox]), textarea"))
		if (text === "")
			control.removeAttribute("aria-invalid");
		else
			control.setAttribute("aria-invalid", "true");
	boxOf(key).classList.toggle("wrong", text !== "");
}

export function go(key) {
	open("setup");
	const details = boxOf(key).closest("details");
	if (details)
		details.open = true;
	const control = controlOf(key);
	control.focus();
	boxOf(key).scrollIntoView({ block: "center" });
}

export function linkTo(key, text = labelOf(key)) {
	const link = make("button", { type: "button", class: "link" }, text);
	link.addEventListener("click", () => go(key));
	return link;
}

// The text with the names of settings made into links to their fields; how many there were as `count`.
export function linked(text) {
	const known = keys().filter((key) => key.includes("."));
	// Longest first, and not as the beginning of a longer name: directory.password is not directory.password_file.
	known.sort((a, b) => b.length - a.length);
	const pattern = new RegExp(`(${known.map((key) => key.replaceAll(".", "\\.")).join("|")})(?![a-z_.]*[a-z_])`);
	const parts = text.split(pattern);
	const nodes = parts.map((piece, i) => (i % 2 === 1 ? linkTo(piece) : piece)).filter((piece) => piece !== "");
	return { nodes, count: (parts.length - 1) / 2 };
}
