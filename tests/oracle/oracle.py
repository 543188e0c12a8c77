"""The rule language by the book: every rule is evaluated on the parsed event, without any index, with another JSON reader, another regex
engine and another form of numbers than the router's.

Written from the contract of the rule language alone, on purpose without a look at the engine. Rules are documents as the router gets them,
already parsed (numbers may be `Number` or Python's); they must be valid. Each becomes a closure, only so that a million evaluations
take seconds.
"""
import re
import socket

from fold import fold
from reader import Number, number_key, read_event

ABSENT = object()  # the value of a field that is not there
KAFKA = object()  # the envelope's key among the fields: no event can have it
EMPTY = {}  # an object without fields


class Unsupported(Exception):
    """A regex that cannot be said in Python's dialect."""


# ---- events ----

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
        last = {name: utf8(value) for name, value in headers}
        body = read_event(data)
        if media_type(last.get("content-type") or "") == "application/cloudevents+json":
            binary = False
        else:
            binary = last.get("ce_specversion") is not None
        self.fields = dict(body)
        if binary:
            self.fields = {name[3:]: text for name, text in last.items() if name.startswith("ce_") and text is not None}
            self.fields["data"] = body
        event_type = last.get("ce_type") if binary else body.get("type")
        self.type = event_type if isinstance(event_type, str) else None
        envelope = {"topic": topic, "key": None if key is None else utf8(key),
                    "headers": {name: text for name, text in last.items() if text is not None}}
        self.fields[KAFKA] = {name: value for name, value in envelope.items() if value is not None}


def elements(value):
    """The elements of an array, or the value itself (the reader has flattened arrays of arrays)."""
    return value if isinstance(value, list) else (value,)


# ---- paths ----

def parse_path(text):
    """Keys of a path as `regex` and the command line have it."""
    if text.startswith("/"):
        return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))
    keys, at, quoted = [], 0, False
    while True:
        if text.startswith('"', at):
            quoted = quoted or not keys
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            keys.append(next(iter(read_event(b'{"":' + text[at:end + 1].encode() + b"}").values())))
            at = end + 1
        else:
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            keys.append(text[at:end])
            at = end
        if at == len(text):
            break
        at += 1
    if keys[0] == "$kafka" and not quoted:
        keys[0] = KAFKA
    return tuple(keys)


def texts(value, keys):
    """Texts of all scalars at a path."""
    for element in elements(value):
        if keys:
            if isinstance(element, dict) and keys[0] in element:
                yield from texts(element[keys[0]], keys[1:])
        elif isinstance(element, bool):
            yield "true" if element else "false"
        elif isinstance(element, str):
            yield element
        elif isinstance(element, Number):
            yield element.text


# ---- texts ----

def glob(entry):
    """`*` is any run of characters; nothing else is special."""
    return re.compile(".*".join(re.escape(part) for part in entry.split("*")), re.DOTALL).fullmatch


def wildcard(entry):
    """`*` is any run of characters, `\\*` and `\\\\` are characters."""
    parts = re.findall(r"\\[*\\]|.", entry, re.DOTALL)
    return re.compile("".join(".*" if part == "*" else re.escape(part[-1]) for part in parts), re.DOTALL).fullmatch


CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t-\\r"}
POSIX = {"[:alpha:]": "A-Za-z", "[:digit:]": "0-9", "[:upper:]": "A-Z", "[:lower:]": "a-z", "[:alnum:]": "A-Za-z0-9", "[:space:]": " \\t-\\r"}
TOKEN = re.compile(r"\\.|\[:[a-z]+:\]|\(\?[a-z]*\)|\(\?[<a-z]?|.", re.DOTALL)


def translate(pcre2):
    """A regex in Python's dialect; Unsupported if it is not one of the simple ones."""
    out, inside = [], False
    if re.search(r".\(\?[a-z]+\)", pcre2, re.DOTALL):
        raise Unsupported(pcre2)  # flags that begin in the middle
    for token in TOKEN.findall(pcre2):
        letter = token[1:]
        if token[0] == "\\" and letter in "dwsDWS":
            if inside and letter.isupper():
                raise Unsupported(pcre2)
            chars = CLASSES[letter.lower()]
            token = chars if inside else f"[{'^' if letter.isupper() else ''}{chars}]"
        elif token[0] == "\\" and letter in "bB":
            token = {"b": "(?a:\\b)", "B": "(?a:\\B)"}[letter]
        elif token[0] == "\\" and letter.isalnum() and letter not in "nrtf":
            raise Unsupported(pcre2)
        elif token in POSIX and inside:
            token = POSIX[token]
        elif token[:2] == "(?" and token not in ("(?", "(?i)", "(?s)", "(?<"):
            raise Unsupported(pcre2)
        elif token == "$" and not inside:
            token = "\\Z"
        elif token == "[" and not inside:
            inside = True
        elif token == "]":
            inside = False
        out.append(token)
    return "".join(out)


def regex(pcre2, dialect):
    """The search of a regex; dialect: {PCRE2: Python} for those whose other form is known."""
    return re.compile(dialect.get(pcre2) or translate(pcre2)).search


# ---- numbers ----

COMPARE = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
           ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


def is_number(value):
    return isinstance(value, (Number, int, float)) and not isinstance(value, bool)


def key_of(number):
    return number.key if isinstance(number, Number) else number_key(repr(number))


def numeric(operand):
    bounds = [(COMPARE[operand[i]], key_of(operand[i + 1])) for i in range(0, len(operand), 2)]
    return lambda value: isinstance(value, Number) and all(compare(value.key, bound) for compare, bound in bounds)


# ---- addresses ----

def address(text):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, text)
        except (OSError, ValueError):
            pass
    return None


def cidr(operand):
    text, length = operand.split("/")
    block = address(text)
    shift = 8 * len(block) - int(length)
    prefix = int.from_bytes(block, "big") >> shift

    def inside(value):
        if type(value) is not str:
            return False
        found = address(value)
        return found is not None and len(found) == len(block) and int.from_bytes(found, "big") >> shift == prefix
    return inside


# ---- tests of one value (an element, never an array) ----

def equal(operand):
    if operand is None or isinstance(operand, bool):
        return lambda value: value is operand
    if is_number(operand):
        key = key_of(operand)
        return lambda value: isinstance(value, Number) and value.key == key
    return lambda value: type(value) is str and value == operand


def prefix(operand):
    if isinstance(operand, dict):
        folded = fold(operand["equals-ignore-case"])
        return lambda value: type(value) is str and fold(value).startswith(folded)
    return lambda value: type(value) is str and value.startswith(operand)


def suffix(operand):
    if isinstance(operand, dict):
        folded = fold(operand["equals-ignore-case"])
        return lambda value: type(value) is str and fold(value).endswith(folded)
    return lambda value: type(value) is str and value.endswith(operand)


def ignore_case(operand):
    folded = fold(operand)
    return lambda value: type(value) is str and fold(value) == folded


def on_strings(search):
    return lambda value: type(value) is str and search(value) is not None


def anything_but(operand, dialect):
    if isinstance(operand, dict):
        (name, inner), = operand.items()
        # numeric takes values here, no comparisons
        refused = [equal(x) if name == "numeric" else operator(name, x, dialect) for x in elements(inner)]
    else:
        refused = [equal(x) for x in elements(operand)]
    return lambda value: not any(test(value) for test in refused)


def operator(name, operand, dialect):
    if name in ("regex", "regexp"):
        return on_strings(regex(operand, dialect))
    if name == "wildcard":
        return on_strings(wildcard(operand))
    if name == "anything-but":
        return anything_but(operand, dialect)
    return {"prefix": prefix, "suffix": suffix, "equals-ignore-case": ignore_case, "numeric": numeric, "cidr": cidr}[name](operand)


# ---- patterns: functions of an object ----

def leaf(entries, dialect):
    """One entry accepts: the absence, the presence, or one element."""
    absent = present = False
    tests = []
    for entry in entries:
        if not isinstance(entry, dict):
            tests.append(equal(entry))
            continue
        (name, operand), = entry.items()
        if name != "exists":
            tests.append(operator(name, operand, dialect))
        elif operand:
            present = True
        else:
            absent = True

    def accepts_value(value):
        if value is ABSENT:
            return absent
        if present:
            return True
        for element in elements(value):
            for test in tests:
                if test(element):
                    return True
        return False
    return accepts_value


def below(inner):
    """A pattern of objects, asked of a value: one object among the elements; what is none is an object without fields."""
    def accepts_value(value):
        if type(value) is dict:
            return inner(value)
        if type(value) is list and value:
            return any(inner(element if type(element) is dict else EMPTY) for element in value)
        return inner(EMPTY)
    return accepts_value


def member(key, value, first, dialect):
    if key == "$or":
        several = [pattern(x, first, dialect) for x in value]
        return lambda fields: any(inner(fields) for inner in several)
    if key == "$and":
        several = [pattern(x, first, dialect) for x in value]
        return lambda fields: all(inner(fields) for inner in several)
    if key == "$not":
        refused = pattern(value, first, dialect)
        return lambda fields: not refused(fields)
    name = KAFKA if first and key == "$kafka" else key
    test = leaf(value, dialect) if isinstance(value, list) else below(pattern(value, False, dialect))
    return lambda fields: test(fields.get(name, ABSENT))


def pattern(document, first, dialect):
    """first: its keys are those of the event, so that $kafka is the envelope."""
    parts = [member(key, value, first, dialect) for key, value in document.items()]
    if len(parts) == 1:
        return parts[0]

    def accepts_object(fields):
        for part in parts:
            if not part(fields):
                return False
        return True
    return accepts_object


# ---- subscriptions ----

def compile_rule(document, dialect=None):
    """A subscription document as a function of an Event. dialect: see regex()."""
    dialect, parts = dialect or {}, []
    if not document.get("enabled", True):
        return lambda event: False
    if "types" in document:
        globs = [glob(entry) for entry in document["types"]]
        parts.append(lambda event: event.type is not None and any(match(event.type) for match in globs))
    for path, text in document.get("regex", {}).items():
        def searched(event, keys=parse_path(path), search=regex(text, dialect)):
            return any(search(found) for found in texts(event.fields, keys))
        parts.append(searched)
    if "pattern" in document:
        inner = pattern(document["pattern"], True, dialect)
        parts.append(lambda event: inner(event.fields))
    return lambda event: all(part(event) for part in parts)
