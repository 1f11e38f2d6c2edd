// SPDX-License-Identifier: ISC
// What can be measured on the page as it is shown now: contrasts, references, headings, sizes. Run in the page by
// test_accessibility.py; returns a list of findings in words.

const findings = [];
const seen = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
const nameOf = (node) => `${node.tagName.toLowerCase()}${node.id ? `#${node.id}` : ""}${
	node.classList.length > 0 ? `.${[...node.classList].join(".")}` : ""}`;
const forScreenReadersOnly = (node) => node.closest(".unseen") !== null;

// --- contrast: WCAG 2.2, 1.4.3 and 1.4.11 ---------------------------------------------------------

const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
function rgba(colour) {
	canvas.clearRect(0, 0, 1, 1);
	canvas.fillStyle = colour;
	canvas.fillRect(0, 0, 1, 1);
	const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
	return [r, g, b, a / 255];
}
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
function luminance([r, g, b]) {
	const part = (value) => {
		const c = value / 255;
		return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
	};
	return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
}
function ratio(one, other) {
	const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
	return (light + .05) / (dark + .05);
}
function ground(node) {
	const layers = [];
	for (let at = node; at !== null; at = at.parentElement) {
		const colour = rgba(getComputedStyle(at).backgroundColor);
		layers.push(colour);
		if (colour[3] === 1)
			break;
	}
	return layers.reverse().reduce((below, top) => over(top, below), rgba("Canvas"));
}
function contrast(node, colour, what, text) {
	const style = getComputedStyle(node);
	const size = parseFloat(style.fontSize);
	const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
	const below = ground(node);
	const found = ratio(over(rgba(colour), below), below);
	if (found < (large ? 3 : 4.5))
		findings.push(`contrast ${found.toFixed(2)} of ${what} "${text.slice(0, 40)}" in ${nameOf(node)}`);
}

const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
	const node = text.parentElement;
	if (text.data.trim() !== "" && seen(node) && !forScreenReadersOnly(node) && !["SCRIPT", "NOSCRIPT", "OPTION"].includes(node.tagName))
		contrast(node, getComputedStyle(node).color, "text", text.data.trim());
}
for (const field of document.querySelectorAll("input, textarea, select")) {
	if (!seen(field) || forScreenReadersOnly(field) || ["radio", "checkbox", "file"].includes(field.type))
		continue;
	contrast(field, getComputedStyle(field).color, "value", field.value);
	if (field.placeholder)
		contrast(field, getComputedStyle(field, "::placeholder").color, "placeholder", field.placeholder);
	const around = ground(field.parentElement);
	if (ratio(over(rgba(getComputedStyle(field).borderTopColor), around), around) < 3)
		findings.push(`the edge of ${nameOf(field)} does not stand out`);
}

// --- what refers to what -------------------------------------------------------------------------

const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
for (const id of new Set(ids.filter((one, i) => ids.indexOf(one) !== i)))
	findings.push(`id ${id} twice`);
for (const attribute of ["for", "aria-controls", "aria-describedby", "aria-labelledby"])
	for (const node of document.querySelectorAll(`[${attribute}]`))
		for (const id of node.getAttribute(attribute).split(/\s+/))
			if (!ids.includes(id))
				findings.push(`${attribute}="${id}" of ${nameOf(node)} leads nowhere`);
// A placeholder is a name for the browser, but gone when something is typed.
for (const field of document.querySelectorAll("input, textarea, select"))
	if (field.labels.length === 0 && !field.hasAttribute("aria-label"))
		findings.push(`${nameOf(field)} has no label`);
for (const image of document.querySelectorAll("img:not([alt])"))
	findings.push(`${nameOf(image)} without alt`);

// --- order ---------------------------------------------------------------------------------------

const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen);
let last = 0;
for (const heading of headings) {
	const level = Number(heading.tagName[1]);
	if (level > last + 1)
		findings.push(`"${heading.textContent.trim()}" is h${level} after h${last}`);
	last = level;
}
if (headings.filter((one) => one.tagName === "H1").length !== 1)
	findings.push("not one h1");
for (const [selector, name] of [["main", "main"], ["body > header", "banner"]])
	if (document.querySelectorAll(selector).length !== 1)
		findings.push(`not one ${name}`);
if (!document.documentElement.lang || !document.title)
	findings.push("no language or title");
// Text that belongs to no landmark is found by nobody who goes by them.
for (const node of document.body.children)
	if (!["HEADER", "MAIN", "SCRIPT"].includes(node.tagName) && !node.matches(".skip, #announce"))
		findings.push(`${nameOf(node)} stands in no landmark`);

// --- size: WCAG 2.2, 2.5.8 and 1.4.10 -------------------------------------------------------------

for (const control of document.querySelectorAll("button, select, summary, input, textarea")) {
	const target = control.matches("input[type=radio], input[type=checkbox]") ? control.closest("label") : control;
	const box = target.getBoundingClientRect();
	if (seen(control) && !forScreenReadersOnly(control) && !control.matches("button.link, summary") && (box.width < 24 || box.height < 24))
		findings.push(`${nameOf(control)} is ${box.width.toFixed()} by ${box.height.toFixed()} only`);
}
if (document.documentElement.scrollWidth > innerWidth)
	findings.push(`wider than the window: ${document.documentElement.scrollWidth} > ${innerWidth}`);

return findings;
