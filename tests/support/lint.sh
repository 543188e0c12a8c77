#!/bin/bash
# What compilers do not see: sizes, sleeping tests, words and hosts that do not belong here, shell and Python mistakes.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
bad=0
check() { # title, findings
    [ -z "$2" ] && return
    printf '%s\n%s\n' "## $1" "$2"
    bad=1
}
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -t all < <(git ls-files --cached --others --exclude-standard | while read -r f; do [ -f "$f" ] && echo "$f"; done)
else
    mapfile -t all < <(find . -path ./build -prune -o -type f -print | sed 's|^\./||')
fi
pick() { printf '%s\n' "${all[@]}" | grep -E "$1" | grep -v '^tests/fuzz/corpus/'; }
mapfile -t c < <(pick '\.[ch]$')
mapfile -t sh < <(pick '(\.sh|^\.ci/run)$')
mapfile -t py < <(pick '\.py$')
mapfile -t text < <(pick '\.(c|h|def|sh|py|md|json|jsonl|yaml|yml|sql|ini|1|5|8|service|rpl|txt|xml)$|Makefile$|^\.ci/')
mapfile -t own < <(printf '%s\n' "${text[@]}" | grep -v '^tests/support/lint\.sh$')

check 'files over 800 lines' "$(wc -l "${c[@]}" | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 }')"
check 'functions over 100 lines' "$(ctags --fields=+ne --c-kinds=f -o - "${c[@]}" 2>/dev/null | awk -F'\t' '{
    from = to = 0
    for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) from = substr($i, 6); if ($i ~ /^end:/) to = substr($i, 5) }
    if (to - from >= 100) print $2 ":" from ": " $1 ": " to - from + 1 }')"
# Callbacks of librdkafka have as many as it likes.
check 'functions with more than 6 parameters' "$(ctags --fields=+nS --c-kinds=f -o - "${c[@]}" 2>/dev/null | awk -F'\t' '{
    for (i = 4; i <= NF; i++) if ($i ~ /^signature:/) {
        signature = $i
        gsub(/\([^()]*\)\)/, ")", signature)
        gsub(/, *\.\.\./, "", signature)
        if (signature !~ /rd_kafka_t \* rk/ && gsub(/,/, ",", signature) > 5) print $2 ": " $1 } }')"
check 'sleeps in tests (wait on a condition with a deadline)' \
    "$(printf '%s\n' "${own[@]}" | grep '^tests/' | xargs -r grep -HnE '\b(sleep|usleep|nanosleep|time\.sleep)\b *\(?[ 0-9]')"
check 'unfinished marks' \
    "$(printf '%s\n' "${own[@]}" | xargs -r grep -HnEi '\b(TODO|FIXME|XXX|HACK|not (yet )?implemented|stub(bed)?)\b')"
check 'hosts of package registries, private paths' \
    "$(printf '%s\n' "${own[@]}" | xargs -r grep -HnE 'https?://(repo|registry|deb|proxy|static|files|index|snapshot)[0-9]*\.|/(work|root|home)/' )"
check 'trailing white space, tabs for indentation in C' \
    "$(printf '%s\n' "${own[@]}" | xargs -r grep -HnE '[ 	]+$' | cut -c1-120; printf '%s\n' "${c[@]}" | xargs -r grep -HnP '^\t' | cut -c1-120)"
check 'typedef of a struct, union or enum' \
    "$(printf '%s\n' "${c[@]}" | xargs -r grep -HnE '^\s*typedef (struct|union|enum)\b[^(]*$')"
check 'shell' "$(shellcheck -S warning "${sh[@]}" 2>&1)"
check 'python' "$(for f in "${py[@]}"; do /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f" 2>&1 | tail -n 1; done)"
check 'scripts without the executable bit' "$(for f in "${sh[@]}"; do [ -x "$f" ] || echo "$f"; done)"
exit $bad
