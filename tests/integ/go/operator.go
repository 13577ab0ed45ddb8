// The reads of the operator API on master and agent, while a task of ours runs.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"io"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/agent"
	agentcalls "github.com/mesos/mesos-go/api/v1/lib/agent/calls"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpagent"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpmaster"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	mastercalls "github.com/mesos/mesos-go/api/v1/lib/master/calls"
)

// A whole answer ends with EOF in some codecs.
func decode(what string, resp mesos.Response, err error, to encoding.Unmarshaler) {
	check(what, err)
	defer resp.Close()
	if err := resp.Decode(to); err != nil && err != io.EOF {
		check(what, err)
	}
}

func running(tasks []mesos.Task, id string) bool {
	for _, t := range tasks {
		if t.TaskID.Value == id && t.GetState() == mesos.TASK_RUNNING {
			return true
		}
	}
	return false
}

func readMaster(codec, host, framework, task string) {
	send := httpmaster.NewSender(newClient(codecOf(codec), "http://"+host+"/api/v1").Send)
	ask := func(call *master.Call) *master.Response {
		var r master.Response
		resp, err := send.Send(context.Background(), mastercalls.NonStreaming(call))
		decode(call.Type.String(), resp, err, &r)
		must(call.Type.String()+": the type of the answer", r.Type.String() == call.Type.String())
		return &r
	}
	listed := func(f *master.Response_GetFrameworks) bool {
		for _, one := range f.Frameworks {
			if one.FrameworkInfo.ID.GetValue() == framework && one.Active && one.Connected {
				return true
			}
		}
		return false
	}
	must("GET_HEALTH", ask(mastercalls.GetHealth()).GetHealth.Healthy)
	must("GET_VERSION", ask(mastercalls.GetVersion()).GetVersion.VersionInfo.Version != "")
	must("GET_FLAGS", len(ask(mastercalls.GetFlags()).GetFlags.Flags) > 0)
	must("GET_METRICS", len(ask(mastercalls.GetMetrics(nil)).GetMetrics.Metrics) > 0)
	agents := ask(mastercalls.GetAgents()).GetAgents.Agents
	must("GET_AGENTS", len(agents) == 1 && agents[0].Active && len(agents[0].TotalResources) > 0)
	must("GET_FRAMEWORKS", listed(ask(mastercalls.GetFrameworks()).GetFrameworks))
	must("GET_TASKS", running(ask(mastercalls.GetTasks()).GetTasks.Tasks, task))
	must("GET_EXECUTORS", len(ask(mastercalls.GetExecutors()).GetExecutors.Executors) == 1)
	must("GET_ROLES", len(ask(mastercalls.GetRoles()).GetRoles.Roles) > 0)
	must("GET_MASTER", ask(mastercalls.GetMaster()).GetMaster.MasterInfo.ID != "")
	state := ask(mastercalls.GetState()).GetState
	must("GET_STATE: tasks", running(state.GetTasks.Tasks, task))
	must("GET_STATE: executors", len(state.GetExecutors.Executors) == 1)
	must("GET_STATE: frameworks", listed(state.GetFrameworks))
	must("GET_STATE: agents", len(state.GetAgents.Agents) == 1)
	fact("read the master")
}

func readAgent(codec, host, framework, executor, task string) {
	send := httpagent.NewSender(newClient(codecOf(codec), "http://"+host+"/api/v1").Send)
	ask := func(call *agent.Call) *agent.Response {
		var r agent.Response
		resp, err := send.Send(context.Background(), agentcalls.NonStreaming(call))
		decode(call.Type.String(), resp, err, &r)
		must(call.Type.String()+": the type of the answer", r.Type.String() == call.Type.String())
		return &r
	}
	has := func(list []agent.Response_GetExecutors_Executor) bool {
		for _, one := range list {
			if one.ExecutorInfo.ExecutorID.Value == executor {
				return true
			}
		}
		return false
	}
	contains := func(list []agent.Response_GetContainers_Container) bool {
		for _, one := range list {
			if one.FrameworkID.Value == framework && one.ExecutorID.Value == executor {
				return one.ContainerID.Value != "" && one.ResourceStatistics != nil
			}
		}
		return false
	}
	must("GET_HEALTH", ask(agentcalls.GetHealth()).GetHealth.Healthy)
	must("GET_VERSION", ask(agentcalls.GetVersion()).GetVersion.VersionInfo.Version != "")
	must("GET_FLAGS", len(ask(agentcalls.GetFlags()).GetFlags.Flags) > 0)
	must("GET_METRICS", len(ask(agentcalls.GetMetrics(nil)).GetMetrics.Metrics) > 0)
	must("GET_AGENT", ask(agentcalls.GetAgent()).GetAgent.AgentInfo.Hostname != "")
	must("GET_FRAMEWORKS", len(ask(agentcalls.GetFrameworks()).GetFrameworks.Frameworks) == 1)
	must("GET_EXECUTORS", has(ask(agentcalls.GetExecutors()).GetExecutors.Executors))
	must("GET_TASKS", running(ask(agentcalls.GetTasks()).GetTasks.LaunchedTasks, task))
	must("GET_CONTAINERS", contains(ask(agentcalls.GetContainers()).GetContainers.Containers))
	state := ask(agentcalls.GetState()).GetState
	must("GET_STATE: tasks", running(state.GetTasks.LaunchedTasks, task))
	must("GET_STATE: executors", has(state.GetExecutors.Executors))
	must("GET_STATE: frameworks", len(state.GetFrameworks.Frameworks) == 1)
	fact("read the agent")
}
