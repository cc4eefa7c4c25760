# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# start, dump, restore, same: for .bats files (load ../helpers) and test/roundtrip.
#
#	start task/sleeper	a victim; afterwards $pid, and $place, where it runs
#	inside=pu start ...	the same in namespaces of its own (test/inside.c); $pid is their init
#	at namespaces		from now on, all is started in that place (host, namespaces, user-namespace)
#	launch redis-server -	any program in the same circumstances; it is not waited for
#	launch_there ...	the same, where the test is
#	dump -R			criu-lite dump -t $pid -D $images ...; a new $images every time
#	restore			criu-lite restore -d -D $images ...
#	same			does the victim find everything as it was?
#	cycle 3			dump and restore, three times
#	wait_for 5 COMMAND	until COMMAND succeeds, at most 5 seconds
#	need redis-server	skip the test if this program is missing
#
# Tests run inside test/nsinit: they may use any pid, port and ipc key.

# build folder, made absolute by test/run
: "${B:=$PWD/build}"
: "${CRIU_LITE:=$B/test/criu-lite}"
# what one test leaves behind goes in here
work=${BATS_TEST_TMPDIR:-${work:-}}

# at PLACE: what is started from now on is in these namespaces
at()
{
	case $1 in
	host) inside= ;;
	namespaces) inside=puinmctr ;;
	user-namespace) inside=Upuinmctr ;;
	*) echo "there is no place called $1"; return 1 ;;
	esac
}
[ -z "${PLACE:-}" ] || at "$PLACE"

criu_lite()
{
	# bats has descriptors of its own, which are none of criu-lite's business
	"$CRIU_LITE" "$@" 3>&- 4>&- 5>&- 6>&- </dev/null
}

wait_for()
{
	local seconds=$1 end
	shift

	end=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000))
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.01
	done
}

is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# launch COMMAND...: a session of its own, /dev/null, $place/log, nothing else
launch()
{
	place=$(mktemp -d "$work/place.XXXXXX")
	chmod 777 "$place"
	pid=$(cd "$place" && "$B/test/spawn" log "$@")
	launched="${launched:-} $pid"
}

# users of a namespace may not make devices, and this one is not open to all everywhere
open_tun()
{
	[ -c /dev/net/tun ] && [ "$(stat -c %a /dev/net/tun)" != 666 ] || return 0
	mount -t tmpfs -o mode=755 tun /dev/net && mknod -m 666 /dev/net/tun c 10 200
}

# launch_inside LETTERS COMMAND...: $pid is the init of new namespaces
launch_inside()
{
	# not where things of this test are: who removes those must not find the machine's root there
	[[ $1 != *r* ]] || mountpoint -q /mnt || mount --bind / /mnt || return
	[[ $1 != *U* ]] || let_others_in
	[[ $1 != *U*r* ]] || open_tun || return
	launch "$B/test/inside" "$@"
	wait_for 10 test -s "$place/init" || { cat "$place/log"; return 1; }
	pid=$(cat "$place/init")
	launched="$launched $pid"
}

# launch_there COMMAND...: in the place where the test is
launch_there()
{
	if [ -n "${inside:-}" ]; then
		launch_inside "$inside" "$@"
	else
		launch "$@"
	fi
}

# it has said that it is ready, or will never say so
is_decided()
{
	[ -e "$place/ready" ] || [ -e "$place/verdict" ] || is_gone "$pid"
}

# start VICTIM [ARG...]: until it is ready
start()
{
	local victim=$1 program=$B/test/victims/$1
	shift

	# users of a namespace may not go to where we were built, and with a root of its own it may not be there
	if [[ ${inside:-} == *[Ur]* ]]; then
		let_others_in
		program=$work/${victim##*/}.program
		cp -f "$B/test/victims/$victim" "$program"
	fi
	if [ -n "${inside:-}" ]; then
		launch_inside "$inside" "$program" . "$@" || return
	else
		launch "$program" . "$@"
	fi
	wait_for 10 is_decided
	if [ ! -e "$place/ready" ]; then
		echo "$victim does not get ready: $(cat "$place/verdict" 2>/dev/null)"
		tail -n 20 "$place/log"
		return 1
	fi
}

# dump [OPTION...] of $pid; the tree is gone afterwards, unless an option says otherwise
dump()
{
	local option stays=

	images=$(mktemp -d "$work/images.XXXXXX")
	[[ ${inside:-} != *U*r* ]] || set -- --external 'mnt[]' "$@"
	criu_lite dump -t "$pid" -D "$images" -o dump.log -v4 "$@" || return
	for option; do
		[[ $option == --leave-* || $option =~ ^-[a-z]*[Rs] ]] && stays=1
	done
	[ -n "$stays" ] || wait_for 5 is_gone "$pid" || { echo "pid $pid is still there"; return 1; }
}

restore()
{
	[ -z "${inside:-}" ] || set -- --pidfile "$images/pid" "$@"
	[[ ${inside:-} != *r* ]] || set -- --root /mnt "$@"
	[[ ${inside:-} != *U*r* ]] || set -- --external 'mnt[]' "$@"
	criu_lite restore -d -D "$images" -o restore.log -v4 "$@" || return
	if [ -n "${inside:-}" ]; then
		pid=$(cat "$images/pid")
		launched="$launched $pid"
		rm -f "$images/pid"
	fi
}

# verdict: what the victim finds when it looks again
verdict()
{
	: >"$place/look"
	if ! wait_for "${1:-10}" test -e "$place/verdict"; then
		echo "no verdict"
	else
		cat "$place/verdict"
	fi
}

same()
{
	local said

	said=$(verdict "$@")
	[ "$said" = same ] || { echo "verdict: $said"; show_logs; return 1; }
}

# cycle N [DUMP OPTION...]
cycle()
{
	local i n=$1
	shift

	for ((i = 1; i <= n; i++)); do
		dump "$@" || { echo "dump $i of $n failed"; show_logs; return 1; }
		restore || { echo "restore $i of $n failed"; show_logs; return 1; }
	done
}

show_logs()
{
	local f

	for f in "${place:-}/log" "${images:-}/dump.log" "${images:-}/restore.log"; do
		[ -s "$f" ] || continue
		echo "-- the end of ${f##*/}"
		tail -n 25 "$f"
	done
}

# other users may enter $work: programs that drop root need it
let_others_in()
{
	local dir

	dir=$work
	while [ "$dir" != /tmp ] && [ -n "$dir" ]; do
		chmod a+rx "$dir"
		dir=${dir%/*}
	done
}

need()
{
	local program

	for program; do
		command -v "$program" >/dev/null || skip "this machine has no $program"
	done
}

# session PID: pid and session of everything in it
processes_of_session()
{
	local stat sid rest

	for stat in /proc/[0-9]*/stat; do
		{ read -r rest <"$stat"; } 2>/dev/null || continue
		rest=${rest##*) }
		read -r _ _ _ sid _ <<<"$rest"
		[ "$sid" != "$1" ] || { stat=${stat%/stat}; echo "${stat#/proc/}"; }
	done
}

# end what was launched, and what it started
end_launched()
{
	local leader p

	for leader in ${launched:-}; do
		for p in $leader $(processes_of_session "$leader"); do
			kill -KILL "$p" 2>/dev/null || :
		done
	done
	launched=
	return 0
}

teardown()
{
	end_launched
}
