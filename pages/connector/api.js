// SPDX-License-Identifier: ISC
// One request to the connector. Every way in which it can go wrong becomes one of three errors, and
// no other file calls fetch().

import { ended, token } from "./session.js";

// The connector said no, and why.
export class Refused extends Error {
	constructor(status, error) {
		super(error.message || `The connector answered with status ${status}.`);
		this.status = status;
		this.code = error.code || "";
		this.key = error.key || "";
		this.step = error.step || "";
	}
}

// The connector did not answer, or broke off.
export class Gone extends Error {
	constructor() {
		super("The connector does not answer.");
	}
}

// The person did not want to wait any longer.
export class Left extends Error {
	constructor() {
		super("Stopped.");
	}
}

async function open(method, path, body, signal) {
	// Whoever signs in is nobody yet, and a session that is refused must not end by that.
	const used = method === "POST" && path === "session" ? null : token();
	const headers = {};
	if (used !== null)
		headers.Authorization = `Bearer ${used}`;
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	let response;
	try {
		response = await fetch(`/api/v1/${path}`, {
			method,
			headers,
			body: body === undefined ? undefined : JSON.stringify(body),
			signal,
			cache: "no-store",
			credentials: "omit",
			redirect: "error",
			referrerPolicy: "no-referrer",
		});
	} catch {
		throw signal?.aborted ? new Left() : new Gone();
	}
	if (response.ok)
		return response;
	const document = await response.json().catch(() => ({}));
	if (response.status === 401)
		ended(used);
	throw new Refused(response.status, document.error || {});
}

// The document of the answer.
export async function call(method, path, body, signal) {
	const response = await open(method, path, body, signal);
	try {
		return await response.json();
	} catch {
		throw signal?.aborted ? new Left() : new Gone();
	}
}

// take(object) for each line as it comes; returns when the stream has ended.
export async function stream(method, path, body, signal, take) {
	const response = await open(method, path, body, signal);
	const reader = response.body.getReader();
	const decoder = new TextDecoder();
	let rest = "";
	try {
		for (;;) {
			const { done, value } = await reader.read();
			rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
			const lines = rest.split("\n");
			rest = lines.pop();
			for (const line of lines)
				if (line.trim() !== "")
					take(JSON.parse(line));
			if (done)
				return;
		}
	} catch {
		throw signal?.aborted ? new Left() : new Gone();
	}
}
