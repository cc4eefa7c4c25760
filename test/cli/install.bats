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
	if command -v pandoc; then
		grep -q 'CRIU-LITE' "$work/root/opt/here/share/man/man8/criu-lite.8"
	fi

	in_project uninstall DESTDIR="$work/root" PREFIX=/opt/here
	[ -z "$(find "$work/root" -type f)" ]
}

@test "every option of --help is in the manual, and the other way round" {
	"$CRIU_LITE" --help | grep -oE -- '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u >"$work/help"
	sed '/^## Not there yet/,/^# /d' "$BATS_TEST_DIRNAME/../../Documentation/criu-lite.8.md" |
		grep -oE -- '\\--[a-z][a-z-]+' | tr -d '\\' | sort -u >"$work/manual"
	diff "$work/help" "$work/manual"
}
