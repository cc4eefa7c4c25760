# SPDX-License-Identifier: GPL-2.0-only
#
# Images that are damaged, missing or of another version: one error of three
# parts; never a crash, and nobody is left.
load ../helpers

everything()
{
	start cli/everything
	dump --file-locks
	rm "$images/dump.log"
}

@test "images that are missing, cut off or changed in any byte: one error, or a tree" {
	need python3
	everything
	RESTORE=--file-locks "$BATS_TEST_DIRNAME/readonly" "$work" \
		"$BATS_TEST_DIRNAME/damage.py" "$CRIU_LITE" "$images" 24
}

# its first field is the version: magic (4), size (4), tag (1)
set_version()
{
	# shellcheck disable=SC2059
	printf "\\x$1" | dd of="$images/inventory.img" bs=1 seek=9 conv=notrunc status=none
}

@test "images of another version are refused, and the version is named" {
	everything
	set_version 7
	run restore --file-locks
	[ "$status" -eq 1 ]
	[[ "$output" == *"images of version 7"* ]]
	[[ "$output" == *"do:  restore with the version of criu"* ]]
	set_version 0
	run restore --file-locks
	[ "$status" -eq 1 ]
	[[ "$output" == *"do:  this is a pre-dump"* ]]
	set_version 2
	restore --file-locks
	same
}

@test "what is in a damaged image cannot speak to the terminal" {
	everything
	sed -i "s|${place//\//\\/}|$(printf '%s' "${place%????}")\x1b[2J|g" "$images/files.img"
	run restore --file-locks
	[ "$status" -eq 1 ]
	[[ "$output" == *"?[2J"* ]]
}
