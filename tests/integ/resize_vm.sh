#!/usr/bin/env bash
# resize.sh on a machine that has nothing but cgroups v2, and on one that is hybrid: some controllers in hierarchies of
# v1, the others on v2. In virtual machines, see vm.bash.
# timeout: 1500
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/vm.bash"
vm_start_root
vm_bash || skip_all "no curl or jq here"
vm_daemons
vm_script resize

cat >"$T/v2" <<'END_OF_MAIN'
kind=v2
END_OF_MAIN
cat >"$T/hybrid" <<'END_OF_MAIN'
kind=hybrid
umount /sys/fs/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/memory /sys/fs/cgroup/unified
mount -t cgroup -o cpu,cpuacct none /sys/fs/cgroup/cpu,cpuacct
mount -t cgroup -o memory none /sys/fs/cgroup/memory
mount -t cgroup2 none /sys/fs/cgroup/unified
ln -s cpu,cpuacct /sys/fs/cgroup/cpu
END_OF_MAIN
for kind in v2 hybrid; do
	cat "$T/$kind" - >"$ROOT/main" <<'END_OF_MAIN'
ifconfig lo 127.0.0.1 up
echo 8 >/proc/sys/vm/nr_hugepages
bash /src/tests/integ/resize.sh 2>&1 | sed "s/^/$kind: /"
END_OF_MAIN
	vm_run 700
	vm_points "$kind"
	ok "$kind: it ran to its end" grep -q '^all ran' "$T/console"
done
done_testing
