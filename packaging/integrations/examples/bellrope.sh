#!/usr/bin/env bash
# Bellrope with curl: for scripts, cron jobs, and for trying it by hand: `./bellrope.sh like 42 5 991 7 Bob`.
set -euo pipefail
url=${BELLROPE_URL:-http://127.0.0.1:8888}

# The whole of it for a script that has something to say. The text is the title.
notify() { # TO TEXT
    ask POST "/users/$1/notify" "$2"
}

# Who is looking at this page. (The secret shows in the list of processes while openssl runs: on a machine that others use
# take another language, or `bellrope token mint`.)
token() { # MEMBER NAME
    local now_s signed
    now_s=$(date +%s)
    signed=$(base64url '{"alg":"HS256","typ":"JWT"}').$(base64url \
        "{\"sub\":$(json "$1"),\"name\":$(json "$2"),\"iat\":$now_s,\"exp\":$((now_s + 3600))}")
    echo "$signed.$(printf %s "$signed" | openssl dgst -sha256 -hmac "$BELLROPE_FORUM_SECRET" -binary | base64url)"
}

# To the author of a post: somebody likes it. Likes of one post fold into one item.
like() { # TO TOPIC POST MEMBER NAME
    ask POST /notifications "{
        \"to\": [$(json "$1")],
        \"kind\": \"like\",
        \"title\": $(json "$5 likes your post"),
        \"url\": $(json "/topic/$2#$3"),
        \"actor\": {\"id\": $(json "$4"), \"name\": $(json "$5")},
        \"object\": {\"type\": \"topic\", \"id\": $(json "$2")},
        \"key\": $(json "like:$3:$4"),
        \"group\": $(json "like:$3")
    }"
}

unlike() { # POST MEMBER
    ask DELETE "/notifications/by-key/like%3A$1%3A$2"
}

# The member opened the topic: what is about it is read, on every device.
visit() { # MEMBER TOPIC
    ask POST "/users/$1/read" "{\"object\": {\"type\": \"topic\", \"id\": $(json "$2")}}"
}

gone() { # TOPIC
    ask DELETE "/notifications?object_type=topic&object_id=$1"
}

ban() { # MEMBER
    ask POST "/users/$1/sign-out" '{}'
}

# curl asks again by itself, with the same key: Bellrope knows the repetition, and nobody hears twice. The API key goes in
# by a pipe, because the list of processes shows arguments.
ask() { # METHOD PATH [BODY]
    local said
    said=$(curl --silent --show-error --max-time 5 --retry 6 --retry-all-errors \
        --request "$1" --header @<(echo "Authorization: Bearer $BELLROPE_API_KEY") \
        --header "Content-Type: application/json" \
        --header "Idempotency-Key: $(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" \
        ${3+--data-binary "$3"} --write-out '\n%{http_code}' "$url/api/v1$2")
    [[ $said == *$'\n'200 ]] || { echo "Bellrope refuses: $said" >&2; return 1; }
}

json() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }
base64url() { if [ $# -gt 0 ]; then printf %s "$1"; else cat; fi | base64 -w0 | tr '+/' '-_' | tr -d '='; }

"$@"
