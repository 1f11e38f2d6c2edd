// SPDX-License-Identifier: ISC
// Who is signed in: the token, how it is got, and that it has ended. It stands in sessionStorage, for
// this tab alone, and goes out in a header that no other page can make this browser send.

import { call } from "./api.js";

const KEY = "adconnector.token";
const SECRET = /^[A-Za-z0-9_-]{43}$/;

// "began" and "ended" (detail: true when it was on purpose).
export const events = new EventTarget();

export const token = () => sessionStorage.getItem(KEY);

// The secret of a one-time URL, or of the secret alone; null when there is none in it.
export function secretOf(text) {
	const trimmed = text.trim();
	const secret = trimmed.slice(trimmed.lastIndexOf("#") + 1);
	return SECRET.test(secret) ? secret : null;
}

// The secret in the address, which is taken out of it before anything else is done.
export function takeSecret() {
	const secret = secretOf(location.hash);
	if (secret !== null)
		history.replaceState(null, "", location.pathname);
	return secret;
}

export async function signIn(secret) {
	const answer = await call("POST", "session", { secret });
	sessionStorage.setItem(KEY, answer.token);
	events.dispatchEvent(new CustomEvent("began"));
}

// used: the token that was refused. An answer to a session before says nothing about this one.
export function ended(used, onPurpose = false) {
	if (token() === null || token() !== used)
		return;
	sessionStorage.removeItem(KEY);
	events.dispatchEvent(new CustomEvent("ended", { detail: onPurpose }));
}

export async function signOut() {
	const used = token();
	try {
		await call("DELETE", "session");
	} finally {
		ended(used, true);
	}
}
