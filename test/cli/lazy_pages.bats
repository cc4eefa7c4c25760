# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
#
# Memory that comes when it is needed: restore --lazy-pages, its daemon, and where
# that has the pages from.
load ../helpers

PORT=7272

peer()
{
	python3 "$BATS_TEST_DIRNAME/page_peer.py" "$@" 3>&- 4>&- 5>&-
}

says()
{
	[[ "$output" == *"$1"* && "$output" == *"why: "* && "$output" == *"do:  "* ]] ||
		{ echo "$output"; false; }
}

# daemon [OPTION...]: lazy-pages for $images, in the background, until it is ready; $daemon
daemon()
{
	rm -f "$work/status"
	"$CRIU_LITE" lazy-pages -D "$images" -o lazy.log -v4 --status-fd 7 "$@" \
		7>"$work/status" 3>&- 4>&- 5>&- </dev/null >"$work/lazy.out" 2>&1 &
	daemon=$!
	wait_for 10 test -s "$work/status" || { cat "$work/lazy.out"; return 1; }
}

lazily()
{
	restore --lazy-pages || { show_logs; cat "$images/lazy.log"; return 1; }
}

# all memory has come
daemon_ends()
{
	wait $daemon || { cat "$work/lazy.out"; tail -n 20 "$images/lazy.log"; return 1; }
}

# bats test_tags=places
@test "from images: the memory is what it was" {
	local more=cli/everything

	# which needs more than the root of a user namespace has
	[[ ${inside:-} != *U* ]] || more=
	for victim in mem/lazy mem/large mem/anon mem/mm mem/flags mem/shared mem/stack mem/guard mem/wipe $more; do
		start $victim
		for round in 1 2; do
			dump
			daemon
			lazily
			daemon_ends
		done
		same || { echo $victim; tail -n 30 "$images/lazy.log"; false; }
		[ ! -e "$images/lazy-pages.socket" ]
		end_launched
	done
}

# bats test_tags=places
@test "from images: huge pages that two tasks write to meanwhile" {
	start mem/lazy_huge
	for round in 1 2 3 4 5; do
		dump
		daemon
		lazily
		daemon_ends
	done
	same || { tail -n 30 "$images/lazy.log"; false; }
}

# source [OPTION...]: dump --lazy-pages of $pid in the background, until it listens; $source
source()
{
	images=$(mktemp -d "$work/images.XXXXXX")
	rm -f "$work/status"
	"$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 --lazy-pages --port $PORT --status-fd 7 "$@" \
		7>"$work/status" 3>&- 4>&- 5>&- </dev/null >"$work/source.out" 2>&1 &
	source=$!
	wait_for 10 test -s "$work/status" || { cat "$work/source.out"; return 1; }
	[ "$(stat -c %s "$images"/pages-1.img)" -lt 200000 ]
}

# The tree is still there, stopped, when the other one is restored: that needs its pids, so a pid
# namespace of its own.
elsewhere()
{
	inside=p
	start "$@"
}

remote()
{
	daemon --page-server --address 127.0.0.1 --port ${1:-$PORT} "${@:2}"
}

# proxy BYTES SECONDS: $through
proxy()
{
	rm -f "$work/port"
	peer proxy "$work/port" $PORT "$@" &
	proxy=$!
	wait_for 10 test -s "$work/port"
	through=$(cat "$work/port")
}

@test "from the source, which stands still meanwhile, and ends when all has been sent" {
	for victim in mem/lazy mem/shared; do
		elsewhere $victim
		from=$pid
		source
		remote
		lazily
		daemon_ends
		wait $source
		wait_for 5 is_gone $from
		same
		end_launched
	done
}

@test "what is done with memory that has not come yet: fork, exec, mremap, madvise, munmap, threads" {
	elsewhere mem/lazy
	source
	proxy 1000000000 0.004
	remote $through
	: >"$place/look"
	lazily
	wait_for 20 test -e "$place/verdict"
	same
	daemon_ends
	wait $source
	# it was really not there yet: children were born with lazy memory
	grep -Eq '[1-9][0-9]* children' "$images/lazy.log"
}

state()
{
	awk '/^State/ { print $2 }' "/proc/$1/status"
}

is_stopped()
{
	[[ "$(state "$1")" == [Tt] ]]
}

# all of the tree of $pid
let_go_on()
{
	kill -CONT $pid $(cat /proc/$pid/task/$pid/children)
}

# The restored $pid is stopped, and goes on only to wait for what is missing; then it can be ended.
waits_for_memory()
{
	wait_for 5 is_stopped $pid
	let_go_on
	: >"$place/look"
	run verdict 1
	[ "$output" = "no verdict" ] || { echo "$output"; false; }
	kill -KILL $pid
	wait_for 5 is_gone $pid
}

@test "the connection with the source is lost: both trees stand still, and both sides say so" {
	elsewhere mem/large
	from=$pid
	source
	proxy 3000000 0.001
	remote $through
	lazily
	wait $daemon || :
	run cat "$work/lazy.out"
	says "127.0.0.1:$through"
	[[ "$output" == *"restored tasks are stopped"* ]]
	waits_for_memory
	wait $source || :
	run cat "$work/source.out"
	says "stays stopped here"
	pid=$from
	is_stopped $pid
	let_go_on
	same
}

@test "the daemon is killed: whoever of its two processes it is, nobody finds zeros" {
	start mem/large
	dump
	daemon
	worker() { pgrep -P $daemon; }
	# it serves nothing before the restore goes on
	CRIU_LITE_INJECT=hang:resume "$CRIU_LITE" restore --lazy-pages -d -D "$images" -o restore.log -v4 \
		3>&- 4>&- 5>&- </dev/null &
	restore=$!
	wait_for 10 worker >/dev/null
	kill -KILL "$(worker)"
	wait $daemon || :
	run cat "$work/lazy.out"
	says "was killed by signal 9"
	kill -KILL $restore
	wait $restore || :

	daemon
	"$CRIU_LITE" restore --lazy-pages -d -D "$images" -o restore.log -v4 3>&- 4>&- 5>&- </dev/null
	kill -KILL $daemon
	same
}

@test "a restore that fails ends its daemon; the source goes on" {
	elsewhere mem/lazy
	from=$pid
	source
	remote
	CRIU_LITE_INJECT=fail:resume run restore --lazy-pages
	[ "$status" -eq 1 ]
	wait $daemon || :
	run cat "$work/lazy.out"
	says "cannot serve a restore that has failed"
	wait $source || :
	# depends on whether anything was asked for already
	run cat "$work/source.out"
	says "cannot serve all pages"
	pid=$from
	let_go_on
	same
}

@test "what cannot be is refused by name" {
	start mem/lazy
	dump --leave-running
	run criu_lite restore -d -D "$images" --lazy-pages
	[ "$status" -eq 1 ]
	says "cannot connect to lazy-pages.socket"
	run criu_lite lazy-pages -D "$images" --page-server --address 127.0.0.1 --port $PORT
	[ "$status" -eq 1 ]
	says "cannot reach a page server at 127.0.0.1:$PORT"
	run criu_lite lazy-pages -D "$work"
	[ "$status" -eq 1 ]
	says "cannot find pstree.img"
	same
	end_launched

	elsewhere mem/lazy
	source
	run criu_lite restore -d -D "$images"
	[ "$status" -eq 1 ]
	says "its pages were left at the source of a lazy dump"
	kill -INT $source
	wait $source || :
	run cat "$work/source.out"
	says "the tree still runs"
	same
}

@test "a daemon after the description of CRIU's protocol is served, from a tree and from images" {
	start mem/lazy
	dump --leave-running
	run "$CRIU_LITE" show decode --pretty -i "$images/pagemap-$pid.img"
	at=$(echo "$output" | grep -B3 LAZY | grep -o '0x[0-9a-f]*' | head -1)
	page_server()
	{
		rm -f "$work/status"
		criu_lite page-server --lazy-pages -D "$images" -o serve.log -v4 --port $PORT --status-fd 7 \
			7>"$work/status" 2>/dev/null &
		server=$!
		wait_for 10 test -s "$work/status"
	}
	page_server
	run peer ask $PORT $pid $at 3
	echo "$output"
	[[ "$output" == [123]" "*$'\n'"1 "*$'\n'0 ]]
	first=$output
	wait $server
	page_server
	run peer ask $PORT $pid 0x5000 3
	[ "$output" = reset ]
	wait $server || :
	grep -q "cannot find the page at 5000 of task $pid" "$images/serve.log"
	source
	run peer ask $PORT $pid $at 3
	[ "$output" = "$first" ]
	wait $source
	wait_for 5 is_gone $pid
}

@test "a page server after that description gives us all, also in small pieces" {
	for how in "" short; do
		start mem/lazy
		dump
		rm -f "$work/port"
		peer pages "$images" "$work/port" $how &
		wait_for 10 test -s "$work/port"
		remote "$(cat "$work/port")"
		lazily
		daemon_ends
		wait $!
		same
		end_launched
	done
	start mem/large
	dump
	rm -f "$work/port"
	peer pages "$images" "$work/port" nonsense &
	wait_for 10 test -s "$work/port"
	remote "$(cat "$work/port")"
	lazily
	wait $daemon || :
	run cat "$work/lazy.out"
	says "cannot understand the page server"
	waits_for_memory
}

@test "in a user namespace, where nobody may call userfaultfd" {
	[ -e /dev/userfaultfd ] || skip "this machine has no /dev/userfaultfd"
	inside=pU
	start mem/lazy
	dump
	daemon
	lazily
	daemon_ends
	same
}
