// SPDX-License-Identifier: ISC
// How the connector is, at a glance.

import { facts, find, make, pill, say } from "./dom.js";
import * as source from "./lines.js";
import * as poll from "./poll.js";

const SAMPLES = 61; // two minutes
const RATE_MS = 10000;

const tunnelWords = { not_enrolled: ["off", "not joined"], connecting: ["warn", "connecting"], online: ["good", "online"],
	pending: ["warn", "waits for approval"], waiting: ["bad", "not connected"], refused: ["bad", "refused"] };
const directoryWords = { not_configured: ["off", "not set up"], connecting: ["warn", "connecting"], ok: ["good", "connected"],
	failed: ["bad", "not connected"] };

export const reasons = {
	invalid_credentials: "Wrong name or password",
	logon_hours: "Outside the logon hours",
	workstation_denied: "Not from this workstation",
	password_expired: "Password expired",
	password_must_change: "Password must be changed",
	account_disabled: "Account disabled",
	account_expired: "Account expired",
	account_locked: "Account locked",
	lockout_protected: "Held back, so that AD does not lock the account",
	not_allowed: "Not allowed by the connector's policy",
	ambiguous_user: "Several accounts of this name",
	bad_request: "Malformed request",
	unsupported: "Not supported",
	password_policy: "Against the password policy",
	directory_unavailable: "Directory not reachable",
	timeout: "Not in time",
	connector_unavailable: "Connector not available",
	internal: "Internal error",
};

let samples = []; // { at, total, micros }

function since(seconds) {
	if (!seconds)
		return "";
	const at = seconds * 1000;
	return source.day(at) === source.day(Date.now()) ? source.clock(at) : `${source.day(at)} ${source.clock(at)}`;
}

function duration(seconds) {
	const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const first = parts.findIndex(([size]) => seconds >= size);
	if (first === -1)
		return "0 s";
	return parts.slice(first, first + 2).map(([size, name], i) =>
		`${Math.floor((i === 0 ? seconds : seconds % parts[first][0]) / size)} ${name}`).join(" ");
}

const number = (value) => value.toLocaleString("en");

function milliseconds(micros) {
	const ms = micros / 1000;
	return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function table(place, heads, rows, none) {
	if (rows.length === 0) {
		place.replaceChildren(make("p", { class: "soft" }, none));
		return;
	}
	let body = place.querySelector("tbody");
	if (body === null) {
		body = make("tbody");
		place.replaceChildren(make("table", make("thead", make("tr",
		    ...heads.map((head) => make("th", { scope: "col" }, head)))), body));
	}
	while (body.rows.length > rows.length)
		body.rows[body.rows.length - 1].remove();
	rows.forEach((cells, i) => {
		const row = body.rows[i] || body.appendChild(make("tr", make("th", { scope: "row" }),
		    ...cells.slice(1).map(() => make("td"))));
		cells.forEach((cell, j) => say(row.cells[j], cell));
	});
}

function sample(logins) {
	const total = logins.total || 0;
	const last = samples[samples.length - 1];
	// A new start counts anew.
	if (last && total < last.total)
		samples = [];
	samples.push({ at: performance.now(), total, micros: (logins.mean_microseconds || 0) * total });
	samples = samples.slice(-SAMPLES);
}

function rate() {
	const last = samples[samples.length - 1];
	const from = samples.find((one) => one.at >= last.at - RATE_MS) || last;
	return last.at === from.at ? 0 : (last.total - from.total) * 1000 / (last.at - from.at);
}

function drawLine() {
	const rates = samples.slice(1).map((one, i) =>
		(one.total - samples[i].total) * 1000 / Math.max(1, one.at - samples[i].at));
	const most = Math.max(1, ...rates);
	const points = rates.map((value, i) => {
		const x = 300 - (rates.length - 1 - i) * 300 / (SAMPLES - 2);
		return `${x.toFixed(1)},${(38 - value / most * 36).toFixed(1)}`;
	});
	find("logins-line").firstElementChild.setAttribute("points", points.join(" "));
}

function drawLogins(logins) {
	sample(logins);
	const total = logins.total || 0;
	const first = samples[0], last = samples[samples.length - 1];
	const recent = last.total > first.total ? (last.micros - first.micros) / (last.total - first.total) : null;
	const now = rate();
	facts(find("logins-figures"), [
		["a second", now >= 10 ? Math.round(now) : now.toFixed(1)],
		["mean time", total === 0 ? "–" : milliseconds(Math.max(0, recent ?? logins.mean_microseconds))],
		["since the start", number(total)],
		["accepted", total === 0 ? "–" : `${Math.round((logins.ok || 0) * 100 / total)} %`],
	]);
	say(find("logins-caption"), recent === null && total > 0
		? "Logins a second, the last two minutes. There was none: mean time since the start."
		: "Logins a second and mean time, the last two minutes.");
	drawLine();
	const refused = Object.entries(logins)
		.filter(([name, value]) => !["ok", "total", "mean_microseconds"].includes(name) && value > 0)
		.sort((a, b) => b[1] - a[1]);
	table(find("refusals"), ["Reason", "Logins"],
	    refused.map(([code, value]) => [reasons[code] || code, number(value)]), "None since the start.");
}

export function overall(data) {
	const tunnel = data.tunnel?.state, directory = data.directory?.state;
	if (tunnel === "not_enrolled" || directory === "not_configured")
		return ["off", "Not set up yet"];
	if (tunnel === "online" && directory === "ok" && data.state === "running")
		return ["good", "Healthy"];
	if (tunnel === "refused" || tunnel === "waiting" || directory === "failed")
		return ["bad", "Needs attention"];
	return ["warn", tunnel === "pending" ? "Waits for approval" : "Starting"];
}

function draw(data) {
	const tunnel = data.tunnel || {}, directory = data.directory || {}, open = data.connections || {};
	pill(find("tunnel-state"), ...(tunnelWords[tunnel.state] || ["warn", tunnel.state || "unknown"]));
	say(find("tunnel-text"), tunnel.text || "");
	facts(find("tunnel-facts"), [["Hub", tunnel.hub], ["Connection", data.connection], ["Connector", data.connector_id],
		["Since", since(tunnel.since)], ["Code", tunnel.state === "online" ? "" : tunnel.code]]);
	pill(find("directory-state"), ...(directoryWords[directory.state] || ["warn", directory.state || "unknown"]));
	say(find("directory-text"), directory.state === "ok" ? "" : directory.text || "");
	facts(find("directory-facts"), [["Controller", directory.server], ["Domain", directory.domain],
		["NetBIOS", directory.netbios], ["Base DN", directory.base], ["User", directory.user],
		["Password", directory.password], ["Since", since(directory.since)],
		["Connections", open.open === undefined ? "" : `${open.open} open, ${open.busy || 0} busy`],
		["Code", directory.state === "ok" ? "" : directory.code]]);
	drawLogins(data.logins || {});
	table(find("processes"), ["Process", "State", "Restarts"], Object.entries(data.process || {})
		.map(([name, state]) => [name, state, number(Number(data.restarts?.[name] || 0))]), "None.");
	facts(find("daemon-facts"), [["Version", data.version], ["Host", data.host],
		["Running for", data.uptime_seconds === undefined ? "" : duration(data.uptime_seconds)],
		["Sandbox", data.sandbox]]);
}

function drawTrouble() {
	const bad = source.lines.filter((line) => line.level === "error" || line.level === "warning").slice(-6).reverse();
	const place = find("trouble");
	if (bad.length === 0) {
		place.replaceChildren(make("p", { class: "soft" }, "None in the log."));
		return;
	}
	place.replaceChildren(make("ul", { class: "trouble" }, ...bad.map((line) =>
		make("li", { "data-level": line.level },
		    make("div", make("span", { class: "level" }, line.level), " ",
		        make("span", { class: "soft" }, make("time", { title: source.day(line.time) }, source.clock(line.time)), ` ${line.tag}`)),
		    make("div", { class: "words" }, line.text)))));
}

export function forget() {
	samples = [];
}

export function start() {
	poll.events.addEventListener("status", (event) => draw(event.detail));
	source.events.addEventListener("lines", drawTrouble);
	source.events.addEventListener("cleared", drawTrouble);
}
