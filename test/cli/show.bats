#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# criu-lite show: images as JSON, and back

load ../helpers

sample=$BATS_TEST_DIRNAME/../images/criu-4.2

setup()
{
	cd "$work"
}

# what CRIU 4.2 wrote and Debian's older crit knows every field of
known=(fdinfo-2 fdinfo-3 files fs-4 fs-6 ghost-file-1 ids-4 ids-6 pipes-data pstree remap-fpath seccomp
	sk-queues timens-0)

# back JSON: the same text after encode and decode, in this form and in the one for people
back()
{
	criu_lite show encode -i "$1" -o back.img
	criu_lite show decode -i back.img -o back.json
	cmp back.json "$1"
	criu_lite show decode -i back.img --pretty -o pretty.json
	criu_lite show encode -i pretty.json -o again.img
	cmp again.img back.img
}

# wrong TEXT WHAT: encode refuses it, says so and writes nothing
wrong()
{
	printf '%s' "$1" >wrong.json
	echo keep >wrong.img
	run criu_lite show encode -i wrong.json -o wrong.img
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$2"* ]]
	[[ "$output" == *"do: "* ]]
	[ "$(cat wrong.img)" = keep ]
}

@test "the images of CRIU 4.2 are the same after decode and encode" {
	"$BATS_TEST_DIRNAME/../compat/show-reads" "$sample"
}

@test "the JSON is that of crit, to the byte" {
	need crit
	for name in "${known[@]}"; do
		echo "$name"
		criu_lite show decode -i "$sample/$name.img" -o ours
		crit decode -i "$sample/$name.img" -o theirs
		cmp ours theirs
		criu_lite show show "$sample/$name.img" >ours
		crit show "$sample/$name.img" >theirs
		cmp ours theirs
	done
}

@test "crit encodes what we decode, and we what crit decodes" {
	need crit
	for name in "${known[@]}"; do
		criu_lite show decode --pretty -i "$sample/$name.img" | crit encode | cmp - "$sample/$name.img"
		crit decode -i "$sample/$name.img" | criu_lite_stdin show encode | cmp - "$sample/$name.img"
	done
}

criu_lite_stdin()
{
	"$CRIU_LITE" "$@" 3>&- 4>&-
}

@test "payload of every kind goes both ways" {
	desc='"desc": {"key": 1, "uid": 2, "gid": 3, "cuid": 4, "cgid": 5, "mode": 438, "id": 9}'
	printf '%s' "{\"magic\": \"IPCNS_SEM\", \"entries\": [{$desc, \"nsems\": 3, \"extra\": [1, 2, 65535]}, {$desc, \"nsems\": 0, \"extra\": []}]}" >sem
	printf '%s' "{\"magic\": \"IPCNS_MSG\", \"entries\": [{$desc, \"qbytes\": 3, \"qnum\": 2, \"extra\": [{\"mtype\": 5, \"msize\": 3}, \"YWJj\\n\", {\"mtype\": 6, \"msize\": 0}, \"\"]}, {$desc, \"qbytes\": 0, \"qnum\": 0, \"extra\": []}]}" >msg
	printf '%s' "{\"magic\": \"IPCNS_SHM\", \"entries\": [{$desc, \"size\": 5, \"extra\": \"aGVsbG8=\\n\"}, {$desc, \"size\": 4096, \"in_pagemaps\": true, \"extra\": \"\"}, {$desc, \"size\": 1, \"extra\": \"YQ==\\n\"}]}" >shm
	printf '%s' '{"magic": "TCP_STREAM", "entries": [{"inq_len": 3, "inq_seq": 1, "outq_len": 1, "outq_seq": 2, "opt_mask": 5, "snd_wscale": 1, "mss_clamp": 2, "extra": {"inq": "YWJj\n", "outq": "YQ==\n"}}]}' >tcp
	printf '%s' '{"magic": "BPFMAP_DATA", "entries": [{"map_id": 1, "keys_bytes": 2, "values_bytes": 3, "count": 1, "extra": "aGVsbG8=\n"}]}' >bpf
	printf '%s' '{"magic": "GHOST_FILE", "entries": [{"uid": 0, "gid": 0, "mode": 33184, "chunks": true, "size": 10000}, {"len": 3, "off": 5, "extra": "YWJj\n"}, {"len": 1, "off": 50, "extra": "YQ==\n"}]}' >ghost
	printf '%s' '{"magic": "GHOST_FILE", "entries": [{"uid": 0, "gid": 0, "mode": 4480, "dev": 266408304, "extra": ""}]}' >fifo
	for json in sem msg shm tcp bpf ghost fifo; do
		echo "$json"
		back $json
	done
}

@test "numbers have their forms for people, and each is read back" {
	fown='"fown": {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}'
	opts='"opts": {"so_sndbuf": 1, "so_rcvbuf": 2, "so_snd_tmo_sec": 0, "so_snd_tmo_usec": 0, "so_rcv_tmo_sec": 0, "so_rcv_tmo_usec": 0}'
	printf '%s' "{\"magic\": \"INETSK\", \"entries\": [{\"id\": 1, \"ino\": 2, \"family\": 10, \"type\": 2, \"proto\": 17, \"state\": 77, \"src_port\": 1, \"dst_port\": 0, \"flags\": 2050, \"backlog\": 0, \"src_addr\": [0, 0, 0, 16777216], \"dst_addr\": [16777343], $fown, $opts}]}" >sockets
	printf '%s' '{"magic": "VMAS", "entries": [{"start": 4096, "end": 18446744073709551615, "pgoff": 0, "shmid": 0, "prot": 5, "flags": 270338, "status": 2147549185, "fd": -1, "madv": 5}]}' >vmas
	printf '%s' '{"magic": "GHOST_FILE", "entries": [{"uid": 0, "gid": 0, "mode": 33184, "dev": 266408304, "rdev": 1050668, "extra": ""}]}' >devices
	back sockets
	grep -q '"family": "INET6"' pretty.json
	grep -q '"state": 77' pretty.json
	grep -q '"::1"' pretty.json
	grep -q '"127.0.0.1"' pretty.json
	grep -q '"flags": "0x802"' pretty.json
	back vmas
	grep -q '"end": "0xffffffffffffffff"' pretty.json
	grep -q '"prot": "PROT_READ | PROT_EXEC"' pretty.json
	grep -q '"flags": "MAP_PRIVATE | 0x42000"' pretty.json
	grep -q '"status": "VMA_AREA_REGULAR | VMA_UNSUPP | 0x10000"' pretty.json
	back devices
	grep -q '"dev": "254:70000"' pretty.json
	grep -q '"rdev": "8:300"' pretty.json
}

@test "names that are no UTF-8, and fields that nobody knows, survive" {
	# a file "\xe9", and a pstree entry with the fields 1013 (bytes) and 1014 (a number)
	printf '{"magic": "IRMAP_CACHE", "entries": [{"dev": 5, "inode": 4, "path": "/\\udce9\\u20ac\\ud83d\\ude00"}]}' >names
	back names
	grep -qa $'/\xe9\xe2\x82\xac\xf0\x9f\x98\x80' back.img
	printf '\x19CVT\x30\x30\x27\x50\x12\0\0\0\x08\x01\x10\x02\x18\0\x20\0\xaa\x3f\x03abc\xb0\x3f\x96\x01' >unknown.img
	criu_lite show decode -i unknown.img -o unknown.json
	grep -q '"unknown": \[{"number": 1013, "wire_type": 2, "data": "A2FiYw==\\n"}, {"number": 1014' unknown.json
	criu_lite show encode -i unknown.json | cmp - unknown.img
}

@test "encode refuses what is no image, says where, and leaves the file that is there" {
	wrong "$(head -c 8 "$sample/fs-4.img" | tr -d '\0')" "Cannot read JSON."
	wrong '{"magic": "PSTREE", "entries": [1,]}' "line 1"
	wrong '{}' "magic and entries"
	wrong '{"magic": "COR", "entries": []}' 'no magic "COR"'
	wrong '{"magic": "PSTREE", "entries": [{"pid": 1}]}' "entry 1: pstree_entry.ppid is missing"
	wrong '{"magic": "PSTREE", "entries": [{"pid": 1, "foo": 2}]}' 'no field "foo"'
	wrong '{"magic": "PSTREE", "entries": [{"pid": 4294967296}]}' "pstree_entry.pid is out of range"
	wrong '{"magic": "PSTREE", "entries": [{"pid": 1, "pid": 1}]}' '"pid" is there twice'
	wrong '{"magic": "PIPES_DATA", "entries": [{"pipe_id": 1, "bytes": 3, "extra": "YQ=="}]}' "extra has 1 bytes where the entry says 3"
	wrong '{"magic": "INVENTORY", "entries": [{"img_version": 2}, {"img_version": 2}]}' "more than one entry"
	brackets=$(printf '%1000s' '' | tr ' ' '[')
	wrong "$brackets" "too many brackets"
}

@test "decode refuses what is no image, and writes nothing" {
	printf 'abcdefgh' >raw
	echo keep >out
	run criu_lite show decode -i raw -o out
	[ "$status" -eq 1 ]
	[[ "$output" == *"Unknown magic 0x64636261"* ]]
	head -c -1 "$sample/files.img" >files.img
	run criu_lite show decode -i files.img -o out
	[ "$status" -eq 1 ]
	[[ "$output" == *"files.img: truncated"* ]]
	[ "$(cat out)" = keep ]
	run criu_lite show decode -i not-there
	[ "$status" -eq 1 ]
	[[ "$output" == *"No such file"* ]]
}

@test "an image through a pipe, and from an output that is appended to" {
	criu_lite_stdin show decode <"$sample/files.img" >plain
	cat "$sample/ghost-file-1.img" | criu_lite_stdin show decode >piped
	criu_lite show decode -i "$sample/ghost-file-1.img" | cmp - piped
	criu_lite_stdin show encode <plain >>files.img
	cmp files.img "$sample/files.img"
}

@test "info counts entries, --nopl leaves payload out" {
	run criu_lite show info "$sample/pagemap-4.img"
	[ "$status" -eq 0 ]
	[ "$output" = '{
    "magic": "PAGEMAP",
    "count": 14
}' ]
	run criu_lite show show --nopl "$sample/pipes-data.img"
	[[ "$output" == *'"extra": "... <17B>"'* ]]
	run criu_lite show info "$sample/ghost-file-1.img"
	[[ "$output" == *'"count": 1'* ]]
}

@test "x reports tasks, descriptors and mappings as crit does" {
	need crit
	for what in ps fds mems; do
		crit x "$sample" $what >theirs
		criu_lite show x "$sample" $what | diff - theirs
	done
}

@test "x rss and x tree" {
	criu_lite show x "$sample" rss >rss
	head -n 3 rss | sed 's/ *$//' | diff - <(printf '4\n\t401000 / 1              00401000 / 140      /opt/criu-sample/cross\n\n' |
		sed 's/^$/\t/')
	criu_lite show x "$sample" tree | diff - <(printf '%s\n' "4 cross" "    7 {cross}" "    8 {cross}" "    6 cross")
	run criu_lite show x "$work" ps
	[ "$status" -eq 1 ]
	[[ "$output" == *"pstree.img"* ]]
	run criu_lite show x "$sample" nothing
	[ "$status" -eq 2 ]
}

@test "without a sub-command it says how it is called; a wrong one is refused" {
	run criu_lite show
	[ "$status" -eq 1 ]
	[[ "$output" == *"too few arguments"* ]]
	[[ "$output" == *"criu-lite show decode"* ]]
	run criu_lite show foo
	[ "$status" -eq 2 ]
	run criu_lite show decode --nopl
	[ "$status" -eq 2 ]
	run criu_lite show --help
	[ "$status" -eq 0 ]
}

@test "called as criu there is no show" {
	ln -s "$CRIU_LITE" criu
	run ./criu show "$sample/fs-4.img"
	[ "$status" -eq 255 ]
	[[ "$output" == *"removed"* ]]
}
