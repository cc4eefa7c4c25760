# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

more_than()
{
	[ "$(wc -l <"$1")" -gt "$2" ]
}

# grows FILE: by five lines
grows()
{
	wait_for 10 more_than "$1" $(($(wc -l <"$1") + 5))
}

@test "perl: a hash, a closure, a pipe to a child and a timer" {
	need perl
	launch perl -e '
use strict; use Time::HiRes qw(setitimer ITIMER_REAL sleep);
my ($ticks, %seen) = (0);
$SIG{ALRM} = sub { $ticks++ };
setitimer(ITIMER_REAL, 0.01, 0.01);
pipe(my $r, my $w); my $pid = fork();
if (!$pid) { close $r; $w->autoflush(1); my $n = 0; while (1) { print $w $n++, "\n"; sleep 0.01 } }
close $w;
open(my $out, ">", "out"); $out->autoflush(1);
my $expected = 0;
while (defined(my $line = <$r>)) {
	chomp $line; die "$line, not $expected" if $line != $expected++ || $seen{$line}++;
	print $out "$line $ticks ", scalar(keys %seen), "\n";
}'
	wait_for 10 test -s "$place/out"
	for i in 1 2 3; do
		cycle 1
		grows "$place/out"
	done
	awk '$1 != NR - 1 || $3 != NR || $2 < ticks { exit 1 } { ticks = $2 }' "$place/out"
	[ ! -s "$place/log" ]
}

@test "a Go program: webhook answers with what a command says" {
	need webhook python3
	cat >"$work/hooks.json" <<-'END'
	[ { "id": "count", "execute-command": "/bin/sh", "include-command-output-in-response": true,
	    "pass-arguments-to-command": [ { "source": "string", "name": "-c" },
	    { "source": "string", "name": "echo line >>hits; wc -l <hits" } ],
	    "command-working-directory": "." } ]
	END
	launch webhook -hooks "$work/hooks.json" -ip 127.0.0.1 -port 9007 -verbose
	asked() { python3 -c 'import urllib.request as u; print(int(u.urlopen("http://127.0.0.1:9007/hooks/count", timeout=5).read()))' 2>/dev/null; }
	answers() { said=$(asked) && [ "$said" = "$1" ]; }
	wait_for 10 answers 1
	for i in 2 3 4; do
		cycle 1
		said=$(asked)
		[ "$said" = "$i" ]
	done
}

@test "a Rust program: ripgrep in the middle of a stream" {
	need rg
	launch sh -c 'mkfifo in && { rg --line-buffered -n "[05]$" - <in >out & exec 3>in; i=0
		while :; do i=$((i + 1)); echo $i >&3; sleep 0.01; done; }'
	wait_for 10 test -s "$place/out"
	for i in 1 2 3; do
		cycle 1
		grows "$place/out"
	done
	awk -F: '$1 != NR * 5 || $2 != $1 { print; exit 1 }' "$place/out"
}

@test "busybox: init's services and a web server" {
	need busybox python3
	launch busybox sh -c 'mkdir www && echo hello >www/page && busybox httpd -f -p 127.0.0.1:9008 -h www &
		while :; do busybox date +%s >>out; busybox usleep 10000; done'
	got() { [ "$(python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9008/page", timeout=5).read().decode(), end="")' 2>/dev/null)" = hello ]; }
	wait_for 10 got
	for i in 1 2 3; do
		cycle 1
		got
		grows "$place/out"
	done
}
