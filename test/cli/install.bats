#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# make install and make uninstall

load ../helpers

in_project()
{
	# what the tests were built with, not a mixture
	[[ $B != */san ]] || set -- SANITIZE=1 "$@"
	make --no-print-directory -C "$BATS_TEST_DIRNAME/../.." B="$B" "$@"
}

@test "install puts the program and its manual page where it is told, uninstall takes them away" {
	in_project install DESTDIR="$work/root" PREFIX=/opt/here
	[ -x "$work/root/opt/here/sbin/criu-lite" ]
	[ "$("$work/root/opt/here/sbin/criu-lite" --version | head -n 1)" = "Version: 4.2" ]
	[ "$("$work/root/opt/here/libexec/criu-lite/criu" --version | head -n 1)" = "Version: 4.2" ]
	"$work/root/opt/here/sbin/runc-ckpt" --runtime runc checkpoint --help
	if command -v pandoc; then
		grep -q 'CRIU-LITE' "$work/root/opt/here/share/man/man8/criu-lite.8"
		grep -q 'RUNC-CKPT' "$work/root/opt/here/share/man/man8/runc-ckpt.8"
	fi

	in_project uninstall DESTDIR="$work/root" PREFIX=/opt/here
	[ -z "$(find "$work/root" -not -type d)" ]
}

@test "bash completes commands, options and their values" {
	# shellcheck disable=SC2016
	run env PATH="$B:$PATH" bash -c '. '"$BATS_TEST_DIRNAME"'/../../criu-lite/completion.bash
		complete_it() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=(); _criu_lite; echo "${COMPREPLY[*]}"; }
		complete_it criu-lite re
		complete_it criu-lite dump --leave-
		complete_it criu-lite check --feature uf
		cd "$1" && mkdir -p below && complete_it criu-lite dump -D be' -- "$work"
	[ "$output" = "restore
--leave-running --leave-stopped
uffd uffd-noncoop
below" ]
}

@test "every option of --help is in the manual, and the other way round" {
	"$CRIU_LITE" --help | grep -oE -- '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u >"$work/help"
	sed '/^## Not there yet/,/^# /d' "$BATS_TEST_DIRNAME/../../Documentation/criu-lite.8.md" |
		grep -oE -- '\\--[a-z][a-z-]+' | tr -d '\\' | sort -u >"$work/manual"
	diff "$work/help" "$work/manual"
}
