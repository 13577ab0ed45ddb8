// A scheduler on the npm library mesos-framework that is told what to do on standard
// input and survives its masters. ../client_scenes.sh says which commands there are,
// and what is printed. The working directory must hold logs/ and node_modules/.
//
//	node survivor.js HOST PORT USER DIR [FRAMEWORK-ID]
//
// SPDX-License-Identifier: Apache-2.0
"use strict";

const { Scheduler, Mesos } = require(process.cwd() + "/node_modules/mesos-framework");
const helpers = require(process.cwd() + "/node_modules/mesos-framework/lib/helpers");
const mesos = Mesos.getMesos();

const [host, port, user, dir, id] = process.argv.slice(2);
const executorId = "node-executor";
let launching = "", agent = "", over = false;

function say(...words) {
	process.stdout.write("FACT " + words.join(" ") + "\n");
}

function resources(cpus, mem, disk) {
	const all = Object.entries(disk ? { cpus, mem, disk } : { cpus, mem });
	return all.map(([name, value]) => ({ name, type: "SCALAR", scalar: { value } }));
}

function task(name) {
	return {
		name,
		task_id: { value: name },
		agent_id: { value: agent },
		resources: resources(0.1, 16),
		command: { shell: true, value: `until [ -e ${dir}/${name} ]; do sleep 0.05; done` },
	};
}

// With the library's own messages.
function launchTasks(offer) {
	const own = task("own");
	own.command = null;
	own.executor = {
		executor_id: { value: executorId },
		command: {
			shell: true,
			value: `exec ${process.execPath} --no-deprecation ${__dirname}/executor.js`,
			environment: { variables: [{ name: "NODE_PATH", value: process.cwd() + "/node_modules" }] },
		},
		resources: resources(0.1, 64),
	};
	const launch = new mesos.Offer.Operation({
		type: "LAUNCH",
		launch: { task_infos: [new mesos.TaskInfo(task("command")), new mesos.TaskInfo(own)] },
	});
	scheduler.accept([offer.id], [launch], new mesos.Filters(0));
}

// The library's messages are older than pods; its transport takes them as they are.
function launchPod(offer) {
	const call = {
		type: "ACCEPT",
		framework_id: { value: scheduler.frameworkId },
		accept: {
			offer_ids: [offer.id],
			filters: { refuse_seconds: 0 },
			operations: [{
				type: "LAUNCH_GROUP",
				launch_group: {
					executor: { type: "DEFAULT", executor_id: { value: "pod" }, resources: resources(0.1, 32, 1) },
					task_group: { tasks: [task("pod-a"), task("pod-b")] },
				},
			}],
		},
	};
	helpers.doRequest.call(scheduler, call, (e) => e && say("error", e.message));
}

const scheduler = new Scheduler({
	masterUrl: host,
	port: Number(port),
	user,
	frameworkName: "node-survivor",
	masterConnectionTimeout: 30, // the default is shorter than the heartbeat
	logging: { level: "warn" },
	handlers: {
		// In place of the library's, which match offers with tasks of its options.
		OFFERS(offers) {
			for (const offer of offers.offers) {
				agent = offer.agent_id.value;
				if (launching === "tasks")
					launchTasks(offer);
				else if (launching === "pod")
					launchPod(offer);
				else
					this.decline([offer.id], new mesos.Filters(0));
				launching = launching === "tasks" ? "pod" : "";
			}
		},
		UPDATE(update) {
			this.acknowledge(update);
		},
	},
});

// The library subscribes again when the stream ends in order. When the connection
// breaks, or a subscription fails, that is left to its user: a moment later, because
// it writes each request by a timer, to whichever request is the newest.
function subscribe() {
	scheduler.subscribe();
	const request = scheduler.httpRequest;
	request.on("close", () => {
		if (over || request !== scheduler.httpRequest)
			return;
		scheduler.mesosStreamId = undefined;
		delete scheduler.requestTemplate.headers["mesos-stream-id"];
		setTimeout(subscribe, 200);
	});
}

scheduler.on("subscribed", (s) => say("subscribed", s.frameworkId));

scheduler.on("update", (u) => {
	const s = u.status;
	agent = s.agent_id ? s.agent_id.value : agent;
	say(s.reason === "REASON_RECONCILIATION" ? "reconciled" : "update", s.task_id.value, s.state);
	if (s.message)
		console.log(s.task_id.value, s.reason, s.message);
});

scheduler.on("message", (m) => say("message", m.data));

scheduler.on("error", (e) => {
	const text = e.message || e;
	if (over || /Long-running|problem with the request/.test(text)) {
		console.log(text); // no connection: see above
		return;
	}
	say("error", text);
	process.exit(3);
});

const commands = {
	launch() {
		launching = "tasks";
	},
	reconcile(name) {
		// Without an agent the library would ask for all.
		scheduler.reconcile(name, name && agent);
	},
	kill(name) {
		scheduler.kill(name, agent);
	},
	message(text) {
		scheduler.message(agent, executorId, text);
	},
	teardown() {
		scheduler.once("sent_teardown", () => {
			say("teardown");
			process.exit(0);
		});
		over = true;
		scheduler.teardown();
	},
};

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
	const [command, ...words] = line.split(" ");
	commands[command](...words);
});

scheduler.on("ready", () => {
	scheduler.frameworkId = id || null;
	subscribe();
});
