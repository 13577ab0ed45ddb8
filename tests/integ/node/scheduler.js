// A scheduler on the npm library mesos-framework. The library matches offers,
// launches and acknowledges; this program watches what comes of its four tasks, asks
// for a reconciliation, kills one of them and tears the framework down.
//
// It prints a line for each fact that client_node.sh looks at, and ends with 0
// once all has happened. The working directory must hold logs/ and node_modules/.
//
//	node scheduler.js HOST PORT USER
//
// SPDX-License-Identifier: Apache-2.0
"use strict";

const { Scheduler, Mesos } = require(process.cwd() + "/node_modules/mesos-framework");
const mesos = Mesos.getMesos();

const [host, port, user] = process.argv.slice(2);

function say(...words) {
	process.stdout.write("FACT " + words.join(" ") + "\n");
}

function task(priority, command) {
	return {
		priority,
		instances: 1,
		commandInfo: new mesos.CommandInfo(null, null, true, command, null, null),
		resources: { cpus: 0.1, mem: 32, ports: 1, disk: 0 },
	};
}

const scheduler = new Scheduler({
	masterUrl: host,
	port: Number(port),
	user,
	frameworkName: "node-client",
	masterConnectionTimeout: 30, // the default is shorter than the heartbeat
	logging: { level: "warn" },
	restartStates: [],
	tasks: {
		hello: task(1, "echo to standard output of $HOST; echo to standard error >&2"),
		wrong: task(2, "exit 3"),
		short: task(3, "sleep 0.2"),
		long: task(4, "exec sleep 1000"),
	},
});

const wanted = { hello: "TASK_FINISHED", wrong: "TASK_FAILED", short: "TASK_FINISHED", long: "TASK_KILLED" };
const ended = {};
let reconciling = false, killing = false, ending = false, framework = "";

// "node-client.hello-1.UUID" is what the library makes of the name "hello".
function shortName(id) {
	return id.split(".")[1].replace(/-1$/, "");
}

scheduler.on("subscribed", (s) => {
	framework = s.frameworkId;
	say("subscribed", s.frameworkId, s.mesosStreamId);
});

scheduler.on("offers", (o) => say("offers", o.offers.length));

scheduler.on("update", (u) => {
	const status = u.status, id = status.task_id.value, name = shortName(id);
	if (status.reason === "REASON_RECONCILIATION") {
		say("reconciled", name, status.state);
		if (!killing)
			scheduler.kill(id, status.agent_id.value);
		killing = true;
		return;
	}
	say("update", name, status.state, id);
	if (name === "long" && status.state === "TASK_RUNNING" && !reconciling) {
		reconciling = true;
		scheduler.reconcile(id, status.agent_id.value);
	}
	if (/FINISHED|FAILED|KILLED|LOST|ERROR|DROPPED|GONE/.test(status.state))
		ended[name] = status.state;
	if (Object.keys(wanted).every((n) => ended[n]) && !ending) {
		ending = true;
		// The last acknowledgement is on its way as this is called.
		scheduler.once("sent_acknowledge", () => scheduler.teardown());
	}
});

// The library would subscribe again, and never ends by itself.
scheduler.on("sent_teardown", () => {
	say("teardown", framework);
	process.exit(Object.keys(wanted).every((n) => ended[n] === wanted[n]) ? 0 : 1);
});

scheduler.on("error", (e) => {
	say("error", e.message || JSON.stringify(e));
	process.exit(1);
});

scheduler.on("ready", () => scheduler.subscribe());
