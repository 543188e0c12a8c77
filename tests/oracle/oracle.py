"""The rule language by the book: every rule is evaluated on the parsed event, no index, another JSON reader, another regex engine.

Written from the contract (docs/rules.md), on purpose without a look at the engine. Rules are given as dictionaries; a regex is a
`Regex`, so that it can be said in PCRE2 for the engine and in Python's dialect for the oracle.
"""
import json
import re


class EventError(Exception):
    """The event cannot be read."""


class Number(str):
    """A number's literal text."""


class Regex:
    def __init__(self, pcre2, python):
        self.pcre2, self.python = pcre2, re.compile(python)

    def __repr__(self):
        return self.pcre2


def read_event(data):
    """The JSON object in bytes, with the last of duplicate keys; numbers stay text."""
    def refuse(constant):
        raise EventError(constant)
    def members(pairs):
        json.dumps(pairs, ensure_ascii=False).encode("utf-8")  # lone surrogates are no text, in replaced values neither
        return dict(pairs)
    try:
        value = json.loads(data.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=refuse,
                           object_pairs_hook=members)
    except (UnicodeDecodeError, UnicodeEncodeError, ValueError, RecursionError) as error:
        raise EventError(str(error)) from error
    if not isinstance(value, dict):
        raise EventError("not an object")
    return value


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def media_type(value):
    return value.split(";")[0].strip().lower()


class Event:
    """What rules see of a record: data is the value's bytes, headers a list of (name, bytes)."""

    def __init__(self, data, topic=None, key=None, headers=()):
        self.last = {name: utf8(value) for name, value in headers}
        body = read_event(data)
        last = self.last
        if media_type(last.get("content-type") or "") == "application/cloudevents+json":
            form = "structured"
        elif last.get("ce_specversion") is not None:
            form = "binary"
        else:
            form = "structured" if self.is_string(body.get("specversion")) else "plain"
        self.fields, event_type = body, body.get("type")
        if form == "binary":
            self.fields = {name[3:]: text for name, text in last.items() if name.startswith("ce_") and text is not None}
            self.fields["data"] = body
            event_type = last.get("ce_type")
        self.type = event_type if self.is_string(event_type) else None
        self.envelope = {("topic",): topic, ("key",): None if key is None else utf8(key)}
        for name, text in last.items():
            self.envelope[("headers", name)] = text
        self.cache = {}

    @staticmethod
    def is_string(value):
        return isinstance(value, str) and not isinstance(value, Number)

    def texts(self, path):
        """Texts of all scalars at a path: ("$kafka", ...) or ("event", key, ...)."""
        if path not in self.cache:
            if path[0] == "$kafka":
                value = self.envelope.get(path[1:])
                self.cache[path] = [] if value is None else [value]
            else:
                self.cache[path] = list(self.walk(self.fields, path[1:]))
        return self.cache[path]

    def walk(self, value, keys):
        if isinstance(value, list):
            for element in value:
                yield from self.walk(element, keys)
        elif keys:
            if isinstance(value, dict) and keys[0] in value:
                yield from self.walk(value[keys[0]], keys[1:])
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, str):
            yield str(value)


def type_accepts(entry, event_type):
    """`*` is any run of characters; nothing else is special."""
    return re.fullmatch(".*".join(re.escape(part) for part in entry.split("*")), event_type, re.DOTALL) is not None


def accepts(rule, event):
    """rule: {"types": [str], "regex": [(path, Regex)]}, both optional; "enabled"."""
    if not rule.get("enabled", True):
        return False
    if "types" in rule and (event.type is None or not any(type_accepts(t, event.type) for t in rule["types"])):
        return False
    return all(any(regex.python.search(text) for text in event.texts(path)) for path, regex in rule.get("regex", ()))
