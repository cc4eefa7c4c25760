#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# how options may be written, on the command line and in configuration files

load ../helpers

# Without a root to dump nothing happens, so what is said tells how far it got.
bare()
{
	HOME=$work/home run criu_lite "$@"
}

config()
{
	printf '%s\n' "$@" >"$work/config"
}

is_parsed()
{
	[ "$status" -eq 1 ]
	[[ "$output" == *"pid not specified"* ]] || { echo "$output"; false; }
}

is_refused()	# is_refused WHAT
{
	[ "$status" -eq 1 ]
	[[ "$output" == *"$1"* ]] || { echo "$output"; false; }
	[[ "$output" == *"why: "* ]]
	[[ "$output" == *"do:  "* ]]
}

@test "values: glued, as the next word, behind =" {
	for words in "-t$$" "-t $$" "--tree=$$" "--tree $$" "-jRt$$"; do
		bare dump -D /nowhere $words
		[ "$status" -eq 1 ]
		[[ "$output" == *"cannot open directory /nowhere"* ]] || { echo "$words: $output"; false; }
	done
}

@test "options and the command may come in any order" {
	bare -t $$ -D /nowhere dump
	[[ "$output" == *"cannot open directory /nowhere"* ]]
}

@test "optional values are glued: -v, -vv, -v4, --verbosity=3, -x, -x5,6" {
	bare dump -v -vv -vvvv -v4 --verbosity=3 -x -x5,6 --ext-unix-sk --ext-unix-sk=7
	is_parsed
	bare dump -vabc
	is_refused "--verbosity abc"
	bare dump -xabc
	is_refused "--ext-unix-sk abc"
}

@test "every option of CRIU is known" {
	local taken="--tree 0 --version --help --config --close --inherit-fd --external --status-fd
		--ext-mount-map --veth-pair --irmap-scan-path --ms --exec-cmd --stream
		--page-server --lazy-pages --mntns-compat-mode --port --ps-socket"
	for o in leave-stopped leave-running restore-detached daemon restore-sibling log-pid \
		tcp-established skip-in-flight tcp-close evasive-devices link-remap shell-job \
		file-locks track-mem auto-dedup force-irmap enable-external-sharing \
		enable-external-masters extra experimental all deprecated display-stats weak-sysctls \
		no-default-config tls tls-no-cn-verify skip-file-rwx-check unprivileged ghost-fiemap \
		allow-uprobes; do
		bare dump --$o
		is_parsed || { echo "--$o"; false; }
	done
	for o in images-dir work-dir log-file pidfile root action-script address \
		prev-images-dir libdir feature skip-mnt enable-fs freeze-cgroup lsm-profile \
		lsm-mount-context cgroup-root cgroup-props cgroup-props-file cgroup-dump-controller \
		cgroup-yard tls-cacert tls-cacrl tls-cert tls-key irmap-scan-path; do
		bare dump --$o /some
		is_parsed || { echo "--$o"; false; }
		bare dump --$o
		is_refused "--$o" || { echo "--$o without a value"; false; }
	done
	bare dump --ghost-limit 5M --timeout 7 --empty-ns net --manage-cgroups --manage-cgroups=soft \
		--cpu-cap --cpu-cap=all --network-lock nftables --file-validation filesize \
		--pre-dump-mode read --ext-mount-map auto --ext-mount-map /a:b --veth-pair a=b \
		--join-ns net:/some -J uts:7
	is_parsed
}

@test "a switch can be cleared by its no- form; others have none" {
	bare dump --shell-job --no-shell-job --no-file-locks --no-tcp-established
	is_parsed
	bare dump --no-leave-running
	is_refused "--no-leave-running"
	bare dump --no-shell-job=1
	is_refused "it takes no value"
}

@test "a wrong value is named, with what would be right" {
	bare dump -t 0
	is_refused "--tree 0"
	bare dump -t 5x
	is_refused "--tree 5x"
	bare dump -t -5
	is_refused "--tree -5"
	bare dump --timeout soon
	is_refused "--timeout soon"
	bare dump --ghost-limit 5T
	is_refused "--ghost-limit 5T"
	bare dump --network-lock none
	is_refused "iptables nftables skip"
	bare dump --manage-cgroups=often
	is_refused "--manage-cgroups often"
	bare dump --file-validation date
	is_refused "filesize buildid"
}

@test "a misspelt option is corrected" {
	bare dump --leave-run
	is_refused "do you mean --leave-running?"
}

@test "what would be lost is refused by name" {
	bare dump -t $$ --page-server --port 5
	is_refused "cannot use --page-server"
	bare dump -t $$ --lazy-pages --stream
	is_refused "cannot use --lazy-pages"
	bare restore --lazy-pages -D -
	is_refused "cannot use --lazy-pages"
	bare dump --port 0
	is_refused "--port 0"
	bare dump --ps-socket 77
	is_refused "--ps-socket 77"
	bare restore -J mnt:/x
	is_refused "it takes net, uts or ipc"
	bare restore --lsm-profile apparmor:x
	is_refused "cannot restore with --lsm-profile"
	bare check --ms
	is_refused "cannot check with --ms"
}

@test "what has no effect is accepted and noted in the log" {
	start task/sleeper
	dump -R --libdir /nowhere --ghost-fiemap
	grep -q -- "--libdir has no effect: there are no plugins" "$images/dump.log"
}

@test "--external: right and wrong" {
	for e in 'file[1b:5f]' 'tty[8803:5]' 'unix[77]' 'net[4026531840]:name' 'mnt[]' 'mnt[]:ms' \
		'mnt[/a[b]]:c' 'dev[8/1]:x' 'veth[eth0]:veth1@br0'; do
		bare dump --external "$e"
		is_parsed || { echo "$e"; false; }
	done
	for e in 'file[1b]' 'file[1G:5]' 'file[1b:5f]x' 'tty[5]' 'unix[0x5]' 'unix[]' 'unix[5' 'net[5]' \
		'file' 'door[5]' '' '[5]'; do
		bare dump --external "$e"
		is_refused "cannot use --external $e" || { echo "$e"; false; }
	done
}

@test "--inherit-fd: the descriptor must be open" {
	bare restore --inherit-fd 'fd[77]:pipe:[5]'
	is_refused "that descriptor is not open"
	for v in 'fd[1]' 'fd[1]:' 'fd[x]:y' 'door[1]:x' 'fd[1:x'; do
		bare restore --inherit-fd "$v"
		is_refused "it takes a descriptor and a resource" || { echo "$v"; false; }
	done
	bare restore --inherit-fd 'debug[1]:hello' -D /nowhere
	[[ "$output" == *hello* ]]
}

@test "commands of CRIU that we lack say so" {
	for c in "cpuinfo dump"; do
		bare $c
		is_refused "it is not available yet"
		[[ "$output" == *"cannot run command ${c%% *}"* ]]
	done
	bare exec
	[ "$status" -eq 255 ]
}

@test "-S, -d and --exec-cmd" {
	bare restore -D /nowhere -S
	is_refused "--restore-sibling only makes sense with --restore-detached"
	bare restore -D /nowhere -d --exec-cmd -- true
	is_refused "cannot be used together"
	bare restore -D /nowhere --exec-cmd
	is_refused "--exec-cmd requires a command"
	bare restore --exec-cmd -D /nowhere -- ls -l
	is_refused "cannot open directory /nowhere"
	bare dump --mntns-compat-mode
	is_refused "--mntns-compat-mode is only for restore"
}

# ---- configuration files ----

@test "a configuration file: comments, blanks, quotes" {
	config '# a comment' '' '   images-dir   "/no where"  # another' 'tree 5#' 'no-shell-job' \
		'	verbosity 4' 'ext-unix-sk'
	bare dump --config "$work/config"
	is_refused "cannot open directory /no where"
	config 'images-dir "/a \"b\" #c"' 'tree 5'
	bare dump --config "$work/config"
	is_refused 'cannot open directory /a "b" #c'
}

@test "a configuration file: what is wrong is named with its line" {
	config 'tree 5' 'images-dir a b'
	bare dump --config "$work/config"
	is_refused "line 2: Unsupported configuration file format"
	config 'images-dir "a'
	bare dump --config "$work/config"
	is_refused "line 1: Unsupported configuration file format"
	for line in "dump" "--tree 5" "no-such-option" "tree" "shell-job yes" "no-tree 5"; do
		config "$line"
		bare dump --config "$work/config"
		is_refused "$work/config: line 1: "
	done
}

@test "a configuration file that is not there is skipped" {
	bare dump --config /nowhere/x
	is_parsed
}

@test "precedence: home, environment, --config, command line" {
	mkdir -p "$work/home/.criu"
	echo "images-dir /nohome" >"$work/home/.criu/default.conf"
	echo "images-dir /env" >"$work/env"
	echo "images-dir /config" >"$work/config"

	bare dump -t 5
	is_refused "cannot open directory /nohome"
	CRIU_CONFIG_FILE=$work/env bare dump -t 5
	is_refused "cannot open directory /env"
	CRIU_CONFIG_FILE=$work/env bare dump -t 5 --config "$work/config"
	is_refused "cannot open directory /config"
	CRIU_CONFIG_FILE=$work/env bare dump -t 5 --config="$work/config" -D /line
	is_refused "cannot open directory /line"
	CRIU_CONFIG_FILE=$work/env bare dump -t 5 --no-default-config
	is_refused "cannot open directory /env"
	bare dump -t 5 --no-default-config -D /nowhere
	is_refused "cannot open directory /nowhere"
	# not an option, but the value of one
	bare dump -t 5 -o --no-default-config
	is_refused "cannot open directory /nohome"
}

@test "the default configuration in /etc is overruled by the one in HOME" {
	[ ! -e /etc/criu/default.conf ] || skip "this machine has an /etc/criu/default.conf"
	mkdir -p "$work/home/.criu" "$work/etc/criu"
	echo "images-dir /etc-dir" >"$work/etc/criu/default.conf"
	run unshare -m --propagation unchanged sh -c '
		mount -t tmpfs none /etc && mkdir /etc/criu && mount --bind "$1/etc/criu" /etc/criu &&
		HOME=$1/home "$2" dump -t 5; echo "images-dir /nohome" >"$1/home/.criu/default.conf"
		HOME=$1/home "$2" dump -t 5' - "$work" "$CRIU_LITE"
	[[ "$output" == *"cannot open directory /etc-dir"*"cannot open directory /nohome"* ]]
}

@test "a session led from outside of the pid namespace: refused, and works with --shell-job" {
	sleep 1000 </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- &
	pid=$!
	[ "$(ps -o sid= -p $pid)" -eq 0 ] || skip "this shell's session is in the pid namespace"
	run dump
	[ "$status" -eq 1 ]
	[[ "$output" == *"do:  use --shell-job"* ]]
	dump --shell-job
	restore --shell-job
	kill -0 $pid
	kill -KILL $pid
}
