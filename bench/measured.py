"""What bench/run and bench/soak share: a release build, a server of its own, its figures in /proc."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BENCH_BUILD", os.path.join(ROOT, "build-release"))
TICKS = os.sysconf("SC_CLK_TCK")


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def build(more=()):
    """The programs as they are shipped; messages only when it fails."""
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        quiet(["meson", "setup", BUILD, ROOT, "--buildtype=release"])
    quiet(["ninja", "-C", BUILD, "estocd", "estoc", "bench/bench-crypto", *more])


def quiet(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        fail(done.stdout + " ".join(command) + " failed")
    return done.stdout


def program(name):
    return os.path.join(BUILD, name)


class Server:
    """An estocd in a directory of its own, and a device that it knows."""

    def __init__(self, settings=None, ca=None, under=None, keep=False):
        """`settings` are of [server], `ca` of [ca]; `under` is where its directory is made, which
        stays if `keep`."""
        self.keep = keep
        self.dir = tempfile.mkdtemp(prefix="estoc-bench-", dir=under)
        self.srv = os.path.join(self.dir, "srv")
        self.device = os.path.join(self.dir, "device")
        self.process = None
        quiet([program("estocd"), "init", "--dir", self.srv, "--name", "Bench CA",
               "--host", "127.0.0.1"])
        # one device stands for a fleet here
        settings = {"identity-rate": 0, "address-rate": 0, **(settings or {})}
        quiet([program("estocd"), "device", "--dir", self.srv, "--subject", "CN=bench",
               "--out", self.device])
        self.configure({"server": settings, **self.sections(ca or {})})

    def sections(self, ca):
        """Of estocd.conf, besides [server]."""
        return {"ca": ca}

    def configure(self, sections):
        with open(os.path.join(self.srv, "estocd.conf"), "a") as conf:
            for section, settings in sections.items():
                conf.write(f"[{section}]\n")
                for key, value in settings.items():
                    conf.write(f"{key} = {value}\n")

    def __enter__(self):
        self.log_path = os.path.join(self.dir, "estocd.log")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [program("estocd"), "run", "--dir", self.srv, "--listen", "127.0.0.1:0"],
                stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline().split()
        if line[:1] != ["ready"]:
            fail("estocd did not start:\n" + open(self.log_path).read())
        self.uri = line[1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log = open(self.log_path).read()[-4000:]
        if not self.keep:
            self.remove()
        if code != 0:
            fail(f"estocd ended with {code}; its log ends with:\n{self.log}")

    def remove(self):
        shutil.rmtree(self.dir)

    def cpu_s(self):
        """User and system time of all threads."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def cpu_ns(self):
        """The same, in nanoseconds, as the scheduler counts them."""
        return cpu_ns(self.process.pid)

    def rss_kib(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(what + ":"))

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def issued(self):
        listed = subprocess.run([program("estocd"), "list", "--dir", self.srv, "--json"],
                                stdout=subprocess.PIPE, text=True, check=True)
        return listed.stdout.count('"serial"')

    def enroll(self, count, concurrency, *options):
        """estoc bench; its JSON, and the exit code as "code"."""
        done = subprocess.run(
            [program("estoc"), "bench", self.uri, "--count", str(count), "--concurrency",
             str(concurrency), "--cert", self.device + ".crt", "--key", self.device + ".key",
             "--ta", self.device + ".ta", "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not done.stdout:
            fail("estoc bench: " + done.stderr)
        result = json.loads(done.stdout)
        result["code"] = done.returncode
        return result


def cpu_ns(pid):
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total


def settle(server, fds, wait_s=10):
    """Wait until the associations of a load have gone; whether the open files are back at `fds`."""
    end = time.monotonic() + wait_s
    while server.fds() > fds and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)
    return server.fds() <= fds


def crypto(rounds=2000):
    return json.loads(quiet([program("bench/bench-crypto"), str(rounds)]))
