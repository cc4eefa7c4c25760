#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# signals that arrive when the images are written, and the tasks are not dead yet

load ../helpers

@test "signals that come at the end of a dump are not lost" {
	start cli/late
	cat >"$work/send" <<-END
		#!/bin/bash
		[ "\$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
		kill -USR1 $pid && kill -USR2 $(<"$place/waiting") && kill -CONT $(<"$place/stopped") &&
		/bin/kill -s RTMIN+5 -q 55 $pid && /bin/kill -s RTMIN+5 -q 56 $pid
	END
	chmod 755 "$work/send"
	dump --action-script "$work/send"
	restore
	same
}

@test "a task that is let go on has such signals from whoever sent them" {
	start cli/late
	printf '#!/bin/bash\n[ "$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0\n%s\n' \
		"kill -USR1 $pid; kill -USR2 $(<"$place/waiting"); kill -CONT $(<"$place/stopped")
		/bin/kill -s RTMIN+5 -q 55 $pid; /bin/kill -s RTMIN+5 -q 56 $pid" >"$work/send"
	chmod 755 "$work/send"
	dump -R --action-script "$work/send"
	same
}
