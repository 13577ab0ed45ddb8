#!/usr/bin/env bash
# The tutorial of docs/modules.md to its end: the isolator is built against the public headers, put where
# the agent looks, named in the configuration that stands there, and greets a task.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs curl jq cc make pkg-config
ok "it is built and installed" \
	install_example isolator-hello

# What stands there, with the vendor's other module where a vendor has it.
configuration()
{
	awk '/^```yaml$/ { on = 1; text = ""; next } /^```$/ { if (on && text ~ /name: hello/) printf "%s", text; on = 0 } on { text = text $0 "\n" }' \
		"$MEZZO_SRC/docs/modules.md"
}
like "the configuration is there" "$(configuration)" 'name: hello'
mkdir "$T/vendor"
sed 's/"HELLO"/"AUDIT"/; s/hello\.txt/audit.txt/; s/\.name = "hello"/.name = "audit"/' "$T/examples/isolator-hello/hello.c" >"$T/vendor/audit.c"
ok "so is the other module" vendor_make -C "$T/vendor" -f "$T/examples/isolator-hello/Makefile" NAME=audit
{
	printf '%s\n' 'resources: "cpus:2;mem:1024;disk:4096"' 'store: memory' 'elector: standalone' 'authenticators: [none]'
	configuration | sed "s,/opt/vendor/,$T/vendor/,"
} >"$T/conf.yaml"

start_master
MZ_MODULE_PATH=$MEZZO_BUILD/modules:$T/modules agent_up
is "the agent has both" "$("$MEZZO" modules --agent "$WHERE" --json 2>/dev/null | jq -r '.. | objects | select(.kind? == "isolator") | .name' | sort | tr '\n' ' ')" \
	"audit hello posix_cpu "
# shellcheck disable=SC2016 # for the task's shell
is "a task finds its greeting" "$(timeout 60 "$MEZZO" run --command 'echo $HELLO; sed "s/, .*//" hello.txt; echo $AUDIT' 2>&1 | tr '\n' ' ')" \
	"Good morning Good morning Hello "
is "it has counted one" "$(get "$WHERE/metrics/snapshot" | jq '.["module/isolator/hello/guests"]')" 1

# ---- twice ----
stop_hard "$AGENT"
sed -i "s,^  - file: .*,  - {file: $T/modules/isolator/hello.so\, as: hello_again}," "$T/conf.yaml"
MZ_MODULE_PATH=$MEZZO_BUILD/modules:$T/modules agent_up
like "twice, as the page says, does not work for this one" "$(timeout 60 "$MEZZO" run --command true 2>&1)" \
	"Isolator 'hello_again': Cannot greet the container: File exists"
done_testing
