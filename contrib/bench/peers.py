"""Who is measured: imgmount, the null file system, the kernel, and other programs.

Each can show the files of an image (`files`), the disk in it as one file (`disk`), or do the work of
a verb without a mount (`convert`, `cat`). A way to do it is a function of the image and of an empty
folder that starts it and gives the path where the files or the disk are.
"""

import array
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
READERS = os.path.join(TOP, "target/readers/bin")
EROFS = os.path.join(TOP, "target/erofs-utils/bin")
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", EROFS, READERS])

# How long one may take to mount.
PATIENCE = 60


class Failed(Exception):
    """Why somebody could not do it."""


def as_user(user):
    """What starts a program as another user."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def find(program):
    return shutil.which(program, path=SEARCHED)


def start(words, user=None):
    """Runs what mounts and returns; its last words where it fails."""
    words = [str(word) for word in words]
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment(),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user(user))
    # Not `wait(PATIENCE)`, which looks again after ever longer sleeps, up to 50 ms.
    timer = threading.Timer(PATIENCE, child.kill)
    timer.start()
    code = child.wait()
    timer.cancel()
    if code == -signal.SIGKILL:
        raise Failed(f"{os.path.basename(words[0])} had not mounted after {PATIENCE} s")
    if code:
        raise Failed(f"{os.path.basename(words[0])} ended with {code}")


def stay(words, ready):
    """Starts what serves in the foreground, and waits until `ready` says so."""
    words = [str(word) for word in words]
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment(),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    while not ready():
        if child.poll() is not None:
            raise Failed(f"{os.path.basename(words[0])} ended with {child.returncode}")
        if time.monotonic() > until:
            child.kill()
            raise Failed(f"{os.path.basename(words[0])} had not mounted after {PATIENCE} s")
        time.sleep(0.002)


def environment():
    """Ours, but nothing that a peer kept from another time."""
    return dict(os.environ, XDG_CACHE_HOME=os.environ.get("BENCH_EMPTY", ""), LC_ALL="C", PATH=SEARCHED)


def is_mounted(place):
    try:
        return os.stat(place).st_dev != os.stat(os.path.dirname(place)).st_dev
    except OSError:
        return False


def fuse_device(folder, user=None):
    """Mounts FUSE there as fusermount3 does for everyone; gives the open device."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = ["fusermount3", "-o", "ro,nosuid,nodev,fsname=null,subtype=null", "--", folder]
        done = subprocess.run(words, pass_fds=[theirs.fileno()], capture_output=True, check=False,
                              env=dict(os.environ, _FUSE_COMMFD=str(theirs.fileno())), **as_user(user))
        if done.returncode:
            raise Failed(done.stderr.decode(errors="replace").strip())
        sent = array.array("i")
        _, about, _, _ = ours.recvmsg(1, socket.CMSG_LEN(sent.itemsize))
        sent.frombytes(about[0][2][: sent.itemsize])
        return sent[0]


class Peer:
    """One of those who are measured."""

    name = ""
    program = ""
    version = ("--version",)
    root_only = False

    def absent(self):
        """Why it cannot be measured here at all, if so."""
        if self.root_only and os.geteuid() != 0:
            return "needs root"
        return None if find(self.program) else f"{self.program} is not installed"

    def says(self):
        """Its version, in its own words."""
        done = subprocess.run([find(self.program), *self.version], capture_output=True, text=True,
                              check=False, env=environment())
        lines = [line.strip(" *") for line in (done.stdout + done.stderr).splitlines()]
        numbered = [line for line in lines if re.search(r"[0-9]+\.[0-9]+", line)]
        own = [line for line in numbered if self.program.split("_")[0] in line]
        return (own or numbered or ["unknown"])[0]

    def files(self, image, folder, user=None):
        """Shows the image's files; where it cannot, says why by `Failed`."""
        raise NotImplementedError

    def disk(self, image, folder, user=None):
        """Shows the image's disk."""
        raise NotImplementedError

    def command(self, verb, image, out):
        """The command for a verb, None where there is none."""

    def leave(self, folder, user=None):
        """Unmounts what `files` or `disk` mounted."""
        for attempt in range(40):
            done = subprocess.run(["fusermount3", "-u", folder], capture_output=True, check=False,
                                  **as_user(user))
            if done.returncode == 0 or not is_mounted(folder):
                return
            time.sleep(0.05 * attempt)
        raise Failed(f"{folder} cannot be unmounted: {done.stderr.decode(errors='replace').strip()}")


class Imgmount(Peer):
    name = "imgmount"

    def __init__(self, program):
        self.program = program

    def files(self, image, folder, user=None):
        volume = ["-p", "1"] if image.offset else []
        start([self.program, "--no-raw", "--no-index", *volume, image.path, folder], user)
        return folder

    def disk(self, image, folder, user=None):
        start([self.program, "--no-index", "--layout=volumes", image.path, folder], user)
        return os.path.join(folder, "disk.img")

    def command(self, verb, image, out):
        if verb == "convert":
            return [self.program, "convert", "--no-index", image.path, out]
        if image.format == "luks":
            key = os.path.join(os.path.dirname(image.path), "luks.key")
            return [self.program, "cat", "--key", key, image.path, "luks.img"]
        return [self.program, "cat", "--no-index", "--layout=volumes", image.path, "disk.img"]


class Null(Peer):
    """FUSE's own limit: imgmount's shell over a file system that costs nothing."""

    name = "null"

    def __init__(self, program):
        self.program = program

    def says(self):
        return "imgmount's own shell over entries in memory"

    def serve(self, entries, folder, user):
        device = fuse_device(folder, user)
        try:
            subprocess.Popen([self.program, entries], stdin=device, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, **as_user(user))
        finally:
            os.close(device)

    def files(self, image, folder, user=None):
        self.serve(image.list, folder, user)
        return folder

    def disk(self, image, folder, user=None):
        entries = os.path.join(os.environ["BENCH_EMPTY"], "disk.list")
        with open(entries, "w", encoding="ascii") as file:
            file.write(f"f\t{image.disk_size}\tdisk.img\n")
        self.serve(entries, folder, user)
        return os.path.join(folder, "disk.img")


class Kernel(Peer):
    name = "kernel"
    program = "mount"
    root_only = True

    def says(self):
        return f"Linux {os.uname().release}"

    def files(self, image, folder, user=None):
        options = "ro,loop"
        if image.offset:
            options += f",offset={image.offset},sizelimit={os.path.getsize(image.path) - image.offset}"
        start(["mount", "-t", image.files, "-o", options, image.path, folder])
        return folder

    def leave(self, folder, user=None):
        subprocess.run(["umount", folder], check=True)


class Fuse2fs(Peer):
    name = program = "fuse2fs"
    version = ("-V",)

    def files(self, image, folder, user=None):
        if image.files != "ext4":
            raise NotImplementedError
        start([find(self.program), image.path, folder, "-o", f"ro,offset={image.offset}"])
        return folder


class OneFormat(Peer):
    """A program that mounts one kind of file system."""

    version = ("-V",)

    def __init__(self, program, form):
        self.name = self.program = program
        self.format = form

    def files(self, image, folder, user=None):
        if image.format != self.format:
            raise NotImplementedError
        start([find(self.program), image.path, folder])
        return folder


class Guestmount(Peer):
    name = program = "guestmount"

    def files(self, image, folder, user=None):
        device = "/dev/sda1" if image.offset else "/dev/sda"
        start([find(self.program), "-a", image.path, "--format=raw", "-m", device, "--ro", folder])
        return folder


class Dissect(Peer):
    name = "Dissect"
    program = "target-mount"

    def says(self):
        python = os.path.join(os.path.dirname(find(self.program)), "python")
        words = "import importlib.metadata as m; print('dissect.target', m.version('dissect.target'))"
        done = subprocess.run([python, "-c", words], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"

    def files(self, image, folder, user=None):
        if image.files != "ext4":
            raise NotImplementedError
        stay([find(self.program), "-q", image.path, folder], lambda: is_mounted(folder))
        return os.path.join(folder, "fs")


class Ratarmount(Peer):
    name = program = "ratarmount"

    def disk(self, image, folder, user=None):
        if image.format not in ("gz", "xz", "zst"):
            raise NotImplementedError
        start([find(self.program), "--index-file", ":memory:", image.path, folder])
        return os.path.join(folder, os.path.basename(image.path).rsplit(".", 1)[0])


class QemuStorageDaemon(Peer):
    name = program = "qemu-storage-daemon"

    def disk(self, image, folder, user=None):
        if image.format not in ("raw", "qcow2", "vmdk", "vhdx", "vdi"):
            raise NotImplementedError
        place = os.path.join(folder, "disk.img")
        with open(place, "w", encoding="ascii"):
            pass
        start([find(self.program), "--daemonize", "--pidfile", self.pidfile(),
               "--blockdev", f"driver=file,node-name=file,filename={image.path},read-only=on",
               "--blockdev", f"driver={image.format},node-name=disk,file=file,read-only=on",
               "--export", f"fuse,id=export,node-name=disk,mountpoint={place}"])
        return place

    def pidfile(self):
        return os.path.join(os.environ["BENCH_EMPTY"], "pid")

    def leave(self, folder, user=None):
        try:
            with open(self.pidfile(), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):
            raise Failed(f"{self.name} ended by itself") from None
        until = time.monotonic() + PATIENCE
        while is_mounted(os.path.join(folder, "disk.img")) and time.monotonic() < until:
            time.sleep(0.01)


class Nbdfuse(Peer):
    name = "nbdkit + nbdfuse"
    program = "nbdfuse"

    def absent(self):
        return super().absent() or (None if find("nbdkit") else "nbdkit is not installed")

    def disk(self, image, folder, user=None):
        filters = {"raw": [], "gz": ["--filter=gzip"], "xz": ["--filter=xz"]}.get(image.format)
        if filters is None:
            raise NotImplementedError
        served = ["[", find("nbdkit"), "-r", *filters, "file", image.path, "]"]
        stay([find(self.program), "-r", f"{folder}/disk.img", *served], lambda: is_mounted(folder))
        return os.path.join(folder, "disk.img")


class QemuImg(Peer):
    """qemu-img convert, with as many requests at a time and in the order that its options say."""

    program = "qemu-img"

    def __init__(self, *options):
        self.options = options
        self.name = " ".join([self.program, *options])

    def command(self, verb, image, out):
        words = [self.program, "convert", *self.options]
        null = f"driver=null-co,size={image.disk_size},read-zeroes=off"
        to_null = ["-n", "--target-image-opts"]
        if image.format == "luks":
            key = os.path.join(os.path.dirname(image.path), "luks.key")
            source = f"driver=luks,key-secret=s,file.filename={image.path}"
            return [*words, *to_null, "--object", f"secret,id=s,file={key}", "--image-opts", source, null]
        if image.format not in ("raw", "qcow2", "vmdk", "vhdx", "vdi"):
            return None
        if out == os.devnull:
            return [*words, "-f", image.format, *to_null, image.path, null]
        return [*words, "-f", image.format, "-O", "raw", image.path, out]


class Unpacker(Peer):
    """The container's own tool."""

    def __init__(self, program, form):
        self.name = self.program = program
        self.format = form

    def command(self, verb, image, out):
        if verb != "cat" or image.format != self.format:
            return None
        return [find(self.program), "-dcq", image.path]


def everyone(programs):
    """All of them, imgmount and its limit first."""
    return [
        Imgmount(os.path.join(programs, "imgmount")),
        Null(os.path.join(programs, "examples/null")),
        Kernel(), Fuse2fs(), OneFormat("squashfuse_ll", "squashfs"), OneFormat("erofsfuse", "erofs"),
        QemuStorageDaemon(), Nbdfuse(), Guestmount(), Dissect(), Ratarmount(),
        QemuImg("-m", "2"), QemuImg("-m", "8", "-W"), QemuImg("-m", "16", "-W"),
        Unpacker("gzip", "gz"), Unpacker("xz", "xz"), Unpacker("zstd", "zst"),
    ]
