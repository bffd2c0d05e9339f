"""The rows: what is measured on which image, and what imgmount is to reach there.

A value is seconds or MiB, where less is better, or a rate, where more is. A goal is a bound on
imgmount's value, or on its ratio to somebody else's in the same round.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass

from measure import Measured, memory

FIND = ["find", ".", "-printf", "%P %y %m %s %b %T@ %U\n"]
SEEN = ["find", ".", "-not", "-name", "lost+found", "-type", "f", "-printf", "%P %s %T@\n"]
TAR = ["tar", "--create", "--file=-", "."]
SORTED = ["tar", "--create", "--file=-", "--sort=name", "--exclude=lost+found", "--format=ustar",
          "--mode=go=", "--owner=0", "--group=0", "--mtime=@0", "."]


@dataclass(frozen=True)
class Goal:
    """At most, or at least, so much: by itself, or times somebody else's value."""

    bound: float
    against: tuple = ()  # the best of these


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    title: str
    unit: str  # s, /s, MB/s, MiB
    image: str
    view: str  # files, disk, inside (files by imgmount, the disk by others), verb
    state: str  # cold, cached
    work: object = None
    goal: Goal = None
    only: tuple = ()  # who is measured; everybody who can, without it
    verb: str = ""
    out: str = os.devnull
    digest: object = None
    timed_mount: bool = False
    ordinary: bool = False  # mounted and read by an ordinary user, also where root runs this
    rounds: int = 0

    @property
    def more_is_better(self):
        return self.unit.endswith("/s")

    @property
    def against(self):
        """Whose values the ratios are of, where one has none of its own."""
        if self.goal and self.goal.against:
            return self.goal.against[0]
        return "kernel" if self.view == "files" else "qemu-storage-daemon"


def digest(output):
    return hashlib.sha256(b"\n".join(sorted(output.split(b"\n")))).hexdigest()[:16]


def command(words, seen):
    """Times a command; what it sees is compared by another that sorts."""

    def work(stage, place, image, start):
        found = Measured(stage.run(words, place))
        if stage.check:
            found.digest = digest(stage.output(seen, place))
        return found

    return work


def warm(words, seen):
    """The same the second time on the same mount."""

    def work(stage, place, image, start):
        stage.run(words, place)
        return command(words, seen)(stage, place, image, start)

    return work


def first_listing(stage, place, image, start):
    """From before the mount to the end of ls: of the root, or of the disk's one file where that is
    all that somebody shows of a container."""
    stage.run(["ls", place], "/")
    found = Measured(time.monotonic() - start)
    if stage.check and image.name == "disk.raw":
        found.digest = digest(stage.output(["ls", "-A", "-I", "lost+found", place], "/"))
    return found


def client(kind, paths, count, jobs=1, rate="operations", twice=False, span=1 << 60):
    """Times our own client; `count` is (of the full size, of the quick one), and `span` how many bytes
    of a file it reads in."""

    def work(stage, place, image, start):
        root, listed = place, None
        if paths is None:
            root, name = os.path.split(place)
            listed = stage.store.at("one.paths")
            with open(listed, "w", encoding="utf-8") as file:
                file.write(f"{name}\n")
        else:
            listed = stage.store.paths(f"{paths.__name__}.paths", image.list, paths)
        many = count[stage.store.size.name == "quick"]
        words = [stage.client, kind, root, listed, many, jobs, 7, span]
        if twice:
            stage.run(words, "/")
        done = json.loads(stage.output(words, "/"))
        value = done[rate] / done["seconds"]
        return Measured(value / 1e6 if rate == "bytes" else value, f"{done['sum']:x}")

    return work


def resident(stage, place, image, start):
    """Find, small files and tar, and then the memory of who serves them."""
    stage.run(FIND, place)
    client("open", small, (20_000, 500))(stage, place, image, start)
    stage.run(["sh", "-c", "tar --create --file=- . | cat > /dev/null"], place)
    return Measured(memory("VmRSS"))


def peak(stage, place, image, start):
    """Reads the whole disk, and gives the most memory that took."""
    READ(stage, place, image, start)
    return Measured(memory("VmHWM"))


def small(files):
    return [path for size, path in files if size <= 16384]


def largest(files):
    return [path for _, path in sorted(files, reverse=True)[:64]]


def everything(files):
    return [path for _, path in files]


def contiguous(files):
    return ["contiguous"]


def fragmented(files):
    return ["fragmented"]


def of_output(stage, words, out):
    """What a verb writes."""
    return hashlib.sha256(stage.output(words, "/")).hexdigest()[:16]


def of_file(stage, words, out):
    with open(out, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def nothing(stage, words, out):
    """What went to nowhere cannot be compared."""
    return ""


KERNEL = ("kernel",)
DAEMON = ("qemu-storage-daemon",)
IMG = ("qemu-img -m 8 -W", "qemu-img -m 16 -W", "qemu-img -m 2")
SQUASHFUSE = ("squashfuse_ll",)
PIPED_TAR = ["sh", "-c", "tar --create --file=- . | cat > /dev/null"]
READ = client("sequential", None, (0, 0), rate="bytes")
# Root can give a mount the readahead that a disk has.
SEQUENTIAL = Goal(0.95 if os.geteuid() == 0 else 0.65, KERNEL)
SMALL = (20_000, 500)
PAGES = (40_000, 1000)


def disk_rows():
    """The disk as one file through the mount, for each container."""
    for name, image, bound in (
        ("raw", "disk.raw", 2), ("zlib", "disk-zlib.qcow2", 2), ("zstd", "disk-zstd.qcow2", 2),
        ("vmdk", "disk-stream.vmdk", 2), ("vhdx", "large.vhdx", 0), ("vdi", "large.vdi", 0),
    ):
        goal = Goal(bound, DAEMON) if bound else None
        yield Row(f"disk-{name}", f"`disk.img` of {image}, from end to end", "MB/s", image, "disk",
                  "cached", READ, goal)


def convert_rows():
    """The verb against qemu-img's."""
    only = ("imgmount", *IMG)
    for name, image in (("raw", "disk.raw"), ("zlib", "disk-zlib.qcow2"),
                        ("zstd", "disk-zstd.qcow2"), ("vmdk", "disk-stream.vmdk")):
        yield Row(f"convert-{name}", f"convert {image} to nowhere", "MB/s", image, "verb", "cached",
                  goal=Goal(1, IMG), only=only, verb="convert", digest=nothing)
    yield Row("convert-file", "convert large.qcow2 to a raw file", "MB/s", "large.qcow2", "verb",
              "cached", goal=Goal(1, IMG), only=only, verb="convert", out="out.raw", digest=of_file)


def unpack_rows():
    """The verb against the container's own tool."""
    for form, tool in (("gz", "gzip"), ("xz", "xz"), ("zst", "zstd")):
        yield Row(f"cat-{form}", f"cat the disk of large.raw.{form}", "MB/s", f"large.raw.{form}",
                  "verb", "cached", only=("imgmount", tool), verb="cat", digest=of_output)
    yield Row("cat-luks", "decrypt luks.img", "MB/s", "luks.img", "verb", "cached",
              only=("imgmount", "qemu-img -m 2"), verb="cat", digest=nothing)


ROWS = [
    Row("mount-cold", "mount to first `ls`", "s", "disk.raw", "files", "cold", first_listing,
        Goal(0.020), timed_mount=True),
    Row("mount-cached", "mount to first `ls`", "s", "disk.raw", "files", "cached", first_listing,
        Goal(0.010), timed_mount=True),
    Row("find-cold", "`find` with stat over the tree", "s", "disk.raw", "files", "cold",
        command(FIND, SEEN), Goal(0.8, KERNEL)),
    Row("find-warm", "the same again on the same mount", "s", "disk.raw", "files", "cached",
        warm(FIND, SEEN), Goal(1.2, KERNEL)),
    Row("list-cold", "`ls -l` of the wide directory", "s", "wide.raw", "files", "cold",
        command(["ls", "-l", "wide"], SEEN), Goal(0.6, KERNEL)),
    Row("lookup", "random look-ups in it", "/s", "wide.raw", "files", "cached",
        client("stat", everything, (50_000, 1000)), Goal(30_000)),
    Row("small-cold", "open, read, close small files", "/s", "disk.raw", "files", "cold",
        client("open", small, SMALL), Goal(1.0, KERNEL)),
    Row("small-warm", "the same again on the same mount", "/s", "disk.raw", "files", "cached",
        client("open", small, SMALL, twice=True), Goal(0.6, KERNEL)),
    Row("tar-cold", "`tar` of the tree", "s", "disk.raw", "files", "cold",
        command(PIPED_TAR, SORTED), Goal(1.1, KERNEL)),
    Row("random-1", "random 4 KiB, 1 job", "/s", "large.raw", "files", "cached",
        client("random", contiguous, PAGES), Goal(1.0, KERNEL)),
    Row("random-8", "random 4 KiB, 8 jobs", "/s", "large.raw", "files", "cached",
        client("random", contiguous, PAGES, jobs=8), Goal(1.0, KERNEL)),
    Row("random-fragmented", "random 4 KiB in the fragmented file, 8 jobs", "/s", "large.raw", "files",
        "cached", client("random", fragmented, PAGES, jobs=8), Goal(1.0, KERNEL)),
    Row("sequential", "sequential 1 MiB", "MB/s", "large.raw", "files", "cached",
        client("sequential", contiguous, (0, 0), rate="bytes"),
        SEQUENTIAL),
    Row("sequential-user", "the same for an ordinary user", "MB/s", "large.raw", "files", "cached",
        client("sequential", contiguous, (0, 0), rate="bytes"), Goal(0.65, KERNEL), ordinary=True,
        only=("imgmount", "null", "kernel")),
    Row("sequential-fragmented", "the same in the fragmented file", "MB/s", "large.raw", "files",
        "cached", client("sequential", fragmented, (0, 0), rate="bytes"), SEQUENTIAL),
    Row("memory", "resident memory after find, small files and tar", "MiB", "disk.raw", "files",
        "cached", resident, Goal(48 + 64), rounds=1),
    *disk_rows(),
    Row("random-zlib", "random 4 KiB in `disk.img` of disk-zlib.qcow2", "/s", "disk-zlib.qcow2",
        "disk", "cached", client("random", None, (5_000, 200))),
    Row("random-zlib-part", "the same in its first 32 MiB, which fit in the cache", "/s",
        "disk-zlib.qcow2", "disk", "cached", client("random", None, (20_000, 200), span=32 << 20),
        Goal(5, DAEMON)),
    *convert_rows(),
    Row("first-gz", "first `ls` in disk.raw.gz, no index kept", "s", "disk.raw.gz", "inside", "cached",
        first_listing, Goal(0.5, ("ratarmount",)), timed_mount=True),
    Row("first-xz", "first `ls` in large.raw.xz, no index kept", "s", "large.raw.xz", "inside",
        "cached", first_listing, Goal(0.050), timed_mount=True),
    Row("first-zst", "first `ls` in large.raw.zst, no index kept", "s", "large.raw.zst", "inside",
        "cached", first_listing, timed_mount=True),
    Row("memory-gz", "most memory while all of disk.raw.gz is read", "MiB", "disk.raw.gz", "disk",
        "cached", peak, Goal(64 + 128), rounds=1),
    *unpack_rows(),
    Row("squashfs-find", "`find` over usr.squashfs", "s", "usr.squashfs", "files", "cached",
        command(FIND, SEEN), Goal(1.0, SQUASHFUSE)),
    Row("squashfs-sequential", "sequential 1 MiB of its large files", "MB/s", "usr.squashfs", "files",
        "cached", client("sequential", largest, (0, 0), rate="bytes"), Goal(1.0, SQUASHFUSE)),
    Row("squashfs-random", "random 4 KiB in them, 2 readers", "/s", "usr.squashfs", "files", "cached",
        client("random", largest, (5_000, 500), jobs=2), Goal(1.8, SQUASHFUSE)),
    Row("erofs-find", "`find` over usr.erofs", "s", "usr.erofs", "files", "cached",
        command(FIND, SEEN)),
    Row("erofs-sequential", "sequential 1 MiB of its large files", "MB/s", "usr.erofs", "files",
        "cached", client("sequential", largest, (0, 0), rate="bytes"), Goal(0.6, KERNEL)),
]


# What the product's README shows, and what it calls it.
SHORT = {
    "mount-cold": "mount to first `ls`, ext4 in an MBR disk, cold",
    "find-cold": "`find` with stat over 80,000 files, cold",
    "small-cold": "open, read and close small files, cold",
    "tar-cold": "`tar` of 2.9 GB, cold",
    "random-8": "random reads of 4 KiB, 8 jobs, image cached",
    "sequential": "sequential reads, image cached",
    "memory": "resident memory after all that",
    "disk-zlib": "the disk in a qcow2 with zlib, end to end",
    "disk-zstd": "the disk in a qcow2 with zstd, end to end",
    "convert-zlib": "`convert` of the qcow2 with zlib to nowhere",
    "first-gz": "first `ls` in a `.raw.gz` without an index",
    "squashfs-random": "squashfs: random reads of 4 KiB, 2 readers",
    "erofs-sequential": "EROFS with lz4: sequential reads",
}


def chosen(names):
    """The rows of these names, in the table's order; all of them for none."""
    known = [row.name for row in ROWS]
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ValueError(f"no row {wrong[0]}; there are {' '.join(known)}")
    return [row for row in ROWS if not names or row.name in names]
