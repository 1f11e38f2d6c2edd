# SPDX-License-Identifier: ISC
"""The figures as people read them."""


def _rows(rows, heads):
    """Columns as wide as they need to be; the first to the left."""
    cells = [heads, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = []
    for row in cells:
        lines.append("  ".join([row[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip())
        if row is heads:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _logins(result):
    rows = []
    for row in result["logins"]:
        direct, hub = row["direct"], row["hub"]
        rows.append([
            row["directory"], row["concurrency"], f"{direct['rate']:.0f}", f"{hub['rate']:.0f}",
            f"{row['ratio']:.2f}", f"{direct['p50_ms']:.2f}", f"{hub['p50_ms']:.2f}",
            f"{direct['p99_ms']:.2f}", f"{hub['p99_ms']:.2f}",
            direct["errors"] + hub["errors"]])
    return _rows(rows, ["directory", "at once", "direct/s", "hub/s", "ratio", "direct p50",
                        "hub p50", "direct p99", "hub p99", "errors"])


def _columns(result):
    """{heading: {process: value}} as a table, in the order of first appearance."""
    names = []
    for column in result.values():
        names += [name for name in column if name not in names]
    return _rows([[name, *(column.get(name, "") for column in result.values())]
                  for name in names], ["process", *result])


def _cpu(result):
    columns = {}
    for row in result["logins"]:
        cpu = dict(row["cpu_us_per_login"])
        ours = [value for name, value in cpu.items() if name.startswith(("connector", "hub"))]
        cpu["sum of connector and hub"] = sum(ours)
        columns[f"{row['directory']}, {row['concurrency']}"] = {
            name: f"{value:.0f}" for name, value in cpu.items()}
    return _columns(columns)


def _memory(result):
    columns = {}
    for directory, moments in result["memory_kib"].items():
        for moment, memory in moments.items():
            memory = dict(memory)
            for house in ("connector", "hub"):
                memory[f"sum of the {house}"] = sum(
                    value for name, value in memory.items() if name.startswith(house + ":"))
                # Under its sum.
                memory[f"{house} alone"] = memory.pop(f"{house} alone")
            columns[f"{directory}, {moment}"] = {
                name: f"{value / 1024:.1f}" for name, value in memory.items()}
    return _columns(columns)


def _starts(result):
    return _rows([[directory, moment, f"{min(times) * 1e3:.0f}",
                   f"{sorted(times)[len(times) // 2] * 1e3:.0f}", f"{max(times) * 1e3:.0f}"]
                  for directory, moments in result["start_s"].items()
                  for moment, times in moments.items()],
                 ["directory", "DNS", "least", "median", "most"])


def _goals(result):
    return _rows([[goal["goal"], f"at {goal['bound']} {goal['limit']:g} {goal['unit']}".rstrip(),
                   f"{goal['figure']:.2f}", "yes" if goal["reached"] else "NO"]
                  for goal in result["goals"]], ["goal", "wanted", "figure", "reached"])


def text(result):
    machine = result["machine"]
    return "\n\n".join([
        f"{machine['processors']} processors ({machine['model']}), Linux {machine['kernel']}; "
        f"{result['seconds']} s a row, all on one host",
        "Logins a second and their times in ms\n" + _logins(result),
        "CPU time a login through the hub takes, by process, in us\n" + _cpu(result),
        "Memory by process, PSS in MiB; alone: if no other process shared a page\n" + _memory(result),
        "From the connector's start to the first good login, in ms\n" + _starts(result),
        "What is to be reached\n" + _goals(result)])
