# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

fetch()
{
	exec 9<>/dev/tcp/127.0.0.1/7392 || return
	printf 'GET /%s HTTP/1.0\r\n\r\n' "$1" >&9
	timeout 5 cat <&9
	exec 9>&-
}

answers()
{
	fetch index.html 2>/dev/null | grep -q 'hello from nginx'
}

@test "nginx: master and workers serve, reload and log after three cycles" {
	need nginx
	mkdir -p "$work/www"
	let_others_in
	echo 'hello from nginx' >"$work/www/index.html"
	cat >"$work/nginx.conf" <<END
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 64; }
http {
	access_log $work/access.log;
	client_body_temp_path $work/body;
	proxy_temp_path $work/proxy;
	fastcgi_temp_path $work/fastcgi;
	uwsgi_temp_path $work/uwsgi;
	scgi_temp_path $work/scgi;
	server { listen 127.0.0.1:7392; root $work/www; }
}
END
	launch nginx -c "$work/nginx.conf" -g 'error_log /dev/null;'
	wait_for 10 answers
	for i in 1 2 3; do
		cycle 1
		wait_for 10 answers
	done

	# the master still gets signals and its workers' deaths
	workers=$(pgrep -P "$pid" | sort)
	kill -HUP "$pid"
	replaced() { [ "$(pgrep -P "$pid" | sort)" != "$workers" ] && [ "$(pgrep -c -P "$pid")" = 2 ]; }
	wait_for 10 replaced
	wait_for 10 answers
	grep -q 'GET /index.html' "$work/access.log"
	kill -QUIT "$pid"
	wait_for 10 is_gone "$pid"
}
