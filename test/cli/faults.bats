# SPDX-License-Identifier: GPL-2.0-only
#
# Faults, one at a time, at every place that a real dump and a real restore pass
# (base/inject.h): stage boundaries, each kind's functions, images, around and in
# parasite commands, the operations of the restorer. The victim of a dump lives
# and works; of a restore nothing is left: no task, no file, no System V segment.
#
# What cannot be taken back: SIGKILL of a dump leaves the names it has made for
# --link-remap, and in a stopped task our descriptors until it goes on.
load ../helpers

options=(--link-remap --file-locks)

# points WHO of $work/dump or $work/restore; behind resume all tasks run
points()
{
	sed -n '/ resume:end$/q; / steady:/d; s/^'"$1"' //p' "$2" | sort -u
}

sizes()
{
	stat -c %s "$place/main" "$place/thread" "$place/child"
}

has_ticked()
{
	local now i

	mapfile -t now < <(sizes)
	for i in 0 1 2; do
		[ "${now[i]}" -gt "${before[i]}" ] || return 1
	done
}

# ticks: all three tasks still work
ticks()
{
	local before

	mapfile -t before < <(sizes)
	wait_for 5 has_ticked
}

files()
{
	(cd "$place" && echo .* *)
}

# dump_with FAULT: the victim goes on afterwards
dump_with()
{
	local fault=$1 status=0 is_killed

	is_killed=$([[ $fault != kill:* ]] || echo yes)
	CRIU_LITE_INJECT=$fault criu_lite dump -t "$pid" -D "$images" -o dump.log -v4 \
		"${options[@]}" &>"$work/said" || status=$?
	tried=$((tried + 1))
	[ -z "$is_killed" ] || rm -f "$place"/link_remap.*
	if [ "$status" = 0 ]; then
		complain "succeeds"
	elif [ -z "$is_killed" ] && [ "$status" != 1 ]; then
		complain "ends with status $status"
	elif [ -z "$is_killed" ] && [ -e "$images/inventory.img" ]; then
		complain "leaves an inventory"
	elif [ "$(files)" != "$there" ]; then
		complain "leaves files: $(files)"
	elif ! ticks; then
		complain "the victim does not go on"
	fi
}

complain()
{
	echo "$fault: $*"
	cat "$work/said"
	bad=$((bad + 1))
}

errors=(ENOSPC EIO ENOMEM)

# over WHO FILE ACTION: run $with ACTION:POINT for all points; "error": one of them in turn
over()
{
	local who=$1 file=$2 point

	while read -r point; do
		[ "$bad" -lt 5 ] || break
		"$with" "${3/error/${errors[tried % 3]}}:$point"
	done < <(points "$who" "$file")
}

# No fault but for points behind the end: the victim has ended then
before_the_end()
{
	grep -v -E ' (thaw:task|.*:back|.*:stats-dump)$' "$work/dump" >"$work/dump.most"
}

begin_dumps()
{
	start cli/variety
	CRIU_LITE_INJECT=count:$work/dump dump -R "${options[@]}"
	rm -f "$place"/link_remap.* "$images"/*
	before_the_end
	there=$(files) tried=0 bad=0 with=dump_with
	[ "$(points main "$work/dump.most" | wc -l)" -gt 100 ]
}

# it stops again wherever a dump was killed
goes_on_and_ends()
{
	kill -CONT "$1"
	grep -q '^State:.Z' "/proc/$1/status"
}

# what is stopped leaves our code behind when it goes on, and ends then
end_dumps()
{
	echo "# $tried faults"
	[ "$bad" = 0 ]
	wait_for 10 goes_on_and_ends "$(cat "$place/stopped")"
	cycle 1 "${options[@]}"
	ticks
}

@test "SIGKILL of dump anywhere: the victim goes on" {
	begin_dumps
	over main "$work/dump.most" kill
	end_dumps
}

@test "ENOSPC, EIO, ENOMEM of dump anywhere: the victim goes on, no inventory is left" {
	begin_dumps
	over main "$work/dump.most" error
	end_dumps
}

@test "a full disk at any size: the victim goes on, and there is room again for a whole dump" {
	local kib

	begin_dumps
	mount -t tmpfs -o size=4k none "$images"
	for kib in 4 8 16 32 $(seq 64 64 448); do
		mount -o "remount,size=${kib}k" "$images"
		rm -f "$images"/*
		dump_with "size:$kib"
		grep -q "do:  make room" "$work/said" || fault=size:$kib complain "does not say what to do"
	done
	umount "$images"
	end_dumps
}

# no process more than there were, no file, no segment
is_clean()
{
	local pids=(/proc/[0-9]*)

	[ "${#pids[@]}" -le "$nr_pids" ] && [ "$(files)" = "$there" ] &&
		[ "$(wc -l </proc/sysvipc/shm)" = 1 ]
}

restore_with()
{
	local fault=$1 status=0

	CRIU_LITE_INJECT=$fault criu_lite restore -d -D "$images" -o restore.log -v4 \
		--file-locks &>"$work/said" || status=$?
	tried=$((tried + 1))
	if [ "$status" = 0 ]; then
		complain "succeeds"
		dump "${options[@]}"
	elif ! wait_for 3 is_clean; then
		complain "leaves something: $(files), $(cat /proc/sysvipc/shm), $(ps -ef)"
		ipcrm -M 0x5eed 2>/dev/null || :
	fi
}

begin_restores()
{
	local pids

	start cli/variety
	dump "${options[@]}"
	CRIU_LITE_INJECT=count:$work/restore restore --file-locks
	dump "${options[@]}"
	ipcrm -M 0x5eed
	# dead, but where there was nothing there is to be nothing
	rm "$place/socket" "$place/renamed"
	pids=(/proc/[0-9]*)
	nr_pids=${#pids[@]} there=$(files) tried=0 bad=0 with=restore_with
	[ "$(points main "$work/restore" | wc -l)" -gt 60 ]
	[ "$(points task "$work/restore" | wc -l)" -gt 30 ]
}

end_restores()
{
	echo "# $tried faults"
	[ "$bad" = 0 ]
	restore --file-locks
	ticks
}

@test "SIGKILL of restore anywhere: nothing is left, and it can be tried again" {
	begin_restores
	over main "$work/restore" kill
	over task "$work/restore" main
	end_restores
}

@test "SIGKILL of criu-lite while something is made for a moment: it goes again" {
	begin_restores
	grep -q steady: "$work/restore"
	for fault in $(sed -n 's/.* steady:/behead:steady:/p' "$work/restore" | sort -u); do
		restore_with "$fault"
	done
	end_restores
}

@test "SIGKILL of a newborn task anywhere: nothing is left, and it can be tried again" {
	begin_restores
	over task "$work/restore" kill
	end_restores
}

@test "ENOSPC, EIO, ENOMEM of restore anywhere: nothing is left, and it can be tried again" {
	begin_restores
	over main "$work/restore" error
	over task "$work/restore" error
	end_restores
}

@test "a newborn task that does nothing any more is found, and nothing is left" {
	local point

	begin_restores
	for point in fork:tty open:pipe link:epoll map:core restorer:2 restorer:8 restorer:16; do
		CRIU_LITE_INJECT=hang:$point run restore --file-locks --timeout 1
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 3 ]
		[[ ${lines[0]} =~ 'cannot restore task '[0-9]+': it has done nothing for 1 s' ]]
		[[ ${lines[2]} == *"do:"*"--timeout"* ]]
		wait_for 3 is_clean
	done
	end_restores
}

@test "a request to end is heard while a newborn task does nothing any more" {
	local status=0

	begin_restores
	CRIU_LITE_INJECT=hang:open:pipe "$CRIU_LITE" restore -D "$images" -o restore.log -v4 \
		--file-locks --timeout 0 3>&- 4>&- </dev/null 2>"$work/said" &
	wait_for 5 grep -qs 'stage open' "$images/restore.log"
	sleep 0.3
	kill -TERM $!
	wait $! || status=$?
	[ "$status" -eq 1 ]
	grep -q SIGTERM "$work/said"
	wait_for 3 is_clean
	end_restores
}
