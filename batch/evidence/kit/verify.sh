#!/usr/bin/env bash
# Verifies an evidence package of format 2 with bash, coreutils and openssl: bash verify.sh [DIR]
# Without DIR it is the package that this file lies in. Level V4, and what it calls NOT CHECKED, needs other means.
# Exit code 0: no fault found. 1: a fault was found. 2: it could not be checked.
export LC_ALL=C
unset CDPATH
shopt -s nullglob dotglob
tab=$'\t' zero=$(printf '%064d' 0) hex='^[0-9a-f]{64}$' longest=65687 failed=0
die() { echo "verify.sh: $1" >&2; exit 2; }
((BASH_VERSINFO[0] >= 4)) || die 'bash 4 or later is needed'
for tool in sha256sum base64 od tr wc head tail cat mktemp rm dirname; do
  command -v "$tool" >/dev/null || die "$tool is needed; install coreutils"
done
cd -- "${1:-$(dirname -- "${BASH_SOURCE[0]}")}" || die 'no such directory'
[[ -e manifest.json || -e events.tsv ]] || die 'no evidence package: neither events.tsv nor manifest.json is there'
tmp=$(mktemp -d) || die 'no room for temporary files'
trap 'rm -rf -- "$tmp"' EXIT

say() { printf '%s %s: %s' "$1" "$2" "$3" | tr -c ' -~' '?'; echo; [[ $2 != FAILS ]] || failed=1; } # on one line, whatever a name holds
whole() { [[ -f $1 && ! -L $1 && $(tr -d '\0' <"$1" | wc -c) -eq $(wc -c <"$1") ]]; } # a regular file of text: no zero byte in it

# belongs tells whether a name is that of a file of a package, which SHA256SUMS covers, and in most how many bytes it may have.
belongs() {
  most=$((64 << 20))
  case $1 in
  events.tsv | samples/?*) most=$((4 << 30)) ;;
  derived/events.csv | derived/events.jsonl) most=$((8 << 30)) ;;
  manifest.json) most=$((4 << 20)) ;;
  verify.sh | verify.py | files/?*) most=$((1 << 20)) ;;
  notes/*.note) [[ $1 =~ ^notes/(0|[1-9][0-9]{0,18})\.note$ ]] ;;
  keys/*.pem) [[ $1 =~ ^keys/[0-9a-f]{8}\.pem$ ]] ;;
  journal/segments/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].seg) ;;
  journal/quarantine/?*) [[ ${1#journal/quarantine/} != */* ]] ;;
  *) return 1 ;;
  esac
}

declare -A there=() listed=()
odd='' large='' journal=0 other=()
walk() { # every file below a directory: into there, other or odd; links are not followed
  local f
  for f in "$1"*; do
    if [[ ! -L $f && -d $f && -r $f && -x $f ]]; then
      walk "$f/"
    elif [[ -L $f || ! -f $f ]]; then
      odd=${odd:-$f}
    elif ! belongs "$f"; then
      [[ $f == SHA256SUMS || $f == journal/lock ]] || other+=("$f")
    elif [[ $f == *[$'\n\r\\']* ]]; then
      odd=${odd:-$f}
    elif (($(wc -c <"$f") > most)); then
      large=${large:-$f}
    else
      there[$f]=1
      [[ $f != journal/* ]] || journal=1
    fi
  done
}

sums() { # V0; what is wrong goes to why
  local n=0 last='' row name left=0
  walk ''
  [[ -z $odd ]] || { why="$odd: it is no regular file with a plain name"; return 1; }
  [[ -z $large ]] || { why="$large: it is larger than it can be"; return 1; }
  whole SHA256SUMS && (($(wc -c <SHA256SUMS) <= 16 << 20)) || { why='SHA256SUMS: it is not there, or no text'; return 1; }
  while IFS= read -r row || [[ -n $row ]]; do
    n=$((n + 1)) name=${row:66}
    [[ ${row:0:64} =~ $hex && ${row:64:2} == '  ' && $name > $last ]] ||
      { why="SHA256SUMS: line $n is no digest and name in order"; return 1; }
    last=$name
    if [[ -z ${there[$name]:-} ]]; then
      [[ $name == journal/* && $journal == 0 ]] && { left=$((left + 1)); continue; }
      why="$name: listed and absent, or no file of a package"
      return 1
    fi
    listed[$name]=1
    printf '%s\n' "$row" >&3
  done <SHA256SUMS 3>"$tmp/sums"
  [[ ! -s SHA256SUMS || -z $(tail -c 1 SHA256SUMS) ]] || { why='SHA256SUMS: its last line is cut off'; return 1; }
  for name in "${!there[@]}"; do
    [[ -n ${listed[$name]:-} ]] || { why="$name: it is not listed in SHA256SUMS"; return 1; }
  done
  ((${#listed[@]} > 0)) && row=$(sha256sum --check --strict --quiet "$tmp/sums" 2>/dev/null) || { why="${row%%$'\n'*}"; return 1; }
  why="${#listed[@]} files have the digests of SHA256SUMS"
  ((left == 0)) || why+="; journal/ is left out as a whole"
}

# esc writes a text as a record has it.
esc() {
  text=${1//\\/\\\\} text=${text//\"/\\\"} text=${text//$'\n'/\\n}
}

# told takes in what a record says of keys and heads: $1 its number, $2 its body.
declare -A keyed=() gone=() noted=()
revoked='' early='' whose='' part=0
told() {
  local id=''
  [[ -n $whose ]] || { [[ $2 =~ '"device_id":"'([^\"]*)'"' ]] && whose=${BASH_REMATCH[1]}/ && [[ $2 =~ '"journal_id":"'([^\"]*)'"' ]] &&
    whose+=${BASH_REMATCH[1]}; }
  [[ ! $2 =~ '"key_id":"'([0-9a-f]{8})'"' ]] || id=${BASH_REMATCH[1]}
  if [[ $2 == *'"event_type":"key_event"'* ]]; then
    [[ ! $2 =~ '"public_key":"'([A-Za-z0-9+/=]+)'"' ]] || keyed[${id:-none}]=${BASH_REMATCH[1]}
    if [[ $2 == *'"key_state":"revoked"'* ]]; then
      gone[${id:-none}]=$1 revoked+=", key $id is revoked by record $1"
    else
      unset "gone[${id:-none}]"
      [[ $2 != *'"key_state":"rotated"'* || ! $2 =~ '"old_value":"'([0-9a-f]{8})'"' ]] || gone[${BASH_REMATCH[1]}]=$1
    fi
  elif [[ $2 == *'"event_type":"head_signed"'* && $2 =~ '"head_size":"'([0-9]+)'"' ]]; then
    noted[${BASH_REMATCH[1]}]=$2
    [[ -n ${keyed[${id:-none}]:-} && -z ${gone[${id:-none}]:-} ]] || early=${early:-$1}
  fi
}

# settle hashes what was put aside of up to 256 records and names the first that is not what it says.
marks=() wants=() names=() leaves=()
settle() {
  local i=0 got rest
  ((${#marks[@]} > 0)) || return 0
  while read -r got rest; do
    [[ $got == "${wants[i]}" ]] || { why="record ${marks[i]}"; marks=() wants=(); return 1; }
    i=$((i + 1))
  done < <(cd "$tmp" && sha256sum -- "${names[@]}")
  ((i == ${#marks[@]})) || { why='it could not be hashed'; return 1; }
  marks=() wants=() names=()
}

chain() { # V1
  local n=0 bodies=0 prev=$zero line seq rest leaf link body bad
  if whole manifest.json && (($(wc -c <manifest.json) <= 4 << 20)); then manifest=$(<manifest.json); fi
  [[ $manifest != *'"selection":{'* ]] || part=1
  [[ -f events.tsv && ! -L events.tsv ]] || { why='events.tsv: it is not there'; return 1; }
  whole events.tsv || zeros=1
  while IFS= read -r line || { [[ -n $line ]] && cut=1; }; do
    n=$((n + 1)) bad=''
    seq=${line%%"$tab"*} rest=${line#*"$tab"}
    leaf=${rest%%"$tab"*} rest=${rest#*"$tab"}
    link=${rest%%"$tab"*} body=${rest#*"$tab"}
    if [[ -n ${cut:-} ]]; then bad='its line is cut off'
    elif ((${#line} > longest)); then bad='its line is longer than that of a record can be'
    elif [[ $line != *"$tab"*"$tab"*"$tab"* ]]; then bad='its line has no four fields'
    elif [[ $seq != "$n" ]]; then bad="another number stands in its place"
    elif [[ ! $leaf =~ $hex || ! $link =~ $hex ]]; then bad='its leaf or link is no digest'
    elif [[ -z $body && $part == 0 ]]; then bad='it has no body'
    elif [[ -n ${zeros:-} && $line == *$'\1'* ]]; then bad='it holds a zero byte'
    fi
    if [[ -n $bad ]]; then
      settle || return 1
      why="record $n: $bad"
      return 1
    fi
    if [[ -n $body ]]; then
      bodies=$((bodies + 1))
      printf '\0%s' "$body" >"$tmp/$n.leaf"
      names+=("$n.leaf") marks+=("$n: its body is not the one that its leaf was made of") wants+=("$leaf")
    fi
    leaves+=("$leaf")
    [[ -z $body ]] || told "$n" "$body"
    printf '%s\n' "$n" "$prev" "$leaf" >"$tmp/$n.link"
    names+=("$n.link") marks+=("$n: its link does not follow from its leaf and the record before it") wants+=("$link")
    prev=$link
    ((n % 256 != 0)) || { settle || return 1; rm -f -- "$tmp"/*.l*; }
  done < <(if [[ -n ${zeros:-} ]]; then tr '\0' '\1' <events.tsv; else cat events.tsv; fi)
  settle || return 1
  ((n > 0)) || { why='events.tsv: it holds no record'; return 1; }
  [[ $manifest == *"\"last_link\":\"$prev\",\"last_seq\":\"$n\""* && $manifest == *"\"bodies\":\"$bodies\","* ]] &&
    [[ $part == 1 || ($bodies == "$n" && $manifest == *'"selection":null'*) ]] ||
    { why="manifest.json: it does not say that record $n is the last, with this link and $bodies bodies"; return 1; }
  why="records 1 to $n follow from each other, $bodies of them with their bodies; the last link is $prev"
}

# raw turns hex into what printf %b makes bytes of.
raw() {
  local h=$1
  bytes=''
  while [[ -n $h ]]; do bytes+="\\x${h:0:2}" h=${h:2}; done
}

# join gives the node of a tree above two others (RFC 9162).
join() {
  local left
  raw "$1"; left=$bytes
  raw "$2"
  node=$(printf '%b' "\\x01$left$bytes" | sha256sum) node=${node%% *}
}

declare -A tree=()
build() { # every full tree below the leaves: tree[level,place]
  local k=0 n=${#leaves[@]} i j end left got rest
  for ((i = 0; i < n; i++)); do tree[0,$i]=${leaves[i]}; done
  for (( ; n > 1; n /= 2, k++)); do
    for ((i = 0; i < n / 2; i = end)); do
      names=() end=$((i + 256 < n / 2 ? i + 256 : n / 2))
      for ((j = i; j < end; j++)); do
        raw "${tree[$k,$((2 * j))]}"; left=$bytes
        raw "${tree[$k,$((2 * j + 1))]}"
        printf '%b' "\\x01$left$bytes" >"$tmp/$j.node"
        names+=("$j.node")
      done
      j=$i
      while read -r got rest; do
        tree[$((k + 1)),$j]=$got j=$((j + 1))
      done < <(cd "$tmp" && sha256sum -- "${names[@]}" && rm -f -- "${names[@]}")
    done
  done
}

root() { # of the first $1 leaves, from the full trees that they fall into
  local n=$1 k i at=0 size part=()
  for ((k = 62; k >= 0; k--)); do
    size=$((1 << k))
    (((n & size) == 0)) || { part+=("${tree[$k,$((at / size))]}") at=$((at + size)); }
  done
  node=${part[-1]}
  for ((i = ${#part[@]} - 2; i >= 0; i--)); do join "${part[i]}" "$node"; done
}

# keys holds keys/ against the keys that the records name.
keys() {
  local id der want name
  for id in "${!keyed[@]}"; do
    der=${keyed[$id]} want=$'-----BEGIN PUBLIC KEY-----\n'
    for (( ; ${#der} > 0; )); do want+=${der:0:64}$'\n' der=${der:64}; done
    want+=$'-----END PUBLIC KEY-----\n'
    whole "keys/$id.pem" && [[ $(cat "keys/$id.pem"; printf x) == "${want}x" ]] ||
      { why="keys/$id.pem: it is not the key of the record"; return 1; }
  done
  for name in "${!there[@]}"; do
    id=${name#keys/}
    [[ $name != keys/* || -n ${keyed[${id%.pem}]:-} ]] || { why="$name: no record names a key of its name"; return 1; }
  done
}

# signed tells whether the signature line $1 is of the text in $tmp/text, which covers $2 records; 0: it is, 1: it is not, 2: its key
# is none that the records name and that is in use. Whose key it is, it does not judge.
by=''
signed() {
  local name=${1#— } sig id der key
  sig=${name##* } name=${name% *}
  printf %s "$sig" | base64 -d >"$tmp/sig" 2>/dev/null && [[ $(base64 -w 0 <"$tmp/sig") == "$sig" ]] || return 1
  id=$(head -c 4 "$tmp/sig" | sha4) key=keys/$id.pem der=${keyed[$id]:-}
  [[ -n $der ]] || return 2
  [[ -n ${noted[$2]:-} || -z ${gone[$id]:-} ]] || ((part && $2 < gone[$id])) || return 2
  tail -c +5 "$tmp/sig" >"$tmp/sig.raw"
  printf %s "$der" | base64 -d >"$tmp/der" 2>/dev/null || return 1
  case $(wc -c <"$tmp/der") in
  *44) # Ed25519
    [[ $({ printf '%s\n\001' "$name"; tail -c 32 "$tmp/der"; } | sha256sum) == "$id"* ]] || return 1
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$tmp/text" -sigfile "$tmp/sig.raw" >/dev/null 2>&1
    ;;
  *91) # P-256
    [[ $(sha256sum <"$tmp/der") == "$id"* ]] || return 1
    openssl dgst -sha256 -verify "$key" -signature "$tmp/sig.raw" "$tmp/text" >/dev/null 2>&1
    ;;
  *) return 1 ;;
  esac || return 1
  [[ $by == *" $id"* ]] || by+=" $id"
}

# sha4 gives the bytes that it reads as hex.
sha4() {
  local b out=''
  while read -r b; do out+=$b; done < <(od -An -v -tx1 -w1 | tr -d ' ')
  printf %s "$out"
}

note() { # $1: notes/N.note
  local n lines=() line good=0 text
  [[ $1 =~ ^notes/([1-9][0-9]{0,17})\.note$ ]] || { why="$1: it is no note"; return 1; }
  n=${BASH_REMATCH[1]}
  ((n <= ${#leaves[@]})) || { why="$1: there are not as many records"; return 1; }
  whole "$1" && (($(wc -c <"$1") <= 16384)) && [[ -z $(tail -c 1 "$1") ]] && mapfile -t lines <"$1" &&
    ((${#lines[@]} >= 5 && ${#lines[@]} <= 20)) && [[ ${lines[1]} == "$n" && -z ${lines[3]} ]] ||
    { why="$1: it is no note"; return 1; }
  esc "${lines[0]}"
  [[ $text == "$whose" ]] || { why="$1: it is of another journal"; return 1; }
  esc "$(<"$1")"
  [[ -z ${noted[$n]:-} || ${noted[$n]} == *"\"signed_note\":\"$text\\n\""* ]] || { why="$1: it is not the note of the record"; return 1; }
  root "$n"
  raw "$node"
  [[ $(printf '%b' "$bytes" | base64 -w 0) == "${lines[2]}" ]] ||
    { why="$1: it signs another tree than that of records 1 to $n"; return 1; }
  printf '%s\n' "${lines[@]:0:3}" >"$tmp/text"
  good=0
  for line in "${lines[@]:4}"; do
    [[ $line == '— '?*' '?* ]] || { why="$1: a line is no signature"; return 1; }
    signed "$line" "$n"
    case $? in
    0) good=$((good + 1)) ;;
    1) why="$1: a signature is not that of its key"; return 1 ;;
    esac
  done
  ((good > 0)) || { why="$1: no key of the package has signed it"; return 1; }
}

signatures() { # V2
  local name n most=0 rest='' count=0
  why="record $early: its head is signed by a key that no record before it has declared, or which was given up"
  [[ -z $early ]] || return 1
  keys || return 1
  for n in "${!noted[@]}"; do
    [[ -n ${there[notes/$n.note]:-} ]] || { why="notes/$n.note: a record holds it, and it is not there"; return 1; }
  done
  build
  for name in "${!there[@]}"; do
    [[ $name == notes/* ]] || continue
    note "$name" || return 1
    n=${name#notes/} n=${n%.note} count=$((count + 1))
    ((n <= most)) || most=$n
  done
  ((count > 0)) || { state=NONE why='no head is signed'; return 0; }
  rest=$((${#leaves[@]} - most))
  why="$count heads are signed by keys that the records declare,$by; whose they are and whether to trust them is not judged$revoked; "
  why+="the last is of records 1 to $most, and $rest records after it are not signed"
}

signs() { # says what became of V2
  local name any='' state=HOLDS
  for name in "${!there[@]}"; do [[ $name != notes/* && $name != keys/* ]] || any=1; done
  if [[ -z $chained ]]; then say V2 'NOT CHECKED' 'tree and signatures, because the chain does not hold'
  elif [[ -z $any && ${#noted[@]} == 0 ]]; then say V2 NONE 'there is no signature'
  elif ! command -v openssl >/dev/null; then say V2 'NOT CHECKED' 'tree and signatures; install openssl'
  else signatures && say V2 "$state" "$why" || say V2 FAILS "$why"
  fi
}

manifest='' chained=''
sums && say V0 HOLDS "$why" || say V0 FAILS "$why"
if chain; then chained=1; say V1 HOLDS "$why"; else say V1 FAILS "$why"; fi
signs
say V3 'NOT CHECKED' 'anchors: compare the last link with one that is kept elsewhere'
say V4 'NOT CHECKED' 'records, approvals, samples and totals; journal/, derived/ and what else manifest.json says'
for f in "${other[@]}"; do say beside 'NOT CHECKED' "$f"; done
exit "$failed"
