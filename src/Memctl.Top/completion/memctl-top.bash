# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of memctl-top for bash.

_memctl_top() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local options='--once --json --html --svg --metrics --metrics-file --listen --read --interval --count --rows --from --to --help --version'
    COMPREPLY=()
    case $before in
    --html | --svg | --metrics-file | --listen | --read)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    --interval | -i | --count | -n | --rows | --from | --to) ;;
    *)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        elif [[ $word == */* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        else
            # Names and process ids of the VMs that there are.
            mapfile -t COMPREPLY < <(compgen -W "$(memctl-top --json --interval 0 --rows 1 2>/dev/null |
                sed -n 's/^{.*"pid":\([0-9]*\),"name":"\([^"]*\)".*/\2 \1/p')" -- "$word")
        fi
        ;;
    esac
}
complete -o filenames -F _memctl_top memctl-top
