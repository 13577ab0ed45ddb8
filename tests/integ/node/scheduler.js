// A framework on npm's mesos-framework: launches three tasks that stay, waits until
// they run, kills one, waits for TASK_KILLED of it, and tears down. Prints one line
// for each step; run by client_node.sh.
//
//	node scheduler.js HOST PORT
//
// SPDX-License-Identifier: Apache-2.0
"use strict";

const { Scheduler } = require("mesos-framework");
const Mesos = require("mesos-framework").Mesos.getMesos();

const [host, port] = process.argv.slice(2);
const running = new Map();
let killed = null;

const scheduler = new Scheduler({
	masterUrl: host,
	port: Number(port),
	frameworkName: "node-client",
	masterConnectionTimeout: 30, // the default is shorter than the heartbeat
	logging: { level: process.env.LOG_LEVEL || "error" },
	restartStates: [],
	tasks: {
		stay: {
			priority: 1,
			instances: 3,
			commandInfo: new Mesos.CommandInfo(null, null, true, "echo from node; exec tail -f /dev/null", null, null),
			resources: { cpus: 0.1, mem: 32, ports: 1, disk: 0 },
		},
	},
});

function end(status, text) {
	console.log(text);
	scheduler.teardown();
	// The library never ends by itself, and re-subscribes after a teardown.
	scheduler.on("sent_teardown", () => process.exit(status));
}

scheduler.on("subscribed", (o) => console.log(`subscribed ${o.frameworkId} ${o.mesosStreamId ? "with" : "without"} a stream id`));
scheduler.on("offers", () => console.log("offers"));
scheduler.on("update", (update) => {
	const status = update.status;
	const id = status.task_id.value;
	console.log(`${status.state} ${id}`);
	if (status.state === "TASK_RUNNING") {
		running.set(id, status.agent_id.value);
		if (running.size === 3 && !killed) {
			killed = id;
			scheduler.kill(id, status.agent_id.value);
			console.log(`kill ${id}`);
		}
	} else if (status.state === "TASK_KILLED" && id === killed) {
		end(0, "done");
	} else if (["TASK_FAILED", "TASK_LOST", "TASK_ERROR"].includes(status.state)) {
		end(1, `unexpected: ${JSON.stringify(status)}`);
	}
});
scheduler.on("error", (e) => console.log(`error ${e.message || JSON.stringify(e)}`));
scheduler.on("ready", () => scheduler.subscribe());
