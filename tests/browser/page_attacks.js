// SPDX-License-Identifier: ISC
// What a hostile page tries against the connector's. Each function returns what it learnt or brought
// about, in words; nothing is what it must be. Whether anything was changed is seen at the connector.

"use strict";

const PATHS = ["", "app.js", "no-such-file", "api/v1/status", "api/v1/settings", "api/v1/log", "api/v1/log?follow=1",
	"api/v1/test", "api/v1/explain", "api/v1/enroll", "api/v1/unenroll", "api/v1/reconnect",
	"api/v1/settings/revert", "api/v1/session", "api/v1/web"];
const KINDS = ["text/plain", "application/x-www-form-urlencoded", "application/json", "multipart/form-data"];

// What would do harm if it were taken.
const bodyOf = (path, secret) => JSON.stringify(
	path.endsWith("session") ? { secret }
		: path.endsWith("settings") ? { "directory.base": "DC=evil,DC=test" }
			: path.endsWith("explain") ? { username: "alice" }
				: path.endsWith("enroll") ? { ticket: `https://evil.test/t/${"A".repeat(43)}` } : {});

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// An answer that can be read and is not a refusal.
async function look(found, name, asked) {
	try {
		const answer = await asked;
		if (!answer.type.startsWith("opaque") && answer.status !== 403)
			found.push(`${name}: ${answer.status} ${(await answer.text()).slice(0, 80)}`);
	} catch {
		// The browser or the connector refused.
	}
}

async function fetches({ page, token, secret }) {
	const found = [], all = [];
	const ask = (path, options) => all.push(look(found, `${options.method} ${path} ${JSON.stringify(options)}`,
		fetch(`${page}/${path}`, { credentials: "include", signal: AbortSignal.timeout(20000), ...options })));
	const bearer = { Authorization: `Bearer ${token}` };
	for (const path of PATHS)
		for (const mode of ["cors", "no-cors", "same-origin"]) {
			ask(path, { method: "GET", mode, redirect: "manual", referrer: "" });
			ask(path, { method: path.endsWith("session") ? "DELETE" : "GET", mode, headers: bearer });
			for (const kind of KINDS) {
				const body = bodyOf(path, secret);
				const headers = { "Content-Type": kind };
				ask(path, { method: "POST", mode, body, headers, keepalive: kind === "text/plain" });
				if (kind === "application/json")
					ask(path, { method: "POST", mode, body, headers: { ...headers, ...bearer } });
			}
		}
	await Promise.all(all);
	return found;
}

// With and without waiting for it, and what is sent when a page goes.
async function beacons({ page, token, secret }) {
	const found = [], all = [];
	for (const path of PATHS)
		for (const kind of KINDS) {
			try {
				navigator.sendBeacon(`${page}/${path}`, new Blob([bodyOf(path, secret)], { type: kind }));
			} catch {
				// Refused.
			}
			for (const withCredentials of [true, false])
				for (const name of [null, "Authorization"])
					all.push(new Promise((done) => {
						const request = new XMLHttpRequest();
						request.open("POST", `${page}/${path}`);
						request.withCredentials = withCredentials;
						request.setRequestHeader("Content-Type", kind);
						if (name)
							request.setRequestHeader(name, `Bearer ${token}`);
						request.timeout = 20000;
						request.onloadend = () => {
							if (request.status !== 0 && request.status !== 403)
								found.push(`XHR ${path} ${kind}: ${request.status}`);
							done();
						};
						request.send(bodyOf(path, secret));
					}));
		}
	await Promise.all(all);
	return found;
}

// Everything that HTML can load.
async function inclusions({ page }) {
	const found = [], all = [];
	const put = (tag, attributes, place = document.body) => all.push(new Promise((done) => {
		const node = document.createElement(tag);
		for (const [name, value] of Object.entries(attributes))
			node.setAttribute(name, value);
		node.onload = () => {
			found.push(`${tag} ${JSON.stringify(attributes)} was loaded`);
			done();
		};
		node.onloadedmetadata = node.onload;
		node.onerror = done;
		setTimeout(done, 5000);
		place.append(node);
	}));
	for (const path of ["icon.svg", "api/v1/status", ""]) {
		put("img", { src: `${page}/${path}` });
		put("img", { src: `${page}/${path}`, crossorigin: "use-credentials" });
		put("video", { src: `${page}/${path}` });
	}
	for (const path of ["app.js", "session.js", "api/v1/status", "api/v1/settings"]) {
		put("script", { src: `${page}/${path}` }, document.head);
		put("script", { src: `${page}/${path}`, crossorigin: "use-credentials" }, document.head);
		put("script", { src: `${page}/${path}`, type: "module" }, document.head);
		put("link", { rel: "modulepreload", href: `${page}/${path}` }, document.head);
		all.push(import(`${page}/${path}`).then(() => found.push(`import ${path}`), () => {}));
	}
	for (const path of ["style.css", "api/v1/status"]) {
		put("link", { rel: "stylesheet", href: `${page}/${path}` }, document.head);
		put("link", { rel: "preload", as: "style", href: `${page}/${path}` }, document.head);
	}
	const style = document.createElement("style");
	style.textContent = `@import "${page}/style.css"; @font-face { font-family: f; src: url("${page}/icon.svg"); }`;
	document.head.append(style);
	all.push(new FontFace("g", `url("${page}/icon.svg")`).load().then(() => found.push("font"), () => {}));
	await Promise.all(all);
	try {
		if (style.sheet.cssRules[0].styleSheet?.cssRules.length > 0)
			found.push("the rules of the imported style can be read");
	} catch {
		// Refused.
	}
	return found;
}

async function sockets({ page, secret }) {
	const found = [], all = [];
	const opened = (name, make) => all.push(new Promise((done) => {
		let one;
		try {
			one = make();
		} catch {
			done();
			return;
		}
		one.onopen = one.onmessage = () => {
			found.push(`${name} opened`);
			done();
		};
		one.onerror = one.onclose = done;
		setTimeout(done, 10000);
	}));
	for (const path of PATHS) {
		opened(`WebSocket ${path}`, () => new WebSocket(`${page.replace("http", "ws")}/${path}`));
		opened(`WebSocket ${path}`, () => new WebSocket(`${page.replace("http", "ws")}/${path}`, [secret]));
		opened(`EventSource ${path}`, () => new EventSource(`${page}/${path}`, { withCredentials: true }));
	}
	for (const path of ["app.js", "worker.js"]) {
		opened(`Worker ${path}`, () => new Worker(`${page}/${path}`));
		opened(`SharedWorker ${path}`, () => new SharedWorker(`${page}/${path}`));
		if (navigator.serviceWorker)
			for (const options of [undefined, { scope: `${page}/` }])
				all.push(navigator.serviceWorker.register(`${page}/${path}`, options)
					.then(() => found.push(`service worker ${path}`), () => {}));
	}
	await Promise.all(all);
	return found;
}

// Forms can be sent anywhere; text/plain with a name that begins JSON is JSON.
async function forms({ page, token, secret }) {
	const frames = [];
	const send = (path, enctype, method) => {
		const frame = document.createElement("iframe");
		frame.name = `frame${frames.length}`;
		const form = document.createElement("form");
		Object.assign(form, { action: `${page}/${path}`, method, enctype, target: frame.name });
		const body = bodyOf(path, secret);
		const input = document.createElement("input");
		input.name = body.slice(0, -1) + (body === "{}" ? '"x":"' : ',"x":"');
		input.value = '"}';
		const other = document.createElement("input");
		other.name = "access_token";
		other.value = token;
		form.append(input, other);
		document.body.append(frame, form);
		frames.push(new Promise((done) => { frame.onload = done; setTimeout(done, 5000); }));
		form.submit();
	};
	for (const path of ["api/v1/session", "api/v1/settings", "api/v1/unenroll"])
		for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
			send(path, enctype, "post");
	for (const path of ["", "api/v1/status", "api/v1/settings", "api/v1/log"])
		send(path, "text/plain", "get");
	await Promise.all(frames);
	return frameContents();
}

function frameContents() {
	const found = [];
	for (const frame of document.querySelectorAll("iframe")) {
		let text = null;
		try {
			text = frame.contentDocument?.body?.textContent || null;
		} catch {
			// Refused.
		}
		// Of its own origin an attacker reads the refusal.
		if (text !== null && !text.includes("not_permitted"))
			found.push(`a frame says ${text.slice(0, 80)}`);
		if (frame.contentWindow && frame.contentWindow.length > 0)
			found.push("a frame has frames");
	}
	return found;
}

// For a click on what one does not see; whether the page is in there is looked at from outside.
async function frames({ page, secret }) {
	const loaded = [];
	const put = (tag, attributes) => {
		const node = document.createElement(tag);
		for (const [name, value] of Object.entries(attributes))
			node.setAttribute(name, value);
		loaded.push(new Promise((done) => { node.onload = node.onerror = done; setTimeout(done, 5000); }));
		document.body.append(node);
	};
	for (const path of [`#${secret}`, "api/v1/status"]) {
		put("iframe", { src: `${page}/${path}` });
		put("iframe", { src: `${page}/${path}`, sandbox: "allow-scripts allow-forms allow-same-origin" });
		put("iframe", { src: `${page}/${path}`, sandbox: "allow-scripts", credentialless: "" });
		put("iframe", { src: `${page}/${path}`, referrerpolicy: "unsafe-url", loading: "eager" });
		put("object", { data: `${page}/${path}`, type: "text/html" });
		put("embed", { src: `${page}/${path}`, type: "text/html" });
	}
	put("iframe", { srcdoc: `<meta http-equiv="refresh" content="0;url=${page}/#${secret}">` });
	put("iframe", { srcdoc: `<base href="${page}/"><script src="app.js"><\/script>` });
	await Promise.all(loaded);
	await pause(300);
	return frameContents();
}

// The page in a window of its own, which one has a hold of.
async function windows({ page, token, secret }) {
	const found = [];
	const heard = (event) => found.push(`the page says ${JSON.stringify(event.data)} (${event.origin})`);
	window.addEventListener("message", heard);
	for (const [url, features] of [[`${page}/`, ""], [`${page}/#${secret}`, ""], [`${page}/#${secret}`, "width=300,height=200"]]) {
		const other = window.open(url, `named${features.length}`, features);
		if (other === null)
			continue;
		await pause(700);
		for (const message of [{ secret }, { token }, secret, "signed in", { type: "sign-in", secret }])
			try {
				other.postMessage(message, "*");
			} catch {
				// Gone.
			}
		try {
			const text = other.document.body.textContent;
			if (other.location.href !== "about:blank" && !text.includes("not_permitted"))
				found.push(`a window says ${text.slice(0, 80)}`);
		} catch {
			// Refused.
		}
		try {
			if (other.sessionStorage.length + other.localStorage.length > 0)
				found.push("its storage can be read");
		} catch {
			// Refused.
		}
		// The second time only what is behind the # differs.
		other.location = `${page}/#${"B".repeat(43)}`;
		other.location = `${page}/#${secret}`;
		await pause(300);
		try {
			if (other.frames.length > 0)
				found.push("it has frames");
		} catch {
			// Refused.
		}
	}
	await pause(300);
	window.removeEventListener("message", heard);
	return found;
}

// All that this page can see of storage that may be the connector's.
async function storage() {
	const found = [];
	for (const store of [sessionStorage, localStorage])
		for (const [name, value] of Object.entries(store))
			found.push(`${name}: ${value}`);
	if (document.cookie !== "")
		found.push(document.cookie);
	if (window.caches)
		found.push(...await caches.keys().catch(() => []));
	if (window.name !== "" && !window.name.startsWith("named"))
		found.push(window.name);
	if (document.referrer !== "")
		found.push(document.referrer);
	if (history.state !== null)
		found.push(JSON.stringify(history.state));
	return found;
}
