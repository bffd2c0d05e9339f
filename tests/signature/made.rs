//! A smallest image of every signature: as few bytes as libblkid believes.

const KIB: i64 = 1024;

/// Bytes at an offset; below zero from the end.
type Patch = (i64, Vec<u8>);

/// An image of zeros but for `patches`, with checksums by `seal`.
pub struct Sample {
    pub name: &'static str,
    size: i64,
    patches: Vec<Patch>,
    seal: fn(&mut [u8]),
}

impl Sample {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap()];
        for (offset, patch) in &self.patches {
            let at = if *offset < 0 {
                self.size + offset
            } else {
                *offset
            };
            let at = usize::try_from(at).unwrap();
            bytes[at..at + patch.len()].copy_from_slice(patch);
        }
        (self.seal)(&mut bytes);
        bytes
    }
}

/// A sample of `size` KiB.
pub fn sample(name: &'static str, size: i64, patches: &[(i64, &[u8])]) -> Sample {
    sealed(name, size, patches, |_| ())
}

/// The same, with checksums by `seal`.
pub fn sealed(
    name: &'static str,
    size: i64,
    patches: &[(i64, &[u8])],
    seal: fn(&mut [u8]),
) -> Sample {
    let patches = patches.iter();
    Sample {
        name,
        // What is no larger than a floppy is no array for libblkid.
        size: size.max(2048) * KIB,
        patches: patches.map(|(at, bytes)| (*at, bytes.to_vec())).collect(),
        seal,
    }
}

const MD: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];

/// Every sample.
pub fn all() -> Vec<Sample> {
    let samples = [raids(), volumes(), file_systems(), others()];
    samples.into_iter().flatten().collect()
}

/// Arrays.
fn raids() -> Vec<Sample> {
    let md_1 = |at: i64, bytes: i64| {
        let place = u64::try_from(bytes / 512).unwrap().to_le_bytes();
        let version: &[u8] = &[1];
        sample(
            "linux_raid_member",
            256,
            &[(at, MD), (at + 4, version), (at + 144, &place)],
        )
    };
    vec![
        sample(
            "linux_raid_member",
            1024,
            &[(-64 * KIB, MD), (-64 * KIB + 8, &[90])],
        ),
        md_1(-8 * KIB, 2040 * KIB),
        md_1(0, 0),
        md_1(4096, 4096),
        sample(
            "ddf_raid_member",
            2048,
            &[(-512, &[0xde, 0x11, 0xde, 0x11]), (-480, b"02.00.00")],
        ),
        sample(
            "isw_raid_member",
            2048,
            &[(-1024, b"Intel Raid ISM Cfg Sig. 1.1.00")],
        ),
        sample("lsi_mega_raid_member", 2048, &[(-512, b"$XIDE$")]),
        sealed(
            "via_raid_member",
            2048,
            &[(-512, &[0x55, 0xaa, 1, 7])],
            |bytes| {
                let at = bytes.len() - 512;
                bytes[at + 50] = bytes[at..at + 50]
                    .iter()
                    .fold(0, |sum: u8, it| sum.wrapping_add(*it));
            },
        ),
        sealed(
            "silicon_medley_raid_member",
            2048,
            &[(-512 + 0x60, &[0, 0, 0, 0x2f])],
            |bytes| {
                let at = bytes.len() - 512;
                bytes[at + 0x13f] = 0xd1;
            },
        ),
        sample("nvidia_raid_member", 2048, &[(-1024, b"NVIDIA  ")]),
        sample(
            "promise_fasttrack_raid_member",
            2048,
            &[(-63 * 512, b"Promise Technology, Inc.")],
        ),
        sample(
            "promise_fasttrack_raid_member",
            2048,
            &[(-3087 * 512, b"Promise Technology, Inc.")],
        ),
        sample(
            "hpt45x_raid_member",
            2048,
            &[(-11 * 512, &[0xf3, 0x16, 0x78, 0x5a])],
        ),
        sample(
            "hpt37x_raid_member",
            2048,
            &[(4640, &[0xf0, 0x16, 0x78, 0x5a])],
        ),
        sample(
            "adaptec_raid_member",
            2048,
            &[(-512, &[0x37, 0xfc, 0x4d, 0x1e]), (-256, b"DPTM")],
        ),
        sealed(
            "jmicron_raid_member",
            2048,
            &[(-512, b"JM\x01\0")],
            |bytes| {
                let at = bytes.len() - 512;
                let sum = u16::from_le_bytes(*b"JM").wrapping_add(1);
                bytes[at + 126..at + 128].copy_from_slice(&0_u16.wrapping_sub(sum).to_le_bytes());
            },
        ),
    ]
}

/// The checksum of LVM's labels, a CRC-32 with its own start and nothing done at the end.
fn lvm_crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!0xf597_a6cf);
    hasher.update(bytes);
    !hasher.finalize()
}

/// Volume managers, encryption, and what else lies under file systems.
fn volumes() -> Vec<Sample> {
    const BCACHE: &[u8] = &[
        0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d,
        0x81,
    ];
    let uberblock: &[u8] = &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
    let ring: Vec<(i64, &[u8])> = (128..132).map(|slot| (slot * KIB, uberblock)).collect();
    let last: Vec<(i64, &[u8])> = (-128..-124).map(|slot| (slot * KIB, uberblock)).collect();
    vec![
        sample("bcache", 64, &[(4104, &[8]), (4120, BCACHE)]),
        sample("ceph_bluestore", 64, &[(0, b"bluestore block device\n")]),
        sample("drbd", 1024, &[(-4096 + 60, &[0x83, 0x74, 0x02, 0x6b])]),
        sample("drbd", 1024, &[(-4096 + 60, &[0x83, 0x74, 0x02, 0x6d])]),
        sample(
            "drbdmanage_control_volume",
            64,
            &[(0, b"$DRBDmgr=q!"), (11, &[b'a'; 32]), (43, b"\n")],
        ),
        sample("drbdproxy_datalog", 64, &[(0, b"DRBDdlh*")]),
        sealed(
            "LVM2_member",
            64,
            &[(512, b"LABELONE\x01"), (532, &[32]), (536, b"LVM2 001")],
            |bytes| {
                let crc = lvm_crc(&bytes[532..1024]);
                bytes[528..532].copy_from_slice(&crc.to_le_bytes());
            },
        ),
        sample("LVM1_member", 64, &[(0, b"HM\x01\0")]),
        sample("DM_snapshot_cow", 64, &[(0, b"SnAp\x01\0\0\0")]),
        sample("DM_snapshot_cow", 64, &[(0, b"SnAp")]),
        sample("DM_verity_hash", 64, &[(0, b"verity\0\0\x01\0\0\0\x01")]),
        sample("DM_integrity", 64, &[(0, b"integrt\0\x01")]),
        sample("crypto_LUKS", 64, &[(0, b"LUKS\xba\xbe\0\x01")]),
        sample("crypto_LUKS", 64, &[(0, b"LUKS\xba\xbe\0\x02")]),
        sample(
            "crypto_LUKS",
            64,
            &[(0x4000, b"SKUL\xba\xbe\0\x02"), (0x4106, &[0x40])],
        ),
        sample(
            "VMFS_volume_member",
            4096,
            &[(1024 * KIB, &[0x0d, 0xd0, 0x01, 0xc0])],
        ),
        sample("ubi", 64, &[(0, b"UBI#\x01")]),
        sample("vdo", 64, &[(0, b"dmvdo001")]),
        sealed(
            "stratis",
            64,
            &[(516, b"!Stra0tis\x86\xff\x02^\x41rh")],
            |bytes| {
                let crc = crc32c::crc32c(&bytes[516..1024]);
                bytes[512..516].copy_from_slice(&crc.to_le_bytes());
            },
        ),
        sealed(
            "stratis",
            64,
            &[(4612, b"!Stra0tis\x86\xff\x02^\x41rh")],
            |bytes| {
                let crc = crc32c::crc32c(&bytes[4612..5120]);
                bytes[4608..4612].copy_from_slice(&crc.to_le_bytes());
            },
        ),
        sample(
            "BitLocker",
            4096,
            &[
                (0, b"\xeb\x58\x90-FVE-FS-"),
                (11, &[0, 2, 8]),
                (160, &[0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a]),
                (168, &[0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01]),
                (178, &[0x10]),
                (1024 * KIB, b"-FVE-FS-\0\0\x02\0"),
            ],
        ),
        sample(
            "cs_fvault2",
            64,
            &[
                (8, &[1, 0, 0x10, 0]),
                (88, b"CS\x01"),
                (168, &[16]),
                (172, &[2]),
            ],
        ),
        sample("zfs_member", 65536, &ring),
        sample("zfs_member", 65536, &last),
        sealed("mpool", 64, &[(0, b"mpoolDev"), (8, b"pool")], |bytes| {
            let crc = crc32c::crc32c(&bytes[..62]);
            bytes[62..66].copy_from_slice(&crc.to_le_bytes());
        }),
        sealed(
            "opensvc_hb",
            64,
            &[
                (4, &[0x3d, 0xc1, 0x3c, 0x87, 0xc0, 0x5b, 0xe3, 0xb6, 1]),
                (17, &[0x10]),
            ],
            |bytes| {
                let crc = crc32c::crc32c_append(crc32c::crc32c(&[0; 4]), &bytes[4..40]);
                bytes[..4].copy_from_slice(&crc.to_le_bytes());
            },
        ),
    ]
}

/// A superblock of XFS's shape.
fn xfs(name: &'static str, magic: &'static [u8]) -> Sample {
    sample(
        name,
        300 * 1024,
        &[
            (0, magic),
            (6, &[0x10]),                           // blocks of 4096 bytes
            (14, &[1]),                             // dblocks: 65536
            (80, &[0, 0, 0, 1]),                    // rextsize
            (84, &[0, 1, 0, 0, 0, 0, 0, 1]),        // agblocks, agcount
            (100, &[0xb4, 0xb5, 2, 0, 2, 0, 0, 8]), // version, sectsize, inodesize, inopblock
            (120, &[12, 9, 9, 3, 16, 0, 0, 25]),
        ],
    )
}

/// File systems of today's systems, and swap.
fn file_systems() -> Vec<Sample> {
    const BCACHEFS: &[u8] = &[
        0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7,
        0xef,
    ];
    let swap = |page: i64, name: &'static str, magic: &'static [u8]| {
        sample(name, 128, &[(page - 10, magic), (KIB, &[1, 0, 0, 0, 9])])
    };
    vec![
        xfs("xfs", b"XFSB"),
        sample("btrfs", 1024, &[(65600, b"_BHRfS_M")]),
        sample("bcachefs", 64, &[(4104, &[8]), (4120, BCACHEFS)]),
        sample(
            "f2fs",
            64,
            &[(1024, &[0x10, 0x20, 0xf5, 0xf2, 1, 0, 16, 0])],
        ),
        sample(
            "erofs",
            64,
            &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1036, &[12])],
        ),
        sample("squashfs", 64, &[(0, b"hsqs"), (28, &[4])]),
        sample("squashfs3", 64, &[(0, b"sqsh"), (28, &[0, 3])]),
        sample(
            "cramfs",
            64,
            &[(0, &[0x45, 0x3d, 0xcd, 0x28]), (16, b"Compressed ROMFS")],
        ),
        sample("romfs", 64, &[(0, b"-rom1fs-")]),
        sample(
            "ntfs",
            1024,
            &[
                (0, b"\xeb\x52\x90NTFS    \0\x02\x08"),
                (21, &[0xf8]),
                (41, &[8]),
                (48, &[4]),
                (64, &[0xf6]),
                (510, &[0x55, 0xaa]),
                (16 * KIB, b"FILE"),
                (19 * KIB, b"FILE"),
            ],
        ),
        sample("ReFS", 64, &[(3, b"ReFS")]),
        sample(
            "vfat",
            1440,
            &[
                (
                    0,
                    b"\xeb\x3c\x90mkfs.fat\0\x02\x01\x01\0\x02\xe0\0\x40\x0b\xf0\x09\0",
                ),
                (54, b"FAT12   "),
                (510, &[0x55, 0xaa]),
            ],
        ),
        sample("iso9660", 128, &[(32768, b"\x01CD001\x01")]),
        sample("iso9660", 128, &[(32776, b"\x01CDROM\x01")]),
        sample("hfsplus", 64, &[(1024, b"H+\0\x04"), (1066, &[0x10])]),
        sample("hfs", 64, &[(1024, b"BD"), (1046, &[2])]),
        sample(
            "apfs",
            64,
            &[
                (8, &[1]),
                (24, &[1, 0, 0, 0x80]),
                (32, b"NXSB"),
                (37, &[0x10]),
            ],
        ),
        sample(
            "jfs",
            16384,
            &[
                (32768, b"JFS1\x02"),
                (32785, &[0x10, 0, 0, 12, 0, 3, 0, 0, 2, 0, 0, 9]),
            ],
        ),
        sample(
            "reiserfs",
            1024,
            &[(65588, b"ReIsEr2Fs"), (65548, &[18]), (65581, &[0x10])],
        ),
        sample("reiser4", 1024, &[(65536, b"ReIsEr4")]),
        sample("zonefs", 64, &[(0, b"SFOZ")]),
        sample("ubifs", 64, &[(0, &[0x31, 0x18, 0x10, 0x06])]),
        swap(4096, "swap", b"SWAPSPACE2"),
        swap(4096, "swap", b"SWAP-SPACE"),
        swap(65536, "swap", b"SWAPSPACE2"),
        swap(8192, "swsuspend", b"S1SUSPEND"),
        swap(4096, "swsuspend", b"S2SUSPEND"),
        swap(4096, "swsuspend", b"ULSUSPEND"),
        swap(4096, "swsuspend", b"LINHIB0001"),
    ]
}

/// File systems of clusters, of other systems, and older ones.
fn others() -> Vec<Sample> {
    const GFS: &[u8] = &[0x01, 0x16, 0x19, 0x70, 0, 0, 0, 1];
    vec![
        sample(
            "gfs",
            32768,
            &[(65536, GFS), (65560, &[0, 0, 0x05, 0x1d, 0, 0, 0x05, 0x79])],
        ),
        sample(
            "gfs2",
            32768,
            &[(65536, GFS), (65560, &[0, 0, 0x07, 0x09, 0, 0, 0x07, 0x6c])],
        ),
        sample("ocfs", 14000, &[(8192, b"OracleCFS")]),
        sample("ocfs2", 14000, &[(2048, b"OCFSV2")]),
        sample("oracleasm", 64, &[(32, b"ORCLDISK")]),
        sample(
            "scoutfs_meta",
            256,
            &[(65540, &[0x8b, 0x42, 0x3c, 0x10]), (65584, &[1])],
        ),
        sample("scoutfs_data", 256, &[(65540, &[0x8b, 0x42, 0x3c, 0x10])]),
        xfs("exfs", b"EXFS"),
        sample("nss", 64, &[(4096, b"SPB5")]),
        sample(
            "hpfs",
            64,
            &[
                (8192, &[0x49, 0xe8, 0x95, 0xf9, 0xc5, 0xe9, 0x53, 0xfa, 2]),
                (8704, &[0x49, 0x18, 0x91, 0xf9]),
            ],
        ),
        sample("ufs", 512, &[(9564, &[0x54, 0x19, 0x01, 0])]),
        sample("ufs", 512, &[(66908, &[0x19, 0x01, 0x54, 0x19])]),
        sample("ufs", 512, &[(9564, &[0, 0x09, 0x50, 0x14])]),
        sample("sysv", 64, &[(1016, &[0x20, 0x7e, 0x18, 0xfd])]),
        sample("sysv", 64, &[(19448, &[0xfd, 0x18, 0x7e, 0x20])]),
        sample("xenix", 64, &[(2048, &[0x44, 0x55, 0x2b])]),
        sample("efs", 64, &[(540, &[0, 0x07, 0x29, 0x59])]),
        sample("bfs", 64, &[(0, &[0xce, 0xfa, 0xad, 0x1b])]),
        sample("vxfs", 64, &[(1024, &[0xf5, 0xfc, 0x01, 0xa5])]),
        sample("VMFS", 4096, &[(2048 * KIB, &[0x5e, 0xf1, 0xab, 0x2f])]),
    ]
}
