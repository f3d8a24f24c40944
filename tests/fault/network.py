"""Two network namespaces of our own: that of the servers, with the addresses of
docs/how-to/cluster.md, and that of their clients, a router away."""
import os
import subprocess

from common import Failed, Skipped, run, until

BALANCER, NODES = "192.0.2.10", ("192.0.2.11", "192.0.2.12")
ROUTER, CLIENT = "198.51.100.1", "198.51.100.2"


class Namespace:
    """A process that does nothing holds it."""

    def __init__(self, stack, into=()):
        self.user = os.geteuid() != 0  # then in a user namespace, where we are root
        command = [*into, "unshare", "-rn" if self.user and not into else "-n", "sleep", "infinity"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        stack.callback(self.end)
        try:
            until(self.is_there, 10, "a network namespace")
        except Failed:
            raise Skipped("no network namespace of our own: " +
                          (self.process.stderr.read().strip() if self.process.poll() is not None
                           else "unshare does not answer")) from None

    def net(self):
        return f"/proc/{self.process.pid}/ns/net"

    def is_there(self):
        if self.process.poll() is not None:
            raise Failed("unshare has ended")
        with open(f"/proc/{self.process.pid}/comm") as f:
            return f.read().strip() == "sleep" and os.readlink(self.net()) != os.readlink(
                "/proc/self/ns/net")

    def inside(self):
        """Before a command: run it in there."""
        pid = str(self.process.pid)
        return ["nsenter", "-t", pid, "-n"] + (["-U", "--preserve-credentials"] if self.user else [])

    def run(self, *command, **more):
        return run(*self.inside(), *command, **more)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Network:
    def __init__(self, stack):
        self.servers = Namespace(stack)
        self.clients = Namespace(stack, self.servers.inside() if os.geteuid() else ())
        for command in (
                "ip link set lo up",
                *(f"ip address add {a}/32 dev lo" for a in (BALANCER, *NODES)),
                f"ip link add inner type veth peer name outer netns {self.clients.process.pid}",
                f"ip address add {ROUTER}/24 dev inner",
                "ip link set inner up"):
            self.servers.run(*command.split())
        for command in ("ip link set lo up", f"ip address add {CLIENT}/24 dev outer",
                        "ip link set outer up", f"ip route add 192.0.2.0/24 via {ROUTER}"):
            self.clients.run(*command.split())
