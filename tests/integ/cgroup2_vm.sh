#!/usr/bin/env bash
# The isolators of cgroups on a machine that has nothing but cgroups v2, and disk_xfs on XFS with
# project quotas: their unit tests inside of a virtual machine, emulated, without network.
# It takes its kernel from $MEZZO_VM_KERNEL, the path of a bzImage with cgroup2 built in;
# without, from /boot or from a package unpacked in $MEZZO_BUILD/vm. The kernel's modules
# (for a disk with XFS) are looked for beside it, in ../lib/modules/VERSION.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
for c in qemu-system-x86_64 busybox cpio gzip ldd; do
	command -v "$c" >/dev/null || skip_all "no $c here"
done
kernel=${MEZZO_VM_KERNEL:-}
for k in "$MEZZO_BUILD"/vm/boot/vmlinuz-* /boot/vmlinuz-*; do
	[ -n "$kernel" ] || [ ! -r "$k" ] || kernel=$k
done
[ -n "$kernel" ] && [ -r "$kernel" ] || skip_all "no kernel: set MEZZO_VM_KERNEL to a bzImage"
file -L "$(command -v busybox)" 2>/dev/null | grep -q static || ldd "$(command -v busybox)" 2>&1 | grep -q "not a dynamic" ||
	skip_all "busybox is not static"

tests="lib/cgroup_test"
for m in cgroups_{cpu,mem,pids,cpuset,devices,blkio,hugetlb,net_cls,perf_event} gpu_nvidia disk_xfs posix_cpu network_ports; do
	tests="$tests isolator/$m/${m}_test"
done

root=$T/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,t,var/tmp,mod,xfs}
cp "$(command -v busybox)" "$root/bin/busybox"
present=
for t in $tests; do
	b=$MEZZO_BUILD/modules/$t
	[ -x "$b" ] || continue
	cp "$b" "$root/t/"
	[ "$t" != isolator/gpu_nvidia/gpu_nvidia_test ] || cp "$(dirname "$b")/fake_nvml.so" "$root/t/"
	present="$present $(basename "$t")"
	ldd "$b" | grep -o '/[^ ]*' | while read -r lib; do
		[ -e "$root$lib" ] || { mkdir -p "$root$(dirname "$lib")" && cp -L "$lib" "$root$lib"; }
	done
done
[ -n "$present" ] || skip_all "the unit tests of isolator/cgroups_* are not built"

# A disk with XFS, and what the kernel needs for it, in order.
version=$(basename "$kernel" | sed 's/^vmlinuz-//')
modules=$(dirname "$kernel")/../lib/modules/$version
disk=()
if [ -d "$modules" ] && command -v mkfs.xfs >/dev/null && command -v depmod >/dev/null; then
	mkdir -p "$T/modules/lib/modules"
	cp -as "$(realpath "$modules")" "$T/modules/lib/modules/$version"
	depmod -b "$T/modules" "$version"
	n=10
	for m in virtio_pci virtio_blk xfs; do
		modprobe -d "$T/modules" -S "$version" --show-depends "$m" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$T/needed"
	while read -r m; do
		cp -L "$m" "$root/mod/$n-$(basename "$m")"
		n=$((n + 1))
	done <"$T/needed"
	truncate -s 400M "$T/xfs.img" && mkfs.xfs -q "$T/xfs.img" &&
		disk=(-drive "file=$T/xfs.img,format=raw,if=virtio")
fi

cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 none /sys/fs/cgroup
export PATH=/bin TMPDIR=/tmp CMOCKA_MESSAGE_OUTPUT=TAP
echo "controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
for m in /mod/*; do
	[ ! -f $m ] || insmod $m || echo "no $m"
done
echo 4 >/proc/sys/vm/nr_hugepages
mount -t xfs -o prjquota /dev/vda /xfs && echo "XFS with project quotas"
for t in /t/*_test; do
	case $t in
	*disk_xfs*) TMPDIR=/xfs $t 2>&1 ;;
	*) $t 2>&1 ;;
	esac
	echo "ended ${t##*/} $?"
done
echo "left behind: $(find /sys/fs/cgroup -mindepth 1 -type d | tr '\n' ' ')"
echo "all ran"
reboot -f
END
chmod 755 "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$T/initrd.gz"

timeout 180 qemu-system-x86_64 -accel tcg -M pc -cpu max -m 512 -smp 1 -nographic -no-reboot -nodefaults -serial stdio \
	"${disk[@]}" -kernel "$kernel" -initrd "$T/initrd.gz" -append "console=ttyS0 quiet panic=-1" </dev/null 2>&1 |
	tr -d '\r\033' >"$T/console"
sed 's/^/# /' "$T/console"

ok "the machine has cgroups v2 with its controllers" grep -q 'controllers .*cpu.*memory.*pids' "$T/console"
for t in $present; do
	ok "$t" grep -q "ended $t 0\$" "$T/console"
done
if [ ${#disk[@]} -gt 0 ] && grep -q "ended disk_xfs_test" "$T/console"; then
	ok "project quotas of XFS were tried" grep -q "^XFS with project quotas" "$T/console"
else
	skip "project quotas of XFS were tried" "no mkfs.xfs, depmod, modules of the kernel, or test"
fi
ok "nothing is left behind" grep -q '^left behind: $' "$T/console"
ok "it ran to its end" grep -q '^all ran' "$T/console"
ok "limits of v2 were tried, not skipped" bash -c "! grep -q 'SKIP.*v2' '$T/console'"
done_testing
