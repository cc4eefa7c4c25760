# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

@test "a bash pipeline goes on counting, nothing lost, nothing twice" {
	launch bash -c '
		for ((i = 0; i < 100000; i++)); do echo $i; sleep 0.01; done |
		while read -r n; do echo "got $n"; done |
		cat >out'
	wait_for 5 test -s "$place/out"
	for i in 1 2 3; do
		n=$(wc -l <"$place/out")
		grown() { [ "$(wc -l <"$place/out")" -gt $((n + 10)) ]; }
		wait_for 10 grown
		cycle 1
	done
	n=$(wc -l <"$place/out")
	wait_for 10 grown
	end_launched
	# every number once, in order (the last line may be half written)
	head -n -1 "$place/out" | awk '{ if ($0 != "got " NR - 1) { print "line " NR " is " $0; exit 1 } }'
}

@test "bash waits for a background job whose exit status it gets" {
	launch bash -c '(sleep 2; exit 7) & wait $!; echo "status $?" >out; sleep 100'
	sleep 0.5
	cycle 3
	wait_for 10 grep -q "status 7" "$place/out"
}

@test "traps, here-documents and process substitution survive" {
	launch bash -c '
		trap "echo usr1 >>out" USR1
		exec 5< <(while :; do echo tick; sleep 0.05; done)
		while read -r -u 5 line; do echo "$line" >>out; done'
	wait_for 5 grep -q tick "$place/out"
	cycle 3
	kill -USR1 "$pid"
	wait_for 5 grep -q usr1 "$place/out"
	n=$(grep -c tick "$place/out")
	more() { [ "$(grep -c tick "$place/out")" -gt $((n + 5)) ]; }
	wait_for 5 more
}
