# Prints each value of a JSON text as `path TAB value`: `networks/0/type TAB ipv4`. White space in a value becomes a space.

BEGIN { RS = "\001" }

function text(token) {
    if (token !~ /^"/) return token
    token = substr(token, 2, length(token) - 2)
    gsub(/\\[nrtbf]|[\t\r\n]/, " ", token)
    return gensub(/\\(.)/, "\\1", "g", token)
}

function path(  level, found) {
    for (level = 1; level <= depth; level++) found = found (level > 1 ? "/" : "") name[level]
    return found
}

{
    rest = $0
    depth = 0
    while (match(rest, /^[ \t\r\n]*("([^"\\]|\\.)*"|[][{}:,]|[^][{}:," \t\r\n]+)/)) {
        token = substr(rest, 1, RLENGTH)
        rest = substr(rest, RLENGTH + 1)
        sub(/^[ \t\r\n]+/, "", token)
        if (token == "{" || token == "[") {
            kind[++depth] = token
            name[depth] = 0
            key = token == "{"
        } else if (token == "}" || token == "]") {
            depth--
            key = 0
        } else if (token == ",") {
            key = kind[depth] == "{"
            if (!key) name[depth]++
        } else if (token == ":") {
            key = 0
        } else if (key) {
            name[depth] = text(token)
        } else {
            print path() "\t" text(token)
        }
    }
}
