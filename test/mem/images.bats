# SPDX-License-Identifier: GPL-2.0-only
# places: namespaces user-namespace
load ../helpers

# where the vdso lies in pages-1.img: a page that begins like an ELF file and has that name in it
vdso_offset()
{
	local at

	for at in $(grep -abo 'linux-vdso.so.1' "$images/pages-1.img" | cut -d: -f1); do
		at=$((at / 4096 * 4096))
		if cmp -s <(printf ELF) <(dd if="$images/pages-1.img" bs=1 skip=$((at + 1)) count=3 status=none); then
			echo $at
			return
		fi
	done
	return 1
}

# overwrite OFFSET in FILE with a byte
poke()
{
	printf '\xcc' | dd of="$2" bs=1 seek="$1" conv=notrunc status=none
}

vdso_areas()
{
	grep -c '\[vdso\]' "/proc/$pid/maps"
}

# bats test_tags=places
@test "calls into the vdso of another kernel go to that of this one" {
	start mem/vdso_calls
	before=$(grep '\[vdso\]' "/proc/$pid/maps")
	dump
	offset=$(vdso_offset)
	# one byte of code that nobody runs: the last of the first function
	symbol=$(dd if="$images/pages-1.img" bs=4096 skip=$((offset / 4096)) count=2 status=none >"$work/vdso";
		readelf -sW --dyn-syms "$work/vdso" | awk '$8 ~ /^__vdso_clock_gettime/ { print $2, $3; exit }')
	read -r value size <<<"$symbol"
	poke $((offset + 0x$value + size - 1)) "$images/pages-1.img"
	restore
	grep -q "another kernel" "$images/restore.log"
	[ "$(grep '\[vdso\]' "/proc/$pid/maps")" != "$before" ]

	# from now on it is an ordinary task of this kernel
	for i in 1 2 3; do
		after=$(grep '\[v' "/proc/$pid/maps")
		cycle 1
		[ "$(grep '\[v' "/proc/$pid/maps")" = "$after" ]
		[ "$(vdso_areas)" = 1 ]
	done
	same
}

@test "a vdso that is no vdso is refused" {
	start mem/vdso_calls
	dump
	offset=$(vdso_offset)
	poke $((offset + 1)) "$images/pages-1.img"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"the vdso"*"is damaged"*"do:  "* ]]
}

@test "truncated pages are refused before anything is made" {
	start mem/anon
	dump
	truncate -s -1 "$images/pages-1.img"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"pages-1.img"*"truncated"*"do:  "* ]]
}

@test "a missing pages file is refused before anything is made" {
	start mem/anon
	dump
	rm "$images/pages-1.img"
	run restore
	[ "$status" -eq 1 ]
	[[ "$output" == *"pages-1.img"*"do:  "* ]]
}
