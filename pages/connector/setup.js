// SPDX-License-Identifier: ISC
// The form: what is in force, what was typed over it, and the saving of the difference.

import { call, Left, Refused } from "./api.js";
import { announce, find, make, result, say, show, upper } from "./dom.js";
import { boxOf, controlOf, go, keys, labelOf, linked, mark, part } from "./fields.js";
import { encryptionOf, look, pemOf, withEncryption } from "./look.js";
import * as poll from "./poll.js";
import { testSteps } from "./steps.js";
import { waiting } from "./wait.js";

const CERTIFICATES = ["directory.tls.ca", "cloud.ca"];
// A saved password goes only where it was meant for.
const TIES_PASSWORD = ["directory.server", "directory.tls.mode", "directory.tls.ca"];

// key → the setting as the connector told it; base[key]: what the field shows when nothing is typed.
let settings = new Map();
const base = new Map();
let loaded = false;
let busy = false;

const form = find("setup");
const radios = () => [...form.elements.tls];
const removeOf = (key) => boxOf(key).querySelector("input[type=checkbox]");

function valueOf(key) {
	if (key === "directory.tls.mode")
		return radios().find((radio) => radio.checked)?.value || "";
	const value = controlOf(key).value;
	return key === "directory.password" ? value : value.trim();
}

function put(key, value) {
	if (key === "directory.tls.mode")
		for (const radio of radios())
			radio.checked = radio.value === value;
	else
		controlOf(key).value = value;
}

// Differs from what is in force?
function changed(key) {
	if (CERTIFICATES.includes(key))
		return valueOf(key) !== "" || removeOf(key).checked;
	return valueOf(key) !== base.get(key);
}

export const dirty = () => loaded && keys().some(changed);

const sentence = (text) => upper(text) + (/[.!?]$/.test(text) ? "" : ".");

// --- showing -------------------------------------------------------------------------------------

function offer(text, words, value, key) {
	const button = make("button", { type: "button", class: "link" }, words);
	button.addEventListener("click", () => {
		put(key, value);
		controlOf(key).focus();
		onTyped(key);
		firstLook(key);
		announce(`${labelOf(key)}: ${value}`);
	});
	return [text, " ", button];
}

// The line below the field: locked, set, joined, proposed.
function note(key) {
	const setting = settings.get(key);
	const place = part(key, "note");
	place.dataset.kind = "";
	if (setting?.locked || setting?.settable === false) {
		place.dataset.kind = "locked";
		say(place, sentence(setting.locked || "it cannot be changed here") + (setting.set ? " It is set." : ""));
	} else if (key === "ticket") {
		const status = poll.current;
		say(place, status?.connection
			? `Joined: connection ${status.connection}${status.tunnel?.hub ? ` at ${status.tunnel.hub}` : ""}. `
				+ "A new ticket joins anew."
			: "");
	} else if (key === "directory.password") {
		const set = setting?.set;
		const asked = set && valueOf(key) === "" && TIES_PASSWORD.some(changed);
		// That there is one is seen, and nothing of it, not even how long it is.
		controlOf(key).placeholder = set && !asked ? "••••••••" : "";
		place.dataset.kind = asked ? "warn" : "";
		say(place, asked ? "The saved password goes only to the server it was given for: type it again."
			: set ? "Set. What you type replaces it." : "Not set.");
	} else if (CERTIFICATES.includes(key))
		say(place, setting?.set ? "Set. What you give replaces it." : "Not set: the system's certificates are trusted.");
	else if (setting?.proposed && valueOf(key) === "")
		place.replaceChildren(...offer("Probably", setting.proposed, setting.proposed, key));
	else
		say(place, "");
}

function lock(key) {
	const setting = settings.get(key);
	const locked = setting !== undefined && (setting.locked !== undefined || !setting.settable);
	boxOf(key).classList.toggle("locked", locked);
	for (const control of boxOf(key).querySelectorAll("input, textarea"))
		if (["radio", "file", "checkbox"].includes(control.type))
			control.disabled = locked;
		else
			control.readOnly = locked;
	const under = boxOf(key).querySelector(".under");
	if (under) {
		show(under, !locked);
		show(removeOf(key).parentElement, Boolean(setting?.set));
	}
}

// The encryption in force where no setting says it; see directory.tls.mode in adconnector.conf(5).
const modeInForce = () => settings.get("directory.tls.mode")?.value
	|| encryptionOf(settings.get("directory.server")?.value || "") || "ldaps";

function inForce(key) {
	if (key === "directory.tls.mode")
		return modeInForce();
	if (key === "ticket" || key === "directory.password" || CERTIFICATES.includes(key))
		return "";
	return settings.get(key)?.value || "";
}

function onTyped(key) {
	if (key === "directory.server") {
		const wanted = encryptionOf(valueOf(key));
		if (wanted && !(wanted === "starttls" && valueOf("directory.tls.mode") === "none"))
			put("directory.tls.mode", wanted);
	}
	for (const each of [key, "directory.password"])
		note(each);
	show(find("discard"), dirty());
	say(find("test-what"), dirty() ? "Four steps, with the settings that are saved: not with what is typed and not saved yet."
		: "Four steps, with the settings that are saved.");
}

function refresh(keep) {
	for (const key of keys()) {
		const typed = keep(key);
		base.set(key, inForce(key));
		if (!typed) {
			put(key, base.get(key));
			if (CERTIFICATES.includes(key))
				removeOf(key).checked = false;
			mark(key, "");
		}
		lock(key);
	}
	const none = radios().find((radio) => radio.value === "none");
	show(none.parentElement, base.get("directory.tls.mode") === "none");
	keys().forEach(note);
	for (const [id, among] of [["cloud-more", ["cloud.ca"]], ["directory-more", ["directory.tls.ca", "directory.tls.name"]]])
		if (among.some((key) => settings.get(key)?.set || base.get(key)))
			find(id).open = true;
	onTyped("ticket");
}

// keep(key): may what is typed in this field stay?
async function load(keep) {
	const document = await call("GET", "settings");
	settings = new Map(document.settings.map((setting) => [setting.key, setting]));
	refresh(loaded ? keep : () => false);
	loaded = true;
	show(find("revert"), document.revertible);
}

// --- the first look ------------------------------------------------------------------------------

const lookAt = (key) =>
	(changed(key) ? look(key, valueOf(key), { domain: poll.current?.directory?.domain }) : null);

// What a press could mend, as buttons.
function mends(key, found) {
	const more = [];
	if (found === null)
		return more;
	if (found.use)
		more.push(...offer("", found.use, found.use, key));
	if (found.move && !boxOf(found.move).classList.contains("locked")) {
		const button = make("button", { type: "button", class: "link" }, "Move it there");
		button.addEventListener("click", () => {
			// What was typed there is not lost: it may well belong here.
			const there = changed(found.move) ? valueOf(found.move) : base.get(key);
			put(found.move, valueOf(key));
			put(key, there);
			[key, found.move].forEach((each) => { onTyped(each); firstLook(each); });
			go(found.move);
		});
		more.push(button);
	}
	return more;
}

function firstLook(key) {
	const found = lookAt(key);
	if (found === null)
		mark(key, "");
	else
		mark(key, found.text, ...mends(key, found));
	return found === null;
}

// A field is left by the press on a button as well. Words that come up between press and release would move
// the button away from under the pointer, and the click would be nobody's: they wait for the release.
let pressed = false;
let looksWaiting = [];

function lookWhenReleased(key) {
	if (pressed)
		looksWaiting.push(key);
	else
		firstLook(key);
}

function onReleased() {
	pressed = false;
	setTimeout(() => {
		looksWaiting.forEach(firstLook);
		looksWaiting = [];
	});
}

// --- saving --------------------------------------------------------------------------------------

function changes() {
	const wanted = {};
	for (const key of keys())
		if (key !== "ticket" && changed(key))
			wanted[key] = valueOf(key);
	return wanted;
}

// An error of the connector stands at its field, in its own words; where it has none, below the form.
function tell(error, key, before) {
	const box = find("setup-result");
	const known = key && boxOf(key) ? key : null;
	if (error instanceof Left) {
		result(box, "warn", "The connector goes on with it: Status and Log tell how it ends.");
		return;
	}
	const step = testSteps.get(error.step);
	const what = step ? `“${step}” failed. ${before}` : before;
	if (known) {
		mark(known, linked(error.message).nodes, ...mends(known, lookAt(known)));
		result(box, "bad", `${what} See ${labelOf(known)}.`);
		go(known);
	} else {
		result(box, "bad", `${what} ${error.message}`);
		box.scrollIntoView({ block: "nearest" });
	}
}

// Runs one change that the connector tries before it takes it; one at a time.
async function apply(words, action) {
	if (busy)
		return;
	busy = true;
	form.setAttribute("aria-busy", "true");
	show(find("setup-result"), false);
	try {
		await waiting(find("setup-wait"), words, "Stop waiting", action);
	} finally {
		busy = false;
		form.removeAttribute("aria-busy");
		poll.hurry();
	}
}

// What was sent is in force; what was typed elsewhere meanwhile stays.
const saved = (sent) => load((key) => changed(key) && !sent.includes(key)).catch(() => {});

async function saveAll(wanted, ticket, signal) {
	const said = [];
	if (Object.keys(wanted).length > 0) {
		try {
			said.push((await call("POST", "settings", wanted, signal)).message);
		} catch (error) {
			tell(error, error.key, "Nothing was changed.");
			return;
		}
		await saved(Object.keys(wanted));
	}
	if (ticket !== "") {
		try {
			said.push((await call("POST", "enroll", { ticket }, signal)).message);
		} catch (error) {
			tell(error, error instanceof Refused ? error.key || "ticket" : null, said.length > 0 ? "The settings are saved, but the cloud was not joined."
				: "Nothing was changed.");
			return;
		}
		await saved(["ticket"]);
	}
	result(find("setup-result"), "good", said.map(sentence).join(" "));
}

async function save(event) {
	event.preventDefault();
	if (busy)
		return;
	// The connector says what is wrong; only what must not leave this page is held back.
	const secret = keys().filter((key) => lookAt(key)?.secret);
	const wanted = changes();
	const ticket = valueOf("ticket");
	if (secret.length > 0) {
		secret.forEach(firstLook);
		result(find("setup-result"), "bad", `Nothing was sent. See ${secret.map(labelOf).join(", ")}.`);
		go(secret[0]);
		return;
	}
	keys().forEach((key) => mark(key, ""));
	if (Object.keys(wanted).length === 0 && ticket === "") {
		result(find("setup-result"), "info", "There is nothing to save: everything is as it was.");
		return;
	}
	await apply("Saving. The connector tries the new settings before it takes them…",
	    (signal) => saveAll(wanted, ticket, signal));
}

// The connector has forgotten the password of the settings before: what is typed is meant for them.
let revertWantsPassword = false;

async function revert() {
	const password = valueOf("directory.password");
	const body = revertWantsPassword && password !== "" ? { "directory.password": password } : undefined;
	await apply("Going back. The connector tries the settings before it takes them…", async (signal) => {
		try {
			const { message } = await call("POST", "settings/revert", body, signal);
			revertWantsPassword = false;
			await saved(body === undefined ? [] : ["directory.password"]);
			result(find("setup-result"), "good", sentence(message));
		} catch (error) {
			revertWantsPassword = error.code === "password_needed";
			tell(error, error.key, revertWantsPassword
				? "Type the password of the settings before, and revert again." : "Nothing was changed.");
		}
	});
}

// --- start ---------------------------------------------------------------------------------------

async function takeFile(key, input) {
	const [file] = input.files;
	input.value = "";
	if (!file)
		return;
	// Larger is no CA; what is wrong with the text the first look tells.
	const bytes = new Uint8Array(await file.slice(0, 1 << 20).arrayBuffer());
	const text = pemOf(bytes);
	if (/PRIVATE KEY-----/.test(text)) {
		mark(key, "This file holds a private key. It must stay where it is; here belongs the CA's certificate.");
		return;
	}
	put(key, text);
	removeOf(key).checked = false;
	onTyped(key);
	if (firstLook(key))
		announce(`${file.name} is taken. It is not saved yet.`);
}

export async function begin() {
	try {
		await load(changed);
	} catch {
		// The page tells of a connector that is gone; when it is back we are called again.
	}
}

export const needed = () => !loaded;

// Nothing of one session is shown to the next.
export function forget() {
	settings = new Map();
	loaded = false;
	revertWantsPassword = false;
	form.reset();
	for (const key of keys())
		mark(key, "");
	show(find("setup-result"), false);
}

export function start() {
	for (const key of keys()) {
		const box = boxOf(key);
		for (const control of box.querySelectorAll("input:not([type=radio], [type=file], [type=checkbox]), textarea"))
			control.setAttribute("aria-describedby",
			    ["hint", "note", "error"].map((name) => `${control.id}-${name}`).join(" "));
		box.addEventListener("input", () => {
			onTyped(key);
			if (box.classList.contains("wrong"))
				firstLook(key);
		});
		box.addEventListener("change", () => lookWhenReleased(key));
	}
	for (const radio of radios())
		radio.addEventListener("change", () => {
			const before = valueOf("directory.server");
			const after = withEncryption(before, radio.value === "none" ? "starttls" : radio.value);
			if (before !== after) {
				put("directory.server", after);
				onTyped("directory.server");
				announce(`AD server address is now ${after}`);
			}
		});
	for (const key of CERTIFICATES) {
		const input = boxOf(key).querySelector("input[type=file]");
		input.addEventListener("change", () => takeFile(key, input));
		removeOf(key).addEventListener("change", () => {
			if (removeOf(key).checked)
				put(key, "");
		});
	}
	document.addEventListener("pointerdown", () => { pressed = true; }, true);
	for (const name of ["pointerup", "pointercancel"])
		document.addEventListener(name, onReleased, true);
	form.addEventListener("submit", save);
	find("revert").addEventListener("click", revert);
	find("discard").addEventListener("click", () => {
		refresh(() => false);
		show(find("setup-result"), false);
		find("save").focus();
		announce("Discarded.");
	});
	poll.events.addEventListener("status", () => note("ticket"));
	window.addEventListener("beforeunload", (event) => {
		if (dirty())
			event.preventDefault();
	});
}
