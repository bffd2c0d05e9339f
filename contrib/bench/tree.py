"""The files that the images hold: names, sizes and contents, all from one seed.

The tree is like that of a Debian system: packages with documentation, programs, libraries and their
links, Python modules, manual pages, translations, and one flat directory of a package manager. The
sizes are log-normal as on real disks: most files are a few KiB, most bytes are in a few files. The
contents are pieces of this machine's own /usr, of seeded text and of noise, so that they pack as a
system's do, to about two fifths; what a system keeps packed (*.gz, *.png) is all noise.
"""

import os
import random
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    name: str
    entries: int  # in the tree
    bytes: int  # in its files
    disk: int  # of the disk that holds it
    wide: int  # entries of the one large directory
    contiguous: int  # bytes of the large file in one piece
    fragmented: int  # bytes of the one in pieces of 64 KiB
    pool: int  # bytes that contents are cut from
    needed: int  # bytes of disk for all images, and for making them


FULL = Size("full", 80_000, 2_900_000_000, 4 << 30, 100_000, 256 * MIB, 128 * MIB, 192 * MIB, 13 << 30)
QUICK = Size("quick", 2_000, 40_000_000, 80 * MIB, 2_000, 12 * MIB, 4 * MIB, 6 * MIB, 1 << 30)

SYLLABLES = "ba co de fi gnu ha ir jo ka li mo ne os pu qui ra se ti ul vo wa xo yl ze".split()
PACKED = (".gz", ".png", ".whl")


def word(rng, least=2, most=4):
    """A word that could be the name of a package."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(least, most)))


def text(rng, size):
    """Words as often as in real text: few often, most rarely."""
    words = sorted({word(rng, 1, 4) for _ in range(4000)})
    rng.shuffle(words)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    pieces, length = [], 0
    while length < size:
        line = " ".join(rng.choices(words, weights, k=20_000)).replace(" ba ", ".\n").encode()
        pieces.append(line)
        length += len(line)
    return b"".join(pieces)[:size]


def files_of_this_machine(rng, size):
    """Bytes of programs, libraries and data in /usr, in an order that the seed gives."""
    found = []
    for top in ("/usr/bin", "/usr/lib", "/usr/share"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            found += [os.path.join(folder, name) for name in sorted(names)]
    rng.shuffle(found)
    pieces, length = [], 0
    for path in found:
        if length >= size:
            break
        try:
            if os.path.islink(path) or path.endswith(PACKED) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                piece = file.read(8 * MIB)
        except OSError:
            continue
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)[:size]


class Contents:
    """Cuts contents of any size out of a pool."""

    def __init__(self, size):
        rng = random.Random("contents")
        own = files_of_this_machine(rng, size.pool * 5 // 8)
        self.noise = rng.randbytes(size.pool // 4)
        own += text(rng, size.pool - len(own) - len(self.noise))
        slabs = [kind[at : at + 65536] for kind in (own, self.noise) for at in range(0, len(kind), 65536)]
        rng.shuffle(slabs)
        self.pool = b"".join(slabs)
        self.rng = rng

    def write(self, file, size, packed=False):
        """Writes that many bytes, which no other file has in the same place of a block."""
        pool = self.noise if packed else self.pool
        while size:
            start = self.rng.randrange(len(pool))
            piece = pool[start : start + min(size, 4 * MIB)]
            file.write(piece)
            size -= len(piece)


def package(rng, name):
    """The files of one package: (kind, path, target of a link) each."""
    yield "f", f"usr/share/doc/{name}/copyright", ""
    yield "f", f"usr/share/doc/{name}/changelog.Debian.gz", ""
    yield "f", f"var/lib/dpkg/info/{name}.list", ""
    yield "f", f"var/lib/dpkg/info/{name}.md5sums", ""
    if rng.random() < 0.5:
        yield "f", f"usr/bin/{name}", ""
        yield "f", f"usr/share/man/man1/{name}.1.gz", ""
    if rng.random() < 0.5:
        library = f"usr/lib/x86_64-linux-gnu/lib{name}.so"
        yield "f", f"{library}.1.2.3", ""
        yield "l", f"{library}.1", f"lib{name}.so.1.2.3"
        yield "l", library, f"lib{name}.so.1"
    for _ in range(rng.choice((0, 0, 1, 3))):
        yield "f", f"usr/share/locale/{word(rng, 1, 1)}/LC_MESSAGES/{name}.mo", ""
    for top, end, most in (
        (f"usr/lib/python3/dist-packages/{name}", ".py", 60),
        (f"usr/share/{name}", ".png", 20),
        (f"usr/share/{name}/data", "", 90),
        (f"usr/include/{name}", ".h", 50),
        (f"usr/lib/modules/{name}", ".ko", 80),
    ):
        if rng.random() < 0.25:
            for number in range(rng.randint(2, most)):
                below = f"{word(rng, 1, 1)}/" if rng.random() < 0.1 else ""
                yield "f", f"{top}/{below}{word(rng)}{number}{end}", ""


def names(size):
    """All entries of the tree: {path: (kind, target)}, a directory before what is in it."""
    rng = random.Random("names")
    found = {"etc": ("d", ""), "home": ("d", "")}
    count = 0
    while len(found) < size.entries:
        count += 1
        for kind, path, target in package(rng, f"{word(rng)}{count}"):
            parts = path.split("/")
            for depth in range(1, len(parts)):
                found.setdefault("/".join(parts[:depth]), ("d", ""))
            found.setdefault(path, (kind, target))
    return found


def sizes(count, total):
    """As many sizes, of that sum within a few bytes: what is small stays as small."""
    rng = random.Random("sizes")
    drawn = [min(int(rng.lognormvariate(8.2, 2.1)), 48 * MIB) for _ in range(count)]
    small = sum(size for size in drawn if size <= 65536)
    large = sum(drawn) - small
    scale = max(total - small, 0) / max(large, 1)
    return [size if size <= 65536 else max(65536, int(size * scale)) for size in drawn]


def age(path, rng):
    """Gives it a time of its own that is the same each time."""
    when = 1_600_000_000 + rng.randrange(100_000_000)
    os.utime(path, (when, when), follow_symlinks=False)


def plant(folder, size):
    """Makes the tree in the folder; gives its list for the null file system, and the paths and
    sizes of the regular files."""
    contents, entries, rng = Contents(size), names(size), random.Random("ages")
    regular = [path for path, (kind, _) in entries.items() if kind == "f"]
    lengths = dict(zip(regular, sizes(len(regular), size.bytes)))
    lines = []
    for path, (kind, target) in entries.items():
        place = os.path.join(folder, path)
        if kind == "d":
            os.mkdir(place)
        elif kind == "l":
            os.symlink(target, place)
        else:
            with open(place, "wb") as file:
                contents.write(file, lengths[path], path.endswith(PACKED))
        lines.append(f"{kind}\t{lengths.get(path, target)}\t{path}")
    for path in reversed(entries):
        age(os.path.join(folder, path), rng)
    return lines, lengths


def plant_wide(folder, count):
    """One directory with many files that have a size and no contents; gives the list."""
    rng = random.Random("wide")
    os.mkdir(os.path.join(folder, "wide"))
    lines = ["d\t\twide"]
    for number in range(count):
        path = f"wide/{word(rng)}-{number:06}.dat"
        length = rng.randrange(100_000)
        with open(os.path.join(folder, path), "wb") as file:
            file.truncate(length)
        age(os.path.join(folder, path), rng)
        lines.append(f"f\t{length}\t{path}")
    return lines
