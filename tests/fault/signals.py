"""SIGTERM and SIGHUP under load. HC 276."""
import signal
import time

from common import AT_A_TIME, check, stop

DRAINS_S = 8  # 5, and what a busy machine adds


def term(ctx):
    server = ctx.server()
    server.start()
    loads = []
    slowest = 0
    for _ in range(ctx.rounds):
        if not loads or not loads[-1].runs():
            loads.append(ctx.load(server, 2000))
        ctx.sleep(2.0)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.ended()
        slowest = max(slowest, time.monotonic() - begun)
        check(code == 0, f"the server ended with {code}")
        check(slowest < DRAINS_S, f"it took {slowest:.1f} s")
        server.start()
    loads[-1].stop()
    loads.append(ctx.load(server, 100))
    loads[-1].all_done()
    return f"{ctx.rounds} times, {stop(server, loads)} certificates, slowest end {slowest:.1f} s"


def hang_up(ctx):
    """Every one gets its certificate by the association it began with."""
    server = ctx.server()
    server.start()
    load = ctx.load(server, 20 * ctx.rounds, timeout=60)
    load.wait_for(1)
    sent = 0
    while load.runs():
        server.process.send_signal(signal.SIGHUP)
        sent += 1
        ctx.sleep(0.2)
    check(load.all_done()["repeated"] == 0, "associations ended")
    check(sent > 2, f"only {sent} signals")
    return f"{sent} times, {stop(server, [load])} certificates"


TESTS = [
    (f"X9 HC 276 SIGTERM under {AT_A_TIME} enrollments", term, (50, 3), ("sqlite", "postgresql")),
    (f"HC 276 SIGHUP under {AT_A_TIME} enrollments: no association ends", hang_up, (200, 20),
     ("sqlite", "postgresql")),
]
