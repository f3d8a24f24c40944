"""relay.py ADDRESS FIRST REST: a balancer that changes its mind. What comes to ADDRESS goes to FIRST
once, and then to REST, all from the same port. Prints the port that it listens on, and then whither
it has sent."""
import select
import socket
import sys

address, first, rest = sys.argv[1:]
front, back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
front.bind((address, 0))
back.bind((address, 0))
print(front.getsockname()[1], flush=True)
to, client = first, None
while True:
    for ready in select.select([front, back], [], [])[0]:
        if ready is back:
            front.sendto(back.recv(4096), client)
        else:
            datagram, client = front.recvfrom(4096)
            back.sendto(datagram, (to, 5684))
            print(to, flush=True)
            to = rest
