"""What runs in the hosts of the lab: started with a name, stopped by its id, each with its output in a file of its own."""
import os
import signal
import subprocess
import time


class Processes:
    def __init__(self, network, folder):
        self.network = network
        self.folder = folder
        self.running = {}

    def start(self, name, host, *command, folder=None, input_text=None):
        """In the folder of the run, where sipp finds what it plays."""
        with open(os.path.join(self.folder, name + ".out"), "wb") as out:
            process = subprocess.Popen(self.network.inside(host, *command), cwd=folder or self.folder, stdout=out, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE)
        if input_text is not None:
            process.stdin.write(input_text.encode())
            process.stdin.close()
        self.running[name] = process
        return process

    def said(self, name):
        with open(os.path.join(self.folder, name + ".out"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait(self, name, seconds):
        """Its exit status; None if it had to be stopped."""
        try:
            return self.running[name].wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.stop(name)
            return None

    def signal(self, name, what):
        """To a program and all that it started."""
        for pid in family(self.running[name].pid):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def stop(self, name, seconds=3):
        """SIGTERM, and after so many seconds SIGKILL: long enough for one whose file must be whole."""
        process = self.running[name]
        if process.poll() is None:
            self.signal(name, signal.SIGCONT)
            process.terminate()
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.signal(name, signal.SIGKILL)
                process.wait()

    def stop_all(self):
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + 3
        for name, process in self.running.items():
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            self.stop(name)


def family(pid):
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as f:
                found += [int(word) for word in f.read().split()]
        except FileNotFoundError:
            pass
    return found
