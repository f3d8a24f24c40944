"""The store gives way under a server that runs: it cannot be synced, written, found, or locked, or the
disk is full. HC 282, HC 284, X9. Each time: 5.03 within the deadline meanwhile, no busy loop, and when
the trouble is over all goes on without a restart."""
import ctypes
import errno
import os
import shutil
import subprocess
import time

from common import AT_A_TIME, Skipped, check, hold, program, run, stop
from pages import Disk

LATER, SERVER = 75, 5  # exit codes of estoc: 5.03, 5.00
DEADLINE_S = 20        # an answer is there by then, whatever the store does


class Device:
    """One request, sent as often as it takes."""
    made = 0

    def __init__(self, server):
        Device.made += 1
        self.server = server
        self.prefix = os.path.join(server.notes, f"request{Device.made}")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=fault", "-keyout", self.prefix + ".key", "-out",
            self.prefix + ".csr")

    def ask(self):
        """@return the exit code of estoc, and the seconds it took"""
        begun = time.monotonic()
        key = self.server.device
        done = run(program("estoc"), "sen", self.server.uri, "--csr", self.prefix + ".csr", "--cert",
                   key + ".crt", "--key", key + ".key", "--ta", key + ".ta", "--timeout", "60",
                   "--out", self.prefix + ".crt", ok=False)
        self.said = done.stderr.strip()
        return done.returncode, time.monotonic() - begun

    def is_told_later(self):
        code, took = self.ask()
        check(code == LATER, f"not 5.03 but exit {code}: {self.said}")
        check(took < DEADLINE_S, f"5.03 took {took:.1f} s")

    def succeeds(self, seconds=5):
        """Maybe only after some more 5.03."""
        end = time.monotonic() + seconds
        code, _ = self.ask()
        while code == LATER and time.monotonic() < end:
            time.sleep(0.2)
            code, _ = self.ask()
        check(code == 0, f"exit {code}: {self.said}")

    def holds(self):
        """Its certificate is in the store, and it is the only one for this request."""
        serial = run("openssl", "x509", "-in", self.prefix + ".crt", "-noout",
                     "-serial").stdout.strip().partition("=")[2].lower()
        rows = self.server.issued()
        mine = [r for r in rows if r["serial"].lstrip("0") == serial.lstrip("0")]
        check(len(mine) == 1, f"the device has {serial}, and the store has not")
        same = [r for r in rows if r["request_sha256"] == mine[0]["request_sha256"]]
        check(len(same) == 1, f"request {mine[0]['request_sha256']} has {len(same)} certificates")


class Lazy:
    """That the server does next to nothing meanwhile, and is not another afterwards."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.cpu, self.begun, self.pid = self.server.cpu_s(), time.monotonic(), \
            self.server.process.pid

    def __exit__(self, kind, *_):
        if kind is None:
            took = time.monotonic() - self.begun
            cpu = self.server.cpu_s() - self.cpu
            check(cpu < 0.5 + took * 0.25, f"{cpu:.1f} s of CPU in {took:.1f} s")
            check(self.server.runs(), "the server has ended")


def sync_fails_once(ctx):
    """Either sync of an enrollment; what the failed one was for is lost, as with Linux."""
    server = ctx.server()
    control = ctx.fault_disk(server)
    disk = Disk(server.dir)
    server.start()
    devices = []
    for which in (1, 2):
        device = Device(server)
        failed = control["syncs_failed"]
        control["sync_fail_in"] = which
        code, took = device.ask()
        check(control["syncs_failed"] == failed + 1, f"sync {which} did not take place")
        check(code in (LATER, SERVER), f"sync {which} failed, and the answer was {code}")
        check(took < DEADLINE_S, f"the answer took {took:.1f} s")
        other = Device(server)
        other.succeeds()
        device.succeeds()
        devices += [device, other]
    check("opened again" in server.log(), "the store was not opened again")
    server.kill()
    ctx.replay(disk)
    disk.cut(ctx.rng, "none")
    server.start()
    for device in devices:
        device.holds()
    server.stop()


def sync_fails_under_load(ctx):
    server = ctx.server()
    control = ctx.fault_disk(server)
    disk = Disk(server.dir)
    server.start()
    loads = []
    for _ in range(ctx.rounds):
        load = ctx.load(server, 100)
        loads.append(load)
        load.wait_for(ctx.rng.randrange(1, 60))
        failed = control["syncs_failed"]
        control["sync_fail_in"] = ctx.rng.randrange(1, 8)
        load.all_done()
        check(control["sync_fail_in"] > 0 or control["syncs_failed"] == failed + 1, "no sync failed")
        server.kill()
        ctx.replay(disk)
        disk.cut(ctx.rng, ctx.rng.choice(("none", "some")))
        server.start()
        hold(server, loads)
    return f"{control['syncs_failed']} syncs failed, {stop(server, loads)} certificates"


def read_only(ctx):
    server = ctx.server()
    control = ctx.fault_disk(server)
    server.start()
    load = ctx.load(server, 300)
    load.wait_for(20)
    with Lazy(server):
        control["write_errno"] = errno.EROFS
        Device(server).is_told_later()
        Device(server).is_told_later()
        time.sleep(2 if ctx.short else 20)
        device = Device(server)
        device.is_told_later()
    control["write_errno"] = 0
    device.succeeds()
    device.holds()
    load.all_done()
    check(control["writes_failed"] > 0, "nothing was refused")
    stop(server, [load])


def gone(ctx):
    """Its folder is moved away, and comes back."""
    folder = os.path.join(ctx.folder, "store")
    os.mkdir(folder)
    server = ctx.server(store=f"sqlite:{folder}/store.db")
    server.start()
    load = ctx.load(server, 300)
    load.wait_for(20)
    os.rename(folder, folder + ".away")
    with Lazy(server):
        device = Device(server)
        device.is_told_later()
        time.sleep(2 if ctx.short else 20)
        device.is_told_later()
    check(not os.path.exists(folder), "the server made a new folder")
    os.rename(folder + ".away", folder)
    device.succeeds()
    device.holds()
    load.all_done()
    stop(server, [load])


def deleted(ctx):
    """The file is deleted: a new, empty one would not know who has been revoked."""
    folder = os.path.join(ctx.folder, "deleted")
    os.mkdir(folder)
    server = ctx.server(store=f"sqlite:{folder}/store.db")
    server.start()
    ctx.load(server, 20).all_done()
    kept = folder + ".kept"
    os.mkdir(kept)
    for name in os.listdir(folder):
        os.rename(os.path.join(folder, name), os.path.join(kept, name))
    device = Device(server)
    device.is_told_later()
    device.is_told_later()
    check(not os.path.exists(os.path.join(folder, "store.db")), "the server made a new store")
    shutil.rmtree(folder)
    os.rename(kept, folder)
    device.succeeds()
    device.holds()
    server.stop()


def locked(ctx):
    """Another process holds the write lock."""
    server = ctx.server()
    server.start()
    load = ctx.load(server, 300)
    load.wait_for(20)
    with ctx.kind.locked(server):
        with Lazy(server):
            begun = time.monotonic()
            device = Device(server)
            while time.monotonic() - begun < (6 if ctx.short else 30):
                device.is_told_later()
    device.succeeds()
    device.holds()
    load.all_done()
    stop(server, [load])


def second(ctx):
    server = ctx.server()
    server.start()
    other = subprocess.run([program("estocd"), "run", "--dir", server.dir, "--listen",
                            "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           timeout=DEADLINE_S)
    check(other.returncode == 1, f"a second server ended with {other.returncode}")
    check("another estocd" in other.stderr, f"it said: {other.stderr}")
    ctx.load(server, 10).all_done()
    server.kill()
    server.start()  # a lock does not outlive its process
    ctx.load(server, 10).all_done()
    server.stop()


def mount_tmpfs(ctx, folder, size):
    """In a namespace of mounts that is this process's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns = 0x00020000
    if libc.unshare(clone_newns) != 0:
        raise Skipped(f"no namespace of mounts: {os.strerror(ctypes.get_errno())}; it takes root")
    run("mount", "--make-rprivate", "/")
    os.mkdir(folder)
    if run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder,
           ok=False).returncode != 0:
        raise Skipped("a tmpfs cannot be mounted here")
    ctx.stack.callback(lambda: run("umount", "-l", folder))


def fill(path):
    with open(path, "wb", buffering=0) as f:
        for size in (65536, 4096, 512):
            try:
                while True:
                    f.write(bytes(size))
            except OSError as e:
                check(e.errno == errno.ENOSPC, str(e))


def full_disk(ctx):
    disk = os.path.join(ctx.folder, "disk")
    mount_tmpfs(ctx, disk, "64m")  # of which the log of SQLite takes 16
    server = ctx.server(under=disk)
    server.start()
    load = ctx.load(server, 400)
    load.wait_for(20)
    filler = os.path.join(disk, "filler")
    fill(filler)
    with Lazy(server):
        device = Device(server)
        for _ in range(3):
            fill(filler + "2")  # what a checkpoint has freed
            code, took = device.ask()
            check(code in (0, LATER), f"exit {code}: {device.said}")
            check(took < DEADLINE_S, f"the answer took {took:.1f} s")
        device = Device(server)
        device.is_told_later()
        time.sleep(1 if ctx.short else 10)
    os.unlink(filler)
    os.unlink(filler + "2")
    device.succeeds()
    device.holds()
    load.all_done()
    stop(server, [load])


TESTS = [
    ("X9 HC 282 a sync fails once: no 2.04 for it, then all goes on", sync_fails_once, 1,
     ("sqlite",)),
    (f"X9 HC 282 syncs that fail under {AT_A_TIME} enrollments, and power cuts",
     sync_fails_under_load, (20, 1), ("sqlite",)),
    ("HC 284 the store is read-only: 5.03 meanwhile", read_only, 1, ("sqlite",)),
    ("HC 284 the store's folder is moved away: 5.03 meanwhile", gone, 1, ("sqlite",)),
    ("HC 284 the store's file is deleted: 5.03, and no new one", deleted, 1, ("sqlite",)),
    ("HC 284 the store is locked by another process: 5.03 meanwhile", locked, 1,
     ("sqlite", "postgresql")),
    ("HC 284 a second server on the same store does not start", second, 1, ("sqlite",)),
    ("X9 the disk is full: 5.03 meanwhile", full_disk, 1, ("sqlite",)),
]
