#!/bin/bash
# Who may include what. A row: files (a shell pattern over the path), then an extended regex of what their #include lines may name
# (without <> or ""). The first row that fits a file counts.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

base='rules/base/'
libc='(assert|ctype|errno|fcntl|float|grp|inttypes|limits|locale|math|netdb|poll|pthread|pwd|sched|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog|termios|time|unistd|dirent|getopt|fnmatch|glob|arpa/inet|net/if|netinet/in|netinet/tcp|sys/[a-z]+)\.h$'
helpers='(ut[a-z]+|xxhash|[a-z]mmintrin|arm_neon)\.h$'
generated='schemas/.*\.inc$|[a-z_]+\.inc$'

rows=(
    "rules/base/*          ($libc|$helpers|$base)"
    "rules/language/regex.c ($libc|$helpers|$base|rules/language/|pcre2\.h)"
    "rules/language/*      ($libc|$helpers|$base|rules/language/)"
    "rules/engine/*        ($libc|$helpers|$base|rules/language/|rules/engine/)"
    "rules/store/*         ($libc|$helpers|$generated|rules/|sqlite3\.h)"
    "router/main.c         .*"
    "router/config.c       ($libc|$helpers|rules/|router/|ini\.h)"
    "router/config_*       ($libc|$helpers|rules/|router/|ini\.h)"
    "router/kafka_*        ($libc|$helpers|rules/|router/|librdkafka/)"
    "router/demo*          ($libc|$helpers|$generated|rules/|router/|librdkafka/)"
    "router/*              ($libc|$helpers|$generated|rules/|router/)"
    "admin/ctl_client.c    ($libc|rules/|admin/ctl[_.]|curl/)"
    "admin/ctl_yaml.c      ($libc|rules/|admin/ctl[_.]|yaml\.h)"
    "admin/ctl_*           ($libc|$generated|rules/|admin/ctl[_.])"
    "admin/http*           ($libc|$helpers|rules/|admin/|event2/)"
    "admin/listener*       ($libc|$helpers|rules/|admin/|event2/)"
    "admin/loop*           ($libc|$helpers|rules/|admin/|event2/)"
    "admin/*               ($libc|$helpers|$generated|rules/|admin/)"
)

bad=0
say() { echo "$*"; bad=1; }

while read -r file; do
    allowed=''
    for row in "${rows[@]}"; do
        read -r pattern regex <<<"$row"
        # shellcheck disable=SC2053 # the row is a pattern on purpose
        if [[ $file == $pattern ]]; then allowed=$regex; break; fi
    done
    [ -n "$allowed" ] || { say "$file: no row of layers.sh says what it may include"; continue; }
    while IFS=: read -r line text; do
        name=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1/' <<<"$text")
        [[ $name =~ ^$allowed ]] || say "$file:$line: may not include $name"
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file")
    # Own header first.
    own=${file%.c}.h
    if [[ $file == *.c && -e $own ]]; then
        first=$(grep -m1 -E '^#[[:space:]]*include' "$file")
        [[ $first == "#include \"$own\"" ]] || say "$file: its own header must be the first include"
    fi
done < <(find rules router admin -name '*.[ch]' | sort)

# One file knows each of these libraries.
one_user() { # header, what
    local users
    users=$(grep -rlE "#[[:space:]]*include <$1" rules router admin 2>/dev/null | grep -vE "$3" | sort)
    [ "$(wc -w <<<"$users")" -le 1 ] || say "$2 has more than one user: $(tr '\n' ' ' <<<"$users")"
}
one_user 'pcre2\.h' PCRE2 '^$'
one_user 'sqlite3\.h' SQLite '^rules/store/store_'
exit $bad
