"""What the fault tests share: a server in a folder of its own, a load on it, and what must be true of
both afterwards."""
import contextlib
import json
import mmap
import os
import random
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("FAULT_BUILD", os.path.join(ROOT, "build")))
TICKS = os.sysconf("SC_CLK_TCK")
READY_S = 30
LOAD_S = 300
AT_A_TIME = 32


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def program(name):
    return os.path.join(BUILD, name)


def library(name):
    return os.path.join(BUILD, "tests", "fault", name + ".so")


def run(*command, ok=True, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if ok and done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()}")
    return done


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, seconds, text):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {text}")
        time.sleep(0.05)


class Control:
    """The struct `control` of disk.c, or of memory.c."""
    DISK = ("kill_in", "sync_fail_in", "write_errno", "sync_ms", "operations", "syncs_failed",
            "writes_failed")
    MEMORY = ("fail_in", "allocations", "failed")

    def __init__(self, path, fields):
        self.path = path
        self.fields = fields
        size = 4 * len(fields)
        with open(path, "wb") as f:
            f.write(bytes(size))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)

    def __getitem__(self, field):
        return struct.unpack_from("<I", self.map, 4 * self.fields.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("<I", self.map, 4 * self.fields.index(field), value)


class Server:
    """An estocd. Its store is `store`, a URL, or else a file in its folder."""

    def __init__(self, folder, notes=None, store=None, settings=None, ca=None, profile=None,
                 env=None):
        self.folder = folder
        self.notes = notes or folder  # of those who look at it from outside
        self.store = store
        self.dir = os.path.join(folder, "srv")
        self.log_path = os.path.join(folder, "estocd.log")
        self.device = os.path.join(folder, "device")
        self.process = None
        self.port = free_port()
        self.uri = f"coaps://127.0.0.1:{self.port}"
        self.clients = []  # what brings a client to where it runs
        self.env = env or {}
        run(program("estocd"), "init", "--dir", self.dir, "--name", "Fault CA", "--host",
            "127.0.0.1", env={**os.environ, **self.env})
        # one device stands for a fleet here
        self.configure("server", {"identity-rate": 0, "address-rate": 0, **(settings or {})})
        self.configure("ca", {**(ca or {}), **({"store": store} if store else {})})
        self.configure("profile", profile or {})
        run(program("estocd"), "device", "--dir", self.dir, "--subject", "CN=fault", "--out",
            self.device, env={**os.environ, **self.env})

    def configure(self, section, values):
        with open(os.path.join(self.dir, "estocd.conf"), "a") as conf:
            conf.write(f"\n[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))

    def preload(self, name, **env):
        self.env = {"LD_PRELOAD": library(name), **env}

    def launch(self, **more):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [program("estocd"), "run", "--dir", self.dir, "--listen",
                 f"127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **self.env}, **more)

    def ready(self):
        can_read, _, _ = select.select([self.process.stdout], [], [], READY_S)
        return bool(can_read) and self.process.stdout.readline().startswith(b"ready ")

    def start(self):
        """@return the seconds until it was ready"""
        begun = time.monotonic()
        self.launch()
        check(self.ready(), f"the server did not start: {self.log_tail()}")
        return time.monotonic() - begun

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ended(self, seconds=READY_S):
        """Its exit code; that it has been killed is a negative one."""
        code = self.process.wait(seconds)
        self.process.stdout.close()
        return code

    def stop(self):
        self.process.terminate()
        try:
            code = self.ended()
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("the server did not stop at SIGTERM") from None
        check(code == 0, f"the server ended with {code}: {self.log_tail()}")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log_tail(self):
        return self.log()[-2000:]

    def proc(self, name):
        with open(f"/proc/{self.process.pid}/{name}") as f:
            return f.read()

    def cpu_s(self):
        fields = self.proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def wakeups(self):
        """How often any of its threads has gone to sleep."""
        total = 0
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            for line in self.proc(f"task/{thread}/status").splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
        return total

    def issued(self):
        return listed(self.dir)


def listed(folder):
    """What was issued, oldest first: without intents, and those that came to nothing (X9)."""
    rows = json.loads(run(program("estocd"), "list", "--dir", folder, "--json", "--digests").stdout)
    return [r for r in rows if r["state"] not in ("intent", "void")]


class Load:
    """estoc bench in the background. Each certificate it receives is in its journal."""

    def __init__(self, server, count, *options, at_a_time=AT_A_TIME, retry=LOAD_S, wait=LOAD_S,
                 timeout=1):
        self.count = count
        self.journal = os.path.join(server.notes, f"journal-{time.monotonic_ns()}")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [*server.clients, program("estoc"), "bench", server.uri, "--count", str(count), "--concurrency",
             str(at_a_time), "--cert", server.device + ".crt", "--key", server.device + ".key",
             "--ta", server.device + ".ta", "--json", "--timeout", str(timeout), "--retry",
             str(retry), "--wait", str(wait), "--journal", self.journal, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def runs(self):
        return self.process.poll() is None

    def received(self):
        """(request, serial, certificate) of each line."""
        if not os.path.exists(self.journal):
            return []
        with open(self.journal) as f:
            lines = [line.split() for line in f.read().splitlines(keepends=True)
                     if line.endswith("\n")]
        return [tuple(line) for line in lines]

    def wait_for(self, n, seconds=READY_S):
        until(lambda: len(self.received()) >= n or not self.runs(), seconds, f"{n} certificates")

    def result(self, seconds=LOAD_S):
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Failed(f"{self.count} enrollments did not end in {seconds} s, "
                         f"{len(self.received())} did") from None
        check(out, f"estoc bench: {err}")
        return json.loads(out)

    def all_done(self, seconds=LOAD_S):
        """Every one had its certificate in the end."""
        result = self.result(seconds)
        check(result["done"] == self.count and result["failed"] == 0,
              f"{result['done']} of {self.count} enrollments done: {result['failures']}")
        return result

    def stop(self):
        if self.runs():
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


def hold(server, loads):
    """What clients have received is in the store, no serial number twice, no request with two
    certificates. @return how many certificates there are"""
    received = [line for load in loads for line in load.received()]  # first: more may come
    rows = server.issued()
    held = {r["serial"]: r for r in rows}
    check(len(held) == len(rows), "a serial number is in the store twice")
    of_request = {}
    for r in rows:
        other = of_request.setdefault(r["request_sha256"], r["serial"])
        check(other == r["serial"], f"request {r['request_sha256']} has two certificates: "
                                    f"{other} and {r['serial']}")
    got = {}
    for request, serial, cert in received:
        check(serial in held, f"a client has {serial}, and the store has not")
        check(held[serial]["sha256"] == cert and held[serial]["request_sha256"] == request,
              f"{serial} is another certificate in the store than a client has")
        check(got.setdefault(request, serial) == serial,
              f"request {request} was answered with two certificates")
    return len(rows)


def stop(server, loads):
    """SIGTERM; then all of `hold`, and the audit log is whole, and has each certificate just once.
    @return how many certificates there are"""
    server.stop()
    n = hold(server, loads)
    run(program("estocd"), "audit", "verify", "--dir", server.dir)
    lines = run(program("estocd"), "audit", "show", "--dir", server.dir, "--json").stdout
    told = [line["serial"] for line in map(json.loads, lines.splitlines())
            if line["result"] == "issued"]
    check(len(told) == len(set(told)), "a certificate is in the audit log twice")
    held = {r["serial"] for r in server.issued()}
    check(set(told) == held, f"{len(held - set(told))} certificates are not in the audit log, and "
                             f"{len(set(told) - held)} only there")
    return n


class Context:
    """One test's folder, randomness and length."""

    def __init__(self, rounds, seed, kind, short):
        self.rounds = rounds
        self.rng = random.Random(seed)
        self.kind = kind  # of store: Sqlite or Postgres
        self.short = short
        self.stack = contextlib.ExitStack()
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="estoc-fault-"))

    def server(self, under=None, **more):
        """One that ends with the test."""
        server = Server(tempfile.mkdtemp(dir=under or self.folder), self.folder,
                        **{"store": self.kind.store(), **more})
        self.stack.callback(lambda: server.runs() and server.kill())
        return server

    def load(self, server, count, *options, **more):
        load = Load(server, count, *options, **more)
        self.stack.callback(load.stop)
        return load

    def sleep(self, most):
        """Some time up to this."""
        time.sleep(self.rng.uniform(0, most))

    def fault_disk(self, server):
        """disk.c in a server that is not started yet. @return what it is told"""
        control = Control(os.path.join(server.folder, "control"), Control.DISK)
        # the log in memory: nothing else than the server's own syncs shall wait for the disk
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.fault_log = tempfile.mktemp(prefix="estoc-fault-", dir=memory)
        log = self.fault_log
        self.stack.callback(lambda: os.path.exists(log) and os.unlink(log))
        server.preload("fault-disk", FAULT_DIR=server.dir, FAULT_LOG=self.fault_log,
                       FAULT_CONTROL=control.path)
        return control

    def fault_memory(self, server):
        """memory.c in a server that is not started yet. @return what it is told"""
        control = Control(os.path.join(server.folder, "control"), Control.MEMORY)
        server.preload("fault-memory", FAULT_CONTROL=control.path)
        return control

    def replay(self, disk, watch=None):
        """What the server that has just ended did. @return pages written but not noted"""
        with open(self.fault_log, "rb") as f:
            disk.replay(f.read(), watch)
        os.unlink(self.fault_log)
        return disk.crashed()

    def wait_killed(self, server, seconds):
        """By what it was told; or else now."""
        end = time.monotonic() + seconds
        while server.runs() and time.monotonic() < end:
            time.sleep(0.01)
        server.kill()

    def close(self, keep):
        self.stack.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Sqlite:
    """A file in the server's folder, as `estocd init` makes it."""
    name = "sqlite"
    shared = False

    def store(self):
        return None

    @contextlib.contextmanager
    def locked(self, server):
        db = sqlite3.connect(os.path.join(server.dir, "store.db"), isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")
            db.close()

    def close(self):
        pass


class Postgres:
    """A cluster of its own, and a database in it for each server."""
    name = "postgresql"
    shared = True

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="estoc-fault-pg-")
        os.chmod(self.folder, 0o755)
        self.databases = 0
        self.url = self.control("start").stdout.strip()

    def control(self, verb):
        """scripts/postgres: start, again, stop, kill, remove."""
        return run(os.path.join(ROOT, "scripts", "postgres"), verb, self.folder)

    def sql(self, text, url=None):
        return run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text, url or self.url).stdout

    def signal(self, number):
        """To each process of it."""
        with open(os.path.join(self.folder, "data", "postmaster.pid")) as f:
            postmaster = f.readline().strip()
        children = run("pgrep", "-P", postmaster, ok=False).stdout.split()
        for pid in [postmaster, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def store(self):
        self.databases += 1
        name = f"fault{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url.rpartition("/")[0] + "/" + name

    @contextlib.contextmanager
    def locked(self, server):
        other = subprocess.Popen(["psql", "-Xq", server.store], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        print("BEGIN; LOCK TABLE cert IN ACCESS EXCLUSIVE MODE; SELECT 'locked';",
              file=other.stdin, flush=True)
        while "locked" not in other.stdout.readline():
            check(other.poll() is None, "psql has ended")
        try:
            yield
        finally:
            other.communicate()

    def close(self):
        self.control("remove")
