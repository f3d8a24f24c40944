"""A power cut: what was not synced is gone, or half there. HC 281, X9."""
import os
import shutil

from common import AT_A_TIME, check, hold, listed, stop
from pages import Disk

OPENS_S = 2
MODES = ("none", "some", "torn", "all")


def power_cut(ctx):
    """After each cut the server goes on with what is on the disk; between cuts it may also be killed
    while the machine stays up, so that what is in the kernel's memory is taken over."""
    server = ctx.server()
    control = ctx.fault_disk(server)
    disk = Disk(server.dir)
    slowest = server.start()
    loads = []
    missed = 0
    for _ in range(ctx.rounds):
        if not loads or not loads[-1].runs():
            loads.append(ctx.load(server, 2000))
        if ctx.rng.random() < 0.5:
            control["kill_in"] = ctx.rng.randrange(1, 2000)
            ctx.wait_killed(server, 3.0)
            control["kill_in"] = 0
        else:
            ctx.sleep(ctx.rng.choice((0.5, 3.0)))
            server.kill()
        missed += ctx.replay(disk)
        if ctx.rng.random() < 0.7:
            disk.cut(ctx.rng, ctx.rng.choice(MODES))
        slowest = max(slowest, server.start())
        check(slowest < OPENS_S, f"the server took {slowest:.1f} s to start")
        hold(server, loads)
    loads[-1].stop()
    last = ctx.load(server, 100)
    last.all_done()
    n = stop(server, loads + [last])
    received = sum(len(load.received()) for load in loads)
    return (f"{ctx.rounds} cuts and kills, {n} certificates, {received} received, "
            f"slowest start {slowest * 1000:.0f} ms, {missed} pages written but not noted")


APPLICATION_DATA = 23
CERTIFICATE_MIN = 200  # bytes of a datagram that has one; all others here are shorter


def at_each_answer(ctx):
    """As each certificate is about to be sent, the disk has it, whatever else it has."""
    server = ctx.server()
    ctx.fault_disk(server)
    disk = Disk(server.dir)
    server.start()
    count = ctx.rounds
    ctx.load(server, count, at_a_time=8).all_done()
    server.kill()
    copy = os.path.join(server.folder, "copy")
    sent = 0

    def about_to_send(length, first):
        nonlocal sent
        if first[0] == APPLICATION_DATA and length > CERTIFICATE_MIN:
            sent += 1
            disk.copy(copy, ctx.rng, "none")
            issued = len(listed(copy))
            shutil.rmtree(copy)
            check(issued >= sent, f"certificate {sent} is sent, and the disk has {issued}")
    ctx.replay(disk, about_to_send)
    check(sent == count, f"{sent} answers for {count} enrollments")
    return f"{sent} certificates"


TESTS = [
    ("X9 HC 314 what is sent is on the disk, at each answer", at_each_answer, (100, 30),
     ("sqlite",)),
    (f"X9 HC 281 power cuts under {AT_A_TIME} enrollments", power_cut, (200, 6),
     ("sqlite",)),
]
