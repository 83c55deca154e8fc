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
need e2fsck e2fsprogs
need debugfs e2fsprogs
if [ ${#packages[@]} -gt 0 ]; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >"$cache/apt.log" 2>&1 ||
		fail "installing ${packages[*]}; see $cache/apt.log"
fi

# The kernel and its modules, those of the test bed.
BATCHKIT_BED_CACHE=$cache bash "$here/../vmbed/make.sh" -install
kernel=$cache/bed
version=$(cat "$kernel/version")

# The lab: that kernel, and its initial RAM disk with our program as init behind the modules.
bed=$cache/lab
rm -rf "$bed"
mkdir -p "$bed/root"
(cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -o "$cache/crashlab" ./internal/crashlab)
cp "$cache/crashlab" "$bed/root/init"
ln -s "$kernel/vmlinux" "$bed/vmlinux"
{ cat "$kernel/modules.cpio" && cd "$bed/root" && find . | cpio -o -H newc --quiet; } >"$bed/initrd.cpio"

echo "crashlab: Linux $version, $(qemu-system-x86_64 --version | head -n 1), $(e2fsck -V 2>&1 | head -n 1)"
"$cache/crashlab" explore -bed "$bed" -states "$states" -jobs "${JOBS:-$(nproc)}" -out "$cache/recordings" "$@"
