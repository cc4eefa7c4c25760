# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

# eight sources, none of which compiles in no time
sources()
{
	local i k

	for ((i = 0; i < 8; i++)); do
		for ((k = 0; k < 120; k++)); do
			echo "int f${i}_$k(int x) { int s = $k; for (int i = 0; i < x; i++) s = s * 31 + (i ^ $i) % (s | 1); return s; }"
		done >"$1/f$i.c"
	done
	{
		for ((i = 0; i < 8; i++)); do echo "int f${i}_7(int);"; done
		echo 'int printf(const char *, ...); int main(void) { printf("%d\n", 0'
		for ((i = 0; i < 8; i++)); do echo " + f${i}_7(100)"; done
		echo '); return 0; }'
	} >"$1/main.c"
	# shellcheck disable=SC2016
	printf '%s\n' 'OBJS := $(patsubst %.c,%.o,$(wildcard *.c))' 'prog: $(OBJS)' '	gcc -o $@ $(OBJS)' \
		'%.o: %.c' '	gcc -O2 -c -o $@ $<' >"$1/Makefile"
}

@test "gcc in the middle of make -j2: the program is built, and is the same" {
	need gcc make
	mkdir "$work/sources"
	sources "$work/sources"
	cp -r "$work/sources" "$work/whole"
	make -s -C "$work/whole" -j2

	launch sh -c "cp -r '$work/sources/.' . && exec make -j2"
	for i in 1 3 5; do
		some_objects() { [ "$(ls "$place" | grep -c '\.o$')" -ge "$1" ]; }
		wait_for 30 some_objects "$i"
		[ ! -e "$place/prog" ]
		cycle 1
	done
	wait_for 60 is_gone "$pid"
	cat "$place/log"
	[ "$("$place/prog")" = "$("$work/whole/prog")" ]
	for i in "$work"/whole/*.o; do
		cmp "$i" "$place/${i##*/}"
	done
}
