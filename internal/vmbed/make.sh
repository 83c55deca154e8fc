#!/bin/bash
# The bed from nothing: a kernel of Debian's, unpacked and not installed, and those of its modules that the tests want.
#
#   bash internal/vmbed/make.sh [-install] [-tools] [-fresh]
#
# -install installs what is missing, as root; without it the script says what to install. -tools ends there. -fresh looks for a newer
# kernel even where there is one. What is made lies in $BATCHKIT_BED_CACHE, else in ${XDG_CACHE_HOME:-~/.cache}/batchkit/vmbed, and is
# made once.
#
# apt fetches, with lists of its own: it holds the signature of Release against Debian's keys, the lists against Release, and each
# package against the lists. Nothing of this machine's apt is read or changed but its proxies.
set -euo pipefail

fail() { echo "make.sh: $*" >&2; exit 1; }
say() { echo "make.sh: $*" >&2; }

here=$(cd "$(dirname "$0")" && pwd)
cache=${BATCHKIT_BED_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/batchkit/vmbed}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
# Where kernels are that have gpio-sim, the smallest list first.
suites=(trixie-backports sid forky)

install='' alone='' fresh=''
for flag; do
	case $flag in
	-install) install=yes ;;
	-tools) alone=yes ;;
	-fresh) fresh=yes ;;
	*) fail "$flag: no such flag; there are -install, -tools and -fresh" ;;
	esac
done

# tools finds what is missing, and installs it where that was asked for.
tools() {
	local want=() pair
	for pair in qemu-system-x86_64:qemu-system-x86 cpio:cpio modprobe:kmod xz:xz-utils zstd:zstd gpgv:gpgv mkfs.ext4:e2fsprogs; do
		PATH=$PATH:/sbin:/usr/sbin command -v "${pair%%:*}" >/dev/null || want+=("${pair#*:}")
	done
	command -v apt-get >/dev/null || fail "no apt-get here; the bed is made on Debian or what descends from it"
	[[ -e $keys ]] || want+=(debian-archive-keyring)
	((${#want[@]} > 0)) || return 0
	[[ -n $install ]] || fail "missing: apt-get install --no-install-recommends ${want[*]}; or run this again with -install"
	# What else installs on this machine has the lock of dpkg for a while.
	local retry=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
	apt-get "${retry[@]}" update -q >&2 || { sleep 10 && apt-get "${retry[@]}" update -q >&2; } || { sleep 30 && apt-get "${retry[@]}" update -q >&2; }
	DEBIAN_FRONTEND=noninteractive apt-get "${retry[@]}" install -q -y --no-install-recommends "${want[@]}" >&2
}

# private runs a command of apt's on lists of its own in $work, for one suite.
private() {
	"$1" -o Acquire::Retries=3 -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User=root \
		-o Dir::State="$work/apt" -o Dir::State::status=/dev/null -o Dir::Cache="$work/apt" \
		-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
		-o Dir::Etc::PreferencesParts=/dev/null -o Acquire::Languages=none "${@:2}"
}

# needs prints which of a package's dependencies have a name that fits.
needs() { private apt-cache depends "$1" | awk -v fits="$2" '$1 == "Depends:" && $2 ~ fits {print $2}'; }

# fetched fetches the kernel of one suite and unpacks it into $work/kernel.
fetched() {
	local suite=$1 image parts
	mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
	echo "deb [signed-by=$keys] http://deb.debian.org/debian $suite main" >"$work/sources.list"
	# --error-on=any: a list whose signature or age is wrong would be a warning, and an older one would be used.
	private apt-get update -qq --error-on=any >&2 || return 1
	image=$(needs linux-image-amd64 '^linux-image-[0-9]' | head -n 1)
	[[ -n $image ]] || return 1
	parts=$(needs "$image" '^linux-(binary|modules|base)-[0-9]')
	say "fetching $image of $suite"
	rm -rf "$work/kernel"
	mkdir "$work/kernel"
	# shellcheck disable=SC2086
	(cd "$work/kernel" && private apt-get download -qq $image $parts >&2) || return 1
	local deb
	for deb in "$work"/kernel/*.deb; do dpkg-deb -x "$deb" "$work/kernel"; done
	rm -f -- "$work"/kernel/*.deb
	[[ -n $(find "$work/kernel" -name 'gpio-sim.ko*') ]] && return
	say "$image has no gpio-sim"
	return 1
}

# plain prints a module as the kernel takes it.
plain() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*) cat "$1" ;;
	esac
}

# number prints a little-endian number of a file: its offset, its bytes.
number() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# unpacked prints the kernel that lies in a bzImage, which starts 2 s sooner by itself. Where it lies stands in the header, see
# Documentation/arch/x86/boot.rst; its last 4 bytes are its size when unpacked.
unpacked() {
	local at length
	at=$(((1 + $(number "$1" 0x1f1 1)) * 512 + $(number "$1" 0x248 4)))
	length=$(number "$1" 0x24c 4)
	head -c "$((at + length - 4))" "$1" | tail -c "+$((at + 1))" >"$work/payload"
	case $(od -An -t x1 -N 4 "$work/payload" | tr -d ' ') in
	fd377a58) xz -dc "$work/payload" ;;
	28b52ffd) zstd -dcq "$work/payload" ;;
	*) fail "$1 holds a kernel in a form that is neither xz nor zstd" ;;
	esac
}

# modules packs the modules that the list wants, and all that they need, into an archive for the start, with their order.
modules() {
	local base=$1 version=$2 root=$work/root name params file plain_name
	mkdir -p "$root/modules"
	[[ -e $base/lib/modules/$version/modules.dep.bin ]] || depmod -b "$base" "$version"
	while read -r name params; do
		# One that the kernel has built in, or has not at all, is none to load.
		modprobe -d "$base" -S "$version" --show-depends "$name" 2>/dev/null | awk '$1 == "insmod" {print $2}' | while read -r file; do
			plain_name=$(basename "$file")
			plain_name=${plain_name%.xz}
			plain_name=${plain_name%.zst}
			[[ ! -e $root/modules/$plain_name ]] || continue
			plain "$file" >"$root/modules/$plain_name"
			if [[ ${plain_name//-/_} == "${name//-/_}.ko" ]]; then
				echo "$plain_name $params"
			else
				echo "$plain_name"
			fi >>"$root/modules/order"
		done || true
	done <"$here/modules"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet)
}

tools
[[ -z $alone ]] || exit 0
PATH=$PATH:/sbin:/usr/sbin
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ -z $fresh ]] && cmp -s "$cache/bed/modules" "$here/modules"; then
	say "it is there: Linux $(cat "$cache/bed/version") in $cache/bed"
	exit 0
fi
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# A mirror that is away for a moment is asked again.
found=''
for pause in 0 15 45; do
	sleep "$pause"
	for suite in "${suites[@]}"; do
		fetched "$suite" && found=yes && break 2
		say "no kernel from $suite"
	done
done
[[ -n $found ]] || fail "no kernel; is http://deb.debian.org reached? apt said above what it lacks"
tree=$(find "$work/kernel" -path '*/lib/modules/*' -prune -type d | head -n 1)
version=$(basename "$tree")
base=${tree%/lib/modules/*}
vmlinuz=$(find "$work/kernel" -name 'vmlinuz*' -type f | head -n 1)
[[ -n $vmlinuz ]] || fail "no vmlinuz in the packages of Linux $version"
mkdir "$work/bed"
unpacked "$vmlinuz" >"$work/bed/vmlinux"
modules "$base" "$version" >"$work/bed/modules.cpio"
echo "$version" >"$work/bed/version"
cp "$here/modules" "$work/bed/modules"
rm -rf "$cache/bed"
mv "$work/bed" "$cache/bed"
say "made: Linux $version in $cache/bed"
