# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

is_stopped()
{
	grep -q '^State:.T' "/proc/$1/status"
}

@test "an alarm that goes off while the dump has stopped the task is not lost" {
	need python3
	launch python3 -c '
import signal, time
signal.signal(signal.SIGALRM, lambda *_: open("alarmed", "w").close())
signal.setitimer(signal.ITIMER_REAL, 1.5)
open("ready", "w").close()
while True:
    time.sleep(1000)'
	wait_for 5 test -e "$place/ready"
	images=$(mktemp -d "$work/images.XXXXXX")
	CRIU_LITE_INJECT=stop:drain "$CRIU_LITE" dump -t "$pid" -D "$images" -o dump.log -v4 \
		3>&- 4>&- </dev/null &
	dumper=$!
	wait_for 10 is_stopped "$dumper"
	sleep 2
	[ ! -e "$place/alarmed" ]
	kill -CONT "$dumper"
	wait "$dumper"
	wait_for 5 is_gone "$pid"
	restore
	wait_for 5 test -e "$place/alarmed"
}
