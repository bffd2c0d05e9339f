//! The images, by mke2fs, debugfs and e2fsck.

use crate::family::Seed;
use crate::tools::Workshop;

/// Features of the modern seeds; what mke2fs.conf says does not count.
const EXT4: &str = "ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
    huge_file,dir_nlink,extra_isize,metadata_csum";

/// What differs between two seeds.
struct Recipe {
    name: &'static str,
    features: String,
    options: &'static str,
    /// Of 1 KiB.
    blocks: u32,
    /// Names in the directory `many`, each in four of a block.
    names: usize,
    /// Commands for debugfs when the rest is done.
    script: &'static str,
}

pub fn all() -> Vec<Seed> {
    let ext4 = |more: &str| format!("none,{EXT4}{more}");
    let recipes = [
        Recipe {
            name: "ext2",
            features: "none,ext_attr,dir_index,filetype,sparse_super,large_file".to_owned(),
            options: "-b 1024 -I 128",
            blocks: 700,
            names: 12,
            script: "",
        },
        Recipe {
            name: "ext3",
            features: "none,ext_attr,dir_index,filetype,sparse_super,has_journal".to_owned(),
            options: "-b 1024 -I 128 -J size=1",
            blocks: 1800,
            names: 12,
            script: "jo\njw -b 100,101,102 page\njw -b 103 -r 101 page\njc\n",
        },
        Recipe {
            name: "ext4",
            features: ext4(""),
            options: "-b 1024 -I 256 -g 512",
            blocks: 1000,
            names: 40,
            script: "",
        },
        Recipe {
            name: "ext4-inline",
            features: ext4(",inline_data,ea_inode"),
            options: "-b 1024 -I 256",
            blocks: 500,
            names: 12,
            script: "ea_set -f page hello.txt user.huge\n",
        },
        Recipe {
            name: "ext4-journal",
            features: ext4(",has_journal"),
            options: "-b 1024 -I 256 -J size=1",
            blocks: 1900,
            names: 12,
            script: "jo -c -v 3\njw -b 300,301 page\njw -b 302 -r 300 page\njc\n",
        },
        Recipe {
            name: "ext4-sums16",
            features: "none,ext_attr,dir_index,filetype,extent,uninit_bg,sparse_super,flex_bg"
                .to_owned(),
            options: "-b 4096 -I 256",
            blocks: 1600,
            names: 12,
            script: "",
        },
    ];
    recipes.iter().filter_map(Recipe::make).collect()
}

impl Recipe {
    fn make(&self) -> Option<Seed> {
        let workshop = Workshop::new(&format!("ext: {}", self.name))?;
        self.write_files(&workshop)?;
        workshop.zeros("image", u64::from(self.blocks) * 1024)?;
        workshop.run(&format!(
            "mke2fs -q -F -N 48 -m 0 -O {} {} -U 3e3f6d2a-8b1c-4d5e-9f00-112233445566 \
             -E hash_seed=3e3f6d2a-8b1c-4d5e-9f00-112233445567,root_owner=0:0 -d files image",
            self.features, self.options
        ))?;
        let common = "ea_set xattr.txt user.small value\nea_set -f value xattr.txt user.big\n\
            mknod block b 8 1\nmknod char c 1 3\nmknod fifo p\n";
        workshop.write("value", &pattern(600, 9))?;
        workshop.write("page", &pattern(1024, 5))?;
        workshop.run_with("debugfs -w image", common.as_bytes())?;
        // Hash trees are its work; 1 says that it has changed something.
        let sort = b"e2fsck -f -y -D image > said; test $? -le 1";
        workshop.run_with("sh", sort)?;
        if !self.script.is_empty() {
            workshop.run_with("debugfs -w image", self.script.as_bytes())?;
        }
        Some(Seed::alone(self.name, workshop.read("image")?))
    }

    fn write_files(&self, workshop: &Workshop) -> Option<()> {
        let comb = |teeth: usize, every: usize| {
            let mut bytes = vec![0; teeth * every];
            for tooth in bytes.chunks_mut(every) {
                tooth[..1024].copy_from_slice(&pattern(1024, every));
            }
            bytes
        };
        let files = [
            ("hello.txt", b"Hello, image\n".to_vec()),
            ("plain.bin", pattern(20_603, 1)),
            ("comb.bin", comb(40, 8192)),
            ("wide.bin", comb(4, 400 << 10)),
            ("xattr.txt", b"x\n".to_vec()),
            ("dir/sub/leaf.txt", b"leaf\n".to_vec()),
        ];
        for (name, bytes) in files {
            workshop.write(&format!("files/{name}"), &bytes)?;
        }
        workshop.write("files/many/000", b"one of many\n")?;
        for number in 1..self.names {
            let name = format!("files/many/{number:03}-{}", "n".repeat(200));
            workshop.run(&format!("ln files/many/000 {name}"))?;
        }
        workshop.run("ln -s ../hello.txt files/dir/fast")?;
        let slow = "t".repeat(200);
        workshop.run(&format!("ln -s /{slow} files/dir/slow"))?;
        Some(())
    }
}

/// `len` bytes, none of them zero, that depend on `salt`.
fn pattern(len: usize, salt: usize) -> Vec<u8> {
    let byte = |at: usize| ((at * 7 + salt + (at >> 8)) % 251 + 1) as u8;
    (0..len).map(byte).collect()
}
