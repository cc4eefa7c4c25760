# SPDX-License-Identifier: GPL-2.0-only
# not inside nsinit: what can only be seen from outside of its namespaces
load ../helpers

@test "a kernel thread is refused by name" {
	[[ $(</proc/2/comm) == kthreadd ]] || skip "in this pid namespace are no kernel threads"
	run criu_lite dump -t 2 -D "$work" -o "$work/dump.log"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} == *"cannot dump process 2 (kthreadd): it is a kernel thread" ]]
	[[ ${lines[2]} == "  do:  "* ]]
	[ ! -e "$work/inventory.img" ]
	run criu_lite check -t 2
	[ "$status" -eq 1 ]
}
