#compdef hyperjobs
# Completion of hyperjobs for zsh: `hyperjobs completion zsh` prints this; it is _hyperjobs in a directory of $fpath.
#
# The program is handed the words up to the cursor; what it gives is quoted by zsh, and neither expanded nor run.

_hyperjobs() {
    local program=${(Q)words[1]} line kind rest tab=$'\t'
    local -a given found shown
    [[ $program == '~/'* ]] && program=$HOME/${program#'~/'}
    given=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    for line in "${(@f)$(_HYPERJOBS_COMPLETE=zsh_complete command $program "${given[@]}" 2> /dev/null < /dev/null)}"; do
        kind=${line%%$tab*} rest=${line#*$tab}
        case $kind in
            word)
                found+=("${rest%%$tab*}")
                line=${rest#*$tab}
                shown+=("${rest%%$tab*}${line:+  -- $line}")
                ;;
            file) _files ;;
            directory) _path_files -/ ;;
        esac
    done
    (( $#found )) && compadd -l -V hyperjobs -d shown -a found
}

if [[ $funcstack[1] == _hyperjobs ]]; then
    _hyperjobs "$@"
else
    compdef _hyperjobs hyperjobs
fi
