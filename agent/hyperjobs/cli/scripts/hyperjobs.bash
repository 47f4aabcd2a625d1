# Completion of hyperjobs for bash 4.4 or newer: `hyperjobs completion bash` prints this.
#
# The program is handed the line up to the cursor and gives back what each word is to become, quoted as it is to stand
# there; nothing that it gives is expanded or run.

_hyperjobs_completion() {
    local program=$1 kind word rest
    [[ $program == "~/"* ]] && program=$HOME/${program:2}
    COMPREPLY=()
    while IFS=$'\t' read -r kind word rest; do
        case $kind in
            word) COMPREPLY+=("$word") ;;
            file) compopt -o default ;;
            directory) compopt -o dirnames ;;
        esac
    done < <(_HYPERJOBS_COMPLETE=bash_complete COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS \
        command "$program" 2> /dev/null < /dev/null)
}

complete -o nosort -F _hyperjobs_completion hyperjobs
