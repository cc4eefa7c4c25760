# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

@test "tmux with a shell: it can be typed to and read after three cycles" {
	need tmux
	export TMUX_TMPDIR=$work
	t() { tmux -S "$work/tmux.sock" "$@" 3>&- 4>&- </dev/null; }
	launch env TERM=xterm tmux -S "$work/tmux.sock" -D
	# before its socket is there, a client would start a server of its own
	wait_for 10 test -S "$work/tmux.sock"
	up() { t has-session 2>/dev/null || t new-session -d -x 80 -y 24 'PS1="$ " bash --norc' 2>/dev/null; }
	wait_for 10 up
	t send-keys 'variable=forty-two; echo "pid is $$"' Enter
	shows() { t capture-pane -p | grep -q "$1"; }
	wait_for 10 shows 'pid is [0-9]'
	said=$(t capture-pane -p | grep -o 'pid is [0-9]*' | tail -n 1)

	for i in 1 2 3; do
		cycle 1
		t send-keys "echo \"round $i \$variable\"" Enter
		wait_for 10 shows "^round $i forty-two"
	done
	# what was on the screen before is still there, and the shell is the same
	shows "$said"
	t send-keys 'echo "now $$"' Enter
	wait_for 10 shows "^now ${said#pid is }"
	# job control works in the restored terminal
	t send-keys 'sleep 1000' Enter
	sleep 0.3
	t send-keys C-c
	t send-keys 'echo "interrupted $?"' Enter
	wait_for 10 shows '^interrupted 130'
}
