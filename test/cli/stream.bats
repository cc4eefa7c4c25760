# SPDX-License-Identifier: GPL-2.0-only
#
# A checkpoint that is one stream, and images that are compressed.
load ../helpers

# to_stream [OPTION...] of $pid, into $stream
to_stream()
{
	stream=$(mktemp "$work/stream.XXXXXX")
	"$CRIU_LITE" dump -t "$pid" -D - -o "$work/dump.log" -v4 "$@" >"$stream" 3>&- 4>&- 5>&- 6>&- </dev/null
}

from_stream()
{
	"$CRIU_LITE" restore -d -D - -o "$work/restore.log" -v4 "$@" <"$stream" 3>&- 4>&- 5>&- 6>&-
}

files_of()
{
	(cd "$1" && echo *)
}

@test "through a stream and back, also through a pipe, and compressed" {
	for option in "" "--compress lz4" "--compress zstd:5"; do
		start mem/anon
		# shellcheck disable=SC2086
		to_stream $option
		wait_for 5 is_gone "$pid"
		from_stream
		same
	done

	start mem/shared
	"$CRIU_LITE" dump -t "$pid" --stream -o "$work/dump.log" 3>&- 4>&- </dev/null |
		"$CRIU_LITE" restore -d --stream -o "$work/restore.log" 3>&- 4>&- 5>&- 6>&-
	same
}

@test "a tree in namespaces of its own, through a stream" {
	inside=pun start task/futex
	to_stream
	from_stream --pidfile "$work/pid"
	pid=$(cat "$work/pid")
	launched="$launched $pid"
	same
}

@test "no file is left: not in the images directory, not where we are" {
	start mem/anon
	mkdir "$work/here"
	cd "$work/here"
	to_stream -R
	[ -z "$(ls -A "$work/here")" ]
	to_stream --compress lz4
	from_stream
	[ -z "$(ls -A "$work/here")" ]
	same
}

@test "--compress into a directory: one file, and the inventory beside it" {
	start mem/anon
	dump --compress zstd
	[ "$(files_of "$images")" = "dump.log images.stream inventory.img stats-dump" ]
	restore
	# dumped there once more, plain: nobody takes the old one
	criu_lite dump -t "$pid" -D "$images" -R
	[ ! -e "$images/images.stream" ]
	criu_lite dump -t "$pid" -D "$images" --compress lz4
	wait_for 5 is_gone "$pid"
	restore
	same
}

@test "nobody reads the stream: the tree goes on, and the reason is told" {
	start mem/large
	run -1 --separate-stderr bash -c "set -o pipefail; '$CRIU_LITE' dump -t $pid -D - 3>&- 4>&- | head -c 5000 >/dev/null"
	[[ $stderr == *"the stream of images"*"Broken pipe"* ]]
	same
}

@test "the disk of the stream is full: the tree goes on" {
	start mem/large
	mkdir "$work/small"
	mount -t tmpfs -o size=64k tmpfs "$work/small"
	run -1 bash -c "'$CRIU_LITE' dump -t $pid -D - 3>&- 4>&- >$work/small/stream"
	[[ $output == *"No space left"* ]]
	run -1 criu_lite dump -t "$pid" -D "$work/small" --compress zstd
	[[ $output == *"No space left"* ]]
	[ ! -e "$work/small/inventory.img" ]
	umount "$work/small"
	same
}

@test "a damaged stream is refused, and nothing of it is restored" {
	start mem/anon
	to_stream --compress lz4
	wait_for 5 is_gone "$pid"
	size=$(stat -c %s "$stream")
	cp "$stream" "$work/good"

	for at in 3 9 $((size / 3)) $((size / 2)) $((size - 5)); do
		cp "$work/good" "$stream"
		printf '\xa5' | dd of="$stream" bs=1 seek="$at" conv=notrunc status=none
		cmp -s "$work/good" "$stream" && continue
		run -1 from_stream
		[[ $output == *"cannot read the stream of images"* ]]
		is_gone "$pid"
	done
	head -c $((size - 1)) "$work/good" >"$stream"
	run -1 from_stream
	[[ $output == *"its end is missing"* ]]
	(cat "$work/good"; echo) >"$stream"
	run -1 from_stream
	[[ $output == *"something follows"* ]]

	cp "$work/good" "$stream"
	from_stream
	same
}

@test "what cannot be meant is refused" {
	start task/sleeping
	run -1 criu_lite dump -t "$pid" -D - -o -
	[[ $output == *"stdout"* ]]
	run -1 criu_lite dump -t "$pid" --compress brotli
	[[ $output == *'"brotli"'*lz4* ]]
	run -1 criu_lite dump -t "$pid" --compress zstd:99
	run -1 script -qec "'$CRIU_LITE' restore -D - 3>&- 4>&-" /dev/null
	[[ $output == *"a terminal"* ]]
	run -1 criu_lite restore -D -
	[[ $output == *"its end is missing"* ]]
	same
}
