# Completion of hyperjobs for fish: `hyperjobs completion fish` prints this.
#
# The program is handed the words up to the cursor; what it gives is quoted by fish, and neither expanded nor run.

function __hyperjobs_complete
    set -l given (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $given[1])
    set -e given[1]
    for line in (_HYPERJOBS_COMPLETE=fish_complete command $program $given (commandline -ct) 2> /dev/null < /dev/null)
        set -l parts (string split -m 1 \t -- $line)
        switch $parts[1]
            case word
                echo -- $parts[2]
            case file
                __fish_complete_path (commandline -ct)
            case directory
                __fish_complete_directories (commandline -ct)
        end
    end
end

complete -c hyperjobs -f -k -a '(__hyperjobs_complete)'
