#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# files that have changed since the dump: cut back, compared, taken, refused

load ../helpers

# write_to REDIRECTION FILE: a program that has FILE open so, has written "12345", and waits
write_to()
{
	launch bash -c "exec 3$1\"\$1\"; echo 12345 >&3; : >ready; exec sleep 1000" bash "$2"
	wait_for 5 test -e "$place/ready"
}

refused()	# refused WORDS [OPTION...]
{
	local words=$1
	shift

	run restore "$@"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$words"*"do:  "* ]]
}

@test "a file that the tree writes to and that has grown is cut, last of all" {
	for how in '>>' '>' '<>'; do
		rm -f "$work/data"
		write_to "$how" "$work/data"
		dump
		echo more >>"$work/data"
		# a restore that fails leaves it alone
		restore --dry-run
		[ "$(<"$work/data")" = "12345"$'\n'"more" ]
		restore
		[ "$(<"$work/data")" = 12345 ]
		grep -q "$work/data has grown since the dump: from 11 bytes it is cut to 6" "$images/restore.log"
		kill -0 "$pid"
	done
}

@test "a restore that fails cuts nothing" {
	write_to '>>' "$work/data"
	dump
	echo more >>"$work/data"
	CRIU_LITE_INJECT=fail:resume:task run restore
	[ "$status" -ne 0 ]
	[ "$(<"$work/data")" = "12345"$'\n'"more" ]
	is_gone "$pid"
}

@test "what somebody else writes to is not cut: refused, or left if all only append" {
	write_to '<>' "$work/data"
	dump
	exec 7>>"$work/data"
	echo more >&7
	refused "cannot use $work/data: it has grown, and somebody writes to it"
	restore --file-changed "$work/data=truncate"
	[ "$(<"$work/data")" = 12345 ]
	kill "$pid"

	write_to '>>' "$work/log"
	dump
	exec 7>>"$work/log"
	echo more >&7
	restore
	[ "$(<"$work/log")" = "12345"$'\n'"more" ]
	grep -q "somebody else appends to it" "$images/restore.log"
	exec 7>&-
}

@test "a log that is only appended to may have begun anew" {
	write_to '>>' "$work/log"
	dump --file-validation checksum
	echo 1 >"$work/log"
	restore
	kill -0 "$pid"
}

@test "a file of the same length with other content is found by its checksum" {
	echo abcde >"$work/read"
	launch bash -c 'exec 3<"$1"; : >ready; exec sleep 1000' bash "$work/read"
	wait_for 5 test -e "$place/ready"
	dump
	echo abXde >"$work/read"
	restore
	dump --file-validation checksum
	restore
	dump --file-validation checksum
	echo abcde >"$work/read"
	refused "cannot use $work/read: its content has changed"
	restore --file-validation size
	kill -0 "$pid"
}

@test "of a file that has grown the part that there was is compared" {
	write_to '<>' "$work/data"
	dump --file-validation checksum
	echo 1234567890 >"$work/data"
	refused "cannot use $work/data: its content has changed"
	printf '12345\nabc' >"$work/data"
	restore
	[ "$(<"$work/data")" = 12345 ]
}

@test "--file-changed takes files that are only read" {
	echo 12345 >"$work/data"
	launch bash -c 'exec 3<"$1"; : >ready; exec sleep 1000' bash "$work/data"
	wait_for 5 test -e "$place/ready"
	dump
	echo 1234567 >"$work/data"
	refused "it has 8 bytes, and had 6"
	refused "it has 8 bytes, and had 6" --file-changed "$work/other=accept"
	refused "--file-changed" --file-changed "$work/data=ignore"
	restore --file-changed "$work/data=accept"
	[ "$(<"$work/data")" = 1234567 ]
	kill -KILL "$pid"
	wait_for 5 is_gone "$pid"
	restore --file-changed "$work/data=truncate"
	[ "$(<"$work/data")" = 123456 ]
}

@test "the same in a mount namespace of the tree's own" {
	inside=pm
	launch_inside pm bash -c 'exec 3<>data; echo 12345 >&3; : >ready; exec sleep 1000'
	wait_for 5 test -e "$place/ready"
	dump
	echo more >>"$place/data"
	restore
	[ "$(<"$place/data")" = 12345 ]
	kill -0 "$pid"
}

# numbered lines into two files, one appended to, one not; until there is a file "stop"
write_job()
{
	cat >"$work/job.py" <<-'END'
		import hashlib, os, time
		a = os.open('appended', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
		w = os.open('written', os.O_WRONLY | os.O_CREAT, 0o644)
		n, sum = 0, b''
		while not os.path.exists('stop'):
		    sum = hashlib.sha1(sum).hexdigest().encode()
		    os.write(a, b'%d %s\n' % (n, sum))
		    os.write(w, b'%s %d\n' % (sum, n))
		    n += 1
		    time.sleep(0.0005)
		open('done', 'w').write(str(n))
	END
}

expected()	# expected N
{
	python3 -c '
import hashlib, sys
sum, a, w = b"", open("expected.a", "wb"), open("expected.w", "wb")
for n in range(int(sys.argv[1])):
    sum = hashlib.sha1(sum).hexdigest().encode()
    a.write(b"%d %s\n" % (n, sum))
    w.write(b"%s %d\n" % (sum, n))' "$1"
}

@test "a job that appends results, killed at 50 moments, gives what an undisturbed one gives" {
	need python3
	write_job
	launch python3 "$work/job.py"
	wait_for 10 test -s "$place/written"
	RANDOM=5
	for i in {1..50}; do
		# every third time from an older checkpoint
		[ $((i % 3)) = 2 ] || dump -R || { show_logs; false; }
		sleep "0.0$((RANDOM % 50 + 10))"
		kill -KILL "$pid"
		wait_for 5 is_gone "$pid"
		restore || { show_logs; false; }
	done
	: >"$place/stop"
	wait_for 10 test -s "$place/done"
	cd "$place"
	[ "$(<done)" -gt 100 ]
	expected "$(<done)"
	cmp appended expected.a
	cmp written expected.w
}
