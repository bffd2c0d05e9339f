"""The images: what each is, how it is made, where it is kept.

All are made once, with other programs than imgmount, in a folder outside the repository. What a row
needs is made when the first row needs it; a file is there only when it is whole.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import peers
import tree

MIB = 1 << 20

# Another number makes all images anew.
GENERATION = 1

# Where the partition starts.
START = MIB

# For everything that would otherwise be different each time.
UUID = "6e0b5a5c-0000-4000-8000-696d676d6e74"
ENVIRONMENT = dict(os.environ, E2FSPROGS_FAKE_TIME="1600000000", LC_ALL="C")


@dataclass(frozen=True)
class Image:
    """One image."""

    name: str
    path: str
    format: str  # as qemu calls it; gz, xz, zst, squashfs, erofs, luks for others
    files: str = ""  # the file system in it, where rows read its files
    offset: int = 0  # where that begins
    list: str = ""  # the entries of that, for the null file system
    disk_size: int = 0


# Name: (format, file system, its list).
KNOWN = {
    "disk.raw": ("raw", "ext4", "tree.list"),
    "disk-zlib.qcow2": ("qcow2", "", ""),
    "disk-zstd.qcow2": ("qcow2", "", ""),
    "disk-stream.vmdk": ("vmdk", "", ""),
    "disk.raw.gz": ("gz", "", ""),
    "wide.raw": ("raw", "ext4", "wide.list"),
    "large.raw": ("raw", "ext4", "large.list"),
    "large.qcow2": ("qcow2", "", ""),
    "large.vhdx": ("vhdx", "", ""),
    "large.vdi": ("vdi", "", ""),
    "large.raw.gz": ("gz", "", ""),
    "large.raw.xz": ("xz", "", ""),
    "large.raw.zst": ("zst", "", ""),
    "usr.squashfs": ("squashfs", "squashfs", "usr.list"),
    "usr.erofs": ("erofs", "erofs", "usr.list"),
    "luks.img": ("luks", "", ""),
}


class CannotMake(Exception):
    """Why an image cannot be made here."""


def call(*words, **options):
    """Runs a program that makes something; its words where it fails."""
    words = [str(word) for word in words]
    program = peers.find(words[0])
    if program is None:
        raise CannotMake(f"{words[0]} is not installed")
    done = subprocess.run(
        [program, *words[1:]], stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
        env=ENVIRONMENT, check=False, **options)
    if done.returncode not in (0, 1 if words[0] == "e2fsck" else 0):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CannotMake(f"{words[0]}: {said[-1] if said else done.returncode}")


class Store:
    """The folder of images of one size."""

    def __init__(self, folder, size):
        self.size = size
        self.folder = os.path.join(folder, f"{size.name}-{GENERATION}")
        self.staging = os.path.join(self.folder, "staging")
        self.refused = {}

    def at(self, name):
        return os.path.join(self.folder, name)

    def image(self, name):
        """What is known of the image, made already or not."""
        form, files, entries = KNOWN[name]
        size = 0
        raw = self.at(f"{name.split('.')[0].split('-')[0]}.raw")
        if os.path.exists(raw):
            size = os.path.getsize(raw)
        elif name == "luks.img":
            size = self.size.contiguous
        offset = START if name.startswith("disk") else 0
        return Image(name, self.at(name), form, files, offset, self.at(entries), size)

    def prepare(self, names):
        """Makes what is missing of these; gives why those that cannot be made can't."""
        os.makedirs(self.folder, exist_ok=True)
        missing = [name for name in names if not os.path.exists(self.at(name))]
        free = shutil.disk_usage(self.folder).free
        if missing and free < self.size.needed:
            sys.exit(f"{self.folder}: {free >> 20} MiB are free, and {self.size.needed >> 20} MiB "
                     "are needed: give another folder with --images, or fewer rows with --rows")
        # One that ended early left it.
        shutil.rmtree(self.staging, ignore_errors=True)
        planted = ("disk.raw", "usr.squashfs", "usr.erofs")
        try:
            for name in [name for name in planted if name in missing]:
                self.make(name)
        finally:
            shutil.rmtree(self.staging, ignore_errors=True)
        for name in missing:
            self.make(name)
        return self.refused

    def make(self, name):
        """Makes the image, and before it what it is made from."""
        if os.path.exists(self.at(name)) or name in self.refused:
            return
        print(f"making {name}", file=sys.stderr, flush=True)
        part = self.at(f"part-{name}")
        stem = name.split(".")[0].split("-")[0]
        maker = {"disk.raw": self.make_disk, "wide.raw": self.make_wide,
                 "large.raw": self.make_large, "luks.img": self.make_luks}.get(name)
        try:
            if maker:
                maker(part)
            elif stem == "usr":
                self.make_usr(part, KNOWN[name][0])
            else:
                self.make(f"{stem}.raw")
                shutil.rmtree(self.staging, ignore_errors=True)
                self.convert(self.at(f"{stem}.raw"), part, name)
            # What is not written yet cannot be dropped from the page cache.
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.rename(part, self.at(name))
        except CannotMake as reason:
            self.refused[name] = str(reason)
        finally:
            if os.path.exists(part):
                os.remove(part)

    def write_list(self, name, lines):
        with open(self.at(name), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def plant(self):
        """The tree as files, while images are made of it."""
        if os.path.exists(self.staging):
            return
        os.mkdir(self.staging)
        lines, _ = tree.plant(self.staging, self.size)
        self.write_list("tree.list", lines)
        below = "usr/lib/"
        cut = [line.split("\t", 2) for line in lines]
        self.write_list("usr.list", ["\t".join((kind, about, path[len(below):]))
                                     for kind, about, path in cut if path.startswith(below)])

    def make_disk(self, part):
        self.plant()
        with open(part, "wb") as file:
            file.truncate(self.size.disk)
            file.write(partition_table(START, self.size.disk - START))
        blocks = (self.size.disk - START) // 4096
        call("mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-U", UUID, "-L", "bench", "-E",
             f"offset={START},hash_seed={UUID},root_owner=0:0", "-d", self.staging, part, blocks)
        # The index of large directories, which mke2fs does not make.
        call("e2fsck", "-fyD", f"{part}?offset={START}")

    def make_wide(self, part):
        """The one image that the kernel makes: the programs take hours for such a directory."""
        if os.geteuid() != 0:
            raise CannotMake("only root can make it, by the kernel")
        with open(part, "wb") as file:
            file.truncate(96 * MIB)
        call("mke2fs", "-q", "-F", "-t", "ext4", "-U", UUID, "-E", f"hash_seed={UUID}",
             "-N", self.size.wide + 100, part)
        with tempfile.TemporaryDirectory() as folder:
            call("mount", "-o", "loop", part, folder)
            try:
                lines = tree.plant_wide(folder, self.size.wide)
            finally:
                call("umount", folder)
        self.write_list("wide.list", lines)

    def make_large(self, part):
        """One file in one piece; one in pieces of 64 KiB, where every second of many files was."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            planted, loose = os.path.join(folder, "tree"), os.path.join(folder, "fragmented")
            os.makedirs(os.path.join(planted, "fill"))
            contents = tree.Contents(self.size)
            with open(os.path.join(planted, "contiguous"), "wb") as file:
                contents.write(file, self.size.contiguous)
            with open(loose, "wb") as file:
                contents.write(file, self.size.fragmented)
            count = self.size.fragmented // 65536 * 2
            for number in range(count):
                with open(os.path.join(planted, "fill", f"{number:05}"), "wb") as file:
                    file.write(b"fill" * 16384)
            total = self.size.contiguous + 3 * self.size.fragmented
            with open(part, "wb") as file:
                file.truncate(total + 16 * MIB)
            call("mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-U", UUID, "-m", 0, "-E",
                 f"hash_seed={UUID},root_owner=0:0", "-O", "^has_journal", "-d", planted, part)
            script = [f"rm fill/{number:05}" for number in range(1, count, 2)]
            script += [f"write {loose} fragmented"]
            script += [f"rm fill/{number:05}" for number in range(0, count, 2)]
            call("debugfs", "-w", "-f", "-", part, input="\n".join(script).encode())
        call("e2fsck", "-fy", part)
        self.write_list("large.list", [f"f\t{self.size.contiguous}\tcontiguous",
                                       f"f\t{self.size.fragmented}\tfragmented"])

    def make_usr(self, part, form):
        self.plant()
        source = os.path.join(self.staging, "usr/lib")
        if form == "squashfs":
            call("mksquashfs", source, part, "-noappend", "-all-root", "-no-progress", "-quiet")
        else:
            call("mkfs.erofs", "-zlz4", "-T1600000000", "--all-root", f"-U{UUID}", part, source)

    def make_luks(self, part):
        """Random bytes, encrypted as cryptsetup does by default but for the key's derivation."""
        key, plain = self.at("luks.key"), f"{part}.plain"
        with open(key, "w", encoding="ascii") as file:
            file.write("key")
        rng = random.Random("luks")
        with open(plain, "wb") as file:
            for _ in range(self.size.contiguous // MIB):
                file.write(rng.randbytes(MIB))
        call("qemu-img", "convert", "-f", "raw", "-O", "luks", "--object", f"secret,id=s,file={key}",
             "-o", "key-secret=s,iter-time=10", plain, part)
        os.remove(plain)

    def convert(self, raw, part, name):
        """A container of the raw disk."""
        pzstd = "pzstd" if peers.find("pzstd") else "zstd"
        packers = {"gz": ["gzip", "-6c"], "zst": [pzstd, "-qc"],
                   "xz": ["xz", "-2c", "-T0", "--block-size=16MiB"]}
        form = KNOWN[name][0]
        if form in packers:
            with open(raw, "rb") as source, open(part, "wb") as target:
                call(*packers[form], stdin=source, stdout=target)
            return
        options = {"disk-zlib.qcow2": ["-c"], "large.qcow2": ["-c"],
                   "disk-zstd.qcow2": ["-c", "-o", "compression_type=zstd"],
                   "disk-stream.vmdk": ["-o", "subformat=streamOptimized"]}.get(name, [])
        call("qemu-img", "convert", "-m", 8, "-W", "-f", "raw", "-O", form, *options, raw, part)

    def paths(self, name, entries, choice):
        """A file with paths of a list, one in each line, that `choice` picks."""
        place = self.at(name)
        with open(self.at(entries), encoding="utf-8") as file:
            fields = [line.rstrip("\n").split("\t", 2) for line in file]
        regular = [(int(size), path) for kind, size, path in fields if kind == "f"]
        with open(place, "w", encoding="utf-8") as file:
            file.writelines(f"{path}\n" for path in choice(regular))
        return place


def partition_table(start, length):
    """An MBR with one Linux partition."""
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff",
                        start // 512, length // 512)
    return bytes(440) + b"imgm\0\0" + entry + bytes(48) + b"\x55\xaa"
