r"""Reads tests/golden/language/*.txt: what rules answer to events, case by case. A file holds, after a comment,

    == SENTENCE         a section: one test, named by the sentence of the contract that it is about
    with OPTIONS        options of `eventrouterctl rule test` from here to the end of the section, with printf escapes
    rule DOCUMENT       the rule of the following events; `pattern X`, `regex X` and `types X` are rules of that one member
    yes EVENT           the rule accepts the event
    no EVENT            it does not
    undecided EVENT     it cannot be decided
    error CODE EVENT    the event cannot be read (CODE may be *)

`@TEXT x N@` is TEXT N times; `yes\`, `no\` and `error\` mean that the event has printf escapes.
"""
import codecs
import glob
import os
import re
import shlex

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "language")
REPEAT = re.compile(r"@([^@]*) x (\d+)@")


class Case:
    """One rule and one event: rule is JSON text without an id, event and the options are bytes; want is yes, no, undecided or an error's code."""

    def __init__(self, place, section, options, rule, event, want):
        self.place, self.section, self.options, self.rule, self.event, self.want = place, section, options, rule, event, want


def unescape(text):
    return codecs.escape_decode(text.encode())[0]


def repeat(text):
    return REPEAT.sub(lambda found: found[1] * int(found[2]), text)


def read_file(path):
    options, rule, section = (), None, None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            verb, _, rest = line.partition(" ")
            place = f"{os.path.basename(path)}:{number}"
            if verb == "==":
                options, rule, section = (), None, f"{os.path.basename(path)[:-4]}: {rest}"
            elif section is None or not line:
                continue
            elif verb == "with":
                options = tuple(unescape(word) for word in shlex.split(rest.replace("\\", "\\\\")))
            elif verb == "rule":
                rule = repeat(rest)
            elif verb in ("pattern", "regex", "types"):
                rule = '{"' + verb + '":' + repeat(rest) + "}"
            else:
                escaped, verb = verb.endswith("\\"), verb.removesuffix("\\")
                want, text = rest.split(" ", 1) if verb == "error" else (verb, rest)
                if verb not in ("yes", "no", "undecided", "error") or (rule is None and verb != "error"):
                    raise SystemExit(f"{place}: {line}")
                text = repeat(text)
                yield Case(place, section, options, rule or "{}", unescape(text) if escaped else text.encode(), want)


def read_all():
    return [case for path in sorted(glob.glob(os.path.join(FOLDER, "*.txt"))) for case in read_file(path)]


def envelope(options):
    """(topic, key, headers) as the options say it."""
    topic, key, headers = None, None, []
    for name, value in zip(options[::2], options[1::2]):
        if name == b"--topic":
            topic = value.decode()
        elif name == b"--key":
            key = value
        elif name == b"--header":
            header, _, text = value.partition(b"=")
            headers.append((header.decode(), text))
    return topic, key, headers
