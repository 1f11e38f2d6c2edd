// SPDX-License-Identifier: ISC
// What goes into a support bundle. The API gives no secret away; still everything passes through a list of what
// one may look like, because a log line may quote what somebody typed. Pure: nothing of the document.

const REDACTED = "[taken out]";

const secrets = [
	// Tickets, and their pins.
	[/(\/t\/)[A-Za-z0-9_-]+(#\S*)?/g, `$1${REDACTED}`],
	// A user's password in a URL.
	[/([a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:)[^\s/@]+@/gi, `$1${REDACTED}@`],
	[/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
	[/(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/g, `$1 ${REDACTED}`],
	// What has the length of a token, of a key, or is signed.
	[/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+/g, REDACTED],
	[/(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, REDACTED],
];

export const redacted = (text) => secrets.reduce((left, [pattern, by]) => left.replace(pattern, by), text);

function setting({ key, type, value, set, origin, locked }) {
	const state = type === "secret" || type === "certificates" ? (set ? "(set)" : "(not set)") : value ?? "(not set)";
	return `${key} = ${state}    # ${origin}${locked ? `, ${locked}` : ""}`;
}

export function bundle(status, settings, lines, now) {
	return redacted([
		`adconnector support bundle, ${now.toISOString()}`,
		"",
		"== status ==",
		JSON.stringify(status, null, 2),
		"",
		"== settings ==",
		...settings.map(setting),
		"",
		`== log, ${lines.length} lines ==`,
		...lines.map((line) => `${new Date(line.time).toISOString()} ${line.level} ${line.tag}: ${line.text}`),
		"",
	].join("\n"));
}
