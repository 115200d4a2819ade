"""What stands at the other end of the output redis: a client that asks a real server what it got, and far ends that fail."""
import os
import socket
import struct
import threading

BYTES = 65536


class Redis:
    """Asks one server; answers are bytes, integers, lists, or a Refused."""

    class Refused(Exception):
        pass

    def __init__(self, target):
        family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(target if isinstance(target, str) else ("127.0.0.1", target))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Redis.Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest

    def entries(self, stream):
        """[{field: value}] in the order of the stream."""
        found = []
        for _, fields in self("XRANGE", stream, "-", "+"):
            found.append({fields[i].decode(): fields[i + 1] for i in range(0, len(fields), 2)})
        return found

    def close(self):
        self.file.close()
        self.socket.close()


def reset(peer):
    """The hard end of a connection: RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def pass_on(peer, port):
    """Both directions, until one end is gone."""
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        reset(peer)
        return

    def one_way(source, sink):
        try:
            while data := source.recv(BYTES):
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    back = threading.Thread(target=one_way, args=(server, peer), daemon=True)
    back.start()
    one_way(peer, server)
    back.join()
    server.close()
    peer.close()


# --- how a far end fails, once for each connection ---

def hang(peer):
    """Takes everything, answers nothing."""
    try:
        while peer.recv(BYTES):
            pass
    except OSError:
        pass
    peer.close()


def reset_at_once(peer):
    reset(peer)


def reset_after_command(peer):
    peer.recv(BYTES)
    reset(peer)


def answers(data):
    def far_end(peer):
        try:
            peer.recv(BYTES)
            peer.sendall(data)
            while peer.recv(BYTES):
                pass
        except OSError:
            pass
        peer.close()
    return far_end


FAILURES = {
    "hangs": (hang, 1),
    "resets each connection": (reset_at_once, 3),
    "resets after each command": (reset_after_command, 3),
    "answers garbage": (answers(os.urandom(4096)), 2),
    "answers what was not asked": (answers(b"+OK\r\n" * 300), 2),
    "answers a list of 2^31": (answers(b"*2147483647\r\n"), 2),
    "answers 200 MB in one text": (answers(b"$200000000\r\n" + b"x" * 200000000), 2),
    "loads for a while": (answers(b"-LOADING Redis is loading the dataset in memory\r\n"), 2),
    "speaks with escapes": (answers(b"-ERR unknown command \x1b[2J\x1b]0;owned\x07\n\r\n"), 2),
}


class FarEnd:
    """Listens on a port of its own; fails `times` connections with `how`, then passes on to the server at `port`."""

    def __init__(self, how, times, port):
        self.how, self.times, self.behind = how, times, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.visits += 1
            if self.visits <= self.times:
                threading.Thread(target=self.how, args=(peer,), daemon=True).start()
            else:
                threading.Thread(target=pass_on, args=(peer, self.behind), daemon=True).start()

    def close(self):
        self.listener.close()
