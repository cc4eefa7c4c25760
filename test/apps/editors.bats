# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# Editors in a terminal: tmux is the terminal, and is dumped with them.
setup()
{
	need tmux
	export TMUX_TMPDIR=$work
}

t()
{
	tmux -S "$work/tmux.sock" "$@" 3>&- 4>&- </dev/null
}

shows()
{
	t capture-pane -p | grep -q -- "$1"
}

# edit COMMAND: in the first window
edit()
{
	launch env TERM=xterm tmux -S "$work/tmux.sock" -D
	wait_for 10 test -S "$work/tmux.sock"
	up() { t has-session 2>/dev/null || t new-session -d -x 80 -y 24 -c "$place" "$1" 2>/dev/null; }
	wait_for 10 up "$1"
}

@test "vim: what is typed before and after three cycles is saved" {
	need vim
	edit "vim -u NONE -n text"
	wait_for 10 shows '"text"'
	t send-keys i 'first line' Enter
	wait_for 5 shows '^first line'
	for i in 1 2 3; do
		cycle 1
		t send-keys "round $i" Enter
		wait_for 10 shows "^round $i"
	done
	t send-keys Escape ':2d' Enter 'u' ':wq' Enter
	wait_for 10 test -s "$place/text"
	[ "$(cat "$place/text")" = $'first line\nround 1\nround 2\nround 3' ]
}

@test "emacs: its buffer, its undo list and its Lisp go on" {
	need emacs
	edit "emacs -nw -Q --eval '(setq odd 41)' text"
	wait_for 20 shows 'text .*All'
	t send-keys 'some text' Enter
	wait_for 5 shows '^some text'
	for i in 1 2; do
		cycle 1
		t send-keys "round $i" Enter
		wait_for 10 shows "^round $i"
	done
	t send-keys M-: '(insert (number-to-string (1+ odd)))' Enter
	wait_for 10 shows '^42'
	t send-keys C-x C-s
	wait_for 10 test -s "$place/text"
	grep -q '^round 2' "$place/text"
	grep -q '^42' "$place/text"
}
