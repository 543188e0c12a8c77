#!/usr/bin/python3
"""Compares documents with the rows in the code: options, errors, routes, metrics, commands; links and manual pages.

    docs_check.py --programs build/release

Prints TAP: one case per kind of document.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as text:
        return text.read()


def plain(path):
    """A manual page as a reader sees it, in one line."""
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=1000", os.path.join(ROOT, path)], stdout=subprocess.PIPE, check=True)
    return re.sub(r"\s+", " ", re.sub(".\b", "", done.stdout.decode()))


def options():
    """Every key is in the manual and in the sample file, which shows its default."""
    rows = re.findall(r'\{ "(\w+)", "(\w+)", ER_OPTION_\w+, "([^"]*)"', read("router/option.c"))
    assert len(rows) > 20, "the table in router/option.c is not found"
    manual, sample, section = read("router/eventrouter.ini.5"), {}, ""
    for line in read("packaging/eventrouter.ini").splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        setting = re.match(r";?\s*([a-z_]+) =\s*([^;]*?)\s*(;.*)?$", line)
        if setting:
            sample[section, setting[1]] = setting[2]
    for section, key, default in rows:
        if not re.search(rf"^\.It .*\b{key}\b", manual, re.MULTILINE):
            yield f"router/eventrouter.ini.5 lacks {section}.{key}"
        if (section, key) not in sample:
            yield f"packaging/eventrouter.ini lacks {section}.{key}"
        elif sample[section, key] != default:
            yield f"packaging/eventrouter.ini: {section}.{key} is {sample[section, key]!r}, the default is {default!r}"
    for section, key in sample:
        if not section.startswith("kafka") and (section, key) not in [r[:2] for r in rows]:
            yield f"packaging/eventrouter.ini has {section}.{key}, which does not exist"


def flags():
    """Every option of eventrouterd is in its manual."""
    manual = plain("router/eventrouterd.8")
    for name in re.findall(r'"(--[a-z-]+)"', read("router/command_line.c")):
        if name not in manual:
            yield f"router/eventrouterd.8 lacks {name}"


def errors():
    """errors.def and errors.json have the same rows."""
    rows = {symbol: (name, int(status), title) for symbol, name, status, title in
            re.findall(r'ER_ERROR\((\w+), "(\w+)", (\d+), "([^"]*)"\)', read("rules/base/errors.def"))[0:]}
    documented = {row["symbol"]: (row["code"], row["status"], row["title"]) for row in json.loads(read("schemas/errors.json"))}
    for symbol in sorted(rows.keys() | documented.keys()):
        if rows.get(symbol) != documented.get(symbol):
            yield f"{symbol}: errors.def has {rows.get(symbol)}, errors.json has {documented.get(symbol)}"
    for row in json.loads(read("schemas/errors.json")):
        if not row.get("meaning") or not row.get("action"):
            yield f"errors.json: {row['code']} does not say what it means and what to do"


def routes():
    """The route table and the OpenAPI document agree on paths, methods and query parameters."""
    rows = re.findall(r'\{\s*"(GET|PUT|POST|PATCH|DELETE)",\s*"(/[^"]*)",\s*\w+,[^{]*\{\s*([^}]*)\}', read("admin/routes.c"))
    assert len(rows) > 10, "the table in admin/routes.c is not found"
    document = yaml.safe_load(read("schemas/admin.openapi.yaml"))
    table = {(path, method.lower()): set(re.findall(r'"(\w+)"', query)) for method, path, query in rows}
    documented = {}
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in ("get", "put", "post", "patch", "delete"):
                parameters = [resolve(document, p) for p in item.get("parameters", []) + operation.get("parameters", [])]
                documented[path, method] = {p["name"] for p in parameters if p["in"] == "query"}
                if not operation.get("summary") and not operation.get("description"):
                    yield f"admin.openapi.yaml: {method} {path} has no summary"
    for place in sorted(table.keys() | documented.keys()):
        if table.get(place) != documented.get(place):
            yield f"{place[1].upper()} {place[0]}: routes.c has {table.get(place)}, admin.openapi.yaml has {documented.get(place)}"


def resolve(document, node):
    while "$ref" in node:
        found = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def metrics():
    """Every metric that the code names is in metrics.json, and the other way round; those named in the documents exist."""
    code = set()
    for path in glob.glob(os.path.join(ROOT, "router", "*.c")) + glob.glob(os.path.join(ROOT, "router", "*.def")) + \
            glob.glob(os.path.join(ROOT, "admin", "*.c")):
        code |= set(re.findall(r"\b((?:eventrouter|process)_[a-z_]+[a-z])(?=[\s{\"\\])", " ".join(re.findall(r'"[^"\n]*"', read(path)))))
    code = {re.sub(r"_(bucket|sum|count)$", "", name) for name in code}
    documented = {row["name"]: row for row in json.loads(read("schemas/metrics.json"))}
    for name in sorted(code - documented.keys()):
        yield f"metrics.json lacks {name}"
    for name in sorted(documented.keys() - code):
        yield f"metrics.json has {name}, which no code writes"
    for name, row in documented.items():
        if row.get("type") not in ("counter", "gauge", "histogram", "summary") or not row.get("help"):
            yield f"metrics.json: {name} needs type and help"
    for path in ("README.md", "docs/runbook.md", "docs/guarantees.md"):
        for name in re.findall(r"`(eventrouter_[a-z_]+)", read(path)):
            if name not in documented:
                yield f"{path} names {name}, which does not exist"


def commands(programs):
    """Every verb that `eventrouterctl help` lists is in its manual, and its own help works."""
    program = os.path.join(programs, "eventrouterctl")
    listed = subprocess.run([program, "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    manual = plain("admin/eventrouterctl.1")
    verbs = re.findall(r"^\s{2,}((?:subscription|subscriber|rule|dead-letter|config) [a-z]+|explain|reload|log-level|drain|status|health|version|help)\b", listed, re.MULTILINE)
    if len(set(verbs)) < 10:
        yield f"eventrouterctl help lists too few verbs: {sorted(set(verbs))}"
    for verb in sorted(set(verbs)):
        if verb not in manual:
            yield f"admin/eventrouterctl.1 lacks {verb}"
        done = subprocess.run([program, *verb.split(), "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 or verb.split()[-1] not in done.stdout:
            yield f"eventrouterctl {verb} --help: exit {done.returncode}"


def defects():
    """Every known defect of librdkafka is in docs/compatibility.md, and no other."""
    rows = re.findall(r'^    \{ "([a-z-]+)", 0', read("router/kafka_defects.c"), re.M)
    assert len(rows) > 3, "the table in router/kafka_defects.c is not found"
    shown = re.findall(r"^\| ([a-z-]+) \| (?:before )?[0-9.]", read("docs/compatibility.md"), re.M)
    shown = [name for name in shown if name != "librdkafka"]
    if shown != rows:
        yield f"docs/compatibility.md has {shown}, the code {rows}"


def links():
    """Relative links of Markdown files lead somewhere."""
    for path in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True):
        with open(path, encoding="utf-8") as text:
            body = re.sub(r"```.*?```", "", text.read(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", body):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not os.path.exists(there):
                yield f"{os.path.relpath(path, ROOT)}: {target} does not exist"
            elif anchor and there.endswith(".md"):
                with open(there, encoding="utf-8") as other:
                    headings = [re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", other.read(), re.MULTILINE)]
                if anchor not in headings:
                    yield f"{os.path.relpath(path, ROOT)}: {target} has no such heading"
    for name in re.findall(r"`((?:rules|router|admin|schemas|tests|packaging|docs)/[\w./-]*\w)`", read("README.md")):
        if not os.path.exists(os.path.join(ROOT, name)):
            yield f"README.md names {name}, which does not exist"


def manuals():
    """mandoc has nothing to say about the manual pages."""
    pages = glob.glob(os.path.join(ROOT, "router", "*.[158]")) + glob.glob(os.path.join(ROOT, "admin", "*.[158]"))
    if len(pages) < 3:
        yield f"only {len(pages)} manual pages"
    for page in pages:
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        yield from done.stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    programs = os.path.abspath(parser.parse_args().programs)
    failed = 0
    for number, check in enumerate((options, flags, errors, routes, metrics, lambda: commands(programs), defects, links, manuals), 1):
        name = check.__name__ if check.__name__ != "<lambda>" else "commands"
        try:
            found = list(check())
        except (OSError, AssertionError, subprocess.CalledProcessError, ValueError, KeyError) as error:
            found = [f"{type(error).__name__}: {error}"]
        for line in found:
            print(f"# {line}")
        print(f"{'not ok' if found else 'ok'} {number} - docs: {name}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
