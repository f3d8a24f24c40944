"""No memory, no file descriptors. HC 277: the server does not crash, and issues nothing that is not in
the store."""
import resource
import signal

from common import Skipped, check, program, stop


def allocations(ctx):
    """In each of many enrollments another allocation fails, somewhere from the first ClientHello to
    the last line of the log; the next enrollment finds all as it should be."""
    with open(program("estocd"), "rb") as f:
        if b"__asan_init" in f.read():
            raise Skipped("the sanitizer has an allocator of its own")
    server = ctx.server()
    control = ctx.fault_memory(server)
    server.start()
    ctx.load(server, 4, at_a_time=1).all_done()
    control["allocations"] = 0
    ctx.load(server, 4, at_a_time=1).all_done()
    each = control["allocations"] // 4
    check(each > 500, f"only {each} allocations: memory.c does not see them")
    every = max(1, each // ctx.rounds)
    loads = []
    refused = 0
    for n in range(1 + ctx.rng.randrange(every), each + 1, every):
        control["fail_in"] = n
        load = ctx.load(server, 1, at_a_time=1, retry=0, wait=0)
        loads.append(load)
        refused += load.result()["failed"]
        control["fail_in"] = 0
        check(server.runs(), f"the server ended at allocation {n}: {server.process.poll()}: "
                             f"{server.log_tail()}")
        loads.append(ctx.load(server, 1, at_a_time=1))
        loads[-1].all_done(60)
    failed = control["failed"]
    check(failed > 0, "none failed")
    return (f"{failed} of {each} allocations failed, {refused} enrollments with them, "
            f"{stop(server, loads)} certificates")


def descriptors(ctx):
    """With few of them it says so and does not start, or it serves."""
    server = ctx.server()
    loads = []
    serves = []
    for most in range(4, 70, 6 if ctx.short else 1):
        server.launch(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
        if server.ready():
            serves.append(most)
            loads.append(ctx.load(server, 5, at_a_time=5))
            loads[-1].all_done(60)
            check(server.runs(), f"it ended while it served with {most} descriptors")
            server.process.terminate()
            check(server.ended() == 0, f"with {most} descriptors it did not end well")
        else:
            code = server.ended()
            check(code == 1, f"with {most} descriptors it did not start, but ended with {code}")
    check(serves and serves[0] > 4, f"it serves with {serves}")
    server.start()
    return f"with {serves[0]} it serves, {stop(server, loads)} certificates"


def none_left(ctx):
    """While it serves, others take all that are left; the store has to be opened again then."""
    server = ctx.server()
    control = ctx.fault_disk(server)
    server.start()
    load = ctx.load(server, 300)
    load.wait_for(20)
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (0, limits[1]))
    control["sync_fail_in"] = 1
    server.process.send_signal(signal.SIGHUP)  # the configuration cannot be read now
    ctx.sleep(2.0)
    check(server.runs(), f"it ended: {server.log_tail()}")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
    load.all_done()
    check(control["syncs_failed"] == 1, "no sync failed")
    return f"{stop(server, [load])} certificates"


TESTS = [
    ("HC 277 an allocation fails in an enrollment", allocations, (400, 8), ("sqlite",)),
    ("HC 277 few file descriptors from the start", descriptors, (1, 0), ("sqlite",)),
    ("HC 277 no file descriptor is left", none_left, (1, 0), ("sqlite",)),
]
