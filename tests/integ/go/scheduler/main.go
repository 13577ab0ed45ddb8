// A framework on mesos-go's v1 library. First it reads the operator API of master and
// agent; then it subscribes, launches five command tasks and five tasks of one custom
// executor, acknowledges every update, and tears down when all are finished.
// Run by client_go.sh:
//
//	scheduler protobuf|json MASTER(host:port) AGENT(host:port) EXECUTOR(path)
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/agent"
	agentcalls "github.com/mesos/mesos-go/api/v1/lib/agent/calls"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpagent"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpmaster"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	mastercalls "github.com/mesos/mesos-go/api/v1/lib/master/calls"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

const each = 5

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func newClient(codec encoding.Codec, url string) *httpcli.Client {
	return httpcli.New(httpcli.Endpoint(url), httpcli.Codec(codec),
		httpcli.Do(httpcli.With(httpcli.Timeout(time.Hour))))
}

func readMaster(codec encoding.Codec, host string, isJSON bool) {
	send := httpmaster.NewSender(newClient(codec, "http://"+host+"/api/v1").Send)
	ask := func(what string, call *master.Call) *master.Response {
		resp, err := send.Send(context.Background(), mastercalls.NonStreaming(call))
		check(what, err)
		defer resp.Close()
		var r master.Response
		if err := resp.Decode(&r); err != nil && err != io.EOF {
			check(what, err)
		}
		return &r
	}
	if !ask("GET_HEALTH", mastercalls.GetHealth()).GetHealth.Healthy {
		log.Fatal("GET_HEALTH: not healthy")
	}
	if ask("GET_VERSION", mastercalls.GetVersion()).GetVersion.VersionInfo.Version == "" {
		log.Fatal("GET_VERSION: no version")
	}
	if n := len(ask("GET_AGENTS", mastercalls.GetAgents()).GetAgents.Agents); n != 1 {
		log.Fatalf("GET_AGENTS: %d agents", n)
	}
	if len(ask("GET_FLAGS", mastercalls.GetFlags()).GetFlags.Flags) == 0 {
		log.Fatal("GET_FLAGS: no flags")
	}
	if len(ask("GET_METRICS", mastercalls.GetMetrics(nil)).GetMetrics.Metrics) == 0 {
		log.Fatal("GET_METRICS: no metrics")
	}
	ask("GET_FRAMEWORKS", mastercalls.GetFrameworks())
	ask("GET_TASKS", mastercalls.GetTasks())
	ask("GET_EXECUTORS", mastercalls.GetExecutors())
	ask("GET_ROLES", mastercalls.GetRoles())
	ask("GET_STATE", mastercalls.GetState())
	// The JSON codec of this library does not know the capability QUOTA_V2.
	if !isJSON && ask("GET_MASTER", mastercalls.GetMaster()).GetMaster.MasterInfo.ID == "" {
		log.Fatal("GET_MASTER: no id")
	}
	fmt.Println("read the master")
}

func readAgent(codec encoding.Codec, host string) {
	send := httpagent.NewSender(newClient(codec, "http://"+host+"/api/v1").Send)
	ask := func(what string, call *agent.Call) *agent.Response {
		resp, err := send.Send(context.Background(), agentcalls.NonStreaming(call))
		check(what, err)
		defer resp.Close()
		var r agent.Response
		if err := resp.Decode(&r); err != nil && err != io.EOF {
			check(what, err)
		}
		return &r
	}
	if !ask("GET_HEALTH", agentcalls.GetHealth()).GetHealth.Healthy {
		log.Fatal("GET_HEALTH: not healthy")
	}
	if ask("GET_AGENT", agentcalls.GetAgent()).GetAgent.AgentInfo.Hostname == "" {
		log.Fatal("GET_AGENT: no host name")
	}
	ask("GET_VERSION", agentcalls.GetVersion())
	ask("GET_FLAGS", agentcalls.GetFlags())
	ask("GET_METRICS", agentcalls.GetMetrics(nil))
	ask("GET_STATE", agentcalls.GetState())
	ask("GET_CONTAINERS", agentcalls.GetContainers())
	ask("GET_FRAMEWORKS", agentcalls.GetFrameworks())
	ask("GET_EXECUTORS", agentcalls.GetExecutors())
	ask("GET_TASKS", agentcalls.GetTasks())
	fmt.Println("read the agent")
}

type framework struct {
	codec    string
	executor string
	id       string
	caller   calls.Caller
	cancel   context.CancelFunc
	launched int
	finished int
}

func (f *framework) call(what string, c *scheduler.Call) error {
	err := calls.CallNoData(context.Background(), f.caller, c.With(calls.Framework(f.id)))
	if err != nil {
		return fmt.Errorf("%s: %v", what, err)
	}
	return nil
}

func (f *framework) task(n int, offer mesos.Offer) mesos.TaskInfo {
	id := fmt.Sprintf("go-%s-%d", f.codec, n)
	need := mesos.Resources{}
	need.Add(resources.NewCPUs(0.1).Resource, resources.NewMemory(16).Resource)
	t := mesos.TaskInfo{Name: id, TaskID: mesos.TaskID{Value: id}, AgentID: offer.AgentID, Resources: need}
	shell := true
	if n < each {
		text := "echo from go"
		t.Command = &mesos.CommandInfo{Shell: &shell, Value: &text}
		return t
	}
	text := "exec " + f.executor + " " + f.codec
	own := mesos.Resources{}
	own.Add(resources.NewCPUs(0.1).Resource, resources.NewMemory(32).Resource)
	t.Executor = &mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM,
		ExecutorID: mesos.ExecutorID{Value: "go-executor"},
		Command:    &mesos.CommandInfo{Shell: &shell, Value: &text}, Resources: own}
	return t
}

func (f *framework) onOffers(offers []mesos.Offer) error {
	for _, o := range offers {
		if f.launched == 2*each {
			if err := f.call("decline", calls.Decline(o.ID).With(calls.RefuseSeconds(time.Hour))); err != nil {
				return err
			}
			continue
		}
		var tasks []mesos.TaskInfo
		for ; f.launched < 2*each; f.launched++ {
			tasks = append(tasks, f.task(f.launched, o))
		}
		accept := calls.Accept(calls.OfferOperations{calls.OpLaunch(tasks...)}.WithOffers(o.ID))
		if err := f.call("accept", accept.With(calls.RefuseSeconds(time.Second))); err != nil {
			return err
		}
	}
	return nil
}

func (f *framework) onUpdate(s mesos.TaskStatus) error {
	fmt.Printf("%v %s %s\n", s.GetState(), s.TaskID.Value, s.GetMessage())
	if len(s.UUID) > 0 {
		if err := f.call("acknowledge", calls.Acknowledge(s.AgentID.Value, s.TaskID.Value, s.UUID)); err != nil {
			return err
		}
	}
	switch s.GetState() {
	case mesos.TASK_FINISHED:
		f.finished++
		if f.finished == 2*each {
			fmt.Println("done")
			err := f.call("teardown", &scheduler.Call{Type: scheduler.Call_TEARDOWN})
			f.cancel()
			return err
		}
	case mesos.TASK_FAILED, mesos.TASK_LOST, mesos.TASK_ERROR, mesos.TASK_KILLED:
		return errors.New("a task ended badly: " + s.GetMessage())
	}
	return nil
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: scheduler protobuf|json MASTER AGENT EXECUTOR")
	}
	codec := codecs.ByMediaType[codecs.MediaTypeProtobuf]
	if os.Args[1] == "json" {
		codec = codecs.ByMediaType[codecs.MediaTypeJSON]
	}
	readMaster(codec, os.Args[2], os.Args[1] == "json")
	readAgent(codec, os.Args[3])

	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	f := &framework{codec: os.Args[1], executor: os.Args[4], cancel: cancel,
		caller: httpsched.NewCaller(newClient(codec, "http://"+os.Args[2]+"/api/v1/scheduler"))}
	var failure error
	handler := events.HandlerFunc(func(_ context.Context, e *scheduler.Event) error {
		switch e.GetType() {
		case scheduler.Event_SUBSCRIBED:
			f.id = e.Subscribed.FrameworkID.Value
			fmt.Println("subscribed", f.id)
		case scheduler.Event_OFFERS:
			failure = f.onOffers(e.Offers.Offers)
		case scheduler.Event_UPDATE:
			failure = f.onUpdate(e.Update.Status)
		case scheduler.Event_ERROR:
			failure = errors.New(e.Error.GetMessage())
		}
		if failure != nil {
			cancel()
		}
		return failure
	})
	user := os.Getenv("USER")
	if user == "" {
		user = "root"
	}
	info := &mesos.FrameworkInfo{User: user, Name: "go-" + os.Args[1]}
	err := controller.Run(ctx, info, f.caller, controller.WithEventHandler(handler))
	if failure != nil {
		log.Fatal(failure)
	}
	if f.finished != 2*each {
		log.Fatalf("only %d tasks finished: %v", f.finished, err)
	}
}
