#!/usr/bin/env bash
# The isolators of cgroups on a machine that has nothing but cgroups v2, and disk_xfs on XFS with
# project quotas: their unit tests inside of a virtual machine; see vm.bash for what it needs.
# timeout: 300
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/vm.bash"
vm_start_root

tests="lib/cgroup_test"
for m in cgroups_{cpu,mem,pids,cpuset,devices,blkio,hugetlb,net_cls,perf_event} gpu_nvidia disk_xfs posix_cpu network_ports; do
	tests="$tests isolator/$m/${m}_test"
done
present=
for t in $tests; do
	b=$MEZZO_BUILD/modules/$t
	[ -x "$b" ] || continue
	vm_add "$b" /t
	[ "$t" != isolator/gpu_nvidia/gpu_nvidia_test ] || cp "$(dirname "$b")/fake_nvml.so" "$ROOT/t/"
	present="$present $(basename "$t")"
done
# The kit on top of that, for the module that cannot be tried elsewhere.
if [ -x "$MEZZO_BUILD/mezzo-module-check" ] && [ -f "$MEZZO_BUILD/modules/isolator/disk_xfs.so" ]; then
	vm_add "$MEZZO_BUILD/mezzo-module-check" /k
	vm_add "$MEZZO_BUILD/modules/isolator/disk_xfs.so" /k
fi
[ -n "$present" ] || skip_all "the unit tests of isolator/cgroups_* are not built"
vm_disk

cat >"$ROOT/main" <<'END_OF_MAIN'
export CMOCKA_MESSAGE_OUTPUT=TAP
echo "controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
vm_mount_disk
echo 4 >/proc/sys/vm/nr_hugepages
for t in /t/*_test; do
	case $t in
	*disk_xfs* | *blkio*) TMPDIR=/xfs $t 2>&1 ;;
	*) $t 2>&1 ;;
	esac
	echo "ended ${t##*/} $?"
done
if [ -x /k/mezzo-module-check ]; then
	TMPDIR=/xfs /k/mezzo-module-check -s '{enforce: true, kill: true}' /k/disk_xfs.so
	echo "ended module_check $?"
fi
echo "left behind: $(find /sys/fs/cgroup -mindepth 1 -type d | tr '\n' ' ')"
END_OF_MAIN
vm_run 180

ok "the machine has cgroups v2 with its controllers" grep -q 'controllers .*cpu.*memory.*pids' "$T/console"
for t in $present; do
	ok "$t" grep -q "ended $t 0\$" "$T/console"
done
if [ ${#VM_DISK[@]} -gt 0 ] && grep -q "ended disk_xfs_test" "$T/console"; then
	ok "project quotas of XFS were tried" grep -q "^XFS with project quotas" "$T/console"
	[ ! -d "$ROOT/k" ] || ok "isolator/disk_xfs keeps the contract" grep -q "^ended module_check 0\$" "$T/console"
else
	skip "project quotas of XFS were tried" "no mkfs.xfs, depmod, modules of the kernel, or test"
fi
ok "nothing is left behind" grep -q '^left behind: $' "$T/console"
ok "it ran to its end" grep -q '^all ran' "$T/console"
ok "limits of v2 were tried, not skipped" bash -c "! grep -q 'SKIP.*v2' '$T/console'"
done_testing
