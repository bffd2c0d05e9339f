"""How a row is measured: caches, mounts, rounds, memory.

Cold means that the image is not in the page cache and the mount is fresh; programs stay there, as on
a machine that is in use. So not the whole cache is dropped (which would measure how programs are
read), but the image's own pages, without root too; whether they are gone is asked of the kernel.
Cached means that the image was read just before, and that the mount is fresh.
"""

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

import peers

MIB = 1 << 20

# Seconds after which somebody slow is not measured again in a row.
ENOUGH = 30

# Seconds after which one measurement ends without a result.
TOO_LONG = 120
TOO_SLOW = f"took over {TOO_LONG} s"

ORDINARY = 65534


@dataclass
class Measured:
    """One measurement."""

    value: float
    digest: str = ""
    memory: float = 0.0  # largest resident memory of those who serve, in MiB


@dataclass
class Results:
    """A row's measurements: {peer: one for each round}, and why others have none."""

    runs: dict = field(default_factory=dict)
    absent: dict = field(default_factory=dict)
    seconds: float = 0.0


class Stage:
    """What a row's work is given."""

    def __init__(self, store, client, check):
        self.store, self.client, self.check = store, client, check
        self.user = None

    def run(self, words, folder, output=subprocess.DEVNULL):
        """Runs it; gives its seconds."""
        words = [str(word) for word in words]
        with tempfile.TemporaryFile() as said:
            start = time.monotonic()
            child = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=said, env=peers.environment(), start_new_session=True,
                                     **peers.as_user(self.user))
            timer = threading.Timer(TOO_LONG, os.killpg, (child.pid, signal.SIGKILL))
            timer.start()
            child.wait()
            seconds = time.monotonic() - start
            timer.cancel()
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
        if seconds >= TOO_LONG:
            raise peers.Failed(TOO_SLOW)
        if child.returncode:
            raise peers.Failed(f"{words[0]}: {lines[-1] if lines else child.returncode}")
        return seconds

    def output(self, words, folder):
        """What it writes to its standard output."""
        with tempfile.TemporaryFile() as file:
            self.run(words, folder, file)
            file.seek(0)
            return file.read()


def become_parent():
    """Whoever goes to the background below us is ours, so that it can be found, and ended."""
    set_child_subreaper = 36
    if ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError("prctl")


def below(top):
    """The processes that this one started, and theirs."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                if fields[0] != "Z":
                    parents[int(name)] = int(fields[1])
    found, heads = [], [top]
    while heads:
        heads = [process for process, parent in parents.items() if parent in heads]
        found += heads
    return found


def memory(kind):
    """`VmRSS` or `VmHWM` (the largest) of all that we started, in MiB."""
    total = 0
    for process in below(os.getpid()):
        with contextlib.suppress(OSError):
            with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as file:
                lines = [line.split() for line in file if line.startswith(f"{kind}:")]
            total += sum(int(line[1]) for line in lines)
    return total / 1024


def reap():
    """Waits until all that we started has ended, and ends what does not."""
    until = time.monotonic() + 5
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = below(os.getpid())
        if not left:
            return
        if time.monotonic() > until:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def is_in_memory(path):
    """How much of the file is in the page cache."""
    libc, size = ctypes.CDLL(None, use_errno=True), os.path.getsize(path)
    libc.mmap.restype = ctypes.c_void_p
    pages = ctypes.create_string_buffer((size + 4095) // 4096)
    with open(path, "rb") as file:
        length, shared = ctypes.c_size_t(size), mmap.MAP_SHARED
        place = libc.mmap(None, length, mmap.PROT_READ, shared, file.fileno(), ctypes.c_long(0))
        if place in (None, ctypes.c_void_p(-1).value):
            return 0.0
        failed = libc.mincore(ctypes.c_void_p(place), length, pages)
        libc.munmap(ctypes.c_void_p(place), length)
    return 0.0 if failed else sum(byte & 1 for byte in pages.raw) / max(len(pages), 1)


def drop(path):
    """Takes the image out of the page cache; says so where that cannot be done."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if is_in_memory(path) > 0.05 and os.geteuid() == 0:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    if is_in_memory(path) > 0.05:
        print(f"note: {path} is still in the page cache", file=sys.stderr)


def load(path):
    """Reads the image into the page cache."""
    with open(path, "rb") as file:
        while file.read(4 * MIB):
            pass


def touch_memory(size):
    """Makes the host give us its pages before anything is timed: their first use is slow where the
    machine is virtual. A child does it, whose end gives them back to this machine alone."""
    with open("/proc/meminfo", encoding="ascii") as file:
        available = [int(line.split()[1]) for line in file if line.startswith("MemAvailable")]
    size = min(size, available[0] * 1024 // 2)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        held = [b"\1" * (64 * MIB) for _ in range(size // (64 * MIB))]
        os._exit(0 if held else 1)
    os.waitpid(child, 0)


def readahead_of(folder):
    """The file of the kernel's readahead for what is mounted there."""
    device = os.stat(folder).st_dev
    return f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"


class Scene:
    """A row's peers, one after the other."""

    def __init__(self, row, image, stage):
        self.row, self.image, self.stage = row, image, stage
        self.user = ORDINARY if row.ordinary else None
        self.readahead = None
        stage.user = self.user

    def once(self, peer):
        """One measurement."""
        if self.row.state == "cold":
            drop(self.image.path)
        else:
            load(self.image.path)
        if self.row.view == "verb":
            return self.verb(peer)
        folder = tempfile.mkdtemp(prefix="imgmount-bench.")
        os.chmod(folder, 0o755)
        if self.user is not None:
            os.chown(folder, self.user, self.user)
        try:
            return self.mounted(peer, folder)
        finally:
            reap()
            # What has failed half way may have left a mount.
            if peers.is_mounted(folder):
                subprocess.run(["fusermount3", "-uz", folder], check=False)
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, "disk.img"))
            os.rmdir(folder)

    def mounted(self, peer, folder):
        files = self.row.view == "files" or (self.row.view == "inside" and peer.name == "imgmount")
        show = peer.files if files else peer.disk
        user = None if peer.root_only else self.user
        start = time.monotonic()
        place = show(self.image, folder, user)
        try:
            self.even(peer, folder)
            found = self.row.work(self.stage, place, self.image, start)
            found.memory = memory("VmHWM")
            return found
        finally:
            peer.leave(folder, user)

    def even(self, peer, folder):
        """The null file system has the readahead that imgmount gave its mount."""
        if peer.name not in ("imgmount", "null") or self.row.view == "verb":
            return
        with contextlib.suppress(OSError):
            if peer.name == "imgmount" and self.readahead is None and not self.row.timed_mount:
                with open(readahead_of(folder), encoding="ascii") as file:
                    self.readahead = file.read()
            elif peer.name == "null" and self.readahead:
                with open(readahead_of(folder), "w", encoding="ascii") as file:
                    file.write(self.readahead)

    def verb(self, peer):
        out = self.row.out
        with tempfile.TemporaryDirectory(dir=self.stage.store.folder) as folder:
            if out != os.devnull:
                out = os.path.join(folder, out)
            words = peer.command(self.row.verb, self.image, out)
            if words is None:
                raise NotImplementedError
            seconds = self.stage.run(words, folder)
            found = Measured(self.image.disk_size / 1e6 / seconds)
            if self.stage.check:
                found.digest = self.row.digest(self.stage, words, out)
            return found


def measure(row, image, candidates, stage, rounds):
    """All rounds of a row: in each, everybody in turn, and each round another first. What they read
    is compared in the first alone, since that takes time."""
    check = stage.check
    results, scene, begun = Results(), Scene(row, image, stage), time.monotonic()
    active, spent = list(candidates), {peer.name: 0.0 for peer in candidates}
    for number in range(row.rounds or rounds):
        turn = number % max(len(active), 1)
        for peer in active[turn:] + active[:turn]:
            if peer.name not in ("imgmount", "null", row.against) and spent[peer.name] > ENOUGH:
                continue
            start = time.monotonic()
            try:
                results.runs.setdefault(peer.name, []).append(scene.once(peer))
            except NotImplementedError:
                active = [other for other in active if other is not peer]
            except (peers.Failed, OSError, ValueError, subprocess.CalledProcessError) as reason:
                results.absent[peer.name] = str(reason)
                active = [other for other in active if other is not peer]
            spent[peer.name] += time.monotonic() - start
        stage.check = False
    stage.check = check
    results.runs = {name: runs for name, runs in results.runs.items() if runs}
    results.seconds = time.monotonic() - begun
    return results
