// SPDX-License-Identifier: ISC
// The few words with which the other files speak to the document. Text from the connector comes in
// as text, never as markup: no file of this page writes markup.

export const find = (id) => document.getElementById(id);

// make("dt", "State"), make("a", { href: "#" }, "text", otherNode)
export function make(tag, ...rest) {
	const node = document.createElement(tag);
	for (const part of rest) {
		if (part === null || part === undefined)
			continue;
		if (part instanceof Node || typeof part !== "object")
			node.append(part);
		else
			for (const [name, value] of Object.entries(part))
				node.setAttribute(name, value);
	}
	return node;
}

// Writes only what differs: a text that is written again is read out again, and loses a selection.
export function say(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

// As the beginning of a sentence; not for what may begin with a name.
export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function show(node, wanted = true) {
	node.hidden = !wanted;
}

// For people who hear the page: said when they have finished with what they are at.
export function announce(text) {
	const node = find("announce");
	node.textContent = "";
	// In a later task, so that the same words twice are two changes.
	setTimeout(() => { node.textContent = text; }, 50);
}

// A box with a result: kind is good, warn, bad or info.
export function result(box, kind, ...content) {
	box.dataset.kind = kind;
	box.replaceChildren(...content);
	show(box);
}

// Long names may be broken where their parts end; what is copied has no more in it than before.
function breakable(text) {
	return text.split(/(?<=[,/.:@\\_-])/).flatMap((part, i) => (i === 0 ? [part] : [make("wbr"), part]));
}

function sayBreakable(node, text) {
	if (node.textContent !== text)
		node.replaceChildren(...breakable(text));
}

// pairs: [term, description]; empty descriptions are left out.
export function facts(list, pairs) {
	const wanted = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
	const terms = [...list.querySelectorAll("dt")].map((node) => node.textContent);
	if (terms.join("\n") !== wanted.map(([term]) => term).join("\n"))
		list.replaceChildren(...wanted.map(([term]) => make("div", make("dt", term), make("dd"))));
	list.querySelectorAll("dd").forEach((node, i) => sayBreakable(node, String(wanted[i][1])));
}

export function pill(node, state, text) {
	node.dataset.state = state;
	say(node, text);
	show(node);
}
