// SPDX-License-Identifier: ISC
// A first look at what was typed, before it is sent: what is in the wrong field, and where it belongs.
// It knows mistakes, not rules; the connector has the last word. Pure: nothing of the document.
//
// Each function returns null, or { text, move?: key, use?: value, secret?: true }: the words, the field that
// what was typed belongs into, what should rather stand here, and whether it must not be sent at all.

const scheme = (text) => (/^([a-z][a-z0-9+.-]*):\/\//i.exec(text) || [null, ""])[1].toLowerCase();

const isTicket = (text) => /^https?:\/\/[^/\s]+\/t\/./i.test(text);
const isDomain = (text) => /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/i.test(text);
const isDn = (text) => /^[a-z][a-z0-9.-]*\s*=\s*\S/i.test(text);
const isLoopback = (text) => /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(\/|$)/i.test(text);

export const servers = (text) => text.split(/[,\s]+/).filter((part) => part !== "");

function server(text) {
	for (const one of servers(text)) {
		if (isTicket(one))
			return { text: "This is a provisioning ticket: it belongs into the field for it. Here belongs the address "
				+ "of a domain controller, or the domain's name.", move: "ticket" };
		if (["ws", "wss", "http", "https"].includes(scheme(one)) || /:8855(\/|$)/.test(one))
			return { text: "This is an address in the cloud. The connector learns it from the provisioning ticket; "
				+ "here belongs the address of a domain controller, such as ldaps://dc1.example.com, "
				+ "or the domain's name." };
		if (isDn(one))
			return { text: "This is a DN: it belongs into Base DN. Here belongs the address of a domain controller, "
				+ "or the domain's name.", move: "directory.base" };
		if (!["", "ldap", "ldaps"].includes(scheme(one)))
			return { text: `${scheme(one)}:// does not lead to a directory: write ldaps:// or ldap://.` };
	}
	const schemes = new Set(servers(text).map(scheme));
	if (schemes.size > 1)
		return { text: "All servers of the list must be written alike: one encryption holds for all of them." };
	return null;
}

function ticket(text) {
	if (["ldap", "ldaps"].includes(scheme(text)))
		return { text: "This is the address of a directory: it belongs into AD server address. Here belongs the ticket "
			+ "from the cloud's console.", move: "directory.server" };
	if (["ws", "wss"].includes(scheme(text)) || (!isTicket(text) && /:8855(\/|$)/.test(text)))
		return { text: "This is the cloud's address, which is not needed any more: the provisioning ticket, "
			+ "https://…/t/…, holds it." };
	if (scheme(text) === "http" && !isLoopback(text))
		return { text: "A ticket is never used over http, where everybody on the way could read it: it begins with https://. "
			+ "Copy it again from the console." };
	if (!isTicket(text))
		return { text: "This is not a ticket: it looks like https://hub.example.com/t/ and a long code. Copy it as a whole." };
	return null;
}

function base(text) {
	if (["ldap", "ldaps"].includes(scheme(text)))
		return { text: "This is the address of a directory: it belongs into AD server address.", move: "directory.server" };
	if (isDomain(text))
		return { text: "This is a domain's name; as a DN it is written in parts.",
			use: text.split(".").map((part) => `DC=${part}`).join(",") };
	if (!isDn(text))
		return { text: "A DN looks like DC=example,DC=com or OU=People,DC=example,DC=com." };
	return null;
}

function user(text, domain) {
	if (text.includes("\\") || text.includes("@") || isDn(text))
		return null;
	const words = { text: "The domain is missing: write NAME@DOMAIN, DOMAIN\\NAME, or the DN." };
	if (domain)
		words.use = `${text}@${domain}`;
	return words;
}

function proxy(text) {
	if (scheme(text) === "https")
		return { text: "The connector speaks http to a proxy (what passes through it is encrypted all the same): "
			+ "write http://HOST:PORT." };
	if (scheme(text) !== "http")
		return { text: "A proxy is written http://HOST:PORT.",
			...(/^[a-z0-9.-]+:\d+$/i.test(text) ? { use: `http://${text}` } : {}) };
	if (/^http:\/\/[^/@]*:[^/@]*@/i.test(text))
		return { text: "The proxy's password must not stand here: it belongs into a file that cloud.proxy_password_file "
			+ "names, in the configuration file." };
	return null;
}

function certificates(text) {
	if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
		return { text: "This is a private key. It must stay where it is; here belongs the CA's certificate.", secret: true };
	if (!/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(text))
		return { text: "This is not a certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----." };
	if (text.length > 49152)
		return { text: "This is longer than 48 KiB: give only the CA's certificates." };
	return null;
}

const looks = {
	ticket,
	"directory.server": server,
	"directory.base": base,
	"directory.user": user,
	"directory.tls.ca": certificates,
	"cloud.proxy": proxy,
	"cloud.ca": certificates,
};

// known.domain: the domain's name, where the connector knows it.
export function look(key, text, known = {}) {
	return text === "" || !looks[key] ? null : looks[key](text, known.domain);
}

// "ldaps" or "starttls" where the addresses themselves say it, else null.
export function encryptionOf(text) {
	const first = servers(text)[0] || "";
	return { ldaps: "ldaps", ldap: "starttls" }[scheme(first)] || null;
}

// The addresses as they must be written for another encryption. Ports that are the usual ones go along.
export function withEncryption(text, mode) {
	const [from, to] = mode === "ldaps" ? ["ldap", "ldaps"] : ["ldaps", "ldap"];
	const [fromPort, toPort] = mode === "ldaps" ? ["389", "636"] : ["636", "389"];
	return text.replace(new RegExp(`\\b${from}://([^,\\s]*)`, "gi"),
	    (_, rest) => `${to}://${rest.replace(new RegExp(`:${fromPort}$`), `:${toPort}`)}`);
}

// The bytes of a certificate file as PEM: Windows exports DER unless told otherwise.
export function pemOf(bytes) {
	if (bytes[0] !== 0x30)
		return new TextDecoder().decode(bytes).trim();
	let binary = "";
	for (const byte of bytes)
		binary += String.fromCharCode(byte);
	const lines = btoa(binary).match(/.{1,64}/g).join("\n");
	return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----`;
}
