# shellcheck shell=bash
# What the scripts stand on that need another machine: one that has nothing but cgroups v2,
# and a disk with XFS and project quotas. It is emulated, without network. Source it after
# lib.sh; then
#
#	vm_start_root		# or the whole file is skipped
#	vm_add FILE /DIR	# with the libraries that it needs
#	vm_disk			# a disk with XFS: mounted at /xfs by `vm_mount_disk` in the guest
#	cat >"$ROOT/main" …	# what is run in the guest: a script of busybox' sh
#	vm_run 180		# seconds; what it said is in $T/console
#
# The kernel is $MEZZO_VM_KERNEL, the path of a bzImage with cgroup2 built in; without, it is looked for
# in /boot and in a package unpacked in $MEZZO_BUILD/vm. Its modules, which the disk needs, are
# looked for beside it, in ../lib/modules/VERSION.
# SPDX-License-Identifier: Apache-2.0
ROOT=$T/root
VM_DISK=()

vm_start_root()
{
	local c k
	for c in qemu-system-x86_64 busybox cpio gzip ldd; do
		command -v "$c" >/dev/null || skip_all "no $c here"
	done
	KERNEL=${MEZZO_VM_KERNEL:-}
	for k in "$MEZZO_BUILD"/vm/boot/vmlinuz-* /boot/vmlinuz-*; do
		[ -n "$KERNEL" ] || [ ! -r "$k" ] || KERNEL=$k
	done
	[ -n "$KERNEL" ] && [ -r "$KERNEL" ] || skip_all "no kernel: set MEZZO_VM_KERNEL to a bzImage"
	file -L "$(command -v busybox)" 2>/dev/null | grep -q static || ldd "$(command -v busybox)" 2>&1 | grep -q "not a dynamic" ||
		skip_all "busybox is not static"
	mkdir -p "$ROOT"/{bin,proc,sys,dev,tmp,var/tmp,mod,xfs,etc,root}
	cp "$(command -v busybox)" "$ROOT/bin/busybox"
	echo root:x:0:0::/root:/bin/sh >"$ROOT/etc/passwd"
	echo root:x:0: >"$ROOT/etc/group"
	cat >"$ROOT/init" <<'END_OF_INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
mount -t cgroup2 none /sys/fs/cgroup
export PATH=/bin TMPDIR=/tmp MEZZO_BUILD=/b MEZZO_SLOW=30
vm_mount_disk()
{
	for m in /mod/*; do
		[ ! -f $m ] || insmod $m || echo "no $m"
	done
	mount -t xfs -o prjquota /dev/vda /xfs && echo "XFS with project quotas"
}
echo
. /main
echo "all ran"
reboot -f
END_OF_INIT
	chmod 755 "$ROOT/init"
}

vm_add()
{
	local lib
	mkdir -p "$ROOT$2"
	cp "$1" "$ROOT$2/" || return
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
		[ -e "$ROOT$lib" ] || { mkdir -p "$ROOT$(dirname "$lib")" && cp -L "$lib" "$ROOT$lib"; }
	done
}

# What scripts that stand on lib.sh need. Fails if it is not all here.
vm_bash()
{
	local c p
	for c in bash curl jq tail sed awk find mktemp; do
		p=$(command -v "$c") || return 1
		rm -f "$ROOT/bin/$c"
		vm_add "$(readlink -f "$p")" /bin
		mv -f "$ROOT/bin/$(basename "$(readlink -f "$p")")" "$ROOT/bin/$c" 2>/dev/null
	done
	mkdir -p "$ROOT/usr/bin" && ln -sf /bin/busybox "$ROOT/usr/bin/env"
}

# The daemons and all modules, at /b.
vm_daemons()
{
	local b m
	for b in mezzod mezzo-init mezzo-executor mezzo-fetcher; do
		vm_add "$MEZZO_BUILD/core/bin/$b" /b/core/bin
	done
	for m in "$MEZZO_BUILD"/modules/*/*.so; do
		vm_add "$m" "/b/modules/$(basename "$(dirname "$m")")"
	done
}

# A script of tests/integ, at /src/tests/integ.
vm_script()
{
	mkdir -p "$ROOT/src/tests/integ"
	cp "$MEZZO_SRC/tests/lib.sh" "$ROOT/src/tests/" && cp -r "$MEZZO_SRC/conf" "$ROOT/src/" &&
		cp "$MEZZO_SRC/tests/integ/$1.sh" "$ROOT/src/tests/integ/"
}

# Points of a script that ran in the guest with "$1: " before its lines: they are the points of this one.
vm_points()
{
	local line plan n=0
	while read -r line; do
		case $line in
		"ok "*) n=$((n + 1)) && pass "$1: ${line#ok * - }" ;;
		"not ok "*) n=$((n + 1)) && fail "$1: ${line#not ok * - }" ;;
		esac
	done < <(sed -n "s/^$1: //p" "$T/console")
	plan=$(sed -n "s/^$1: 1\.\.\([0-9]*\)\$/\1/p" "$T/console")
	is "$1: all of it" "$n" "${plan:-none}"
}

# Fails if there can be none.
vm_disk()
{
	local version modules m n=10
	version=$(basename "$KERNEL" | sed 's/^vmlinuz-//')
	modules=$(dirname "$KERNEL")/../lib/modules/$version
	[ -d "$modules" ] && command -v mkfs.xfs >/dev/null && command -v depmod >/dev/null || return 1
	mkdir -p "$T/modules/lib/modules"
	cp -as "$(realpath "$modules")" "$T/modules/lib/modules/$version"
	depmod -b "$T/modules" "$version"
	for m in virtio_pci virtio_blk xfs; do
		modprobe -d "$T/modules" -S "$version" --show-depends "$m" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$T/needed"
	while read -r m; do
		cp -L "$m" "$ROOT/mod/$n-$(basename "$m")"
		n=$((n + 1))
	done <"$T/needed"
	truncate -s 400M "$T/xfs.img" && mkfs.xfs -q "$T/xfs.img" || return 1
	VM_DISK=(-drive "file=$T/xfs.img,format=raw,if=virtio")
}

# no_timer_check: where this machine is busy the kernel finds its timer too slow, and stops.
vm_run()
{
	(cd "$ROOT" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$T/initrd.gz"
	timeout "$1" qemu-system-x86_64 -accel tcg -M pc -cpu max -m 768 -smp 1 -nographic -no-reboot -nodefaults -serial stdio \
		"${VM_DISK[@]}" -kernel "$KERNEL" -initrd "$T/initrd.gz" -append "console=ttyS0 quiet panic=-1 no_timer_check" </dev/null 2>&1 |
		tr -d '\r\033' >"$T/console"
	sed 's/^/# /' "$T/console"
}
