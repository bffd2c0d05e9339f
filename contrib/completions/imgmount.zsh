#compdef imgmount

autoload -U is-at-least

_imgmount() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--idle-timeout=[Unmount when nobody has used it for so long\: 90, 5m, 1h]:DURATION:_default' \
'--ready-fd=[Write a line to this descriptor when the tree can be used, and close it then or on failure]:NUMBER:_default' \
'--pid-file=[Keep the number of the process that unmounts in this file]:FILE:_files' \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--completions=[Write the completions of this shell to standard output]:SHELL:(bash zsh fish)' \
'-f[Stay in the foreground]' \
'--foreground[Stay in the foreground]' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'--manual[Write the manual page imgmount(1) to standard output]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
':image -- The disk image, or a block device:_files' \
'::mountpoint -- Where to mount; without it ./NAME is made, and removed again on unmount:_files -/' \
":: :_imgmount_commands" \
"*::: :->imgmount" \
&& ret=0
    case $state in
    (imgmount)
        words=($line[3] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:imgmount-command-$line[3]:"
        case $line[3] in
            (mount)
_arguments "${_arguments_options[@]}" : \
'--idle-timeout=[Unmount when nobody has used it for so long\: 90, 5m, 1h]:DURATION:_default' \
'--ready-fd=[Write a line to this descriptor when the tree can be used, and close it then or on failure]:NUMBER:_default' \
'--pid-file=[Keep the number of the process that unmounts in this file]:FILE:_files' \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'-f[Stay in the foreground]' \
'--foreground[Stay in the foreground]' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'::mountpoint -- Where to mount; without it ./NAME is made, and removed again on unmount:_files -/' \
&& ret=0
;;
(info)
_arguments "${_arguments_options[@]}" : \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--json[As JSON, for programs]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
&& ret=0
;;
(ls)
_arguments "${_arguments_options[@]}" : \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'-l[One line each with mode, links, owner, group, size and time (UTC)]' \
'-a[Names that start with a dot as well]' \
'-R[Directories within directories as well]' \
'--recursive[Directories within directories as well]' \
'--json[One JSON object a line, with everything that is known of each file]' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'*::paths -- What to list; without it, the root of the tree:_default' \
&& ret=0
;;
(cat)
_arguments "${_arguments_options[@]}" : \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'*::paths -- The files, with the same paths as in the mount:_default' \
&& ret=0
;;
(cp)
_arguments "${_arguments_options[@]}" : \
'--preserve=[Keep set-uid and set-gid bits, device nodes and file capabilities too]:WHAT:((all\:"Everything, also what gives rights on this machine"))' \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':image -- The disk image, or a block device:_files' \
'*::paths -- The files and directories in the image, then where they go, as in cp -r:_default' \
&& ret=0
;;
(convert)
_arguments "${_arguments_options[@]}" : \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--force[Overwrite OUT]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'*::volume_and_out -- The volume (2, p2, LABEL=x, ...; the whole disk without one), then the file to write:_default' \
&& ret=0
;;
(tar)
_arguments "${_arguments_options[@]}" : \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--zstd[Pack the archive with zstd, on all cores]' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'::path -- The directory whose contents, or the file, that is archived; without it, everything but the raw .img files:_default' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--json[As JSON, for programs]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'-p+[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--partition=[Only this volume\: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x]:VOLUME:_default' \
'--layout=[A directory for each volume, or the one file system directly \[default\: auto\]]:LAYOUT:(auto volumes direct)' \
'--format=[Take it for this format, whatever else it may look like\: raw, qcow2, gpt, ext4; and what it holds for the next\: gzip,raw]:NAME,...:_default' \
'--snapshot=[This internal snapshot instead of what is current, by name or number]:NAME|ID:_default' \
'--disk=[Only this disk of an image that holds several]:NAME:_default' \
'*--allow-file=[This file may be opened where an image names it\: its backing file in another directory]:PATH:_files' \
'*--allow-dir=[Every regular file in this directory, and beneath it, may be opened where an image names it]:DIR:_files -/' \
'*--with=[Another image whose disks belong to this one'\''s\: of the same volume group, array or file system]:IMAGE:_files' \
'--offset=[Where in the file the disk or volume starts]:SIZE:_default' \
'--length=[How long it is; without it, to the end of the file]:SIZE:_default' \
'--sector-size=[Bytes in a sector of the disk; without it, as the partition table shows itself]:SIZE:_default' \
'--cache-size=[Memory for cached blocks \[default\: 64M\]]:SIZE:_default' \
'--session=[This session of a disc with several, from 1; without it, the last]:NUMBER:_default' \
'*--key=[A file with the key or passphrase of this volume, or of any\: p3\:FILE, UUID=x\:FILE, FILE]:[VOLUME:]FILE:_files' \
'--keyfile-offset=[Where in each of these files the key starts]:SIZE:_default' \
'--keyfile-size=[How long the key is; without it, to the end of the file]:SIZE:_default' \
'*--passphrase-fd=[Read a passphrase, one line, from this descriptor]:NUMBER:_default' \
'*--header=[The detached header of this encrypted volume, or of the whole disk]:[VOLUME:]FILE:_files' \
'--kdf-limit=[The most memory and time that making a key from a passphrase may take \[default\: 1G\:10\]]:SIZE[:SECONDS]:_default' \
'*-o+[Options as in mount(8) and fstab\: allow_other, uid=N, gid=N, umask=N, codepage=N, ...]:OPTION,...:_default' \
'--no-raw[Leave out the raw .img files]' \
'--no-index[Neither use nor keep the index of a compressed image]' \
'--ignore-checksums[Read structures whose checksum is wrong]' \
'--no-replay[Show the disk as it lies, without what is in its journal]' \
'--no-ask[Never ask for a passphrase at the terminal]' \
'--strict[Fail where something stays locked]' \
'--require-sandbox[Refuse to go on where this system does not have all of the sandbox]' \
'(--require-sandbox)--no-sandbox[Parse the image without the sandbox]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':image -- The disk image, or a block device:_files' \
'*::command -- The command; {} in it, and $IMGMOUNT, are the mount point:_cmdambivalent' \
&& ret=0
;;
(umount)
_arguments "${_arguments_options[@]}" : \
'-l[Also where files on it are in use\: it goes from sight now, for good when they are closed]' \
'--lazy[Also where files on it are in use\: it goes from sight now, for good when they are closed]' \
'*-v[Say more on standard error; twice\: still more]' \
'*--verbose[Say more on standard error; twice\: still more]' \
'-h[Print help]' \
'--help[Print help]' \
':mountpoint -- Where it is mounted:_files -/' \
&& ret=0
;;
(self-test)
_arguments "${_arguments_options[@]}" : \
'--no-sandbox[Without the sandbox, for comparison]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_imgmount_commands] )) ||
_imgmount_commands() {
    local commands; commands=(
'mount:Mount an image (the verb may be left out)' \
'info:Show the layers of an image\: table, partitions, file systems' \
'ls:List files in an image' \
'cat:Write files of an image to standard output' \
'cp:Copy files out of an image' \
'convert:Write the disk, or one volume, as a sparse raw file' \
'tar:Write files of an image to standard output as a tar archive' \
'check:Read everything and report what is damaged' \
'run:Mount, run a command, unmount' \
'umount:Unmount' \
'self-test:Try what the process that parses images must not be able to do' \
    )
    _describe -t commands 'imgmount commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__cat_commands] )) ||
_imgmount__subcmd__cat_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount cat commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__check_commands] )) ||
_imgmount__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount check commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__convert_commands] )) ||
_imgmount__subcmd__convert_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount convert commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__cp_commands] )) ||
_imgmount__subcmd__cp_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount cp commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__info_commands] )) ||
_imgmount__subcmd__info_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount info commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__ls_commands] )) ||
_imgmount__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount ls commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__mount_commands] )) ||
_imgmount__subcmd__mount_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount mount commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__run_commands] )) ||
_imgmount__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount run commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__self-test_commands] )) ||
_imgmount__subcmd__self-test_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount self-test commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__tar_commands] )) ||
_imgmount__subcmd__tar_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount tar commands' commands "$@"
}
(( $+functions[_imgmount__subcmd__umount_commands] )) ||
_imgmount__subcmd__umount_commands() {
    local commands; commands=()
    _describe -t commands 'imgmount umount commands' commands "$@"
}

if [ "$funcstack[1]" = "_imgmount" ]; then
    _imgmount "$@"
else
    compdef _imgmount imgmount
fi
