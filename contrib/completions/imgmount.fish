# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_imgmount_global_optspecs
    string join \n f/foreground idle-timeout= ready-fd= pid-file= p/partition= layout= no-raw format= snapshot= disk= allow-file= allow-dir= with= offset= length= sector-size= cache-size= no-index ignore-checksums no-replay session= key= keyfile-offset= keyfile-size= passphrase-fd= header= kdf-limit= no-ask strict o= require-sandbox no-sandbox v/verbose completions= manual h/help V/version
end

function __fish_imgmount_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_imgmount_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_imgmount_using_subcommand
    set -l cmd (__fish_imgmount_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c imgmount -n "__fish_imgmount_needs_command" -l idle-timeout -d 'Unmount when nobody has used it for so long: 90, 5m, 1h' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l ready-fd -d 'Write a line to this descriptor when the tree can be used, and close it then or on failure' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l pid-file -d 'Keep the number of the process that unmounts in this file' -r -F
complete -c imgmount -n "__fish_imgmount_needs_command" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_needs_command" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_needs_command" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_needs_command" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_needs_command" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_needs_command" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_needs_command" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_needs_command" -l completions -d 'Write the completions of this shell to standard output' -r -f -a "bash\t''
zsh\t''
fish\t''"
complete -c imgmount -n "__fish_imgmount_needs_command" -s f -l foreground -d 'Stay in the foreground'
complete -c imgmount -n "__fish_imgmount_needs_command" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_needs_command" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_needs_command" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_needs_command" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_needs_command" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_needs_command" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_needs_command" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_needs_command" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_needs_command" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_needs_command" -l manual -d 'Write the manual page imgmount(1) to standard output'
complete -c imgmount -n "__fish_imgmount_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmount -n "__fish_imgmount_needs_command" -s V -l version -d 'Print version'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "mount" -d 'Mount an image (the verb may be left out)'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "info" -d 'Show the layers of an image: table, partitions, file systems'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "ls" -d 'List files in an image'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "cat" -d 'Write files of an image to standard output'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "cp" -d 'Copy files out of an image'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "convert" -d 'Write the disk, or one volume, as a sparse raw file'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "tar" -d 'Write files of an image to standard output as a tar archive'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "check" -d 'Read everything and report what is damaged'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "run" -d 'Mount, run a command, unmount'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "umount" -d 'Unmount'
complete -c imgmount -n "__fish_imgmount_needs_command" -a "self-test" -d 'Try what the process that parses images must not be able to do'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l idle-timeout -d 'Unmount when nobody has used it for so long: 90, 5m, 1h' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l ready-fd -d 'Write a line to this descriptor when the tree can be used, and close it then or on failure' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l pid-file -d 'Keep the number of the process that unmounts in this file' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -s f -l foreground -d 'Stay in the foreground'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand mount" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l json -d 'As JSON, for programs'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand info" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s l -d 'One line each with mode, links, owner, group, size and time (UTC)'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s a -d 'Names that start with a dot as well'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s R -l recursive -d 'Directories within directories as well'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l json -d 'One JSON object a line, with everything that is known of each file'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand ls" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand cat" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l preserve -d 'Keep set-uid and set-gid bits, device nodes and file capabilities too' -r -f -a "all\t'Everything, also what gives rights on this machine'"
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand cp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l force -d 'Overwrite OUT'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand convert" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l zstd -d 'Pack the archive with zstd, on all cores'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand tar" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l json -d 'As JSON, for programs'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand check" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -s p -l partition -d 'Only this volume: 2, p2, LABEL=x, UUID=x, PARTLABEL=x or PARTUUID=x' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l layout -d 'A directory for each volume, or the one file system directly [default: auto]' -r -f -a "auto\t''
volumes\t''
direct\t''"
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l format -d 'Take it for this format, whatever else it may look like: raw, qcow2, gpt, ext4; and what it holds for the next: gzip,raw' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l snapshot -d 'This internal snapshot instead of what is current, by name or number' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l disk -d 'Only this disk of an image that holds several' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l allow-file -d 'This file may be opened where an image names it: its backing file in another directory' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l allow-dir -d 'Every regular file in this directory, and beneath it, may be opened where an image names it' -r -f -a "(__fish_complete_directories)"
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l with -d 'Another image whose disks belong to this one\'s: of the same volume group, array or file system' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l offset -d 'Where in the file the disk or volume starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l length -d 'How long it is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l sector-size -d 'Bytes in a sector of the disk; without it, as the partition table shows itself' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l cache-size -d 'Memory for cached blocks [default: 64M]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l session -d 'This session of a disc with several, from 1; without it, the last' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l key -d 'A file with the key or passphrase of this volume, or of any: p3:FILE, UUID=x:FILE, FILE' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l keyfile-offset -d 'Where in each of these files the key starts' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l keyfile-size -d 'How long the key is; without it, to the end of the file' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l passphrase-fd -d 'Read a passphrase, one line, from this descriptor' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l header -d 'The detached header of this encrypted volume, or of the whole disk' -r -F
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l kdf-limit -d 'The most memory and time that making a key from a passphrase may take [default: 1G:10]' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -s o -d 'Options as in mount(8) and fstab: allow_other, uid=N, gid=N, umask=N, codepage=N, ...' -r
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l no-raw -d 'Leave out the raw .img files'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l no-index -d 'Neither use nor keep the index of a compressed image'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l ignore-checksums -d 'Read structures whose checksum is wrong'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l no-replay -d 'Show the disk as it lies, without what is in its journal'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l no-ask -d 'Never ask for a passphrase at the terminal'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l strict -d 'Fail where something stays locked'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l require-sandbox -d 'Refuse to go on where this system does not have all of the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -l no-sandbox -d 'Parse the image without the sandbox'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand run" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand umount" -s l -l lazy -d 'Also where files on it are in use: it goes from sight now, for good when they are closed'
complete -c imgmount -n "__fish_imgmount_using_subcommand umount" -s v -l verbose -d 'Say more on standard error; twice: still more'
complete -c imgmount -n "__fish_imgmount_using_subcommand umount" -s h -l help -d 'Print help'
complete -c imgmount -n "__fish_imgmount_using_subcommand self-test" -l no-sandbox -d 'Without the sandbox, for comparison'
complete -c imgmount -n "__fish_imgmount_using_subcommand self-test" -s h -l help -d 'Print help'
