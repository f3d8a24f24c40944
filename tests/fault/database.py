"""PostgreSQL goes away under load, and comes back. X9."""
import signal
import time

from common import AT_A_TIME, hold, stop
from trouble import Device, Lazy

FAILED_S = 60  # until the clients' time has come again: Max-Age is at most that


def away(ctx, go, come):
    """@return a report"""
    server = ctx.server()
    server.start()
    loads = []
    for i in range(ctx.rounds):
        load = ctx.load(server, 200)
        loads.append(load)
        load.wait_for(ctx.rng.randrange(1, 100))
        go()
        try:
            with Lazy(server):
                device = Device(server)
                device.is_told_later()
                time.sleep(1 if ctx.short else ctx.rng.uniform(0, 10))
                device.is_told_later()
        finally:
            come()
        device.succeeds(FAILED_S)
        device.holds()
        load.all_done()
        hold(server, loads)
    return f"{ctx.rounds} times, {stop(server, loads)} certificates"


def stopped(ctx):
    return away(ctx, lambda: ctx.kind.control("stop"), lambda: ctx.kind.control("again"))


def crashed(ctx):
    return away(ctx, lambda: ctx.kind.control("kill"), lambda: ctx.kind.control("again"))


def silent(ctx):
    """It is there, and answers nothing: each of its processes is stopped."""
    return away(ctx, lambda: ctx.kind.signal(signal.SIGSTOP), lambda: ctx.kind.signal(signal.SIGCONT))


def disconnected(ctx):
    """Every connection is ended, again and again."""
    server = ctx.server()
    server.start()
    name = server.store.rpartition("/")[2]
    load = ctx.load(server, 300)
    for _ in range(2 * ctx.rounds):
        ctx.sleep(1.0)
        ctx.kind.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    load.all_done()
    return f"{stop(server, [load])} certificates"


TESTS = [
    (f"X9 PostgreSQL is stopped and started under {AT_A_TIME} enrollments", stopped, (20, 1),
     ("postgresql",)),
    (f"X9 PostgreSQL is killed and started under {AT_A_TIME} enrollments", crashed, (20, 1),
     ("postgresql",)),
    ("X9 PostgreSQL does not answer for a while", silent, (5, 0), ("postgresql",)),
    ("X9 PostgreSQL ends its connections", disconnected, (20, 1), ("postgresql",)),
]
