# SPDX-License-Identifier: GPL-2.0-only
#
# Memory over a connection: our page server and our dump, and each with a peer
# that was written from the description of CRIU's protocol (page_peer.py).
load ../helpers

PORT=7171

peer()
{
	python3 "$BATS_TEST_DIRNAME/page_peer.py" "$@" 3>&- 4>&- 5>&-
}

# serve [OPTION...]: into a new $store, in the background, until it listens; $server
serve()
{
	store=$(mktemp -d "$work/store.XXXXXX")
	serve_again "$@"
}

serve_again()
{
	rm -f "$store/pid"
	criu_lite page-server -D "$store" -o server.log -v4 --port $PORT -d --pidfile pid \
		--status-fd 7 "$@" 7>"$work/status" || return
	wait_for 10 test -s "$work/status"
	server=$(cat "$store/pid")
	launched="${launched:-} $server"
}

served()
{
	wait_for 10 is_gone "$server"
}

says()
{
	[[ "$output" == *"$1"* && "$output" == *"why: "* && "$output" == *"do:  "* ]] ||
		{ echo "$output"; false; }
}

# dump_there [OPTION...]: memory to the server, the rest to $images
dump_there()
{
	dump --page-server --address 127.0.0.1 --port $PORT "$@"
}

@test "memory goes to a page server, private and shared, of all tasks; what is restored is the same" {
	for victim in mem/shared mem/large mem/shmem_huge file/pipe; do
		start $victim
		serve
		dump_there
		served
		[ -z "$(ls "$images" | grep -E '^page(s|map)-')" ]
		ls "$store" | grep -q '^pages-65537'
		cp "$store"/*.img "$images"
		restore
		same
		end_launched
	done
}

@test "the page server of a description of CRIU's protocol understands our dump" {
	for how in "" short; do
		start mem/shared
		store=$(mktemp -d "$work/store.XXXXXX")
		peer server "$store" "$store/port" $how &
		wait_for 10 test -s "$store/port"
		PORT=$(cat "$store/port") dump_there
		wait $!
		cp "$store"/*.img "$images"
		restore
		same
		end_launched
	done
}

@test "our page server understands a dump after that description, whole and in bytes, new and old" {
	for what in good short; do
		serve
		run peer client $PORT $what
		# PARENT: an int; OPEN2: a byte each; CLOSE: an int
		[ "$output" = 00000000000000000000 ]
		served
		[[ "$(cat "$store/server.log")" != *Error* ]]
		[ "$(stat -c %s "$store/pages-65537.img")" -eq 12288 ]
		[ "$(stat -c %s "$store/pages-65538.img")" -eq 4096 ]
		[ "$(head -c1 "$store/pages-65538.img")" = d ]
		criu_lite show decode --pretty -i "$store/pagemap-7.img" >"$work/shown"
		grep -q 0x30000 "$work/shown"
		[ -e "$store/pagemap-shmem-9.img" ]
	done
	mkdir "$store/before"
	cp "$store"/pagemap-* "$store/before"
	ln -s before "$store/parent"
	serve_again
	run peer client $PORT good
	[ "$output" = 01000000010100000000 ]
	served
	serve
	run peer client $PORT old
	[ "$output" = 00000000 ]
	served
	[ "$(stat -c %s "$store/pages-65537.img")" -eq 4096 ]
}

@test "what no dump would send is refused by name, and ends the server" {
	for what in garbage unknown object closed other flags zero huge odd order cut head unfinished more; do
		serve
		peer client $PORT $what >"$work/answer"
		served
		grep -q '^Error.*cannot \(understand\|complete\|go on with\)' "$store/server.log" ||
			grep -q 'Error.*cannot \(understand\|complete\|go on with\)' "$store/server.log" ||
			{ echo "$what:"; cat "$store/server.log"; false; }
	done
}

@test "a lost connection, or a server that has not got all: the tree goes on, and the dump says so" {
	start mem/large
	run dump_there
	[ "$status" -eq 1 ]
	says "cannot reach a page server at 127.0.0.1:$PORT"
	for how in die refuse; do
		store=$(mktemp -d "$work/store.XXXXXX")
		peer server "$store" "$store/port" $how &
		wait_for 10 test -s "$store/port"
		PORT=$(cat "$store/port") run dump_there
		wait $! || :
		[ "$status" -eq 1 ]
		says "127.0.0.1:"
		[[ "$output" == *"still runs"* ]] || { echo "$output"; false; }
		[ ! -e "$images/inventory.img" ]
		[ "$(awk '/^State/ { print $2 }' /proc/$pid/status)" != T ]
	done
	same
}

@test "connected sockets in place of addresses" {
	start mem/shared
	images=$(mktemp -d "$work/images.XXXXXX")
	store=$(mktemp -d "$work/store.XXXXXX")
	peer pair "$CRIU_LITE" page-server -D "$store" --ps-socket {} -- \
		"$CRIU_LITE" dump -t "$pid" -D "$images" --page-server --ps-socket {}
	cp "$store"/*.img "$images"
	restore
	same
	run criu_lite page-server -D "$store" --ps-socket 0
	[ "$status" -eq 1 ]
	says "cannot use --ps-socket 0"
}

# certificate NAME CA [SUBJECT]
certificate()
{
	openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.req" -subj "/CN=${3:-$1}" \
		-addext "subjectAltName=IP:${3:-127.0.0.1}" 2>/dev/null
	openssl x509 -req -in "$work/$1.req" -CA "$work/$2.crt" -CAkey "$work/$2.key" -days 5 \
		-copy_extensions copy -out "$work/$1.crt" 2>/dev/null
}

authority()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 5 -keyout "$work/$1.key" -out "$work/$1.crt" \
		-subj "/CN=$1" 2>/dev/null
}

tls()	# tls NAME CA
{
	echo --tls --tls-cert "$work/$1.crt" --tls-key "$work/$1.key" --tls-cacert "$work/$2.crt"
}

@test "TLS with certificates on both sides; others are refused" {
	need openssl
	authority ours
	authority theirs
	certificate near ours
	certificate far ours
	certificate elsewhere ours 127.0.0.9
	certificate foreign theirs

	start mem/shared
	serve --address 127.0.0.1 $(tls far ours)
	dump_there $(tls near ours)
	served
	cp "$store"/*.img "$images"
	restore
	same
	end_launched

	start mem/shared
	refused() { # refused SERVER CLIENT [OPTION]: options of both
		serve --address 127.0.0.1 $1
		run dump_there $2 -R
		[ "$status" -eq 1 ] || { echo "not refused: $1 and $2"; false; }
		says 127.0.0.1:$PORT
		served
		[ -z "$(ls "$store" | grep -E '^pages-')" ]
	}
	refused "$(tls far ours)" "$(tls foreign ours)"
	refused "$(tls foreign theirs)" "$(tls near ours)"
	refused "$(tls elsewhere ours)" "$(tls near ours)"
	refused "$(tls far ours)" "$(tls elsewhere ours)"
	refused "$(tls far ours)" ""
	run dump_there --tls --tls-cert "$work/none" --tls-key "$work/none" --tls-cacert "$work/ours.crt" -R
	[ "$status" -eq 1 ]

	serve --address 127.0.0.1 $(tls elsewhere ours) --tls-no-cn-verify
	dump_there $(tls near ours) --tls-no-cn-verify
	served
	cp "$store"/*.img "$images"
	restore
	same
}
