"""Fills DIRECTORY, empty and on a mounted file system, as an encrypted one: adds a key to the
file system, sets the policy, and makes files with names and links of every length that matters.
Needs root. Usage: encrypt.py MOUNTPOINT DIRECTORY PADDING(0-3)"""

import fcntl
import os
import struct
import sys

mountpoint, directory, padding = sys.argv[1], sys.argv[2], int(sys.argv[3])

# struct fscrypt_add_key_arg: a specifier of type "identifier", filled in by the kernel; the key.
key = bytes(range(64))
argument = bytearray(struct.pack("<II32sII32x", 2, 0, b"", len(key), 0) + key)
at = os.open(mountpoint, os.O_RDONLY)
fcntl.ioctl(at, 0xC0506617, argument)  # FS_IOC_ADD_ENCRYPTION_KEY
identifier = bytes(argument[8:24])

# struct fscrypt_policy_v2: AES-256-XTS for contents, AES-256-CTS for names.
policy = struct.pack("<BBBBB3x16s", 2, 1, 4, padding, 0, identifier)
os.mkdir(directory)
at = os.open(directory, os.O_RDONLY)
fcntl.ioctl(at, 0x800C6613, policy)  # FS_IOC_SET_ENCRYPTION_POLICY

for length in [1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 143, 148, 149, 150, 160, 161, 200, 254, 255]:
    name = f"{length}-".ljust(length, "n")[:length]
    with open(os.path.join(directory, name), "wb") as file:
        file.write(b"secret " * length * 10)
for length in [1, 10, 30, 31, 59, 60, 100, 500, 1000]:
    os.symlink("t" * length, os.path.join(directory, f"link-{length}"))
below = os.path.join(directory, "below")
os.mkdir(below)
for number in range(300):
    os.link(os.path.join(directory, "1"), os.path.join(below, f"{number:0>60}"))
os.mkfifo(os.path.join(directory, "fifo"))
