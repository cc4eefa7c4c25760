# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for criu-lite: commands and options are those that --help tells.

_criu_lite()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
	local commands="dump pre-dump dedup restore check show lazy-pages page-server service swrk" help

	case $before in
	-D | --images-dir | -W | --work-dir | --prev-images-dir | -r | --root | --irmap-scan-path | --freeze-cgroup)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	-o | --log-file | --pidfile | --config | --action-script | --address | --tls-*)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-t | --tree)
		mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid= 2>/dev/null)" -- "$word")
		return
		;;
	--feature)
		help=$("$program" --help 2>/dev/null | sed -n '/^Features of the kernel/,$p' | tail -n +2)
		mapfile -t COMPREPLY < <(compgen -W "$help" -- "$word")
		return
		;;
	esac
	if [[ $word == -* ]]; then
		help=$("$program" --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,')
		mapfile -t COMPREPLY < <(compgen -W "$help" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
	fi
}

complete -o default -F _criu_lite criu-lite
