# SPDX-License-Identifier: GPL-2.0-only
#
# Images that CRIU 4.2 wrote, restored by us: a program of two tasks and three
# threads that checks itself and appends a line per tick to its log.
load ../helpers

sample=$BATS_TEST_DIRNAME/../../../shared/samples/criu-4.2-cross.tar.xz

@test "what CRIU 4.2 dumped goes on ticking and finds all it had" {
	[ -e "$sample" ] || skip "the sample is not beside this checkout (shared/samples)"
	# the images name /opt; ours is private to this test's mount namespace
	mount -t tmpfs none /opt
	tar -C /opt -xJf "$sample"
	before=$(wc -l </opt/criu-sample/log)

	# its pids are small, so it needs a pid namespace where nearly none are used
	"$B/test/nsinit" -t 60 "$CRIU_LITE" restore -D /opt/criu-sample/img -W "$work" -o restore.log -v4 \
		>"$work/out" 2>&1 3>&- 4>&- &
	more() { [ "$(wc -l </opt/criu-sample/log)" -ge $((before + 20)) ]; }
	wait_for 30 more || { cat "$work/out"; tail -n 30 "$work/restore.log"; false; }
	kill %1
	tail -n +$((before + 1)) /opt/criu-sample/log >"$work/new"
	# one "epoll EINTR" was caused by the dump that CRIU made
	bad=$(grep BAD "$work/new" | grep -v 'epoll EINTR' | head -n 5)
	[ -z "$bad" ] || { echo "$bad"; false; }
}
