"""The tables of make bench-match in Markdown."""
import json
import os

import families as catalogue

ENGINES = ("eventrouter", "event-ruler", "event-ruler, reuse")
BEGIN, END = "<!-- bench-match: begin -->", "<!-- bench-match: end -->"


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def microseconds(row):
    if row is None:
        return "not run"
    if row.get("status") != "ok":
        return row["status"]
    text = number(row["ns_per_event"] / 1000, 2)
    if row.get("rules_expressed", row["rules"]) != row["rules"]:
        text += f" (of {row['rules_expressed']:,} rules)"
    return text


def goal(row):
    if row.get("goal_ns") is None:
        return ""
    times = row["ns_per_event"] / row["goal_ns"]
    return f"{row['goal_ns'] / 1000:g} ({'reached' if times <= 1 else f'{times:.1f} times'})"


def matching(rows):
    cells = {(row["engine"], row["family"], row["rules"]): row for row in rows if "phase" not in row}
    out = ["| family | rules | us per event | goal | event-ruler | with reuse | candidates | matches | bytes per rule | KiB in all | add p99 us |",
           "|---|---|---|---|---|---|---|---|---|---|---|"]
    for (engine, family, n), row in cells.items():
        if engine != ENGINES[0]:
            continue
        peers = [microseconds(cells.get((peer, family, n))) for peer in ENGINES[1:]]
        out.append("| " + " | ".join([
            catalogue.FAMILIES[family].title.replace("|", r"\|").replace("*", r"\*"), f"{n:,}", microseconds(row), goal(row), *peers,
            number(row["candidates_per_event"], 1), number(row["matches_total"] / max(1, row["events"]), 1),
            number(row["bytes_per_rule"]), number(row["rss_kb"]), number(row["add_p99_us"], 1)]) + " |")
    return out


def per_match(rows):
    """What one more match costs: the family `hot` against exact2."""
    cells = {(row["family"], row["rules"]): row for row in rows if row["engine"] == ENGINES[0] and "phase" not in row}
    out = []
    for (family, n), row in cells.items():
        base = cells.get(("exact2", n))
        if family == "hot" and base:
            more = (row["matches_total"] - base["matches_total"]) / row["events"]
            if more < 1:
                continue  # too few to tell
            out.append(f"* {n:,} rules of which 0.1 % match every event: {(row['ns_per_event'] - base['ns_per_event']) / more / 1000:.3f} us "
                       f"for each of {more:.0f} matches on top (goal 0.05)")
    return out


def changes(rows):
    out = []
    for row in rows:
        if row.get("changes"):
            out.append(f"| {row['phase']} | {row['rules']:,} | {row['add_p50_us']} / {row['add_p99_us']} / {row['add_max_us']} | "
                       f"{row['delete_p50_us']} / {row['delete_p99_us']} / {row['delete_max_us']} | {number(row.get('ns_per_event'))} | "
                       f"{row.get('waits', '')} |")
        elif row.get("phase") == "load alone":
            out.append(f"| {row['phase']} | {row['rules']:,} | | | {number(row['ns_per_event'])} | {row['waits']} |")
    head = ["", "| one change | rules | add p50 / p99 / max us | delete p50 / p99 / max us | ns per event meanwhile | waits of the matching thread |",
            "|---|---|---|---|---|---|"]
    return head + out if out else []


def start(rows):
    written = {row["rules"]: row["write_s"] for row in rows if row.get("phase") == "write"}
    return [f"* start with {row['rules']:,} rules from SQLite: open {row['open_s']:.2f} s, load {row['load_s']:.2f} s (goal 5 s for a million); "
            f"{row['bytes_per_rule']:,.0f} bytes per rule as the process grows, {row['engine_bytes_per_rule']:,} as the engine counts; "
            f"{row['rss_kb']:,} KiB resident; writing them took {written.get(row['rules'], 0):.1f} s"
            for row in rows if row.get("phase") == "start"]


def markdown(rows, where):
    notes = per_match(rows) + start(rows)
    return "\n".join([f"{where}.", "", *matching(rows), *changes(rows), *([""] if notes else []), *notes]) + "\n"


def put(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write(folder, table, plot):
    put(os.path.join(folder, "match.md"), table)
    put(os.path.join(folder, "match.svg"), plot)


def write_docs(folder, table, plot, rows):
    """Replaces what stands between the marks of benchmarks.md; plot and lines become files beside it."""
    path = os.path.join(folder, "benchmarks.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    put(path, f"{before}{BEGIN}\n{table}\n![time per event against the number of rules](benchmarks-match.svg)\n\nEvery measurement: [benchmarks-match.jsonl](benchmarks-match.jsonl).\n{END}{after}")
    put(os.path.join(folder, "benchmarks-match.svg"), plot)
    put(os.path.join(folder, "benchmarks-match.jsonl"), "".join(json.dumps(row) + "\n" for row in rows))
