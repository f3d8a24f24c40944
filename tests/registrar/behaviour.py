# SPDX-License-Identifier: MIT
"""What the scripted upstream does, said by the label in a request's path.

The label is one or more parts with "." between them, for POST; "get-" before it makes it about GET,
"all-" about both. An empty label is "ok".

    ok
    status-N, status-N-AFTER     answer N; AFTER: Retry-After: seconds, or one of RETRY_AFTER
    retry-AFTER                  status-202-AFTER
    pending-N                    202 for the first N posts of a request, then a certificate
    first-N                      the rest of the label is for the first N posts of a request only
    slow-N, delay-N              answers after N s; after N ms
    late-N                       issues at once, answers after N s
    same                         a request that comes again gets the same certificate
    halfopen                     reads the request and never answers
    drop, drop-early             issues (or does not) and closes without an answer
    truncated, cut               closes in the middle of the body; base64 that ends too early
    garbage, nothttp             what is no base64; what is no HTTP
    junk                         base64 of what is no CMS
    big, big-chunked, bigheader  100 MB; endless header
    dribble                      a byte every 100 ms
    redirect, redirect-plain     302 to the port "second", to the port "plain"
    crlf, spaces, oneline        kinds of base64
    badcte, nocte                a wrong Content-Transfer-Encoding; none
    badtype, notype, oddtype     text/html; no Content-Type; a right one, oddly written
    wrongkey, wrongname          a certificate for another key; for another name
    nocerts, more                an empty certs-only; certificates of the CA after the issued one
    content, ber                 a certs-only with an empty content, where there should be none; in BER
    close                        closes the connection after each answer
    cms, swapped, onlykey        of serverkeygen: the key encrypted; as the last part; alone
"""
import email.utils
import time

RETRY_AFTER = {
    "date": lambda: email.utils.formatdate(time.time() + 120, usegmt=True),
    "past": lambda: email.utils.formatdate(time.time() - 3600, usegmt=True),
    "far": lambda: "Fri, 31 Dec 9999 23:59:59 GMT",
    "none": lambda: None,
    "negative": lambda: "-5",
    "zero": lambda: "0",
    "huge": lambda: "99999999999999999999999",
    "words": lambda: "soon",
    "empty": lambda: "",
}
WORDS = set("""
    badcte badtype ber big bigheader close cms content crlf cut delay dribble drop first garbage
    halfopen junk late more nocerts nocte nothttp notype oddtype ok oneline onlykey pending
    redirect retry same slow spaces status swapped truncated wrongkey wrongname
""".split())


class Behaviour:
    """A label's parts as {word: [arguments]}."""

    def __init__(self, label, method):
        about, dash, rest = label.partition("-")
        if dash and about in ("get", "all"):
            label = rest if about == "all" or method == "GET" else "ok"
        elif method == "GET":
            label = "ok"
        self.first, self.parts = None, {}
        for part in (label or "ok").split("."):
            word, *args = part.split("-")
            if word not in WORDS:
                raise ValueError(f"no such behaviour: {part}")
            if word == "retry":
                word, args = "status", ["202", *args]
            if word in ("first", "pending"):
                self.first = int(args[0])
            if word == "pending":
                word, args = "status", ["202", "1"]
            self.parts[word] = args

    def only_at_first(self, times):
        """What is left of it when a request comes for the so-manieth time."""
        if self.first is not None and times > self.first:
            self.parts = {word: args for word, args in self.parts.items()
                          if word in ("same", "crlf", "spaces", "oneline", "cms", "delay")}

    def has(self, word, *args):
        return word in self.parts and self.parts[word][:len(args)] == list(args)

    def number(self, word):
        return int(self.parts[word][0]) if word in self.parts else 0

    def kind_of_base64(self):
        return next((kind for kind in ("crlf", "spaces", "oneline") if kind in self.parts), "lines")
