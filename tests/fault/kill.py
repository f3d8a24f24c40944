"""kill -9, at any moment. HC 279, X9."""
from common import AT_A_TIME, check, hold, stop
from pages import Disk

OPENS_S = 2  # HC 279: without repair


def random_moments(ctx):
    """Clients go on over the kills, and repeat the same request when they hear nothing."""
    server = ctx.server()
    slowest = server.start()
    loads = []
    for _ in range(ctx.rounds):
        if not loads or not loads[-1].runs():
            loads.append(ctx.load(server, 2000))
        # half of them soon after the start, where clients come back with what they have asked before
        ctx.sleep(ctx.rng.choice((0.5, 3.0)))
        server.kill()
        slowest = max(slowest, server.start())
        check(slowest < OPENS_S, f"the server took {slowest:.1f} s to start")
    loads[-1].stop()
    last = ctx.load(server, 200)
    last.all_done()
    n = stop(server, loads + [last])
    received = sum(len(load.received()) for load in loads)
    return (f"{ctx.rounds} kills, {n} certificates, {received} received, "
            f"slowest start {slowest * 1000:.0f} ms")


def count_steps(ctx, server, control):
    """Of one enrollment: what it does to files, and datagrams it sends."""
    ctx.load(server, 1, at_a_time=1).all_done()
    control["operations"] = 0
    ctx.load(server, 1, at_a_time=1).all_done()
    steps = control["operations"]
    check(steps > 6, f"only {steps} steps: disk.c does not see them")
    return steps


def killed_at(ctx, server, control, step, loads):
    """One enrollment, at whose step the server is killed; it is started again, and the client ends.
    @return whether it came to that step"""
    killed = False
    control["kill_in"] = step
    loads.append(ctx.load(server, 1, at_a_time=1))
    while loads[-1].runs():
        if not server.runs():
            server.ended()
            killed = True
            control["kill_in"] = 0
            server.start()
        ctx.sleep(0.02)
    loads[-1].all_done()
    control["kill_in"] = 0
    return killed


def each_step(ctx):
    """The n-th thing that an enrollment does to a file, or sends, is not done any more. When the client
    has its certificate in the end, the power is cut: what was found in the kernel's memory after the
    kill must have reached the disk by then. HC 281"""
    server = ctx.server()
    control = ctx.fault_disk(server)
    disk = Disk(server.dir)
    server.start()
    steps = count_steps(ctx, server, control)
    every = max(1, -(-steps // ctx.rounds))
    loads = []
    kills = 0
    for step in range(1 + ctx.rng.randrange(every), steps + 1, every):
        kills += killed_at(ctx, server, control, step, loads)
        server.kill()
        ctx.replay(disk)
        disk.cut(ctx.rng, "none")
        server.start()
        hold(server, loads)
    check(kills > 0, "nothing was killed")
    return f"{kills} of {steps} steps, {stop(server, loads)} certificates"


TESTS = [
    (f"X9 HC 279 kill -9 at random moments under {AT_A_TIME} enrollments", random_moments, (200, 6),
     ("sqlite", "postgresql")),
    ("X9 HC 279 HC 281 kill -9 before each step of an enrollment, then a power cut", each_step, (1000, 8),
     ("sqlite",)),
]
