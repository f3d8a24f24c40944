"""Several nodes on one PostgreSQL, as docs/how-to/cluster.md sets them up: its blocks are what runs
here, but for the place of the folders and of the database."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from common import BUILD, ROOT, Failed, Skipped, check, hold, listed, program, run, until
from network import BALANCER, NODES, Network

HERE = os.path.dirname(os.path.abspath(__file__))
HOW_TO = os.path.join(ROOT, "docs", "how-to", "cluster.md")
ROUND = 150  # enrollments
SOON_S = 10  # a second is promised, and told; a machine may be busy


def blocks(name):
    """The contents of the how-to's blocks of this name."""
    with open(HOW_TO) as f:
        found = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", f.read(), re.M | re.S)
    texts = [text for block, text in found if block == name]
    check(texts, f"{HOW_TO}: no block {name}")
    return texts


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.name = f"node-{number}"
        self.address = NODES[number - 1]
        self.uri = f"coaps://{self.address}"
        self.dir = os.path.join(cluster.folder, self.name)
        self.process = None

    def shell(self, text):
        """A command line of the how-to."""
        text = text.replace("/etc/estocd", self.dir).replace("estocd run", "exec estocd run")
        return [*self.cluster.network.servers.inside(), "sh", "-e", "-c", text]

    def configure(self, text):
        text = re.sub(r"postgresql://\S*", self.cluster.store, text)
        with open(os.path.join(self.dir, "estocd.conf"), "a") as conf:
            conf.write("\n" + text)

    def start(self, text):
        with open(os.path.join(self.cluster.folder, self.name + ".log"), "a") as log:
            self.process = subprocess.Popen(self.shell(text), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log,
                                            env=self.cluster.env, text=True)
        for line in self.process.stdout:
            if line.startswith("ready coaps://"):
                return
        raise Failed(f"{self.name} did not start: {self.log()[-2000:]}")

    def again(self):
        self.start(blocks(self.name)[-1].splitlines()[-1])

    def log(self):
        with open(os.path.join(self.cluster.folder, self.name + ".log"), errors="replace") as f:
            return f.read()

    def end(self, how=signal.SIGKILL):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            code = self.process.wait(30)
            check(how == signal.SIGKILL or code == 0, f"{self.name} ended with {code}")
            self.process.stdout.close()

    def estocd(self, *command):
        return run(program("estocd"), *command, "--dir", self.dir)


class Cluster:
    """Two nodes that serve, and clients. As far as a load is concerned, a server."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.folder = self.notes = ctx.folder
        self.network = Network(ctx.stack)
        self.env = {**os.environ, "PATH": BUILD + ":" + os.environ["PATH"]}
        # the sockets of the database are files, and so within reach of every network
        host, _, port = ctx.kind.url.rpartition("/")[0].rpartition(":")
        self.store = f"postgresql://estoc@/{ctx.kind.store().rpartition('/')[2]}" \
                     f"?host={ctx.kind.folder}&port={port}"
        self.uri = f"coaps://{BALANCER}"
        self.device = os.path.join(self.folder, "device")
        self.clients = self.network.clients.inside()
        self.nodes = [Node(self, 1), Node(self, 2)]
        for node in self.nodes:
            ctx.stack.callback(node.end)
        self.set_up()

    def set_up(self):
        first, second = self.nodes
        commands = blocks("node-1")
        run(*first.shell(commands[0]), env=self.env)
        first.estocd("device", "--subject", "CN=fault", "--out", self.device)
        shutil.copytree(first.dir, second.dir)
        for node in self.nodes:
            node.configure(blocks(node.name)[-2 if node is second else 1])
            # one device stands for a fleet here; and a label where a person decides
            node.configure("[server]\nidentity-rate = 0\n[profile manual]\napproval = manual\n"
                           "retry-after = 1s\n")
        first.start(commands[2])
        second.again()

    def issued(self):
        return listed(self.alive().dir)

    def alive(self):
        return next(n for n in self.nodes if n.process.poll() is None)

    def estoc(self, *command, ok=True):
        return run(*self.clients, program("estoc"), *command, "--cert", self.device + ".crt",
                   "--key", self.device + ".key", "--ta", self.device + ".ta", ok=ok)

    def shares(self):
        """What each node has issued."""
        rows = self.ctx.kind.sql("SELECT node, count(*) FROM cert WHERE state = 1 GROUP BY node",
                                 self.store).split()
        return dict(row.split("|") for row in rows)

    def resumes(self, uri, session):
        said = self.estoc("crts", uri, "--resume", session, "-v").stderr
        return "(session resumed)" in said

    def path(self, name):
        return os.path.join(self.folder, name)


def one_killed(cluster, node, loads):
    """Under load: its clients finish at the other, and it comes back under its name."""
    load = cluster.ctx.load(cluster, ROUND)
    loads.append(load)
    load.wait_for(ROUND // 5)
    node.end()
    killed = time.monotonic()
    load.all_done()
    took = time.monotonic() - killed
    hold(cluster, loads)
    node.again()
    return took


def killed_in_turn(ctx, cluster):
    loads, slowest = [], 0
    for i in range(ctx.rounds):
        node = cluster.nodes[i % 2]
        slowest = max(slowest, one_killed(cluster, node, loads))
    load = ctx.load(cluster, ROUND)
    loads.append(load)
    load.all_done()
    n = hold(cluster, loads)
    shares = cluster.shares()
    check(len(shares) == 2, f"the balancer has used one node only: {shares}")
    return f"{ctx.rounds} nodes killed, {n} certificates, {shares}; all done after {slowest:.1f} s"


def behind_nftables(ctx):
    cluster = Cluster(ctx)
    servers = cluster.network.servers
    script = cluster.path("estoc-balance")
    text = blocks("estoc-balance")[0].replace("/run/", cluster.folder + "/")
    with open(script, "w") as f:
        f.write(text.replace("/etc/estoc/probe", cluster.device))
    os.chmod(script, 0o755)
    balance = subprocess.Popen([*servers.inside(), "sh", "-c", "exec " + blocks("balancer")[0]],
                               env={**cluster.env, "PATH": cluster.folder + ":" + cluster.env["PATH"]},
                               stdin=subprocess.DEVNULL)
    ctx.stack.callback(lambda: (balance.kill(), balance.wait()))

    def rules():
        return servers.run("nft", "list", "ruleset").stdout
    until(lambda: "mod 2" in rules(), 20, "both nodes in the rules")
    session = cluster.path("session")
    cluster.resumes(cluster.uri, session)
    text = killed_in_turn(ctx, cluster)
    for node in cluster.nodes:  # one of them is where it began
        until(lambda: "mod 2" in rules(), 20, "both nodes again")
        node.end()
        until(lambda: "mod 1" in rules(), 20, "one node less")
        check(cluster.resumes(cluster.uri, session), f"not resumed without {node.name}")
        node.again()
    return text


def resumed_elsewhere(ctx):
    """Begun at one, resumed at the other: at once, and what is known while the database is away."""
    cluster = Cluster(ctx)
    first, second = cluster.nodes
    session, kept = cluster.path("session"), cluster.path("kept")
    check(not cluster.resumes(first.uri, kept), "resumed what never was")
    for i in range(ctx.rounds):
        begun, other = cluster.nodes[i % 2], cluster.nodes[1 - i % 2]
        if os.path.exists(session):
            os.unlink(session)
        check(not cluster.resumes(begun.uri, session), "resumed what never was")
        check(cluster.resumes(other.uri, session), f"not resumed at {other.name}")
        check(cluster.resumes(begun.uri, session), f"not resumed at {begun.name}")
    ctx.kind.control("kill")
    check(cluster.resumes(second.uri, kept), "not resumed without the database")
    check(cluster.resumes(first.uri, kept), "not resumed without the database")
    ctx.kind.control("again")
    until(lambda: "the store is back" in first.log() and "the store is back" in second.log(), 30,
          "both nodes at the database again")
    os.unlink(session)
    cluster.resumes(first.uri, session)
    check(cluster.resumes(second.uri, session), "not resumed after the database came back")
    return f"{3 * ctx.rounds} handshakes"


def cookies_elsewhere(ctx):
    """A handshake whose first datagram went to one node and whose second goes to the other."""
    cluster = Cluster(ctx)
    slowest = 0
    for first, rest in (NODES, NODES[::-1]):
        relay = subprocess.Popen(
            [*cluster.network.servers.inside(), sys.executable, os.path.join(HERE, "relay.py"),
             BALANCER, first, rest], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        ctx.stack.callback(lambda relay=relay: (relay.kill(), relay.wait(), relay.stdout.close()))
        port = int(relay.stdout.readline())
        begun = time.monotonic()
        cluster.estoc("crts", f"coaps://{BALANCER}:{port}")
        slowest = max(slowest, time.monotonic() - begun)
        relay.kill()
        sent = relay.stdout.read().split()
        check(sent[0] == first and set(sent[1:]) == {rest}, f"the relay has sent to {sent}")
        # without the cookie of the other it would have been repeated, a second later and in vain
        check(len(sent) < 8, f"{len(sent)} datagrams to the servers")
    return f"{slowest * 1000:.0f} ms"


def seen(condition, what):
    """@return the seconds until it holds"""
    begun = time.monotonic()
    until(condition, SOON_S, what)
    return time.monotonic() - begun


def enroll(cluster, node, csr, label=None):
    """@return exit code, serial"""
    labelled = ("--label", label) if label else ()
    done = cluster.estoc("sen", node.uri, "--csr", csr, "--json", *labelled, ok=False)
    serial = json.loads(done.stdout)["certificates"][0]["serial"] if done.returncode == 0 else None
    return done.returncode, serial


def request(cluster, name, subject):
    csr = cluster.path(name + ".csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", cluster.path(name + ".key"), "-subj", subject, "-out", csr)
    return csr


def known_to_all(ctx):
    """Asked at one node, decided at another, asked again at the first."""
    cluster = Cluster(ctx)
    first, second = cluster.nodes
    times = {}
    csr = request(cluster, "waiting", "/CN=fault")
    check(enroll(cluster, first, csr, "manual")[0] == 75, "not told to come later")
    waiting = json.loads(second.estocd("pending", "--json").stdout)
    check(len(waiting) == 1, f"{len(waiting)} requests wait")
    second.estocd("approve", str(waiting[0]["id"]))
    times["approval"] = seen(lambda: enroll(cluster, first, csr, "manual")[0] == 0, "the approval")
    # the same request at both is one certificate (E6)
    serials = {enroll(cluster, node, csr, "manual") for node in cluster.nodes}
    check(len(serials) == 1, f"one request, {serials}")
    other = request(cluster, "other", "/CN=somebody else")
    check(enroll(cluster, first, other)[0] == 4, "another name was granted")
    second.configure("[profile]\nnames = any\n")
    second.estocd("profiles", "publish")
    times["profiles"] = seen(lambda: enroll(cluster, first, other)[0] == 0, "the profiles")
    versions = {row["policy"] for row in cluster.issued()}
    check(versions == {1, 2}, f"by versions {versions}")
    run(*cluster.clients, program("estoc"), "enroll", first.uri, "--out", cluster.path("own"), "--cert",
        cluster.device + ".crt", "--key", cluster.device + ".key", "--ta", cluster.device + ".ta")

    def renews(node):
        return run(*cluster.clients, program("estoc"), "crts", node.uri, "--cert",
                   cluster.path("own.crt"), "--key", cluster.path("own.key"), "--ta",
                   cluster.path("own.ta"), ok=False).returncode
    check(renews(first) == 0, "its own certificate was refused")
    text = run("openssl", "x509", "-in", cluster.path("own.crt"), "-noout", "-serial").stdout
    second.estocd("revoke", text.strip().partition("=")[2])
    times["revocation"] = seen(lambda: renews(first) == 3, "the revocation")
    return ", ".join(f"{what} {s:.2f} s" for what, s in times.items())


def one_of_a_name(ctx):
    if ctx.short:
        raise Skipped("takes half a minute; the unit test of nodes.c has it, too")
    cluster = Cluster(ctx)
    first, second = cluster.nodes
    first.end()
    first.again()  # its connection died with it
    second.end(signal.SIGTERM)
    conf = os.path.join(second.dir, "estocd.conf")
    with open(conf) as f:
        text = f.read()
    with open(conf, "w") as f:
        f.write(text.replace("node = node-2", "node = node-1"))
    done = run(*second.shell("estocd run --dir /etc/estocd"), env=cluster.env, ok=False, timeout=60)
    check(done.returncode == 1 and "another server is node node-1 there" in done.stderr,
          f"{done.returncode}: {done.stderr}")


TESTS = [
    ("D8 two nodes behind nftables, killed in turn: clients finish, and resume, at the other",
     behind_nftables, (10, 1), ("postgresql",)),
    ("D8 a session begun at one node resumes at another", resumed_elsewhere, (15, 3), ("postgresql",)),
    ("D5 a cookie of one node is good at another", cookies_elsewhere, 1, ("postgresql",)),
    ("L2 X9 E6 what is decided at one node is known at all", known_to_all, 1, ("postgresql",)),
    ("X9 one node of a name", one_of_a_name, 1, ("postgresql",)),
]
