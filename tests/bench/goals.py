# SPDX-License-Identifier: ISC
"""What the figures are held against.

Goals, not tests: a run on a busy host misses them without anything being wrong, so
nobody's exit status depends on them.
"""

MB = 1000 * 1000 / 1024  # in KiB


def _row(result, directory, concurrency):
    for row in result["logins"]:
        if (row["directory"], row["concurrency"]) == (directory, concurrency):
            return row
    return None


def _logins(result):
    one, many = _row(result, "slapd", 1), _row(result, "slapd", 32)
    if one:
        yield ("slapd, 1 at once: p50 over direct", "ms", "most", 0.7,
               one["hub"]["p50_ms"] - one["direct"]["p50_ms"])
    if many:
        yield "slapd, 32 at once: logins a second", "/s", "least", 3000, many["hub"]["rate"]
        yield "slapd, 32 at once: of direct", "", "least", 0.35, many["ratio"]
    near, far = _row(result, "slapd by proxy", 256), _row(result, "slapd 10 ms away", 256)
    if near and far:
        yield ("slapd 10 ms away, 256 at once: of the rate without delay", "", "least", 0.8,
               far["hub"]["rate"] / max(1, near["hub"]["rate"]))
    samba = _row(result, "samba", 32)
    if samba:
        yield "samba, 32 at once: of direct", "", "least", 0.9, samba["ratio"]


def _memory(result):
    for directory, moments in result["memory_kib"].items():
        idle = [memory["connector alone"] for moment, memory in moments.items()
                if moment == "idle"]
        load = [memory["connector alone"] for moment, memory in moments.items()
                if moment != "idle"]
        if idle:
            yield f"{directory}: the connector's memory, idle", "MB", "most", 20, max(idle) / MB
        if load:
            yield f"{directory}: … under load", "MB", "most", 32, max(load) / MB


def _starts(result):
    for directory, moments in result["start_s"].items():
        for moment, times in moments.items():
            yield (f"{directory}: start to first login, DNS {moment}, the longest", "ms", "most", 300,
                   max(times) * 1000)


def judge(result):
    """One dictionary for each goal that this run has a figure for."""
    return [{"goal": name, "unit": unit, "bound": bound, "limit": limit, "figure": figure,
             "reached": figure <= limit if bound == "most" else figure >= limit}
            for part in (_logins, _memory, _starts)
            for name, unit, bound, limit, figure in part(result)]
