#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# libcriu-lite.so: installed, linked with, and used

load ../helpers

setup_file()
{
	export at=$BATS_FILE_TMPDIR/at
	[[ $B != */san ]] || san=SANITIZE=1
	make --no-print-directory -C "$BATS_TEST_DIRNAME/../.." install ${san:-} CRIU=1 B="$B" PREFIX="$at" \
		>"$BATS_FILE_TMPDIR/install" 2>&1 || { cat "$BATS_FILE_TMPDIR/install"; return 1; }
}

setup()
{
	export PKG_CONFIG_PATH=$at/lib/pkgconfig LD_LIBRARY_PATH=$at/lib PATH=$work/bin:$PATH
	[[ $B != */san ]] || export LD_PRELOAD=$(gcc -print-file-name=libasan.so)
	images=$work/images
	mkdir -p "$images" "$work/bin"
	ln -sf "$CRIU_LITE" "$work/bin/criu-lite"
}

build()	# build MODULE
{
	# shellcheck disable=SC2046
	LD_PRELOAD= gcc -Wall -Wextra -Werror -o "$work/library" "$BATS_TEST_DIRNAME/library.c" \
		$(pkg-config --cflags --libs "$1") -lprotobuf-c
}

library()
{
	"$work/library" "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

@test "it has all symbols of libcriu, and none besides" {
	nm -D --defined-only "$at/lib/libcriu-lite.so" | awk '{ print $3 }' | grep -v '^__\(asan\|odr\)' |
		LC_ALL=C sort >"$work/have"
	diff "$BATS_TEST_DIRNAME/libcriu.tsv" "$work/have"
	readelf -d "$at/lib/libcriu-lite.so.2.0" | grep -F 'Library soname: [libcriu-lite.so.2]'
}

@test "installed under the names of CRIU, a program made for libcriu finds it" {
	[ "$("$at/sbin/criu" --version | head -n 1)" = "Version: 4.2" ]
	python3 - <<-'EOF'
		import ctypes
		lib = ctypes.CDLL("libcriu.so.2")
		assert ctypes.c_char_p.in_dll(lib, "criu_lib_version").value == b"4.2"
	EOF
	build criu
	run library version
	[ "${lines[0]}" = "version: 40200" ]
}

@test "uninstall takes all of it away, but not another criu" {
	make --no-print-directory -C "$BATS_TEST_DIRNAME/../.." install CRIU=1 B="$B" PREFIX="$work/root"
	rm "$work/root/sbin/criu" "$work/root/lib/libcriu.so.2"
	echo other | tee "$work/root/sbin/criu" >"$work/root/lib/libcriu.so.2"
	make --no-print-directory -C "$BATS_TEST_DIRNAME/../.." uninstall B="$B" PREFIX="$work/root"
	[ "$(cd "$work/root" && find . -not -type d | sort | xargs)" = "./lib/libcriu.so.2 ./sbin/criu" ]
}

@test "version, features, check" {
	build criu-lite
	run library version
	[ "$output" = "version: 40200
old enough: 1
too old: 0" ]
	run library features
	[ "$output" = "features: 0
0 0 1
too many: -1 errno 0
an older program: 0
1 0 1" ]
	run library check
	[[ "$output" == *"check: 0" ]]
}

@test "every setter arrives" {
	build criu-lite
	run library set
	[ "$output" = "lock: 0
no lock: -1 errno 0
no mode: -1 errno 0
no options: -1 errno 0
type 1 pid 5 running 1 unix 0 2 12 mount key=val net[5]:x fd 7 pipe:[9]
cgroup - cpu /b ns net /ns - veth in out irmap /etc empty 0x40000000
exec 1 one root /r mode 5 lock 2 server host 99
dump: -70 errno 0
its descriptor is closed: -1 errno 9" ]
}

@test "dump and restore, with the callback" {
	build criu-lite
	start task/sleeper
	run library dump "$pid" "$images"
	[ "$output" = "pre-dump 0
query-ext-files 0
post-dump 0
dump: 0" ]
	wait_for 5 is_gone "$pid"
	[ -s "$images/library.log" ]

	run library child "$images"
	[ "$output" = "restore_child: $pid
ours: 1" ]
	same
}

@test "the callback refuses, and its number is what comes back" {
	build criu-lite
	start task/sleeper
	REFUSE=post-dump run library dump "$pid" "$images"
	[[ "$output" == *"post-dump 0
dump: 77" ]]
	library dump "$pid" "$images"
	wait_for 5 is_gone "$pid"
	REFUSE=setup-namespaces run library restore "$images"
	[[ "$output" == *"setup-namespaces $pid
restore: 77" ]]
	is_gone "$pid"
}

# said LINE: the program has printed it
said()
{
	wait_for 10 grep -qx "$1" "$place/log" || { cat "$place/log" "$images/library.log"; return 1; }
}

@test "a program dumps itself, ends, and is told when it has been restored" {
	build criu-lite
	launch "$work/library" self "$images"
	wait_for 10 test -s "$images/stats-dump" || { cat "$place/log" "$images"/*.log; false; }
	wait_for 5 is_gone "$pid"
	[ "$(cat "$place/log")" = "" ]
	cp -r "$images" "$work/copy"

	criu_lite restore -d -D "$images" -o restore.log -v4
	said "dump: 1"
	# it goes on, and may ask again, as its own pid
	said "once more: 0"
	kill "$pid"
	wait_for 5 is_gone "$pid"

	: >"$place/log"
	run library restore "$work/copy"
	[[ "$output" == *"restore: $pid" ]]
	said "dump: 1"
}

@test "a program dumps itself and goes on" {
	build criu-lite
	launch "$work/library" self "$images" running
	said "dump: 0"
	said "once more: 0"
	kill -0 "$pid"
}

@test "failures have a number" {
	build criu-lite
	start task/sleeper
	run library dump 999999 "$images"
	[[ "$output" == *"dump: -52 errno 3" ]]
	run library restore "$images"
	[[ "$output" == *"restore: -52 errno "* ]]
	run library nobody
	[ "$(sed 's/ errno.*//' <<<"$output")" = "no program: -111
no socket: -111
no server: -70" ]
	same
}

@test "pre-dumps until the program has enough of them, then the dump" {
	build criu-lite
	start task/sleeper
	run library iterate "$pid" "$images"
	[ "$(sed 's/ errno.*//' <<<"$output")" = "without a pid: -22
iterate: 0" ]
	wait_for 5 is_gone "$pid"
	grep -q "inventory.img" <(ls "$images")
	restore
	same
}

@test "a service does it, too" {
	build criu-lite
	(cd "$work" && exec "$CRIU_LITE" service --no-default-config --address "$work/socket" 3>&- 4>&- </dev/null) &
	server=$!
	wait_for 5 test -S "$work/socket"
	export CRIU_SOCKET=$work/socket
	start task/sleeper
	run library dump "$pid" "$images"
	[[ "$output" == *"dump: 0" ]]
	wait_for 5 is_gone "$pid"
	run library restore "$images"
	kill "$server"
	[[ "$output" == *"restore: $pid" ]]
	same
}
