#!/usr/bin/env bash
# How containers of the launcher linux end on a machine that has nothing but cgroups v2: their unit
# test inside of a virtual machine; see vm.bash for what it needs.
# timeout: 400
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/vm.bash"
vm_start_root
t=containers_linux_end_test
[ -x "$MEZZO_BUILD/tests/unit/$t" ] || skip_all "tests/unit/$t is not built"
vm_add "$MEZZO_BUILD/tests/unit/$t" /b/tests/unit
vm_add "$MEZZO_BUILD/tests/unit/steps_isolator.so" /b/tests/unit
vm_add "$MEZZO_BUILD/core/bin/mezzo-init" /b/core/bin
vm_add "$MEZZO_BUILD/modules/containerizer/mesos.so" /b/modules/containerizer
mkdir -p "$ROOT/usr"
ln -s ../bin "$ROOT/usr/bin"
echo 'nobody:x:65534:65534::/:/bin/sh' >>"$ROOT/etc/passwd"
echo 'nogroup:x:65534:' >>"$ROOT/etc/group"
# The root file system that a kernel starts with cannot be left, as containers do.
cat >"$ROOT/main" <<'END_OF_MAIN'
mkdir /n
mount -t tmpfs -o mode=755 none /n
cp -a /b /bin /etc /lib* /usr /n
mkdir -m 1777 /n/tmp
for d in proc sys dev; do
	mkdir /n/$d
	mount --rbind /$d /n/$d
done
chroot /n /bin/sh <<'END'
export CMOCKA_MESSAGE_OUTPUT=TAP
/b/tests/unit/containers_linux_end_test 2>&1
echo "ended $?"
END
echo "left behind: $(find /sys/fs/cgroup -mindepth 1 -type d | tr '\n' ' ')"
END_OF_MAIN
vm_run 240
ok "$t" grep -q '^ended 0$' "$T/console"
ok "containers were destroyed in every state, not skipped" grep -q '^ok [0-9]* - destroys_in_every_state' "$T/console"
ok "nothing is left behind" grep -q '^left behind: $' "$T/console"
ok "it ran to its end" grep -q '^all ran' "$T/console"
done_testing
