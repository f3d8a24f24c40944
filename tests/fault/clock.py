"""The clock of the day jumps. HC 322: timers run by another clock."""
import json
import os
import time

from common import BUILD, check, program, run, stop, until

DAY_S = 86400
WAITING = 64  # associations that wait for a person meanwhile
WITNESS = os.path.join(BUILD, "tests", "conformance", "conformance-witness.so")


class Shifted:
    """The clock of programs that have the witness in them."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "shift")
        self.env = {"LD_PRELOAD": WITNESS, "ESTOC_SHIFT": self.path}

    def set(self, seconds):
        with open(self.path + ".new", "w") as f:
            f.write(str(seconds))
        os.rename(self.path + ".new", self.path)


def opened(server):
    return server.log().count("result=open ")


def rate(server, seconds):
    """Wake-ups and CPU of a second in which nothing is asked of it."""
    wakeups, cpu = server.wakeups(), server.cpu_s()
    time.sleep(seconds)
    return (server.wakeups() - wakeups) / seconds, (server.cpu_s() - cpu) / seconds


def approve_all(server):
    rows = json.loads(run(program("estocd"), "pending", "--dir", server.dir, "--json").stdout)
    for row in rows:
        run(program("estocd"), "approve", str(row["id"]), "--dir", server.dir)
    return len(rows)


def jumps(ctx):
    """A day on and back, a day back and on, while devices enroll and others wait."""
    clock = Shifted(ctx.folder)
    clock.set(-10 * DAY_S)  # the CA is to be valid on each of those days
    server = ctx.server(env=clock.env, ca={"pending-per-client": 2 * WAITING},
                        settings={"log": "debug"})
    server.configure("profile wait", {"approval": "manual", "retry-after": "3s"})
    clock.set(0)
    server.start()
    waiting = ctx.load(server, WAITING, "--label", "wait", at_a_time=WAITING, timeout=60)
    until(lambda: opened(server) >= WAITING, 60, "the associations that wait")
    before, _ = rate(server, 3)
    loads = [waiting]
    for jump in (DAY_S, 0, -DAY_S, 0) * ctx.rounds:
        load = ctx.load(server, 60, at_a_time=16, timeout=60)
        load.wait_for(20)
        clock.set(jump)
        check(load.all_done(120)["repeated"] == 0, "associations ended")
        loads.append(load)
        wakeups, cpu = rate(server, 3)
        check(wakeups < 3 * before + 100 and cpu < 0.3,
              f"{wakeups:.0f} wake-ups a second, {before:.0f} before the clock jumped; {cpu:.1f} s of CPU")
    check(waiting.runs(), "those that wait have ended")
    check(approve_all(server) == WAITING, "not all of them wait")
    check(waiting.all_done(120)["repeated"] == 0, "associations that waited have ended")
    handshakes = opened(server)
    expected = sum(load.count for load in loads)
    check(handshakes == expected, f"{handshakes} handshakes for {expected} enrollments")
    return f"{4 * ctx.rounds} jumps, {stop(server, loads)} certificates"


TESTS = [
    ("HC 322 the clock jumps by a day and back under load: nobody is thrown out", jumps, (5, 0),
     ("sqlite",)),
]
