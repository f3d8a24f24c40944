"""No memory, no file descriptors. HC 277: the server does not crash, and issues nothing that is not in
the store."""
import http.client
import os
import resource
import signal
import ssl

from common import Skipped, check, free_port, program, run, stop


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


class Web:
    """A client over HTTPS. The handshake is over, at the server too, when it is made."""

    def __init__(self, server, port):
        tls = ssl.create_default_context(cafile=server.device + ".ta")
        tls.load_cert_chain(server.device + ".crt", server.device + ".key")
        self.link = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=10)
        self.link.request("GET", "/.well-known/est/csrattrs")
        self.link.getresponse().read()

    def enroll(self, csr):
        """@return the HTTP status; 0: there was none"""
        try:
            self.link.request("POST", "/.well-known/est/simpleenroll", csr,
                              {"Content-Type": "application/pkcs10"})
            answer = self.link.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0

    def close(self):
        self.link.close()


def a_request(folder):
    """For a fresh key, in base64."""
    key, csr = os.path.join(folder, "web.key"), os.path.join(folder, "web.csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", key, "-subj", "/CN=fault", "-outform", "DER", "-out", csr)
    return run("openssl", "base64", "-in", csr).stdout


def https_allocations(ctx):
    """The same in a request over HTTPS, from its first byte to its answer. Not in the handshake: there
    libtasn1, which GnuTLS reads certificates with, takes memory that it did not get."""
    port = free_port()
    server = ctx.server(settings={"listen-https": f"127.0.0.1:{port}"})
    with open(program("estocd"), "rb") as f:
        if b"__asan_init" in f.read():
            raise Skipped("the sanitizer has an allocator of its own")
    control = ctx.fault_memory(server)
    server.start()

    def enroll(csr, fail_in=0):
        web = Web(server, port)
        control["allocations"] = 0
        control["fail_in"] = fail_in
        status = web.enroll(csr)
        allocations = control["allocations"]
        control["fail_in"] = 0
        web.close()
        return status, allocations

    for _ in range(3):
        status, each = enroll(a_request(ctx.folder))
        check(status == 200, "it does not serve")
    check(each > 50, f"only {each} allocations: memory.c does not see them")
    every = max(1, each // ctx.rounds)
    refused = 0
    for n in range(1 + ctx.rng.randrange(every), each + 1, every):
        csr = a_request(ctx.folder)
        refused += enroll(csr, n)[0] != 200
        check(server.runs(), f"the server ended at allocation {n}: {server.process.poll()}: "
                             f"{server.log_tail()}")
        check(enroll(csr)[0] == 200, f"after allocation {n} it does not serve: {server.log_tail()}")
    failed = control["failed"]
    check(failed > 0, "none failed")
    return (f"{failed} of {each} allocations failed, {refused} enrollments with them, "
            f"{stop(server, [])} certificates")


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
    ("HC 277 an allocation fails in a request over HTTPS", https_allocations, (200, 6), ("sqlite",)),
    ("HC 277 few file descriptors from the start", descriptors, (1, 0), ("sqlite",)),
    ("HC 277 no file descriptor is left", none_left, (1, 0), ("sqlite",)),
]
