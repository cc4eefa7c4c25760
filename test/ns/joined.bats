# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

goes_on()
{
	[ "$(cat "$place/$1")" -gt "$2" ]
}

# joined FILE: a session of its own that counts, in the pid namespace of $pid; its father stays outside
joined()
{
	nsenter -t "$pid" -p setsid sh -c "cd '$place'; i=0
		while :; do i=\$((i + 1)); echo \$i >'$1.new'; mv '$1.new' '$1'; sleep 0.02; done" \
		</dev/null >/dev/null 2>&1 3>&- 4>&- &
	outsider=$!
	wait_for 10 test -s "$place/$1"
}

@test "processes that have joined the pid namespace are dumped with it, and live on" {
	inside=p
	start task/sleeper
	joined first
	joined second
	for i in 1 2; do
		first=$(cat "$place/first") second=$(cat "$place/second")
		cycle 1
		wait_for 10 goes_on first "$first"
		wait_for 10 goes_on second "$second"
		# another one joins what was restored
		joined "third$i"
	done
	same
}

@test "one that fails to be dumped leaves the joined ones running" {
	inside=p
	start task/sleeper
	joined first
	images=$(mktemp -d "$work/images.XXXXXX")
	CRIU_LITE_INJECT=fail:write run criu_lite dump -t "$pid" -D "$images"
	[ "$status" -eq 1 ]
	wait_for 10 goes_on first "$(cat "$place/first")"
}
