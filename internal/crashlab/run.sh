#!/bin/bash
# The crash lab from nothing: fetches what it needs, builds guest and bed outside the repository, and runs everything.
#
#   bash internal/crashlab/run.sh [states] [flags of explore]
#
# For root on Debian, amd64. JOBS is how many states are judged at the same time, CRASHLAB_CACHE where the kernel, the bed
# and the recordings are kept.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${CRASHLAB_CACHE:-/var/cache/crashlab}
states=${1:-2000}
shift || true

fail() { echo "run.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "must be root: it installs packages"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "only amd64: the guest's kernel and QEMU are for that"
command -v go >/dev/null || fail "no go command in PATH; install Go as go.mod asks for it"
mkdir -p "$cache"

# Tools, where one is missing.
packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need modprobe kmod
need xz xz-utils
need zstd zstd
need e2fsck e2fsprogs
need debugfs e2fsprogs
if [ ${#packages[@]} -gt 0 ]; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >"$cache/apt.log" 2>&1 ||
		fail "installing ${packages[*]}; see $cache/apt.log"
fi

# The kernel, unpacked and not installed. Newer releases split it into packages that the first one depends on.
if [ ! -e "$cache/kernel/ready" ]; then
	rm -rf "$cache/kernel"
	mkdir -p "$cache/kernel"
	[ -n "$(apt-cache depends linux-image-amd64 2>/dev/null)" ] || apt-get update -qq
	image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
	[ -n "$image" ] || fail "linux-image-amd64 depends on no kernel; are Debian's package lists there?"
	parts=$(apt-cache depends "$image" | awk '/Depends: linux-(binary|modules|base)-[0-9]/ {print $2}')
	cd "$cache/kernel"
	# shellcheck disable=SC2086
	apt-get download -qq -o APT::Sandbox::User=root $image $parts
	for deb in *.deb; do dpkg-deb -x "$deb" .; done
	rm -f -- *.deb
	touch ready
	cd - >/dev/null
fi
modules=$(find "$cache/kernel" -path "*/lib/modules/*" -prune -type d | sort | head -n 1)
[ -n "$modules" ] || fail "no modules in $cache/kernel; remove it and run again"
version=$(basename "$modules")
base=${modules%/lib/modules/*}
[ -e "$modules/modules.dep.bin" ] || depmod -b "$base" "$version"

# The bed: the kernel, and an initial RAM disk with our program as init and the modules in the order of their loading.
bed=$cache/bed
rm -rf "$bed"
mkdir -p "$bed/root/modules"
(cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -o "$cache/crashlab" ./internal/crashlab)
cp "$cache/crashlab" "$bed/root/init"
vmlinuz=$(find "$cache/kernel" -name "vmlinuz*" -type f | head -n 1)
[ -n "$vmlinuz" ] || fail "no vmlinuz in $cache/kernel; remove it and run again"
cp "$vmlinuz" "$bed/vmlinuz"
: >"$bed/root/modules/order"
for m in virtio_pci virtio_blk crc32c_generic ext4; do
	# One that the kernel has built in is none to load.
	modprobe -d "$base" -S "$version" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" {print $2}' || true
done | awk '!seen[$0]++' | while read -r file; do
	name=$(basename "$file")
	name=${name%.xz}
	name=${name%.zst}
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -dcq "$file" ;;
	*) cat "$file" ;;
	esac >"$bed/root/modules/$name"
	echo "$name" >>"$bed/root/modules/order"
done
(cd "$bed/root" && find . | cpio -o -H newc --quiet) >"$bed/initrd.cpio"

echo "crashlab: Linux $version, $(qemu-system-x86_64 --version | head -n 1), $(e2fsck -V 2>&1 | head -n 1)"
"$cache/crashlab" explore -bed "$bed" -states "$states" -jobs "${JOBS:-$(nproc)}" -out "$cache/recordings" "$@"
